"""One object falls and comes to rest, sometimes onto another."""

from dataclasses import dataclass

import numpy as np

from simgen.geometry import random_quat
from simgen.sampling import Draw, ref, tilted, top_m
from simgen.scene import Phrases, Range, Scene, register
from simgen.types import Release, SceneSpec


@register("drop")
@dataclass(frozen=True, kw_only=True)
class Drop(Scene):
    """An object hangs in the air, is let go, and comes to rest on the stage or on another object."""

    height: Range = (0.8, 2.2)
    """Free fall in largest extents of the object, at most 0.5 m."""
    onto_probability: float = 0.3
    """How often another object stands below."""
    tilt_deg: Range = (0.0, 40.0)
    """How far the object is turned from upright; one in five is turned any way."""
    num_bystanders: tuple[int, int] = (0, 2)

    law = "gravity"
    types = (21,)
    claims = ("actor dropped", "actor at rest")

    def sample(self, draw: Draw) -> SceneSpec:
        view, stage = draw.view(elevation_deg=(10.0, 30.0)), draw.stage()
        falling = draw.object(size_m=(0.05, 0.3))
        below = []
        if draw.chance(self.onto_probability):
            target = draw.object(
                without={ref(falling)},
                size_m=(0.08, 0.3),
                where=lambda _, shape: shape.support().tip_angle_rad > 0.3,
            )
            spot = draw.rng.uniform(-0.2, 0.2, size=2) * draw.footprint_m(target)
            below = [draw.body(target, 2, role="affected", at=spot)]
        ground_m = top_m(below[0], draw.shape(target)) if below else 0.0
        fall_m = min(draw.uniform(self.height) * max(falling.size_m), 0.5)
        axis = draw.angle()
        tilt = tilted((np.cos(axis), np.sin(axis), 0.0), np.radians(draw.uniform(self.tilt_deg)))
        orientation = random_quat(draw.rng) if draw.chance(0.2) else tilt
        actor = draw.body(falling, 1, role="actor", on_m=ground_m + fall_m, orientation=orientation)
        bodies = [actor, *below]
        bodies += draw.bystanders(bodies, draw.integer(self.num_bystanders), view=view)
        return draw.spec(self.name, bodies, stage=stage, camera=view, events=(Release(time_s=0.0, body=1),))

    phrases = Phrases(
        superficial=(
            "[Drop|Release|Let go of] {actor}.",
            "[Let|Make] {actor} [fall|drop].",
            "[Drop {actor}|Let {actor} fall] onto {support}.",
        ),
        intermediate=(
            "[Drop|Release|Let go of] {actor} so that it [falls|drops] and [comes to rest|ends up] {pose} on "
            "{support}.",
            "[Let|Make] {actor} fall< {drop height}><, (actor bounced) bounce> and come to rest on {support}.",
            "[Drop|Release] {actor}, letting gravity pull it down [onto|to] {support}<, where it ends up {pose}>.",
        ),
        explicit=(
            "{actor} [falls|drops]< {drop height}><, (actor bounced) bounces {bounces}> and [comes to rest|ends up]< "
            "{pose}> on {support}<, {beside}><; {others.outcome}><; [(everything else stays) everything else stays "
            "where it is|(everything else stays) nothing else moves]>.",
            "Once let go, {actor} [falls|drops]< {drop height}> and [lies|ends] on {support}<, [{pose}|{place}]><, "
            "{distance} over from where it hung, {direction}><; (everything else stays) all else is unchanged>.",
        ),
    )
