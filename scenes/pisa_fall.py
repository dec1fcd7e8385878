"""The falling objects of PISA (arXiv 2503.09595), with the constants of its released generator.

Up to five objects hang 0.5 to 1.5 m above the ground of a dome that shows the environment map, some over small towers,
and fall. Lens, lights, gravity and clock are PISA's. It draws towers before it settles them and then lifts what hangs
too low; here what hangs starts above the unsettled tower, which is never lower.
"""

from dataclasses import dataclass, replace
from typing import Literal

import numpy as np

from simgen.core.geometry import Shape, project, quat_rotate, random_quat, vec3
from simgen.core.rollout import Rollout
from simgen.core.spec import Body, Camera, Light, Release, SceneSpec
from simgen.core.vectors import Floats, Vec3
from simgen.scene.cameras import inside_share
from simgen.scene.draw import Draw, NothingFits, ref
from simgen.scene.registry import MeshOf, Phrases, Range, Scene, register

ROLLING = 0.08
"""Coefficient of rolling resistance: that of soft ground. On PISA's, which has none, balls leave the picture."""
SPAWN_LOW_M, SPAWN_HIGH_M = np.array([-1.0, -1.0, 0.5]), np.array([0.0, 1.0, 1.5])
"""The nearer half of PISA's region: what falls in the other half is too small in the picture for an editor to work on."""

BACK_M = 1.0
"""The camera goes no further than this after what got out of the picture."""


@register("pisa_fall")
@dataclass(frozen=True, kw_only=True)
class PisaFall(Scene):
    """One to five objects fall to the ground as in PISA's simulated clips."""

    num_objects: tuple[int, int] = (1, 5)
    tower_height: tuple[int, int] = (0, 3)
    """Objects of the tower below each falling one."""
    first_frame: Literal["rest", "pisa"] = "rest"
    """`pisa`: the start frame is 1/16 s into the fall, as the first frame of PISA's clips is."""
    gravity_mps2: float = 10.0
    """Kubric's default, which PISA keeps."""
    camera_height_m: Range = (0.4, 0.6)
    size_m: Range = (0.15, 0.5)

    law = "gravity"
    types = (21,)
    claims = ("actor dropped", "actor at rest")
    families = False
    subject_size = (0.012, 0.4)
    """PISA looks from two metres: it asks 2.5 % of the picture for the fall's whole rectangle, not for the object."""

    def sample(self, draw: Draw) -> SceneSpec:
        # In a wide picture as far away as it takes to see a fall from top to bottom.
        back_m = 0.5 + 1.5 / min(draw.aspect, 1.0)
        camera = _level((-back_m, 0.0, draw.uniform(self.camera_height_m)))
        bodies: list[Body] = []
        fallers: list[Body] = []
        shapes: list[Shape] = []
        for _ in range(draw.integer(self.num_objects)):
            falls = [_fall_rectangle(camera, b, s, draw.aspect) for b, s in zip(fallers, shapes, strict=True)]
            body, shape = self._hanging(draw, camera, bodies, falls, len(bodies) + 1)
            tower = self._tower(draw, body, len(bodies) + 2)
            top_m = sum(b.size_m[2] + 0.001 for b in tower)
            low_m = body.position_m[2] + shape.lowest_m(body.quaternion)
            lift = max(0.0, top_m + abs(draw.rng.normal(0.005, 0.005)) - low_m)
            body = replace(body, position_m=vec3(np.array(body.position_m) + np.array([0.0, 0.0, lift])))
            bodies += [body, *tower]
            fallers.append(body)
            shapes.append(shape)
        while not all(
            _in_view(_fall_rectangle(camera, b, s, draw.aspect)) for b, s in zip(fallers, shapes, strict=True)
        ):
            x, y, z = camera.position_m
            camera = _level((x - abs(draw.rng.normal(0.0, 0.05)), y, z))
        return draw.spec(
            self.name,
            bodies,
            stage=draw.stage(("dome",)),
            lights=_lights(draw),
            camera=camera,
            events=tuple(Release(time_s=0.0, body=body.id) for body in fallers),
            gravity_mps2=(0.0, 0.0, -self.gravity_mps2),
            settle_s=4.0,
            duration_s=8.0,
            start_s=1.0 / 16 if self.first_frame == "pisa" else 0.0,
        )

    def place_camera(self, rollout: Rollout, mesh_of: MeshOf, *, width: int, height: int) -> Camera:
        """It backs off, still level, from what bounces or rolls: a clip may lose it, a pair may not."""
        camera = rollout.spec.camera
        assert isinstance(camera, Camera), "it is placed already"
        x, y, z = camera.position_m
        clouds = [
            position + quat_rotate(quaternion, points)
            for body in rollout.spec.bodies
            for points in (mesh_of(body).vertices_m,)
            for position, quaternion in (rollout.pose(body.id, rollout.start), rollout.pose(body.id, rollout.end))
        ]
        for back_m in np.arange(0.0, BACK_M, 0.05):
            camera = _level((x - back_m, y, z))
            if all(inside_share(camera, cloud, 1.0, height / width) > 0.985 for cloud in clouds):
                break
        return camera

    def _hanging(
        self, draw: Draw, camera: Camera, others: list[Body], falls: list[Floats], body_id: int
    ) -> tuple[Body, Shape]:
        """An object in the spawn region, turned any way, whose fall covers more than 2.5 % of the picture and is not
        behind one of `falls`. What is thin two ways, as a spoon is, would be a line in the picture."""
        for _ in range(100):
            asset = draw.object(size_m=self.size_m, where=lambda a, _: sorted(a.size_m)[1] > 0.04)
            shape, orientation = draw.shape(asset), random_quat(draw.rng)
            cloud = quat_rotate(orientation, shape.points)
            low, high = SPAWN_LOW_M - cloud.min(axis=0), SPAWN_HIGH_M - cloud.max(axis=0)
            place = draw.rng.uniform(low, np.maximum(low, high))
            far = all(
                np.hypot(*(place - np.array(o.position_m))[:2]) > shape.radius_m + max(o.size_m) / 2 for o in others
            )
            body = Body(
                id=body_id,
                asset=ref(asset),
                label=asset.label,
                role="actor",
                position_m=vec3(place),
                quaternion=orientation,
                size_m=asset.size_m,
                mass_kg=asset.mass_kg,
                friction=0.5,
                restitution=0.5,
                rolling_resistance_m=ROLLING * min(asset.size_m) / 2,
            )
            rectangle = _fall_rectangle(camera, body, shape, draw.aspect)
            if (
                far
                and np.prod(rectangle[1] - rectangle[0]) > 0.025
                and _nearly_in_view(rectangle)
                and all(_side_by_side(rectangle, other) for other in falls)
            ):
                return body, shape
        raise NothingFits("no object fits the spawn region of pisa_fall; widen size_m or lower num_objects")

    def _tower(self, draw: Draw, above: Body, first_id: int) -> list[Body]:
        tower: list[Body] = []
        height = 0.0
        for k in range(draw.integer(self.tower_height)):
            taken = {above.asset, *(b.asset for b in tower)}
            asset = draw.object(without=taken, size_m=(0.05, 0.3))
            at = above.position_m[:2]
            tower.append(
                draw.body(asset, first_id + k, role="affected", at=at, on_m=height, friction=0.5, restitution=0.5)
            )
            height += asset.size_m[2] + 0.001
        return tower

    phrases = Phrases(
        superficial=(
            "[Drop|Release|Let go of] {actor}.",
            "[Let|Make] {actor} [fall|drop].",
            "Let gravity [take|act on] {actor}.",
        ),
        intermediate=(
            "[Drop|Release|Let go of] {actor} so that {it falls/they fall}<, (actor bounced) {bounces/bounce}> and "
            "{comes/come} to rest< {pose}>< on {support}>.",
            "[Let|Make] {actor} fall< {drop height}> [until {it comes/they come} to rest|and come to rest]< on "
            "{support}><, (some actor struck others) [hitting|striking] {others}>.",
        ),
        explicit=(
            "{actor.outcome}<; {others.outcome}><; (everything else stays) [everything else stays where it "
            "is|nothing else moves|all else is as before]>.",
            "{actor} [{falls/fall}|{drops/drop}]< {drop height}><, (actor bounced) {bounces/bounce}> and "
            "{comes/come} to rest< {pose}>< on {support}><; {others} {moves/move} as well><; (everything else stays) "
            "everything else stays where it is>.",
            "[Once|When] let go, {actor} {falls/fall}< {drop height}> and {comes/come} to rest< {pose}>< on "
            "{support}><; {others.outcome}><; (everything else stays) [nothing else moves|all else is unchanged]>.",
        ),
    )


def _level(position_m: Vec3) -> Camera:
    """A camera at that place, looking level along +x."""
    x, y, z = position_m
    return Camera(position_m=(x, y, z), look_at_m=(x + 2.0, y, z), focal_length_mm=35.0, sensor_width_mm=32.0)


def _fall_rectangle(camera: Camera, body: Body, shape: Shape, aspect: float) -> Floats:
    """Corners of the picture's rectangle, in widths and heights of the picture, from the object's top to the ground
    under it; `aspect` is height over width."""
    cloud = np.array(body.position_m) + quat_rotate(body.quaternion, shape.points)
    ground = cloud.copy()
    ground[:, 2] = 0.0
    places, _ = project(camera, np.concatenate([cloud, ground]), 1.0, aspect)
    return np.asarray(np.stack([places.min(axis=0), places.max(axis=0)]) / [1.0, aspect], dtype=float)


def _in_view(rectangle: Floats) -> bool:
    """With room at the sides to bounce and roll to."""
    (left, top), (right, bottom) = rectangle
    return bool(left > 0.14 and right < 0.86 and top > 0 and bottom < 1)


def _nearly_in_view(rectangle: Floats) -> bool:
    """So that backing off does not take the camera so far away that nothing can be made out."""
    return bool((rectangle[0] > 0.08).all() and (rectangle[1] < 0.92).all())


def _side_by_side(one: Floats, other: Floats) -> bool:
    """Whether two falls can be seen beside each other: at most a third of the narrower is behind or before the wider."""
    shared = min(one[1, 0], other[1, 0]) - max(one[0, 0], other[0, 0])
    return bool(shared < min(one[1, 0] - one[0, 0], other[1, 0] - other[0, 0]) / 3)


def _lights(draw: Draw) -> tuple[Light, ...]:
    """PISA's: a sun, and three points on a ring of 2.5 m at a height of 1.5 m, key 100 W, fill and back 75 W."""
    tilt = np.radians(draw.rng.uniform(0, 45, size=2))
    toward_sun = np.array([np.sin(tilt[1]) * np.cos(tilt[0]), -np.sin(tilt[0]), np.cos(tilt[0]) * np.cos(tilt[1])])
    side = draw.choice((-1.0, 1.0))
    angles = {"key": side * draw.uniform((15, 45)), "fill": -side * draw.uniform((15, 60)), "back": 180.0}
    sun = Light(kind="sun", name="sun", position_m=vec3(5 * toward_sun), power=draw.uniform((1.0, 6.0)))
    points = [
        Light(
            kind="point",
            name=name,
            position_m=vec3([-2.5 * np.cos(np.radians(angle)), 2.5 * np.sin(np.radians(angle)), 1.5]),
            power=100.0 if name == "key" else 75.0,
        )
        for name, angle in angles.items()
    ]
    return (sun, *points)
