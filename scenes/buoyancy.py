"""A body is put into a vessel of water: it floats as deep as its weight asks for, or sinks, and the water rises."""

from dataclasses import dataclass, replace

import numpy as np

from simgen.core.assets import Material
from simgen.core.blend import between, blend
from simgen.core.geometry import direction, quat, quat_from_matrix, quat_multiply, quat_rotate, slerp, vec3
from simgen.core.mesh import Mesh
from simgen.core.rollout import Rollout, quantity
from simgen.core.spec import Body, SceneSpec
from simgen.core.substances import SUBSTANCES
from simgen.core.vectors import Floats, Quat, Vec3
from simgen.procedural import models, palette
from simgen.procedural.models.tank import areas
from simgen.scene.cameras import framed
from simgen.scene.draw import Draw
from simgen.scene.registry import MeshOf, Phrases, Range, Scene, register
from simgen.solvers import hydrostatics

SOLID = ("ball", "block", "cylinder", "candle", "soap", "die", "spool", "toy", "puck", "figure")
"""Kinds of the catalogue that hold no water."""
MADE = ("cork", "apple", "orange", "lemon", "potato", "pebble")
DENSITY_KGPM3 = {"cork": 220.0, "apple": 830.0, "orange": 890.0, "lemon": 930.0, "potato": 1080.0, "pebble": 2650.0}
"""Cork 200 - 240; fruit and vegetables: Mohsenin, Physical Properties of Plant and Animal Materials."""
STATES = ((0.001, "in the air"), (0.35, "high in the water"), (0.75, "about half in the water"),
          (0.995, "deep in the water"), (2.0, "on the bottom"))  # fmt: skip


@register("buoyancy")
@dataclass(frozen=True, kw_only=True)
class Buoyancy(Scene):
    """One of two bodies is put into a glass vessel of water, where it floats or sinks; the water rises by what it
    displaces."""

    clearance: Range = (1.3, 1.75)
    """Inner half width of the vessel over the body's radius."""
    above_probability: float = 0.2
    """How often the body starts in the air above the water and not beside the vessel, where another one stands."""

    law = "buoyancy"
    types = (20,)
    quantities = ("submerged_share", "water_level", "displaced_volume", "water_volume")
    subject_size = (0.008, 0.55)
    changed_share = 0.8
    brightness = (0.26, 0.66)

    def sample(self, draw: Draw) -> SceneSpec:
        view = replace(draw.view(elevation_deg=(12.0, 26.0)), margin=draw.uniform((0.08, 0.18)))
        above = draw.chance(self.above_probability)
        things = [_thing(draw, 1)]
        while not above and len(things) < 2:
            # Another thing, of much the same size: the vessel is one for both.
            other, first = _thing(draw, 4), things[0]
            ratio = max(other.size_m) * other.scale / (max(first.size_m) * first.scale)
            things += [other] if other.label != first.label and 0.65 < ratio < 1.55 else []
        meshes = [draw.catalog.mesh(thing).vertices_m for thing in things]
        reaches = [float(np.linalg.norm(points, axis=1).max()) for points in meshes]
        reach, high = max(reaches), max(float(np.ptp(points[:, 2])) for points in meshes)
        half = max(reach * draw.uniform(self.clearance), 0.036) + 0.004
        kind = draw.choice(("box", "box", "round", "bowl"))
        depth = max(1.9 * reach, 1.5 * high, 0.07) * (1.0 if kind != "bowl" else 0.95)
        size = {"half_x": half, "half_y": half, "corner_m": half, "height_m": depth + 0.007}
        if kind == "box":
            size |= {"half_x": half * draw.uniform((1.0, 1.35)), "corner_m": 0.008}
        if kind == "bowl":
            size |= {key: 1.25 * half for key in ("half_x", "half_y", "corner_m")}
        level = 0.007 + draw.uniform((0.6, 0.72)) * depth
        seed = {"yaw_rad": view.azimuth_rad + np.pi / 2 + draw.uniform((-0.5, 0.5))}
        tank = draw.model(
            models.make("tank", variant=kind).but(**size),
            2,
            role="prop",
            label="glass bowl" if kind == "bowl" else "glass tank",
            substance="glass",
            material=palette.glass(draw.color("#ffffff", "#fafefd", "#f6fbfa")),
            **seed,
        )
        water = draw.model(
            models.make("tank_water", variant=kind, level_m=level).but(**size),
            3,
            role="affected",
            label="water",
            substance="water",
            material=palette.liquid(draw.color("#ffffff", "#f6fcfd", "#e9f6f9")),
            **seed,
        )
        water = replace(water, position_m=(0.0, 0.0, 0.0))
        outer = float(np.hypot(size["half_x"], size["half_y"])) if kind == "box" else size["half_x"]
        hand, chosen = draw.choice((-1.0, 1.0)), draw.event.choice([thing.id for thing in things])
        for k, (thing, own) in enumerate(zip(things, reaches, strict=True)):
            side = view.azimuth_rad + (hand if k else -hand) * draw.uniform((1.1, 1.5))
            place = (outer + own + draw.uniform((0.005, 0.03))) * direction(side) + [0, 0, thing.position_m[2]]
            if above:
                place = np.array([0.0, 0.0, depth + 0.015 + thing.position_m[2]])
            role = "actor" if thing.id == chosen else "bystander"
            things[k] = replace(thing, position_m=vec3(place), role=role)  # type: ignore[arg-type]
        inputs = {"spin_rad": draw.event.angle(), "shift": draw.event.uniform((-1.0, 1.0)), "level_m": level, **size}
        return draw.spec(
            self.name, [things[0], tank, water, *things[1:]], stage=draw.stage(("table", "table", "sweep", "floor")), camera=view,
            duration_s=6.0, inputs=tuple(inputs.items()),
        )  # fmt: skip

    def develop(self, rollout: Rollout, mesh_of: MeshOf) -> Rollout:
        spec = rollout.spec
        body, tank, water = spec.actor, spec.body(2), spec.body(3)
        assert tank.model is not None and water.model is not None
        kind, level = tank.model.variant, spec.input("level_m")
        heights, area = areas(kind, wall_m=0.004, floor_m=0.007, **dict(tank.model.numbers))
        mesh = mesh_of(body)
        turned = replace_points(mesh.vertices_m, body)
        triangles = mesh.triangles
        total = hydrostatics.below(turned, triangles, float(turned[:, 2].max()))[0]
        ratio = body.mass_kg / total / SUBSTANCES["water"].density_kgpm3
        held = hydrostatics.capacity_m3(heights, area, level)
        displaced = min(ratio, 1.0) * total
        after = hydrostatics.filled_to(heights, area, held + displaced)
        # The side that is down in the air is down in the water, until the couple turns it.
        if ratio < 1.0:
            rest = hydrostatics.float_at_rest(turned, triangles, np.zeros(3), ratio)
            rotation, z = rest.rotation, after - rest.height_m
        else:
            rotation, z = np.eye(3), float(heights[0]) - float(turned[:, 2].min())
        spin = quat((np.cos(spec.input("spin_rad") / 2), 0.0, 0.0, np.sin(spec.input("spin_rad") / 2)))
        orientation = quat(quat_multiply(spin, quat_multiply(quat_from_matrix(rotation), body.quaternion)))
        free = spec.input("half_x") - 0.006 - float(np.linalg.norm(turned, axis=1).max())
        if kind == "bowl":
            free = min(free, 0.01)
        across = quat_rotate(tank.quaternion, (spec.input("shift") * max(free, 0.0), 0.0, 0.0))
        settled = vec3([across[0], across[1], z])

        def wet(phase: float) -> float:
            """Volume under water: it is brought over the water while phase is below a half, and let in afterwards."""
            return between(0.0, displaced, max(0.0, 2 * phase - 1))

        def high(phase: float) -> float:
            return hydrostatics.filled_to(heights, area, held + wet(phase)) if wet(phase) else level

        def moved(phase: float) -> tuple[Vec3, Quat]:
            if phase == 1.0:
                return settled, orientation
            start, turn = rollout.pose(body.id, rollout.start)
            # Above the rim first, upright as it was; then down, turning as it will float.
            reach = float(np.linalg.norm(turned, axis=1).max())
            above = vec3([settled[0], settled[1], max(spec.input("height_m") + reach, float(start[2]))])
            if phase <= 0.5:
                lifted = vec3([start[0], start[1], above[2]])
                way = 4 * phase
                place = blend(vec3(start), lifted, way) if way <= 1.0 else blend(lifted, above, way - 1.0)
                return place, quat(turn)
            return blend(above, settled, 2 * phase - 1), quat(slerp(turn, np.array(orientation), 2 * phase - 1))

        quantities = (
            quantity("submerged_share", lambda p: wet(p) / total, unit="1", provenance="solved", words=STATES),
            quantity("water_level", high, unit="m", provenance="solved"),
            quantity("displaced_volume", lambda p: wet(p) * 1e6, unit="ml", provenance="solved"),
            quantity(
                "water_volume",
                lambda p: (hydrostatics.capacity_m3(heights, area, high(p)) - wet(p)) * 1e6 if wet(p) else held * 1e6,
                unit="ml", provenance="derived", conserved=0.01,
            ),
        )  # fmt: skip
        filled = water.model
        done = rollout.posed(body.id, moved)

        def around(phase: float) -> Mesh:
            """The water; what of the thing is in it is inside its surface, and no water."""
            surface, *rest = models.build(filled.but(level_m=high(phase))).surfaces
            return Mesh(surfaces=(replace(surface, solid_m3=models.volume_m3(before) if wet(phase) else None), *rest))

        before = models.build(filled)
        done = done.reshaped(water.id, around)
        others = [other.id for other in spec.bodies if other.role == "bystander"]
        return framed(done, also=others).then(quantities=quantities)

    def reject(self, rollout: Rollout) -> str | None:
        spec = rollout.spec
        body, level = spec.actor, rollout.quantity("water_level")
        if level.end > spec.input("height_m") - 0.004:
            return f"the water would run over, {level.end:.3f} m high"
        ratio = rollout.quantity("submerged_share").end
        if 0.96 < ratio < 1.0:
            return f"hardly floats: {ratio:.2f} of it under water"
        return None if rollout.pose(body.id, rollout.end)[0][2] > 0.007 else "touches the bottom"

    phrases = Phrases(
        superficial=(
            "[Put|Place|Set] {actor} [into|in] the water.",
            "[Put|Lower] {actor} into the {props.label} of water.",
            "[Let|Make] {actor} (submerged_share ends below 0.98) float in the [water|{props.label}].",
            "[Let|Make] {actor} (submerged_share ends above 0.99) sink in the [water|{props.label}].",
        ),
        intermediate=(
            "[Put|Place] {actor} into the water, where it (submerged_share ends below 0.98) [floats|keeps afloat], "
            "{submerged_share.end word}.",
            "[Put|Place] {actor} into the water, where it (submerged_share ends above 0.99) sinks to the bottom because "
            "it is [heavier than water|denser than water].",
            "(submerged_share ends below 0.98) [Put|Set] {actor} into the {props.label} so that buoyancy [carries|bears] "
            "it and {affected} rises [a little|by what it displaces].",
            "(submerged_share ends above 0.99) [Put|Lower] {actor} into the {props.label} so that it sinks and "
            "{affected} rises [a little|by its volume].",
        ),
        explicit=(
            "{actor} is [put|placed] into the {props.label} and (submerged_share ends below 0.98) floats there with "
            "{submerged_share.end} of it under the surface; {affected} [stands higher|rises], having made way for "
            "{displaced_volume.end}<, and (everything else stays) nothing else [moves|changes]>.",
            "{actor} is [put|lowered] into the {props.label} and (submerged_share ends above 0.99) sinks, so that it "
            "lies on the bottom under water; {affected} [stands higher|rises], having made way for "
            "{displaced_volume.end}<, and (everything else stays) nothing else [moves|changes]>.",
            "(submerged_share ends below 0.98) Put into the {props.label}, {actor} floats {submerged_share.end word}, "
            "{submerged_share.end} of it below the surface; {affected} rises by what it displaces, "
            "{displaced_volume.end}.",
            "(submerged_share ends above 0.99) Put into the {props.label}, {actor} goes under and lies on the bottom, "
            "all of it below the surface; {affected} rises by what it displaces, {displaced_volume.end}.",
        ),
    )


def replace_points(points: Floats, body: Body) -> Floats:
    """A body's points about its centre of mass, turned and scaled as it starts."""
    return np.asarray(quat_rotate(body.quaternion, points * body.scale), dtype=float)


def _thing(draw: Draw, body_id: int) -> Body:
    """What is put into the water; its height above the stage is that at which it lies there."""
    if draw.chance(0.55):
        asset = draw.object(kinds=SOLID, size_m=(0.03, 0.15), where=lambda a, _: a.volume_m3 > 6e-6)
        return draw.body(asset, body_id, role="actor", static=True, rolling_resistance_m=0.0)
    name = draw.choice(MADE)
    seed = draw.seed()
    skins: dict[str, tuple[str, Material]] = {
        "cork": ("cork", palette.skin("#c79a68", "#7a5230", spots=0.7, scale_m=0.0022, seed=seed)),
        "apple": draw.choice((("red apple", palette.skin("#9c1c16", "#c76a2e", scale_m=0.0025, seed=seed)), ("green apple", palette.skin("#8fae3a", "#c9d77a", seed=seed)))),
        "orange": ("orange", palette.skin("#e07b14", "#c9640c", scale_m=0.0025, seed=seed)),
        "lemon": ("lemon", palette.skin("#e8c92c", "#d0ac1a", scale_m=0.0025, seed=seed)),
        "potato": ("potato", palette.skin("#b08a54", "#7d5d34", spots=0.5, scale_m=0.006, seed=seed)),
        "pebble": ("grey pebble", palette.stone(seed=seed)),
    }  # fmt: skip
    label, material = skins[name]
    radius = draw.uniform(
        {"cork": (0.014, 0.02), "pebble": (0.022, 0.035), "lemon": (0.025, 0.03)}.get(name, (0.032, 0.04))
    )
    if name == "cork":
        made = models.make("floater_cork", radius_m=radius, height_m=2.3 * radius)
    elif name == "pebble":
        made = models.make("floater_pebble", seed=seed, radius_m=radius)
    else:
        made = models.make("floater_fruit", variant=name, seed=seed, radius_m=radius)
    volume = models.volume_m3(models.build(made))
    return draw.model(
        made, body_id, role="actor", label=label, substance="wood" if name == "cork" else "stone" if name == "pebble" else "fruit",
        material=material, yaw_rad=draw.angle(), mass_kg=DENSITY_KGPM3[name] * volume,
    )  # fmt: skip
