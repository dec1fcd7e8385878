"""SceneSpec: one sample before anything has happened. Cameras look along their local -Z with +Y up."""

from dataclasses import dataclass
from typing import Literal

import numpy as np

from simgen.core.assets import Material
from simgen.core.mesh import Field, Model
from simgen.core.vectors import IDENTITY, Quat, Vec3

Role = Literal["actor", "affected", "bystander", "prop"]
STAGE_ID = 0
"""Instance id of everything that is not a body: stage, backdrop, background."""


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
    role: Role = "bystander"
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
    """What a model, a box or a ball is made of: a name of `simgen.core.substances`."""
    substances: tuple[tuple[str, str], ...] = ()
    """Of a model: by slot; `substance` for slots that are not named."""
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
class ViewRequest:
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
    camera: Camera | ViewRequest
    events: tuple[Event, ...] = ()
    gravity_mps2: Vec3 = (0.0, 0.0, -9.81)
    settle_s: float = 2.0
    """Longest time before t = 0 in which free bodies find their rest; events and initial velocities wait."""
    duration_s: float = 4.0
    """The end frame is taken at rest, or when this has passed."""
    physics_s: float = 0.0
    """Longest time that rigid bodies are simulated, where their part is over long before the event is: ice takes
    minutes to melt, and the glass beside it has come to rest at once. 0: as long as the event lasts."""
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
