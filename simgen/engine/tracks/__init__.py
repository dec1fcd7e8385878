"""How each kind of track is shown. One file for a kind, found by being there:

@shows(MeshTrack)
def mesh(track: MeshTrack, state: Mesh, shown: Shown) -> None:
    shown.meshes[track.body] = state
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from simgen.core.assets import Material
from simgen.core.errors import UnknownName
from simgen.core.mesh import Mesh
from simgen.core.registry import load_once
from simgen.core.rollout import Rollout
from simgen.core.spec import Environment, Light
from simgen.core.tracks import Instant, Track
from simgen.core.vectors import Floats

Show = Callable[[Any, Any, "Shown"], None]


@dataclass(slots=True, kw_only=True)
class Shown:
    """The world at one instant, as the renderer is to show it. What no track speaks of is as the spec has it."""

    things: Mapping[int, Any]
    """The Blender objects of the bodies, for kinds of tracks that need more than what is below."""
    poses: dict[int, tuple[Floats, Floats]] = field(default_factory=dict)
    """Position [3] and quaternion [4] of bodies."""
    hidden: set[int] = field(default_factory=set)
    meshes: dict[int, Mesh] = field(default_factory=dict)
    materials: dict[int, dict[str, Material]] = field(default_factory=dict)
    """Of bodies, by slot."""
    lights: dict[str, Light] = field(default_factory=dict)
    environment: Environment


_shows: dict[str, Show] = {}


def shows(kind: type[Track]) -> Callable[[Show], Show]:
    """Have a function put the state of tracks of a kind into what is shown."""

    def add(show: Show) -> Show:
        _shows[kind.kind] = show
        return show

    return add


def at(rollout: Rollout, instant: Instant, things: Mapping[int, Any]) -> Shown:
    """What a rollout shows at an instant. A kind of track that nothing here shows is an error, never ignored."""
    load_once(__name__)
    shown = Shown(things=things, environment=rollout.spec.environment)
    shown.lights |= {light.name: light for light in rollout.spec.lights}
    for track in rollout.tracks:
        if track.kind not in _shows:
            raise UnknownName("kind of track that can be rendered", track.kind, _shows, where=rollout.spec.scene)
        _shows[track.kind](track, track.state_at(instant), shown)
    return shown
