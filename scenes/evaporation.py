"""What is in a glass, a beaker, a dish or a cup dries up: its level sinks and a ring is left on the wall."""

from dataclasses import dataclass
from dataclasses import replace as but

from simgen.core.assets import Material
from simgen.core.blend import between
from simgen.core.mesh import Mesh, Model
from simgen.core.rollout import Rollout, quantity
from simgen.core.spec import SceneSpec
from simgen.core.tracks import Matter
from simgen.procedural import palette
from simgen.procedural.models import make
from simgen.procedural.models.coldware import Hollow, hollow
from simgen.procedural.models.ice import WATER_KGPM3
from simgen.scene.draw import Draw
from simgen.scene.registry import MeshOf, Phrases, Range, Scene, register

VESSELS = (
    ("tumbler", "drinking glass", (0.034, 0.04), (2.2, 2.8), 0.0024, "glass"),
    ("straight", "glass jar", (0.036, 0.045), (1.7, 2.2), 0.0026, "glass"),
    ("beaker", "glass beaker", (0.036, 0.045), (1.9, 2.4), 0.002, "glass"),
    ("cup", "cup", (0.04, 0.046), (1.55, 1.8), 0.004, "ceramic"),
    ("bowl", "glass bowl", (0.055, 0.07), (0.6, 0.75), 0.003, "glass"),
    ("bowl", "bowl", (0.055, 0.07), (0.6, 0.75), 0.004, "ceramic"),
)
"""Variant, name, radius of the rim in metres, height against it, wall in metres, substance."""
LIQUIDS = (
    ("water", "#f2f9fb", "#e8e6df"),
    ("blue water", "#8fcdf0", "#4f9dcb"),
    ("green water", "#a5e0b4", "#5aa46c"),
    ("pink water", "#f3a8bf", "#cc6a8d"),
    ("tea", "#d9924a", "#8a5526"),
    ("orange water", "#f5b56a", "#cf8534"),
)
"""Name, colour of the liquid and of the ring it leaves."""
DAY_S = 86400.0
DAILY_KGPM2 = 2.4
"""Water that a still surface at room temperature gives off in a day: about 0.1 kg/m²/h (ASHRAE, pools at rest)."""


@register("evaporation")
@dataclass(frozen=True, kw_only=True)
class Evaporation(Scene):
    """The level of a liquid sinks as it goes into the air."""

    filled: Range = (0.68, 0.86)
    left: Range = (0.0, 0.5)
    """Share of the liquid that is left; below a tenth all of it goes."""

    subject_size = (0.03, 0.5)
    changed_share = 0.8
    law = "evaporation from a free surface"
    types = (41,)
    quantities = ("level", "liquid_mass", "days")

    def sample(self, draw: Draw) -> SceneSpec:
        variant, label, radius, slender, wall, substance = draw.choice(VESSELS)
        name, tint, ring = draw.choice(
            LIQUIDS[1:] if substance == "glass" else (LIQUIDS[1], LIQUIDS[4], LIQUIDS[4], LIQUIDS[2])
        )
        flat = variant in ("bowl", "cup")
        view = draw.view(elevation_deg=(38.0, 54.0) if flat else (8.0, 24.0), margin=(0.12, 0.28))
        wide = draw.uniform(radius)
        numbers = {"radius_m": wide, "height_m": wide * draw.uniform(slender), "wall_m": wall}
        full = hollow(variant, **numbers).volume_m3(draw.uniform(self.filled) * numbers["height_m"])
        turn = view.azimuth_rad + draw.choice((-1.0, 1.0)) * draw.uniform((0.7, 2.0))
        white = palette.ceramic(draw.color("#f1eee6", "#e7ecee", "#efe3cf", "#dfe7e0"))
        vessel = draw.model(
            make("cold_vessel", variant=variant, handle=float(variant == "cup")).but(**numbers), 2, role="prop", label=label,
            substance=substance, yaw_rad=turn, material=palette.glass() if substance == "glass" else white,
        )  # fmt: skip
        crust = Material(template="principled", base_color=palette.colour(ring), roughness=0.8)
        fill = make("contents", variant=variant, seed=draw.seed(), volume_m3=full, **numbers)
        liquid = draw.model(
            fill, 1, role="actor", label=name,
            substance="water", materials=(("fill", palette.liquid(tint)), ("stain", crust)),
            position_m=(0.0, 0.0, 0.0),
        )  # fmt: skip
        bodies = [liquid, vessel, *draw.bystanders([vessel], draw.integer((0, 2)), view=view)]
        stage = draw.pale_stage(("sweep", "table")) if substance == "glass" else draw.stage(("table", "floor"))
        left = draw.event.uniform(self.left)
        return draw.spec(
            self.name, bodies, camera=view, stage=stage, end_state="steady", inputs=(("left", left),),
            duration_s=DAY_S * _days(fill, full * (1.0 - max(left, 0.1))), physics_s=0.05,
        )  # fmt: skip

    def develop(self, rollout: Rollout, mesh_of: MeshOf) -> Rollout:
        spec = rollout.spec
        body = spec.body(1)
        assert body.model is not None
        model = body.model
        inside, full = _inside(model), model.number("volume_m3")
        rest = full * max(spec.input("left"), 0.1)
        floor = float(inside.height_m[0])

        def volume(phase: float) -> float:
            return between(full, rest, phase)

        def mesh(phase: float) -> Mesh:
            return mesh_of(but(body, model=model.but(volume_m3=volume(phase), stain_m3=full)) if phase > 0.0 else body)

        def matter(phase: float) -> Matter:
            return Matter(mass_kg=volume(phase) * WATER_KGPM3, substance="water")

        return rollout.reshaped(1, mesh).weighed(1, matter).then(
            quantities=(
                quantity("level", lambda phase: inside.level_m(volume(phase)) - floor, unit="m", provenance="derived"),
                quantity("liquid_mass", lambda phase: 1000 * volume(phase) * WATER_KGPM3, unit="g", provenance="prescribed"),
                quantity("days", lambda phase: _days(model, full - volume(phase)), unit="days", provenance="derived"),
            )
        )  # fmt: skip

    phrases = Phrases(
        superficial=(
            "Let [most|much] of {actor} [evaporate|dry up].",
            "Let {actor} in the {props.label} [evaporate|dry up].",
            "[Make {actor} dry up|Have {actor} evaporate|Dry up {actor}], [all but a rest|leaving a little of it].",
        ),
        intermediate=(
            "Let {actor} [evaporate|dry up], so that [its level sinks|it stands lower] and a [ring|dried rim] marks where "
            "it stood.",
            "Leave {actor} to dry up until the level is [lower|well below where it was] and "
            "[a ring is left on the wall|a dried ring clings to the wall].",
            "[Over many days|With time] {actor} goes into the air: its level [sinks|is lower] and a [ring|thin ring] "
            "[marks the old one|is left].",
        ),
        explicit=(
            "{actor} [evaporates|dries up] from {liquid_mass.start} to {liquid_mass.end}: its level in the {props.label} "
            "[sinks|is lower]< from {level.start} to {level.end} above the floor>, and [a ring is left|a "
            "dried ring is left] on the wall where it stood; (everything else stays) nothing else changes.",
            "[Much|A large part] of {actor} is gone into the air, {liquid_mass.end} of {liquid_mass.start} are left; its "
            "surface lies [lower|far lower]< at {level.end}>, and a [dried ring|ring of residue] on the wall of the "
            "{props.label} [shows|marks] the old level.",
        ),
    )


def _inside(model: Model) -> Hollow:
    return hollow(model.variant, model.number("radius_m"), model.number("height_m"), model.number("wall_m"))


def _days(model: Model, gone_m3: float) -> float:
    """Time in which so much goes into the air."""
    surface = float(_inside(model).area_m2()[-1])
    return gone_m3 * WATER_KGPM3 / (surface * DAILY_KGPM2)
