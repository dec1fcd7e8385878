"""A tall object is pushed near its top and falls over."""

from dataclasses import dataclass

import numpy as np

from simgen.core.geometry import Shape, direction, vec3
from simgen.core.spec import Push, SceneSpec
from simgen.scene.draw import Draw
from simgen.scene.registry import Phrases, Range, Scene, register


@register("topple")
@dataclass(frozen=True, kw_only=True)
class Topple(Scene):
    """A tall object is pushed near its top and falls over."""

    strength: Range = (1.3, 2.2)
    """The push, in multiples of the one that just lifts the centre of mass over the edge."""
    num_bystanders: tuple[int, int] = (0, 2)

    own_up_to_m = 1.2
    law = "torque and tipping"
    types = (23, 21)
    claims = ("actor toppled", "actor at rest")

    def sample(self, draw: Draw) -> SceneSpec:
        facing = draw.angle()
        view = draw.view(across_rad=facing, elevation_deg=(10.0, 30.0), margin=(0.2, 0.36))
        yaw = draw.angle()
        asset = draw.object(
            size_m=(0.07, 0.4),
            where=lambda a, shape: (
                a.size_m[2] > 0.06 and _tips(shape, facing - yaw) and _tips(shape, facing + np.pi - yaw)
            ),
        )
        heading = facing + draw.event.choice((0.0, np.pi)) + draw.event.uniform((-0.4, 0.4))
        rise, tilt = draw.shape(asset).tipping(heading - yaw)
        height = draw.shape(asset).support().height_m
        edge, top = height * np.tan(tilt), asset.bounds_m[1][2] * draw.event.uniform((0.6, 0.9))
        # About the edge L = J (h + top), and the energy L² / 2I must lift the centre of mass over it.
        extent = asset.size_m[2] ** 2 + min(asset.size_m[:2]) ** 2
        about_edge = asset.mass_kg * (extent / 12 + height**2 + edge**2)
        impulse = (
            draw.event.uniform(self.strength) * np.sqrt(2 * about_edge * asset.mass_kg * 9.81 * rise) / (height + top)
        )
        actor = draw.body(asset, 1, role="actor", yaw_rad=yaw)
        bodies = [actor]
        # It may fall either way.
        fallen = [vec3(side * 0.8 * asset.size_m[2] * direction(facing)) for side in (-1.0, 1.0)]
        bodies += draw.bystanders(bodies, draw.integer(self.num_bystanders), view=view, clear=fallen)
        push = Push(time_s=0.0, body=1, impulse_ns=vec3(impulse * direction(heading)), point_m=(0.0, 0.0, top))
        return draw.spec(self.name, bodies, camera=view, events=(push,))

    phrases = Phrases(
        superficial=(
            "[Knock|Push|Tip] {actor} over.",
            "[Knock|Push|Tip] over {actor}.",
            "[Topple {actor}|Make {actor} fall over|Make {actor} topple].",
        ),
        intermediate=(
            "[Knock|Push|Tip] {actor} over so that it [falls|topples] {fall direction} and [comes to rest|ends up] "
            "{pose}.",
            "[Push|Shove] {actor} near its top so that it [topples|falls over]< {fall direction}> and comes to rest< "
            "{pose}>.",
            "Make {actor} [topple|fall over]< {fall direction}>, coming to rest< {pose}> on {support}.",
        ),
        explicit=(
            "{actor} [tips over|topples|falls over]< {fall direction}><, (actor rolled) rolls on> and [comes to "
            "rest|ends up]< {pose}> on {support}<, {distance} from where it stood><, {beside}><; {others.outcome}><; "
            "(everything else stays) [everything else stays where it is|nothing else moves]>.",
            "Pushed near its top, {actor} [tips over|falls over]< {fall direction}> and now lies< {pose}>< "
            "{place}><; {others.outcome}><; (everything else stays) all else is unchanged>.",
        ),
    )


def _tips(shape: Shape, heading_rad: float) -> bool:
    """Stands by itself, and goes over at a tilt between 4 and 38 degrees."""
    rise, tilt = shape.tipping(heading_rad)
    return rise > 0.0005 and np.radians(4) < tilt < np.radians(38) and shape.support().tip_angle_rad > 0.04
