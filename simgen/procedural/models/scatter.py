"""Small things on the skin of any mesh: drops of water, needles of frost. Arrays in, one surface out."""

from dataclasses import replace

import numpy as np

from simgen.core.geometry import vertex_normals
from simgen.core.mesh import Mesh, MeshSurface
from simgen.core.vectors import Floats


def sown(mesh: Mesh, count: int, rng: np.random.Generator) -> tuple[Floats, Floats]:
    """Points [N, 3] spread evenly over the area of a mesh, and the smooth normals there."""
    points, triangles = mesh.vertices_m, mesh.triangles
    corners = points[triangles]
    area = np.linalg.norm(np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0]), axis=1)
    chosen = np.searchsorted(np.cumsum(area) / area.sum(), rng.random(count))
    chosen = np.minimum(chosen, len(triangles) - 1)
    u, v = rng.random((2, count))
    flip = u + v > 1
    u, v = np.where(flip, 1 - u, u), np.where(flip, 1 - v, v)
    share = np.stack([1 - u - v, u, v], axis=1)
    flat = np.cross(corners[chosen, 1] - corners[chosen, 0], corners[chosen, 2] - corners[chosen, 0])
    flat /= np.maximum(np.linalg.norm(flat, axis=1, keepdims=True), 1e-15)
    normals = np.einsum("nk,nki->ni", share, vertex_normals(points, triangles)[triangles[chosen]])
    normals /= np.maximum(np.linalg.norm(normals, axis=1, keepdims=True), 1e-15)
    # Across a sharp edge smooth normals say nothing.
    normals = np.where(((normals * flat).sum(axis=1) > 0.8)[:, None], normals, flat)
    return np.asarray(np.einsum("nk,nki->ni", share, corners[chosen])), np.asarray(normals)


def apart(points: Floats, radii_m: Floats, gap: float = 1.05) -> Floats:
    """Which of the discs [N] to keep, as bools, so that none touches one before it; the first ones win."""
    cell = 2.0 * float(radii_m.max()) * gap
    place = np.floor(points / cell).astype(np.int64)
    near: dict[tuple[int, int, int], list[int]] = {}
    keep = np.zeros(len(points), dtype=bool)
    around = [(i, j, k) for i in (-1, 0, 1) for j in (-1, 0, 1) for k in (-1, 0, 1)]
    for n in range(len(points)):
        x, y, z = (int(value) for value in place[n])
        others = [m for i, j, k in around for m in near.get((x + i, y + j, z + k), ())]
        if others:
            distance = np.linalg.norm(points[others] - points[n], axis=1)
            if (distance < gap * (radii_m[others] + radii_m[n])).any():
                continue
        keep[n] = True
        near.setdefault((x, y, z), []).append(n)
    return keep


def cap_m3(radius_m: Floats, contact_deg: float) -> Floats:
    """Volume of a spherical cap on a flat place, by the radius of its foot and its contact angle."""
    angle = np.radians(contact_deg)
    height = radius_m * np.tan(angle / 2)
    return np.asarray(np.pi * height * (3 * radius_m**2 + height**2) / 6)


def drops(
    points: Floats,
    normals: Floats,
    radii_m: Floats,
    contact_deg: float,
    rng: np.random.Generator,
    *,
    slot: str = "drop",
) -> MeshSurface:
    """Spherical caps on a skin: each stands on its point, along the normal; steep ones sag a little downwards."""
    rings, around = 5, 12
    angle = np.radians(contact_deg)
    polar = np.linspace(0.0, angle, rings + 1)[1:]
    turn = np.linspace(0.0, 2 * np.pi, around, endpoint=False)
    big = 1.0 / np.sin(angle)
    rim = np.stack([np.outer(big * np.sin(polar), np.cos(turn)), np.outer(big * np.sin(polar), np.sin(turn))], axis=-1)
    up = np.repeat((big * (np.cos(polar) - np.cos(angle)))[:, None], around, axis=1)
    unit = np.concatenate([[[0.0, 0.0, big * (1 - np.cos(angle))]], np.dstack([rim, up]).reshape(-1, 3)])
    # A foot below the skin, so that the curve of what it sits on does not show a gap.
    foot = unit[-around:] * [1.0, 1.0, 0.0] + [0.0, 0.0, -0.12]
    unit = np.concatenate([unit, foot])
    index = 1 + np.arange((rings + 1) * around).reshape(rings + 1, around)
    beside = np.roll(index, -1, axis=1)
    quads = np.stack([index[:-1], index[1:], beside[1:], beside[:-1]], axis=-1).reshape(-1, 4)
    top = np.stack([np.zeros(around, dtype=int), index[0], beside[0]], axis=1)
    own = np.concatenate([quads[:, [0, 1, 2]], quads[:, [0, 2, 3]], top])
    down = np.array([0.0, 0.0, -1.0]) - normals * (-normals[:, 2:])
    steep = np.linalg.norm(down, axis=1, keepdims=True)
    any_way = np.cross(normals, rng.normal(size=normals.shape))
    u = np.where(steep > 0.05, down, any_way)
    u /= np.linalg.norm(u, axis=1, keepdims=True)
    v = np.cross(normals, u)
    local = np.repeat(unit[None], len(points), axis=0)
    # Heavy drops hang: their crown lies lower than their foot.
    sag = (steep[:, 0] * np.clip(radii_m / 0.004, 0.0, 0.6))[:, None]
    local[..., 0] += sag * np.maximum(local[..., 2], 0.0) * 0.8
    local[..., 0] *= 1.0 + 0.25 * steep * np.clip(radii_m / 0.003, 0.0, 1.0)[:, None] * (rng.random((len(points), 1)))
    local[..., :2] *= 1.0 + 0.12 * rng.normal(size=(len(points), 1, 2)).clip(-1.5, 1.5)
    local *= radii_m[:, None, None]
    world = (
        points[:, None] + local[..., :1] * u[:, None] + local[..., 1:2] * v[:, None] + local[..., 2:] * normals[:, None]
    )
    faces = (own[None] + len(unit) * np.arange(len(points))[:, None, None]).reshape(-1, 3)
    volume = float(cap_m3(radii_m, contact_deg).sum())
    return MeshSurface(vertices_m=world.reshape(-1, 3), faces=faces, slot=slot, sharp_deg=180.0, solid_m3=volume)


def needles(
    points: Floats,
    normals: Floats,
    lengths_m: Floats,
    rng: np.random.Generator,
    *,
    slot: str = "needle",
    width: float = 0.16,
) -> MeshSurface:
    """Thin three-sided spikes that stand away from a skin, each leaning its own way."""
    lean = normals + 0.55 * rng.normal(size=normals.shape)
    lean /= np.linalg.norm(lean, axis=1, keepdims=True)
    lean = np.where(((lean * normals).sum(axis=1) > 0.25)[:, None], lean, normals)
    u = np.cross(lean, rng.normal(size=normals.shape))
    u /= np.linalg.norm(u, axis=1, keepdims=True)
    v = np.cross(lean, u)
    corners = []
    for turn in (0.0, 2.094, 4.189):
        foot = points - 0.1 * lengths_m[:, None] * lean
        corners.append(foot + width * lengths_m[:, None] * (np.cos(turn) * u + np.sin(turn) * v))
    tip = points + lengths_m[:, None] * lean
    world = np.stack([*corners, tip], axis=1)
    own = np.array([[0, 1, 3], [1, 2, 3], [2, 0, 3]])
    faces = (own[None] + 4 * np.arange(len(points))[:, None, None]).reshape(-1, 3)
    # Pyramids on an even triangle.
    volume = float((1.1 * lengths_m * (width * lengths_m) ** 2).sum() * 3 * np.sqrt(3) / 4 / 3)
    return MeshSurface(vertices_m=world.reshape(-1, 3), faces=faces, slot=slot, sharp_deg=0.0, solid_m3=volume)


def grown_needles(full: MeshSurface, points: Floats, shares: Floats) -> MeshSurface:
    """Spikes at these points on the way to their full length, at a share of it each; those at 0 are not there."""
    there = shares > 0.0
    ends = full.vertices_m.reshape(-1, 4, 3)[there]
    feet = points[there][:, None]
    now = feet + (ends - feet) * shares[there][:, None, None]
    corners = now[:, :3] - now[:, 3:]
    volume = float(np.abs(np.linalg.det(corners)).sum() / 6)
    faces = np.asarray(full.faces)[: 3 * int(there.sum())]
    return replace(full, vertices_m=now.reshape(-1, 3), faces=faces, solid_m3=volume)
