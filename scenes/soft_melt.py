"""Butter, chocolate, wax or ice cream melts: it slumps into a pool of the same volume."""

from dataclasses import dataclass
from dataclasses import replace as but

from simgen.core.assets import Material
from simgen.core.blend import between, blend
from simgen.core.geometry import quat, quat_from_axis_angle
from simgen.core.mesh import Mesh
from simgen.core.rollout import Rollout, quantity
from simgen.core.spec import Body, SceneSpec
from simgen.procedural import models, palette
from simgen.procedural.models import make
from simgen.scene.draw import Draw
from simgen.scene.registry import MeshOf, Phrases, Range, Scene, register

STUFFS = (
    ("butter", "piece of butter", (0.055, 0.075), ("#f3d774", "#f0cf66", "#f6e08e"), "butter", 32.0),
    ("chocolate", "piece of chocolate", (0.075, 0.095), ("#4a2615", "#3a1d10", "#6b3b20"), "chocolate", 34.0),
    ("wax", "block of wax", (0.045, 0.06), ("#efe2c4", "#c0392b", "#2f6f8f", "#7a9a5b", "#d98b4a"), "wax", 58.0),
    (
        "scoop",
        "scoop of ice cream",
        (0.045, 0.056),
        ("#f4e6c6", "#f2b8c6", "#bfe0c0", "#6b4128", "#f0cf8a"),
        "ice cream",
        -2.0,
    ),
    (
        "scoop",
        "scoop of ice cream",
        (0.045, 0.056),
        ("#f4e6c6", "#f2b8c6", "#bfe0c0", "#6b4128", "#f0cf8a"),
        "ice cream",
        -2.0,
    ),
)
"""Variant, name, size in metres, colours, substance, and the temperature at which it is soft, °C (butter 32, cocoa butter 34,
paraffin 58, ice cream -2)."""

MELTS_S = 3000.0
"""Time in which all of it would melt: under an hour in the warmth, as a scoop of ice cream in a warm room."""


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
        variant, label, size, colours, substance, melts_c = draw.choice(STUFFS)
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
            made, 1, role="actor", label=label, substance=substance, material=stuff, yaw_rad=draw.angle(),
            on_m=0.0 if not plate else plate[0].size_m[2],
        )  # fmt: skip
        inputs = {"melted": draw.event.uniform(self.melted), "thickness_m": draw.event.uniform(self.thickness_m)}
        inputs |= {"start_c": -14.0 if variant == "scoop" else 8.0, "end_c": melts_c + draw.event.uniform((1.0, 4.0))}
        bodies = [piece, *plate]
        bodies += draw.bystanders(bodies, draw.integer((0, 1)), view=view, clear=[(0.0, 0.0, 0.0)])
        return draw.spec(
            self.name, bodies, camera=view, end_state="steady", inputs=tuple(inputs.items()),
            duration_s=inputs["melted"] * MELTS_S, physics_s=0.05,
            lights=draw.lights(view) or draw.lights(view),
        )  # fmt: skip

    def develop(self, rollout: Rollout, mesh_of: MeshOf) -> Rollout:
        spec = rollout.spec
        body = spec.body(1)
        assert body.model is not None and body.material is not None
        before, seed = mesh_of(body), body.model.seed
        volume, melted = models.volume_m3(before), spec.input("melted")
        tall_m = float(models.bounds_m(before)[1][2])

        def melted_at(phase: float) -> float:
            return between(0.0, melted, phase)

        def shape(phase: float) -> Mesh:
            if phase == 0.0:
                return before
            # A lump loses its edges first, then its height.
            height = between(tall_m / 0.6, tall_m, phase)
            return models.build(
                make(
                    "slump", seed=seed, volume_m3=volume, melted=melted_at(phase), height_m=height,
                    thickness_m=spec.input("thickness_m"),
                )
            )  # fmt: skip

        def warmth(phase: float) -> float:
            return between(spec.input("start_c"), spec.input("end_c"), phase)

        wet: Material = but(body.material, roughness=0.16)
        dry = body.material
        return (
            rollout.reshaped(1, shape)
            .resurfaced(1, lambda phase: blend(dry, wet, phase))
            .then(
                quantities=(
                    quantity("volume", lambda phase: 1e6 * models.volume_m3(shape(phase)), unit="ml", provenance="derived",
                             conserved=0.01),
                    quantity("height", lambda phase: float(models.bounds_m(shape(phase))[1][2]), unit="m",
                             provenance="derived"),
                    quantity("temperature", warmth, unit="°C", provenance="prescribed"),
                    quantity("melted", melted_at, unit="1", provenance="prescribed"),
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
    label, substance = {
        "board": ("wooden board", "wood"),
        "slate": ("slate board", "stone"),
        "marble": ("tile", "ceramic"),
    }[kind]
    slab = draw.box(
        size, 2, role="prop", label=label, substance=substance, position_m=(0.0, 0.0, size[2] / 2),
        quaternion=quat(quat_from_axis_angle((0, 0, 1), draw.angle())), friction=0.6, restitution=0.2, material=material,
    )  # fmt: skip
    return [slab]
