"""Water in a glass, a dish, a bowl or an ice tray freezes: it turns cloudy and white, rises and domes."""

from dataclasses import dataclass
from dataclasses import replace as but

from simgen.core.assets import Layer, Material, Pattern
from simgen.core.blend import between
from simgen.core.mesh import Mesh
from simgen.core.rollout import Rollout, quantity
from simgen.core.spec import SceneSpec
from simgen.core.tracks import Matter
from simgen.procedural import palette
from simgen.procedural.models import make
from simgen.procedural.models.coldware import hollow
from simgen.procedural.models.ice import ICE_KGPM3, WATER_KGPM3
from simgen.scene.draw import Draw, ref
from simgen.scene.registry import MeshOf, Phrases, Range, Scene, register

VESSELS = (
    ("tumbler", "drinking glass", (0.034, 0.04), (2.2, 2.8), 0.0026, "glass"),
    ("beaker", "glass beaker", (0.036, 0.045), (1.9, 2.4), 0.002, "glass"),
    ("bowl", "bowl", (0.055, 0.075), (0.6, 0.75), 0.004, "ceramic"),
    ("bowl", "glass bowl", (0.055, 0.07), (0.6, 0.75), 0.003, "glass"),
    ("dish", "dish", (0.05, 0.065), (0.36, 0.48), 0.0028, "ceramic"),
    ("tray", "ice cube tray", (0.0155, 0.018), (1.5, 1.75), 0.002, "rubber"),
    ("tray", "ice cube tray", (0.0155, 0.018), (1.5, 1.75), 0.002, "plastic"),
)
"""Variant, name, radius of the rim in metres, height against it, wall in metres, substance."""
LATENT_JPM3 = 334e3 * WATER_KGPM3
"""Heat that a cubic metre of water gives off as it freezes."""
COLD_WPM2 = 180.0
"""What the still air of a freezer at -18 °C takes off: 10 W/m²/K."""


@register("freezing")
@dataclass(frozen=True, kw_only=True)
class Freezing(Scene):
    """The water in a vessel becomes ice of the same mass."""

    filled: Range = (0.62, 0.82)
    """Level of the water against the height of the vessel."""

    changed_share = 0.8
    law = "phase change with conservation of mass"
    types = (42,)
    quantities = ("mass", "volume", "level")

    def sample(self, draw: Draw) -> SceneSpec:
        variant, label, radius, slender, wall, substance = draw.choice(VESSELS)
        flat = variant in ("tray", "dish", "bowl")
        view = draw.view(elevation_deg=(34.0, 55.0) if flat else (14.0, 30.0), margin=(0.12, 0.3))
        wide = draw.uniform(radius)
        numbers = {"radius_m": wide, "height_m": wide * draw.uniform(slender), "wall_m": wall}
        inside = hollow(variant, **numbers)
        # Room for the ice above the water.
        level = (draw.uniform((0.82, 0.87)) if variant == "tray" else draw.uniform(self.filled)) * numbers["height_m"]
        cells = 10 if variant == "tray" else 1
        water_m3 = inside.volume_m3(max(level, 2.2 * wall)) * cells
        turn = draw.angle()
        vessel = draw.model(
            make("cold_vessel", variant=variant).but(**numbers), 2, role="prop", label=label, substance=substance,
            yaw_rad=turn, material=_stuff(draw, substance),
        )  # fmt: skip
        fill = make("contents", variant=variant, seed=draw.seed(), volume_m3=water_m3, **numbers)
        water = draw.model(
            fill, 1, role="actor", label="water", substance="water", yaw_rad=turn, on_m=0.0,
            materials=(("fill", _water(draw, substance)), ("core", palette.plastic("#f2f7fa", roughness=0.7))),
        )  # fmt: skip
        # A model is put on its lowest point: the contents belong above the floor of the vessel.
        water = but(water, position_m=(0.0, 0.0, 0.0))
        ends = draw.event
        inputs = {
            # In a glass one looks through it: what is but a little cloudy could be anything that was stirred in.
            "cloudy": ends.uniform((0.34, 0.55) if substance == "glass" else (0.3, 0.55)),
            "bubbles": ends.uniform((150.0, 700.0)),
            "seed": float(ends.seed()),
        }
        inputs["dome"] = ends.uniform((0.07, 0.13))
        bodies = [water, vessel, *draw.bystanders([vessel], draw.integer((0, 1)), view=view)]
        chosen = [s for s in draw.catalog.surfaces if s.id not in ("white_marble", "white_tiles", "brown_paper")]
        stage = but(draw.stage(("table", "table", "floor")), surface=ref(draw.choice(chosen)))
        return draw.spec(
            self.name, bodies, camera=view, stage=stage, end_state="steady", inputs=tuple(inputs.items()),
            lights=draw.lights(view) or draw.lights(view), physics_s=0.05,
            # A cube gives off its heat through six sides.
            duration_s=LATENT_JPM3 * (water_m3 / cells) ** (1 / 3) / 6 / COLD_WPM2,
        )  # fmt: skip

    def develop(self, rollout: Rollout, mesh_of: MeshOf) -> Rollout:
        spec = rollout.spec
        body = spec.body(1)
        assert body.model is not None
        number = body.model.number
        water_m3 = number("volume_m3")
        ice_m3 = water_m3 * WATER_KGPM3 / ICE_KGPM3
        cloudy, seed = spec.input("cloudy"), int(spec.input("seed"))
        model, clear = body.model, dict(body.materials)["fill"]
        inside = hollow(model.variant, number("radius_m"), number("height_m"), number("wall_m"))
        cells = 10 if model.variant == "tray" else 1

        def volume(phase: float) -> float:
            """Of water and ice together, as one becomes the other at an even pace."""
            return between(water_m3, ice_m3, phase)

        def mesh(phase: float) -> Mesh:
            if phase == 0.0:
                return mesh_of(body)
            frozen = model.but(
                volume_m3=volume(phase), dome_m=spec.input("dome") * number("radius_m") * phase, bubbles=spec.input("bubbles")
            )  # fmt: skip
            return mesh_of(but(body, model=frozen if phase == 1.0 else frozen.but(risen=phase)))

        def look(phase: float) -> Material:
            if phase == 0.0:
                return clear
            # Air in the ice throws light back, most of it in the middle.
            air = Layer(
                top=palette.plastic("#eef4f8", roughness=0.3), field="clear", level=cloudy * phase, softness=1.5,
                rough=0.2, rough_m=0.012,
            )  # fmt: skip
            rough = Pattern(amount=0.0, scale_m=0.012, bump_m=0.00015 * phase, roughness=0.12 * phase, seed=seed)
            return but(palette.ice(cloudy=0.1 * phase, seed=seed), patterns=(rough,), layers=(air,))

        def grams(phase: float) -> float:
            water, ice = between(water_m3, 0.0, phase), between(0.0, ice_m3, phase)
            return 1000 * water * WATER_KGPM3 + 1000 * ice * ICE_KGPM3

        def matter(phase: float) -> Matter:
            # What is half frozen goes by what there was before.
            return Matter(mass_kg=grams(phase) / 1000, substance="ice" if phase == 1.0 else "water")

        return (
            rollout.reshaped(1, mesh)
            .resurfaced(1, look, slot="fill")
            .weighed(1, matter)
            .then(
                quantities=(
                    quantity("mass", grams, unit="g", provenance="derived", conserved=0.01),
                    quantity("volume", lambda phase: 1e6 * volume(phase), unit="cm³", provenance="solved"),
                    quantity("level", lambda phase: inside.level_m(volume(phase) / cells), unit="m", provenance="solved"),
                )
            )
        )  # fmt: skip

    phrases = Phrases(
        superficial=(
            "Freeze {actor} in the {props.label}.",
            "[Turn {actor} in the {props.label} to ice|Turn {actor} into ice].",
            "Let {actor} [in the {props.label} freeze|freeze|freeze solid|turn to ice].",
            "[Cool {actor} until it freezes|Cool {actor} until it is ice].",
        ),
        intermediate=(
            "Freeze {actor} in the {props.label}, so that it turns [cloudy and white|into cloudy ice].",
            "[Cool|Chill] {actor} in the {props.label} until it is [solid ice|frozen through]; [the ice takes more room than the "
            "water did|it swells a little as it freezes].",
            "Let {actor} freeze to [cloudy|whitish] ice [that bulges in the middle|with a slightly domed top].",
        ),
        explicit=(
            "{actor} in the {props.label} [freezes|turns to ice]: it is no longer clear but [cloudy and white with "
            "trapped bubbles|whitish and full of small bubbles], and its top [bulges|is slightly domed]; (everything else "
            "stays) nothing else changes.",
            "The clear {actor.label} becomes [white|cloudy] ice of the same mass and [a tenth|about a tenth] more volume, "
            "so that it stands [a little higher|slightly higher] in the {props.label} and [bulges|domes] in the middle.",
            "{mass.start} of water in the {props.label} [freeze|turn] to [cloudy ice|ice that is white with air]; its "
            "surface, flat before, is [rounded|domed] and (everything else stays) nothing else moves.",
        ),
    )


def _water(draw: Draw, substance: str) -> Material:
    """In what one cannot see through, water shows by the little colour of its depth and by ripples."""
    if substance == "glass":
        return palette.liquid()
    ripples = Pattern(amount=0.0, scale_m=0.016, bump_m=0.0012, seed=draw.seed())
    return but(palette.liquid("#b2dbe6"), patterns=(ripples,))


def _stuff(draw: Draw, substance: str) -> Material:
    if substance == "glass":
        return palette.glass()
    if substance == "ceramic":
        return palette.ceramic(draw.color("#8fa3b5", "#d8b9a0", "#a9c2ae", "#d9d6cf", "#d8b46a"))
    if substance == "rubber":
        return palette.rubber(draw.color("#7fa8cc", "#e08a7f", "#8cc7ab", "#b9a3d1", "#c9ccd0", "#e6b483"))
    return palette.plastic(draw.color("#8ab4d6", "#e59a90", "#9ad0bd", "#cfd2d6"))
