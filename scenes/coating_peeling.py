"""Paint comes off: flakes are gone, what is left curls up at its edges, and the old ground shows."""

from dataclasses import dataclass

import numpy as np

from simgen.core.assets import Material, Pattern
from simgen.core.blend import between
from simgen.core.mesh import Model
from simgen.core.rollout import Rollout, quantity
from simgen.core.spec import SceneSpec
from simgen.procedural import models, palette
from simgen.scene.draw import Draw
from simgen.scene.growth import YEAR_S, remodeled
from simgen.scene.registry import MeshOf, Phrases, Range, Scene, register

PAINTS = {
    "white": "#e6e2d6", "red": "#a5332b", "green": "#4d7d57", "blue": "#3d6a9b", "turquoise": "#5fa8a3",
    "yellow": "#d7ab44", "grey": "#8d9599", "orange": "#c8692f", "cream": "#dccfa6",
}  # fmt: skip
THINGS = {
    # name: (variant, width and height in metres, material of the ground, size of the flakes)
    "wooden panel": ("panel", (0.28, 0.4), (0.24, 0.34), "wood", (0.022, 0.04)),
    "wooden fence": ("fence", (0.34, 0.46), (0.34, 0.46), "wood", (0.022, 0.036)),
    "door": ("door", (0.24, 0.3), (0.4, 0.5), "wood", (0.02, 0.034)),
    "wall panel": ("panel", (0.3, 0.42), (0.28, 0.36), "plaster", (0.03, 0.055)),
    "steel panel": ("panel", (0.3, 0.4), (0.24, 0.32), "iron", (0.024, 0.045)),
    "metal box": ("box", (0.24, 0.32), (0.14, 0.2), "iron", (0.02, 0.036)),
    "wooden box": ("box", (0.22, 0.3), (0.14, 0.2), "wood", (0.018, 0.032)),
    "bucket": ("bucket", (0.24, 0.28), (0.22, 0.27), "iron", (0.02, 0.036)),
    "bollard": ("post", (0.12, 0.15), (0.32, 0.42), "iron", (0.02, 0.036)),
    "toy block": ("box", (0.06, 0.075), (0.055, 0.07), "wood", (0.006, 0.01)),
}
WORDS = ((0.1, "a little"), (0.3, "some"), (0.48, "much"), (1.1, "most"))


@register("coating_peeling")
@dataclass(frozen=True, kw_only=True)
class CoatingPeeling(Scene):
    """The paint of a panel, a fence, a door, a box or a bucket flakes off."""

    share: Range = (0.2, 0.6)
    """Of the painted area that comes off."""
    curl: Range = (0.55, 1.0)

    law = "loss of adhesion"
    types = (16,)
    quantities = ("peeled_share",)
    subject_size = (0.08, 0.6)
    changed_share = 0.85

    def sample(self, draw: Draw) -> SceneSpec:
        view = draw.view(elevation_deg=(10.0, 24.0), margin=(0.16, 0.32))
        name = draw.choice(tuple(THINGS))
        variant, widths, heights, ground, flakes = THINGS[name]
        word = draw.choice(tuple(PAINTS))
        seed = draw.seed()
        whole = models.make(
            "coated", variant=variant, seed=seed, width_m=draw.uniform(widths), height_m=draw.uniform(heights), level=0.0,
            thick_mm=0.1 if name == "toy block" else draw.uniform((0.35, 0.7)),
            flake_m=draw.uniform(flakes),
        )  # fmt: skip
        # They face -y: that side is turned to the camera, a little to the left or right.
        turn = view.azimuth_rad + np.pi / 2 + draw.choice((-1.0, 1.0)) * draw.uniform((0.1, 0.6))
        base, rough = self.ground(draw, ground, seed, upright=variant in ("door", "fence"))
        gloss = draw.uniform((0.3, 0.6))
        coat = palette.but(palette.plastic(PAINTS[word], roughness=gloss), template="principled")
        primer = palette.but(
            palette.plastic(draw.color("#cfc8b8", "#b9b2a2", "#d8d2c4"), roughness=0.8), template="principled"
        )
        actor = draw.model(
            whole, 1, role="actor", label=f"{word} {name}", substance="metal" if ground == "iron" else ground,
            yaw_rad=turn, material=base,
            materials=(("coat", coat), ("back", primer), ("rim", rough), ("inside", rough)),
        )  # fmt: skip
        inputs = {"peeled_share": draw.event.uniform(self.share), "curl": draw.event.uniform(self.curl)}
        # How much more of it comes off near the ground.
        inputs["damp"] = draw.event.uniform((0.0, 0.9))
        # A coat outdoors that has begun to fail has lost half of itself after about five years.
        return draw.spec(
            self.name, [actor], camera=view, duration_s=10 * inputs["peeled_share"] * YEAR_S, physics_s=0.05,
            end_state="steady", inputs=tuple(inputs.items()), stage=draw.stage(("floor", "table", "sweep")),
        )  # fmt: skip

    def ground(self, draw: Draw, kind: str, seed: int, *, upright: bool) -> tuple[Material, Material]:
        """What lies under the paint, and what is not painted."""
        if kind == "wood":
            light, dark = draw.choice((("#a98a68", "#6f573f"), ("#8f8375", "#5f564c"), ("#b08a5a", "#7c5a36")))
            # Boards stand on end.
            along = (1.0, 1.0, 16.0) if upright else (16.0, 1.0, 1.0)
            grain = Pattern(
                color=palette.colour(dark), amount=0.8, scale_m=0.007, stretch=along, bump_m=0.0002, seed=seed
            )
            wood = Material(template="wood", base_color=palette.colour(light), roughness=0.8, patterns=(grain,))
            return wood, wood
        if kind == "plaster":
            plaster = palette.concrete(draw.color("#b7ab98", "#a89e90", "#c2b49a"), seed=seed)
            return plaster, plaster
        steel = palette.metal("#8d9094", roughness=0.45)
        return (palette.rust(seed=seed) if draw.chance(0.6) else palette.metal("#7d7f82", roughness=0.55)), steel

    def develop(self, rollout: Rollout, mesh_of: MeshOf) -> Rollout:
        body, whole, share = rollout.spec.actor, rollout.spec.actor.model, rollout.spec.input("peeled_share")
        assert whole is not None
        habit = {name: rollout.spec.input(name) for name in ("curl", "damp")}

        def peeled(phase: float) -> float:
            return between(0.0, share, phase)

        def left(phase: float) -> Model:
            return whole.but(level=peeled(phase), **habit)

        found = quantity("peeled_share", peeled, unit="1", provenance="prescribed", words=WORDS)
        return remodeled(rollout, body, left, mesh_of).then(quantities=(found,))

    phrases = Phrases(
        superficial=(
            "[Make|Let] the paint of {actor} [peel|flake off|peel off].",
            "[Let|Make] the [coat|coating|paint] on {actor} [peel|flake].",
        ),
        intermediate=(
            "[Make|Let] the [paint|coating] of {actor} lose its hold so that {peeled_share.end word} of it [peels|flakes] "
            "off and the [bare|old] ground shows.",
            "[Peel|Flake] {peeled_share.end word} of the [paint|coating] off {actor}, so that the [edges|rims] of the rest curl up and the "
            "[bare|raw] ground below [shows|appears].",
        ),
        explicit=(
            "The [paint|coating] of {actor} has [flaked|peeled] off over {peeled_share.end} of its surface: the bare "
            "ground is [seen|laid open] in ragged patches, and what is left of the paint curls up along their [edges|rims].",
            "{peeled_share.end word} of the [paint|coat] of {actor} is gone in [irregular|ragged] patches that show the "
            "bare ground; the [flakes around them curl|paint around them curls] away from the surface, and (everything else stays) "
            "nothing else [changes|moves].",
        ),
    )
