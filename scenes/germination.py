"""Seeds in a small pot sprout: a stem lifts two seed leaves out of the soil."""

from dataclasses import dataclass, replace

from simgen.core.blend import between
from simgen.core.mesh import Model
from simgen.core.rollout import Rollout, quantity
from simgen.core.spec import SceneSpec
from simgen.procedural import models, palette
from simgen.procedural.models.plant import POT_COLORS, dressing
from simgen.procedural.models.sprout import SEEDS, height_m, num_sprouts
from simgen.scene.draw import Draw
from simgen.scene.growth import DAY_S, remodeled
from simgen.scene.registry import MeshOf, Phrases, Range, Scene, register

LEAVES = ((0.62, "folded"), (0.82, "opening"), (2.0, "open"))
"""How far the seed leaves have opened by a growth."""


@register("germination")
@dataclass(frozen=True, kw_only=True)
class Germination(Scene):
    """One to four seeds, seen from near."""

    seeds: tuple[str, ...] = tuple(SEEDS)
    end: Range = (0.45, 1.0)
    num_bystanders: tuple[int, int] = (0, 1)

    law = "germination"
    types = (5,)
    claims = ("sprout_height rises",)
    quantities = ("growth", "sprout_height", "num_seeds", "sprouts")
    subject_size = (0.08, 0.6)

    def sample(self, draw: Draw) -> SceneSpec:
        view, kind = draw.view(elevation_deg=(24.0, 44.0), margin=(0.04, 0.12)), draw.choice(self.seeds)
        # A long lens: no camera stands nearer than a hand's breadth.
        view = replace(view, focal_length_mm=draw.uniform((55.0, 80.0)))
        small = kind in ("pea", "radish")
        count = draw.integer((3, 7)) if small else draw.choice((1, 2, 3, 4))
        radius = draw.uniform((0.028, 0.034)) if small or count == 1 else draw.uniform((0.036, 0.046))
        seed = draw.seed()
        made = models.make(
            "sprout", variant=kind, seed=seed, growth=0.0, count=count, hue=draw.integer((0, 3)),
            pot=draw.integer((0, 4)), pot_radius_m=radius, pot_height_m=radius * draw.uniform((1.0, 1.3)),
        )  # fmt: skip
        table = dict(dressing("basil", draw.choice(("terracotta", *POT_COLORS)), seed))
        table["seed"] = palette.but(table["stem"], roughness=0.4)
        pot = draw.model(
            made, 1, role="actor", label="small pot", substance="filled pot", yaw_rad=draw.angle(), materials=tuple(table.items()),
        )  # fmt: skip
        bodies = [pot, *draw.bystanders([pot], draw.integer(self.num_bystanders), view=view)]
        grown = draw.event.uniform(self.end)
        # Seed leaves are open about ten days after sowing.
        return draw.spec(
            self.name, bodies, camera=view, end_state="steady", duration_s=10 * grown * DAY_S, physics_s=0.05,
            inputs=(("growth", grown),),
        )  # fmt: skip

    def develop(self, rollout: Rollout, mesh_of: MeshOf) -> Rollout:
        body, sown, end = rollout.spec.actor, rollout.spec.actor.model, rollout.spec.input("growth")
        assert sown is not None

        def grown(phase: float) -> Model:
            return sown.but(growth=between(0.0, end, phase))

        kind, count = SEEDS[sown.variant].label, sown.number("count")
        seed = kind if kind.endswith("seed") else f"{kind} seed"
        return remodeled(rollout, body, grown, mesh_of).then(
            quantities=(
                quantity(
                    "growth", lambda phase: between(0.0, end, phase), unit="", provenance="prescribed", words=LEAVES
                ),
                quantity("sprout_height", lambda phase: height_m(grown(phase)), unit="m", provenance="derived"),
                quantity(
                    "num_seeds", lambda _: count, unit="", provenance="derived",
                    words=((1.5, seed), (99.0, f"{seed}s")),
                ),
                quantity(
                    "sprouts", lambda phase: num_sprouts(grown(phase)), unit="", provenance="prescribed",
                    words=((0.5, "no sprout"), (1.5, "a green sprout"), (99.0, "green sprouts")),
                ),
            )
        )  # fmt: skip

    phrases = Phrases(
        superficial=(
            "[Let|Make] the {num_seeds.end word} in {actor} [sprout|germinate].",
            "[Grow|Raise] {sprouts.end word} from the {num_seeds.end word} in {actor}.",
            "[Show|Picture] the {num_seeds.end word} in {actor} after [sprouting|germination].",
        ),
        intermediate=(
            "Let the {num_seeds.end word} in {actor} [sprout|germinate], with {sprouts.end word} and {growth.end word} seed leaves "
            "[coming up|rising] out of the soil.",
            "[Let|Make] the {num_seeds.end word} in {actor} [germinate|sprout]: the coat splits, "
            "[letting out|giving way to] {sprouts.end word} with {growth.end word} seed leaves.",
        ),
        explicit=(
            "(num_seeds ends below 1.5) The {num_seeds.end word} in {actor} has [sprouted|germinated]: a [pale|thin] stem "
            "of {sprout_height.end} [carries|holds] two {growth.end word} seed leaves, the empty coat lies beside it, and "
            "(everything else stays) nothing else [changes|is different].",
            "(num_seeds ends above 1.5) The {num_seeds.end word} in {actor} have [sprouted|germinated]: [pale|thin] stems "
            "of up to {sprout_height.end} each [carry|hold] two {growth.end word} seed leaves, the empty coats lie beside them, and "
            "(everything else stays) nothing else [changes|is different].",
        ),
    )
