"""Whether a body is there."""

from simgen.core.tracks import VisibilityTrack
from simgen.engine.tracks import Shown, shows


@shows(VisibilityTrack)
def visibility(track: VisibilityTrack, state: bool, shown: Shown) -> None:
    if not state:
        shown.hidden.add(track.body)
