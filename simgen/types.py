"""What flows: recipe → plan → SceneSpec → Rollout → Frames → Sample → shard.

World frame: metres, right-handed, Z up, the stage's top at z = 0. Quaternions are (w, x, y, z), as in Kubric.
Cameras look along their local -Z with +Y up. Every type is frozen; arrays inside are not to be written to.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Literal, TypeVar

import numpy as np
from numpy.typing import NDArray

Vec3 = tuple[float, float, float]
Quat = tuple[float, float, float, float]
Split = Literal["train", "test"]
Provenance = Literal["solved", "prescribed", "derived"]
Floats = NDArray[np.float64]

IDENTITY: Quat = (1.0, 0.0, 0.0, 0.0)
STAGE_ID = 0
"""Instance id of everything that is not a body: stage, backdrop, background."""


# Assets: what a scene can be made of. No path of a machine is in here; `assets.Catalog` finds the files.


@dataclass(frozen=True, slots=True, kw_only=True)
class Pattern:
    """Irregularity finer than a mesh: a second colour and a relief, in the body's own axes."""

    kind: Literal["noise", "cells", "wood", "marble", "stripes"] = "noise"
    color: Vec3 = (0.5, 0.5, 0.5)
    amount: float = 0.5
    """Share of the second colour where the pattern is strongest."""
    scale_m: float = 0.01
    """Size of its features."""
    stretch: Vec3 = (1.0, 1.0, 1.0)
    """How much longer the features are along each axis."""
    bump_m: float = 0.0
    roughness: float = 0.0
    """Added to the roughness where the pattern is strongest."""
    seed: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Layer:
    """Another material on top, there where the body's field is below `level`: rust, frost, mould, paint that is left.

    A field is a number from 0 to 1 at every vertex, the level at which that place is covered; the covered share is
    then known from the mesh.
    """

    top: "Material"
    field: str
    """Of `Body.fields` or of the model's own attributes."""
    level: float = 0.5
    softness: float = 0.02
    """Width of the transition, in levels."""
    rough: float = 0.0
    """How far the border strays, in levels, finer than a mesh shows."""
    rough_m: float = 0.004
    """Size of these strays."""
    thickness_m: float = 0.0
    """Relief at the border; negative where the layer lies lower."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Material:
    """A shader template with its parameters. Colours are linear RGB; maps are file names beside the asset.

    `simgen.palette` has the named ones; a template that is not one of the few that need a shader of their own
    (`glass`, `liquid`, `leaf`) is a principled surface.
    """

    template: str = "principled"
    base_color: Vec3 = (0.8, 0.8, 0.8)
    roughness: float = 0.5
    metallic: float = 0.0
    transmission: float = 0.0
    ior: float = 1.45
    coat: float = 0.0
    subsurface: float = 0.0
    color_map: str = ""
    roughness_map: str = ""
    normal_map: str = ""
    tile_m: float = 1.0
    """Edge of one repeat of the maps on a surface; objects use their own UVs."""
    coat_roughness: float = 0.08
    sheen: float = 0.0
    subsurface_m: float = 0.01
    """How far light travels inside."""
    emission: Vec3 = (0.0, 0.0, 0.0)
    """Radiance of its own, W/m²/sr."""
    color_field: str = ""
    """An attribute [N, 3] of the mesh that takes the place of the base colour."""
    emission_field: str = ""
    """An attribute [N, 3] of the mesh that `emission` is multiplied with."""
    patterns: tuple[Pattern, ...] = ()
    layers: tuple[Layer, ...] = ()
    """From the inside to the outside."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Credit:
    """Who made an asset and what may be done with it."""

    title: str
    author: str
    license: str
    url: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class ObjectAsset:
    """A rigid object. Origin at the centre of mass, Z up as it would stand in use."""

    id: str
    source: str
    """Name of the manifest: `builtin`, `GSO`."""
    label: str
    """Plain words that can follow "the": `white mug with a yellow handle`."""
    kind: str
    """One word: `mug`, `ball`, `toy`; empty where unknown."""
    bounds_m: tuple[Vec3, Vec3]
    volume_m3: float
    mass_kg: float
    manifest_mass_kg: float
    """The figure of the manifest as it stands; Kubric's are the volume in m³ times one."""
    substance: str
    """`ceramic`, `wood`, `metal`, `glass`, `plastic`, `rubber`, `paper`, `foam`, `fabric`."""
    friction: float
    """Bullet multiplies the values of both bodies of a pair."""
    restitution: float
    split: Split
    credit: Credit
    sha256: str
    materials: tuple[tuple[str, Material], ...] = ()
    """Material of each named slot of the mesh; empty: what the mesh file itself says."""

    @property
    def size_m(self) -> Vec3:
        low, high = self.bounds_m
        return (high[0] - low[0], high[1] - low[1], high[2] - low[2])


@dataclass(frozen=True, slots=True, kw_only=True)
class SurfaceAsset:
    """What a stage is made of."""

    id: str
    source: str
    label: str
    substance: str
    material: Material
    friction: float
    restitution: float
    credit: Credit
    sha256: str


@dataclass(frozen=True, slots=True, kw_only=True)
class EnvironmentAsset:
    """An equirectangular light probe."""

    id: str
    source: str
    label: str
    indoor: bool
    split: Split
    credit: Credit
    sha256: str


# Meshes that simgen makes itself.


@dataclass(frozen=True, slots=True, kw_only=True)
class Surface:
    """One part of a mesh, of one material."""

    vertices_m: Floats
    """[N, 3] in the body's own axes."""
    faces: NDArray[np.int64]
    """[M, 3] triangles or [M, 4] quads, counter-clockwise from outside."""
    slot: str = ""
    uv: Floats | None = None
    """[N, 2]"""
    attributes: Mapping[str, Floats] = field(default_factory=dict)
    """Numbers [N] or colours [N, 3] at the vertices, by name."""
    sharp_deg: float = 40.0
    """Edges between faces that meet at more than this look sharp; 180 none, 0 all."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Mesh:
    """Geometry of a body. `parts` are convex pieces [K, 3] for collisions; none: the hull of everything."""

    surfaces: tuple[Surface, ...]
    parts: tuple[Floats, ...] = ()

    @property
    def vertices_m(self) -> Floats:
        return np.concatenate([surface.vertices_m for surface in self.surfaces])

    @property
    def triangles(self) -> NDArray[np.int64]:
        """Of all surfaces together [M, 3], quads cut in two."""
        rows, offset = [], 0
        for surface in self.surfaces:
            faces = np.asarray(surface.faces)
            halves = [faces] if faces.shape[1] == 3 else [faces[:, [0, 1, 2]], faces[:, [0, 2, 3]]]
            rows += [half + offset for half in halves]
            offset += len(surface.vertices_m)
        return np.concatenate(rows)


@dataclass(frozen=True, slots=True, kw_only=True)
class Model:
    """A mesh by the name of what makes it (`simgen.models`) and its numbers: the same model is the same mesh."""

    name: str
    variant: str = ""
    seed: int = 0
    numbers: tuple[tuple[str, float], ...] = ()

    def number(self, name: str) -> float:
        return dict(self.numbers)[name]

    def but(self, **numbers: float) -> "Model":
        """The same with other numbers."""
        changed = dict(self.numbers) | {name: float(value) for name, value in numbers.items()}
        return replace(self, numbers=tuple(sorted(changed.items())))


@dataclass(frozen=True, slots=True, kw_only=True)
class Field:
    """A number from 0 to 1 at every point of a body, spread evenly over its surface: the share with a field below x is
    x. It grows from noise, drawn towards a direction, edges or points; see `simgen.fields`."""

    name: str
    seed: int
    wave_m: float
    """Size of the largest spots."""
    octaves: int = 4
    lean: Vec3 = (0.0, 0.0, 0.0)
    """Low values lie on this side; its length is the weight against the noise."""
    facing: Vec3 = (0.0, 0.0, 0.0)
    """Low values lie where the surface faces this way; its length is the weight."""
    spots_m: tuple[Vec3, ...] = ()
    """Where it begins: low values around these points, in the body's own axes."""
    spots_weight: float = 0.0


# SceneSpec: one sample before anything has happened.


@dataclass(frozen=True, slots=True, kw_only=True)
class Body:
    """One rigid thing. `id` is its instance id in every image, 1 to 255."""

    id: int
    asset: str = ""
    """`source:id` of an ObjectAsset; empty for a box or a ball of `size_m`, or a model."""
    shape: Literal["asset", "box", "ball", "model"] = "asset"
    size_m: Vec3 = (0.0, 0.0, 0.0)
    """Full extents of a box, or the diameter thrice; for an asset or a model its own extents times scale."""
    model: Model | None = None
    parent: int = 0
    """The body that this is a piece of; 0 for none."""
    label: str
    role: Literal["actor", "affected", "bystander", "prop"] = "bystander"
    """actor: the event acts on it; affected: it may move in consequence; prop: part of the set (a ramp)."""
    static: bool = False
    position_m: Vec3
    quaternion: Quat = IDENTITY
    velocity_mps: Vec3 = (0.0, 0.0, 0.0)
    angular_velocity_radps: Vec3 = (0.0, 0.0, 0.0)
    scale: float = 1.0
    mass_kg: float
    friction: float
    restitution: float
    rolling_resistance_m: float = 0.0
    """Lever arm of the torque that stops a rolling body, times the normal force and the partner's friction."""
    substance: str = ""
    """Of a model."""
    material: Material | None = None
    """Overrides the asset's own; needed for a box or a ball."""
    materials: tuple[tuple[str, Material], ...] = ()
    """Of a model: by slot; `material` for slots that are not named."""
    fields: tuple[Field, ...] = ()
    surface: str = ""
    """`source:id` of a SurfaceAsset that `material`'s maps come from."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Stage:
    """What everything stands on; its top is the plane z = 0."""

    kind: Literal["table", "floor", "dome", "sweep"]
    surface: str = ""
    """`source:id` of a SurfaceAsset; empty for a dome, which shows the environment map."""
    size_m: tuple[float, float] = (4.0, 4.0)
    """Extent along x and y. A body that leaves it has left the scene."""
    rotation_rad: float = 0.0
    friction: float = 0.7
    restitution: float = 0.3
    color: tuple[float, ...] = ()
    """Linear RGB of the paper of a sweep that has no surface, or of a room's walls; none: drawn with the picture."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Light:
    """`power` is watts for area and point lights, W/m² for a sun. Colours are linear RGB."""

    kind: Literal["area", "point", "sun"]
    name: str
    position_m: Vec3
    look_at_m: Vec3 = (0.0, 0.0, 0.0)
    power: float
    color: Vec3 = (1.0, 1.0, 1.0)
    size_m: float = 0.5
    """Edge of an area light, diameter of a point light."""
    angle_rad: float = 0.009
    """Angular diameter of a sun."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Environment:
    """The light from all around. With no asset a uniform colour."""

    asset: str = ""
    rotation_rad: float = 0.0
    strength: float = 1.0
    """Mean radiance over the sphere, in W/m²/sr: maps are scaled to it, so that lamps and maps can be balanced."""
    color: Vec3 = (1.0, 1.0, 1.0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Camera:
    """A pinhole with square pixels, principal point in the middle."""

    position_m: Vec3
    look_at_m: Vec3
    focal_length_mm: float = 35.0
    sensor_width_mm: float = 32.0
    exposure_ev: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Framing:
    """A camera still to be placed: direction and lens now, distance and aim once it is known what happens."""

    azimuth_rad: float
    """Of the camera as seen from the subject, from +x towards +y."""
    elevation_rad: float
    focal_length_mm: float = 35.0
    sensor_width_mm: float = 32.0
    margin: float = 0.12
    """Free share of the picture's half width around everything that moves."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Push:
    """An impulse at a point of a body, in world axes; the point is relative to its centre of mass."""

    time_s: float
    body: int
    impulse_ns: Vec3
    point_m: Vec3 = (0.0, 0.0, 0.0)
    kind: Literal["push"] = "push"


@dataclass(frozen=True, slots=True, kw_only=True)
class Release:
    """A body that hangs where it is until this instant."""

    time_s: float
    body: int
    kind: Literal["release"] = "release"


@dataclass(frozen=True, slots=True, kw_only=True)
class Remove:
    """A body that is taken out of the world at this instant: unseen and untouched afterwards."""

    time_s: float
    body: int
    kind: Literal["remove"] = "remove"


@dataclass(frozen=True, slots=True, kw_only=True)
class Break:
    """A body that gives way to its pieces, from this instant on, at the first blow that is hard enough. They take over
    its pose and velocity as these were before the blow, which then falls to them."""

    time_s: float
    body: int
    into: tuple[int, ...]
    """Ids of the pieces: bodies whose `parent` it is, placed where they are in it at the start."""
    min_impulse_ns: float
    """Sum of the normal impulses of one step that it takes."""
    kind: Literal["break"] = "break"


Event = Push | Release | Remove | Break


@dataclass(frozen=True, slots=True, kw_only=True)
class SceneSpec:
    """Everything needed to simulate and render one sample, as plain data."""

    scene: str
    bodies: tuple[Body, ...]
    stage: Stage
    lights: tuple[Light, ...]
    environment: Environment
    camera: Camera | Framing
    events: tuple[Event, ...] = ()
    gravity_mps2: Vec3 = (0.0, 0.0, -9.81)
    settle_s: float = 2.0
    """Longest time before t = 0 in which free bodies find their rest; events and initial velocities wait."""
    duration_s: float = 4.0
    """The end frame is taken at rest, or when this has passed."""
    start_s: float = 0.0
    """Instant of the start frame."""
    end_state: Literal["rest", "moving", "steady"] = "rest"
    step_rate_hz: int = 240
    frame_rate_hz: int = 16
    render_seed: int = 0
    inputs: tuple[tuple[str, float], ...] = ()
    """Numbers that the scene's own law starts from: a final temperature, a load, a density."""

    def input(self, name: str) -> float:
        return dict(self.inputs)[name]

    def rng(self, name: str) -> np.random.Generator:
        """A generator whose seed is an input: for what a law scatters at random, drawn once and for all in the spec."""
        return np.random.default_rng(int(self.input(name)))

    def body(self, body_id: int) -> Body:
        return next(body for body in self.bodies if body.id == body_id)

    def light(self, name: str) -> Light:
        return next(light for light in self.lights if light.name == name)

    @property
    def actor(self) -> Body:
        """The first body that the event acts upon; the first of all where it acts on none (a lamp out of sight)."""
        return next((body for body in self.bodies if body.role == "actor"), self.bodies[0])


# Rollout: what physics made of it.


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


def _at(indices: tuple[int, ...], states: tuple[_State, ...], index: int) -> _State:
    return [state for first, state in zip(indices, states, strict=True) if first <= index][-1]


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
                return _at(track.indices, track.states, index)
        return None

    def altered(self, body_id: int) -> bool:
        """Whether a body's geometry or material differs between the start and the end frame."""
        return any(
            isinstance(track, MeshTrack | MaterialTrack)
            and track.body == body_id
            and _at(track.indices, track.states, self.start_index)
            is not _at(track.indices, track.states, self.end_index)
            for track in self.tracks
        )

    @property
    def relights(self) -> bool:
        """Whether a light or the environment changes."""
        return any(isinstance(track, LightTrack | EnvironmentTrack) for track in self.tracks)

    def materials(self, body_id: int, index: int) -> dict[str, Material]:
        """The materials that change, by slot."""
        return {
            track.slot: _at(track.indices, track.states, index)
            for track in self.tracks
            if isinstance(track, MaterialTrack) and track.body == body_id
        }

    def light(self, name: str, index: int) -> Light:
        for track in self.tracks:
            if isinstance(track, LightTrack) and track.light == name:
                return _at(track.indices, track.states, index)
        return self.spec.light(name)

    def environment(self, index: int) -> Environment:
        for track in self.tracks:
            if isinstance(track, EnvironmentTrack):
                return _at(track.indices, track.states, index)
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


# Frames and samples.


Box = tuple[int, int, int, int]
"""Left, top, right, bottom in pixels; right and bottom are not inside."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Frame:
    """One instant rendered; arrays are [H, W, …], row 0 at the top."""

    rgb: NDArray[np.uint8]
    """8-bit sRGB [H, W, 3]."""
    ids: NDArray[np.uint8]
    """Instance ids [H, W], 0 = stage."""
    depth_m: NDArray[np.float32]
    """Distance along the viewing axis [H, W]; infinite where there is nothing."""
    normals: NDArray[np.float32]
    """Unit normals in world axes [H, W, 3]; zero where there is nothing."""
    samples_per_pixel: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Gate:
    """One check of a sample with its figure; `passed` decides, `limit` says against what."""

    name: str
    value: float
    limit: str
    """In words and numbers: `<= 0.002 m`."""
    passed: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Reject:
    """Why an attempt is not worth keeping; `gate` is what is counted."""

    gate: str
    reason: str
    attempt: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Instructions:
    """PICABench's three tiers: what to do; with its physical effect; with the whole end state."""

    superficial: str
    intermediate: str
    explicit: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample:
    """The record: images, masks and the JSON of schema version 1, ready to be written or just read."""

    key: str
    start: NDArray[np.uint8]
    end: NDArray[np.uint8]
    start_seg: NDArray[np.uint8]
    end_seg: NDArray[np.uint8]
    mask: NDArray[np.uint8]
    record: dict[str, Any]
    arrays: dict[str, NDArray[Any]] = field(default_factory=dict)
    """What a recipe asks for on top: `start_depth`, `end_depth`, `start_normals`, `flow`, …"""
