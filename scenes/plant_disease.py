"""Spots or mildew spread over the leaves of a plant, or go away again after treatment."""

from dataclasses import dataclass, replace
from functools import partial

from simgen.core.assets import Layer, Material
from simgen.core.blend import between
from simgen.core.rollout import Rollout, quantity
from simgen.core.spec import SceneSpec
from simgen.procedural import palette
from simgen.procedural.models.plant import measure
from simgen.scene.draw import Draw
from simgen.scene.growth import DAY_S
from simgen.scene.plants import in_a_row, potted
from simgen.scene.registry import MeshOf, Phrases, Range, Scene, register

DISEASES = ("brown spots", "white mildew patches", "orange rust spots")


@register("plant_disease")
@dataclass(frozen=True, kw_only=True)
class PlantDisease(Scene):
    """The leaves of one or two potted plants fall ill or recover."""

    species: tuple[str, ...] = (
        "basil", "sunflower", "tomato", "rubber plant", "rubber plant", "peace lily", "primrose", "pilea", "daisy",
    )  # fmt: skip
    ill: Range = (0.2, 0.52)
    """Share of the leaves' area that is covered when ill."""
    recovers: float = 0.45
    begun: float = 0.5
    """How often a plant that falls ill has a little of it from the start; a clean one may get any of the diseases."""
    left: Range = (-0.4, 0.35)
    """Share of the illness that is left after treatment; below zero none."""
    num_bystanders: tuple[int, int] = (0, 1)

    law = "plant disease"
    types = (9, 8)
    quantities = ("lesion_share", "lesion_area", "disease")
    subject_size = (0.05, 0.5)

    def sample(self, draw: Draw) -> SceneSpec:
        view, variant = draw.view(elevation_deg=(16.0, 42.0), margin=(0.06, 0.14)), draw.choice(self.species)
        disease, first = draw.integer((0, 2)), draw.uniform((0.004, 0.02))
        if draw.chance(self.recovers):
            start = draw.uniform((sum(self.ill) / 2, self.ill[1]))
            end = start * max(0.0, draw.event.uniform(self.left))
        else:
            start, end = first if draw.chance(self.begun) else 0.0, draw.event.uniform(self.ill)
        caught = disease if start > 0 else draw.event.integer((0, 2))
        plants = [
            potted(draw, k + 1, variant, growth=draw.uniform((0.68, 0.77)), spotted=1.0)
            for k in range(draw.choice((1, 1, 2)))
        ]
        plants = [
            replace(
                body, materials=tuple((s, _sick(m, disease, start) if s == "leaf" else m) for s, m in body.materials)
            )
            for body in plants
        ]
        bodies = in_a_row(draw, plants, view, (0.05, 0.09))
        bodies += draw.bystanders(bodies, draw.integer(self.num_bystanders), view=view)
        inputs = {"disease": float(caught), "start": start, "end": end}
        # Half of the leaves' area falls ill, or is replaced by healthy leaves, in about five weeks.
        return draw.spec(
            self.name, bodies, camera=view, end_state="steady", duration_s=70 * abs(end - start) * DAY_S, physics_s=0.05,
            inputs=tuple(inputs.items()),
        )  # fmt: skip

    def develop(self, rollout: Rollout, mesh_of: MeshOf) -> Rollout:
        spec, first = rollout.spec, rollout.spec.actor.model
        assert first is not None
        start, end, disease = spec.input("start"), spec.input("end"), int(spec.input("disease"))

        def ill(phase: float) -> float:
            return between(start, end, phase)

        def at(leaf: Material, phase: float) -> Material:
            return _sick(palette.but(leaf, layers=()), disease, ill(phase)) if phase > 0 else leaf

        for body in spec.bodies:
            if body.role == "actor":
                rollout = rollout.resurfaced(body.id, partial(at, dict(body.materials)["leaf"]), slot="leaf")
        area = measure(first).leaf_area_m2
        share = quantity("lesion_share", ill, unit="1", provenance="prescribed")
        cover = quantity("lesion_area", lambda phase: ill(phase) * area, unit="m2", provenance="derived")
        name = quantity(
            "disease", lambda _: disease, unit="", provenance="prescribed",
            words=tuple((k + 0.5, word) for k, word in enumerate(DISEASES)),
        )  # fmt: skip
        return rollout.then(quantities=(share, cover, name))

    def shows(self, rollout: Rollout) -> tuple[int, ...]:
        share = rollout.quantity("lesion_share")
        return (9,) if share.end > share.start else (8,)

    phrases = Phrases(
        superficial=(
            "(lesion_share rises) [Let|Make] {actor} [get sick|become diseased].",
            "(lesion_share rises) [Infect|Cover] the leaves of {actor} with {disease.end word}.",
            "(lesion_share rises) [Let|Make] {disease.end word} spread [on|over] the leaves of {actor}.",
            "(lesion_share ends below 0.01) [Cure|Heal] {actor}[| of {its/their} {disease.end word}].",
            "(lesion_share falls) [Let|Make] {actor} recover.",
            "(lesion_share falls) [Make|Let] the {disease.end word} on {actor} [get fewer|recede].",
            "(lesion_share ends below 0.01) [Let|Make] {actor} [become healthy again|get well].",
            "(lesion_share ends below 0.01) Free the leaves of {actor} from {disease.end word}.",
        ),
        intermediate=(
            "(lesion_share rises) [Let|Make] {actor} [get sick|become diseased], so that {disease.end word} [spread|grow] "
            "over the green leaves.",
            "(lesion_share rises) Let a disease [attack|spread on] {actor}: {disease.end word} [cover|appear on] the "
            "leaves.",
            "(lesion_share ends below 0.01) [Cure|Heal] {actor}, so that the {disease.end word} on the leaves "
            "[go|disappear] and they are [green|clean and green] again.",
            "(lesion_share falls; lesion_share ends above 0.01) Let {actor} [recover|begin to recover]: the {disease.end "
            "word} on the leaves get [fewer|smaller and fewer].",
            "(lesion_share ends below 0.01) Let {actor} [recover|get well]: the leaves [lose|get rid of] the {disease.end word} and "
            "are [healthy|green] again.",
        ),
        explicit=(
            "(lesion_share rises) {actor} {is/are} ill: {disease.end word} cover {lesion_share.end} of the leaves, which "
            "were [clean|healthy] and green before; (everything else stays) everything else [stays as it is|stays the "
            "same].",
            "(lesion_share rises) [Patches|Areas] of disease have spread on {actor}: {lesion_share.end} of the leaf area "
            "carries {disease.end word}, and (everything else stays) nothing else [changes|is different].",
            "(lesion_share falls; lesion_share ends above 0.01) {actor} {is/are} recovering: {disease.end word} cover "
            "{lesion_share.end} of the leaves, where it was {lesion_share.start} before; (everything else stays) everything "
            "else [stays as it is|stays the same].",
            "(lesion_share ends below 0.01) {actor} {is/are} healthy again: the leaves, {lesion_share.start} of which carried "
            "{disease.end word}, are [green|clean] all over; (everything else stays) everything else [stays as it "
            "is|stays the same].",
            "(lesion_share ends below 0.01) The disease on {actor} is gone: no more {disease.end word} on {lesion_share.start} of "
            "the leaf area, but [clean|healthy] green leaves, and (everything else stays) nothing else [changes|is "
            "different].",
        ),
    )


def _sick(leaf: Material, disease: int, level: float) -> Material:
    """Leaves with that share of them ill."""
    if level <= 0:
        return leaf
    if disease == 1:
        powder = palette.but(palette.leaf("#e4e6dd", "#d3d8c8"), roughness=1.0)
        width = 0.1 * min(1.0, 6 * level)
        layer = Layer(top=powder, field="lesion", level=level, softness=width, rough=0.01, rough_m=0.0025)
        return palette.but(leaf, layers=(layer,))
    spot, rust = (("#a3a046", "#b0ad55"), ("#8a5a2c", "#5f3a1a")), (("#8fa344", "#a3b055"), ("#c9701f", "#96490f"))
    outer, inner = spot if disease == 0 else rust
    halo = Layer(top=palette.leaf(*outer), field="lesion", level=level, softness=0.05 * min(1.0, 6 * level))
    core = Layer(
        top=palette.but(palette.leaf(*inner), roughness=0.85), field="lesion", level=0.68 * level,
        softness=0.02 * min(1.0, 6 * level), rough=0.004, rough_m=0.002,
    )  # fmt: skip
    return palette.but(leaf, layers=(halo, core))
