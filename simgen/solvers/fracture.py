"""Breaking a closed body into pieces: Voronoi cells about seeded sites, intersected with the body exactly.

Brittle things break into cells that are small near the blow and large far from it. The cells are convex; a smooth warp
of space, undone afterwards, makes cracks wander. The boolean is that of manifold3d (Lalish, Apache-2.0), whose results
are closed and whose volumes add up. Arrays in, arrays out; metres; nothing random but what the generator draws.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from manifold3d import CrossSection, FillRule, JoinType, Manifold, Mesh64, OpType
from numpy.typing import NDArray

from simgen.core.vectors import Floats

Ints = NDArray[np.int64]
Warp = Callable[[Floats], Floats]
"""Points [N, 3] → how far each is shifted [N, 3]."""

CRACK = -1
"""Slot of the surfaces that were inside."""
PAD_M = 0.001
"""Bullet keeps hulls this far apart."""
FULLEST = 1.8
"""A hull with more than this times the volume of what it stands for is cut in two."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Solid:
    """A closed triangle mesh, each face with the number of its slot."""

    vertices_m: Floats
    faces: Ints
    slots: Ints
    """[M], from 0."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Piece:
    """A closed piece about its own centre of mass, along its own principal axes."""

    vertices_m: Floats
    faces: Ints
    slots: Ints
    """[M]; CRACK where the body was cut."""
    volume_m3: float
    center_m: Floats
    """Of mass, in the body's axes [3]."""
    axes: Floats
    """Columns are the piece's own axes in those of the body [3, 3]."""
    hulls: tuple[Floats, ...]
    """Convex pieces [K, 3] for collisions, drawn in by what Bullet adds."""


def united(solids: list[Solid]) -> Solid:
    """One closed body of several that overlap, their slots kept."""
    whole = _manifold(solids[0])
    for other in solids[1:]:
        whole += _manifold(other)
    return _solid(whole)


def hollowed(outer: Solid, inner: Solid) -> Solid:
    """A body with a closed hollow in it."""
    return _solid(_manifold(outer) - _manifold(inner))


def extrusion(outlines_m: list[Floats], thick_m: float, bevel_m: float) -> tuple[Floats, Ints]:
    """Vertices and faces of a flat shape made thick along z: the first outline [N, 2], less the others, its edges
    bevelled on both sides."""
    shape = CrossSection([outlines_m[0]], FillRule.NonZero)
    if shape.area() < 0:
        shape = CrossSection([outlines_m[0][::-1]], FillRule.NonZero)
    for hole in outlines_m[1:]:
        shape -= CrossSection([hole], FillRule.NonZero)
    made = shape.extrude(thick_m)
    if bevel_m:
        # Each side is the hull-free stack of two slabs: the inner outline is as thick as it was.
        steps = [shape.offset(-bevel_m * share, JoinType.Miter) for share in (1.0, 0.35)]
        made = Manifold.batch_boolean(
            [
                shape.extrude(thick_m - 2 * bevel_m).translate((0.0, 0.0, bevel_m)),
                steps[1].extrude(thick_m - 0.7 * bevel_m).translate((0.0, 0.0, 0.35 * bevel_m)),
                steps[0].extrude(thick_m),
            ],
            OpType.Add,
        )
    mesh = made.to_mesh64()
    return mesh.vert_properties[:, :3], mesh.tri_verts.astype(np.int64)


def moments(vertices_m: Floats, faces: Ints) -> tuple[float, Floats, Floats]:
    """Volume, centre of mass and inertia tensor about it [3, 3] of a closed mesh of density 1 (Tonon 2004)."""
    a, b, c = (vertices_m[faces[:, k]] for k in range(3))
    sixth = np.einsum("ij,ij->i", a, np.cross(b, c)) / 6
    volume = float(sixth.sum())
    center = (sixth[:, None] * (a + b + c)).sum(axis=0) / (4 * volume)
    a, b, c = a - center, b - center, c - center
    sixth = np.einsum("ij,ij->i", a, np.cross(b, c)) / 6
    total = a + b + c
    second = sum(np.einsum("n,ni,nj->ij", sixth, p, p) for p in (a, b, c, total)) / 20
    return volume, center, np.trace(second) * np.eye(3) - second


def fracture(
    body: Solid, sites_m: Floats, *, warp: Warp | None = None, edge_m: float = 0.004, least_share: float = 0.002
) -> tuple[Piece, ...]:
    """The pieces that Voronoi cells about `sites_m` [K, 3] cut a body into; what lies apart is a piece of its own.

    With a warp the cut goes through the warped body, whose edges are first made shorter than `edge_m`, and the pieces
    are warped back. A piece with less than `least_share` of the volume is joined to the nearest that it touches.
    """
    whole = _manifold(body)
    sites = sites_m
    if warp is not None:
        whole = whole.refine_to_length(edge_m)
        whole = whole.warp_batch(lambda points: np.asarray(points) + warp(np.asarray(points)))
        sites = sites_m + warp(sites_m)
    low, high = (np.asarray(whole.bounding_box()[k : k + 3]) for k in (0, 3))
    islands: list[Manifold] = []
    for k in range(len(sites)):
        cell = Manifold.hull_points(cell_corners(sites, k, low - 0.01, high + 0.01))
        islands += sorted((whole ^ cell).decompose(), key=lambda island: (-island.volume(), *island.bounding_box()))
    islands = _merged([one for one in islands if one.volume() > 0.0], least_share * whole.volume())
    known = {number: slot for slot, number in enumerate(_slot_ids(body))}
    return tuple(_piece(island, known, warp) for island in islands)


def cell_corners(sites: Floats, k: int, low: Floats, high: Floats) -> Floats:
    """Corners [C, 3] of the Voronoi cell of site k inside a box."""
    others = np.delete(sites, k, axis=0)
    away = others - sites[k]
    length = np.linalg.norm(away, axis=1)
    normals = np.concatenate([away / length[:, None], np.eye(3), -np.eye(3)])
    offsets = np.concatenate([length / 2, high - sites[k], sites[k] - low])
    corners: Floats = halfspace_corners(normals, offsets) + sites[k]
    return corners


def halfspace_corners(normals: Floats, offsets: Floats) -> Floats:
    """Corners [C, 3] of the convex body {x: n·x ≤ d}, for d > 0: the faces of the hull of n/d are its corners."""
    dual = Manifold.hull_points(normals / offsets[:, None]).to_mesh64()
    corners = dual.vert_properties[:, :3][dual.tri_verts.astype(np.int64)]
    flat = np.abs(np.linalg.det(corners)) < 1e-12 * np.abs(corners).max() ** 3
    points = np.linalg.solve(corners[~flat], np.ones((int((~flat).sum()), 3, 1)))[..., 0]
    result: Floats = np.unique(np.round(points, 9), axis=0)
    return result


def scattered(
    rng: np.random.Generator, points_m: Floats, faces: Ints, count: int, *, blow_m: Floats, reach_m: float, dense: float
) -> Floats:
    """`count` sites [K, 3] in the walls of a body: evenly spread, but `dense` times closer together at the blow than
    `reach_m` and more away from it (best candidate of many, distances measured in the local spacing)."""
    corners = points_m[faces]
    area = np.linalg.norm(np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0]), axis=1)
    chosen = rng.choice(len(faces), size=60 * count, p=area / area.sum())
    u, v = rng.random((2, len(chosen)))
    u, v = np.where(u + v > 1, 1 - u, u), np.where(u + v > 1, 1 - v, v)
    a, b, c = (corners[chosen, k] for k in range(3))
    cloud = a + u[:, None] * (b - a) + v[:, None] * (c - a)
    away = np.clip(np.linalg.norm(cloud - blow_m, axis=1) / reach_m, 0.0, 1.0)
    spacing = 1.0 / dense + (1.0 - 1.0 / dense) * away
    keep = rng.random(len(cloud)) < (spacing.min() / spacing) ** 2
    cloud, spacing = cloud[keep], spacing[keep]
    if len(cloud) < count:
        return np.asarray(cloud, dtype=float)
    picked = [int(rng.integers(len(cloud)))]
    nearest = np.linalg.norm(cloud - cloud[picked[0]], axis=1) / spacing
    while len(picked) < count:
        # Not the very farthest of all: that would be a lattice.
        among = rng.choice(len(cloud), size=min(14, len(cloud)), replace=False)
        best = int(among[np.argmax(nearest[among])])
        picked.append(best)
        nearest = np.minimum(nearest, np.linalg.norm(cloud - cloud[best], axis=1) / spacing)
    return np.asarray(cloud[picked], dtype=float)


def convex_parts(vertices_m: Floats, faces: Ints, *, inset_m: float = PAD_M, most: int = 3) -> tuple[Floats, ...]:
    """Convex pieces [K, 3] that stand for a closed solid, each drawn in by `inset_m` where it is thick enough."""
    none = np.zeros(len(faces), np.int64)
    return _hulls(_manifold(Solid(vertices_m=vertices_m, faces=faces, slots=none)), inset_m, most)


def _hulls(solid: Manifold, inset_m: float, most: int) -> tuple[Floats, ...]:
    queue: list[Manifold] = [solid]
    done: list[Manifold] = []
    while queue:
        one = queue.pop(0)
        hull = one.hull()
        if len(queue) + len(done) + 1 >= most or hull.volume() < FULLEST * one.volume() or one.num_vert() < 8:
            done.append(hull)
            continue
        points = one.to_mesh64().vert_properties[:, :3]
        middle = points.mean(axis=0)
        along = np.linalg.svd(points - middle, full_matrices=False)[2][0]
        queue += [half for half in one.split_by_plane(along, float(along @ middle)) if half.volume() > 0.0]
    return tuple(_inset(hull, inset_m) for hull in done if hull.volume() > 0.02 * solid.volume())


def _inset(hull: Manifold, inset_m: float) -> Floats:
    """Corners of a convex body whose faces are moved inwards, by less where it is thin."""
    coarse = hull.simplify(0.0004)
    mesh = (hull if coarse.is_empty() else coarse).to_mesh64()
    points, faces = mesh.vert_properties[:, :3], mesh.tri_verts.astype(np.int64)
    corners = points[faces]
    normals = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    length = np.linalg.norm(normals, axis=1)
    normals, corners = normals[length > 1e-12] / length[length > 1e-12, None], corners[length > 1e-12]
    center = moments(points, faces)[1]
    offsets = np.einsum("ij,ij->i", normals, corners[:, 0] - center)
    width = offsets + (-normals @ (points - center).T).max(axis=1)
    # A shard may be thinner than twice the padding; what is left must be a body.
    moved = offsets - np.minimum(inset_m, np.minimum(0.35 * width, 0.8 * offsets))
    if (moved <= 1e-7).any():
        return np.asarray(points, dtype=float)
    corners_m: Floats = halfspace_corners(normals, moved) + center
    return corners_m


def _merged(islands: list[Manifold], least_m3: float) -> list[Manifold]:
    """Pieces that are too small are joined to the nearest one that they touch, the smallest first."""
    kept = list(islands)
    for small in sorted(islands, key=lambda island: island.volume()):
        if small.volume() >= least_m3 or len(kept) == 1:
            break
        rest = [one for one in kept if one is not small]
        at = _middle(small)
        for other in sorted(rest, key=lambda one: float(np.linalg.norm(_middle(one) - at)))[:6]:
            both = small + other
            if len(both.decompose()) == 1:
                kept = [both if one is other else one for one in rest]
                break
    return kept


def _middle(island: Manifold) -> Floats:
    box = np.asarray(island.bounding_box())
    return np.asarray((box[:3] + box[3:]) / 2, dtype=float)


def _piece(island: Manifold, known: dict[int, int], warp: Warp | None) -> Piece:
    mesh = island.to_mesh64()
    points, faces = mesh.vert_properties[:, :3], mesh.tri_verts.astype(np.int64)
    runs = np.diff(np.asarray(mesh.run_index, dtype=np.int64)) // 3
    slots = np.repeat([known.get(int(number), CRACK) for number in mesh.run_original_id], runs)
    if warp is not None:
        points = _unwarped(points, warp)
    volume, center, inertia = moments(points, faces)
    axes = np.linalg.eigh(inertia)[1]
    # A frame that is right-handed, and the same on every machine: the largest component of each axis is positive.
    axes = axes * np.sign(axes[np.abs(axes).argmax(axis=0), range(3)])
    axes[:, 2] = np.cross(axes[:, 0], axes[:, 1])
    own = (points - center) @ axes
    return Piece(
        vertices_m=own, faces=faces, slots=slots, volume_m3=volume, center_m=center, axes=axes,
        hulls=convex_parts(own, faces),
    )  # fmt: skip


def _unwarped(points: Floats, warp: Warp) -> Floats:
    """Where warped points come from: a fixed point, for the warp is gentle."""
    found = points
    for _ in range(12):
        found = points - warp(found)
    return found


_ids: dict[int, int] = {}


def _slot_ids(solid: Solid) -> list[int]:
    """manifold3d's number of each slot of a body, the same for every body."""
    for slot in range(int(solid.slots.max(initial=0)) + 1):
        if slot not in _ids:
            _ids[slot] = int(Manifold.reserve_ids(1))
    return [_ids[slot] for slot in range(int(solid.slots.max(initial=0)) + 1)]


def _manifold(solid: Solid) -> Manifold:
    order = np.argsort(solid.slots, kind="stable")
    numbers, counts = np.unique(solid.slots, return_counts=True)
    ids = _slot_ids(solid)
    made = Manifold(
        Mesh64(
            vert_properties=np.array(solid.vertices_m, dtype=np.float64, order="C"),
            tri_verts=np.array(solid.faces[order], dtype=np.uint64, order="C"),
            run_index=np.concatenate([[0], np.cumsum(3 * counts)]).astype(np.uint64),
            run_original_id=np.array([ids[number] for number in numbers], np.uint32),
        )
    )
    if made.is_empty():
        raise ValueError(f"not a closed body: {made.status()}")
    return made


def _solid(manifold: Manifold) -> Solid:
    mesh = manifold.to_mesh64()
    runs = np.diff(np.asarray(mesh.run_index, dtype=np.int64)) // 3
    back = {number: slot for slot, number in _ids.items()}
    slots = np.repeat([back[int(number)] for number in mesh.run_original_id], runs)
    return Solid(vertices_m=mesh.vert_properties[:, :3], faces=mesh.tri_verts.astype(np.int64), slots=slots)


def welded(vertices_m: Floats, faces: Ints, slots: Ints) -> Solid:
    """Surfaces that meet along the same points as one closed body."""
    keys, index = np.unique(np.round(vertices_m, 8), axis=0, return_inverse=True)
    joined = index.reshape(-1)[faces]
    whole = (joined[:, 0] != joined[:, 1]) & (joined[:, 1] != joined[:, 2]) & (joined[:, 2] != joined[:, 0])
    return Solid(vertices_m=keys, faces=joined[whole], slots=slots[whole])
