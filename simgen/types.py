"""What flows: recipe → plan → SceneSpec → Rollout → Frames → Sample → shard.

World frame: metres, right-handed, Z up, the stage's top at z = 0. Quaternions are (w, x, y, z), as in Kubric.
Cameras look along their local -Z with +Y up. Every type is frozen; arrays inside are not to be written to.
"""

from dataclasses import dataclass, field
from typing import Any, Literal

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
class Material:
    """A shader template with its parameters. Colours are linear RGB; maps are file names beside the asset."""

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


# SceneSpec: one sample before anything has happened.


@dataclass(frozen=True, slots=True, kw_only=True)
class Body:
    """One rigid thing. `id` is its instance id in every image, 1 to 255."""

    id: int
    asset: str = ""
    """`source:id` of an ObjectAsset; empty for a box or a ball of `size_m`."""
    shape: Literal["asset", "box", "ball"] = "asset"
    size_m: Vec3 = (0.0, 0.0, 0.0)
    """Full extents of a box, or the diameter thrice; for an asset its own extents times scale."""
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
    material: Material | None = None
    """Overrides the asset's own; needed for a box or a ball."""
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


Event = Push | Release | Remove


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

    def body(self, body_id: int) -> Body:
        return next(body for body in self.bodies if body.id == body_id)

    @property
    def actor(self) -> Body:
        """The first body that the event acts upon."""
        return next(body for body in self.bodies if body.role == "actor")


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


Track = PoseTrack | VisibilityTrack


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

    def poses(self, body_id: int) -> PoseTrack:
        return next(t for t in self.tracks if isinstance(t, PoseTrack) and t.body == body_id)

    def visible(self, body_id: int, index: int) -> bool:
        for track in self.tracks:
            if isinstance(track, VisibilityTrack) and track.body == body_id:
                return bool(track.visible[index])
        return True


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
