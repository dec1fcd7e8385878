"""Surfaces as people export them → one closed surface where that can be had, and normals to look at."""

import itertools
import math
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import trimesh
from numpy.typing import NDArray

from simgen.catalog.mesh_sources import MeshPart
from simgen.core.errors import AssetError
from simgen.core.vectors import Floats

_SMALL_HOLE = 0.5
"""A hole whose rim is shorter than this share of the mesh's diagonal is damage; a longer one may be meant."""
_MOST_PAIRS = 2_000_000
"""Of corners that are compared at once: some 100 MB."""
_MANY = 200
"""Triangles around a point beyond which their directions are put together first."""
_CELLS = 32
"""Cells of a direction's coordinate from 0 to 1: two degrees."""


def repaired(pieces: Sequence[MeshPart], path: Path) -> Any:
    """All triangles as one surface: same points merged, slivers and doubles dropped, normals outward."""
    offsets = np.cumsum([0, *(len(piece.vertices) for piece in pieces)])
    whole = trimesh.Trimesh(
        vertices=np.concatenate([piece.vertices for piece in pieces]),
        faces=np.concatenate([piece.faces + start for piece, start in zip(pieces, offsets, strict=False)]),
        process=False,
    )
    spread = np.linalg.svd(whole.vertices - whole.vertices.mean(axis=0), compute_uv=False)
    if spread[-1] < 1e-4 * spread[0]:
        raise AssetError(f"{path}: is flat, without a volume that physics could use; give it thickness")
    whole.merge_vertices(merge_tex=True, merge_norm=True)
    whole.update_faces(whole.unique_faces() & whole.nondegenerate_faces())
    whole.remove_unreferenced_vertices()
    if not (whole.is_winding_consistent and whole.volume > 0):
        whole.faces = _wound_outward(np.asarray(whole.vertices), np.asarray(whole.faces))
    if whole.is_watertight:
        return whole
    points, triangles = _without_small_holes(np.asarray(whole.vertices), np.asarray(whole.faces))
    return trimesh.Trimesh(points, triangles, process=False)


def _wound_outward(vertices: Floats, faces: NDArray[np.int64]) -> NDArray[np.int64]:
    """Turn triangles so that neighbours agree, and every connected piece so that it holds a positive volume."""
    sharing: dict[tuple[int, int], list[tuple[int, bool]]] = {}
    for number, (a, b, c) in enumerate(faces.tolist()):
        for u, v in ((a, b), (b, c), (c, a)):
            sharing.setdefault((min(u, v), max(u, v)), []).append((number, u < v))
    neighbours: list[list[tuple[int, bool]]] = [[] for _ in faces]
    for pair in sharing.values():
        if len(pair) == 2:
            (one, forward), (two, backward) = pair
            neighbours[one].append((two, forward == backward))
            neighbours[two].append((one, forward == backward))
    corners = vertices[faces]
    volumes = np.einsum("ij,ij->i", corners[:, 0], np.cross(corners[:, 1], corners[:, 2]))
    turned = np.zeros(len(faces), dtype=bool)
    seen = np.zeros(len(faces), dtype=bool)
    for seed in range(len(faces)):
        if seen[seed]:
            continue
        seen[seed] = True
        piece, at = [seed], 0
        while at < len(piece):
            for other, against in neighbours[piece[at]]:
                if not seen[other]:
                    seen[other] = True
                    turned[other] = turned[piece[at]] ^ against
                    piece.append(other)
            at += 1
        members = np.array(piece)
        if (np.where(turned[members], -1.0, 1.0) * volumes[members]).sum() < 0:
            turned[members] ^= True
    return np.where(turned[:, None], faces[:, ::-1], faces)


def _without_small_holes(vertices: Floats, faces: NDArray[np.int64]) -> tuple[Floats, NDArray[np.int64]]:
    """Close every short rim with a fan around its middle; faces must be wound alike."""
    edges = faces[:, [0, 1, 1, 2, 2, 0]].reshape(-1, 2)
    there = set(map(tuple, edges.tolist()))
    follows: dict[int, list[int]] = {}
    for a, b in sorted(there):
        if (b, a) not in there:
            follows.setdefault(b, []).append(a)
    limit = _SMALL_HOLE * float(np.linalg.norm(np.ptp(vertices, axis=0)))
    middles: list[Floats] = []
    fans: list[list[int]] = []
    for start in sorted(follows):
        walk, number = [start], {start: 0}
        while follows.get(walk[-1]):
            corner = follows[walk[-1]].pop()
            if corner not in number:
                number[corner] = len(walk)
                walk.append(corner)
                continue
            # Holes that touch at a corner are closed one by one.
            rim = walk[number[corner] :]
            del walk[number[corner] + 1 :]
            for passed in rim[1:]:
                del number[passed]
            ring = vertices[rim]
            if float(np.linalg.norm(ring - np.roll(ring, 1, axis=0), axis=1).sum()) <= limit:
                middle = len(vertices) + len(middles)
                middles.append(ring.mean(axis=0))
                fans += [[a, b, middle] for a, b in itertools.pairwise([*rim, corner])]
    if not middles:
        return vertices, faces
    return np.concatenate([vertices, middles]), np.concatenate([faces, np.array(fans, dtype=np.int64)])


def crease_normals(piece: MeshPart, crease_rad: float = math.radians(40.0)) -> tuple[Floats, NDArray[np.int64]]:
    """A normal [N, 3] for every corner [M, 3] of the triangles: smooth over gentle bends, split at sharp edges."""
    corners = piece.vertices[piece.faces]
    area = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    unit = area / np.maximum(np.linalg.norm(area, axis=1, keepdims=True), 1e-30)
    # Points are told apart by place: a seam of the texture is no edge of the surface.
    _, place = np.unique(np.round(piece.vertices, 7), axis=0, return_inverse=True)
    at = place.reshape(-1)[piece.faces].reshape(-1)
    order = np.argsort(at, kind="stable")
    starts = np.flatnonzero(np.r_[True, np.diff(at[order]) > 0])
    counts = np.diff(np.r_[starts, len(order)])
    summed = np.zeros((len(at), 3))
    limit = math.cos(crease_rad)
    for some in _slices(counts):
        _sum_pairs(order, starts[some], counts[some], unit, area, limit, summed)
    for k in np.flatnonzero(counts > _MANY):
        around = order[starts[k] : starts[k] + counts[k]]
        summed[around] = _sum_cells(unit[around // 3], area[around // 3], limit)
    summed /= np.maximum(np.linalg.norm(summed, axis=1, keepdims=True), 1e-30)
    normals, index = np.unique(np.round(summed, 4) + 0.0, axis=0, return_inverse=True)
    return normals, index.reshape(-1, 3)


def _slices(counts: NDArray[np.int64]) -> Iterator[NDArray[np.int64]]:
    """The points with few triangles around them, in lots of a bounded number of pairs."""
    few = np.flatnonzero(counts <= _MANY)
    lots = np.cumsum(counts[few] ** 2) // _MOST_PAIRS
    yield from np.split(few, np.flatnonzero(np.diff(lots)) + 1)


def _sum_pairs(
    order: NDArray[np.int64],
    starts: NDArray[np.int64],
    counts: NDArray[np.int64],
    unit: Floats,
    area: Floats,
    limit: float,
    summed: Floats,
) -> None:
    """Every pair of corners that meet at one place: those whose triangles bend gently share their normals."""
    length = int(counts.sum())
    own = order[np.repeat(starts - np.r_[0, np.cumsum(counts[:-1])], counts) + np.arange(length)]
    own = np.repeat(own, np.repeat(counts, counts))
    block = np.repeat(starts, counts**2)
    within = np.arange(len(own)) - np.repeat(np.cumsum(np.r_[0, counts[:-1] ** 2]), counts**2)
    other = order[block + within % np.repeat(counts, counts**2)]
    gentle = (unit[own // 3] * unit[other // 3]).sum(axis=1) > limit
    np.add.at(summed, own[gentle], area[other[gentle] // 3])


def _sum_cells(unit: Floats, area: Floats, limit: float) -> Floats:
    """The same for one point with many triangles around it: those of one direction, to two degrees, count as one.

    All pairs of a cone with ten thousand sides would be a hundred million.
    """
    _, cell = np.unique(np.round(unit * _CELLS), axis=0, return_inverse=True)
    cell = cell.reshape(-1)
    count = int(cell.max()) + 1
    total = np.stack([np.bincount(cell, area[:, k], count) for k in range(3)], axis=1)
    middle = np.stack([np.bincount(cell, unit[:, k], count) for k in range(3)], axis=1)
    middle = middle / np.maximum(np.linalg.norm(middle, axis=1, keepdims=True), 1e-30)
    sums = np.concatenate(
        [(some @ middle.T > limit) @ total for some in np.array_split(middle, count * count // _MOST_PAIRS + 1)]
    )
    result: Floats = sums[cell]
    return result
