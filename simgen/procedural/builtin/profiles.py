"""Curves in the half plane (radius, height): rounded polylines, smooth curves, walls, and their convex pieces."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from simgen.core.geometry import convex_hull_2d
from simgen.core.vectors import Floats

MARGIN_M = 0.001
"""Bullet pads every hull by this much; collision parts are drawn in by it, so that things touch where they look it."""

MM = 0.001

SOLID_TOLERANCE_M = 0.0012
WALL_TOLERANCE_M = 0.0018
"""How far a convex part may stand off the surface: below what one sees at half a metre."""

Row = Sequence[float]
"""Radius, height and rounding in millimetres, as the catalogue gives them."""

Corner = tuple[float, float] | tuple[float, float, float]
"""Radius, height and, where it is to be rounded, the radius of the rounding."""


def corners_m(rows: Sequence[Row]) -> list[Corner]:
    return [tuple(value * MM for value in row) for row in rows]  # type: ignore[misc]


def polyline(*corners: Corner) -> Floats:
    """Points [N, 2] along straight lines whose corners are rounded by arcs."""
    points = np.array([corner[:2] for corner in corners], dtype=float)
    curve = [points[:1]]
    for k in range(1, len(points) - 1):
        radius = _rounding(corners[k])
        curve.append(_arc(points[k - 1], points[k], points[k + 1], radius) if radius > 0 else points[k : k + 1])
    return np.concatenate([*curve, points[-1:]])


def _rounding(corner: Corner) -> float:
    return corner[2] if len(corner) == 3 else 0.0


def _arc(before: Floats, corner: Floats, after: Floats, radius: float) -> Floats:
    """The rounding of one corner; smaller where a leg is too short for it."""
    a, b = before - corner, after - corner
    la, lb = float(np.linalg.norm(a)), float(np.linalg.norm(b))
    a, b = a / la, b / lb
    half = float(np.arccos(np.clip(a @ b, -1.0, 1.0))) / 2
    reach = min(radius / np.tan(half), 0.49 * la, 0.49 * lb)
    radius = reach * np.tan(half)
    center = corner + (a + b) / np.linalg.norm(a + b) * radius / np.sin(half)
    return arc_between(center, corner + a * reach, corner + b * reach)


def arc_between(center: Floats, start: Floats, end: Floats, *, step_deg: float = 18.0) -> Floats:
    """Points on the shorter arc from `start` to `end`, both included."""
    u, v = start - center, end - center
    turn = float(np.arccos(np.clip(u @ v / (np.linalg.norm(u) * np.linalg.norm(v)), -1.0, 1.0)))
    share = np.linspace(0.0, 1.0, max(2, int(np.ceil(turn / np.radians(step_deg)))) + 1)
    weights = np.stack([np.sin((1 - share) * turn), np.sin(share * turn)], axis=1) / np.sin(turn)
    points: Floats = center + weights @ np.stack([u, v])
    return points


def smooth(*points: tuple[float, float], num: int = 44) -> Floats:
    """A cubic through the points, evenly spaced by length; where it begins or ends on the axis it is level there."""
    p = np.array(points, dtype=float)
    lengths = np.sqrt(np.linalg.norm(np.diff(p, axis=0), axis=1))[:, None]
    slopes = np.diff(p, axis=0) / lengths
    inner = (slopes[:-1] * lengths[1:] + slopes[1:] * lengths[:-1]) / (lengths[:-1] + lengths[1:])
    tangents = np.concatenate([slopes[:1], inner, slopes[-1:]])
    for end in (0, -1):
        if p[end, 0] == 0.0:
            tangents[end] = (np.copysign(np.linalg.norm(tangents[end]), tangents[end, 0]), 0.0)
    t = np.linspace(0.0, 1.0, 24, endpoint=False)[None, :, None]
    p0, p1, m0, m1 = (
        p[:-1, None],
        p[1:, None],
        tangents[:-1, None] * lengths[:, None],
        tangents[1:, None] * lengths[:, None],
    )
    curve = (
        (2 * t**3 - 3 * t**2 + 1) * p0 + (t**3 - 2 * t**2 + t) * m0 + (3 * t**2 - 2 * t**3) * p1 + (t**3 - t**2) * m1
    )
    return evenly(np.concatenate([curve.reshape(-1, 2), p[-1:]]), num=num)


def evenly(curve: Floats, *, num: int) -> Floats:
    """`num` points at equal distances along a curve [N, D]."""
    return _along(curve, np.linspace(0.0, 1.0, num))


def offset(curve: Floats, distance_m: float) -> Floats:
    """The curve moved to its left; what would cross the axis ends on it."""
    direction = np.gradient(curve, axis=0)
    direction /= np.linalg.norm(direction, axis=1, keepdims=True)
    moved = curve + distance_m * np.stack([-direction[:, 1], direction[:, 0]], axis=1)
    moved[:, 0] = np.maximum(moved[:, 0], 0.0)
    if curve[0, 0] == 0.0:
        moved[0, 0] = 0.0
    result: Floats = moved
    return result


def offset_corners(corners: Sequence[Corner], distance_m: float, *, first_m: float) -> list[Corner]:
    """The polyline moved to its left, its roundings to match; the first leg moves by its own distance, as a floor."""
    points = np.array([corner[:2] for corner in corners], dtype=float)
    legs = np.diff(points, axis=0)
    legs /= np.linalg.norm(legs, axis=1, keepdims=True)
    left = np.stack([-legs[:, 1], legs[:, 0]], axis=1)
    moves = np.full(len(legs), distance_m)
    moves[0] = first_m
    result: list[Corner] = [tuple(points[0] + left[0] * moves[0])]
    for k in range(1, len(points) - 1):
        at = np.linalg.solve(left[k - 1 : k + 1], moves[k - 1 : k + 1]) + points[k]
        turns_left = legs[k - 1, 0] * legs[k, 1] - legs[k - 1, 1] * legs[k, 0] > 0
        radius = _rounding(corners[k])
        rounded = max(radius - distance_m, 0.5 * distance_m) if turns_left else radius + distance_m
        result.append((float(at[0]), float(at[1]), rounded))
    result.append(tuple(points[-1] + left[-1] * moves[-1]))
    return result


@dataclass(frozen=True, slots=True, kw_only=True)
class Wall:
    """Both sides of a vessel, each from the axis at the bottom to the crest of its rounded rim."""

    outer: Floats
    inner: Floats
    num_rim: int
    """How many points at the end of each side belong to the rim."""


def wall(outer: Floats, inner: Floats) -> Wall:
    """The two sides joined by a half round rim."""
    a, b = outer[-1], inner[-1]
    center, spoke = (a + b) / 2, (a - b) / 2
    up = np.array([-spoke[1], spoke[0]])
    outside = outer[-1] - outer[-2] + inner[-1] - inner[-2]
    crest = center + (up if up @ outside > 0 else -up)
    left, right = arc_between(center, a, crest)[1:], arc_between(center, b, crest)[1:]
    return Wall(outer=np.concatenate([outer, left]), inner=np.concatenate([inner, right]), num_rim=len(left) + 1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Band:
    """A convex polygon [N, 2] to be turned about the axis: whole where it is `full`, else in segments."""

    polygon: Floats
    full: bool


def solid_bands(outer: Floats, *, tolerance_m: float) -> list[Band]:
    """A filled lathed body as convex slices, none further than the tolerance from the outline."""
    outer = _flat_base(outer)
    axis = np.stack([np.zeros(len(outer)), outer[:, 1]], axis=1)
    return _bands(outer, axis, tolerance_m)


def wall_bands(shape: Wall, *, tolerance_m: float) -> list[Band]:
    """A vessel as a floor and rings of wall."""
    outer = _flat_base(shape.outer)
    shares = [np.linspace(0.0, 1.0, 25), _shares(outer), _shares(shape.inner)]
    at = np.unique(np.round(np.concatenate(shares), 6))
    return _bands(_along(outer, at), _along(shape.inner, at), tolerance_m)


def _flat_base(outer: Floats) -> Floats:
    """The outline with the recess under its base filled: what stands on a ring stands as well on a disc."""
    base = int(np.argmin(outer[:, 1]))
    outer = outer.copy()
    outer[:base, 1] = outer[base, 1]
    return outer


def _shares(curve: Floats) -> Floats:
    along = np.concatenate([[0.0], np.cumsum(np.linalg.norm(np.diff(curve, axis=0), axis=1))])
    result: Floats = along / along[-1]
    return result


def _along(curve: Floats, at: Floats) -> Floats:
    shares = _shares(curve)
    return np.stack([np.interp(at, shares, curve[:, k]) for k in range(2)], axis=1)


def _bands(outer: Floats, inner: Floats, tolerance_m: float) -> list[Band]:
    """Slices from the first pair of points on, each as long as its hull stays near both sides."""

    def fits(start: int, end: int) -> bool:
        piece = slice(start, end + 1)
        return _depth(_hull(outer[piece], inner[piece]), outer[piece], inner[piece]) <= tolerance_m

    bands, start, last = [], 0, len(outer) - 1
    while start < last:
        low, high = start + 1, last
        while low < high:
            middle = (low + high + 1) // 2
            low, high = (middle, high) if fits(start, middle) else (low, middle - 1)
        polygon = _hull(outer[start : low + 1], inner[start : low + 1])
        if len(polygon) >= 3:
            full = bool(inner[start : low + 1, 0].min() < 1e-9)
            cuts = [(outer[k], inner[k]) for k in (start, low) if np.linalg.norm(outer[k] - inner[k]) > 1e-6]
            bands.append(Band(polygon=inset(polygon, MARGIN_M, cuts=cuts), full=full))
        start = low
    return bands


def _hull(outer: Floats, inner: Floats) -> Floats:
    """Of both sides; where one touches the axis, of both halves of the section, since it will be turned whole."""
    points = np.concatenate([outer, inner])
    if inner[:, 0].min() < 1e-9:
        points = np.concatenate([points, points * np.array([-1.0, 1.0])])
    return convex_hull_2d(points)


def _depth(hull: Floats, outer: Floats, inner: Floats) -> float:
    """How deep inside the hull a point of the section's surface lies at most."""
    surface = np.concatenate([outer, inner[inner[:, 0] > 1e-9]])
    if len(hull) < 3:
        return 0.0
    return float(_inside(hull, surface).max())


def _inside(hull: Floats, points: Floats) -> Floats:
    """Distance of each point from the nearest edge of a counter-clockwise polygon, positive inside."""
    edges = np.roll(hull, -1, axis=0) - hull
    inward = np.stack([-edges[:, 1], edges[:, 0]], axis=1) / np.linalg.norm(edges, axis=1, keepdims=True)
    distances: Floats = ((points[:, None] - hull[None]) * inward[None]).sum(axis=2).min(axis=1)
    return distances


def inset(polygon: Floats, distance_m: float, *, cuts: Sequence[tuple[Floats, Floats]] = ()) -> Floats:
    """A convex polygon with its edges moved inwards, by less where it is too thin, by nothing along the `cuts`."""
    edges = np.roll(polygon, -1, axis=0) - polygon
    inward = np.stack([-edges[:, 1], edges[:, 0]], axis=1) / np.linalg.norm(edges, axis=1, keepdims=True)
    free = np.ones(len(polygon), dtype=bool)
    for a, b in cuts:
        normal = np.array([a[1] - b[1], b[0] - a[0]]) / np.linalg.norm(b - a)
        on_cut = np.abs((polygon - a) @ normal) < 1e-7
        free &= ~(on_cut & np.roll(on_cut, -1))
    if not free.any():
        return polygon
    width = ((polygon[None] - polygon[:, None]) * inward[:, None]).sum(axis=2).max(axis=1)[free].min()
    distance_m = min(distance_m, 0.4 * float(width))
    result = polygon
    for corner, normal in zip(polygon[free], inward[free], strict=True):
        result = _clip(result, corner + normal * distance_m, normal)
    return convex_hull_2d(result)


def _clip(polygon: Floats, point: Floats, normal: Floats) -> Floats:
    """The part of a convex polygon on the side of a line that its normal points to."""
    side = (polygon - point) @ normal
    kept = []
    for k in range(len(polygon)):
        following = (k + 1) % len(polygon)
        if side[k] >= 0:
            kept.append(polygon[k])
        if side[k] * side[following] < 0:
            share = side[k] / (side[k] - side[following])
            kept.append(polygon[k] + share * (polygon[following] - polygon[k]))
    return np.array(kept).reshape(-1, 2)
