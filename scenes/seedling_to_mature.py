"""A seedling grows into a mature plant, in its pot."""

from dataclasses import dataclass
from functools import cache, partial

from simgen.core.blend import between
from simgen.core.mesh import Model
from simgen.core.rollout import Rollout, quantity
from simgen.core.spec import SceneSpec
from simgen.procedural.models.plant import Measures, measure
from simgen.scene.draw import Draw
from simgen.scene.growth import DAY_S, remodeled
from simgen.scene.plants import in_a_row, potted
from simgen.scene.registry import MeshOf, Phrases, Range, Scene, register

DAYS, EVERGREEN_DAYS = 130.0, 900.0
"""From seed to bloom: herbs and summer flowers take months, house plants years."""
EVERGREENS = ("rubber plant", "pilea", "peace lily")


@register("seedling_to_mature")
@dataclass(frozen=True, kw_only=True)
class SeedlingToMature(Scene):
    """One to three seedlings of one species grow up."""

    species: tuple[str, ...] = (
        "basil", "sunflower", "tomato", "rubber plant", "pilea", "peace lily", "primrose", "daisy", "tulip", "poppy",
    )  # fmt: skip
    start: Range = (0.13, 0.24)
    end: Range = (0.32, 0.77)
    """From 0.66 on they are mature."""
    num_bystanders: tuple[int, int] = (0, 1)

    law = "growth"
    types = (7,)
    claims = ("height rises", "leaves rises")
    quantities = ("growth", "height", "leaves")
    subject_size = (0.04, 0.5)

    def sample(self, draw: Draw) -> SceneSpec:
        view, variant = draw.view(elevation_deg=(10.0, 32.0), margin=(0.1, 0.2)), draw.choice(self.species)
        count = draw.choice((1, 1, 1, 2, 2, 3))
        growth = draw.uniform(self.start)
        if variant == "tulip":
            # Its few leaves come early.
            growth = 0.1 + 0.3 * (growth - self.start[0])
        plants = [potted(draw, k + 1, variant, growth=growth) for k in range(count)]
        bodies = in_a_row(draw, plants, view, (0.05, 0.08))
        bodies += draw.bystanders(bodies, draw.integer(self.num_bystanders), view=view)
        grown = draw.event.uniform(self.end)
        days = (grown - growth) * (EVERGREEN_DAYS if variant in EVERGREENS else DAYS)
        return draw.spec(
            self.name, bodies, camera=view, end_state="steady", duration_s=days * DAY_S, physics_s=0.05,
            inputs=(("growth", grown),),
        )  # fmt: skip

    def develop(self, rollout: Rollout, mesh_of: MeshOf) -> Rollout:
        first = rollout.spec.actor.model
        assert first is not None
        start, end = first.number("growth"), rollout.spec.input("growth")

        def grown(made: Model, phase: float) -> Model:
            return made.but(growth=between(start, end, phase))

        @cache
        def measured(phase: float) -> Measures:
            return measure(grown(first, phase))

        for body in rollout.spec.bodies:
            if body.role == "actor" and body.model is not None:
                rollout = remodeled(rollout, body, partial(grown, body.model), mesh_of)
        return rollout.then(
            quantities=(
                quantity("growth", lambda phase: between(start, end, phase), unit="", provenance="prescribed"),
                quantity("height", lambda phase: measured(phase).height_m, unit="m", provenance="derived"),
                quantity("leaves", lambda phase: measured(phase).num_leaves, unit="", provenance="derived"),
            )
        )

    phrases = Phrases(
        superficial=(
            "[Let|Make] {actor} grow[| up].",
            "(growth ends above 0.66) Grow {actor} [to full size|until {it is/they are} mature].",
            "[Let|Make] {actor} grow [larger|taller] and [put out|get] more leaves.",
            "(growth ends above 0.66) [Let|Make] {actor} [mature|become {a mature plant/mature plants}].",
            "(growth ends above 0.66) [Show|Picture] {actor} [fully grown|when fully grown|as {a mature plant/mature plants}].",
        ),
        intermediate=(
            "(growth ends above 0.66) Let {actor} grow from {a small seedling/small seedlings} into {a mature plant/mature plants} with [more and "
            "larger|many large] leaves.",
            "(growth ends above 0.66) [Let|Make] {actor} grow [up|until {it is/they are} mature], so that {it gets/they get} [taller|higher] and "
            "many leaves [unfold|come out].",
            "Grow {actor} to {height.times} the height, with [many more|more and larger] leaves.",
        ),
        explicit=(
            "{actor} {grows/grow} from {height.start} to {height.end} in height and now {carries/carry} [many more|more and "
            "larger] leaves; (everything else stays) everything else [stays as it is|stays the same].",
            "(growth ends above 0.66) {actor} {grows/grow} from {height.start} to {height.end} in height and {is/are} now {a mature plant/mature "
            "plants} with [many more|more and much larger] leaves; (everything else stays) everything else [stays as it "
            "is|stays the same].",
            "(growth ends above 0.66) {actor} {is/are} fully grown: the [stem|plant] that was {height.start} high [reaches|is now] {height.end} "
            "and [carries|has] many large leaves, while the {pot/pots} and (everything else stays) everything else "
            "[stay as they were|stay the same].",
        ),
    )
