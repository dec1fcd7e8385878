"""A row of dominoes: one is tipped, those before it follow."""

from dataclasses import dataclass

import numpy as np

from simgen.core.geometry import direction, vec3
from simgen.core.spec import Push, SceneSpec
from simgen.scene.draw import Draw
from simgen.scene.registry import Phrases, Range, Scene, register


@register("domino")
@dataclass(frozen=True, kw_only=True)
class Domino(Scene):
    """Standing tiles in a line or a curve; one is tipped and each knocks over the next, up to the end of the row."""

    num_tiles: tuple[int, int] = (4, 9)
    spacing: Range = (0.45, 0.75)
    """Between neighbours, in heights of a tile."""
    bend_deg: Range = (-14.0, 14.0)
    """Change of direction from tile to tile."""
    scale: Range = (1.0, 1.6)
    strength: Range = (1.5, 2.5)
    inner_probability: float = 0.4
    """How often it is not a tile at an end that is tipped."""

    law = "chain reaction"
    types = (21,)
    claims = ("actor toppled", "some affected toppled")

    def sample(self, draw: Draw) -> SceneSpec:
        heading = draw.angle()
        bend = np.radians(draw.uniform(self.bend_deg)) if draw.chance(0.6) else 0.0
        num, scale = draw.integer(self.num_tiles), draw.uniform(self.scale)
        first = draw.object(kinds=("domino",))
        tiles = [first]
        if draw.chance(0.5):
            tiles = [a for a in draw.fitting(kinds=("domino",)) if a.size_m == first.size_m]
        height, thick = first.size_m[2] * scale, min(first.size_m[:2]) * scale
        # Tiles stand with their thin side along the row; which axis that is the asset says.
        thin = 0.0 if first.size_m[0] < first.size_m[1] else np.pi / 2
        step, spots, spot = draw.uniform(self.spacing) * height + thick, [], np.zeros(3)
        for k in range(num):
            spots.append((spot, heading + k * bend))
            spot = spot + step * direction(heading + (k + 0.5) * bend)
        middle = np.mean([place for place, _ in spots], axis=0)
        # Tile, and the way it is tipped: along the row or back.
        ends, inner = [(0, 1), (num - 1, -1)], [(k, way) for k in range(1, num - 1) for way in (1, -1)]
        tipped, way = draw.event.choice(inner if draw.event.chance(self.inner_probability) and inner else ends)
        bodies = []
        for k, (place, facing) in enumerate(spots):
            asset = tiles[k % len(tiles)]
            body = draw.body(
                asset,
                k + 1,
                role="actor" if k == tipped else "affected",
                at=(place - middle)[:2],
                yaw_rad=facing + thin,
                scale=scale,
                rolling_resistance_m=0.0,
            )
            bodies.append(body)
        # The push that just tips a tile over its edge (see topple), times the drawn strength.
        mass = bodies[0].mass_kg
        about_edge = mass * (height**2 + thick**2) / 3
        lift_j = mass * 9.81 * (np.hypot(height, thick) - height) / 2
        impulse = draw.uniform(self.strength) * np.sqrt(2 * about_edge * lift_j) / (0.9 * height)
        to = way * impulse * direction(spots[tipped][1])
        push = Push(time_s=0.0, body=tipped + 1, impulse_ns=vec3(to), point_m=(0.0, 0.0, 0.4 * height))
        view = draw.view(across_rad=heading + bend * num / 2, elevation_deg=(18.0, 40.0), margin=(0.06, 0.16))
        return draw.spec(self.name, bodies, camera=view, events=(push,))

    phrases = Phrases(
        superficial=(
            "[Tip|Push|Knock] {actor} over.",
            "[Tip|Push|Knock] over {actor}.",
            "[Topple {actor}|Make {actor} fall over|Set the row falling, beginning with {actor}].",
        ),
        intermediate=(
            "[Tip|Push|Knock] {actor} over so that {count} fall.",
            "[Tip|Push|Knock] over {actor} so that {fallen} {falls/fall}<, (pieces fell in turn) one after the other>.",
            "[Topple|Knock over] {actor}<, (pieces fell in turn) starting a chain> so that {others} {falls/fall} "
            "(all others fell).",
        ),
        explicit=(
            "{actor} [falls over|topples]< {fall direction}> and [knocks over|takes along] {others} "
            "(all others fell)<, (pieces fell in turn) one after the other><; (everything else stays) [everything "
            "else stays where it is|nothing else moves]>.",
            "{actor} [tips over|topples|falls]< {fall direction}>, [each one knocks over the next "
            "(pieces fell in turn)|the others follow (pieces fell)] and {count} lie fallen<; (everything else stays) "
            "everything else stays where it is>.",
            "Once {actor} [topples|falls over]< {fall direction}>, {count} fall<, (pieces fell in turn) one after "
            "the other><; (everything else stays) [everything else stays where it is|nothing else moves]>.",
            "{fallen} {falls/fall}<, (pieces fell in turn) one after the other>, beginning with {actor}<, which "
            "falls {fall direction}><; (everything else stays) [nothing else moves|all else is unchanged]>.",
        ),
    )
