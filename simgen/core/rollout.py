"""Rollout: a spec and what physics made of it."""

from dataclasses import dataclass, replace
from typing import Literal

import numpy as np

from simgen.core.assets import Material
from simgen.core.mesh import Mesh
from simgen.core.spec import Environment, Light, SceneSpec
from simgen.core.tracks import (
    EnvironmentTrack,
    LightTrack,
    MaterialTrack,
    MeshTrack,
    PoseTrack,
    Track,
    VisibilityTrack,
    state_at,
)
from simgen.core.vectors import Floats, Quat, Vec3

Provenance = Literal["solved", "prescribed", "derived"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Contact:
    """One unbroken touch of two bodies, or of a body and the stage (id 0); a < b."""

    a: int
    b: int
    first_s: float
    last_s: float
    impulse_ns: float
    """Sum of the normal impulses over the touch."""
    peak_force_n: float
    depth_m: float
    """Deepest penetration."""
    point_m: Vec3
    """Where it began."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Truth:
    """One number that is known of the sample, and where it comes from."""

    name: str
    value: float
    unit: str
    provenance: Provenance


@dataclass(frozen=True, slots=True, kw_only=True)
class Quantity:
    """A number that has one value in the start frame and one in the end frame."""

    name: str
    start: float
    end: float
    unit: str
    provenance: Provenance
    conserved: float = 0.0
    """Above 0 the two values must agree within that share, or the sample is rejected."""
    words: tuple[tuple[float, str], ...] = ()
    """What values are called, where a number says little: upper bound (excluded) and word, rising."""

    def word(self, value: float) -> str:
        """What a value is called; empty where there is no word."""
        return next((word for bound, word in self.words if value < bound), "")


@dataclass(frozen=True, slots=True, kw_only=True)
class Rollout:
    """A spec and what physics made of it. Index 0 is t = `times_s[0]`, the start frame is `start_index`."""

    spec: SceneSpec
    times_s: Floats
    tracks: tuple[Track, ...]
    contacts: tuple[Contact, ...]
    start_index: int
    end_index: int
    kinetic_j: Floats
    potential_j: Floats
    """Energy of all free bodies at every step [T], potential against the stage's top."""
    penetration_m: Floats
    """Deepest overlap of any two bodies, or of a body and the stage, at every step [T]."""
    work_j: float
    """Energy that events put in after the start (pushes)."""
    settled_mps: float = 0.0
    """Mean speed of the fastest body in the last moments of settling."""
    truth: tuple[Truth, ...] = ()
    quantities: tuple[Quantity, ...] = ()

    def poses(self, body_id: int) -> PoseTrack:
        return next(t for t in self.tracks if isinstance(t, PoseTrack) and t.body == body_id)

    def visible(self, body_id: int, index: int) -> bool:
        for track in self.tracks:
            if isinstance(track, VisibilityTrack) and track.body == body_id:
                return bool(track.visible[index])
        return True

    def quantity(self, name: str) -> Quantity:
        return next(quantity for quantity in self.quantities if quantity.name == name)

    def mesh(self, body_id: int, index: int) -> Mesh | None:
        """The geometry of a body that changes its own; None for all others."""
        for track in self.tracks:
            if isinstance(track, MeshTrack) and track.body == body_id:
                return state_at(track.indices, track.states, index)
        return None

    def altered(self, body_id: int) -> bool:
        """Whether a body's geometry or material differs between the start and the end frame."""
        return any(
            isinstance(track, MeshTrack | MaterialTrack)
            and track.body == body_id
            and state_at(track.indices, track.states, self.start_index)
            is not state_at(track.indices, track.states, self.end_index)
            for track in self.tracks
        )

    @property
    def relights(self) -> bool:
        """Whether a light or the environment changes."""
        return any(isinstance(track, LightTrack | EnvironmentTrack) for track in self.tracks)

    def materials(self, body_id: int, index: int) -> dict[str, Material]:
        """The materials that change, by slot."""
        return {
            track.slot: state_at(track.indices, track.states, index)
            for track in self.tracks
            if isinstance(track, MaterialTrack) and track.body == body_id
        }

    def light(self, name: str, index: int) -> Light:
        for track in self.tracks:
            if isinstance(track, LightTrack) and track.light == name:
                return state_at(track.indices, track.states, index)
        return self.spec.light(name)

    def environment(self, index: int) -> Environment:
        for track in self.tracks:
            if isinstance(track, EnvironmentTrack):
                return state_at(track.indices, track.states, index)
        return self.spec.environment

    # What a scene adds to what rigid bodies do (`Scene.develop`): each of these is a state that the end frame has.

    def then(self, *tracks: Track, quantities: tuple[Quantity, ...] = (), truth: tuple[Truth, ...] = ()) -> "Rollout":
        """With further tracks, quantities and truth."""
        return replace(
            self,
            tracks=(*self.tracks, *tracks),
            quantities=(*self.quantities, *quantities),
            truth=(*self.truth, *truth),
        )

    @property
    def _ends(self) -> tuple[int, int]:
        return (0, self.end_index)

    def relit(self, after: Light) -> "Rollout":
        """The light of that name ends like this."""
        states = (self.spec.light(after.name), after)
        return self.then(LightTrack(light=after.name, indices=self._ends, states=states))

    def resurfaced(self, body_id: int, after: Material, *, before: Material, slot: str = "") -> "Rollout":
        """A body, or one slot of it, goes from one material to another."""
        return self.then(MaterialTrack(body=body_id, slot=slot, indices=self._ends, states=(before, after)))

    def reshaped(self, body_id: int, before: Mesh, after: Mesh) -> "Rollout":
        """A body goes from one geometry to another."""
        return self.then(MeshTrack(body=body_id, indices=self._ends, states=(before, after)))

    def posed(self, body_id: int, position_m: Vec3, quaternion: Quat | None = None) -> "Rollout":
        """A body ends here, by the scene's own law."""
        track = self.poses(body_id)
        position, orientation = track.position_m.copy(), track.quaternion.copy()
        position[self.end_index] = position_m
        if quaternion is not None:
            orientation[self.end_index] = quaternion
        moved = replace(track, position_m=position, quaternion=orientation)
        return replace(self, tracks=tuple(moved if t is track else t for t in self.tracks))

    def shown(self, body_id: int, *, start: bool, end: bool) -> "Rollout":
        """A body is there in the start frame, in the end frame, or in both."""
        visible = np.full(len(self.times_s), start)
        visible[self.end_index] = end
        return self.then(VisibilityTrack(body=body_id, visible=visible))
