"""Tracks: what changes over a rollout, one class for each kind of change.

A track knows its state at every instant. What rigid bodies do is known at every step of the simulation; what follows
a law of its own is a function of the phase, from 0 at the start frame to 1 at the end frame.
"""

import functools
from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, ClassVar, TypeVar

import numpy as np
from numpy.typing import NDArray

from simgen.core.assets import Material
from simgen.core.mesh import Mesh
from simgen.core.spec import Environment, Light
from simgen.core.vectors import Floats, Quat, Vec3

S = TypeVar("S")


@dataclass(frozen=True, slots=True)
class Instant:
    """One moment of a rollout; `Rollout.instant` makes them."""

    phase: float
    """0 at the start frame, 1 at the end frame."""
    step: int
    """The row of the arrays of a PoseTrack."""


_kinds: dict[str, type["Track"]] = {}


class Track(ABC):
    """One thing that changes. A subclass names its kind, under which records list it; kinds are unique."""

    kind: ClassVar[str]
    relights: ClassVar[bool] = False
    """Whether a change of this kind is one of the light that falls on everything."""
    alters: ClassVar[bool] = False
    """Whether a change of this kind is one of a body's own look, with its pose and presence as they were."""
    body: int = 0
    """The body that changes; 0 where it is none."""

    def __init_subclass__(cls, **options: Any) -> None:
        super().__init_subclass__(**options)
        known = _kinds.setdefault(cls.kind, cls)
        # A dataclass with slots makes its class a second time.
        if (known.__module__, known.__qualname__) != (cls.__module__, cls.__qualname__):
            raise TypeError(f"{cls.__name__}: tracks of kind {cls.kind!r} are {known.__name__}s; take another name")
        _kinds[cls.kind] = cls

    @abstractmethod
    def state_at(self, instant: Instant) -> Any:
        """What this track says of an instant."""

    def differs(self, one: Instant, other: Instant) -> bool:
        """Whether the states at two instants differ. States are compared by identity: a law returns the same object
        for the same phase."""
        return self.state_at(one) is not self.state_at(other)


def track_kinds() -> dict[str, type[Track]]:
    """Every kind of track there is, by name."""
    return dict(sorted(_kinds.items()))


def _remembered(track: Any, name: str) -> None:
    """Let the law in a field of a frozen track be asked once for each phase."""
    law = getattr(track, name)
    if law is not None:
        object.__setattr__(track, name, functools.cache(law))


@dataclass(frozen=True, kw_only=True)
class PoseTrack(Track):
    """A body at every step: position of its centre of mass [T, 3], quaternion [T, 4], velocities [T, 3]."""

    kind = "rigid"
    body: int
    position_m: Floats
    quaternion: Floats
    velocity_mps: Floats
    angular_velocity_radps: Floats
    law: Callable[[float], tuple[Vec3, Quat]] | None = None
    """Position and quaternion at a phase, of a body that a law of the scene moves; the rows follow it."""

    def __post_init__(self) -> None:
        _remembered(self, "law")

    def state_at(self, instant: Instant) -> tuple[Floats, Floats]:
        """Position [3] and quaternion [4]."""
        # At phase 0 it is where physics has it.
        if self.law is not None and instant.phase > 0.0:
            position, quaternion = self.law(instant.phase)
            return np.asarray(position, dtype=float), np.asarray(quaternion, dtype=float)
        return self.position_m[instant.step], self.quaternion[instant.step]

    def differs(self, one: Instant, other: Instant) -> bool:
        return not all(map(np.array_equal, self.state_at(one), self.state_at(other)))


@dataclass(frozen=True, kw_only=True)
class VisibilityTrack(Track):
    """Whether a body is there, at every step [T]."""

    kind = "visibility"
    body: int
    visible: NDArray[np.bool_]
    law: Callable[[float], bool] | None = None
    """The same at a phase, of a body that comes or goes by a law of the scene; the rows follow it."""

    def __post_init__(self) -> None:
        _remembered(self, "law")

    def state_at(self, instant: Instant) -> bool:
        return bool(self.visible[instant.step] if self.law is None else self.law(instant.phase))

    def differs(self, one: Instant, other: Instant) -> bool:
        return self.state_at(one) != self.state_at(other)


@dataclass(frozen=True, kw_only=True)
class MeshTrack(Track):
    """Geometry that changes. Vertices, attributes and topology may differ."""

    kind = "mesh"
    alters = True
    body: int
    law: Callable[[float], Mesh]
    """The mesh at a phase."""

    def __post_init__(self) -> None:
        _remembered(self, "law")

    def state_at(self, instant: Instant) -> Mesh:
        return self.law(instant.phase)


@dataclass(frozen=True, kw_only=True)
class MaterialTrack(Track):
    """The material of one slot of a body; an empty slot is the whole body."""

    kind = "material"
    alters = True
    body: int
    slot: str = ""
    law: Callable[[float], Material]
    """The material at a phase."""

    def __post_init__(self) -> None:
        _remembered(self, "law")

    def state_at(self, instant: Instant) -> Material:
        return self.law(instant.phase)


@dataclass(frozen=True, slots=True, kw_only=True)
class Matter:
    """What a body is made of and how much of it there is."""

    mass_kg: float
    substance: str
    """A name of `simgen.core.substances`."""


@dataclass(frozen=True, kw_only=True)
class MatterTrack(Track):
    """Mass and substance of a body that loses or gains mass, or becomes another substance. It is not rendered."""

    kind = "matter"
    body: int
    law: Callable[[float], Matter]
    """Mass and substance at a phase."""

    def __post_init__(self) -> None:
        _remembered(self, "law")

    def state_at(self, instant: Instant) -> Matter:
        return self.law(instant.phase)

    def differs(self, one: Instant, other: Instant) -> bool:
        return self.state_at(one) != self.state_at(other)


@dataclass(frozen=True, kw_only=True)
class LightTrack(Track):
    """A light that changes or moves; its kind stays."""

    kind = "light"
    relights = True
    light: str
    law: Callable[[float], Light]
    """The light at a phase."""

    def __post_init__(self) -> None:
        _remembered(self, "law")

    def state_at(self, instant: Instant) -> Light:
        return self.law(instant.phase)


@dataclass(frozen=True, kw_only=True)
class EnvironmentTrack(Track):
    """Strength and colour of the light from all around; its map stays."""

    kind = "environment"
    relights = True
    law: Callable[[float], Environment]
    """The environment at a phase."""

    def __post_init__(self) -> None:
        _remembered(self, "law")

    def state_at(self, instant: Instant) -> Environment:
        return self.law(instant.phase)
