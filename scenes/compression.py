"""A soft body is squashed by the plate of a press."""

import functools
from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np

from simgen.core.assets import Material, Pattern
from simgen.core.blend import between
from simgen.core.geometry import quat, quat_from_axis_angle, vec3
from simgen.core.mesh import Mesh
from simgen.core.rollout import Rollout, Truth, quantity
from simgen.core.spec import SceneSpec
from simgen.core.substances import SUBSTANCES
from simgen.core.vectors import Floats, Quat, Vec3
from simgen.procedural import models, palette
from simgen.procedural.models import soft
from simgen.scene.draw import Draw, substances_of
from simgen.scene.registry import MeshOf, Phrases, Range, Scene, register

PARTICLES = 5200
BED_M = 0.016
SINKS_IN = 0.6
"""Spacings of particles by which a body is higher than the rows of nodes that hold it: a grid has no sharp plate."""
STUFF: dict[str, tuple[str, float, float, float]] = {
    # Substance, shear modulus, bulk modulus, yield stress; the bulk of what keeps its volume is lowered to 35 shear moduli.
    "jelly": ("jelly", 3.0e3, 1.1e5, 1e12),
    "rubber": ("soft rubber", 2.5e5, 9.0e6, 1e12),
    "clay": ("modelling clay", 2.0e5, 4.0e6, 9.0e3),
    "marshmallow": ("marshmallow", 4.0e3, 4.0e4, 1e12),
    "sponge": ("sponge", 5.0e3, 5.0e3, 1e12),
}
COLORS = {
    "red": "#b3202a",
    "green": "#2f8f3a",
    "orange": "#de7417",
    "blue": "#2a5bb0",
    "yellow": "#e3bb2b",
    "purple": "#71389a",
    "pink": "#d97a9b",
}
SHAPES = (
    (0.2, "hardly"),
    (0.34, "by a quarter"),
    (0.45, "to little more than half its height"),
    (0.56, "to half its height"),
    (1.0, "flat"),
)


@register("compression")
@dataclass(frozen=True, kw_only=True)
class Compression(Scene):
    """A press comes down on a jelly cube, a ball, a lump of clay, a sponge: it gets lower and bulges."""

    squeeze: Range = (0.22, 0.52)
    """Share of its height that it loses."""

    law = "elasticity and plasticity under pressure"
    types = (27,)
    quantities = ("body_height", "body_width", "body_volume", "press_force", "squeezed")
    subject_size = (0.04, 0.5)
    brightness = (0.26, 0.64)

    def sample(self, draw: Draw) -> SceneSpec:
        facing = draw.angle()
        view = replace(
            draw.view(elevation_deg=(1.5, 7.0), margin=(0.08, 0.16)), azimuth_rad=facing + draw.uniform((-0.4, 0.4))
        )
        turn = quat(quat_from_axis_angle((0, 0, 1), facing + np.pi / 2))
        stuff, kind, label, size, edge, material = _body(draw)
        least, most = (1.2 * share if stuff == "sponge" else share for share in self.squeeze)
        if stuff == "rubber":
            least, most = min(least, 0.45), min(most, 0.45)
        squeeze = draw.event.uniform((least, most))
        width, depth = 1.55 * size[0] + 0.035, (1.35 if stuff == "clay" else 1.15) * size[1]
        open_m = size[2] + draw.uniform((0.008, 0.022))
        height = BED_M + size[2] + open_m + 0.03
        made = models.make("soft_body", variant=kind, x_m=size[0], y_m=size[1], z_m=size[2], round_m=edge)
        spun = quat(
            quat_from_axis_angle(
                (0, 0, 1), facing + np.pi / 2 + (draw.angle() if kind != "box" else draw.uniform((-0.25, 0.25)))
            )
        )
        substance, shear, bulk, yields = STUFF[stuff]
        body = draw.model(
            made, 1, role="actor", label=label, substance=substance, material=material,
            position_m=(0.0, 0.0, BED_M), quaternion=spun,
        )  # fmt: skip
        wear = _wear(draw)
        plate = draw.model(
            models.make("press_plate", width_m=width, depth_m=depth, ram_m=0.04 + most * size[2] + open_m), 2, role="affected",
            label="plate", substance="metal", materials=wear, substances=substances_of(wear), position_m=(0.0, 0.0, BED_M + open_m), quaternion=turn,
        )  # fmt: skip
        frame = draw.model(
            models.make("press", width_m=width, depth_m=depth + 0.03, height_m=height), 250, role="prop",
            label="press", substance="metal", materials=wear, substances=substances_of(wear), quaternion=turn,
        )  # fmt: skip
        inputs = {
            "density_kgpm3": SUBSTANCES[substance].density_kgpm3,
            "shear_pa": shear,
            "bulk_pa": bulk,
            "yield_pa": yields,
            "squeeze": squeeze,
            "open_m": open_m,
        }
        return draw.spec(
            self.name, [body, plate, frame], camera=view, duration_s=3.0, physics_s=3.0, stage=draw.stage(("table", "table", "sweep")),
            inputs=tuple(inputs.items()),
        )  # fmt: skip

    def develop(self, rollout: Rollout, mesh_of: MeshOf) -> Rollout:
        from simgen.solvers import mpm

        spec = rollout.spec
        body, plate = spec.body(1), spec.body(2)
        assert body.model is not None
        number = dict(body.model.numbers)
        size = np.array([number["x_m"], number["y_m"], number["z_m"]])
        before = models.build(body.model)
        volume = models.volume_m3(before)
        final = float((1.0 - spec.input("squeeze")) * size[2])
        # Such that the plate ends on a row of nodes, cells being two spacings wide.
        rows = max(2, round((final / (volume / PARTICLES) ** (1 / 3) - SINKS_IN) / 2))
        spacing = final / (2 * rows + SINKS_IN)
        kind = body.model.variant
        rest = mpm.lattice(
            lambda p: soft.inside(kind, size, p), np.array([-size[0] / 2, -size[1] / 2, 0.0]), size / [2, 2, 1], spacing
        )
        density, shear, bulk = (spec.input(k) for k in ("density_kgpm3", "shear_pa", "bulk_pa"))
        # All goes at the pace of its own waves: what is stiff is squeezed as quickly as it answers.
        wave = float(np.sqrt((bulk + 4 / 3 * shear) / density))
        speed = 0.025 * wave
        yields = spec.input("yield_pa")
        stuff = mpm.Substance(
            density_kgpm3=density, shear_pa=shear, bulk_pa=bulk, yield_pa=yields, damping_ps=1.2 * wave,
            viscosity_pas=0.0 if yields > 1e9 else 0.02 * shear * size[2] / speed, friction=0.5,
        )  # fmt: skip
        travel = size[2] - final + 2 * spacing
        squeezing_s = 1.4 * travel / speed
        done = mpm.deform(
            rest, spacing, stuff, duration_s=squeezing_s,
            plate=mpm.Plate(start_m=size[2] + spacing, end_m=(2 * rows - 0.02) * spacing, speed_mps=speed),
        )  # fmt: skip
        after, height = _between_plates(before, mpm.carried(rest, done, before.vertices_m, spacing))
        # At the same pace the plate first comes down to the body.
        open_m = spec.input("open_m")
        coming_s = (open_m - size[2]) / speed

        def squeezed_s(phase: float) -> float:
            """Time since the plate met the body; below 0 it is still on its way."""
            return between(-coming_s, squeezing_s, phase)

        @functools.cache
        def pressed(phase: float) -> tuple[Mesh, float]:
            """The body, and the height of the plate above the bed."""
            time_s = squeezed_s(phase)
            if phase == 1.0:
                return after, height
            if time_s <= 0.0:
                return before, float(size[2] - speed * time_s)
            points = mpm.carried(rest, done.at(time_s / squeezing_s), before.vertices_m, spacing)
            return _between_plates(before, points, flat=min(1.0, speed * time_s / travel))

        def shape(phase: float) -> Mesh:
            return pressed(phase)[0]

        def force_n(phase: float) -> float:
            return done.at(max(squeezed_s(phase), 0.0) / squeezing_s).plate_force_n

        def extent_m(axis: int) -> Callable[[float], float]:
            return lambda phase: float(np.ptp(shape(phase).vertices_m[:, axis]))

        def squeezed(phase: float) -> float:
            return float(1.0 - min(pressed(phase)[1], size[2]) / size[2])

        off = models.volume_m3(after) / (volume * float(done.volume_ratio.mean())) - 1.0
        kept = 0.0 if bulk < 5 * shear or stuff.density_kgpm3 < 400 else 0.03
        quantities = (
            quantity("body_height", extent_m(2), unit="m", provenance="derived"),
            quantity("body_width", extent_m(0), unit="m", provenance="derived"),
            quantity(
                "body_volume", lambda phase: models.volume_m3(shape(phase)) * 1e6, unit="ml", provenance="derived",
                conserved=kept,
            ),
            quantity("press_force", force_n, unit="N", provenance="solved"),
            quantity("squeezed", squeezed, unit="1", provenance="derived", words=SHAPES),
        )  # fmt: skip
        truth = (
            Truth(name="solver_volume_ratio", value=float(done.volume_ratio.mean()), unit="1", provenance="solved"),
            Truth(name="skin_volume_error", value=off, unit="1", provenance="derived"),
            Truth(name="solver_speed", value=done.speed_mps / wave, unit="1", provenance="solved"),
            Truth(name="solver_density_ratio", value=done.largest_density_ratio, unit="1", provenance="solved"),
        )

        def lowered(phase: float) -> tuple[Vec3, Quat]:
            return replace_z(plate.position_m, BED_M + pressed(phase)[1]), plate.quaternion

        @functools.cache
        def squashed(phase: float) -> Mesh:
            # Squashed it is denser, if only a little where it is not foam: there is as much of it as before.
            (skin,) = shape(phase).surfaces
            return Mesh(surfaces=(replace(skin, solid_m3=volume),)) if phase > 0.0 else before

        return rollout.reshaped(body.id, squashed).posed(plate.id, lowered).then(quantities=quantities, truth=truth)

    def reject(self, rollout: Rollout) -> str | None:
        truth = {t.name: t.value for t in rollout.truth}
        if abs(truth["skin_volume_error"]) > 0.03:
            return f"its skin is {truth['skin_volume_error']:+.1%} off the volume of what it is the skin of"
        if not 0.0 < truth["solver_speed"] < 0.02:
            return f"still moving at {truth['solver_speed']:.3f} of its wave speed"
        soft_one = rollout.spec.input("bulk_pa") < 5 * rollout.spec.input("shear_pa")
        if truth["solver_density_ratio"] > (3.5 if soft_one else 1.6):
            return f"clumped: {truth['solver_density_ratio']:.2f} times its density"
        width = rollout.quantity("body_width")
        return None if width.end < 1.9 * width.start else "it was squeezed out sideways"

    phrases = Phrases(
        superficial=(
            "[Squash|Squeeze|Compress|Press] {actor}.",
            "[Squash|Squeeze|Compress] {actor} with {affected}.",
            "[Lower|Press] {affected} onto {actor}.",
            "[Squash|Press] {actor} {squeezed.end word}.",
        ),
        intermediate=(
            "[Lower|Press] {affected} onto {actor} so that it is squeezed {squeezed.end word}< and (body_width rises) bulges "
            "[outwards|at its sides]>.",
            "[Squash|Compress|Press] {actor} {squeezed.end word} with {affected}<, so that it (body_width rises) gets "
            "[wider|broader]>.",
            "[Squeeze|Press] {actor} under {affected}: it is compressed from {body_height.start} to {body_height.end}.",
        ),
        explicit=(
            "{affected} [comes lower|is lowered] and [presses|squeezes] {actor} from a height of {body_height.start} to {body_height.end}<; (body_width "
            "rises) it bulges out to {body_width.end}><, and (everything else stays) nothing else [moves|changes]>.",
            "{actor}, {body_height.start} high before, is [squeezed|pressed] {squeezed.end word} between {affected} and the bed of the "
            "press<, which (body_width rises) makes it broader><; (everything else stays) nothing else [moves|changes]>.",
            "Under {affected}, {actor} gives way until it is {body_height.end} high<, and (body_width rises) its sides bulge "
            "outwards><, while (everything else stays) nothing else [moves|changes]>.",
        ),
    )


def replace_z(position: tuple[float, float, float], z: float) -> tuple[float, float, float]:
    return vec3([position[0], position[1], z])


def _between_plates(before: Mesh, points: Floats, flat: float = 1.0) -> tuple[Mesh, float]:
    """The skin flat where it meets bed and plate, and the height between them: the plate is where the body ends, which
    the solver's grid knows better than the node that it was stopped at. `flat` is how far it has been squeezed, 0 to
    1: a ball meets bed and plate in a point at first."""
    low, high = np.percentile(points[:, 2], (2.0 * flat, 100.0 - 2.0 * flat))
    points = points.copy()
    points[:, 2] = np.clip(points[:, 2] - low, 0.0, high - low)
    return _with(before, points), float(high - low)


def _with(before: Mesh, points: Floats) -> Mesh:
    offset, surfaces = 0, []
    for surface in before.surfaces:
        count = len(surface.vertices_m)
        surfaces.append(replace(surface, vertices_m=points[offset : offset + count]))
        offset += count
    return Mesh(surfaces=tuple(surfaces))


def _body(draw: Draw) -> tuple[str, str, str, tuple[float, float, float], float, Material]:
    """What it is of, its shape, its name, its size, the radius of its edges and its material."""
    stuff = draw.choice(("jelly", "jelly", "rubber", "clay", "clay", "marshmallow", "sponge"))
    color = draw.choice(sorted(COLORS))
    seed = draw.seed()
    if stuff == "jelly":
        kind = draw.choice(("box", "cylinder"))
        side, tall = draw.uniform((0.05, 0.065)), draw.uniform((0.045, 0.06))
        wear = palette.but(
            palette.soft(COLORS[color], roughness=0.08, subsurface_m=0.03), transmission=0.35, ior=1.36, subsurface=0.8
        )
        return stuff, kind, f"{color} jelly {'cube' if kind == 'box' else 'cake'}", (side, side, tall), 0.006, wear
    if stuff == "rubber":
        side = draw.uniform((0.05, 0.07))
        return (
            stuff,
            "ball",
            f"{color} rubber ball",
            (side, side, side),
            0.004,
            palette.but(palette.rubber(COLORS[color]), roughness=0.45),
        )
    if stuff == "clay":
        kind = draw.choice(("ball", "cylinder", "box"))
        side = draw.uniform((0.05, 0.065))
        shades = {"grey": "#8d8a84", "terracotta": "#b06a48", "white": "#d9d5cc"} | COLORS
        color = draw.choice(sorted(shades))
        grain = Pattern(color=palette.colour(shades[color]), amount=0.0, scale_m=0.006, bump_m=0.0003, seed=seed)
        wear = palette.but(
            palette.soft(shades[color], roughness=0.65, subsurface_m=0.002), subsurface=0.15, patterns=(grain,)
        )
        name = {"ball": "ball", "cylinder": "cylinder", "box": "cube"}[kind]
        return stuff, kind, f"{color} clay {name}", (side, side, side if kind == "ball" else 0.9 * side), 0.005, wear
    if stuff == "marshmallow":
        side = draw.uniform((0.045, 0.058))
        shade = draw.choice((("white", "#efece6"), ("pink", "#eab6bf")))
        wear = palette.but(palette.soft(shade[1], roughness=0.85, subsurface_m=0.01), subsurface=0.5)
        return stuff, "cylinder", f"{shade[0]} marshmallow", (side, side, side * draw.uniform((0.85, 1.1))), 0.011, wear
    sponges = {
        "yellow": ("#e2b93b", "#8f6a14"),
        "blue": ("#3d7fc0", "#1d3f66"),
        "green": ("#6fa546", "#33561d"),
        "pink": ("#dd8ba4", "#8c4259"),
    }
    color = draw.choice(sorted(sponges))
    pores = Pattern(
        kind="cells", color=palette.colour(sponges[color][1]), amount=0.6, scale_m=0.0055, bump_m=0.0016, seed=seed
    )
    wear = Material(template="rubber", base_color=palette.colour(sponges[color][0]), roughness=0.95, patterns=(pores,))
    return (
        stuff,
        "box",
        f"{color} sponge",
        (draw.uniform((0.085, 0.1)), draw.uniform((0.055, 0.065)), draw.uniform((0.04, 0.05))),
        0.004,
        wear,
    )


def _wear(draw: Draw) -> tuple[tuple[str, Material], ...]:
    frame = draw.choice(
        (
            palette.plastic("#2c2f34", roughness=0.5),
            palette.metal("#6d7278", roughness=0.42),
            palette.plastic("#2f5a48", roughness=0.45),
            palette.plastic("#345a8a", roughness=0.45),
            palette.wood(seed=draw.seed()),
        )
    )
    plate = draw.choice(
        (
            palette.metal("#a3a7ac", roughness=0.3, brushed=0.03),
            palette.wood("#c9a06a", "#96683a", seed=draw.seed()),
            palette.metal("#7b8087", roughness=0.4),
        )
    )
    return (
        ("base", frame),
        ("beam", frame),
        ("plate", plate),
        ("steel", palette.metal(roughness=0.25)),
        ("knob", palette.plastic(draw.color("#b3231e", "#1d1f22"), roughness=0.3)),
    )
