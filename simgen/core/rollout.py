"""Rollout: a spec and what physics made of it."""

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np

from simgen.core.assets import Material
from simgen.core.mesh import Mesh
from simgen.core.spec import Body, Environment, Light, Role, SceneSpec
from simgen.core.tracks import (
    EnvironmentTrack,
    Instant,
    LightTrack,
    MaterialTrack,
    Matter,
    MatterTrack,
    MeshTrack,
    PoseTrack,
    Track,
    VisibilityTrack,
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
    """A number that has a value at every instant; records hold those of the start frame and of the end frame."""

    name: str
    start: float
    end: float
    unit: str
    provenance: Provenance
    conserved: float = 0.0
    """Above 0 the values at all instants must agree within that share, or the sample is rejected."""
    words: tuple[tuple[float, str], ...] = ()
    """What values are called, where a number says little: upper bound (excluded) and word, rising."""
    law: Callable[[float], float] | None = None
    """The value at a phase. None for what is known of the two frames only: a property of the whole event, such as how
    hard a thing is thrown."""

    def at(self, phase: float) -> float:
        """The value at a phase; NaN between the frames where it is known of the two frames only."""
        if phase in (0.0, 1.0):
            return self.end if phase else self.start
        return self.law(phase) if self.law is not None else math.nan

    def word(self, value: float) -> str:
        """What a value is called; empty where there is no word."""
        return next((word for bound, word in self.words if value < bound), "")


def quantity(
    name: str,
    law: Callable[[float], float],
    *,
    unit: str,
    provenance: Provenance,
    conserved: float = 0.0,
    words: tuple[tuple[float, str], ...] = (),
) -> Quantity:
    """A quantity that follows a law from phase 0 to phase 1."""
    start, end = float(law(0.0)), float(law(1.0))
    return Quantity(
        name=name, start=start, end=end, unit=unit, provenance=provenance, conserved=conserved, words=words, law=law
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Rollout:
    """A spec and what physics made of it, at every instant between the start frame and the end frame.

    Row 0 of arrays [T] is t = `times_s[0]`; the start frame is row `start_index`, the end frame row `end_index`. What
    only the outcome tells, roles and what the camera must hold, is in here and not in the spec.
    """

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
    roles: tuple[tuple[int, Role], ...] = ()
    """Roles of bodies, by id, that the outcome made other than the spec has them."""
    framed: tuple[int, ...] = ()
    """Bodies that the camera must hold where the scene says so; empty: those that the event is about."""

    # Instants.

    def instant(self, phase: float) -> Instant:
        """The moment at a phase from 0 (the start frame) to 1 (the end frame)."""
        if not 0.0 <= phase <= 1.0:
            raise ValueError(f"a phase must be from 0 to 1; got {phase}")
        return Instant(phase, self.start_index + round(phase * (self.end_index - self.start_index)))

    @property
    def start(self) -> Instant:
        return Instant(0.0, self.start_index)

    @property
    def end(self) -> Instant:
        return Instant(1.0, self.end_index)

    @property
    def duration_s(self) -> float:
        """True time of the event, from the start frame to the end frame."""
        if self.spec.physics_s:
            return self.spec.duration_s
        return float(self.times_s[self.end_index] - self.times_s[self.start_index])

    # Bodies.

    @property
    def bodies(self) -> tuple[Body, ...]:
        """The bodies with the roles that the outcome gives them."""
        return tuple(map(self._cast, self.spec.bodies))

    def body(self, body_id: int) -> Body:
        """A body with the role that the outcome gives it."""
        return self._cast(self.spec.body(body_id))

    def _cast(self, body: Body) -> Body:
        """A body of the spec in the role that the outcome gives it."""
        role = dict(self.roles).get(body.id)
        return body if role is None else replace(body, role=role)

    @property
    def actor(self) -> Body:
        """The first body that the event acts upon; the first of all where it acts on none (a lamp out of sight)."""
        return next((body for body in self.bodies if body.role == "actor"), self.bodies[0])

    def poses(self, body_id: int) -> PoseTrack:
        return next(t for t in self.tracks if isinstance(t, PoseTrack) and t.body == body_id)

    def pose(self, body_id: int, instant: Instant) -> tuple[Floats, Floats]:
        """Position [3] and quaternion [4] of a body."""
        return self.poses(body_id).state_at(instant)

    def visible(self, body_id: int, instant: Instant) -> bool:
        """Whether a body is there."""
        for track in self.tracks:
            if isinstance(track, VisibilityTrack) and track.body == body_id:
                return track.state_at(instant)
        return True

    def mesh(self, body_id: int, instant: Instant) -> Mesh | None:
        """The geometry of a body that changes its own; None for all others."""
        for track in self.tracks:
            if isinstance(track, MeshTrack) and track.body == body_id:
                return track.state_at(instant)
        return None

    def materials(self, body_id: int, instant: Instant) -> dict[str, Material]:
        """The materials that change, by slot."""
        return {
            track.slot: track.state_at(instant)
            for track in self.tracks
            if isinstance(track, MaterialTrack) and track.body == body_id
        }

    def matter(self, body_id: int, instant: Instant) -> Matter | None:
        """Mass and substance of a body that changes either; None for all others."""
        for track in self.tracks:
            if isinstance(track, MatterTrack) and track.body == body_id:
                return track.state_at(instant)
        return None

    def altered(self, body_id: int) -> bool:
        """Whether a body's own look, its geometry or material, differs between the start and the end frame."""
        return any(t.alters and t.body == body_id and t.differs(self.start, self.end) for t in self.tracks)

    # Light.

    @property
    def relights(self) -> bool:
        """Whether a light or the environment changes."""
        return any(track.relights for track in self.tracks)

    def light(self, name: str, instant: Instant) -> Light:
        for track in self.tracks:
            if isinstance(track, LightTrack) and track.light == name:
                return track.state_at(instant)
        return self.spec.light(name)

    def environment(self, instant: Instant) -> Environment:
        for track in self.tracks:
            if isinstance(track, EnvironmentTrack):
                return track.state_at(instant)
        return self.spec.environment

    def quantity(self, name: str) -> Quantity:
        return next(quantity for quantity in self.quantities if quantity.name == name)

    # What a scene adds to what rigid bodies do (`Scene.develop`). A law is a function of the phase.

    def then(self, *tracks: Track, quantities: tuple[Quantity, ...] = (), truth: tuple[Truth, ...] = ()) -> "Rollout":
        """With further tracks, quantities and truth."""
        return replace(
            self,
            tracks=(*self.tracks, *tracks),
            quantities=(*self.quantities, *quantities),
            truth=(*self.truth, *truth),
        )

    def relit(self, name: str, law: Callable[[float], Light]) -> "Rollout":
        """The light of that name changes."""
        return self.then(LightTrack(light=name, law=law))

    def surrounded(self, law: Callable[[float], Environment]) -> "Rollout":
        """The light from all around changes."""
        return self.then(EnvironmentTrack(law=law))

    def resurfaced(self, body_id: int, law: Callable[[float], Material], *, slot: str = "") -> "Rollout":
        """The material of a body, or of one slot of it, changes."""
        return self.then(MaterialTrack(body=body_id, slot=slot, law=law))

    def reshaped(self, body_id: int, law: Callable[[float], Mesh]) -> "Rollout":
        """The geometry of a body changes."""
        return self.then(MeshTrack(body=body_id, law=law))

    def weighed(self, body_id: int, law: Callable[[float], Matter]) -> "Rollout":
        """The mass or the substance of a body changes."""
        return self.then(MatterTrack(body=body_id, law=law))

    def posed(self, body_id: int, law: Callable[[float], tuple[Vec3, Quat]]) -> "Rollout":
        """A body is moved by the scene's own law, which gives its position and quaternion."""
        track = self.poses(body_id)
        position, orientation = track.position_m.copy(), track.quaternion.copy()
        # Before the start frame it is where physics has it.
        for step in range(self.start_index + 1, self.end_index + 1):
            phase = (step - self.start_index) / (self.end_index - self.start_index)
            position[step], orientation[step] = law(phase)
        moved = replace(track, position_m=position, quaternion=orientation, law=law)
        return replace(self, tracks=tuple(moved if t is track else t for t in self.tracks))

    def shown(self, body_id: int, law: Callable[[float], bool]) -> "Rollout":
        """A body comes or goes: whether it is there."""
        visible = np.full(len(self.times_s), law(0.0))
        for step in range(self.start_index + 1, self.end_index + 1):
            visible[step] = law((step - self.start_index) / (self.end_index - self.start_index))
        return self.then(VisibilityTrack(body=body_id, visible=visible, law=law))
