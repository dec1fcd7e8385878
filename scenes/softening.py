"""A block of butter, chocolate or wax gets warm, yields to its own weight and slumps."""

import functools
from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np

from simgen.core.assets import Material
from simgen.core.blend import between, blend
from simgen.core.geometry import quat, quat_from_axis_angle
from simgen.core.mesh import Mesh
from simgen.core.rollout import Rollout, Truth, quantity
from simgen.core.spec import SceneSpec
from simgen.core.substances import SUBSTANCES
from simgen.core.vectors import Floats
from simgen.procedural import models, palette
from simgen.procedural.models import soft
from simgen.scene.draw import Draw
from simgen.scene.registry import MeshOf, Phrases, Range, Scene, register

PARTICLES = 5200
GRAVITY_MPS2 = 9.81


@dataclass(frozen=True, slots=True, kw_only=True)
class Stuff:
    """Its yield stress falls with warmth by an exponential law between two handbook points."""

    label: str
    substance: str
    cold: tuple[float, float]
    """°C, Pa"""
    warm: tuple[float, float]
    color: str
    glossy: str

    @property
    def density_kgpm3(self) -> float:
        return SUBSTANCES[self.substance].density_kgpm3


STUFFS = (
    Stuff(
        label="block of butter",
        substance="butter",
        cold=(8.0, 3.0e4),
        warm=(30.0, 40.0),
        color="#ecd27c",
        glossy="#e9c453",
    ),
    Stuff(
        label="block of chocolate",
        substance="chocolate",
        cold=(18.0, 8.0e4),
        warm=(34.0, 20.0),
        color="#54301c",
        glossy="#4a2613",
    ),
    Stuff(
        label="block of white chocolate",
        substance="chocolate",
        cold=(18.0, 7.0e4),
        warm=(32.0, 20.0),
        color="#ecdfc0",
        glossy="#e8d4a4",
    ),
    Stuff(
        label="block of red wax",
        substance="wax",
        cold=(20.0, 1.0e5),
        warm=(55.0, 30.0),
        color="#a8262b",
        glossy="#9c1a20",
    ),
    Stuff(
        label="block of green wax",
        substance="wax",
        cold=(20.0, 1.0e5),
        warm=(55.0, 30.0),
        color="#3d7a4c",
        glossy="#2f6c3f",
    ),
    Stuff(
        label="block of beeswax",
        substance="beeswax",
        cold=(20.0, 1.0e5),
        warm=(60.0, 30.0),
        color="#d9a441",
        glossy="#d1952c",
    ),
    Stuff(
        label="block of soft cheese",
        substance="soft cheese",
        cold=(6.0, 2.0e4),
        warm=(60.0, 40.0),
        color="#e9b24c",
        glossy="#e6a32f",
    ),
)
"""Butter: 100 kPa to 1 kPa between 10 and 25 °C (Rohm 1993), here of a soft one. Chocolate, wax and cheese are set to
yield just below their melting points of 34, 55 to 62 and about 60 °C; the law between the points is the scene's own."""


@register("softening")
@dataclass(frozen=True, kw_only=True)
class Softening(Scene):
    """A sharp-edged block on a board gets so warm that it yields to its own weight: it slumps and spreads, rounded."""

    yield_share: Range = (0.025, 0.13)
    """Yield stress at the end over the pressure of its own height; evenly in its logarithm."""

    law = "yield stress falling with temperature"
    types = (15,)
    quantities = ("temperature", "yield_stress", "body_height", "body_width", "body_volume")
    subject_size = (0.05, 0.5)
    brightness = (0.27, 0.66)
    changed_share = 0.75

    def sample(self, draw: Draw) -> SceneSpec:
        facing = draw.angle()
        view = replace(draw.view(elevation_deg=(12.0, 30.0), margin=(0.16, 0.28)), azimuth_rad=facing)
        stuff = draw.integer((0, len(STUFFS) - 1))
        one = STUFFS[stuff]
        kind = draw.choice(("box", "box", "cylinder"))
        tall = draw.uniform((0.042, 0.06))
        size = (
            (draw.uniform((0.05, 0.085)), draw.uniform((0.042, 0.052)), tall) if kind == "box" else (0.055, 0.055, tall)
        )
        board = draw.uniform((0.009, 0.016))
        thing = draw.choice(("board", "dish"))
        wear = _board(draw, thing)
        under = draw.model(
            models.make("board", variant=thing, x_m=0.24, y_m=0.19, height_m=board), 250, role="prop", label=thing,
            substance=wear.template, material=wear,
            yaw_rad=facing + draw.uniform((-0.4, 0.4)) + np.pi / 2,
        )  # fmt: skip
        turn = quat(quat_from_axis_angle((0, 0, 1), facing + np.pi / 2 + draw.uniform((-0.7, 0.7))))
        block = draw.model(
            models.make("soft_body", variant=kind, x_m=size[0], y_m=size[1], z_m=size[2], round_m=0.0022), 1, role="actor",
            label=one.label.replace("block", "stump") if kind == "cylinder" else one.label, substance=one.substance,
            material=_skin(one, 0.0), position_m=(0.0, 0.0, board), quaternion=turn,
        )  # fmt: skip
        pressure = one.density_kgpm3 * GRAVITY_MPS2 * tall
        low, high = np.log(self.yield_share)
        inputs = {"stuff": float(stuff), "yield_pa": float(np.exp(draw.event.uniform((low, high))) * pressure)}
        return draw.spec(
            self.name, [block, under], camera=view, duration_s=600.0, physics_s=600.0, stage=draw.stage(("table", "table", "sweep")),
            end_state="steady", inputs=tuple(inputs.items()),
        )  # fmt: skip

    def develop(self, rollout: Rollout, mesh_of: MeshOf) -> Rollout:
        from simgen.solvers import mpm

        spec = rollout.spec
        body, one, yields = spec.body(1), STUFFS[int(spec.input("stuff"))], spec.input("yield_pa")
        assert body.model is not None
        number = dict(body.model.numbers)
        size = np.array([number["x_m"], number["y_m"], number["z_m"]])
        before = models.build(body.model)
        volume = models.volume_m3(before)
        spacing = float((volume / PARTICLES) ** (1 / 3))
        kind = body.model.variant
        rest = mpm.lattice(
            lambda p: soft.inside(kind, size, p), np.array([-size[0] / 2, -size[1] / 2, 0.0]), size / [2, 2, 1], spacing
        )
        pressure = one.density_kgpm3 * GRAVITY_MPS2 * float(size[2])
        # Stiff enough that its weight alone would hardly show; where it comes to stand is a matter of the yield stress.
        shear = 14.0 * pressure
        stuff = mpm.Substance(
            density_kgpm3=one.density_kgpm3, shear_pa=shear, bulk_pa=4.0 * shear, yield_pa=yields, viscosity_pas=0.012 * shear / 2,
            damping_ps=1.0, friction=0.35,
        )  # fmt: skip
        done = mpm.deform(rest, spacing, stuff, duration_s=0.6)

        def carried(now: mpm.Particles) -> Floats:
            points = mpm.carried(rest, now, before.vertices_m, spacing)
            points[:, 2] = np.maximum(points[:, 2] - np.percentile(points[:, 2], 2.0), 0.0)
            return points

        end_m = carried(done)

        @functools.cache
        def shape(phase: float) -> Mesh:
            # It stands until it yields to the pressure of its own height.
            share = between(0.0, 1.0, max(phase - stands, 0.0) / (1.0 - stands))
            if share == 0.0:
                return before
            now = done.at(share)
            # What flows has no corners: its surface is evened out, which takes volume that its width gives back.
            points = soft.rounded_off(end_m if now is done else carried(now), before.triangles, round(150 * share))
            kept = volume * float(now.volume_ratio.mean())
            points *= (kept / models.volume_m3(_with(before, points))) ** (1 / 3)
            return _with(before, points)

        def yield_pa(phase: float) -> float:
            # Even in its logarithm, as it is evenly warmed.
            ratio = float((yields / one.cold[1]) ** phase)
            return one.cold[1] * ratio if 0.0 < phase < 1.0 else between(one.cold[1], yields, phase)

        def extent_m(axis: int) -> Callable[[float], float]:
            return lambda phase: float(np.ptp(shape(phase).vertices_m[:, axis]) if phase else size[axis])

        stands = float(np.log(one.cold[1] / pressure) / np.log(one.cold[1] / yields))
        off = models.volume_m3(_with(before, end_m)) / (volume * float(done.volume_ratio.mean())) - 1.0
        quantities = (
            quantity("temperature", lambda phase: _temperature(one, yield_pa(phase)), unit="°C", provenance="prescribed"),
            quantity("yield_stress", yield_pa, unit="Pa", provenance="prescribed"),
            quantity("body_height", extent_m(2), unit="m", provenance="derived"),
            quantity("body_width", extent_m(0), unit="m", provenance="derived"),
            quantity(
                "body_volume", lambda phase: models.volume_m3(shape(phase)) * 1e6, unit="ml", provenance="derived",
                conserved=0.03,
            ),
        )  # fmt: skip
        truth = (
            Truth(name="solver_volume_ratio", value=float(done.volume_ratio.mean()), unit="1", provenance="solved"),
            Truth(name="skin_volume_error", value=off, unit="1", provenance="derived"),
            Truth(name="solver_speed", value=done.speed_mps, unit="m/s", provenance="solved"),
            Truth(name="solver_density_ratio", value=done.largest_density_ratio, unit="1", provenance="solved"),
        )
        cold, warm = _skin(one, 0.0), _skin(one, 1.0)
        changed = rollout.reshaped(body.id, shape).resurfaced(body.id, lambda phase: blend(cold, warm, phase))
        return changed.then(quantities=quantities, truth=truth)

    def reject(self, rollout: Rollout) -> str | None:
        truth = {t.name: t.value for t in rollout.truth}
        if truth["solver_speed"] > 0.02:
            return f"still flowing at {truth['solver_speed']:.3f} m/s"
        if truth["solver_density_ratio"] > 1.6 or abs(truth["skin_volume_error"]) > 0.03:
            return "the solver or its skin went astray"
        q = rollout.quantity("body_height")
        return None if 0.2 < q.end / q.start < 0.8 else f"ends at {q.end / q.start:.2f} of its height"

    phrases = Phrases(
        superficial=(
            "[Warm|Heat] {actor} until it is soft.",
            "[Soften|Warm] {actor}.",
            "[Let|Make] {actor} [soften|get soft].",
            "[Let|Make] {actor} [slump|sag] in the warmth.",
        ),
        intermediate=(
            "[Warm|Heat] {actor} so that it [softens|becomes soft] and [slumps|sags] under its own weight.",
            "[Soften|Warm] {actor} until it can no longer hold its shape and [spreads|gives way].",
            "[Let|Make] {actor} [get warm|grow warm]: it softens, its [edges round off|corners get round] and it sags.",
        ),
        explicit=(
            "{actor} is warmed to {temperature.end} and [softens|becomes soft]: it slumps under its own weight from "
            "{body_height.start} to {body_height.end} in height, spreads and gets round edges<, and (everything else "
            "stays) nothing else [moves|changes]>.",
            "At {temperature.end} {actor} is too soft to carry itself; its sharp edges are gone, and it is "
            "{body_height.end} high and {body_width.end} wide<; (everything else stays) nothing else [moves|changes]>.",
            "The warmth [softens|weakens] {actor}, which sags to a low, [glossy|shining] lump {body_height.end} high<, while "
            "(everything else stays) nothing else [moves|changes]>.",
        ),
    )


def _temperature(one: Stuff, yield_pa: float) -> float:
    """At which it has that yield stress: the logarithm falls in a straight line."""
    (cold, stiff), (warm, weak) = one.cold, one.warm
    return float(cold + (warm - cold) * np.log(stiff / yield_pa) / np.log(stiff / weak))


def _skin(one: Stuff, warmth: float) -> Material:
    hex_color = one.glossy if warmth else one.color
    made = palette.soft(hex_color, roughness=0.3 if warmth else 0.5, subsurface_m=0.006)
    return palette.but(made, coat=0.12 * warmth, subsurface=0.3 if "#5" in one.color else 0.6)


def _with(before: Mesh, points: Floats) -> Mesh:
    offset, surfaces = 0, []
    for surface in before.surfaces:
        count = len(surface.vertices_m)
        surfaces.append(replace(surface, vertices_m=points[offset : offset + count]))
        offset += count
    return Mesh(surfaces=tuple(surfaces))


def _board(draw: Draw, thing: str) -> Material:
    if thing == "dish":
        return palette.ceramic(draw.color("#e9e7e1", "#dfe6ea", "#4f6d86", "#6c7f5b", "#2f3338"))
    return draw.choice(
        (
            palette.wood("#c59a66", "#91653a", seed=draw.seed()),
            palette.wood("#8c5d38", "#5e3c22", seed=draw.seed()),
            palette.stone("#6f7072", "#4a4b4d", seed=draw.seed()),
        )
    )
