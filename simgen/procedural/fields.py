"""A `Field` and points → numbers from 0 to 1: where rust, frost or mould is early and where it is late.

The numbers are ranks by area: of the surface of which a field is asked, the share with a value below x is x. So a
layer's level is the share of the surface that it covers.
"""

import numpy as np

from simgen.core.geometry import vertex_areas, vertex_normals
from simgen.core.mesh import Field, Mesh
from simgen.core.vectors import Floats
from simgen.procedural.builtin.noise import space_noise


def field_values(field: Field, mesh: Mesh) -> Floats:
    """The field [N] at the vertices of a mesh, all surfaces together."""
    points, triangles = mesh.vertices_m, mesh.triangles
    raw = np.zeros(len(points))
    for octave in range(field.octaves):
        shift = 17.31 * (field.seed % 1009) + 5.7 * octave
        raw += 0.55**octave * space_noise(points, wave_m=field.wave_m * 0.5**octave, shift=shift)
    size = float(np.linalg.norm(np.ptp(points, axis=0))) / 2
    center = (points.min(axis=0) + points.max(axis=0)) / 2
    raw -= (points - center) @ np.asarray(field.lean) / max(size, 1e-9)
    if any(field.facing):
        raw -= vertex_normals(points, triangles) @ np.asarray(field.facing)
    if field.spots_m:
        spots = np.asarray(field.spots_m)
        distance = np.sqrt(((points[:, None] - spots[None]) ** 2).sum(axis=-1)).min(axis=1)
        raw += field.spots_weight * distance / max(size, 1e-9)
    return ranks(raw, vertex_areas(points, triangles))


def ranks(values: Floats, areas: Floats) -> Floats:
    """Each value's place in the order of all, as the share of the area that comes before it."""
    order = np.argsort(values, kind="stable")
    share = np.empty(len(values))
    before = np.cumsum(areas[order]) - areas[order] / 2
    share[order] = before / max(float(areas.sum()), 1e-15)
    return share


def covered_m2(field: Field, mesh: Mesh, level: float) -> float:
    """Area of the mesh where the field is below a level."""
    areas = vertex_areas(mesh.vertices_m, mesh.triangles)
    return float(areas[field_values(field, mesh) < level].sum())
