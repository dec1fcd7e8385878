"""Grids of points → one welded mesh with corner normals, its mass properties, and OBJ text.

A model is made of closed shells, a shell of patches: smooth grids [U, V, 3], each with a material slot and texture
coordinates. Patches that share an edge carry the same points along it and are welded; whether the edge looks round or
sharp is decided by its angle alone, as in any modelling program.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from simgen.core.vectors import Floats

Ints = NDArray[np.int64]

CREASE_COS = np.cos(np.radians(40.0))
"""Faces that meet at less than this angle share a normal. Arcs are built in steps of at most 23 degrees."""


@dataclass(frozen=True, slots=True, kw_only=True)
class GridPatch:
    """A smooth grid of points, its first axis along u, its second along v of the texture."""

    points: Floats
    slot: str
    face: str = ""
    """Which side of a box this is, so that a print can tell the front from the back."""
    cell: tuple[float, float, float, float] = (0.0, 0.0, 1.0, 1.0)
    """u0, v0, u1, v1: the part of the slot's texture that this patch fills."""

    @property
    def size_m(self) -> tuple[float, float]:
        """Greatest length along u and along v."""
        along = np.linalg.norm(np.diff(self.points, axis=0), axis=-1).sum(axis=0).max()
        across = np.linalg.norm(np.diff(self.points, axis=1), axis=-1).sum(axis=1).max()
        return float(along), float(across)

    @property
    def shares(self) -> tuple[Floats, Floats]:
        """Where the grid's lines lie along u and v, 0 to 1, by mean arc length."""
        along = np.linalg.norm(np.diff(self.points, axis=0), axis=-1).mean(axis=1)
        across = np.linalg.norm(np.diff(self.points, axis=1), axis=-1).mean(axis=0)
        return _cumulative(along), _cumulative(across)


def _cumulative(steps: Floats) -> Floats:
    total = np.concatenate([[0.0], np.cumsum(steps)])
    share: Floats = total / max(float(total[-1]), 1e-12)
    return share


@dataclass(frozen=True, slots=True, kw_only=True)
class Shell:
    """A closed surface around one density. A void is cut out of the shell before it, and is not drawn."""

    patches: tuple[GridPatch, ...]
    density_kgpm3: float
    void: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """A convex piece of the collision shape: rings of points [R, K, 3], skinned in order and capped."""

    rings: Floats


@dataclass(frozen=True, slots=True, kw_only=True)
class BuiltShape:
    """What a shape function returns: the thing as it stands in use, anywhere along z."""

    shells: tuple[Shell, ...]
    parts: tuple[Part, ...]
    ball_radius_m: float = 0.0
    """Above zero where Bullet may use a true sphere, which rolls as a faceted one cannot."""


@dataclass(frozen=True, slots=True, kw_only=True)
class WeldedMesh:
    """Welded polygons; a triangle repeats its last corner. Corner arrays are [F, 4, …]."""

    vertices: Floats
    faces: Ints
    uv: Floats
    slots: tuple[str, ...]
    face_slot: Ints


@dataclass(frozen=True, slots=True, kw_only=True)
class MassProperties:
    """The inertia is about the centre of mass."""

    volume_m3: float
    mass_kg: float
    center_m: Floats
    inertia_kgm2: Floats


def model_mesh(model: BuiltShape, center_m: Floats) -> WeldedMesh:
    """All shells as one mesh with `center_m` moved to the origin."""
    meshes = [shell_mesh(shell) for shell in model.shells if not shell.void]
    slots = tuple(dict.fromkeys(slot for mesh in meshes for slot in mesh.slots))
    offsets = np.cumsum([0] + [len(mesh.vertices) for mesh in meshes])
    return WeldedMesh(
        vertices=np.concatenate([mesh.vertices for mesh in meshes]) - center_m,
        faces=np.concatenate([mesh.faces + offset for mesh, offset in zip(meshes, offsets, strict=False)]),
        uv=np.concatenate([mesh.uv for mesh in meshes]),
        slots=slots,
        face_slot=np.concatenate(
            [np.array([slots.index(slot) for slot in mesh.slots])[mesh.face_slot] for mesh in meshes]
        ),
    )


def shell_mesh(shell: Shell) -> WeldedMesh:
    """One closed mesh whose faces point outwards; its patches must agree on which side that is."""
    slots = tuple(dict.fromkeys(patch.slot for patch in shell.patches))
    points, quads, uvs, face_slots, offset = [], [], [], [], 0
    for patch in shell.patches:
        rows, columns = patch.points.shape[:2]
        index = np.arange(rows * columns).reshape(rows, columns) + offset
        quads.append(np.stack([index[:-1, :-1], index[1:, :-1], index[1:, 1:], index[:-1, 1:]], -1).reshape(-1, 4))
        along, across = patch.shares
        u0, v0, u1, v1 = patch.cell
        uv = np.stack(np.meshgrid(u0 + along * (u1 - u0), v0 + across * (v1 - v0), indexing="ij"), axis=-1)
        points.append(patch.points.reshape(-1, 3))
        uvs.append(uv.reshape(-1, 2))
        face_slots.append(np.full((rows - 1) * (columns - 1), slots.index(patch.slot)))
        offset += rows * columns
    cloud, corners = np.concatenate(points), np.concatenate(quads)
    # Micrometres, with an odd offset: round figures in metres must not lie on the border of two cells.
    key = np.floor(cloud * 1e6 + 0.2137).astype(np.int64)
    _, first, welded = np.unique(key, axis=0, return_index=True, return_inverse=True)
    faces, uv, kept = _without_collapsed_sides(welded.reshape(-1)[corners], np.concatenate(uvs)[corners])
    vertices = cloud[first]
    if signed_volume(vertices[triangles(faces)]) < 0:
        is_triangle = faces[:, 2] == faces[:, 3]
        order = np.where(is_triangle[:, None], [1, 0, 2, 3], [3, 2, 1, 0])
        faces, uv = np.take_along_axis(faces, order, axis=1), np.take_along_axis(uv, order[:, :, None], axis=1)
    return WeldedMesh(vertices=vertices, faces=faces, uv=uv, slots=slots, face_slot=np.concatenate(face_slots)[kept])


def _without_collapsed_sides(faces: Ints, uv: Floats) -> tuple[Ints, Floats, Ints]:
    """Quads with a collapsed side as triangles; those that are less than a triangle are left out."""
    faces, uv = faces.copy(), uv.copy()
    for k in range(4):
        rows = np.flatnonzero(faces[:, k] == faces[:, (k + 1) % 4])
        order = (np.arange(4) + k + 2) % 4
        faces[rows], uv[rows] = faces[rows][:, order], uv[rows][:, order]
        # At a pole the texture coordinate along the collapsed side is that of the wedge's middle.
        uv[rows, 2] = uv[rows, 3] = (uv[rows, 2] + uv[rows, 3]) / 2
    a, b, c = faces[:, 0], faces[:, 1], faces[:, 2]
    kept = np.flatnonzero((a != b) & (b != c) & (a != c))
    return faces[kept], uv[kept], kept


def triangles(faces: Ints) -> Ints:
    second = faces[faces[:, 2] != faces[:, 3]]
    return np.concatenate([faces[:, [0, 1, 2]], second[:, [0, 2, 3]]])


def signed_volume(corners: Floats) -> float:
    """Of triangles [T, 3, 3]; positive where they face outwards."""
    return float(np.linalg.det(corners).sum() / 6)


def mass_properties(model: BuiltShape) -> MassProperties:
    """Exact integrals over the tetrahedra between the origin and every triangle."""
    volume, mass, moment, second = 0.0, 0.0, np.zeros(3), np.zeros((3, 3))
    for shell in model.shells:
        mesh = shell_mesh(shell)
        corners = mesh.vertices[triangles(mesh.faces)]
        six = np.linalg.det(corners) * (-1.0 if shell.void else 1.0)
        total = corners.sum(axis=1)
        products = np.einsum("tki,tkj->tij", corners, corners) + np.einsum("ti,tj->tij", total, total)
        volume += float(six.sum()) / 6
        mass += shell.density_kgpm3 * float(six.sum()) / 6
        moment += shell.density_kgpm3 * (six[:, None] * total).sum(axis=0) / 24
        second += shell.density_kgpm3 * (six[:, None, None] * products).sum(axis=0) / 120
    center = moment / mass
    second = second - mass * np.outer(center, center)
    return MassProperties(
        volume_m3=volume, mass_kg=mass, center_m=center, inertia_kgm2=np.trace(second) * np.eye(3) - second
    )


def surface_area(mesh: WeldedMesh) -> float:
    corners = mesh.vertices[triangles(mesh.faces)]
    edges = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    return float(np.linalg.norm(edges, axis=1).sum() / 2)


def corner_normals(mesh: WeldedMesh) -> Floats:
    """Unit normals [F, 4, 3]: the area-weighted mean of the faces around a vertex that meet this one smoothly."""
    quad = mesh.vertices[mesh.faces]
    area = np.cross(quad[:, 2] - quad[:, 0], quad[:, 3] - quad[:, 1]) / 2
    flat = mesh.faces[:, 2] == mesh.faces[:, 3]
    area[flat] = np.cross(quad[flat, 1] - quad[flat, 0], quad[flat, 2] - quad[flat, 0]) / 2
    unit = area / np.maximum(np.linalg.norm(area, axis=1, keepdims=True), 1e-20)

    real = np.ones(mesh.faces.shape, dtype=bool)
    real[flat, 3] = False
    corner_vertex, corner_face = mesh.faces[real], np.nonzero(real)[0]
    order = np.argsort(corner_vertex, kind="stable")
    counts = np.bincount(corner_vertex, minlength=len(mesh.vertices))
    starts = np.concatenate([[0], np.cumsum(counts)[:-1]])
    smooth = np.zeros((len(order), 3))
    for valence in np.unique(counts[counts > 0]):
        rows = order[starts[counts == valence][:, None] + np.arange(valence)]
        around = unit[corner_face[rows]]
        alike = np.einsum("nai,nbi->nab", around, around) > CREASE_COS
        smooth[rows] = np.einsum("nab,nbi->nai", alike, area[corner_face[rows]])
    normals = np.zeros((*mesh.faces.shape, 3))
    normals[real] = smooth / np.maximum(np.linalg.norm(smooth, axis=1, keepdims=True), 1e-20)
    normals[flat, 3] = normals[flat, 2]
    return normals


def visual_obj(mesh: WeldedMesh) -> str:
    """OBJ text with normals and texture coordinates; micrometres are enough."""
    uv, uv_index = _table(mesh.uv, decimals=5)
    normals, normal_index = _table(corner_normals(mesh), decimals=4)
    corners = np.stack([mesh.faces, uv_index, normal_index], axis=-1) + 1
    is_triangle = mesh.faces[:, 2] == mesh.faces[:, 3]
    lines = [
        "mtllib visual_geometry.mtl\n",
        _lines("v %.6f %.6f %.6f\n", mesh.vertices),
        _lines("vt %.5f %.5f\n", uv),
        _lines("vn %.4f %.4f %.4f\n", normals),
    ]
    for k, slot in enumerate(mesh.slots):
        own = mesh.face_slot == k
        lines += [
            f"usemtl {slot}\n",
            _lines("f %d/%d/%d %d/%d/%d %d/%d/%d %d/%d/%d\n", corners[own & ~is_triangle]),
            _lines("f %d/%d/%d %d/%d/%d %d/%d/%d\n", corners[own & is_triangle][:, :3]),
        ]
    return "".join(lines)


def _table(values: Floats, *, decimals: int) -> tuple[Floats, Ints]:
    """The different rows of [F, 4, D] and, for each corner, which one it is."""
    keys = np.round(values * 10.0**decimals).astype(np.int64)
    packed = np.zeros(keys.shape[:2], dtype=np.int64)
    for k in range(keys.shape[-1]):
        packed = packed * 2_000_003 + (keys[..., k] + 1_000_000)
    _, first, index = np.unique(packed, return_index=True, return_inverse=True)
    table = keys.reshape(-1, keys.shape[-1])[first] / 10.0**decimals
    return table + 0.0, index.reshape(packed.shape)


def _lines(pattern: str, rows: NDArray[np.generic]) -> str:
    # Adding zero above turns -0.0 into 0.0, so that the text depends on the values alone.
    return pattern * len(rows) % tuple(rows.reshape(-1).tolist())


def part_vertices(part: Part) -> Floats:
    return part.rings.reshape(-1, 3)


def collision_obj(parts: tuple[Part, ...], center_m: Floats) -> str:
    """OBJ text with one `o` group per convex part, which Bullet turns into one hull each."""
    lines, offset = [], 1
    for k, part in enumerate(parts):
        rows, columns = part.rings.shape[:2]
        corners = part_triangles(rows, columns)
        points = part_vertices(part) - center_m
        inwards = signed_volume(points[corners]) < 0
        lines += [
            f"o part_{k}\n",
            _lines("v %.6f %.6f %.6f\n", points + 0.0),
            _lines("f %d %d %d\n", (corners[:, ::-1] if inwards else corners) + offset),
        ]
        offset += len(points)
    return "".join(lines)


def part_triangles(rows: int, columns: int) -> Ints:
    """Skin between neighbouring rings, and a fan over the first and the last."""
    index = np.arange(rows * columns).reshape(rows, columns)
    following = np.roll(index, -1, axis=1)
    a, b, c, d = index[:-1], following[:-1], following[1:], index[1:]
    skin = np.concatenate([np.stack([a, b, c], -1).reshape(-1, 3), np.stack([a, c, d], -1).reshape(-1, 3)])
    fan = np.stack([np.zeros(columns - 2, dtype=int), np.arange(2, columns), np.arange(1, columns - 1)], axis=-1)
    return np.concatenate([skin, index[0][fan], index[-1][fan[:, ::-1]]])
