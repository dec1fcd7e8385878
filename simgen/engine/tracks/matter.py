"""Mass and substance, which are not seen."""

from simgen.core.tracks import Matter, MatterTrack
from simgen.engine.tracks import Shown, shows


@shows(MatterTrack)
def matter(track: MatterTrack, state: Matter, shown: Shown) -> None:
    """Geometry and material have tracks of their own."""
