"""Tracks: what changes over a rollout, one class for each kind of change."""

from dataclasses import dataclass
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from simgen.core.assets import Material
from simgen.core.mesh import Mesh
from simgen.core.spec import Environment, Light
from simgen.core.vectors import Floats


@dataclass(frozen=True, slots=True, kw_only=True)
class PoseTrack:
    """A body at every step: position of its centre of mass [T, 3], quaternion [T, 4], velocities [T, 3]."""

    body: int
    position_m: Floats
    quaternion: Floats
    velocity_mps: Floats
    angular_velocity_radps: Floats


@dataclass(frozen=True, slots=True, kw_only=True)
class VisibilityTrack:
    """Whether a body is there, at every step [T]."""

    body: int
    visible: NDArray[np.bool_]


@dataclass(frozen=True, slots=True, kw_only=True)
class MeshTrack:
    """Geometry that changes: `states[k]` from step `indices[k]` on. Vertices, attributes, topology may differ."""

    body: int
    indices: tuple[int, ...]
    states: tuple[Mesh, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class MaterialTrack:
    """The material of one slot of a body; an empty slot is the whole body."""

    body: int
    slot: str = ""
    indices: tuple[int, ...]
    states: tuple[Material, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class LightTrack:
    """A light that changes or moves; its kind stays."""

    light: str
    indices: tuple[int, ...]
    states: tuple[Light, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class EnvironmentTrack:
    """Strength and colour of the light from all around; its map stays."""

    indices: tuple[int, ...]
    states: tuple[Environment, ...]


Track = PoseTrack | VisibilityTrack | MeshTrack | MaterialTrack | LightTrack | EnvironmentTrack


_State = TypeVar("_State")


def state_at(indices: tuple[int, ...], states: tuple[_State, ...], index: int) -> _State:
    return [state for first, state in zip(indices, states, strict=True) if first <= index][-1]
