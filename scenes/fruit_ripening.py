"""Fruit ripens: it turns from green to the colour of its sort, and a banana gets its brown spots."""

from dataclasses import dataclass, replace
from functools import partial

import numpy as np

from simgen.core.assets import Layer, Material
from simgen.core.blend import between
from simgen.core.mesh import Mesh
from simgen.core.rollout import Rollout, quantity
from simgen.core.spec import Body, SceneSpec
from simgen.procedural import models, palette
from simgen.procedural.models.fruit import SORTS, dressing, substance
from simgen.scene.draw import Draw
from simgen.scene.growth import DAY_S
from simgen.scene.registry import MeshOf, Phrases, Range, Scene, register

SPOTTED = {"banana": (0.1, 0.4), "mango": (0.03, 0.1), "pear": (0.02, 0.07)}
"""Share of the skin that brown spots cover on over-ripe fruit of a sort."""
DAYS = {"banana": 7, "avocado": 6, "mango": 8, "pear": 9, "tomato": 12, "strawberry": 9}
"""From green to ripe at room temperature, of a strawberry on its plant; other sorts take `OTHER_DAYS`."""
OTHER_DAYS = 30


@register("fruit_ripening")
@dataclass(frozen=True, kw_only=True)
class FruitRipening(Scene):
    """One to three fruits of one sort ripen where they lie."""

    sorts: tuple[str, ...] = (
        "banana", "banana", "banana", "apple", "tomato", "tomato", "bell pepper", "orange", "lemon", "pear",
        "avocado", "mango", "strawberry",
    )  # fmt: skip
    over_ripe: float = 0.45
    """How often fruit whose sort gets spots is over-ripe in the end."""
    ripeness: Range = (0.38, 1.0)
    """Of green fruit in the end, if it is not over-ripe."""
    num_bystanders: tuple[int, int] = (0, 1)

    law = "ripening"
    types = (4,)
    claims = ("ripeness rises",)
    quantities = ("ripeness", "spotted_share")
    subject_size = (0.04, 0.45)

    def sample(self, draw: Draw) -> SceneSpec:
        view, sort = draw.view(elevation_deg=(18.0, 48.0), margin=(0.18, 0.4)), draw.choice(self.sorts)
        # Half of what gets over-ripe is half ripe already.
        late = sort in SPOTTED and draw.chance(self.over_ripe / 2)
        start = draw.uniform((0.5, 0.75)) if late else draw.uniform((0.0, 0.12))
        share = self.over_ripe / (2.0 - self.over_ripe)
        spotted = late or (sort in SPOTTED and draw.event.chance(share))
        ripe = draw.event.uniform((0.9, 1.0) if spotted else self.ripeness)
        hue, seed, yaw = draw.integer((0, 2)), draw.seed(), view.azimuth_rad + draw.uniform((-0.9, 0.9)) + np.pi / 2
        count = draw.choice((1, 2, 3)) if sort != "strawberry" else draw.integer((2, 4))
        size = draw.uniform(SORTS[sort].size_m)
        fruit: list[Body] = []
        for k in range(count):
            made = models.make(
                "fruit", variant=sort, seed=seed + k, size_m=size * draw.uniform((0.93, 1.05)), hue=hue, ripeness=start
            )
            turn = yaw + draw.uniform((-0.12, 0.12)) if sort == "banana" else draw.angle()
            fruit.append(
                draw.model(
                    made,
                    k + 1,
                    role="actor",
                    label=sort,
                    substance=substance(sort),
                    yaw_rad=turn,
                    materials=dressing(sort, seed),
                )
            )
        step = 0.215 * size if sort == "banana" else 0.0
        line = yaw if step else view.azimuth_rad + draw.uniform((-0.7, 0.7))
        bodies, along, aside = [], 0.0, np.array([-np.sin(line), np.cos(line)])
        for k, body in enumerate(fruit):
            radius = float(np.linalg.norm(body.size_m[:2])) / 2 * 0.82
            along += step if step and k else radius if k else 0.0
            at = along * aside + (0.0 if step else draw.uniform((-0.3, 0.3)) * radius) * np.array([aside[1], -aside[0]])
            along += 0.0 if step else radius + 0.004
            bodies.append(replace(body, position_m=(float(at[0]), float(at[1]), body.position_m[2])))
        bodies += draw.bystanders(bodies, draw.integer(self.num_bystanders), view=view)
        inputs = {"ripeness": ripe, "spotted_share": draw.event.uniform(SPOTTED[sort]) if spotted else 0.0}
        # Spots come within half the time that ripening takes.
        days = DAYS.get(sort, OTHER_DAYS) * (ripe - start + 0.5 * spotted)
        return draw.spec(
            self.name, bodies, camera=view, end_state="steady", duration_s=days * DAY_S, physics_s=0.05,
            inputs=tuple(inputs.items()),
        )  # fmt: skip

    def develop(self, rollout: Rollout, mesh_of: MeshOf) -> Rollout:
        spec = rollout.spec
        ripe, share, first = spec.input("ripeness"), spec.input("spotted_share"), spec.actor.model
        assert first is not None
        sort, start = SORTS[first.variant], first.number("ripeness")
        unripe_word, ripe_word = sort.names[int(first.number("hue")) % len(sort.names)]
        half = "dark green" if ripe_word == "dark brown" else f"half {ripe_word}"
        words = ((0.35, unripe_word), (0.82, half), (2.0, ripe_word))
        spot = palette.but(palette.skin("#4b2c12", "#2c170a", spots=0.6, scale_m=0.003), roughness=0.55)

        def ripened(body: Body, phase: float) -> Mesh:
            if phase == 0 or body.model is None:
                return mesh_of(body)
            return models.build(body.model.but(ripeness=between(start, ripe, phase)))

        def spotted(skin: Material, phase: float) -> Material:
            if phase == 0:
                return skin
            level = between(0.0, share, phase)
            layer = Layer(top=spot, field="spots", level=level, softness=0.02, rough=0.008, rough_m=0.0015)
            return palette.but(skin, layers=(layer,))

        for body in spec.bodies:
            if body.role != "actor":
                continue
            rollout = rollout.reshaped(body.id, partial(ripened, body))
            if share:
                rollout = rollout.resurfaced(body.id, partial(spotted, dict(body.materials)["skin"]), slot="skin")
        ripeness = quantity(
            "ripeness", lambda phase: between(start, ripe, phase), unit="", provenance="prescribed", words=words
        )
        spots = quantity("spotted_share", lambda phase: between(0.0, share, phase), unit="1", provenance="prescribed")
        return rollout.then(quantities=(ripeness, spots))

    phrases = Phrases(
        superficial=(
            "(ripeness ends above 0.82) [Ripen|Let nature ripen] {actor}.",
            "(ripeness ends above 0.82) [Let|Make] {actor} [ripen|get ripe|become ripe].",
            "(ripeness ends above 0.82) [Turn|Make] {actor} ripe.",
            "(ripeness ends above 0.82) Show {actor} [ripe|once ripe|after ripening].",
            "(ripeness ends below 0.82) [Ripen {actor} halfway|Let {actor} begin to ripen|Make {actor} half ripe].",
        ),
        intermediate=(
            "(spotted_share ends below 0.01) [Ripen {actor}|Let time ripen {actor}], so that the [skin|outside] [turns|goes] "
            "{ripeness.end word}.",
            "(spotted_share ends below 0.01) Let {actor} [ripen (ripeness ends above 0.82)|get ripe (ripeness ends above "
            "0.82)|ripen halfway (ripeness ends below 0.82)]: the colour [changes|goes] from {ripeness.start "
            "word} to {ripeness.end word}.",
            "(spotted_share rises) Let {actor} [ripen|become over-ripe], so that brown spots [appear on|come out on|dot] "
            "the {ripeness.end word} skin.",
            "(spotted_share rises) Let time ripen {actor} until the skin is {ripeness.end word} with [dark|brown] spots "
            "[all over|everywhere].",
        ),
        explicit=(
            "{actor} {ripens/ripen}: the [skin|outside] [turns|changes] from {ripeness.start word} to {ripeness.end word}<, "
            "and (spotted_share rises) brown spots cover {spotted_share.end} of it>; (everything else stays) everything "
            "else [stays as it is|stays the same].",
            "[After ripening|(ripeness ends above 0.82) Once ripe], {actor} {is/are} {ripeness.end word} [instead of|and no longer] "
            "{ripeness.start word}<, with brown spots (spotted_share rises) on {spotted_share.end} of the skin>; "
            "(everything else stays) nothing else [changes|is different].",
        ),
    )
