"""A support is taken away from under a tower or a bridge, and what stood on it falls."""

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np

from simgen.core.assets import ObjectAsset
from simgen.core.geometry import Shape, direction
from simgen.core.spec import Body, Remove, SceneSpec
from simgen.core.substances import SUBSTANCES
from simgen.scene.draw import GAP_M, Draw, ref, tilted
from simgen.scene.registry import Phrases, Range, Scene, register


@register("stack_collapse")
@dataclass(frozen=True, kw_only=True)
class StackCollapse(Scene):
    """A support is taken away from under a tower or a bridge, and what stood on it falls."""

    bridge_probability: float = 0.7
    """Where the support is slender enough for a pillar."""
    num_stacked: tuple[int, int] = (3, 4)
    """Objects on top of the support in a tower."""
    span: Range = (1.6, 2.6)
    """Between the pillars of a bridge, in widths of a pillar."""

    law = "equilibrium"
    types = (26,)
    claims = ("actor removed", "some affected fell")

    def sample(self, draw: Draw) -> SceneSpec:
        heading = draw.angle()
        support = draw.object(size_m=(0.035, 0.2), where=_carries)
        bridge = draw.chance(self.bridge_probability) and _is_tall(support)
        bodies = self._bridge(draw, support, heading) if bridge else self._tower(draw, support)
        view = draw.view(across_rad=heading, elevation_deg=(10.0, 28.0))
        taken = draw.event.choice(BRIDGE_LOSES if bridge else tuple(_lower(len(bodies))))
        bodies = [replace(body, role="actor" if body.id in taken else "affected") for body in bodies]
        events = tuple(Remove(time_s=0.0, body=number) for number in taken)
        return draw.spec(self.name, bodies, camera=view, events=events)

    def _tower(self, draw: Draw, support: ObjectAsset) -> list[Body]:
        bodies = [draw.body(support, 1, role="affected")]
        height, width = support.size_m[2] + 2 * GAP_M, min(support.size_m[:2])
        for k in range(draw.integer(self.num_stacked)):
            asset = draw.object(
                size_m=(0.03, 0.25),
                where=lambda a, shape, w=width: _carries(a, shape) and 0.5 * w < min(a.size_m[:2]) < 1.15 * w,  # type: ignore[misc]
            )
            spot = draw.rng.uniform(-0.06, 0.06, size=2) * width
            bodies.append(draw.body(asset, k + 2, role="affected", at=spot, on_m=height))
            height, width = height + asset.size_m[2] + 2 * GAP_M, min(width, *asset.size_m[:2])
        return bodies

    def _bridge(self, draw: Draw, pillar: ObjectAsset, heading: float) -> list[Body]:
        """Two equal pillars, a plank across and something on it."""
        width = max(pillar.size_m[:2])
        span = draw.uniform(self.span) * width + width
        side = span / 2 * direction(heading)
        surface = draw.choice([s for s in draw.catalog.surfaces if s.substance == "wood"])
        size = (span + 1.3 * width, 0.8 * width + 0.01, 0.012)
        plank = Body(
            id=3,
            shape="box",
            size_m=size,
            label="wooden plank",
            role="affected",
            position_m=(0.0, 0.0, pillar.size_m[2] + 2 * GAP_M + size[2] / 2),
            quaternion=tilted((0, 0, 1), heading),
            mass_kg=SUBSTANCES["oak"].density_kgpm3 * float(np.prod(size)),
            substance="oak",
            friction=surface.friction,
            restitution=0.3,
            material=surface.material,
            surface=ref(surface),
        )
        top = pillar.size_m[2] + size[2] + 3 * GAP_M
        load = draw.object(
            size_m=(0.03, 1.3 * span), where=lambda a, s: _stands(a, s) and min(a.size_m[:2]) < 1.2 * size[1]
        )
        spot = draw.uniform((-0.2, 0.2)) * span * direction(heading)
        return [
            draw.body(pillar, 1, role="affected", at=side[:2]),
            draw.body(pillar, 2, role="affected", at=-side[:2]),
            plank,
            draw.body(load, 4, role="affected", at=spot[:2], on_m=top),
        ]

    phrases = Phrases(
        superficial=(
            "[Remove|Take away|Take out|Pull out] {actor}.",
            "(others started over actor) [[Take|Pull] {actor} out|Remove {actor}|Take {actor} away] from under "
            "{others}.",
        ),
        intermediate=(
            "[Remove|Take away|Take out|Pull out] {actor} so that [{others} {falls/fall} (all others fell)|what it "
            "carried falls (some others started over actor)].",
            "[Remove|Take away] {actor} so that the [stack|pile] [collapses|comes apart] (some others turned over).",
            "(others started over actor) [Remove|Take away] {actor}, so that {others} {loses its/lose their} "
            "support< and {falls/fall} (all others fell)>.",
            "(some others started over actor) [Take away|Pull out] {actor} and let [what stood on it|what it "
            "carried] fall< onto {others.support}>.",
        ),
        explicit=(
            "With {actor} [gone|taken away|removed], {others.outcome}<; (everything else stays) [everything else "
            "stays where it is|nothing else moves]>.",
            "{actor} is [removed|taken away]; {others} {falls/fall} (all others fell) and {comes/come} to rest "
            "(others at rest)< on {others.support}>< {others.pose}><; (everything else stays) everything else stays "
            "where it is>.",
            "(others started over actor) Without {actor}, what it carried [falls|comes down]: {others.outcome}<; "
            "(everything else stays) [nothing else moves|all else is unchanged]>.",
            "(others started over actor) {actor} is [removed|taken away], and {others}, no longer supported, "
            "{comes/come} to rest (others at rest)< {others.pose}>< on {others.support}>.",
        ),
    )


BRIDGE_LOSES = ((1,), (2,), (3,), (1, 2), (1, 3), (2, 3))
"""A pillar, the plank, or two of the three at once."""


def _lower(count: int) -> Iterator[tuple[int, ...]]:
    """One or two of a tower, whatever still has something on top that comes down."""
    for number in range(1, count):
        yield (number,)
        yield from ((number, other) for other in range(number + 1, count))


def _stands(_: ObjectAsset, shape: Shape) -> bool:
    return shape.support().tip_angle_rad > 0.3


def _carries(asset: ObjectAsset, shape: Shape) -> bool:
    """Stands, is tall enough for a visible fall, and has a flat closed top that reaches nearly to its sides."""
    return _stands(asset, shape) and asset.size_m[2] > 0.022 and shape.top_margin_m() > 0.3 * min(asset.size_m[:2])


def _is_tall(asset: ObjectAsset) -> bool:
    """So tall that a plank that loses it visibly comes down."""
    return asset.size_m[2] > max(0.045, 0.6 * max(asset.size_m[:2]))
