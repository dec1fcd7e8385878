"""A piece of steel is heated until it glows, or a glowing one cools."""

from dataclasses import dataclass, replace

import numpy as np

from simgen.core.colour import glow
from simgen.core.mesh import Mesh
from simgen.core.rollout import Rollout, quantity
from simgen.core.spec import Body, SceneSpec
from simgen.core.vectors import Floats
from simgen.procedural import palette
from simgen.procedural.builtin.noise import space_noise
from simgen.procedural.models import make
from simgen.procedural.models.hotware import piece
from simgen.scene.draw import Draw, ref
from simgen.scene.registry import MeshOf, Phrases, Range, Scene, register
from simgen.solvers import heat

PIECES = (
    ("rod", "steel rod", (0.15, 0.22), (0.015, 0.021)),
    ("bar", "steel bar", (0.14, 0.2), (0.017, 0.024)),
    ("twist", "twisted iron bar", (0.15, 0.2), (0.016, 0.021)),
    ("chisel", "steel chisel", (0.13, 0.18), (0.017, 0.023)),
    ("ring", "steel ring", (0.09, 0.15), (0.012, 0.018)),
    ("spring", "steel spring", (0.1, 0.14), (0.007, 0.01)),
    ("horseshoe", "horseshoe", (0.13, 0.16), (0.009, 0.012)),
    ("horseshoe", "horseshoe", (0.13, 0.16), (0.009, 0.012)),
    ("bolt", "steel bolt", (0.09, 0.13), (0.02, 0.028)),
    ("disc", "steel disc", (0.12, 0.17), (0.008, 0.012)),
)
"""Variant, name, length and thickness in metres."""


@register("hot_metal")
@dataclass(frozen=True, kw_only=True)
class HotMetal(Scene):
    """A piece of steel has been in the fire at one end or all over, or lies in the air and cools."""

    furnace_k: Range = (1200.0, 1520.0)
    heating_s: Range = (150.0, 330.0)
    cooling_s: Range = (40.0, 600.0)
    whole_probability: float = 0.35
    cooling_probability: float = 0.5
    glow_radiance: Range = (0.3, 0.42)
    """Largest channel of the hottest place, against an environment of about a fifth."""

    law = "heat equation with radiation"
    types = (46, 45)
    quantities = ("temperature_max", "heat")
    changed_share = 1.0
    brightness = (0.1, 0.6)

    def sample(self, draw: Draw) -> SceneSpec:
        variant, label, length, thickness = draw.choice(PIECES)
        view = draw.view(elevation_deg=(24.0, 48.0), margin=(0.16, 0.26))
        made = make("hot_piece", variant=variant, length_m=draw.uniform(length), thickness_m=draw.uniform(thickness))
        # Seen from the side, the hot end towards either hand.
        yaw = view.azimuth_rad + np.pi / 2 + draw.choice((0.0, np.pi)) + draw.uniform((-0.5, 0.5))
        dark = palette.metal(draw.color("#35322f", "#3d3a37", "#2e2b29"), roughness=draw.uniform((0.42, 0.58)))
        bricks = _bricks(draw, made.number("length_m"), yaw)
        steel = draw.model(
            made, 1, role="actor", label=label, substance="metal", on_m=_top_m(bricks), yaw_rad=yaw, material=dark
        )
        cools = draw.chance(self.cooling_probability)
        # What the fire did is to be seen at the start of the one that cools.
        fire = draw if cools else draw.event
        whole = variant in ("ring", "bolt", "spring") or fire.chance(self.whole_probability)
        inputs = {
            "furnace_k": fire.uniform(self.furnace_k),
            "heating_s": fire.uniform(self.heating_s),
            "cooling_s": draw.event.uniform(self.cooling_s) if cools else 0.0,
            "heated_share": 1.0 if whole and variant != "disc" else fire.uniform((0.42, 0.62)),
            "other_end": float(fire.chance(0.5) and variant != "disc"),
            "radiance": draw.uniform(self.glow_radiance),
        }
        dim = draw.uniform((0.1, 0.16))
        stone = [s for s in draw.catalog.surfaces if s.substance in ("stone", "concrete", "ceramic")]
        stage = replace(draw.stage(("table", "floor")), surface=ref(draw.choice(stone)))
        return draw.spec(
            self.name, [steel, *bricks], camera=view, stage=stage, end_state="steady",
            duration_s=inputs["cooling_s"] or inputs["heating_s"], physics_s=0.05,
            environment=replace(draw.environment(), strength=draw.uniform((0.12, 0.25))),
            lights=tuple(replace(light, power=light.power * dim) for light in draw.lights(view)),
            inputs=tuple(inputs.items()),
        )  # fmt: skip

    def develop(self, rollout: Rollout, mesh_of: MeshOf) -> Rollout:
        spec = rollout.spec
        body, given = spec.body(1), spec.input
        cells, place = _cells(body)
        room = (heat.Air(emissivity=heat.STEEL.emissivity), 1.0 - np.zeros(len(place)))
        way = 1.0 - place if given("other_end") else place
        inside = np.clip((given("heated_share") - way) / 0.16 + 0.5, 0.0, 1.0)
        fire = (heat.Air(kelvin=given("furnace_k"), convection_wpm2k=60.0, emissivity=heat.STEEL.emissivity), inside)
        cold = np.full(len(place), 293.15)
        run = hot = heat.run(cells, cold, ((room[0], 1.0 - inside), fire), given("heating_s"))
        if given("cooling_s"):
            run = heat.run(cells, hot.kelvin, (room,), given("cooling_s"))
        peak = float(glow(hot.kelvin).max())
        steel = mesh_of(body)
        assert body.material is not None
        lit = replace(body.material, emission=(given("radiance"),) * 3, emission_field="glow")

        def stored_j(phase: float) -> float:
            return float((cells.heat_jpk * (run.at(phase) - 293.15)).sum())

        return (
            rollout.reshaped(1, lambda phase: _glowing(steel, place, run.at(phase), peak))
            .resurfaced(1, lambda phase: lit)
            .then(
                quantities=(
                    quantity(
                        "temperature_max", lambda phase: float(run.at(phase).max()) - 273.15, unit="°C", provenance="solved"
                    ),
                    quantity("heat", stored_j, unit="J", provenance="solved"),
                )
            )
        )  # fmt: skip

    def shows(self, rollout: Rollout) -> tuple[int, ...]:
        return (45,) if rollout.spec.input("cooling_s") else (46,)

    phrases = Phrases(
        superficial=(
            "(temperature_max rises) [Heat|Heat up] {actor} until it glows.",
            "(temperature_max rises) Make {actor} [glow with heat|red hot|glow].",
            "(temperature_max rises) [Put {actor} in a fire|Heat {actor} in a forge] until it glows.",
            "(temperature_max falls) [Let|Have] {actor} [cool|cool off|lose its glow (temperature_max ends below 600)].",
            "(temperature_max falls; temperature_max ends below 600) [Cool|Cool off] {actor} [until it no longer glows|so "
            "that its glow dies].",
            "(temperature_max falls; temperature_max ends above 600) [Cool|Cool off] {actor} [a little|somewhat].",
            "(temperature_max falls) Let the [glowing|hot] metal [cool|grow cold (temperature_max ends below 200)].",
        ),
        intermediate=(
            "(temperature_max rises) [Heat|Heat up] {actor} until it glows [orange|red and orange], so that it [lights "
            "up|casts an orange light on] what is near it.",
            "(temperature_max rises) [Heat|Bring] {actor} to [a glowing heat|a bright glow]; it [sends out|gives off] "
            "light of its own.",
            "(temperature_max falls; temperature_max ends below 600) Let {actor} [cool in the air|lose its heat to the "
            "air], so that its glow [fades|dies] and the [steel|metal] [turns dark|is dark again].",
            "(temperature_max falls; temperature_max ends above 600) Let {actor} [cool in the air for a while|lose some of "
            "its heat to the air], so that its glow [fades|gets weaker] to a darker red.",
            "(temperature_max falls; temperature_max ends below 600) [Let the glowing metal cool|Leave the glowing metal to "
            "cool] by [radiation|giving off its heat]; its orange light [goes out|fades away].",
        ),
        explicit=(
            "(temperature_max rises) {actor} [is heated|heats up] to {temperature_max.end} at its hottest: there it "
            "[glows|shines] orange, [fading to dull red and dark where it is cooler|redder and darker where it is "
            "cooler], and its light reaches the surface around it; (everything else stays) nothing else moves.",
            "(temperature_max rises) The dark cold {actor.label} becomes hot, up to {temperature_max.end}, and [glows|"
            "shines] by itself, [tinting|lighting] what lies next to it orange; (everything else stays) nothing moves.",
            "(temperature_max falls; temperature_max ends above 600) {actor} cools from {temperature_max.start} to "
            "{temperature_max.end} at its hottest: its glow is weaker and redder, with it the light on the surface around "
            "it, and (everything else stays) nothing else moves.",
            "(temperature_max falls; temperature_max ends below 600) {actor} cools from {temperature_max.start} to "
            "{temperature_max.end} at its hottest: [its glow fades|its orange glow dies] and [with it the light on the surface around it|nothing near it is lit "
            "by it any more]; (everything else stays) nothing else moves.",
            "(temperature_max falls; temperature_max ends below 600) The glowing {actor.label} [loses its heat|cools] from {temperature_max.start} to "
            "{temperature_max.end}; [the metal is dark|its metal looks dark] and (everything else stays) everything else "
            "is where it was.",
        ),
    )


def _cells(body: Body) -> tuple[heat.Cells, Floats]:
    """The piece as cells, and where on its line each of them lies, 0 to 1."""
    assert body.model is not None
    length, thickness = body.model.number("length_m"), body.model.number("thickness_m")
    if body.model.variant == "disc":
        return heat.disc(length / 2, thickness, 120, heat.STEEL), (np.arange(120) + 0.5) / 120
    shape = piece(body.model.variant, length, thickness)
    cells = heat.bar(shape.section_m2, shape.perimeter_m, shape.length_m, heat.STEEL, closed=shape.closed)
    return cells, np.linspace(0.0, 1.0, len(shape.section_m2))


def _glowing(mesh: Mesh, place: Floats, kelvin: Floats, peak: float) -> Mesh:
    """The mesh with the colour of its glow at every vertex. Where the hottest is hottest its largest channel is 1 at
    about 1400 K, and more or less by the cube root: that of the radiance would be too much for one exposure."""
    surfaces, strength = [], (peak / float(glow(np.array(1400.0)).max())) ** (1 / 3)
    for surface in mesh.surfaces:
        points = surface.vertices_m
        # Scale on the steel: its emissivity differs from place to place.
        scale = 0.86 + 0.16 * space_noise(points, wave_m=0.02) + 0.12 * space_noise(points, wave_m=0.006, shift=9.0)
        shine = (
            strength
            * glow(np.interp(surface.attributes["along"], place, kelvin))
            / peak
            * np.clip(scale, 0.5, 1.0)[:, None]
        )
        surfaces.append(replace(surface, attributes={**surface.attributes, "glow": shine}))
    return replace(mesh, surfaces=tuple(surfaces))


def _bricks(draw: Draw, length_m: float, yaw_rad: float) -> list[Body]:
    """What it lies on: a slab of firebrick, stone or iron, or nothing but the stage."""
    kind = draw.choice(("brick", "stone", "iron", "stage"))
    if kind == "stage":
        return []
    high = draw.uniform((0.03, 0.06))
    size = (length_m * draw.uniform((1.3, 1.6)), max(0.6 * length_m, 0.16) * draw.uniform((1.0, 1.3)), high)
    material = {
        "brick": palette.terracotta(draw.color("#b98d62", "#c7a377", "#a86a48"), seed=draw.seed()),
        "stone": palette.stone(draw.color("#77736d", "#8b8782"), seed=draw.seed()),
        "iron": palette.metal("#4c4a49", roughness=0.5),
    }[kind]
    label, substance = {
        "brick": ("firebrick", "firebrick"),
        "stone": ("stone slab", "stone"),
        "iron": ("iron block", "cast iron"),
    }[kind]
    slab = draw.box(
        size, 2, role="prop", label=label, substance=substance, position_m=(0.0, 0.0, high / 2),
        quaternion=(float(np.cos(yaw_rad / 2)), 0.0, 0.0, float(np.sin(yaw_rad / 2))), friction=0.6, restitution=0.2,
        material=material,
    )  # fmt: skip
    return [slab]


def _top_m(bricks: list[Body]) -> float:
    return bricks[0].size_m[2] if bricks else 0.0
