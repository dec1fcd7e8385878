"""Ways to make patches and convex parts: turning on a lathe, rounding a box, sweeping a section, casting a blob."""

from collections.abc import Callable, Mapping, Sequence
from itertools import pairwise

import numpy as np

from simgen.core.geometry import convex_hull_2d
from simgen.core.vectors import Floats, Vec3
from simgen.procedural.builtin.mesh import GridPatch, Part
from simgen.procedural.builtin.profiles import MARGIN_M, Band, inset

NUM_AROUND = 80
"""Sides of a lathed body: at 512 pixels its outline shows no corners."""
NUM_AROUND_PART = 48
NUM_WALL_PARTS = 20
"""Convex pieces around a vessel; the hull of one closes its hollow by 1.2 % of the radius at most."""

FACES: dict[str, tuple[tuple[int, int], tuple[int, int], tuple[int, int]]] = {
    # Axis and sign of u, of v and of the outward normal: u × v = normal, prints upright as seen from outside.
    "front": ((0, 1), (2, 1), (1, -1)),
    "right": ((1, 1), (2, 1), (0, 1)),
    "back": ((0, -1), (2, 1), (1, 1)),
    "left": ((1, -1), (2, 1), (0, -1)),
    "top": ((0, 1), (1, 1), (2, 1)),
    "bottom": ((0, 1), (1, -1), (2, -1)),
}


def lathe(
    *chunks: tuple[str, Floats],
    num_around: int = NUM_AROUND,
    flutes: Mapping[str, tuple[int, float]] | None = None,
) -> tuple[GridPatch, ...]:
    """A profile turned about z; each chunk is (slot, points [N, 2]) and begins where the one before it ended.

    `flutes` gives slots a number of grooves around and their depth in metres.
    """
    angle = np.linspace(0.0, 2 * np.pi, num_around + 1)
    # The seam closes exactly: sin(2π) is not quite zero.
    cos, sin = np.append(np.cos(angle[:-1]), 1.0), np.append(np.sin(angle[:-1]), 0.0)
    patches = []
    for slot, curve in chunks:
        radius = np.broadcast_to(curve[None, :, 0], (num_around + 1, len(curve)))
        if flutes and slot in flutes:
            count, depth_m = flutes[slot]
            fade = np.clip(np.minimum(np.arange(len(curve)), np.arange(len(curve))[::-1]) / 4, 0.0, 1.0)
            wave = 0.5 - 0.5 * np.cos(count * angle)
            wave[-1] = wave[0]
            radius = radius - depth_m * wave[:, None] * fade
        height = np.broadcast_to(curve[None, :, 1], radius.shape)
        points = np.stack([radius * cos[:, None], radius * sin[:, None], height], axis=-1)
        patches.append(GridPatch(points=points, slot=slot))
    return tuple(patches)


def turned_parts(bands: Sequence[Band]) -> tuple[Part, ...]:
    """Convex parts of lathed bands: whole discs and frusta, or rings of wall segments."""
    parts: list[Part] = []
    for band in bands:
        polygon = band.polygon
        if band.full:
            chain = _chain(polygon)
            angle = np.linspace(0.0, 2 * np.pi, NUM_AROUND_PART, endpoint=False)
            parts.append(Part(rings=_turned(chain, angle).swapaxes(0, 1)))
        else:
            for k in range(NUM_WALL_PARTS):
                angle = (k + np.linspace(0.0, 1.0, 3)) * 2 * np.pi / NUM_WALL_PARTS
                parts.append(Part(rings=_turned(polygon, angle)))
    return tuple(parts)


def _chain(polygon: Floats) -> Floats:
    """The outline right of the axis from bottom to top; a tip on the axis becomes a tiny ring, a flat end none."""
    half = polygon[polygon[:, 0] > -1e-9]
    half = half[np.argsort(half[:, 1], kind="stable")]
    flat = np.abs(half[:, 1, None] - half[half[:, 0] > 1e-4, 1][None]).min(axis=1) < 1e-5
    half = half[(half[:, 0] > 1e-4) | ~flat]
    return np.maximum(half, [1e-4, -np.inf])


def _turned(curve: Floats, angle: Floats) -> Floats:
    """Points [A, N, 3] of a curve [N, 2] at some angles about z."""
    radius, height = (
        np.meshgrid(angle, curve[:, 0], indexing="ij")[1],
        np.broadcast_to(curve[:, 1], (len(angle), len(curve))),
    )
    return np.stack([radius * np.cos(angle)[:, None], radius * np.sin(angle)[:, None], height], axis=-1)


def rounded_box(
    size_m: Vec3,
    radius_m: float,
    *,
    slots: Mapping[str, str] | str,
    center_m: Vec3 = (0.0, 0.0, 0.0),
    num_arc: int = 3,
) -> tuple[GridPatch, ...]:
    """Six patches that meet in the middle of the rounding; `slots` names the slot of each face, or of all."""
    half = np.array(size_m) / 2
    radius_m = min(radius_m, 0.999 * float(half.min()))
    slope = np.tan(np.linspace(-np.pi / 4, np.pi / 4, 2 * num_arc + 1))
    slope = np.concatenate([slope[: num_arc + 1], slope[num_arc:]])
    side = np.repeat([-1.0, 1.0], num_arc + 1)
    patches = []
    for face, ((u, u_sign), (v, v_sign), (n, n_sign)) in FACES.items():
        a, b = np.meshgrid(slope, slope, indexing="ij")
        direction = np.zeros((*a.shape, 3))
        direction[..., u], direction[..., v], direction[..., n] = u_sign * a, v_sign * b, n_sign
        direction /= np.linalg.norm(direction, axis=-1, keepdims=True)
        core = np.zeros_like(direction)
        core[..., u] = u_sign * side[:, None] * (half[u] - radius_m)
        core[..., v] = v_sign * side[None, :] * (half[v] - radius_m)
        core[..., n] = n_sign * (half[n] - radius_m)
        slot = slots if isinstance(slots, str) else slots[face]
        patches.append(GridPatch(points=core + radius_m * direction + np.array(center_m), slot=slot, face=face))
    return tuple(patches)


def box_part(size_m: Vec3, *, center_m: Vec3 = (0.0, 0.0, 0.0)) -> Part:
    x, y, z = (max(extent / 2 - MARGIN_M, 0.1 * extent) for extent in size_m)
    ring = np.array([[-x, -y], [x, -y], [x, y], [-x, y]])
    rings = np.stack([np.column_stack([ring, np.full(4, level)]) for level in (-z, z)])
    return Part(rings=rings + np.array(center_m))


def rounded_box_part(size_m: Vec3, radius_m: float, *, center_m: Vec3 = (0.0, 0.0, 0.0)) -> Part:
    """A box whose edges along z and around top and bottom are cut, for roundings that change how it rests."""
    x, y, z = (extent / 2 - MARGIN_M for extent in size_m)
    rings = []
    for level, shrink in ((-z, 1.0), (-z + 0.3 * radius_m, 0.3), (-z + radius_m, 0.0)):
        w, d = x - shrink * 0.6 * radius_m, y - shrink * 0.6 * radius_m
        cut = min(0.6 * radius_m, w, d)
        outline = [
            (-w + cut, -d),
            (w - cut, -d),
            (w, -d + cut),
            (w, d - cut),
            (w - cut, d),
            (-w + cut, d),
            (-w, d - cut),
            (-w, -d + cut),
        ]
        rings.append([(a, b, level) for a, b in outline])
    points = np.array(rings)
    mirrored = points[::-1] * np.array([1.0, 1.0, -1.0])
    return Part(rings=np.concatenate([points, mirrored]) + np.array(center_m))


def tube(
    path: Floats,
    widths_m: Floats,
    *,
    slot: str,
    num_around: int = 24,
    squareness: float = 0.0,
) -> tuple[GridPatch, ...]:
    """A closed sweep along a path [N, 3] in the plane y = 0; `widths_m` [N, 2] are half widths along y and across it.

    `squareness` 0 is an ellipse, towards 1 a rounded rectangle.
    """
    angle = np.linspace(0.0, 2 * np.pi, num_around + 1)
    cos, sin = np.append(np.cos(angle[:-1]), 1.0), np.append(np.sin(angle[:-1]), 0.0)
    power = 1.0 - 0.7 * squareness
    section = np.stack([np.sign(cos) * np.abs(cos) ** power, np.sign(sin) * np.abs(sin) ** power], axis=1)
    rings = _sections(path, widths_m, section)
    closed = np.concatenate(
        [np.broadcast_to(path[0], rings[:1].shape), rings, np.broadcast_to(path[-1], rings[:1].shape)]
    )
    return (GridPatch(points=closed.swapaxes(0, 1), slot=slot),)


def tube_parts(path: Floats, widths_m: Floats, *, num: int) -> tuple[Part, ...]:
    """Straight convex pieces along a sweep."""
    angle = np.linspace(0.0, 2 * np.pi, 8, endpoint=False) + np.pi / 8
    section = np.stack([np.cos(angle), np.sin(angle)], axis=1) / np.cos(np.pi / 8)
    rings = _sections(path, np.maximum(widths_m - MARGIN_M, 0.3 * widths_m), section)
    cuts = np.round(np.linspace(0, len(path) - 1, num + 1)).astype(int)
    return tuple(Part(rings=rings[[a, b]]) for a, b in pairwise(cuts))


def _sections(path: Floats, widths_m: Floats, section: Floats) -> Floats:
    """Rings [N, K, 3] across a path in the plane y = 0."""
    ahead = np.gradient(path, axis=0)
    ahead /= np.linalg.norm(ahead, axis=1, keepdims=True)
    across = np.stack([-ahead[:, 2], np.zeros(len(path)), ahead[:, 0]], axis=1)
    flat = section[None, :, :1] * widths_m[:, None, :1] * np.array([0.0, 1.0, 0.0])
    rings: Floats = path[:, None] + flat + section[None, :, 1:] * widths_m[:, None, 1:] * across[:, None]
    return rings


def between(
    inner: Floats, outer: Floats, depth_m: float, bevel_m: float, *, slot: str
) -> tuple[tuple[GridPatch, ...], tuple[Part, ...]]:
    """A slab between two curves [N, 2] of the plane (x, z), `depth_m` thick along y: an arch, a ring's sector."""
    width = np.linalg.norm(outer - inner, axis=1)[:, None, None]
    steps = np.radians(np.linspace(0.0, 90.0, 5))
    corner = np.stack([1 - np.sin(steps), 1 - np.cos(steps)], axis=1) * bevel_m
    half = depth_m / 2
    loop = []
    # Around the section, from the inner side; a is the share of the way outwards plus metres, b is along y.
    for share, a_sign, b_sign, order in ((0.0, 1, -1, -1), (1.0, -1, -1, 1), (1.0, -1, 1, -1), (0.0, 1, 1, 1)):
        for a, b in corner[::order]:
            loop.append((share, a_sign * a, b_sign * (half - b)))
    ring = np.array([*loop, loop[0]])[None]
    share = ring[..., :1] + ring[..., 1:2] / width
    flat = inner[:, None] + (outer - inner)[:, None] * share
    grid = np.stack([flat[..., 0], np.broadcast_to(ring[..., 2], flat.shape[:2]), flat[..., 1]], axis=-1)
    ends = [np.broadcast_to(end.mean(axis=0), end.shape)[None] for end in (grid[0, :-1], grid[-1, :-1])]
    ends = [np.concatenate([end, end[:, :1]], axis=1) for end in ends]
    grid = np.concatenate([ends[0], grid, ends[1]])
    parts = []
    cuts = np.unique(np.round(np.linspace(0, len(inner) - 1, 9)).astype(int))
    for a, b in pairwise(cuts):
        polygon = inset(convex_hull_2d(np.concatenate([inner[a : b + 1], outer[a : b + 1]])), MARGIN_M)
        rings = [
            np.column_stack([polygon[:, 0], np.full(len(polygon), y), polygon[:, 1]])
            for y in (MARGIN_M - half, half - MARGIN_M)
        ]
        parts.append(Part(rings=np.array(rings)))
    return (GridPatch(points=grid, slot=slot),), tuple(parts)


def blob(
    distance: Callable[[Floats], Floats], *, reach_m: float, center_m: Vec3, slot: str, num: int = 96
) -> tuple[GridPatch, ...]:
    """The zero surface of a signed distance, where it can be seen whole from its middle (star-shaped)."""
    polar = np.linspace(0.0, np.pi, num + 1)
    around = np.linspace(0.0, 2 * np.pi, 2 * num + 1)
    sin, cos = np.sin(polar), -np.cos(polar)
    sin[0] = sin[-1] = 0.0
    rays = np.stack(
        [
            np.append(np.cos(around[:-1]), 1.0)[:, None] * sin,
            np.append(np.sin(around[:-1]), 0.0)[:, None] * sin,
            np.broadcast_to(cos, (len(around), len(polar))),
        ],
        axis=-1,
    )
    low, high = np.zeros(rays.shape[:2]), np.full(rays.shape[:2], reach_m)
    for _ in range(30):
        middle = (low + high) / 2
        within = distance(np.array(center_m) + rays * middle[..., None]) < 0
        low, high = np.where(within, middle, low), np.where(within, high, middle)
    return (GridPatch(points=np.array(center_m) + rays * low[..., None], slot=slot),)


def moved(patches: Sequence[GridPatch], offset_m: Vec3, *, rotation: Floats | None = None) -> tuple[GridPatch, ...]:
    """Patches turned by a 3 × 3 matrix, then shifted."""
    turn = np.eye(3) if rotation is None else rotation
    return tuple(
        GridPatch(points=p.points @ turn.T + np.array(offset_m), slot=p.slot, face=p.face, cell=p.cell) for p in patches
    )


def moved_parts(parts: Sequence[Part], offset_m: Vec3, *, rotation: Floats | None = None) -> tuple[Part, ...]:
    turn = np.eye(3) if rotation is None else rotation
    return tuple(Part(rings=part.rings @ turn.T + np.array(offset_m)) for part in parts)
