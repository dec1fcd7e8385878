"""A ball strikes something brittle, which goes to pieces."""

from dataclasses import dataclass, replace

import numpy as np

from simgen.core.geometry import direction, quat, quat_conjugate, quat_multiply, quat_rotate, vec3
from simgen.core.rollout import Quantity, Rollout
from simgen.core.spec import Body, Break, Event, Push, Release, SceneSpec
from simgen.core.substances import SUBSTANCES
from simgen.core.vectors import IDENTITY, Floats
from simgen.procedural import models, palette
from simgen.procedural.models import fragments
from simgen.procedural.models.vessels import clothing, wall_mm
from simgen.scene.draw import GAP_M, Draw
from simgen.scene.registry import MeshOf, Phrases, Range, Scene, register

LYING = ("plate", "tile", "cookie", "chocolate", "bowl")
STANDING = ("tile", "tile", "vase", "urn", "flask", "pitcher", "jar", "mug", "tumbler", "pot")
BALLS = (("steel", "#b9bcc0", "metal"), ("stone", "#85827c", "stone"), ("brass", "#c99b4a", "metal"))
COUNTS = ((3.0, "two"), (9.0, "a few"), (16.0, "a dozen or so"), (28.0, "about two dozen"), (99.0, "dozens of"))
"""Number of pieces, and what one calls it."""
FALLS = ((1.2, "gently"), (1.8, "firmly"), (99.0, "hard"))
ROLLS = ((1.45, "slowly"), (1.75, "quickly"), (99.0, "fast"))
"""How the ball is thrown down, and how it is sent off, by its speed in m/s."""


@register("break_apart")
@dataclass(frozen=True, kw_only=True)
class BreakApart(Scene):
    """A heavy ball falls onto a plate, a tile or a cookie, or rolls into a standing tile or a vase, and breaks it."""

    falling_probability: float = 0.5
    speed_mps: Range = (1.2, 2.0)
    """Of a ball that rolls, when it sets off."""
    height_m: Range = (0.12, 0.25)
    """Of a ball that falls, above what it falls on."""
    thrown_mps: Range = (0.5, 2.5)
    """Of one that is not just let go but thrown down, at first."""
    thrown_probability: float = 0.5
    aim_rad: Range = (-0.2, 0.2)
    """How far to the side a ball that rolls is sent."""
    cells: tuple[int, int] = (9, 24)
    few: tuple[int, int] = (4, 9)
    """Pieces of what breaks like a cookie."""

    law = "brittle fracture under a blow"
    types = (13, 28)
    claims = ("struck broke", "actor struck affected")
    quantities = ("fragments", "mass", "ball_speed")
    subject_size = (0.04, 0.5)
    changed_share = 0.75

    def sample(self, draw: Draw) -> SceneSpec:
        falling = draw.chance(self.falling_probability)
        view = draw.view(elevation_deg=(26.0, 46.0) if falling else (14.0, 30.0), margin=(0.06, 0.14))
        # A ball that rolls comes past the camera, on its left or its right.
        heading = view.azimuth_rad + np.pi + draw.choice((-1.0, 1.0)) * draw.uniform((0.5, 1.1))
        kind = draw.choice(LYING if falling else STANDING)
        label, substance, material, slots = clothing(kind, draw.rng)
        small = {"cookie": 1.25, "chocolate": 1.0}.get(kind, 0.9)
        whole = models.make(
            "vessel", variant=kind, seed=draw.seed(), wall_mm=wall_mm(kind), scale=small * draw.uniform((0.9, 1.1))
        )
        points = models.build(whole).vertices_m
        pose = (float(np.sqrt(0.5)), -float(np.sqrt(0.5)), 0.0, 0.0) if falling and kind == "tile" else IDENTITY
        # A standing tile shows its glazed side to the ball, give or take.
        turn = heading - np.pi / 2 + draw.uniform((-0.3, 0.3)) if kind == "tile" else draw.angle()
        yaw = (float(np.cos(turn / 2)), 0.0, 0.0, float(np.sin(turn / 2)))
        pose = yaw if pose == IDENTITY else quat(quat_multiply(yaw, pose))
        low = quat_rotate(pose, points)
        target = draw.model(
            whole, 2, role="affected", label=label, substance=substance, static=False, material=material,
            materials=tuple(slots.items()), quaternion=pose, restitution=0.2,
            position_m=(0.0, 0.0, GAP_M - float(low[:, 2].min())),
        )  # fmt: skip
        ball = self.ball(draw, target, grip=0.04 if falling else 0.2)
        radius, top = ball.size_m[0] / 2, float(np.ptp(low[:, 2]))
        reach = float(np.abs(low @ direction(heading)).max())
        give: list[Event]
        if falling:
            spot = 0.35 * reach * draw.uniform((0.0, 1.0)) * direction(draw.angle())
            above = (0.0 if kind == "bowl" else top) + radius + draw.uniform(self.height_m)
            ball = replace(ball, position_m=vec3(spot + np.array([0.0, 0.0, above])))
            give, blow = [Release(time_s=0.0, body=1)], np.array([*spot[:2], top])
            if draw.event.chance(self.thrown_probability):
                # Down, and to one side as far as the middle of what it falls on is wide.
                speed, drift = draw.event.uniform(self.thrown_mps), draw.event.uniform((0.0, 0.3)) * reach
                fall = (above - radius - top) / max(speed, 0.5)
                velocity = drift / fall * direction(draw.event.angle()) - [0.0, 0.0, speed]
                give.append(Push(time_s=0.0, body=1, impulse_ns=vec3(ball.mass_kg * velocity)))
        else:
            start = -(reach + radius + draw.uniform((0.04, 0.14))) * direction(heading)
            start = start + draw.uniform((-0.25, 0.25)) * reach * direction(heading + np.pi / 2) * (kind == "tile")
            ball = replace(ball, position_m=vec3(start + np.array([0.0, 0.0, radius + GAP_M])))
            speed, way = draw.event.uniform(self.speed_mps), heading + draw.event.uniform(self.aim_rad)
            give = [Push(time_s=0.0, body=1, impulse_ns=vec3(ball.mass_kg * speed * direction(way)))]
            blow = -reach * direction(heading) + [0.0, 0.0, radius]
        shards = self.shards(draw, target, quat_rotate(quat_conjugate(pose), blow - np.array(target.position_m)))
        snap = Break(
            time_s=0.0, body=2, into=tuple(b.id for b in shards), min_impulse_ns=max(0.25 * target.mass_kg, 0.02)
        )
        return draw.spec(
            self.name, [ball, target, *shards], camera=view, duration_s=6.0, events=(*give, snap),
        )  # fmt: skip

    def ball(self, draw: Draw, target: Body, *, grip: float) -> Body:
        word, color, substance = draw.choice(BALLS)
        diameter = float(np.clip(draw.uniform((0.24, 0.34)) * max(target.size_m), 0.036, 0.066))
        stuff = SUBSTANCES[substance]
        look = palette.stone(color, seed=draw.seed()) if word == "stone" else palette.metal(color, roughness=0.18)
        return Body(
            id=1, shape="ball", size_m=(diameter,) * 3, label=f"{word} ball", role="actor", position_m=(0.0, 0.0, 0.0),
            mass_kg=np.pi / 6 * diameter**3 * stuff.density_kgpm3, friction=stuff.friction, restitution=0.3,
            rolling_resistance_m=grip * diameter, substance=substance, material=look,
        )  # fmt: skip

    def shards(self, draw: Draw, whole: Body, blow_m: Floats) -> list[Body]:
        assert whole.model is not None
        crisp = whole.model.variant in ("cookie", "chocolate")
        crack = fragments.cracked(
            whole.model, cells=draw.integer(self.few if crisp else self.cells), seed=draw.seed(), blow_m=blow_m,
            dense=draw.uniform((1.6, 3.0)), reach_m=0.8 * max(whole.size_m),
            rough_m=0.0 if whole.substance == "glass" else draw.uniform((0.002, 0.005)),
        )  # fmt: skip
        return fragments.bodies(whole, crack, first_id=3, restitution=0.25, rolling_resistance_m=0.003)

    def develop(self, rollout: Rollout, mesh_of: MeshOf) -> Rollout:
        spec = rollout.spec
        down = any(isinstance(event, Release) for event in spec.events)
        push = next((event for event in spec.events if isinstance(event, Push)), None)
        speed = float(np.linalg.norm(push.impulse_ns)) / spec.body(1).mass_kg if push else 0.0
        sent = Quantity(
            name="ball_speed", start=0.0, end=speed, unit="m/s", provenance="prescribed", words=FALLS if down else ROLLS
        )  # fmt: skip
        return rollout.then(quantities=(*fragments.counted(rollout, 2, words=COUNTS), sent))

    phrases = Phrases(
        superficial=(
            "(actor dropped; ball_speed ends below 0.01) [Drop {actor} so that it breaks|Let {actor} fall and break] {struck}.",
            "(actor dropped; ball_speed rises) Throw {actor} {ball_speed.end word} down onto {struck} and break it.",
            "(no actor dropped) [Roll|Send] {actor} {ball_speed.end word} into {struck} [and break it|so that it breaks].",
            "[Break|Smash] {struck} with {actor}.",
        ),
        intermediate=(
            "(actor dropped; ball_speed rises) Throw {actor} {ball_speed.end word} down onto {struck} so that the "
            "[blow|impact] [breaks|shatters|smashes] it into {fragments.end word} pieces.",
            "(actor dropped; ball_speed ends below 0.01) [Drop|Release] {actor} onto {struck} so that the [blow|impact] [breaks|shatters|smashes] it "
            "into {fragments.end word} pieces.",
            "(no actor dropped) [Send|Push] {actor} {ball_speed.end word} into {struck} so that the [blow|impact] [breaks|shatters|smashes] it "
            "into {fragments.end word} pieces.",
            "[Make|Let] {actor} [hit|strike] {struck}, which [breaks|shatters] into {fragments.end word} pieces.",
        ),
        explicit=(
            "{actor} [hits|strikes] {struck}, which [breaks|shatters|smashes] under the blow; {fragments.end word} pieces "
            "lie [around|about] where it [was|stood]<; (everything else stays) everything else stays where it is>.",
            "(actor dropped; ball_speed rises) Thrown down {ball_speed.end word}, {actor} [falls|drops]< {drop height}> onto "
            "{struck} and [breaks|smashes] it: {fragments.end word} pieces with [fresh|raw] edges lie [spread|scattered] on "
            "{stage}.",
            "(actor dropped; ball_speed ends below 0.01) {actor} [falls|drops]< {drop height}> onto {struck} and [breaks|smashes] it: "
            "{fragments.end word} pieces with [fresh|raw] edges lie [spread|scattered] on {stage}.",
            "(no actor dropped) {actor} [runs|knocks] into {struck} and [breaks|smashes] it: {fragments.end word} pieces "
            "with [fresh|raw] edges lie [spread|scattered] on {stage}.",
        ),
    )
