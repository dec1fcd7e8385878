"""Plain shapes as Blender meshes: boxes, rectangles, discs, what is drawn out of a profile."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from simgen.core.geometry import direction
from simgen.core.spec import STAGE_ID
from simgen.core.vectors import Floats, Vec3
from simgen.engine.blender import bpy


@dataclass(frozen=True, slots=True, kw_only=True)
class MeshData:
    """Quads or polygons with a normal and a texture coordinate in metres at every vertex."""

    vertices: Floats
    faces: Sequence[Sequence[int]]
    normals: Floats
    uv: Floats


def add_mesh(name: str, data: MeshData, material: Any) -> Any:
    """An object of the current scene with instance id 0."""
    thing = bpy.data.objects.new(name, new_mesh(name, data))
    thing.data.materials.append(material)
    thing.rotation_mode = "QUATERNION"
    thing.pass_index = STAGE_ID
    bpy.context.scene.collection.objects.link(thing)
    return thing


def new_mesh(name: str, data: MeshData) -> Any:
    mesh = bpy.data.meshes.new(name)
    mesh.from_pydata(data.vertices.tolist(), [], [list(face) for face in data.faces])
    corners = np.concatenate([np.asarray(face) for face in data.faces])
    layer = mesh.uv_layers.new(name="UVMap")
    layer.data.foreach_set("uv", data.uv[corners].astype(np.float32).ravel())
    mesh.shade_smooth()
    mesh.normals_split_custom_set_from_vertices(data.normals.tolist())
    return mesh


def rounded_box(size_m: Vec3, radius_m: float, segments: int) -> MeshData:
    """A box whose edges and corners are rounded (radius 0 with 0 segments: sharp).

    Texture coordinates run along the longer side of every face.
    """
    half = np.asarray(size_m, dtype=float) / 2
    radius = min(radius_m, 0.98 * float(half.min()))
    core = half - radius
    arc = radius * np.tan(np.linspace(0.0, np.pi / 4, segments + 1))
    vertices, faces, normals, uv = [], [], [], []
    count = 0
    for axis in range(3):
        u, v = sorted({0, 1, 2} - {axis}, key=lambda k: -half[k])
        first, second = (np.concatenate([-core[k] - arc[::-1], core[k] + arc]) for k in (u, v))
        across, up = (grid.ravel() for grid in np.meshgrid(first, second))
        columns, rows = len(first), len(second)
        corner = np.arange(rows * columns).reshape(rows, columns)
        quads = np.stack([corner[:-1, :-1], corner[:-1, 1:], corner[1:, 1:], corner[1:, :-1]], axis=-1).reshape(-1, 4)
        for sign in (-1.0, 1.0):
            points = np.zeros((rows * columns, 3))
            points[:, u], points[:, v], points[:, axis] = across, up, sign * half[axis]
            inner = np.clip(points, -core, core)
            outward = points - inner if radius > 0 else np.tile(sign * np.eye(3)[axis], (len(points), 1))
            normal = outward / np.linalg.norm(outward, axis=1, keepdims=True)
            handed = np.cross(np.eye(3)[u], np.eye(3)[v])[axis] * sign
            vertices.append(inner + radius * normal)
            normals.append(normal)
            uv.append(np.stack([across, up], axis=1))
            faces.extend((quads if handed > 0 else quads[:, ::-1]) + count)
            count += rows * columns
    return MeshData(
        vertices=np.concatenate(vertices), faces=faces, normals=np.concatenate(normals), uv=np.concatenate(uv)
    )


def rectangle(low: tuple[float, float], high: tuple[float, float]) -> MeshData:
    corners = np.array([[low[0], low[1]], [high[0], low[1]], [high[0], high[1]], [low[0], high[1]]])
    return MeshData(
        vertices=np.column_stack([corners, np.zeros(4)]),
        faces=[(0, 1, 2, 3)],
        normals=np.tile([0.0, 0.0, 1.0], (4, 1)),
        uv=corners,
    )


def panel(start: Floats, end: Floats, low: float, high: float) -> MeshData:
    bottom, top = np.array([0.0, 0.0, low]), np.array([0.0, 0.0, high])
    return quad([start + bottom, end + bottom, end + top, start + top])


def quad(corners: Sequence[Floats]) -> MeshData:
    points = np.array(corners)
    along, up = points[1] - points[0], points[3] - points[0]
    normal = np.cross(along, up)
    normal = normal / np.linalg.norm(normal)
    uv = np.array([[0.0, 0.0], [1.0, 0.0], [1.0, 1.0], [0.0, 1.0]]) * [np.linalg.norm(along), np.linalg.norm(up)]
    return MeshData(vertices=points, faces=[(0, 1, 2, 3)], normals=np.tile(normal, (4, 1)), uv=uv)


def extrusion(profile: Floats, normals: Floats, lengths: Floats, half_width: float) -> MeshData:
    """A curve (x, z) drawn out along y; `lengths` is the way along it, for the texture."""
    count = len(profile)
    sides = np.repeat([-half_width, half_width], count)
    vertices = np.column_stack([np.tile(profile[:, 0], 2), sides, np.tile(profile[:, 1], 2)])
    directions = np.column_stack([np.tile(normals[:, 0], 2), np.zeros(2 * count), np.tile(normals[:, 1], 2)])
    faces = [(k, k + 1, count + k + 1, count + k) for k in range(count - 1)]
    return MeshData(
        vertices=vertices, faces=faces, normals=directions, uv=np.column_stack([np.tile(lengths, 2), sides])
    )


def disc(radius: float, segments: int) -> MeshData:
    angles = np.linspace(0, 2 * np.pi, segments, endpoint=False)
    rim = radius * np.stack([np.cos(angles), np.sin(angles)], axis=1)
    return MeshData(
        vertices=np.column_stack([rim, np.zeros(segments)]),
        faces=[tuple(range(segments))],
        normals=np.tile([0.0, 0.0, 1.0], (segments, 1)),
        uv=rim,
    )


def bowl(radius: float, segments: int) -> MeshData:
    """The upper half of a ball, seen from inside."""
    rings = segments // 4
    heights = np.linspace(0.0, np.pi / 2, rings + 1)
    around = np.linspace(0.0, 2 * np.pi, segments, endpoint=False)
    grid = [direction(azimuth, elevation) for elevation in heights for azimuth in around]
    faces = [
        (
            ring * segments + k,
            (ring + 1) * segments + k,
            (ring + 1) * segments + (k + 1) % segments,
            ring * segments + (k + 1) % segments,
        )
        for ring in range(rings)
        for k in range(segments)
    ]
    points = np.array(grid)
    return MeshData(vertices=radius * points, faces=faces, normals=-points, uv=points[:, :2])
