"""Lights that change."""

from simgen.core.spec import Light
from simgen.core.tracks import LightTrack
from simgen.engine.tracks import Shown, shows


@shows(LightTrack)
def light(track: LightTrack, state: Light, shown: Shown) -> None:
    shown.lights[track.light] = state
