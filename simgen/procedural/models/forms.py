"""Surfaces that models are put together from: turned, swept, rounded, gridded."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import ArrayLike

from simgen.core.mesh import Mesh, MeshSurface
from simgen.core.vectors import Floats, Vec3
from simgen.procedural.builtin.mesh import GridPatch, Shell, shell_mesh
from simgen.procedural.builtin.solids import lathe, rounded_box


def closed(patches: Sequence[GridPatch], *, sharp_deg: float = 40.0) -> tuple[MeshSurface, ...]:
    """A closed shell of patches as surfaces, one for each slot, facing outwards."""
    mesh = shell_mesh(Shell(patches=tuple(patches), density_kgpm3=1.0))
    surfaces = []
    for index, slot in enumerate(mesh.slots):
        faces = mesh.faces[mesh.face_slot == index]
        quads, triangles = faces[faces[:, 2] != faces[:, 3]], faces[faces[:, 2] == faces[:, 3]][:, :3]
        halves = np.concatenate([quads[:, [0, 1, 2]], quads[:, [0, 2, 3]], triangles])
        used, corners = np.unique(halves, return_inverse=True)
        surfaces.append(
            MeshSurface(
                vertices_m=mesh.vertices[used], faces=corners.reshape(halves.shape), slot=slot, sharp_deg=sharp_deg
            )
        )
    return tuple(surfaces)


def turned(*chunks: tuple[str, Floats], around: int = 96, sharp_deg: float = 40.0) -> tuple[MeshSurface, ...]:
    """A closed profile (radius, height) turned about z; each chunk is (slot, points [N, 2]) and begins where the one
    before it ended, from the axis back to the axis."""
    return closed(lathe(*chunks, num_around=around), sharp_deg=sharp_deg)


def box(size_m: Vec3, *, radius_m: float = 0.002, center_m: Vec3 = (0.0, 0.0, 0.0), slot: str = "") -> MeshSurface:
    """A box with rounded edges."""
    return closed(rounded_box(size_m, radius_m, slots=slot, center_m=center_m))[0]


def ball(radii_m: Vec3, *, center_m: Vec3 = (0.0, 0.0, 0.0), slot: str = "", rings: int = 96) -> MeshSurface:
    """An ellipsoid whose poles lie on z."""
    angle = np.linspace(-np.pi / 2, np.pi / 2, rings + 1)
    profile = np.column_stack([np.cos(angle), np.sin(angle)])
    profile[[0, -1], 0] = 0.0
    one = turned((slot, profile), around=2 * rings)[0]
    return moved(one, scale=radii_m, by=center_m)


def grid(points: Floats, *, slot: str = "", uv: bool = False, sharp_deg: float = 180.0) -> MeshSurface:
    """An open sheet of points [U, V, 3], seen from where u × v points."""
    rows, columns = points.shape[:2]
    index = np.arange(rows * columns).reshape(rows, columns)
    faces = np.stack([index[:-1, :-1], index[1:, :-1], index[1:, 1:], index[:-1, 1:]], axis=-1).reshape(-1, 4)
    along, across = np.meshgrid(np.linspace(0, 1, rows), np.linspace(0, 1, columns), indexing="ij")
    return MeshSurface(
        vertices_m=points.reshape(-1, 3),
        faces=faces,
        slot=slot,
        sharp_deg=sharp_deg,
        uv=np.stack([along, across], axis=-1).reshape(-1, 2) if uv else None,
    )


def sweep(
    path: Floats, radius_m: ArrayLike, *, around: int = 16, slot: str = "", cap: bool = True, sharp_deg: float = 60.0
) -> MeshSurface:
    """A closed tube along any path [N, 3], of one radius or one for every point. Its section does not twist: each
    frame is the one before it turned by the least rotation (parallel transport)."""
    path = np.asarray(path, dtype=float)
    radii = np.broadcast_to(np.asarray(radius_m, dtype=float), (len(path),))
    ahead = np.gradient(path, axis=0)
    ahead /= np.maximum(np.linalg.norm(ahead, axis=1, keepdims=True), 1e-12)
    side = np.cross(ahead[0], [0.0, 0.0, 1.0] if abs(ahead[0, 2]) < 0.9 else [1.0, 0.0, 0.0])
    frames = []
    for tangent in ahead:
        side = side - tangent * (side @ tangent)
        side = side / np.linalg.norm(side)
        frames.append((side, np.cross(tangent, side)))
    angle = np.linspace(0.0, 2 * np.pi, around, endpoint=False)
    u, v = (np.array([frame[k] for frame in frames]) for k in (0, 1))
    section = np.cos(angle)[None, :, None] * u[:, None] + np.sin(angle)[None, :, None] * v[:, None]
    rings: Floats = path[:, None] + radii[:, None, None] * section
    corner = np.arange(len(path) * around).reshape(len(path), around)
    beside = np.roll(corner, -1, axis=1)
    quads = np.stack([corner[:-1], beside[:-1], beside[1:], corner[1:]], axis=-1).reshape(-1, 4)
    faces = np.concatenate([quads[:, [0, 1, 2]], quads[:, [0, 2, 3]]])
    vertices = rings.reshape(-1, 3)
    if cap:
        count = len(vertices)
        vertices = np.concatenate([vertices, path[[0, -1]]])
        first = np.column_stack([beside[0], corner[0], np.full(around, count)])
        last = np.column_stack([corner[-1], beside[-1], np.full(around, count + 1)])
        faces = np.concatenate([faces, first, last])
    return MeshSurface(vertices_m=vertices, faces=faces, slot=slot, sharp_deg=sharp_deg)


def moved(
    surface: MeshSurface, *, scale: ArrayLike = 1.0, rotation: ArrayLike | None = None, by: ArrayLike = (0.0, 0.0, 0.0)
) -> MeshSurface:
    """The same surface scaled along the axes, then turned by a matrix [3, 3], then shifted."""
    from_own = np.eye(3) if rotation is None else np.asarray(rotation, dtype=float)
    points = (surface.vertices_m * np.asarray(scale, dtype=float)) @ from_own.T + np.asarray(by, dtype=float)
    solid = surface.solid_m3
    if solid is not None:
        solid *= float(np.prod(np.broadcast_to(scale, 3)))
    return replace(surface, vertices_m=points, solid_m3=solid)


def mesh(*surfaces: MeshSurface, parts: Sequence[Floats] = ()) -> Mesh:
    """A mesh of these surfaces."""
    return Mesh(surfaces=tuple(surfaces), parts=tuple(parts))
