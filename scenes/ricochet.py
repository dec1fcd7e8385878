"""A ball wet with paint rolls against a wall at an angle, bounces off and goes on in another direction.

Start and end alone would not tell a bounce from a curve: the paint draws the way it took, bend and all.
"""

from dataclasses import dataclass, replace

import numpy as np

from simgen.core.geometry import direction, quat, quat_from_axis_angle, vec3
from simgen.core.mesh import Mesh
from simgen.core.rollout import Contact, Quantity, Rollout, quantity
from simgen.core.spec import Push, SceneSpec
from simgen.procedural import palette
from simgen.procedural.models import build, make, volume_m3
from simgen.procedural.models.forms import moved
from simgen.procedural.models.trail import dab, wet_line
from simgen.scene.draw import Draw, ref
from simgen.scene.registry import MeshOf, Phrases, Range, Scene, register

WALL_ID, PAINT_ID = 2, 3
PAINTS = {
    "red": "#b3231c",
    "blue": "#1f4fa3",
    "green": "#1e7a3c",
    "black": "#1b1c1f",
    "purple": "#6a2f8f",
    "brown": "#6b3a1d",
}


@register("ricochet")
@dataclass(frozen=True, kw_only=True)
class Ricochet(Scene):
    """A ball is rolled against a low wall that stands slantwise in its way, bounces off and rolls on to one side."""

    incidence_deg: Range = (30.0, 58.0)
    """Between the ball's way and the wall's normal."""
    gap: Range = (0.9, 1.4)
    """From where it lies straight to the wall, in diameters."""
    onward: Range = (1.0, 2.2)
    """How far it rolls on, in diameters, if the wall takes half of its speed."""

    law = "impact and restitution"
    types = (19, 24)
    claims = ("actor moved", "actor at rest")
    quantities = ("deflection", "paint_volume")
    subject_size = (0.012, 0.35)

    def sample(self, draw: Draw) -> SceneSpec:
        facing = draw.angle()
        stage = draw.pale_stage(("table", "sweep", "floor"))
        asset = draw.object(size_m=(0.035, 0.16), where=lambda _, shape: shape.roll_axis() == -1)
        radius, normal = max(asset.size_m) / 2, -direction(facing)
        height, depth = draw.uniform((1.1, 2.0)) * radius, draw.uniform((0.5, 1.2)) * radius
        surface = draw.choice([s for s in draw.catalog.surfaces if s.substance in ("wood", "stone", "concrete")])
        wall = draw.box(
            (depth, draw.uniform((11.0, 14.0)) * radius, height),
            WALL_ID,
            role="bystander",
            label="low wall",
            substance=surface.substance,
            position_m=vec3(-normal * (radius + depth / 2) + [0.0, 0.0, height / 2]),
            quaternion=quat(quat_from_axis_angle((0, 0, 1), float(np.arctan2(normal[1], normal[0])))),
            friction=surface.friction,
            restitution=surface.restitution,
            material=surface.material,
            surface=ref(surface),
        )
        gap = draw.uniform(self.gap) * 2 * radius
        color = draw.choice(sorted(PAINTS))
        paint = palette.plastic(PAINTS[color], roughness=0.12)
        ball = draw.body(asset, 1, role="actor", at=(gap * normal)[:2], label=f"{color} ball", material=paint)
        pool = make("puddle", seed=draw.seed(), volume_m3=0.07 * radius**3, contact_deg=70.0, thickness_m=0.02 * radius)
        wet = draw.model(
            pool,
            PAINT_ID,
            role="affected",
            label=f"{color} paint",
            substance="paint",
            at=(gap * normal)[:2],
            material=paint,
        )
        # It may be sent to either side, and meets the wall before its end.
        slant = draw.event.choice((-1.0, 1.0)) * np.radians(draw.event.uniform(self.incidence_deg))
        along, run = direction(facing + slant), gap / np.cos(slant)
        # As in `roll`: rolling resistance c stops it with g c / (1.4 r), after a push that slides at first.
        slowing = 9.81 * ball.rolling_resistance_m * stage.friction / (1.4 * radius)
        speed = 1.4 * np.sqrt(2 * slowing * (run + 4 * draw.event.uniform(self.onward) * 2 * radius))
        push = Push(time_s=0.0, body=1, impulse_ns=vec3(asset.mass_kg * speed * along))
        view = draw.view(elevation_deg=(24.0, 46.0), margin=(0.2, 0.32))
        # From the side of the wall on which the ball is.
        view = replace(view, azimuth_rad=facing + np.pi + draw.uniform((-1.1, 1.1)))
        return draw.spec(
            self.name, [ball, wall, wet], stage=stage, camera=view, events=(push,), duration_s=8.0,
            inputs=(("seed", float(draw.event.seed())),),
        )  # fmt: skip

    def develop(self, rollout: Rollout, mesh_of: MeshOf) -> Rollout:
        touch = next((c for c in rollout.contacts if (c.a, c.b) == (1, WALL_ID)), None)
        if touch is None:
            return rollout.then(quantities=(_deflection(0.0),))
        rollout = _painted(rollout, touch)
        rate = rollout.spec.step_rate_hz
        steps = (round(touch.first_s * rate) - 1, min(round(touch.last_s * rate) + 2, rollout.end_index))
        before, after = (rollout.poses(1).velocity_mps[max(k, 0)] for k in steps)
        turned = float(np.arctan2(after[1], after[0]) - np.arctan2(before[1], before[0]))
        return rollout.then(quantities=(_deflection(np.degrees((turned + np.pi) % (2 * np.pi) - np.pi)),))

    def reject(self, rollout: Rollout) -> str | None:
        turned = abs(rollout.quantity("deflection").end)
        return None if turned > 35 else f"the wall turned its way by {turned:.0f} degrees only"

    phrases = Phrases(
        superficial=(
            "[Send|Push|Roll] {actor} [against|into] {bystanders} so that it [glances off|ricochets|changes direction].",
            "[Let|Make] {actor} [glance|ricochet] off {bystanders}.",
            "[Push|Roll] {actor}, [wet with|dripping with] paint, [against|into] {bystanders} so that it [glances off|"
            "ricochets].",
        ),
        intermediate=(
            "[Send|Push|Roll] {actor}, wet with paint, [against|into] {bystanders}, which turns its way by "
            "{deflection.change}[; the paint marks the way it takes|; it leaves a line of paint].",
            "[Let|Make] {actor} [glance|ricochet] off {bystanders} so that its way [turns|bends] by "
            "{deflection.change}, [as its trail of paint shows|as the paint that it leaves shows].",
            "[Send|Push|Roll] {actor} [against|into] {bystanders} so that it [glances off|ricochets] and goes on in another "
            "direction, [drawing its way in paint|leaving a bent line of paint]< until it [comes to rest|stops]>.",
        ),
        explicit=(
            "{actor} (some actor struck bystanders) [hits|strikes] {bystanders} at a slant, [glances off|ricochets], "
            "its way turned by {deflection.change}, and [comes to rest|stops]< {distance} from where it was><, "
            "{direction}>; [a line of its paint shows both legs of the way|its paint marks the way on {stage}].",
            "Pushed [against|into] {bystanders}, {actor} leaves a line of paint that bends at {bystanders}: it "
            "[glances off|ricochets], goes on in a direction that is {deflection.change} off the old one, and [comes to "
            "rest|stops]< {place}>.",
        ),
    )


def _deflection(end: float) -> Quantity:
    return Quantity(name="deflection", start=0.0, end=end, unit="deg", provenance="solved")


def _painted(rollout: Rollout, touch: Contact) -> Rollout:
    """What the ball wipes off on the ground and on the wall is missing from the pool in which it stood."""
    spec = rollout.spec
    pool, ball, wall = spec.body(PAINT_ID).model, spec.body(1), spec.body(WALL_ID)
    assert pool is not None
    radius = max(ball.size_m) * ball.scale / 2
    width = 0.34 * radius
    path = rollout.poses(1).position_m - [*spec.body(PAINT_ID).position_m[:2], 0.0]
    turn = round(touch.first_s * spec.step_rate_hz)
    # Where they met, on the wall's face.
    normal = -np.asarray(wall.position_m) * [1, 1, 0] / np.hypot(*wall.position_m[:2])
    met = np.column_stack([np.cross([0.0, 0.0, 1.0], normal), [0.0, 0.0, 1.0], normal])
    place = [*path[turn, :2] - radius * normal[:2], min(radius, wall.size_m[2] - 0.2 * radius)]
    mark = moved(dab(0.2 * radius, 0.015 * radius), rotation=met, by=place)

    def wet(phase: float) -> Mesh:
        now, rng = rollout.instant(phase).step, spec.rng("seed")
        legs = [path[rollout.start_index : min(turn, now) + 1, :2], path[turn : max(turn, now) + 1, :2]]
        # A line is longer than it is wide.
        ways = [float(np.linalg.norm(np.diff(leg, axis=0), axis=1).sum()) for leg in legs]
        lines = [
            wet_line(leg, width_m=width, height_m=0.012 * radius, rng=rng)
            for leg, way in zip(legs, ways, strict=True)
            if way > 2 * width
        ]
        left = [*lines, mark] if now >= turn else lines
        if not left:
            return build(pool)
        used = volume_m3(Mesh(surfaces=tuple(left)))
        rest = build(pool.but(volume_m3=pool.number("volume_m3") - used))
        return Mesh(surfaces=(*rest.surfaces, *left))

    volume = quantity(
        "paint_volume", lambda p: 1e6 * volume_m3(wet(p)), unit="ml", provenance="derived", conserved=0.01
    )
    return rollout.reshaped(PAINT_ID, wet).then(quantities=(volume,))
