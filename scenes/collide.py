"""One body is sent into another."""

from dataclasses import dataclass

import numpy as np

from simgen.core.geometry import direction, quat_angle, vec3
from simgen.core.rollout import Rollout
from simgen.core.spec import Push, SceneSpec
from simgen.scene.draw import Draw, ref
from simgen.scene.registry import Phrases, Range, Scene, register


@register("collide")
@dataclass(frozen=True, kw_only=True)
class Collide(Scene):
    """A ball or a sliding object strikes one that stands in its way, and momentum passes on."""

    ball_probability: float = 0.6
    gap: Range = (0.8, 1.8)
    """Free distance before the impact, in largest extents of the striking object."""
    speed_mps: Range = (0.7, 1.5)
    """Of the striking object when it sets off."""
    offset: Range = (-0.3, 0.3)
    """How far to the side of the other's centre it starts, in half widths of the other."""
    aim: Range = (-0.5, 0.5)
    """How far off centre it is sent, in the same."""
    num_bystanders: tuple[int, int] = (0, 2)
    least_shift: float = 0.3
    """How far what is struck goes, in its largest extent, unless it is turned or hardly moves."""

    law = "conservation of momentum"
    types = (19,)
    claims = ("actor struck affected", "actor moved")

    def sample(self, draw: Draw) -> SceneSpec:
        facing = draw.angle()
        view = draw.view(across_rad=facing, elevation_deg=(14.0, 34.0))
        stage = draw.stage()
        ball = draw.chance(self.ball_probability)
        striker = draw.object(
            size_m=(0.04, 0.2),
            where=lambda _, shape: (
                (shape.roll_axis() == -1) == ball and shape.support().tip_angle_rad > (-2 if ball else 0.6)
            ),
        )
        # Something of a like mass, so that both visibly change: a marble does not move a dictionary.
        struck = draw.object(
            without={ref(striker)},
            size_m=(0.04, 0.25),
            where=lambda a, shape: 0.25 < a.mass_kg / striker.mass_kg < 4 and shape.support().tip_angle_rad > 0.1,
        )
        reach = draw.footprint_m(striker) + draw.footprint_m(struck)
        gap = draw.uniform(self.gap) * max(striker.size_m)
        along, across, half = direction(facing), direction(facing + np.pi / 2), min(struck.size_m[:2]) / 2
        spot = -(reach + gap) * along + draw.uniform(self.offset) * half * across
        way = draw.event.uniform(self.aim) * half * across - spot
        # What friction takes on the way is added, so that the impact has about the drawn speed.
        drag = 0.0 if ball else striker.friction * stage.friction
        speed = np.sqrt(draw.event.uniform(self.speed_mps) ** 2 + 2 * drag * 9.81 * gap)
        bodies = [draw.body(striker, 1, role="actor", at=spot[:2]), draw.body(struck, 2, role="affected")]
        path = tuple(vec3(share * along) for share in (-0.3, -0.15, 0.15, 0.3, 0.45))
        bodies += draw.bystanders(bodies, draw.integer(self.num_bystanders), view=view, clear=path)
        push = Push(time_s=0.0, body=1, impulse_ns=vec3(striker.mass_kg * speed * way / np.linalg.norm(way)))
        return draw.spec(self.name, bodies, stage=stage, camera=view, events=(push,), duration_s=8.0)

    def reject(self, rollout: Rollout) -> str | None:
        """What is struck goes visibly or hardly at all: of what lies between, nobody could say which it was."""
        struck, track = rollout.spec.body(2), rollout.poses(2)
        ends = rollout.start_index, rollout.end_index
        way_m = float(np.linalg.norm(np.subtract(*(track.position_m[k] for k in ends))))
        turned = float(quat_angle(*(track.quaternion[k] for k in ends)))
        least_m = self.least_shift * max(struck.size_m)
        if 0.005 < way_m < least_m and turned < 0.5:
            return f"what was struck moved by {100 * way_m:.1f} cm only"
        return None

    phrases = Phrases(
        superficial=(
            "[Push|Send] {actor} into {struck}.",
            "[Make|Let] {actor} [hit|strike|bump into|run into] {struck}.",
        ),
        intermediate=(
            "(struck moved) [Push|Send] {actor} into {struck} so that {struck} [rolls (struck rolled)< "
            "{struck.direction}>|slides (struck slid)< {struck.direction}>|falls over (struck toppled)< "
            "{struck.fall direction}>|is pushed< {struck.direction}>].",
            "(struck moved) [Make|Let] {actor} [hit|strike] {struck}, [knocking it over (struck toppled)< "
            "{struck.fall direction}>|(no struck toppled) knocking it away< {struck.direction}>].",
            "(struck moved) [Make|Let] {actor} [strike|bump into] {struck} and set it moving< {struck.direction}>.",
            "(no struck moved) [Push|Send] {actor} into {struck}, which hardly [moves|gives way].",
        ),
        explicit=(
            "{actor} [rolls (actor rolled)|slides (actor slid)|moves] [into|up to and hits] {struck}<[ "
            "(actor rebounded) and rebounds| (actor stopped dead) and stops there]>; {others.outcome}<; "
            "(everything else stays) everything else stays where it is>.",
            "(struck moved) {actor} [hits|strikes|runs into] {struck}< and (actor at rest) comes to rest< {distance} "
            "from where it was>>; {others.outcome}<; (everything else stays) nothing else moves>.",
            "(struck moved) {actor} [hits|strikes] {struck} and pushes it [aside|away]< {struck.direction}><; "
            "(actor at rest) both come to rest (struck at rest)>.",
            "(struck moved) {actor} [hits|strikes] {struck}, which {struck.does}<, ending up {struck.beside}><; "
            "(everything else stays) everything else stays where it is>.",
            "(no struck moved) {actor} [rolls (actor rolled)|slides (actor slid)|moves]< {distance}>< {direction}>, "
            "[hits|strikes] {struck}<, (actor rebounded) rebounds> and (actor at rest) comes to rest; {struck} "
            "hardly moves.",
        ),
    )
