"""A strip clamped at one end, or lying on two bearers, sags under a weight that is put on it."""

import functools
from dataclasses import dataclass, replace

import numpy as np

from simgen.core.assets import Material
from simgen.core.blend import between
from simgen.core.geometry import direction, quat, quat_from_axis_angle, quat_multiply, quat_rotate, vec3
from simgen.core.mesh import Mesh
from simgen.core.rollout import Rollout, Truth, quantity
from simgen.core.spec import Body, SceneSpec
from simgen.core.substances import SUBSTANCES
from simgen.core.vectors import Quat, Vec3
from simgen.procedural import models, palette
from simgen.procedural.models.strips import bent_line
from simgen.scene.draw import Draw, substances_of
from simgen.scene.registry import MeshOf, Phrases, Range, Scene, register
from simgen.solvers import beams

YOUNG_PA = {"wooden": 11e9, "steel": 200e9, "plastic": 3.1e9, "aluminium": 69e9}
"""Beech along the grain (Wood Handbook, 2021), spring steel, acrylic, 6061."""
BREAKS_AT = {"wooden": 0.008, "steel": 0.006, "plastic": 0.025, "aluminium": 0.004}
"""Strain at which it would break or stay bent."""
SUBSTANCE = {"wooden": "wood", "steel": "metal", "plastic": "plastic", "aluminium": "aluminium"}
COLORS = {
    "red": "#b4282a",
    "blue": "#2458a6",
    "yellow": "#e3b31f",
    "green": "#2f8247",
    "orange": "#d8731f",
    "white": "#e9e7e1",
}
GRAVITY_MPS2 = 9.81
HUNG = (
    (0.58, "near its middle"),
    (0.76, "a little past its middle"),
    (0.93, "not far from its free end"),
    (2.0, "at its free end"),
)
LAID = ((0.45, "left of its middle"), (0.55, "in its middle"), (2.0, "right of its middle"))
"""Where the weight acts, in lengths from the clamp, or in spans from the left bearer."""


@register("bending")
@dataclass(frozen=True, kw_only=True)
class Bending(Scene):
    """A weight is hung on a clamped strip, at its free end or nearer the clamp, or set on one that lies on two bearers."""

    clamped_probability: float = 0.6
    tip_drop: Range = (0.16, 0.38)
    """Of the free end, in free lengths, for which the thickness is chosen."""
    middle_drop: Range = (0.05, 0.1)
    """Of the middle, in spans."""
    hung_at: Range = (0.45, 1.0)
    """Where the weight is hung, in free lengths."""
    laid_off: float = 0.2
    """How far off the middle a weight is set at most, in spans."""

    law = "elasticity of bending"
    types = (25,)
    quantities = ("deflection", "load", "load_place", "strip_volume")
    subject_size = (0.015, 0.45)
    brightness = (0.2, 0.64)

    def sample(self, draw: Draw) -> SceneSpec:
        facing = draw.angle()
        view = replace(
            draw.view(elevation_deg=(10.0, 26.0), margin=(0.1, 0.2)), azimuth_rad=facing + draw.uniform((-0.5, 0.5))
        )
        turn = quat(quat_from_axis_angle((0, 0, 1), facing + np.pi / 2 + draw.choice((0.0, np.pi))))
        bodies, inputs = (self._clamped if draw.chance(self.clamped_probability) else self._laid)(draw, turn, facing)
        return draw.spec(
            self.name, bodies, camera=view, stage=draw.stage(("table", "table", "sweep")), duration_s=3.0, physics_s=3.0,
            inputs=tuple(inputs.items()),
        )  # fmt: skip

    def _clamped(self, draw: Draw, turn: tuple[float, ...], facing: float) -> tuple[list[Body], dict[str, float]]:
        stuff, name, material, ink = _strip(draw)
        length, width = draw.uniform((0.17, 0.25)), draw.uniform((0.022, 0.034))
        ratio = 3.0 * draw.uniform(self.tip_drop)
        label, metal, substance = draw.choice(WEIGHTS)
        radius, tall = draw.uniform((0.016, 0.024)), draw.uniform((0.026, 0.042))
        mass = SUBSTANCES[substance].density_kgpm3 * np.pi * radius**2 * tall
        thickness = (12 * mass * GRAVITY_MPS2 * length**2 / (YOUNG_PA[stuff] * width * ratio)) ** (1 / 3)
        loop, beyond = 0.022, 0.014
        height = length * min(ratio / 3, 0.45) + tall + loop + draw.uniform((0.03, 0.06))
        depth = 0.06
        wear = (
            ("block", draw.choice(BLOCKS)),
            ("plate", palette.metal("#6d7278", roughness=0.4)),
            ("steel", palette.metal()),
        )
        clamp = draw.model(
            models.make("bench_clamp", height_m=height, width_m=width + 0.05, depth_m=depth, gap_m=thickness), 250,
            role="prop", label="clamp", substance="wood", quaternion=turn, materials=wear, substances=substances_of(wear),
        )  # fmt: skip
        sizes = {
            "length_m": length,
            "before_m": depth + 0.012,
            "beyond_m": beyond,
            "width_m": width,
            "thickness_m": thickness,
        }
        ruler = draw.model(
            models.make("strip", variant="cantilever", marks=float(ink is not None), **sizes), 1, role="actor",
            label=f"{name} ruler" if ink else f"{name} strip", substance=SUBSTANCE[stuff], quaternion=turn,
            position_m=(0.0, 0.0, height + thickness / 2), materials=(("strip", material), ("ink", ink or material)),
        )  # fmt: skip
        # The loop of its wire lies across the strip.
        spun = quat(quat_from_axis_angle((0, 0, 1), facing + np.pi))
        at = quat_rotate(turn, (length * draw.uniform((0.5, 0.9)), 0.0, 0.0)) + 0.085 * direction(facing)
        weight = draw.model(
            models.make("hanger_weight", radius_m=radius, height_m=tall, loop_x=width / 2, loop_m=loop), 2,
            role="affected", label=label, substance=substance, at=at, quaternion=spun, mass_kg=mass,
            materials=(("weight", metal), ("steel", palette.metal())),
        )  # fmt: skip
        inputs = {"young_pa": YOUNG_PA[stuff], "hung_m": tall + loop, "breaks_at": BREAKS_AT[stuff]}
        return [ruler, weight, clamp], inputs | {"share": draw.event.uniform(self.hung_at), "from_left": 1.0}

    def _laid(self, draw: Draw, turn: tuple[float, ...], facing: float) -> tuple[list[Body], dict[str, float]]:
        stuff, name, material, _ = _strip(draw)
        span, width = draw.uniform((0.24, 0.34)), draw.uniform((0.045, 0.065))
        ratio = 48.0 * draw.uniform(self.middle_drop)
        if draw.chance(0.5):
            load = draw.body(
                draw.object(size_m=(0.06, 0.16), where=lambda a, s: a.mass_kg > 0.12 and s.support().tip_angle_rad > 0.3),
                2, role="affected", static=True,
            )  # fmt: skip
        else:
            label, metal, substance = draw.choice(WEIGHTS)
            radius, tall = draw.uniform((0.024, 0.034)), draw.uniform((0.04, 0.06))
            load = draw.model(
                models.make("hook_weight", radius_m=radius, height_m=tall), 2, role="affected", label=label,
                substance=substance, materials=(("weight", metal), ("steel", palette.metal())),
                mass_kg=SUBSTANCES[substance].density_kgpm3 * np.pi * radius**2 * tall,
            )  # fmt: skip
        thickness = (12 * load.mass_kg * GRAVITY_MPS2 * span**2 / (YOUNG_PA[stuff] * width * ratio)) ** (1 / 3)
        height = span * ratio / 48 + draw.uniform((0.025, 0.05))
        wear = (("block", draw.choice(BLOCKS)), ("steel", palette.metal()))
        props = draw.model(
            models.make("bearers", span_m=span, height_m=height, width_m=width + 0.03), 250, role="prop", label="bearers",
            substance="wood", quaternion=turn, materials=wear, substances=substances_of(wear),
        )  # fmt: skip
        sizes = {"length_m": span, "beyond_m": draw.uniform((0.025, 0.045)), "width_m": width, "thickness_m": thickness}
        strip = draw.model(
            models.make("strip", variant="supported", **sizes), 1, role="actor", label=f"{name} strip",
            substance=SUBSTANCE[stuff], quaternion=turn, position_m=(0.0, 0.0, height + thickness / 2),
            materials=(("strip", material), ("ink", material)),
        )  # fmt: skip
        reach = float(np.linalg.norm(np.array(load.size_m[:2]))) / 2
        place = (width / 2 + reach + 0.03) * direction(facing) + draw.uniform((-0.3, 0.3)) * span * quat_rotate(
            turn, (1.0, 0.0, 0.0)
        )
        stands = load.position_m[2]
        load = replace(load, position_m=vec3([*place[:2], stands]))
        inputs = {"young_pa": YOUNG_PA[stuff], "hung_m": stands, "breaks_at": BREAKS_AT[stuff]}
        # All of it between the bearers.
        off = min(self.laid_off, max(0.5 - (reach + 0.01) / span, 0.06))
        # Its own x axis may point to the left of the picture.
        rightward = quat_rotate(turn, (1.0, 0.0, 0.0)) @ direction(facing + np.pi / 2)
        return [strip, load, props], inputs | {
            "share": 0.5 + draw.event.uniform((-off, off)), "from_left": float(rightward > 0)
        }  # fmt: skip

    def develop(self, rollout: Rollout, mesh_of: MeshOf) -> Rollout:
        spec = rollout.spec
        strip, load = spec.body(1), spec.body(2)
        assert strip.model is not None
        number = dict(strip.model.numbers)
        clamped = strip.model.variant == "cantilever"
        length, thick, share = number["length_m"], number["thickness_m"], spec.input("share")
        beyond = number["beyond_m"]
        if clamped:
            # Beyond the weight it is straight.
            length, beyond = share * length, beyond + (1.0 - share) * length
        stiffness = spec.input("young_pa") * beams.rectangle_m4(number["width_m"], thick)
        newtons = load.mass_kg * GRAVITY_MPS2
        ratio = newtons * length**2 / stiffness
        model = strip.model

        def shape(phase: float) -> Mesh:
            if phase == 0.0:
                return models.build(model)
            bent = model.but(load_ratio=between(0.0, ratio, phase), length_m=length, beyond_m=beyond)
            return models.build(bent if clamped else bent.but(load_at=share))

        @functools.cache
        def loaded(phase: float) -> tuple[float, float, Vec3, Quat]:
            """How high the strip is where the load is, its largest strain, and the load's place, as more and more of
            the weight comes to lie on it."""
            way, line, slope = bent_line(
                model.variant, length, number.get("before_m", 0.0), beyond, between(0.0, ratio, phase), share
            )
            if clamped:
                x, z = (float(np.interp(length, way, line[:, k])) for k in (0, 1))
            else:
                x = (share - 0.5) * length
                z = float(np.interp(x, line[:, 0], line[:, 1]))
            top = strip.position_m[2] + z + thick / 2
            at = quat_rotate(strip.quaternion, (x, 0.0, 0.0))
            if clamped:
                strain = float(np.abs(np.gradient(slope, way))[1:-1].max()) * thick / 2
                return z, strain, vec3([*at[:2], top - spec.input("hung_m")]), load.quaternion
            # It stands on the edges of its foot, the strip being hollow under it.
            foot = 0.35 * float(min(load.size_m[:2]))
            edges = np.interp([x - foot, x + foot], line[:, 0], line[:, 1])
            tilt = float(np.arctan2(edges[1] - edges[0], 2 * foot))
            lean = quat_from_axis_angle(quat_rotate(strip.quaternion, (0.0, 1.0, 0.0)), -tilt)
            foot_m = strip.position_m[2] + thick / 2 + float(edges.mean())
            up = quat_rotate(lean, (0.0, 0.0, spec.input("hung_m")))
            strain = float(np.abs(np.gradient(slope, way))[2:-2].max()) * thick / 2
            return z, strain, vec3([*(at + up)[:2], foot_m + up[2]]), quat(quat_multiply(lean, load.quaternion))

        def volume_ml(phase: float) -> float:
            mesh = shape(phase)
            return models.volume_m3(replace(mesh, surfaces=mesh.surfaces[:1])) * 1e6

        place = share if spec.input("from_left") else 1.0 - share
        quantities = (
            quantity("deflection", lambda phase: -loaded(phase)[0] if phase else 0.0, unit="m", provenance="solved"),
            quantity("load", lambda phase: between(0.0, newtons, phase), unit="N", provenance="derived"),
            quantity(
                "load_place", lambda phase: place if phase else 0.0, unit="1", provenance="prescribed",
                words=HUNG if clamped else LAID,
            ),
            quantity("strip_volume", volume_ml, unit="ml", provenance="derived", conserved=0.01),
        )  # fmt: skip
        truth = (Truth(name="largest_strain", value=loaded(1.0)[1], unit="1", provenance="solved"),)
        done = rollout.reshaped(strip.id, shape).posed(load.id, lambda phase: loaded(phase)[2:])
        return done.then(quantities=quantities, truth=truth)

    def reject(self, rollout: Rollout) -> str | None:
        strain = next(t.value for t in rollout.truth if t.name == "largest_strain")
        if strain > rollout.spec.input("breaks_at"):
            return f"it would break or stay bent: strain {strain:.4f}"
        load = rollout.poses(2).position_m[rollout.end_index, 2]
        return "the weight would stand on the table" if load < 0.004 else None

    phrases = Phrases(
        superficial=(
            "[Put|Place|Set] {affected} on {actor}.",
            "Let {actor} carry {affected}.",
            "[Let|Make] {affected} [bend|weigh on] {actor}.",
            "[Bend|Load] {actor} with {affected}.",
        ),
        intermediate=(
            "[Put|Place] {affected} on {actor}, {load_place.end word}, so that it [bends|sags|gives] under the [weight|load].",
            "[Bend|Load] {actor} with {affected}: its weight acts {load_place.end word} and makes it "
            "[bend|sag] by {deflection.end}.",
            "[Let|Make] {affected} weigh on {actor} {load_place.end word}, so that it [bends|curves] under the load of "
            "{load.end}.",
        ),
        explicit=(
            "{affected} [weighs|is put] on {actor} {load_place.end word}: it was straight and now [sags|bends] by {deflection.end} under "
            "{load.end}<, while (everything else stays) nothing else [moves|changes]>.",
            "Loaded with {affected}, the straight {actor.label} [becomes|turns into] a curve: where the load of "
            "{load.end} acts it is {deflection.end} lower<, and (everything else stays) nothing else [moves|changes]>.",
            "In the end {actor} carries {affected} {load_place.end word} and is bent by it: it gives way by {deflection.end} under {load.end}"
            "<; (everything else stays) nothing else [moves|changes]>.",
        ),
    )


WEIGHTS = (
    ("brass weight", palette.metal("#c9a24a", roughness=0.25), "brass"),
    ("steel weight", palette.metal("#b9bcc0", roughness=0.3), "metal"),
    ("copper weight", palette.metal("#b87048", roughness=0.25), "copper"),
    ("black weight", palette.plastic("#26282c", roughness=0.4), "cast iron"),
    ("red weight", palette.plastic("#a51d1d", roughness=0.3), "cast iron"),
)
"""Painted ones are of cast iron. Each is adjusted to the mass of a plain cylinder, its loop of wire included."""
BLOCKS = (
    palette.wood("#b98a57", "#86572c", seed=3), palette.wood("#8a5a34", "#5b3a20", seed=4), palette.wood("#d3b184", "#a9824f", seed=5),
    palette.metal("#84888d", roughness=0.45), palette.plastic("#33373d", roughness=0.5), palette.concrete(seed=2),
)  # fmt: skip


def _strip(draw: Draw) -> tuple[str, str, Material, Material | None]:
    """What it is of, what it is called, its material and that of the marks of a ruler."""
    stuff = draw.choice(("wooden", "wooden", "steel", "plastic", "plastic", "aluminium"))
    ink = palette.plastic("#1b1b1b", roughness=0.6)
    marked = ink if draw.chance(0.7) else None
    if stuff == "wooden":
        shades = draw.choice((("#c99a5f", "#9a6a36"), ("#dcb986", "#b98d55"), ("#9a6b40", "#6d4726")))
        return stuff, stuff, palette.wood(*shades, seed=draw.seed()), marked
    if stuff == "plastic":
        color = draw.choice(sorted(COLORS))
        return stuff, f"{color} plastic", palette.plastic(COLORS[color], roughness=0.25), marked
    shade = "#a9adb2" if stuff == "steel" else "#c8cacc"
    return stuff, stuff, palette.metal(shade, roughness=0.32, brushed=0.02, seed=draw.seed()), marked
