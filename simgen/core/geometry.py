"""Rotations, cameras and the shape of things, in plain numpy.

Quaternions are (w, x, y, z); cameras look along local -Z with +Y up; pixels have their origin at the upper left corner
of the picture, x to the right, y down, and pixel (0, 0) covers [0, 1) × [0, 1).
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from simgen.core.spec import Camera
from simgen.core.vectors import Floats, Quat, Vec3


def vec3(values: ArrayLike) -> Vec3:
    x, y, z = (float(v) for v in np.asarray(values, dtype=float))
    return (x, y, z)


def quat(values: ArrayLike) -> Quat:
    w, x, y, z = (float(v) for v in np.asarray(values, dtype=float))
    return (w, x, y, z)


def quat_multiply(a: ArrayLike, b: ArrayLike) -> Floats:
    """The rotation `b` followed by `a`; arrays [..., 4]."""
    a, b = np.asarray(a, dtype=float), np.asarray(b, dtype=float)
    aw, ax, ay, az = np.moveaxis(a, -1, 0)
    bw, bx, by, bz = np.moveaxis(b, -1, 0)
    result: Floats = np.stack(
        [
            aw * bw - ax * bx - ay * by - az * bz,
            aw * bx + ax * bw + ay * bz - az * by,
            aw * by - ax * bz + ay * bw + az * bx,
            aw * bz + ax * by - ay * bx + az * bw,
        ],
        axis=-1,
    )
    return result


def quat_conjugate(q: ArrayLike) -> Floats:
    result: Floats = np.asarray(q, dtype=float) * np.array([1.0, -1.0, -1.0, -1.0])
    return result


def quat_rotate(q: ArrayLike, v: ArrayLike) -> Floats:
    """Vectors [..., 3] turned by unit quaternions [..., 4]; the leading axes broadcast."""
    q, v = np.asarray(q, dtype=float), np.asarray(v, dtype=float)
    w, u = q[..., :1], q[..., 1:]
    t = 2.0 * np.cross(u, v)
    result: Floats = v + w * t + np.cross(u, t)
    return result


def quat_from_axis_angle(axis: ArrayLike, angle_rad: float) -> Floats:
    axis = np.asarray(axis, dtype=float)
    axis = axis / np.linalg.norm(axis)
    return np.concatenate([[np.cos(angle_rad / 2)], np.sin(angle_rad / 2) * axis])


def quat_matrix(q: ArrayLike) -> Floats:
    """The 3 × 3 rotation matrix of a unit quaternion."""
    return quat_rotate(np.asarray(q, dtype=float)[None, :], np.eye(3)).T


def quat_from_matrix(matrix: ArrayLike) -> Floats:
    """The unit quaternion of a 3 × 3 rotation matrix, w ≥ 0 (Shepperd's method: largest component first)."""
    m = np.asarray(matrix, dtype=float)
    squares = np.array(
        [
            1 + m[0, 0] + m[1, 1] + m[2, 2],
            1 + m[0, 0] - m[1, 1] - m[2, 2],
            1 - m[0, 0] + m[1, 1] - m[2, 2],
            1 - m[0, 0] - m[1, 1] + m[2, 2],
        ]
    )
    k = int(np.argmax(squares))
    columns = np.array(
        [
            [squares[0], m[2, 1] - m[1, 2], m[0, 2] - m[2, 0], m[1, 0] - m[0, 1]],
            [m[2, 1] - m[1, 2], squares[1], m[0, 1] + m[1, 0], m[0, 2] + m[2, 0]],
            [m[0, 2] - m[2, 0], m[0, 1] + m[1, 0], squares[2], m[1, 2] + m[2, 1]],
            [m[1, 0] - m[0, 1], m[0, 2] + m[2, 0], m[1, 2] + m[2, 1], squares[3]],
        ]
    )
    q: Floats = columns[k] / np.linalg.norm(columns[k])
    return q if q[0] >= 0 else -q


def slerp(start: ArrayLike, end: ArrayLike, share: float) -> Floats:
    """The orientation at a share of the shorter way from one quaternion to another, turned at an even rate."""
    first, last = np.asarray(start, dtype=float), np.asarray(end, dtype=float)
    cosine = float(first @ last)
    if cosine < 0:
        last, cosine = -last, -cosine
    angle = float(np.arccos(min(cosine, 1.0)))
    if angle < 1e-6:
        mixed: Floats = first + share * (last - first)
    else:
        mixed = (np.sin((1 - share) * angle) * first + np.sin(share * angle) * last) / np.sin(angle)
    return np.asarray(mixed / np.linalg.norm(mixed), dtype=float)


def quat_angle(a: ArrayLike, b: ArrayLike) -> Floats:
    """The angle between two orientations in radians, 0 to π."""
    dot = np.abs(np.sum(np.asarray(a, dtype=float) * np.asarray(b, dtype=float), axis=-1))
    result: Floats = 2.0 * np.arccos(np.clip(dot, 0.0, 1.0))
    return result


def random_quat(rng: np.random.Generator) -> Quat:
    """Uniform over all orientations (normalised Gaussian 4-vector)."""
    q = rng.normal(size=4)
    return quat(q / np.linalg.norm(q))


def direction(azimuth_rad: float, elevation_rad: float = 0.0) -> Floats:
    """The unit vector at an azimuth from +x towards +y and an elevation above the plane."""
    c = np.cos(elevation_rad)
    return np.array([c * np.cos(azimuth_rad), c * np.sin(azimuth_rad), np.sin(elevation_rad)])


def look_at(position: ArrayLike, target: ArrayLike) -> Floats:
    """3 × 3 camera-to-world rotation: -Z towards the target, +Y as near to world up as can be."""
    forward = np.asarray(target, dtype=float) - np.asarray(position, dtype=float)
    forward = forward / np.linalg.norm(forward)
    up = np.array([0.0, 0.0, 1.0]) if abs(forward[2]) < 0.9999 else np.array([0.0, 1.0, 0.0])
    right = np.cross(forward, up)
    right = right / np.linalg.norm(right)
    return np.stack([right, np.cross(right, forward), -forward], axis=1)


def camera_matrix(camera: Camera) -> Floats:
    """4 × 4 camera-to-world."""
    matrix = np.eye(4)
    matrix[:3, :3] = look_at(camera.position_m, camera.look_at_m)
    matrix[:3, 3] = camera.position_m
    return matrix


def intrinsics(camera: Camera, width: float, height: float) -> Floats:
    """3 × 3 matrix from camera axes (x right, y down, z forward) to pixels; the sensor spans the picture's width."""
    f = camera.focal_length_mm / camera.sensor_width_mm * width
    return np.array([[f, 0.0, width / 2], [0.0, f, height / 2], [0.0, 0.0, 1.0]])


def project(camera: Camera, points: ArrayLike, width: float, height: float) -> tuple[Floats, Floats]:
    """World points [N, 3] to pixels [N, 2] and depths along the viewing axis [N]; depth ≤ 0 is behind the camera."""
    points = np.atleast_2d(np.asarray(points, dtype=float))
    axes = look_at(camera.position_m, camera.look_at_m)
    local = np.asarray(points - np.asarray(camera.position_m), dtype=np.float64) @ axes
    depth = np.asarray(-local[:, 2], dtype=np.float64)
    f = camera.focal_length_mm / camera.sensor_width_mm * width
    safe = np.where(np.abs(depth) < 1e-9, 1e-9, depth)
    pixels = np.stack([width / 2 + f * local[:, 0] / safe, height / 2 - f * local[:, 1] / safe], axis=1)
    return pixels, depth


def fibonacci_sphere(count: int) -> Floats:
    """Evenly spread unit vectors [count, 3], on a spiral of golden-angle turns."""
    k = np.arange(count)
    turn = np.pi * (3.0 - np.sqrt(5.0)) * k
    z = 1 - 2 * (k + 0.5) / count
    ring = np.sqrt(1 - z**2)
    return np.asarray(np.stack([ring * np.cos(turn), ring * np.sin(turn), z], axis=1), dtype=float)


def box_corners(size_m: ArrayLike) -> Floats:
    """The eight corners [8, 3] of a box around the origin."""
    signs = np.array([[x, y, z] for x in (-1, 1) for y in (-1, 1) for z in (-1, 1)], dtype=float)
    result: Floats = signs * np.asarray(size_m, dtype=float) / 2
    return result


def convex_hull_2d(points: NDArray[np.float64]) -> Floats:
    """Corners [K, 2] of the convex hull, counter-clockwise (Andrew's monotone chain)."""
    ordered = np.unique(np.round(points, 9), axis=0)
    if len(ordered) <= 2:
        return ordered

    def half(sequence: NDArray[np.float64]) -> list[NDArray[np.float64]]:
        chain: list[NDArray[np.float64]] = []
        for p in sequence:
            while len(chain) >= 2:
                u, w = chain[-1] - chain[-2], p - chain[-2]
                if u[0] * w[1] - u[1] * w[0] > 0:
                    break
                chain.pop()
            chain.append(p)
        return chain[:-1]

    return np.array(half(ordered) + half(ordered[::-1]))


def argmax_of_columns(values: Floats, block: int = 256) -> NDArray[np.intp]:
    """`np.argmax(values, axis=0)`, ten times as fast where there are thousands of rows: the block with the maximum
    first, then the row in it."""
    rows = len(values) // block * block
    if rows < 4 * block:
        return np.asarray(np.argmax(values, axis=0), dtype=np.intp)
    tops = values[:rows].reshape(-1, block, values.shape[1]).max(axis=1)
    if rows < len(values):
        tops = np.concatenate([tops, values[rows:].max(axis=0, keepdims=True)])
    first = np.argmax(tops, axis=0) * block
    within = [np.argmax(values[row : row + block, column]) for column, row in enumerate(first)]
    return np.asarray(first + within, dtype=np.intp)


@dataclass(frozen=True, slots=True, kw_only=True)
class Support:
    """What a shape stands on in some orientation, against a plane below it."""

    height_m: float
    """Of the centre of mass above the plane."""
    polygon_m: Floats
    """Corners [K, 2] of the contact patch's hull, relative to the centre of mass."""
    margin_m: float
    """From the foot of the centre of mass to the nearest edge; negative outside, where the shape falls over."""

    @property
    def tip_angle_rad(self) -> float:
        """The tilt at which it falls over its nearest edge; below zero it does not stand at all."""
        return float(np.arctan2(self.margin_m, self.height_m))


@dataclass(frozen=True, slots=True, kw_only=True)
class Shape:
    """The collision shape of an object: convex parts around its centre of mass at the origin."""

    parts: tuple[Floats, ...]
    points: Floats
    """Extreme points [N, 3] of all parts together."""

    @classmethod
    def from_parts(cls, parts: tuple[Floats, ...]) -> "Shape":
        points = np.concatenate(parts)
        # Only points that are extreme in one of many directions matter to heights, footprints and framing. In slices: a
        # scan's 20 000 points against 2 000 directions at once would be 300 MB.
        directions = np.concatenate([fibonacci_sphere(2000), np.eye(3), -np.eye(3)])
        slices = np.array_split(directions, 40)
        extreme = np.unique(np.concatenate([argmax_of_columns(points @ some.T) for some in slices]))
        return cls(parts=parts, points=points[extreme])

    @classmethod
    def box(cls, size_m: ArrayLike) -> "Shape":
        return cls.from_parts((box_corners(size_m),))

    @property
    def radius_m(self) -> float:
        """Of the smallest sphere around the centre of mass."""
        return float(np.linalg.norm(self.points, axis=1).max())

    def lowest_m(self, orientation: ArrayLike, scale: float = 1.0) -> float:
        """Height of the lowest point relative to the centre of mass (negative)."""
        return float((quat_rotate(orientation, self.points * scale))[:, 2].min())

    def support(self, orientation: ArrayLike = (1.0, 0.0, 0.0, 0.0), scale: float = 1.0) -> Support:
        """How it stands on a plane in this orientation; points within 1.5 mm of the lowest carry it."""
        turned = quat_rotate(orientation, np.concatenate(self.parts) * scale)
        low = float(turned[:, 2].min())
        polygon = convex_hull_2d(turned[turned[:, 2] < low + 0.0015, :2])
        return Support(height_m=-low, polygon_m=polygon, margin_m=_inside_margin(polygon))

    def top_margin_m(self) -> float:
        """From the middle of its flat top to the top's nearest edge; negative where that is open, round or aside."""
        top = self.points[:, 2].max()
        faces = [part[part[:, 2] > top - 0.0015, :2] for part in self.parts]
        return max((_inside_margin(convex_hull_2d(face)) for face in faces if len(face) > 2), default=-1.0)

    def tipping(self, heading_rad: float, orientation: ArrayLike = (1.0, 0.0, 0.0, 0.0)) -> tuple[float, float]:
        """What it takes to tip it over towards a heading without slipping: rise of the centre, and the tilt there.

        In metres and radians. The shape is turned degree by degree about the horizontal axis across the heading and set
        down on its lowest point, so a rounded or uneven base counts as it is; (0, 0) where it only falls.
        """
        axis = np.array([-np.sin(heading_rad), np.cos(heading_rad), 0.0])
        standing = quat_rotate(orientation, self.points)
        tilts = np.radians(np.arange(0, 91))
        turns = np.stack([quat_from_axis_angle(axis, tilt) for tilt in tilts])
        heights = -quat_rotate(turns[:, None, :], standing[None, :, :])[:, :, 2].min(axis=1)
        top = int(np.argmax(heights))
        return float(heights[top] - heights[0]), float(tilts[top])

    def roll_axis(self) -> int | None:
        """0, 1 or 2 where the outline across that axis is round within 3 %, -1 for a ball, None where neither."""
        cloud = np.concatenate(self.parts)
        reach = (self.points @ fibonacci_sphere(500).T).max(axis=0)
        if np.ptp(reach) < 0.04 * self.radius_m:
            return -1
        for axis in range(3):
            across = np.delete(cloud, axis, axis=1)
            if len(across) < 24:
                continue
            angles = np.linspace(0, np.pi, 37)[:-1]
            extent = across @ np.stack([np.cos(angles), np.sin(angles)])
            far, near = extent.max(axis=0), -extent.min(axis=0)
            reach = np.concatenate([far, near])
            if np.ptp(reach) < 0.03 * reach.mean():
                return axis
        return None


def _inside_margin(polygon: Floats) -> float:
    """Distance from the origin to the nearest edge of a counter-clockwise polygon, negative where it lies outside."""
    if len(polygon) < 3:
        return -float(np.linalg.norm(polygon, axis=1).min()) if len(polygon) else -1.0
    edges = np.roll(polygon, -1, axis=0) - polygon
    lengths = np.maximum(np.linalg.norm(edges, axis=1), 1e-12)
    inward = np.stack([-edges[:, 1], edges[:, 0]], axis=1) / lengths[:, None]
    return float((-(polygon * inward).sum(axis=1)).min())


def vertex_normals(points: Floats, triangles: ArrayLike) -> Floats:
    """Unit normals [N, 3], faces weighted by area."""
    triangles = np.asarray(triangles)
    corners = points[triangles]
    across = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    total = np.stack([np.bincount(triangles.ravel(), np.repeat(across[:, k], 3), len(points)) for k in range(3)], 1)
    result: Floats = total / np.maximum(np.linalg.norm(total, axis=1, keepdims=True), 1e-15)
    return result


def vertex_areas(points: Floats, triangles: ArrayLike) -> Floats:
    """The share [N] of the surface's area, in m², that belongs to each vertex: a third of the faces around it."""
    triangles = np.asarray(triangles)
    corners = points[triangles]
    area = np.linalg.norm(np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0]), axis=1) / 2
    return np.asarray(np.bincount(triangles.ravel(), np.repeat(area / 3, 3), len(points)), dtype=float)
