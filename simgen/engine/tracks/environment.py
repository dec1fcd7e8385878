"""The light from all around."""

from simgen.core.spec import Environment
from simgen.core.tracks import EnvironmentTrack
from simgen.engine.tracks import Shown, shows


@shows(EnvironmentTrack)
def environment(track: EnvironmentTrack, state: Environment, shown: Shown) -> None:
    shown.environment = state
