"""Where a body is and how it is turned."""

from simgen.core.tracks import PoseTrack
from simgen.core.vectors import Floats
from simgen.engine.tracks import Shown, shows


@shows(PoseTrack)
def pose(track: PoseTrack, state: tuple[Floats, Floats], shown: Shown) -> None:
    shown.poses[track.body] = state
