"""Buds of a mature plant open into flowers."""

from dataclasses import dataclass
from functools import partial

from simgen.core.blend import between
from simgen.core.mesh import Model
from simgen.core.rollout import Rollout, quantity
from simgen.core.spec import SceneSpec
from simgen.procedural.models.plant import measure
from simgen.scene.draw import Draw
from simgen.scene.growth import DAY_S, remodeled
from simgen.scene.plants import SPECIES, in_a_row, potted
from simgen.scene.registry import MeshOf, Phrases, Range, Scene, register


@register("mature_to_flower")
@dataclass(frozen=True, kw_only=True)
class MatureToFlower(Scene):
    """One to three plants of one species come into bloom."""

    species: tuple[str, ...] = ("sunflower", "daisy", "tulip", "poppy", "primrose")
    start: Range = (0.77, 0.8)
    """Buds that are about to open: from smaller ones on, one would see a plant that has grown."""
    end: Range = (0.88, 1.0)
    """From about 0.95 on they are in full bloom, before that the flowers are partly open."""
    num_bystanders: tuple[int, int] = (0, 1)

    law = "growth"
    types = (6,)
    claims = ("bloom rises",)
    quantities = ("growth", "bloom", "flower_color")
    subject_size = (0.05, 0.5)

    def sample(self, draw: Draw) -> SceneSpec:
        view, variant = draw.view(elevation_deg=(10.0, 36.0), margin=(0.08, 0.18)), draw.choice(self.species)
        growth = draw.uniform(self.start)
        plants = [
            potted(draw, k + 1, variant, facing_rad=view.azimuth_rad, growth=growth)
            for k in range(draw.choice((1, 1, 1, 2, 2, 3)))
        ]
        bodies = in_a_row(draw, plants, view, (0.04, 0.08))
        bodies += draw.bystanders(bodies, draw.integer(self.num_bystanders), view=view)
        grown = draw.event.uniform(self.end)
        # A bud that shows colour is in full bloom after about ten days.
        return draw.spec(
            self.name, bodies, camera=view, end_state="steady", duration_s=50 * (grown - growth) * DAY_S, physics_s=0.05,
            inputs=(("growth", grown),),
        )  # fmt: skip

    def develop(self, rollout: Rollout, mesh_of: MeshOf) -> Rollout:
        end = rollout.spec.input("growth")
        actors = [(body, body.model) for body in rollout.spec.bodies if body.role == "actor" and body.model is not None]
        first = actors[0][1]
        start = first.number("growth")

        def grown(made: Model, phase: float) -> Model:
            return made.but(growth=between(start, end, phase))

        for body, made in actors:
            rollout = remodeled(rollout, body, partial(grown, made), mesh_of)
        flowering = SPECIES[first.variant].flowering
        assert flowering is not None
        hues = {int(made.number("hue")) % len(flowering.colors) for _, made in actors}
        color = "colourful" if len(hues) > 1 else flowering.names[hues.pop()]
        return rollout.then(
            quantities=(
                quantity("growth", lambda phase: between(start, end, phase), unit="", provenance="prescribed"),
                quantity("bloom", lambda phase: measure(grown(first, phase)).bloom, unit="1", provenance="prescribed"),
                quantity(
                    "flower_color", lambda phase: float(phase > 0), unit="", provenance="prescribed",
                    words=((0.5, "green"), (2.0, color)),
                ),
            )
        )  # fmt: skip

    phrases = Phrases(
        superficial=(
            "[Let|Make] {actor} [bloom|flower|come into flower|blossom].",
            "Bring {actor} into [bloom|flower].",
            "Open the [flowers|buds] of {actor}.",
            "(bloom ends above 0.85) [Show|Picture] {actor} in [full bloom|full flower].",
            "(bloom ends below 0.7) Open the [flowers|buds] of {actor} [partly|part of the way].",
        ),
        intermediate=(
            "(bloom ends above 0.7) [Let|Make] {actor} [bloom|flower], so that the [green|closed] buds open into "
            "{flower_color.end word} flowers.",
            "(bloom ends above 0.7) Let the buds of {actor} [open|unfold]: {flower_color.end word} petals [spread "
            "out|unfold].",
            "(bloom ends above 0.7) Bring {actor} into bloom, with {flower_color.end word} [petals|flowers] where the "
            "buds were.",
            "(bloom ends below 0.7) Let the buds of {actor} open [partly|part of the way], so that {flower_color.end "
            "word} petals [show|come out].",
            "(bloom ends below 0.7) [Let|Make] {actor} begin to [bloom|flower]: the [green|closed] buds open [partly|"
            "part of the way] and show {flower_color.end word} petals.",
        ),
        explicit=(
            "(bloom ends above 0.85) The [closed|green] buds of {actor} have opened: wide {flower_color.end word} flowers [stand|are] in their "
            "place, the petals spread out; (everything else stays) everything else [stays as it is|stays the same].",
            "(bloom ends above 0.85) {actor} [now {is/are} in full bloom|{is/are} now in full flower]: every [bud|closed bud] has become an open "
            "{flower_color.end word} flower, and (everything else stays) nothing else [changes|is different].",
            "(bloom ends below 0.85) The [closed|green] buds of {actor} are [opening|about to open all the way]: "
            "{flower_color.end word} petals [stand out from|show in] them, not yet spread out; (everything else stays) "
            "everything else [stays as it is|stays the same].",
        ),
    )
