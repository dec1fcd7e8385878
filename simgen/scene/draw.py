"""Draws that most scenes share: things, places, light, views.

A scene gets one `Draw` and takes all its randomness from it, so that a sample is a pure function of its generator.
"""

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, replace
from typing import Any, TypeVar

import numpy as np
from numpy.typing import ArrayLike

from simgen.catalog.catalog import Catalog
from simgen.core.assets import Material, ObjectAsset, Split, SurfaceAsset
from simgen.core.errors import SimgenError
from simgen.core.geometry import Shape, direction, quat, quat_from_axis_angle, quat_multiply, quat_rotate, vec3
from simgen.core.mesh import Model
from simgen.core.spec import Body, Environment, Light, Push, SceneSpec, Stage, ViewRequest
from simgen.core.substances import SUBSTANCES
from simgen.core.vectors import IDENTITY, Quat, Vec3
from simgen.procedural import models

T = TypeVar("T")

GAP_M = 0.0005
"""Bodies are set down from this height; settling does the rest."""
RAMP_THICKNESS_M = 0.012
LARGE_M = 0.5
"""Larger than any built-in object, and too large to do something on a table."""
FLOOR_M = (8.0, 8.0)


class NothingFits(SimgenError):
    """No asset of the catalogue is what a scene asks for."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Ramp:
    """A board on a block; the foot of its upper face's lower edge is near the origin."""

    bodies: tuple[Body, ...]
    orientation: Quat
    """Its x axis points down the slope, its z axis out of the board."""
    down: Vec3
    normal: Vec3

    def place(self, shape: Shape, up_m: float, turn: Quat = IDENTITY) -> dict[str, Any]:
        """Overrides for a Body of that shape that lies on the board, its centre `up_m` from the lower edge."""
        orientation = quat(quat_multiply(self.orientation, turn))
        lift = RAMP_THICKNESS_M + GAP_M - shape.lowest_m(turn)
        position = np.array(self.normal) * lift - np.array(self.down) * up_m
        return {"position_m": vec3(position), "quaternion": orientation}


@dataclass(frozen=True, slots=True, kw_only=True)
class Draw:
    """The random draws of one attempt at one sample.

    What happens is drawn from `event`: which way it is pushed and how hard, what colour the light gets. In a family of
    samples all else is drawn alike, so nothing of it, not even whether it is drawn, may depend on what `event` gave.
    """

    rng: np.random.Generator
    catalog: Catalog
    split: Split
    event_rng: np.random.Generator | None = None
    aspect: float = 1.0
    """Height of the picture to come over its width."""
    strict: bool = False
    """Objects come from the user's own manifests alone."""
    own_up_to_m: float = 0.0
    """The scene takes the user's own objects up to this extent, whatever its limit for others is."""
    watch: Callable[[Sequence[ObjectAsset], Callable[[ObjectAsset], bool], bool], None] | None = None
    """Called at each draw of an object with those of the user's own that are of the right size, with what says of one
    whether it fits, and with whether it is for a bystander."""

    @property
    def event(self) -> "Draw":
        """Draws of what happens; the others are of what is there."""
        return replace(self, rng=self.event_rng or self.rng)

    # Numbers

    def uniform(self, bounds: tuple[float, float]) -> float:
        return float(self.rng.uniform(*bounds))

    def integer(self, bounds: tuple[int, int]) -> int:
        """Both bounds included."""
        return int(self.rng.integers(bounds[0], bounds[1] + 1))

    def chance(self, probability: float) -> bool:
        return bool(self.rng.random() < probability)

    def choice(self, options: Sequence[T]) -> T:
        if not options:
            raise NothingFits("the catalogue has none of what the scene draws from; keep assets.builtin true")
        return options[int(self.rng.integers(len(options)))]

    def angle(self) -> float:
        return self.uniform((0.0, 2 * np.pi))

    # Things

    def object(
        self,
        *,
        kinds: Collection[str] = (),
        without: Collection[str] = (),
        size_m: tuple[float, float] = (0.03, 0.45),
        where: Callable[[ObjectAsset, Shape], bool] | None = None,
        aside: bool = False,
    ) -> ObjectAsset:
        """An object of this split whose largest extent is within `size_m` and for which `where` holds.

        `without` holds refs that are taken. The user's own objects come first: all of those that lie on a disk, three
        of those that would have to be fetched; then the built-in ones. `aside` for what only stands there, which is
        never larger than `size_m`. Raises NothingFits.
        """
        fitting = [a for a in self.fitting(kinds=kinds, size_m=size_m) if ref(a) not in without]
        order: list[ObjectAsset] = [fitting[int(k)] for k in self.rng.permutation(len(fitting))]
        own = [asset for asset in order if asset.source in self.catalog.given]
        if self.own_up_to_m and not aside:
            # Shuffled for themselves, so that they change no draw that could do without them.
            low, high = size_m[1], self.own_up_to_m
            larger = [
                a for a in self.fitting(kinds=kinds, size_m=(low, high)) if a not in own and ref(a) not in without
            ]
            larger = [asset for asset in larger if asset.source in self.catalog.given]
            own += [larger[int(k)] for k in self.rng.permutation(len(larger))] if larger else []
        rest = [] if self.strict else [asset for asset in order if asset.source not in self.catalog.given]
        near = [asset for asset in own if asset.source in self.catalog.given_here]
        far = [asset for asset in own if asset.source not in self.catalog.given_here]
        if self.watch is not None:
            self.watch(near, lambda asset: where is None or where(asset, self.shape(asset)), aside)
        for asset in near + far[:3] + rest + far[3:]:
            if where is None or where(asset, self.shape(asset)):
                return asset
        wanted = " or ".join(sorted(kinds)) or "object"
        if self.strict:
            raise NothingFits(f"no {wanted} of your own in the {self.split} split fits, and assets.strict is true")
        raise NothingFits(f"no {wanted} of the {self.split} split fits; add objects with --assets MANIFEST")

    def fitting(self, *, kinds: Collection[str] = (), size_m: tuple[float, float] = (0.03, 0.45)) -> list[ObjectAsset]:
        """Every object of this split of these kinds whose largest extent is within `size_m`."""
        low, high = size_m
        return [
            asset
            for asset in self.catalog.objects
            if asset.split == self.split and (not kinds or asset.kind in kinds) and low <= max(asset.size_m) <= high
        ]

    def shape(self, asset: ObjectAsset) -> Shape:
        return self.catalog.shape(ref(asset))

    def body(
        self,
        asset: ObjectAsset,
        body_id: int,
        *,
        role: str,
        at: ArrayLike = (0.0, 0.0),
        on_m: float = 0.0,
        orientation: Quat | None = None,
        yaw_rad: float | None = None,
        **overrides: Any,
    ) -> Body:
        """The asset set down with its lowest point at height `on_m`, turned by `yaw_rad` (drawn where None).

        A `scale` among the overrides scales the mass with its cube.
        """
        scale = float(overrides.get("scale", 1.0))
        yaw = self.angle() if yaw_rad is None else yaw_rad
        turned = quat(quat_multiply(quat_from_axis_angle((0, 0, 1), yaw), orientation or IDENTITY))
        low = self.shape(asset).lowest_m(turned, scale)
        values: dict[str, Any] = {
            "id": body_id,
            "asset": ref(asset),
            "label": asset.label,
            "role": role,
            "position_m": vec3([*np.asarray(at, dtype=float)[:2], on_m + GAP_M - low]),
            "quaternion": turned,
            "size_m": asset.size_m,
            "mass_kg": asset.mass_kg * scale**3,
            "friction": asset.friction,
            "restitution": asset.restitution,
            "rolling_resistance_m": 0.02 * min(asset.size_m) * scale / 2,
        }
        return Body(**(values | overrides))

    def model(
        self,
        made: Model,
        body_id: int,
        *,
        role: str,
        label: str,
        substance: str,
        at: ArrayLike = (0.0, 0.0),
        on_m: float = 0.0,
        yaw_rad: float = 0.0,
        **overrides: Any,
    ) -> Body:
        """A model set down with its lowest point at height `on_m`. It does not move unless told otherwise
        (`static=False`, for which its origin must be its centre of mass); its mass is density times volume, that of
        each slot of the substance that `substances` among the overrides names for it."""
        mesh = models.build(made)
        low, high = models.bounds_m(mesh)
        stuff = SUBSTANCES[substance]
        values: dict[str, Any] = {
            "id": body_id,
            "shape": "model",
            "model": made,
            "label": label,
            "role": role,
            "static": True,
            "position_m": vec3([*np.asarray(at, dtype=float)[:2], on_m - low[2]]),
            "quaternion": quat(quat_from_axis_angle((0, 0, 1), yaw_rad)),
            "size_m": vec3(high - low),
            "mass_kg": models.mass_kg(models.made_of(mesh, overrides.get("substances", ())), substance),
            "friction": stuff.friction,
            "restitution": stuff.restitution,
            "substance": substance,
        }
        return Body(**(values | overrides))

    def box(
        self, size_m: Vec3, body_id: int, *, role: str, label: str, substance: str, position_m: Vec3, **overrides: Any
    ) -> Body:
        """A box of that substance; it does not move unless told otherwise."""
        stuff = SUBSTANCES[substance]
        values: dict[str, Any] = {
            "id": body_id,
            "shape": "box",
            "label": label,
            "role": role,
            "static": True,
            "size_m": size_m,
            "position_m": position_m,
            "mass_kg": float(np.prod(size_m)) * stuff.density_kgpm3,
            "friction": stuff.friction,
            "restitution": stuff.restitution,
            "substance": substance,
        }
        return Body(**(values | overrides))

    def throw(self, body: Body, speed_mps: tuple[float, float], *, view: ViewRequest) -> Push:
        """A push that sends a body to the left or the right of the picture and, off its centre, makes it spin."""
        heading = view.azimuth_rad + self.choice((-1.0, 1.0)) * np.pi / 2 + self.uniform((-0.5, 0.5))
        impulse = body.mass_kg * self.uniform(speed_mps) * direction(heading)
        lever = self.uniform((-0.25, 0.25)) * min(body.size_m)
        return Push(time_s=0.0, body=body.id, impulse_ns=vec3(impulse), point_m=(0.0, 0.0, lever))

    def color(self, *hexes: str) -> str:
        """One of these colours."""
        return self.choice(hexes)

    def seed(self) -> int:
        """A number for a model, a pattern or a field."""
        return self.integer((0, 999_999))

    def bystanders(
        self, bodies: Sequence[Body], count: int, *, view: ViewRequest, clear: Sequence[Vec3] = ()
    ) -> list[Body]:
        """Up to `count` more things standing behind and beside `bodies` as the camera sees them, touching nothing.

        `clear` are further points, such as the end of a path, that are kept free by 12 cm.
        """
        placed = list(bodies)
        away = -direction(view.azimuth_rad)
        side = np.array([-away[1], away[0], 0.0])
        for _ in range(count):
            try:
                asset = self.object(
                    without={b.asset for b in placed},
                    size_m=(0.05, 0.28),
                    where=lambda _, shape: shape.support().tip_angle_rad > 0.15,
                    aside=True,
                )
            except NothingFits:
                break
            radius = self.footprint_m(asset)
            for _ in range(12):
                spot = away * self.uniform((0.02, 0.38)) + side * self.uniform((-0.42, 0.42))
                spot = spot + np.mean([b.position_m for b in bodies], axis=0)
                others = [(b.position_m, _reach_m(b)) for b in placed] + [(p, 0.12) for p in clear]
                clear_of_all = all(np.hypot(*(spot[:2] - np.array(p)[:2])) > radius + r + 0.02 for p, r in others)
                # Not right behind another: what an event uncovers nobody could have foreseen.
                seen = all(abs((spot - b.position_m) @ side) > 0.7 * (radius + _reach_m(b)) for b in placed)
                if clear_of_all and seen:
                    placed.append(self.body(asset, 1 + max(b.id for b in placed), role="bystander", at=spot[:2]))
                    break
        return placed[len(bodies) :]

    def still_life(
        self,
        count: int,
        *,
        view: ViewRequest,
        first_id: int = 1,
        role: str = "bystander",
        taken: Sequence[tuple[float, float, float]] = (),
        size_m: tuple[float, float] = (0.06, 0.26),
        kinds: Collection[str] = (),
        without: Collection[str] = (),
        **overrides: Any,
    ) -> list[Body]:
        """Up to `count` things that stand close together and hide little of each other as the camera sees them.

        `taken` are discs (x, y, radius) that are kept free. They stay where they are (`static`) unless told otherwise.
        """
        overrides = {"static": True} | overrides
        placed: list[Body] = []
        discs = list(taken)
        toward = direction(view.azimuth_rad)[:2]
        across = np.array([-toward[1], toward[0]])
        for _ in range(count):
            try:
                asset = self.object(
                    kinds=kinds,
                    without={*without, *(b.asset for b in placed)},
                    size_m=size_m,
                    where=lambda _, shape: shape.support().tip_angle_rad > 0.15,
                    aside=True,
                )
            except NothingFits:
                break
            radius = self.footprint_m(asset)
            gap = self.uniform((0.008, 0.04))
            sideways, ahead = self.rng.normal(0.0, 0.11, size=(60, 1)), self.rng.normal(0.0, 0.07, size=(60, 1))
            spots = sideways * across + ahead * toward
            free = [
                spot
                for spot in spots
                if all(
                    np.hypot(*(spot - d[:2])) > radius + d[2] + gap
                    and abs((spot - d[:2]) @ across) > 0.75 * (radius + d[2])
                    for d in discs
                )
            ]
            if not free:
                continue
            spot = min(free, key=lambda s: float(np.hypot(*s)))
            discs.append((float(spot[0]), float(spot[1]), radius))
            placed.append(self.body(asset, first_id + len(placed), role=role, at=spot, **overrides))
        return placed

    def ramp(
        self, surface: SurfaceAsset, *, heading_rad: float, slope_rad: float, length_m: float, width_m: float
    ) -> Ramp:
        """A board, falling along `heading_rad`, that leans on a block; its lower edge is at the origin."""
        turn = quat_from_axis_angle((0, 0, 1), heading_rad)
        orientation = quat_multiply(turn, quat_from_axis_angle((0, 1, 0), slope_rad))
        down, normal = quat_rotate(orientation, np.array([[1.0, 0, 0], [0, 0, 1.0]]))
        back = -quat_rotate(turn, (1.0, 0.0, 0.0))
        rise = 0.8 * length_m
        block = np.array([0.05, 0.7 * width_m, rise * np.sin(slope_rad)])
        common: dict[str, Any] = {
            "role": "prop",
            "substance": surface.substance,
            "friction": surface.friction,
            "restitution": surface.restitution,
            "material": surface.material,
            "surface": ref(surface),
        }
        board = self.box(
            (length_m, width_m, RAMP_THICKNESS_M),
            250,
            label="ramp",
            position_m=vec3(-down * length_m / 2 + normal * RAMP_THICKNESS_M / 2),
            quaternion=quat(orientation),
            **common,
        )
        rest = self.box(
            vec3(block),
            251,
            label="block under the ramp",
            position_m=vec3(back * (rise * np.cos(slope_rad) + block[0] / 2) + [0, 0, block[2] / 2]),
            quaternion=quat(turn),
            **common,
        )
        return Ramp(bodies=(board, rest), orientation=quat(orientation), down=vec3(down), normal=vec3(normal))

    def footprint_m(self, asset: ObjectAsset) -> float:
        """Radius around the vertical axis through the centre of mass."""
        return float(np.linalg.norm(self.shape(asset).points[:, :2], axis=1).max())

    # Places, light, views

    def stage(self, kinds: Sequence[str] = ("table", "table", "floor", "sweep")) -> Stage:
        kind = self.choice(kinds)
        if kind == "dome":
            return Stage(kind="dome", size_m=(20.0, 20.0), friction=1.0, restitution=0.0)
        surface = self.choice(self.catalog.surfaces)
        size = {"table": (1.8, 1.8), "floor": FLOOR_M, "sweep": (4.0, 4.0)}[kind]
        return Stage(
            kind=kind,  # type: ignore[arg-type]
            surface=ref(surface),
            size_m=size,
            rotation_rad=self.angle(),
            friction=surface.friction,
            restitution=surface.restitution,
        )

    def pale_stage(self, kinds: Sequence[str] = ("sweep", "sweep", "floor")) -> Stage:
        """A stage on which light shows as it is: white or grey paper, or a light surface of little colour."""
        drawn = self.stage(kinds)
        tone = self.choice((0.74, 0.66, 0.55, 0.42))
        wall = vec3(tone * np.array(self.choice(((1.0, 1.0, 1.0), (1.0, 0.98, 0.94), (0.96, 0.98, 1.0)))))
        if drawn.kind == "sweep" and self.chance(0.65):
            return replace(drawn, surface="", color=wall)
        pale = [s for s in self.catalog.surfaces if _is_pale(s)] or list(self.catalog.surfaces)
        surface = self.choice(pale)
        return replace(
            drawn, surface=ref(surface), friction=surface.friction, restitution=surface.restitution, color=wall
        )

    def environment(self) -> Environment:
        maps = [asset for asset in self.catalog.environments if asset.split == self.split]
        given = [asset for asset in maps if asset.source in self.catalog.given]
        if not maps:
            return Environment(color=(1.0, 1.0, 1.0))
        return Environment(asset=ref(self.choice(given or maps)), rotation_rad=self.angle(), strength=1.0)

    def lights(self, view: ViewRequest, center_m: Vec3 = (0.0, 0.0, 0.1)) -> tuple[Light, ...]:
        """Nothing but the environment, a studio's large key with a fill, or a sun; never from behind the subject.

        All are far away, so that an environment map can hold them. Powers are set against an environment of mean
        radiance 1, whose irradiance is π W/m².
        """
        style = self.choice(("environment", "studio", "studio", "sun"))
        side = self.choice((-1.0, 1.0))
        azimuth = view.azimuth_rad + side * self.uniform((0.35, 1.4))
        elevation = self.uniform((0.6, 1.1))
        warm = self.uniform((0.0, 1.0))
        color = vec3(np.array([1.0, 0.93, 0.84]) * warm + np.array([0.9, 0.95, 1.0]) * (1 - warm))

        def far(name: str, azimuth: float, elevation: float, power: float, angle: float, color: Vec3) -> Light:
            place = vec3(np.array(center_m) + 5.0 * direction(azimuth, elevation))
            return Light(
                kind="sun", name=name, position_m=place, look_at_m=center_m, power=power, color=color, angle_rad=angle
            )

        if style == "environment":
            return ()
        if style == "sun":
            return (far("sun", azimuth, elevation, self.uniform((2.0, 5.0)), self.uniform((0.04, 0.08)), color),)
        key, fill = self.uniform((2.4, 5.6)), self.uniform((0.15, 0.4))
        beside = view.azimuth_rad - side * self.uniform((0.6, 1.4))
        return (
            far("key", azimuth, elevation, key, self.uniform((0.25, 0.6)), color),
            far("fill", beside, self.uniform((0.4, 0.9)), key * fill, 0.6, (1.0, 1.0, 1.0)),
        )

    def view(
        self,
        *,
        across_rad: float | None = None,
        elevation_deg: tuple[float, float] = (14.0, 38.0),
        margin: tuple[float, float] = (0.1, 0.28),
    ) -> ViewRequest:
        """A direction to look from; with `across_rad` one that sees motion along it from the side, give or take 50°."""
        azimuth = self.angle()
        if across_rad is not None:
            azimuth = across_rad + self.choice((-1.0, 1.0)) * np.pi / 2 + self.uniform((-0.87, 0.87))
        return ViewRequest(
            azimuth_rad=azimuth,
            elevation_rad=float(np.radians(self.uniform(elevation_deg))),
            focal_length_mm=self.uniform((32.0, 65.0)),
            margin=self.uniform(margin),
        )

    def spec(self, scene: str, bodies: Sequence[Body], **overrides: Any) -> SceneSpec:
        """A spec with drawn stage, environment, lights and view, unless `overrides` has them."""
        view = overrides.pop("camera", None) or self.view()
        values: dict[str, Any] = {"stage": self.stage(), "environment": self.environment()}
        if isinstance(view, ViewRequest):
            values["lights"] = self.lights(view)
        values["render_seed"] = self.integer((0, 2**31 - 1))
        stage = overrides.get("stage", values["stage"])
        large = [b for b in bodies if b.asset and max(b.size_m) * b.scale > LARGE_M]
        if self.own_up_to_m and large and stage.kind == "table":
            # What is as large as furniture stands where furniture does.
            overrides["stage"] = replace(stage, kind="floor", size_m=FLOOR_M)
        return SceneSpec(scene=scene, bodies=tuple(bodies), camera=view, **(values | overrides))


def ref(asset: Any) -> str:
    """The name by which a spec refers to an asset: `source:id`."""
    return f"{asset.source}:{asset.id}"


def substances_of(materials: Sequence[tuple[str, Material]]) -> tuple[tuple[str, str], ...]:
    """The substance of each slot by what its material looks like: metal, wood, plastic, concrete."""
    return tuple((slot, material.template) for slot, material in materials if material.template in SUBSTANCES)


def tilted(axis: Vec3, angle_rad: float) -> Quat:
    """An orientation turned by an angle about an axis."""
    return quat(quat_from_axis_angle(axis, angle_rad))


def top_m(body: Body, shape: Shape) -> float:
    """Height of a body's highest point."""
    return float(body.position_m[2] + quat_rotate(body.quaternion, shape.points * body.scale)[:, 2].max())


def _reach_m(body: Body) -> float:
    return float(np.linalg.norm(np.array(body.size_m[:2]) * body.scale) / 2)


def _is_pale(surface: SurfaceAsset) -> bool:
    color = surface.material.base_color
    return min(color) > 0.2 and max(color) < 1.6 * min(color)
