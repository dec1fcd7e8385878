"""What gates are asked about, one type for each stage."""

import functools
from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from simgen.core.geometry import project, quat_rotate
from simgen.core.masks import Pair
from simgen.core.rollout import Rollout
from simgen.core.sample import Frame
from simgen.core.spec import Camera
from simgen.core.tracks import Instant
from simgen.procedural import models
from simgen.scene.cameras import Shapes, inside_share, points_at, subject_ids
from simgen.scene.registry import Scene

PREDICTED_WIDTH = 256
"""Pixels across the picture in which outlines are drawn before anything is rendered."""
OUTLINE_SCALE = 3
"""Outlines are drawn this much larger: a filled polygon has its edges' pixels too, which would double a thin strip."""
SPECK_SHARE = 0.003
"""What is mostly outside the picture, or a speck of less than this share of it, is nobody's surprise."""


@dataclass(frozen=True, slots=True)
class Physics:
    """What happened, before there is a camera."""

    rollout: Rollout


@dataclass(frozen=True, kw_only=True)
class Outlines:
    """The subjects' outlines in the picture to come. An outline is never smaller than what is seen of a body, so what
    fails here is sure to fail in the picture."""

    rollout: Rollout
    camera: Camera
    shapes: Shapes
    scene: Scene
    width: int
    """Of the picture to come, pixels."""
    height: int

    @functools.cached_property
    def inside(self) -> float:
        """Least share of a subject's points that is in the picture."""
        return _inside(self.rollout, self.camera, self.shapes, *self._size)

    @functools.cached_property
    def subject_share(self) -> float:
        """Share of the picture that the outlines of all subjects cover, at the start or the end, whichever is more."""
        width, height = self._size
        share = 0.0
        for instant in (self.rollout.start, self.rollout.end):
            covered = np.zeros((height, width), bool)
            for body_id in subject_ids(self.rollout):
                if self.rollout.visible(body_id, instant):
                    covered |= outline(self.rollout, self.camera, self.shapes, body_id, instant, width, height) > 0
            share = max(share, float(covered.mean()))
        return share

    @property
    def _size(self) -> tuple[int, int]:
        return PREDICTED_WIDTH, max(1, round(self.height * PREDICTED_WIDTH / self.width))


@dataclass(frozen=True, kw_only=True)
class View:
    """Instance ids [H, W] of the start and the end, at any size."""

    rollout: Rollout
    camera: Camera
    shapes: Shapes
    scene: Scene
    ids: tuple[NDArray[np.uint8], NDArray[np.uint8]]

    @functools.cached_property
    def inside(self) -> float:
        """Least share of a subject's points that is in the picture."""
        height, width = self.ids[0].shape
        return _inside(self.rollout, self.camera, self.shapes, width, height)

    @functools.cached_property
    def subject_share(self) -> float:
        """Share of the picture that the subjects take, at the start or at the end, whichever is more."""
        subjects = subject_ids(self.rollout)
        return max(float(np.isin(picture, subjects).mean()) for picture in self.ids)

    @functools.cached_property
    def shown(self) -> dict[int, list[float]]:
        """By body, the share of its outline that is seen in each picture in which it is there and large enough."""
        height, width = self.ids[0].shape
        found: dict[int, list[float]] = {}
        for body in self.rollout.bodies:
            shares = found.setdefault(body.id, [])
            for instant, picture in zip((self.rollout.start, self.rollout.end), self.ids, strict=True):
                if not self.rollout.visible(body.id, instant):
                    continue
                area = float(outline(self.rollout, self.camera, self.shapes, body.id, instant, width, height).sum())
                if body.role == "actor" or area > SPECK_SHARE * width * height:
                    shares.append(min(float((picture == body.id).sum()) / max(area, 1.0), 1.0))
        return found


@dataclass(frozen=True, kw_only=True)
class Picture:
    """The finished pair with the frames that it is made of."""

    pair: Pair
    start: Frame
    end: Frame
    rollout: Rollout
    scene: Scene
    slack: float = 0.0
    """How much more of the picture may change than the scene allows: a rough look sees more change than there is."""


@dataclass(frozen=True, slots=True)
class Family:
    """The end picture [H, W, 3] of a member, and those of the members before it."""

    end: NDArray[np.uint8]
    others: Sequence[NDArray[np.uint8]]


def _inside(rollout: Rollout, camera: Camera, shapes: Shapes, width: int, height: int) -> float:
    inside = 1.0
    for instant in (rollout.start, rollout.end):
        for body_id in subject_ids(rollout):
            if rollout.visible(body_id, instant):
                inside = min(inside, inside_share(camera, points_at(rollout, shapes, body_id, instant), width, height))
    return inside


def outline(
    rollout: Rollout, camera: Camera, shapes: Shapes, body_id: int, instant: Instant, width: int, height: int
) -> NDArray[np.uint8]:
    """The amodal outline [H, W] of a body, as the middles of pixels see it: its faces, or the hulls of its convex
    parts, filled."""
    body, (position, quaternion) = rollout.spec.body(body_id), rollout.pose(body_id, instant)
    large = np.zeros((height * OUTLINE_SCALE, width * OUTLINE_SCALE), np.uint8)
    mesh = rollout.mesh(body_id, instant) or (models.build(body.model) if body.model is not None else None)
    pieces = [mesh.vertices_m] if mesh is not None else shapes[body_id].parts
    for piece in pieces:
        world = position + quat_rotate(quaternion, piece * body.scale)
        pixels, depth = project(camera, world, large.shape[1], large.shape[0])
        if not (depth > 0.01).all():
            continue
        corners = np.rint(pixels - 0.5).astype(np.int32)
        for polygon in corners[mesh.triangles] if mesh is not None else (cv2.convexHull(corners),):
            cv2.fillConvexPoly(large, polygon, (1.0,))
    return large[OUTLINE_SCALE // 2 :: OUTLINE_SCALE, OUTLINE_SCALE // 2 :: OUTLINE_SCALE]
