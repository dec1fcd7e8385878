"""One object falls and comes to rest, sometimes onto another."""

from dataclasses import dataclass

import numpy as np

from simgen.core.geometry import random_quat
from simgen.core.motion import thrown
from simgen.core.rollout import Rollout
from simgen.core.spec import Event, Release, SceneSpec
from simgen.scene.draw import Draw, ref, tilted, top_m
from simgen.scene.registry import MeshOf, Phrases, Range, Scene, register


@register("drop")
@dataclass(frozen=True, kw_only=True)
class Drop(Scene):
    """An object hangs in the air, is let go or thrown, and comes to rest on the stage or on another object."""

    height: Range = (0.8, 2.2)
    """Free fall in largest extents of the object, at most 0.5 m."""
    onto_probability: float = 0.3
    """How often another object stands below."""
    tilt_deg: Range = (0.0, 40.0)
    """How far the object is turned from upright; one in five is turned any way."""
    throw_probability: float = 0.6
    """How often it is not just let go but given a push to one side."""
    throw_mps: Range = (0.25, 0.65)
    num_bystanders: tuple[int, int] = (0, 2)

    own_up_to_m = 1.2
    law = "gravity"
    types = (21,)
    claims = ("actor dropped", "actor at rest")
    quantities = ("throw_speed", "throw_side")
    subject_size = (0.02, 0.4)

    def sample(self, draw: Draw) -> SceneSpec:
        view, stage = draw.view(elevation_deg=(10.0, 30.0)), draw.stage()
        # A screwdriver would be a line in the picture, with all the way that it falls in it.
        falling = draw.object(size_m=(0.05, 0.3), where=lambda a, _: sorted(a.size_m)[1] > 0.3 * max(a.size_m))
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
        events: list[Event] = [Release(time_s=0.0, body=1)]
        if draw.event.chance(self.throw_probability):
            events.append(draw.event.throw(actor, self.throw_mps, view=view))
        return draw.spec(self.name, bodies, stage=stage, camera=view, events=tuple(events))

    def develop(self, rollout: Rollout, mesh_of: MeshOf) -> Rollout:
        return rollout.then(quantities=thrown(rollout.spec))

    phrases = Phrases(
        superficial=(
            "(throw_speed ends below 0.01) [Drop|Release|Let go of] {actor}.",
            "(throw_speed ends below 0.01) [Let|Make] {actor} [fall|drop].",
            "(throw_speed ends below 0.01) [Drop {actor}|Let {actor} fall] onto {support}.",
            "(throw_speed rises) [Toss|Throw] {actor} {throw_speed.end word} {throw_side.end word}.",
        ),
        intermediate=(
            "(throw_speed rises) [Toss|Throw] {actor} {throw_speed.end word} {throw_side.end word} so that it [falls|drops] and [comes to rest|ends up] "
            "{pose} on {support}.",
            "(throw_speed rises) [Toss|Throw] {actor} {throw_speed.end word} {throw_side.end word}, so that it (actor dropped) lands on {support}<, "
            "{distance} over from where it hung>.",
            "(throw_speed ends below 0.01) [Drop|Release|Let go of] {actor} so that it [falls|drops] and [comes to rest|ends up] {pose} on "
            "{support}.",
            "(throw_speed ends below 0.01) [Let|Make] {actor} fall< {drop height}><, (actor bounced) bounce> and come to rest on {support}.",
            "(throw_speed ends below 0.01) [Drop|Release] {actor}, letting gravity pull it down [onto|to] {support}<, where it ends up {pose}>.",
        ),
        explicit=(
            "(throw_speed rises) Thrown {throw_speed.end word} {throw_side.end word}, {actor} [falls|drops]< {drop height}> and [comes to rest|ends "
            "up]< {pose}> on {support}<, {distance} over from where it hung><, {beside}><; (everything else "
            "stays) all else is unchanged>.",
            "(throw_speed ends below 0.01) {actor} [falls|drops]< {drop height}><, (actor bounced) bounces {bounces}> and [comes to rest|ends up]< "
            "{pose}> on {support}<, {beside}><; {others.outcome}><; [(everything else stays) everything else stays "
            "where it is|(everything else stays) nothing else moves]>.",
            "(throw_speed ends below 0.01) Once let go, {actor} [falls|drops]< {drop height}> and [lies|ends] on {support}<, [{pose}|{place}]><, "
            "{distance} over from where it hung, {direction}><; (everything else stays) all else is unchanged>.",
        ),
    )
