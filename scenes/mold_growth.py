"""Mould grows on bread, cheese or fruit, from a few places on."""

from dataclasses import dataclass
from functools import partial

import numpy as np

from simgen.core.blend import between
from simgen.core.mesh import Model
from simgen.core.rollout import Rollout, quantity
from simgen.core.spec import Body, SceneSpec
from simgen.core.substances import SUBSTANCES
from simgen.procedural import models, palette
from simgen.procedural.models.overgrown import MOLD_WORDS, covered_m2, dressing, host_area_m2, substance
from simgen.scene.draw import Draw
from simgen.scene.growth import DAY_S, remodeled
from simgen.scene.registry import MeshOf, Phrases, Range, Scene, register

SIZE_M = {"bread": 0.115, "toast": 0.105, "cheese": 0.11, "orange": 0.076, "lemon": 0.06, "tomato": 0.075,
          "pear": 0.074, "strawberry": 0.04}  # fmt: skip
LABELS = {"bread": "slice of bread", "toast": "slice of toast", "cheese": "piece of cheese"}
KINDS = {"bread": (0, 1, 2), "toast": (0, 1, 2), "cheese": (0, 1, 3), "orange": (0, 1), "lemon": (0, 1),
         "tomato": (2,), "pear": (2, 1), "strawberry": (2,)}  # fmt: skip
"""Which moulds a food gets: green and blue Penicillium on citrus, grey Botrytis on berries."""


@register("mold_growth")
@dataclass(frozen=True, kw_only=True)
class MoldGrowth(Scene):
    """Food that has lain for too long."""

    foods: tuple[str, ...] = (
        "bread",
        "bread",
        "toast",
        "cheese",
        "orange",
        "orange",
        "lemon",
        "tomato",
        "pear",
        "strawberry",
    )
    covered: Range = (0.06, 0.5)
    """Share of the surface that is mouldy in the end."""
    begun: float = 0.25
    """How often there is a little mould from the start."""
    num_bystanders: tuple[int, int] = (0, 1)

    law = "fungal growth"
    types = (10,)
    claims = ("moldy_share rises",)
    quantities = ("moldy_share", "moldy_area", "mold_color")
    subject_size = (0.05, 0.5)

    def sample(self, draw: Draw) -> SceneSpec:
        view, food = draw.view(elevation_deg=(26.0, 52.0), margin=(0.12, 0.28)), draw.choice(self.foods)
        level = draw.uniform((0.01, 0.03)) if draw.chance(self.begun) else 0.0
        seed, kind = draw.seed(), draw.choice(KINDS[food])
        # Clean food does not tell yet which mould it will get.
        grown = kind if level > 0 else draw.event.choice(KINDS[food])
        board = draw.chance(0.4)
        bodies, count = [], draw.integer((2, 3)) if food == "strawberry" else draw.choice((1, 1, 2))
        size = SIZE_M[food] * draw.uniform((0.94, 1.06))
        reach = 1.2 if food in ("bread", "toast", "cheese") else 1.4
        thick = draw.uniform((0.014, 0.024)) if board else 0.0
        side = np.array([-np.sin(view.azimuth_rad), np.cos(view.azimuth_rad)])
        for k in range(count):
            made = models.make("moldy", variant=food, seed=seed + k, level=level, size_m=size, kind=kind)
            at = (k - (count - 1) / 2) * reach * size * side
            bodies.append(
                draw.model(
                    made, k + 1, role="actor", label=LABELS.get(food, food), substance=substance(food), at=at, on_m=thick,
                    yaw_rad=draw.angle(), materials=dressing(food, seed),
                )
            )  # fmt: skip
        if board:
            wide = (count * reach + 0.6) * size
            color, dark = draw.choice((("#b98a57", "#86572c"), ("#8a5a35", "#54331a"), ("#d2ab78", "#a67a48")))
            plate = (max(wide, 0.2), 0.19 + size * 0.3, thick)
            bodies.append(
                Body(
                    id=250, shape="box", label="chopping board", role="prop", static=True, substance="wood", friction=0.6,
                    restitution=0.4, size_m=plate, mass_kg=float(np.prod(plate)) * SUBSTANCES["wood"].density_kgpm3,
                    material=palette.wood(color, dark, seed=seed),
                    position_m=(0.0, 0.0, thick / 2),
                    quaternion=_turned(view.azimuth_rad + np.pi / 2),
                )
            )  # fmt: skip
        else:
            bodies += draw.bystanders(bodies, draw.integer(self.num_bystanders), view=view)
        covered = draw.event.uniform(self.covered)
        # A slice of bread that is kept moist at room temperature is half covered after about ten days.
        return draw.spec(
            self.name, bodies, camera=view, end_state="steady", duration_s=20 * covered * DAY_S, physics_s=0.05,
            inputs=(("level", covered), ("kind", float(grown))),
        )  # fmt: skip

    def develop(self, rollout: Rollout, mesh_of: MeshOf) -> Rollout:
        first, end, kind = rollout.spec.actor.model, rollout.spec.input("level"), rollout.spec.input("kind")
        assert first is not None
        area, begun = host_area_m2(first), first.number("level")

        def moldy(made: Model, phase: float) -> Model:
            level = between(begun, end, phase)
            return made.but(level=level, kind=kind) if phase == 1 else made.but(level=level, kind=kind, until=end)

        def moldy_m2(phase: float) -> float:
            return covered_m2(first.but(level=between(begun, end, phase)))

        for body in rollout.spec.bodies:
            if body.role == "actor" and body.model is not None:
                rollout = remodeled(rollout, body, partial(moldy, body.model), mesh_of)
        return rollout.then(
            quantities=(
                quantity("moldy_share", lambda phase: moldy_m2(phase) / area, unit="1", provenance="derived"),
                quantity("moldy_area", moldy_m2, unit="m2", provenance="derived"),
                quantity(
                    "mold_color", lambda phase: float(phase > 0), unit="", provenance="prescribed",
                    words=((0.5, "clean"), (2.0, MOLD_WORDS[int(kind)])),
                ),
            )
        )  # fmt: skip

    phrases = Phrases(
        superficial=(
            "[Let|Make] {actor} [go moldy|get moldy].",
            "[Grow|Let grow] mold on {actor}.",
            "[Make|Let] mold grow on {actor}.",
            "Cover parts of {actor} with mold.",
        ),
        intermediate=(
            "Let mold grow on {actor}, so that fuzzy {mold_color.end word} patches [spread over|cover] part of the "
            "surface.",
            "[Make|Let] {actor} [go moldy|get moldy]: [furry|fuzzy] {mold_color.end word} patches with pale [edges|rims] "
            "[appear|spread] on {it/them}.",
            "Grow patches of {mold_color.end word} [fur|fuzz] on {actor}, as mold does after [many|several] days.",
        ),
        explicit=(
            "{actor} {is/are} moldy: [fuzzy|furry] {mold_color.end word} patches with [pale|white] rims cover "
            "{moldy_share.end} of the surface, and (everything else stays) everything else [stays as it is|stays the "
            "same].",
            "Mold has grown on {actor}: {moldy_share.end} of the surface {/of each }is under [a fuzzy|a furry] "
            "{mold_color.end word} [layer|growth]; (everything else stays) nothing else [changes|is different].",
        ),
    )


def _turned(angle_rad: float) -> tuple[float, float, float, float]:
    return (float(np.cos(angle_rad / 2)), 0.0, 0.0, float(np.sin(angle_rad / 2)))
