"""Materials that change."""

from simgen.core.assets import Material
from simgen.core.tracks import MaterialTrack
from simgen.engine.tracks import Shown, shows


@shows(MaterialTrack)
def material(track: MaterialTrack, state: Material, shown: Shown) -> None:
    shown.materials.setdefault(track.body, {})[track.slot] = state
