"""Butter, chocolate, wax or ice cream melts: it slumps into a pool of the same volume."""

from dataclasses import dataclass
from dataclasses import replace as but

from simgen.core.assets import Material
from simgen.core.rollout import Quantity, Rollout
from simgen.core.spec import Body, SceneSpec
from simgen.procedural import models, palette
from simgen.procedural.models import make
from simgen.scene.draw import Draw
from simgen.scene.registry import MeshOf, Phrases, Range, Scene, register

STUFFS = (
    ("butter", "piece of butter", (0.055, 0.075), ("#f3d774", "#f0cf66", "#f6e08e"), 911.0, 32.0),
    ("chocolate", "piece of chocolate", (0.075, 0.095), ("#4a2615", "#3a1d10", "#6b3b20"), 1300.0, 34.0),
    ("wax", "block of wax", (0.045, 0.06), ("#efe2c4", "#c0392b", "#2f6f8f", "#7a9a5b", "#d98b4a"), 900.0, 58.0),
    (
        "scoop",
        "scoop of ice cream",
        (0.045, 0.056),
        ("#f4e6c6", "#f2b8c6", "#bfe0c0", "#6b4128", "#f0cf8a"),
        550.0,
        -2.0,
    ),
    (
        "scoop",
        "scoop of ice cream",
        (0.045, 0.056),
        ("#f4e6c6", "#f2b8c6", "#bfe0c0", "#6b4128", "#f0cf8a"),
        550.0,
        -2.0,
    ),
)
"""Variant, name, size in metres, colours, kg/m³, and the temperature at which it is soft, °C (butter 32, cocoa butter 34,
paraffin 58, ice cream -2)."""


@register("soft_melt")
@dataclass(frozen=True, kw_only=True)
class SoftMelt(Scene):
    """Something soft, on a plate or on the table, has become warm: its edges are gone and much of it has run."""

    melted: Range = (0.4, 0.9)
    """Share of the volume that is liquid at the end."""
    thickness_m: Range = (0.004, 0.0065)
    """Of the pool: what is thick as cream stands a little higher than water."""
    plate_probability: float = 0.6

    law = "melting with conservation of volume"
    types = (43,)
    quantities = ("volume", "height", "temperature", "melted")

    def sample(self, draw: Draw) -> SceneSpec:
        variant, label, size, colours, density, melts_c = draw.choice(STUFFS)
        view = draw.view(elevation_deg=(20.0, 42.0), margin=(0.1, 0.24))
        made = make("soft_piece", variant=variant, seed=draw.seed(), size_m=draw.uniform(size))
        plate = _plate(draw) if draw.chance(self.plate_probability) else []
        color = draw.color(*colours)
        stuff = (
            palette.wax(color)
            if variant == "wax"
            else but(palette.soft(color, roughness=0.42, subsurface_m=0.004), subsurface=0.25)
        )
        if variant == "scoop":
            stuff = but(stuff, roughness=0.6)
        piece = draw.model(
            made, 1, role="actor", label=label, substance="butter", material=stuff, yaw_rad=draw.angle(),
            on_m=0.0 if not plate else plate[0].size_m[2], mass_kg=models.volume_m3(models.build(made)) * density,
        )  # fmt: skip
        inputs = {"melted": draw.event.uniform(self.melted), "thickness_m": draw.event.uniform(self.thickness_m)}
        inputs |= {"start_c": -14.0 if variant == "scoop" else 8.0, "end_c": melts_c + draw.event.uniform((1.0, 4.0))}
        bodies = [piece, *plate]
        bodies += draw.bystanders(bodies, draw.integer((0, 1)), view=view, clear=[(0.0, 0.0, 0.0)])
        return draw.spec(
            self.name, bodies, camera=view, duration_s=0.05, end_state="steady", inputs=tuple(inputs.items()),
            lights=draw.lights(view) or draw.lights(view),
        )  # fmt: skip

    def develop(self, rollout: Rollout, mesh_of: MeshOf) -> Rollout:
        spec = rollout.spec
        body = spec.body(1)
        assert body.model is not None and body.material is not None
        before = mesh_of(body)
        volume, melted = models.volume_m3(before), spec.input("melted")
        pool = make(
            "slump", seed=body.model.seed, volume_m3=volume, melted=melted, height_m=float(models.bounds_m(before)[1][2]),
            thickness_m=spec.input("thickness_m"),
        )  # fmt: skip
        after = models.build(pool)
        wet: Material = but(body.material, roughness=0.16)
        heights = [float(models.bounds_m(mesh)[1][2]) for mesh in (before, after)]
        return (
            rollout.reshaped(1, before, after)
            .resurfaced(1, wet, before=body.material)
            .then(
                quantities=(
                    Quantity(name="volume", start=1e6 * volume, end=1e6 * models.volume_m3(after), unit="ml",
                             provenance="derived", conserved=0.01),
                    Quantity(name="height", start=heights[0], end=heights[1], unit="m", provenance="derived"),
                    Quantity(name="temperature", start=spec.input("start_c"), end=spec.input("end_c"), unit="°C",
                             provenance="prescribed"),
                    Quantity(name="melted", start=0.0, end=melted, unit="1", provenance="prescribed"),
                )
            )
        )  # fmt: skip

    phrases = Phrases(
        superficial=(
            "[Melt|Warm|Soften] {actor} [until it runs|until it spreads].",
            "Let {actor} [melt|melt away|run].",
            "[Make {actor} melt|Have {actor} melt|Leave {actor} in the warmth until it melts].",
        ),
        intermediate=(
            "(melted ends above 0.65) [Warm {actor} until|Let {actor} get so warm that] it [melts to|becomes] a "
            "[shiny|glossy] pool.",
            "(melted ends above 0.65) Let {actor} melt, so that [it loses its shape and spreads|its shape sinks into a pool].",
            "(melted ends below 0.65) Let {actor} [begin to melt|melt in part], so that it [sags and gets broader at its "
            "foot|loses its edges and sags].",
            "[Warm|Heat] {actor} to {temperature.end}, so that it [sags|slumps] and [spreads out|runs out to all sides].",
        ),
        explicit=(
            "(melted ends above 0.65) {actor} melts: [its edges are gone|it has lost its shape], and [a glossy pool|a shiny pool] of the same "
            "{volume.start} lies in its place, [a little higher in the middle|with a soft rise in the middle]; (everything "
            "else stays) nothing else changes.",
            "(melted ends above 0.65) [Warmed|Heated] from {temperature.start} to {temperature.end}, {actor} [sags|slumps] and spreads into a [smooth|"
            "glossy] pool [with a rounded rim|that ends in a rounded rim]; (everything else stays) nothing else moves.",
            "(melted ends below 0.65) [Warmed|Heated] from {temperature.start} to {temperature.end}, {actor} has melted in part: "
            "[its edges are gone|it is smooth and shiny] and it has [sagged|slumped] to a height of {height.end}; (everything "
            "else stays) nothing else moves.",
        ),
    )


def _plate(draw: Draw) -> list[Body]:
    """A flat dish, board or slab under it."""
    kind = draw.choice(("board", "slate", "marble"))
    size = (draw.uniform((0.26, 0.32)), draw.uniform((0.23, 0.27)), draw.uniform((0.01, 0.018)))
    material = {
        "board": palette.wood(draw.color("#b98a57", "#8a5a34", "#c9a06a"), seed=draw.seed()),
        "slate": palette.stone("#3f4347", "#2d3033", seed=draw.seed()),
        "marble": palette.ceramic(draw.color("#eceae6", "#34495e", "#2f5d50")),
    }[kind]
    turn = draw.angle()
    slab = Body(
        id=2, shape="box", label={"board": "wooden board", "slate": "slate board", "marble": "tile"}[kind], role="prop",
        static=True, size_m=size, position_m=(0.0, 0.0, size[2] / 2), quaternion=_turned(turn), mass_kg=1.0, friction=0.6,
        restitution=0.2, material=material,
    )  # fmt: skip
    return [slab]


def _turned(angle_rad: float) -> tuple[float, float, float, float]:
    from math import cos, sin

    return (cos(angle_rad / 2), 0.0, 0.0, sin(angle_rad / 2))
