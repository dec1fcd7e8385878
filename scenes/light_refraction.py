"""Water is poured into a glass, or out of it: what stands in it looks bent, what is behind it looks turned around."""

from dataclasses import dataclass

import numpy as np

from simgen.core.assets import Material
from simgen.core.blend import between
from simgen.core.geometry import direction, quat, quat_from_axis_angle, quat_multiply, vec3
from simgen.core.mesh import Mesh, Model
from simgen.core.rollout import Rollout, quantity
from simgen.core.spec import Body, SceneSpec, ViewRequest
from simgen.core.tracks import Matter
from simgen.procedural import models, palette
from simgen.procedural.models.glassware import content_m3, leaning
from simgen.scene.cameras import framed
from simgen.scene.draw import Draw
from simgen.scene.registry import MeshOf, Phrases, Range, Scene, register
from simgen.solvers.optics import magnification, round_focus_m, snell_rad

PAINTS = (("#e0b020", "yellow"), ("#b3261e", "red"), ("#1f6f8b", "blue"), ("#2f7d4f", "green"), ("#d9662b", "orange"))
PRINTS = (("arrow", "an arrow"), ("letter", "a letter F"), ("halves", "two coloured fields"))


LIQUIDS = (
    ("clear water", "#f4fafb", 3), ("blue water", "#8fcdf0", 1), ("green water", "#a5e0b4", 1), ("pink water", "#f3a8bf", 1),
    ("yellow water", "#f3dc86", 1), ("orange water", "#f5b56a", 1),
)  # fmt: skip
"""Name, colour, and how often against the others."""


WET = (("liquid", "water"),)
"""What the slots of the glass hold; juices and milk weigh as water does, within a few percent."""


@register("light_refraction")
@dataclass(frozen=True, kw_only=True)
class LightRefraction(Scene):
    """A glass with a pencil, a straw, a spoon or a brush in it, or with a printed card behind it, is filled or emptied."""

    level: Range = (0.4, 0.8)
    """Of the water that comes in, in heights of the glass."""
    full: Range = (0.58, 0.8)
    """Of the water that was in it, in the same."""
    left: Range = (-0.3, 0.45)
    """Share of that which stays when it is poured out; below 0 none does."""
    card_probability: float = 0.35
    fill_probability: float = 0.65
    """How often water comes in rather than out."""
    num_others: tuple[int, int] = (0, 2)

    law = "Snell's law of refraction"
    types = (37,)
    quantities = ("water_level", "water_volume", "liquid", "sight_bend", "magnification")
    subject_size = (0.03, 0.6)
    contrast = 1.5
    changed_share = 0.85

    def sample(self, draw: Draw) -> SceneSpec:
        behind = draw.chance(self.card_probability)
        view = draw.view(elevation_deg=(5.0, 11.0) if behind else (9.0, 20.0), margin=(0.12, 0.22))
        height, radius = draw.uniform((0.105, 0.135)), draw.uniform((0.033, 0.041))
        full = draw.uniform(self.full) * height if not behind else 0.86 * height
        made = models.make(
            "drinking_glass", variant="tumbler", height_m=height, radius_m=radius,
            taper=draw.uniform((0.93, 1.0)) if behind else draw.uniform((0.8, 0.97)), wall_m=0.0018,
            floor_m=draw.uniform((0.005, 0.010)), level_m=0.0,
        )  # fmt: skip
        fill = draw.chance(self.fill_probability)
        poured = (draw.event.uniform(self.level) if not behind else draw.event.uniform((0.8, 0.9))) * height
        # What stays is lower than the print of the card.
        kept = max(draw.event.uniform(self.left), 0.0) * (0.55 if behind else 1.0) * full
        start, end = (0.0, poured) if fill else (full, kept)
        liquids = [float(k) for k, row in enumerate(LIQUIDS) for _ in range(row[2])]
        liquid = (draw.event if fill else draw).choice(liquids)
        glass = draw.model(
            made.but(level_m=start), 1, role="actor", label="glass", substance="glass", yaw_rad=draw.angle(), substances=WET,
            materials=(("glass", palette.glass()), ("liquid", palette.liquid() if fill else _liquid(liquid))),
        )  # fmt: skip
        away = -direction(view.azimuth_rad)
        gap = radius * draw.uniform((3.0, 3.8)) if behind else 0.0
        second = _card(draw, made, view, gap) if behind else _stick(draw, made, view)
        side = 0.13 if behind else float(np.hypot(*second.position_m[:2])) + 0.04
        taken = [(0.0, 0.0, max(radius, side)), (*(away * gap)[:2], 0.12)] if behind else [(0.0, 0.0, side)]
        others = draw.still_life(draw.integer(self.num_others) * (not behind), view=view, first_id=3, role="prop",
                                 taken=taken, size_m=(0.05, 0.14))  # fmt: skip
        stage = draw.pale_stage(("sweep", "sweep", "floor")) if draw.chance(0.7) else draw.stage()
        return draw.spec(
            self.name, [glass, second, *others], stage=stage, camera=view, duration_s=6.0, physics_s=0.05, end_state="steady",
            inputs=(("level_end", end), ("liquid", liquid), ("card_m", gap), ("elevation", view.elevation_rad)),
        )  # fmt: skip

    def develop(self, rollout: Rollout, mesh_of: MeshOf) -> Rollout:
        spec, actor = rollout.spec, rollout.spec.actor
        made = actor.model
        assert made is not None
        first, last, kind = made.number("level_m"), spec.input("level_end"), spec.input("liquid")
        incidence = np.pi / 2 - spec.input("elevation")
        bend = float(np.degrees(incidence - snell_rad(incidence, palette.IOR["air"], palette.IOR["water"])))
        image = 1.0
        if spec.input("card_m"):
            image = magnification(round_focus_m(made.number("radius_m"), palette.IOR["water"]), spec.input("card_m"))

        def level(phase: float) -> float:
            return between(first, last, phase)

        def magnified(phase: float) -> float:
            # The print is seen through the upper half.
            return image if level(phase) > 0.5 * made.number("height_m") else 1.0

        quantities = (
            quantity("water_level", level, unit="m", provenance="prescribed"),
            quantity("water_volume", lambda p: 1e6 * content_m3(made, level(p)), unit="ml", provenance="derived"),
            quantity(
                "liquid", lambda _: kind, unit="", provenance="prescribed",
                words=tuple((k + 0.5, row[0]) for k, row in enumerate(LIQUIDS)),
            ),
            quantity("sight_bend", lambda p: bend if level(p) else 0.0, unit="deg", provenance="solved"),
            quantity("magnification", magnified, unit="1", provenance="solved"),
        )  # fmt: skip
        if first == 0.0:
            clear = dict(actor.materials)["liquid"]
            rollout = rollout.resurfaced(actor.id, lambda phase: _liquid(kind) if phase else clear, slot="liquid")

        def filled(phase: float) -> Mesh:
            return models.build(made.but(level_m=level(phase)))

        def matter(phase: float) -> Matter:
            return Matter(mass_kg=models.mass_kg(models.made_of(filled(phase), WET), "glass"), substance="glass")

        rollout = rollout.reshaped(actor.id, filled).weighed(actor.id, matter)
        return framed(rollout, also=(2,)).then(quantities=quantities)

    phrases = Phrases(
        superficial=(
            "(water_level rises) [Fill {actor} with {liquid.end word}|Pour {liquid.end word} into {actor}|Put {liquid.end "
            "word} into {actor}].",
            "(water_level rises) Let there be [{water_volume.end} of {liquid.end word}|{liquid.end word}] in {actor}.",
            "(water_level falls; water_volume ends below 0.1) [Empty {actor}|Pour the water out of {actor}|Pour out the "
            "water in {actor}].",
            "(water_level falls; water_volume ends below 0.1) Let there be no [more |]water in {actor}.",
            "(water_level falls; water_volume ends above 0.1) [Pour most of the water out of {actor}|Pour out the greater "
            "part of the water in {actor}|Leave only {water_volume.end} of water in {actor}].",
        ),
        intermediate=(
            "(water_level rises; magnification ends above 0.9) [Fill {actor} with|Pour into {actor}] {liquid.end word} so "
            "that {bystanders} [looks|seems] [bent|kinked] at the [surface of the water|water line].",
            "(water_level rises; magnification ends below 0) [Fill {actor} with|Pour into {actor}] {liquid.end word} so "
            "that it works as a lens and shows {bystanders} behind it [turned around|the wrong way round].",
            "(water_volume ends above 0.1; water_level falls; magnification starts above 0.9) Pour water out of {actor} so "
            "that {bystanders} [looks|seems] [bent|kinked] [lower than before|at a lower place], at {water_level.end} above the floor.",
            "(water_volume ends above 0.1; water_level falls; magnification starts below 0) Pour water out of {actor} until "
            "{bystanders} is seen the right way round above [the rest|what is left] of it.",
            "(water_level falls; water_volume ends below 0.1; magnification starts above 0.9) [Empty {actor}|Pour the water out of {actor}] so that "
            "{bystanders} [looks|seems] straight again[| all the way].",
            "(water_level falls; water_volume ends below 0.1; magnification starts below 0) [Empty {actor}|Pour the water out of {actor}] so that "
            "{bystanders} is seen through it the right way round[| again].",
        ),
        explicit=(
            "(water_level rises; magnification ends above 0.9) {water_volume.end} of {liquid.end word} [stand|are] in "
            "{actor}, {water_level.end} deep: light is refracted at its [surface|border], so the part of {bystanders} "
            "below the water line is [shifted|displaced] and looks wider, while (everything else stays) nothing else "
            "moves.",
            "(water_level rises; magnification ends below 0) {water_volume.end} of {liquid.end word} [stand|are] in "
            "{actor}, which now acts as a round lens: through it the print on {bystanders} appears with left and right "
            "[swapped|exchanged], while (everything else stays) nothing else moves.",
            "(water_level falls; water_volume ends above 0.1) Of the {liquid.end word} in {actor} {water_volume.end} are "
            "left: above its lower surface {bystanders} [is|can be] seen without refraction by water, while (everything "
            "else stays) nothing else moves.",
            "(water_level falls; water_volume ends below 0.1; magnification starts above 0.9) {actor} is [empty|without water], so nothing "
            "[refracts|bends] the light on its way from {bystanders}: [it looks straight|it is seen in one straight "
            "piece] through the glass wall, while (everything else stays) nothing else moves.",
            "(water_level falls; water_volume ends below 0.1; magnification starts below 0) {actor} is [empty|without water] and no longer a lens: "
            "through it the print on {bystanders} appears [the right way round|as it really is], while (everything "
            "else stays) nothing else moves.",
        ),
    )


def _liquid(kind: float) -> Material:
    return palette.liquid(LIQUIDS[int(kind)][1])


def _stick(draw: Draw, made: Model, view: ViewRequest) -> Body:
    """Something that stands in the glass and leans on its rim, across the line of sight."""
    kind = draw.choice(("pencil", "pencil", "straw", "spoon", "brush"))
    thick = {"pencil": 0.0038, "straw": 0.0036, "spoon": 0.0034, "brush": 0.0042}[kind]
    # Behind the middle and to one side of it: there the water, a round lens, displaces it most.
    away, side = view.azimuth_rad + np.pi, draw.choice((-1.0, 1.0))
    foot, way = leaning(
        made, thick, foot_rad=away + side * draw.uniform((-0.6, 0.1)), rim_rad=away + side * draw.uniform((1.1, 1.6)),
        inset_m=0.012 if kind == "spoon" else 0.0,
    )  # fmt: skip
    reach = made.number("height_m") / way[2]
    paint, name = draw.choice(PAINTS)
    table = {
        "paint": palette.plastic(paint, roughness=0.3), "wood": palette.wood("#d9b585", "#c79d68"),
        "lead": palette.plastic("#2b2b2d"), "metal": palette.metal("#c4c2bd", roughness=0.2),
        "rubber": palette.rubber("#d98a83"), "second": palette.plastic("#f2f0ea", roughness=0.3),
        "hair": palette.rubber("#5b3a22"),
    }  # fmt: skip
    yaw = quat_from_axis_angle((0, 0, 1), float(np.arctan2(way[1], way[0])))
    tilt = quat_from_axis_angle((0, 1, 0), float(np.arccos(way[2])))
    own = quat_from_axis_angle((0, 0, 1), np.pi / 2 if kind == "spoon" else draw.angle())
    label = {"pencil": f"{name} pencil", "straw": f"{name} straw", "spoon": "metal spoon", "brush": f"{name} brush"}
    return draw.model(
        models.make("stick", variant=kind, length_m=reach * draw.uniform((1.3, 1.6)), radius_m=thick), 2,
        role="bystander", label=label[kind], substance="metal" if kind == "spoon" else "wood",
        position_m=vec3(foot), quaternion=quat(quat_multiply(quat_multiply(yaw, tilt), own)),
        materials=tuple(table.items()),
    )  # fmt: skip


def _card(draw: Draw, made: Model, view: ViewRequest, gap_m: float) -> Body:
    """A printed card behind the glass, its print where the line of sight through the glass meets it."""
    variant, name = draw.choice(PRINTS)
    lift = max(0.52 * made.number("height_m") - gap_m * float(np.tan(view.elevation_rad)), 0.045)
    size = made.number("radius_m") * (0.9 if variant == "halves" else 0.82)
    # Two that nobody takes for each other.
    (ink, _), (other, _) = draw.choice((PAINTS[:2], PAINTS[1:3], PAINTS[2::2], PAINTS[::3], PAINTS[:3:2]))
    ink, other = draw.choice(((ink, other), (other, ink)))
    table = {"card": palette.paper("#f4f1e8"), "ink": palette.plastic(ink, roughness=0.6),
             "second": palette.plastic(other, roughness=0.6), "foot": palette.wood()}  # fmt: skip
    return draw.model(
        models.make("card", variant=variant, width_m=draw.uniform((0.17, 0.22)), height_m=lift + size + 0.03,
                    lift_m=lift + 0.004, print_m=size),
        2, role="bystander", label=f"card with {name}", substance="paper", at=-gap_m * direction(view.azimuth_rad),
        yaw_rad=view.azimuth_rad, materials=tuple(table.items()),
    )  # fmt: skip
