"""Moss grows on a stone, a brick, a clay pot, a log or a roof tile."""

from dataclasses import dataclass

from simgen.core.blend import between
from simgen.core.mesh import Model
from simgen.core.rollout import Rollout, quantity
from simgen.core.spec import SceneSpec
from simgen.procedural import models
from simgen.procedural.models.overgrown import GROUNDS, covered_m2, dressing, host_area_m2, substance
from simgen.scene.draw import Draw
from simgen.scene.growth import YEAR_S, remodeled
from simgen.scene.registry import MeshOf, Phrases, Range, Scene, register

SIZE_M = {"stone": (0.12, 0.18), "boulder": (0.25, 0.4), "brick": (0.2, 0.24), "clay pot": (0.13, 0.2),
          "log": (0.22, 0.34), "roof tile": (0.28, 0.36)}  # fmt: skip


@register("moss_growth")
@dataclass(frozen=True, kw_only=True)
class MossGrowth(Scene):
    """Something that lies in a damp garden for years."""

    grounds: tuple[str, ...] = GROUNDS
    covered: Range = (0.18, 0.62)
    """Share of the surface under moss in the end; it grows where the surface looks up."""
    begun: float = 0.35
    """How often there is a little moss from the start."""
    num_bystanders: tuple[int, int] = (0, 1)

    law = "moss growth"
    types = (11,)
    claims = ("mossy_share rises",)
    quantities = ("mossy_share", "mossy_area")
    subject_size = (0.05, 0.5)
    changed_share = 0.8

    def sample(self, draw: Draw) -> SceneSpec:
        view = draw.view(elevation_deg=(18.0, 42.0), margin=(0.12, 0.25))
        ground, seed = draw.choice(self.grounds), draw.seed()
        level = draw.uniform((0.02, 0.08)) if draw.chance(self.begun) else 0.0
        kind = draw.integer((0, 2))
        # A bare thing does not tell yet which moss it will get.
        grown = kind if level > 0 else draw.event.integer((0, 2))
        made = models.make(
            "mossy",
            variant=ground,
            seed=seed,
            level=level,
            size_m=draw.uniform(SIZE_M[ground]),
            kind=kind,
        )
        turn = view.azimuth_rad + draw.uniform((0.5, 2.6))
        thing = draw.model(
            made, 1, role="actor", label=ground, substance=substance(ground), yaw_rad=turn,
            materials=dressing(ground, seed),
        )  # fmt: skip
        bodies = [thing, *draw.bystanders([thing], draw.integer(self.num_bystanders), view=view)]
        covered = draw.event.uniform(self.covered) * (0.7 if ground in ("roof tile", "clay pot", "log") else 1.0)
        # What lies in a damp garden is half under moss after about four years.
        return draw.spec(
            self.name, bodies, camera=view, end_state="steady", duration_s=8 * (covered - level) * YEAR_S,
            physics_s=0.05, inputs=(("level", covered), ("kind", float(grown))),
        )  # fmt: skip

    def develop(self, rollout: Rollout, mesh_of: MeshOf) -> Rollout:
        body, first, end = rollout.spec.actor, rollout.spec.actor.model, rollout.spec.input("level")
        assert first is not None
        area, begun, kind = host_area_m2(first), first.number("level"), rollout.spec.input("kind")

        def mossy(phase: float) -> Model:
            level = between(begun, end, phase)
            return first.but(level=level, kind=kind) if phase == 1 else first.but(level=level, kind=kind, until=end)

        def mossy_m2(phase: float) -> float:
            return covered_m2(first.but(level=between(begun, end, phase)))

        share = quantity("mossy_share", lambda phase: mossy_m2(phase) / area, unit="1", provenance="derived")
        cover = quantity("mossy_area", mossy_m2, unit="m2", provenance="derived")
        return remodeled(rollout, body, mossy, mesh_of).then(quantities=(share, cover))

    phrases = Phrases(
        superficial=(
            "[Let|Make] moss grow on {actor}.",
            "(mossy_share ends above 0.25) [Cover|Overgrow] {actor} with [moss|green moss].",
            "[Let|Make] {actor} [become|get] mossy.",
            "(mossy_share ends above 0.25) [Let|Make] {actor} [become|get] overgrown with moss.",
        ),
        intermediate=(
            "Let [moss|green moss] grow [on|over] {actor}, so that a [thick|soft] green carpet "
            "[covers|spreads over] the surfaces that look up.",
            "[Make|Let] {actor} [become mossy|get mossy] with the years: thick green moss [spreads over|covers] the top.",
            "Grow a [thick|soft] carpet of moss on the upper side of {actor}.",
        ),
        explicit=(
            "(mossy_share ends above 0.25) {actor} is overgrown: [thick|soft] green moss covers {mossy_share.end} of the surface, mostly the parts that "
            "face up; (everything else stays) everything else [stays as it is|stays the same].",
            "[Thick|Soft] green moss has grown on {actor} and covers {mossy_share.end} of it, [thickest|densest] on top, "
            "and (everything else stays) nothing else [changes|is different].",
        ),
    )
