"""A living plant withers and dies: the stem bends, the leaves hang, shrivel and turn brown."""

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


@register("plant_wilts")
@dataclass(frozen=True, kw_only=True)
class PlantWilts(Scene):
    """A potted plant, alone or beside others of its kind, gets no water any more."""

    species: tuple[str, ...] = (
        "basil", "basil", "sunflower", "tomato", "rubber plant", "pilea", "peace lily", "peace lily", "primrose",
        "daisy", "tulip", "poppy",
    )  # fmt: skip
    wilt: Range = (0.25, 1.0)
    """From 0.7 on it is dead."""
    num_bystanders: tuple[int, int] = (0, 1)

    law = "loss of turgor"
    types = (12,)
    claims = ("wilt rises", "height falls")
    quantities = ("wilt", "height", "leaf_area")
    subject_size = (0.05, 0.5)

    def sample(self, draw: Draw) -> SceneSpec:
        view, variant = draw.view(elevation_deg=(10.0, 34.0), margin=(0.08, 0.18)), draw.choice(self.species)
        growth = draw.uniform((0.68, 0.76)) if draw.chance(0.5) else draw.uniform((0.96, 1.0))
        plants = [
            potted(draw, k + 1, variant, facing_rad=view.azimuth_rad, growth=growth)
            for k in range(draw.choice((1, 1, 1, 2)))
        ]
        bodies = in_a_row(draw, plants, view, (0.08, 0.12))
        bodies += draw.bystanders(bodies, draw.integer(self.num_bystanders), view=view)
        wilt = draw.event.uniform(self.wilt)
        # In a warm room a potted plant hangs its leaves after some days and is dead after about three weeks.
        return draw.spec(
            self.name, bodies, camera=view, end_state="steady", duration_s=21 * wilt * DAY_S, physics_s=0.05,
            inputs=(("wilt", wilt),),
        )  # fmt: skip

    def develop(self, rollout: Rollout, mesh_of: MeshOf) -> Rollout:
        wilt, first = rollout.spec.input("wilt"), rollout.spec.actor.model
        assert first is not None

        def dried(made: Model, phase: float) -> Model:
            return made.but(wilt=between(0.0, wilt, phase))

        @cache
        def measured(phase: float) -> Measures:
            return measure(dried(first, phase) if phase > 0 else first)

        for body in rollout.spec.bodies:
            if body.role == "actor" and body.model is not None:
                rollout = remodeled(rollout, body, partial(dried, body.model), mesh_of)
        return rollout.then(
            quantities=(
                quantity("wilt", lambda phase: between(0.0, wilt, phase), unit="1", provenance="prescribed"),
                quantity("height", lambda phase: measured(phase).height_m, unit="m", provenance="derived"),
                quantity("leaf_area", lambda phase: measured(phase).leaf_area_m2, unit="m2", provenance="derived"),
            )
        )

    phrases = Phrases(
        superficial=(
            "[Let|Make] {actor} wilt.",
            "(wilt ends below 0.7) [Let|Make] {actor} [droop|go limp].",
            "(wilt ends above 0.7) [Let|Make] {actor} [wither|die|dry out].",
            "(wilt ends above 0.7) [Show|Picture] {actor} [dead|withered|dried up].",
            "Let {actor} go without water.",
            "(wilt ends above 0.7) Let {actor} [die of thirst|wither away].",
        ),
        intermediate=(
            "(wilt ends above 0.7) [Let|Make] {actor} [wither|die], so that the leaves [droop|hang limp] and [turn brown|go brown].",
            "(wilt ends above 0.7) Let {actor} dry out: the leaves [shrivel|curl up], turn yellow and brown, and [hang limp|droop].",
            "(wilt ends above 0.5) [Let|Make] {actor} wilt [for lack of|without] water, until the leaves [sag|droop] and "
            "are brown.",
            "(wilt ends below 0.5) [Let|Make] {actor} wilt [for lack of|without] water, so that the leaves [sag|droop] and "
            "[fade|lose their fresh green].",
            "(wilt ends below 0.5) Let {actor} [go limp|droop]: the leaves hang and [fade|lose their fresh green].",
        ),
        explicit=(
            "(wilt ends below 0.7) {actor} {has/have} [wilted|gone limp]: the leaves [hang|droop], no longer of a fresh green, and the "
            "plant [has sunk|sags] from {height.start} to {height.end} in height; (everything else stays) everything else "
            "[stays as it is|stays the same].",
            "(wilt ends above 0.7) {actor} {is/are} dead: the leaves [hang limp|droop], shrivelled and brown, and the plant [has sunk|sags] from "
            "{height.start} to {height.end} in height; (everything else stays) everything else [stays as it is|stays "
            "the same].",
            "(wilt ends above 0.7) {actor} {has/have} withered: [bent stems|limp stems] and [shrivelled|curled], yellow and brown leaves [hang "
            "low|hang] where green ones stood, and (everything else stays) nothing else [changes|is different].",
        ),
    )
