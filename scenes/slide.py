"""An object slides: down a ramp where friction lets it, or across the stage until friction stops it."""

from dataclasses import dataclass

import numpy as np

from simgen.core.assets import ObjectAsset
from simgen.core.geometry import direction, vec3
from simgen.core.spec import Body, Event, Push, Release, SceneSpec, Stage
from simgen.scene.draw import Draw, tilted
from simgen.scene.registry import Phrases, Range, Scene, register


@register("slide")
@dataclass(frozen=True, kw_only=True)
class Slide(Scene):
    """An object is let go on a ramp, or pushed along the stage; friction decides how far it goes."""

    ramp_probability: float = 0.5
    excess_deg: Range = (4.0, 14.0)
    """How much steeper than the friction angle the ramp is."""
    distance: Range = (0.8, 2.2)
    """How far a push carries it, in largest extents of the object."""
    onward: Range = (0.0, 1.2)
    """The same for the push with which it is let go on the ramp: how much further it gets."""
    num_bystanders: tuple[int, int] = (0, 2)

    law = "friction"
    types = (24,)
    claims = ("actor slid", "actor at rest")
    subject_size = (0.012, 0.4)

    def sample(self, draw: Draw) -> SceneSpec:
        facing = draw.angle()
        view = draw.view(across_rad=facing, elevation_deg=(16.0, 36.0))
        stage = draw.stage()
        asset = draw.object(
            size_m=(0.05, 0.3),
            where=lambda _, shape: shape.support().tip_angle_rad > 0.8 and shape.roll_axis() is None,
        )
        if draw.chance(self.ramp_probability):
            bodies, events = self._down_a_ramp(draw, asset, facing, stage)
        else:
            heading = facing + draw.event.choice((0.0, np.pi)) + draw.event.uniform((-0.4, 0.4))
            distance = draw.event.uniform(self.distance) * max(asset.size_m)
            speed = np.sqrt(2 * asset.friction * stage.friction * 9.81 * distance)
            events = (Push(time_s=0.0, body=1, impulse_ns=vec3(asset.mass_kg * speed * direction(heading))),)
            bodies = [draw.body(asset, 1, role="actor")]
            # It may go either way.
            far = self.distance[1] * max(asset.size_m)
            path = [vec3(share * far * direction(facing)) for share in (-1.0, -0.6, 0.6, 1.0)]
            bodies += draw.bystanders(bodies, draw.integer(self.num_bystanders), view=view, clear=path)
        return draw.spec(self.name, bodies, stage=stage, camera=view, events=events)

    def _down_a_ramp(
        self, draw: Draw, asset: ObjectAsset, heading: float, stage: Stage
    ) -> tuple[list[Body], tuple[Event, ...]]:
        """A board steeper than the angle at which the object begins to slide, tan μ, with the object held on it; it is
        let go with a push down the slope, which carries it so much further on the stage."""
        board = draw.choice([s for s in draw.catalog.surfaces if s.substance in ("wood", "stone", "concrete")])
        slope = np.arctan(asset.friction * board.friction) + np.radians(draw.uniform(self.excess_deg))
        length = 2.5 * max(asset.size_m[:2]) + 0.08
        width = 1.4 * max(asset.size_m[:2]) + 0.03
        ramp = draw.ramp(board, heading_rad=heading, slope_rad=float(slope), length_m=length, width_m=width)
        up = length - 0.75 * max(asset.size_m[:2])
        place = ramp.place(draw.shape(asset), up, tilted((0, 0, 1), draw.uniform((-0.2, 0.2))))
        actor = draw.body(asset, 1, role="actor", **place)
        onward = draw.event.uniform(self.onward) * max(asset.size_m)
        speed = np.sqrt(2 * asset.friction * stage.friction * 9.81 * onward)
        push = Push(time_s=0.0, body=1, impulse_ns=vec3(asset.mass_kg * speed * np.array(ramp.down)))
        return [actor, *ramp.bodies], (Release(time_s=0.0, body=1), push)

    phrases = Phrases(
        superficial=(
            "(actor started on stage) [Push|Slide|Shove] {actor} [across|along] {stage}.",
            "(actor started on props) [Let|Make] {actor} slide down {start support}.",
            "[Slide {actor}|Let {actor} slide|Make {actor} slide]< {direction}>.",
        ),
        intermediate=(
            "(actor started on stage) [Push|Shove|Nudge] {actor} so that it slides< {distance}>< {direction}> "
            "[and|until it] comes to rest.",
            "(actor started on props) [Let|Make] {actor} slide down {start support} and come to rest on {support}.",
            "[Let|Make] {actor} slide< {direction}> until friction [brings it to rest|stops it].",
        ),
        explicit=(
            "(actor started on stage) {actor} slides {distance}< {direction}> [across|along|over] {stage}, and "
            "friction [stops it|brings it to rest]<, {beside}><; (everything else stays) everything else stays where "
            "it is>.",
            "(actor started on props) {actor} slides {travel} down {start support}< {direction}> and [comes to "
            "rest|stops] on {support}<; (everything else stays) [everything else stays where it is|nothing else "
            "moves]>.",
            "{actor} slides< {travel}>< {direction}> and [stops|comes to rest] on {support}< {place}><; "
            "{others.outcome}><; (everything else stays) [nothing else moves|all else is unchanged]>.",
        ),
    )
