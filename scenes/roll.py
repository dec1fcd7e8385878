"""A round object is pushed and rolls until it comes to rest."""

from dataclasses import dataclass

import numpy as np

from simgen.core.geometry import Shape, direction, quat, quat_from_axis_angle, vec3
from simgen.core.spec import Push, SceneSpec
from simgen.core.vectors import IDENTITY, Quat
from simgen.scene.draw import Draw
from simgen.scene.registry import Phrases, Range, Scene, register


@register("roll")
@dataclass(frozen=True, kw_only=True)
class Roll(Scene):
    """A ball, or a can on its side, is pushed and rolls until it comes to rest."""

    distance: Range = (1.3, 3.0)
    """How far it is meant to roll, in largest extents of the object."""
    num_bystanders: tuple[int, int] = (0, 3)

    law = "rolling"
    types = (24, 23)
    claims = ("actor rolled", "actor at rest")
    subject_size = (0.012, 0.4)

    def sample(self, draw: Draw) -> SceneSpec:
        facing = draw.angle()
        view = draw.view(across_rad=facing, elevation_deg=(14.0, 34.0), margin=(0.12, 0.28))
        stage = draw.stage()
        asset = draw.object(size_m=(0.03, 0.3), where=lambda _, shape: _rolls(shape))
        axis = draw.shape(asset).roll_axis()
        # A can rolls straight ahead or back, a ball wherever it is pushed.
        aside = 0.3 if axis == -1 else 0.0
        heading = facing + draw.event.choice((0.0, np.pi)) + draw.event.uniform((-aside, aside))
        distance = draw.event.uniform(self.distance) * max(asset.size_m)
        # A push slides first and rolls once it has lost 2/7 (ball) to 1/3 (cylinder) of its speed; rolling
        # resistance c then stops it: v² = 2 a d with a = g c / (1.4 r).
        actor = draw.body(asset, 1, role="actor", orientation=_lying(axis), yaw_rad=facing)
        radius = min(asset.size_m) / 2
        slowing = 9.81 * actor.rolling_resistance_m * stage.friction / (1.4 * radius)
        speed = 1.4 * np.sqrt(2 * slowing * distance)
        bodies = [actor]
        # It may roll either way.
        path = tuple(
            vec3(side * share * self.distance[1] * max(asset.size_m) * direction(facing + turn))
            for side in (-1.0, 1.0)
            for share in (0.2, 0.4, 0.6, 0.8, 1.0)
            for turn in sorted({-aside, aside})
        )
        bodies += draw.bystanders(bodies, draw.integer(self.num_bystanders), view=view, clear=path)
        push = Push(time_s=0.0, body=1, impulse_ns=vec3(asset.mass_kg * speed * direction(heading)))
        return draw.spec(self.name, bodies, stage=stage, camera=view, events=(push,), duration_s=8.0)

    phrases = Phrases(
        superficial=(
            "[Roll|Push] {actor}< {direction}>.",
            "[Let|Make] {actor} roll< {direction}>.",
            "[Roll|Push] {actor} [across|along] {stage}.",
        ),
        intermediate=(
            "[Push|Nudge] {actor} so that it rolls< {distance}>< {direction}> and [comes to rest|stops].",
            "[Let|Make] {actor} roll< {direction}> [until it comes to rest|and come to rest]< {beside}>.",
            "[Push|Roll] {actor} [across|along] {stage} so that it comes to rest< {distance} from where it was>.",
        ),
        explicit=(
            "{actor} rolls< {distance}>< {direction}> [across|along|over] {stage}<, making {turns},> and [comes to "
            "rest|stops]< {place}><, {beside}><; {others.outcome}><; (everything else stays) everything else stays "
            "where it is>.",
            "After a push {actor} rolls {distance}< {direction}> and [comes to rest|stops] on {support}<; "
            "{others.outcome}><; (everything else stays) [nothing else moves|all else is unchanged]>.",
        ),
    )


def _rolls(shape: Shape) -> bool:
    """A ball, or something round that lies still on its side: its contact line reaches to both sides of its weight."""
    axis = shape.roll_axis()
    if axis is None or axis == -1:
        return axis == -1
    line = shape.support(_lying(axis)).polygon_m[:, 1]
    return bool(min(-line.min(), line.max()) > 0.2 * np.ptp(shape.points[:, axis]))


def _lying(axis: int | None) -> Quat:
    """The orientation in which the roll axis lies along y."""
    if axis == 0:
        return quat(quat_from_axis_angle((0, 0, 1), np.pi / 2))
    if axis == 2:
        return quat(quat_from_axis_angle((1, 0, 0), np.pi / 2))
    return IDENTITY
