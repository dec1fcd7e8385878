"""Pieces of steel for the forge: bars, horseshoes, rings, bolts, springs, discs.

Every vertex has `along`, its place from 0 to 1 on the line that heat flows along: a bar's length, a disc's radius.
"""

from dataclasses import dataclass

import numpy as np

from simgen.core.mesh import Mesh, MeshSurface
from simgen.core.vectors import Floats
from simgen.procedural.models import forms, model

SLICES, FINE = 180, 900
"""Slices of a piece as heat sees it, and of one whose shape is fine along its length."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Piece:
    """What heat sees of a piece: section [N] and perimeter [N] of its slices, and the length of its line."""

    length_m: float
    section_m2: Floats
    perimeter_m: Floats
    closed: bool = False


def piece(variant: str, length_m: float, thickness_m: float) -> Piece:
    """The piece as slices; a disc has rings instead, see `simgen.solvers.heat.disc`."""
    path, sections, closed = _drawn(variant, length_m, thickness_m, SLICES)
    after = np.roll(sections, -1, axis=1)
    area = 0.5 * np.abs((sections[..., 0] * after[..., 1] - sections[..., 1] * after[..., 0]).sum(axis=1))
    ends = np.concatenate([path, path[:1]]) if closed else path
    return Piece(
        length_m=float(np.linalg.norm(np.diff(ends, axis=0), axis=1).sum()),
        section_m2=area,
        perimeter_m=np.linalg.norm(after - sections, axis=2).sum(axis=1),
        closed=closed,
    )


@model("hot_piece")
def hot_piece(*, rng: np.random.Generator, variant: str = "rod", length_m: float, thickness_m: float) -> Mesh:
    """A piece of steel as it lies on a flat place."""
    if variant == "disc":
        return forms.mesh(_disc(length_m / 2, thickness_m))
    path, sections, closed = _drawn(variant, length_m, thickness_m, FINE if variant == "bolt" else 2 * SLICES)
    made = _swept(path, sections, closed=closed)
    if variant == "bolt":
        made = forms.moved(made, rotation=[[0, 0, -1], [0, 1, 0], [1, 0, 0]])
    low = made.vertices_m.min(axis=0)
    center = (made.vertices_m.max(axis=0) + low) / 2
    return forms.mesh(forms.moved(made, by=(-center[0], -center[1], -low[2])))


def _drawn(variant: str, length_m: float, thickness_m: float, count: int) -> tuple[Floats, Floats, bool]:
    """The line of a piece [N, 3], its sections [N, K, 2] (across, up), and whether it closes on itself."""
    t = np.linspace(0.0, 1.0, count)
    line = np.column_stack([(t - 0.5) * length_m, np.zeros((count, 2))])
    half = thickness_m / 2
    if variant == "rod":
        return line, _circle(32)[None] * (half * _tip(t, length_m, half, 0.3))[:, None, None], False
    if variant == "bar":
        return line, _rounded(half, half, 0.16)[None] * _tip(t, length_m, half, 0.12)[:, None, None], False
    if variant == "twist":
        turn = 4.5 * np.pi * np.clip((t - 0.22) / 0.56, 0.0, 1.0)
        cos, sin = np.cos(turn), np.sin(turn)
        turned = np.einsum(
            "kj,nij->nki", _rounded(half, half, 0.16), np.stack([[cos, -sin], [sin, cos]]).transpose(2, 0, 1)
        )
        return line, turned * _tip(t, length_m, half, 0.12)[:, None, None], False
    if variant == "chisel":
        wide = np.interp(t, [0.0, 0.04, 0.62, 1.0], [0.86, 1.0, 1.0, 1.25])
        high = np.interp(t, [0.0, 0.04, 0.62, 1.0], [0.86, 1.0, 1.0, 0.12])
        return line, _rounded(half, half, 0.5)[None] * np.stack([wide, high], axis=1)[:, None], False
    if variant == "ring":
        angle = np.linspace(0.0, 2 * np.pi, count, endpoint=False)
        radius = length_m / 2 - half
        path = np.column_stack([radius * np.cos(angle), radius * np.sin(angle), np.zeros(count)])
        return path, np.repeat(_circle(32)[None] * half, count, axis=0), True
    if variant == "spring":
        turns, radius = 5.5, 0.28 * length_m
        angle = np.linspace(0.0, 2 * np.pi * turns, count)
        path = np.column_stack(
            [(np.linspace(0, 1, count) - 0.5) * length_m, radius * np.cos(angle), radius * np.sin(angle)]
        )
        return path, np.repeat(_circle(20)[None] * half, count, axis=0), False
    if variant == "horseshoe":
        # A bow that narrows towards its heels, as a farrier's.
        angle = np.linspace(-0.22 * np.pi, 1.22 * np.pi, count)
        low = np.clip(-np.sin(angle), 0.0, 1.0)
        path = np.column_stack(
            [
                length_m * np.cos(angle) * (0.41 + 0.06 * low**2),
                length_m * np.sin(angle) * np.where(low > 0, 0.42 + 0.6 * low, 0.42),
                np.zeros(count),
            ]
        )
        shape = np.stack([thickness_m * (0.68 + 0.37 * np.sin(np.pi * t) ** 2), np.full(count, half)], axis=1)
        ends = np.clip(np.minimum(t, 1 - t) / 0.015, 0.0, 1.0)
        shape[:, 0] *= 0.6 + 0.4 * np.sqrt(1 - (1 - ends) ** 2)
        return path, _rounded(1.0, 1.0, 0.2)[None] * shape[:, None], False
    if variant == "bolt":
        # Head first, standing on it later; the shank's thread is a fine wave.
        head = t < 0.17
        corners = np.clip(np.minimum(t, 0.17 - t) / 0.02, 0.0, 1.0)
        thread = np.where((t > 0.42) & (t < 0.98), 1.0 - 0.3 * np.abs(((t * 42.0) % 1.0) - 0.5), 1.0)
        shank = half * thread * np.where(t > 0.97, 1.0 - 5.0 * (t - 0.97), 1.0)
        hexagon = _rounded_polygon(6, 32) * half * 1.9
        sections = np.where(
            head[:, None, None],
            hexagon[None] * (0.93 + 0.07 * corners)[:, None, None],
            _circle(32)[None] * shank[:, None, None],
        )
        return line, sections, False
    raise ValueError(f"no piece of steel is called {variant!r}")


def _tip(t: Floats, length_m: float, half_m: float, share: float) -> Floats:
    """The factor by which a bar narrows at its ends: a chamfer."""
    near = np.minimum(t, 1.0 - t) * length_m / (2 * share * half_m)
    return np.asarray(1.0 - share * np.clip(1.0 - near, 0.0, 1.0) ** 2)


def _circle(count: int) -> Floats:
    angle = np.linspace(0.0, 2 * np.pi, count, endpoint=False)
    return np.stack([np.cos(angle), np.sin(angle)], axis=1)


def _rounded(half_w: float, half_h: float, radius: float) -> Floats:
    """A rectangle [32, 2] whose corners are rounded; `radius` is a share of its halves."""
    angle = np.concatenate([np.linspace(k * np.pi / 2, (k + 1) * np.pi / 2, 8) for k in range(4)])
    core = np.repeat([[1, 1], [-1, 1], [-1, -1], [1, -1]], 8, axis=0) * (1.0 - radius)
    unit = core + radius * np.stack([np.cos(angle), np.sin(angle)], axis=1)
    return np.asarray(unit * [half_w, half_h])


def _rounded_polygon(sides: int, count: int) -> Floats:
    """A regular polygon whose sides are at distance 0.87 of 1, sampled at equal angles."""
    angle = np.linspace(0.0, 2 * np.pi, count, endpoint=False)
    bend = (angle + np.pi / sides) % (2 * np.pi / sides) - np.pi / sides
    radius = np.minimum(np.cos(np.pi / sides) / np.cos(bend), 0.985)
    return np.asarray(np.stack([np.cos(angle), np.sin(angle)], axis=1) * radius[:, None])


def _swept(path: Floats, sections: Floats, *, closed: bool) -> MeshSurface:
    """Sections carried along a line; the first axis of a section stays level, across the way."""
    around = np.concatenate([path[-1:], path, path[:1]]) if closed else path
    ahead = np.gradient(around, axis=0)[1:-1] if closed else np.gradient(path, axis=0)
    ahead /= np.linalg.norm(ahead, axis=1, keepdims=True)
    across = np.cross([0.0, 0.0, 1.0], ahead)
    if np.linalg.norm(across, axis=1).min() < 0.3:
        # A line that climbs steeply (a spring about x): its own axis is the level one.
        across = np.tile([1.0, 0.0, 0.0], (len(path), 1))
        across = across - ahead * (across * ahead).sum(axis=1, keepdims=True)
    across /= np.linalg.norm(across, axis=1, keepdims=True)
    up = np.cross(ahead, across)
    rings = path[:, None] + sections[..., :1] * across[:, None] + sections[..., 1:] * up[:, None]
    count, points = rings.shape[:2]
    index = np.arange(count * points).reshape(count, points)
    rows = np.concatenate([index, index[:1]]) if closed else index
    beside = np.roll(rows, -1, axis=1)
    quads = np.stack([rows[:-1], beside[:-1], beside[1:], rows[1:]], axis=-1).reshape(-1, 4)
    faces = np.concatenate([quads[:, [0, 2, 1]], quads[:, [0, 3, 2]]])
    vertices, along = rings.reshape(-1, 3), np.repeat(np.linspace(0.0, 1.0, count), points)
    if not closed:
        last = len(vertices)
        vertices = np.concatenate([vertices, path[[0, -1]]])
        along = np.concatenate([along, [0.0, 1.0]])
        first = np.stack([index[0], np.roll(index[0], -1), np.full(points, last)], axis=1)
        final = np.stack([np.roll(index[-1], -1), index[-1], np.full(points, last + 1)], axis=1)
        faces = np.concatenate([faces, first, final])
    corners = vertices[faces]
    if np.linalg.det(corners).sum() < 0:
        faces = faces[:, [0, 2, 1]]
    return MeshSurface(vertices_m=vertices, faces=faces, attributes={"along": along}, sharp_deg=50.0)


def _disc(radius_m: float, thickness_m: float) -> MeshSurface:
    """A round plate with turned edges, fine enough along its radius for the colours of heat."""
    edge = 0.15 * thickness_m
    rise = np.linspace(0.0, radius_m - edge, 70)[1:]
    bottom = np.column_stack([rise, np.zeros(len(rise))])
    side = np.array([[radius_m, edge], [radius_m, thickness_m - edge]])
    top = np.column_stack([rise[::-1], np.full(len(rise), thickness_m)])
    profile = np.concatenate([[[0.0, 0.0]], bottom, side, top, [[0.0, thickness_m]]])
    made = forms.turned(("", profile), around=120, sharp_deg=50.0)[0]
    along = np.linalg.norm(made.vertices_m[:, :2], axis=1) / radius_m
    return MeshSurface(vertices_m=made.vertices_m, faces=made.faces, attributes={"along": along}, sharp_deg=50.0)
