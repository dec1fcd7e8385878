"""Where the camera stands, once it is known what happens in front of it."""

from collections.abc import Collection, Mapping
from dataclasses import replace
from functools import lru_cache

import numpy as np

from simgen.core.geometry import Shape, box_corners, direction, fibonacci_sphere, look_at, project, quat_rotate, vec3
from simgen.core.mesh import Model
from simgen.core.rollout import Rollout
from simgen.core.spec import Body, Camera, ViewRequest
from simgen.core.tracks import Instant
from simgen.core.vectors import Floats
from simgen.procedural import models

Shapes = Mapping[int, Shape]
"""The collision shape of every body by id."""


def body_shape(body: Body, asset_shape: Shape | None = None) -> Shape:
    """The shape of a body: that of its asset, or of a box or ball of its size."""
    if asset_shape is not None:
        return asset_shape
    if body.model is not None:
        return _model_shape(body.model)
    if body.shape == "ball":
        return Shape.from_parts((fibonacci_sphere(400) * body.size_m[0] / 2,))
    return Shape.from_parts((box_corners(body.size_m),))


@lru_cache(maxsize=64)
def _model_shape(model: Model) -> Shape:
    return Shape.from_parts((models.build(model).vertices_m,))


def subject_ids(rollout: Rollout) -> tuple[int, ...]:
    """The bodies that the event is about: those acted upon and those that may move in consequence; where it acts on
    none (a lamp out of sight), all but the set."""
    bodies = rollout.bodies
    chosen = tuple(body.id for body in bodies if body.role in ("actor", "affected"))
    return chosen or tuple(body.id for body in bodies if body.role != "prop")


def points_at(rollout: Rollout, shapes: Shapes, body_id: int, instant: Instant) -> Floats:
    """Extreme points [N, 3] of a body in the world at one instant."""
    body, (position, quaternion) = rollout.spec.body(body_id), rollout.pose(body_id, instant)
    mesh = rollout.mesh(body_id, instant)
    points = shapes[body_id].points if mesh is None else mesh.vertices_m
    return np.asarray(position + quat_rotate(quaternion, points * body.scale), dtype=float)


def frame_camera(framing: ViewRequest, shapes: Shapes, *rollouts: Rollout, width: int, height: int) -> Camera:
    """The nearest camera in that direction that holds every subject at the start and at the end of each rollout."""
    cloud = np.concatenate(
        [
            points_at(rollout, shapes, body_id, instant)
            for rollout in rollouts
            for body_id in rollout.framed or subject_ids(rollout)
            for instant in (rollout.start, rollout.end)
            if rollout.visible(body_id, instant)
        ]
    )
    return camera_around(framing, cloud, width=width, height=height)


def camera_around(framing: ViewRequest, cloud: Floats, *, width: float, height: float) -> Camera:
    """The nearest camera in that direction that holds all points [N, 3].

    Along a fixed direction of view each point bounds the camera's place by four half-planes that are linear in it, so
    the nearest place is found without a search: the depth is the smaller of what width and height allow.
    """
    toward = direction(framing.azimuth_rad, framing.elevation_rad)
    axes = look_at(toward, (0, 0, 0))
    local = cloud @ axes
    depth = -local[:, 2]
    half_width = framing.sensor_width_mm / framing.focal_length_mm / 2
    slopes = np.array([half_width, half_width * height / width]) * (1.0 - framing.margin)
    low = (local[:, :2] - slopes * depth[:, None]).max(axis=0)
    high = (local[:, :2] + slopes * depth[:, None]).min(axis=0)
    near = float(((high - low) / (2 * slopes)).min())
    place = axes @ np.array([*(low + high) / 2, -near])
    # A camera under the stage or inside a thing sees nothing: back off until it is neither.
    while place[2] < 0.06 or np.linalg.norm(cloud - place, axis=1).min() < 0.12:
        place = place + 0.02 * toward
    aim = place - toward * float(np.median(depth) - near)
    return Camera(
        position_m=vec3(place),
        look_at_m=vec3(aim),
        focal_length_mm=framing.focal_length_mm,
        sensor_width_mm=framing.sensor_width_mm,
    )


def framed(rollout: Rollout, also: Collection[int] = ()) -> Rollout:
    """The camera is to hold all that has a part in the event as the spec has it, if it changes itself or is only seen
    in another light, and the bodies `also` named; for a scene's `develop`."""
    held = tuple(b.id for b in rollout.spec.bodies if b.role in ("actor", "affected") or b.id in also)
    return replace(rollout, framed=held or subject_ids(rollout))


def inside_share(camera: Camera, points: Floats, width: float, height: float) -> float:
    """Share of points that fall inside the picture."""
    pixels, depth = project(camera, points, width, height)
    inside = (depth > 0.01) & (pixels >= 0).all(axis=1) & (pixels[:, 0] < width) & (pixels[:, 1] < height)
    return float(inside.mean())
