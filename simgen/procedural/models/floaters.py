"""Things that float or sink: corks, fruit, stones. Their origin is the centre of mass, for they are solid."""

import numpy as np

from simgen.core.mesh import Mesh, MeshSurface
from simgen.core.vectors import Floats
from simgen.procedural.builtin.noise import space_noise
from simgen.procedural.builtin.profiles import polyline, smooth
from simgen.procedural.models import model
from simgen.procedural.models.forms import ball, mesh, moved, turned


@model("floater_cork")
def cork(*, rng: np.random.Generator, variant: str = "", radius_m: float, height_m: float) -> Mesh:
    """A stopper, a little narrower at its foot."""
    foot = 0.84 * radius_m
    side = polyline((0.0, 0.0), (foot, 0.0, 0.0015), (radius_m, height_m, 0.0015), (0.0, height_m))
    return _centred(turned(("body", side)))


@model("floater_fruit")
def fruit(*, rng: np.random.Generator, variant: str = "apple", radius_m: float) -> Mesh:
    """`apple`, `orange`, `lemon` or `potato`, with a stalk where it has one."""
    if variant == "lemon":
        side = smooth(
            (0, -1.42),
            (0.16, -1.34),
            (0.3, -1.2),
            (0.72, -0.85),
            (0.98, 0),
            (0.74, 0.85),
            (0.3, 1.22),
            (0, 1.3),
            num=64,
        )
    elif variant == "apple":
        side = smooth(
            (0, -0.72),
            (0.16, -0.8),
            (0.42, -0.86),
            (0.76, -0.55),
            (1.0, 0.1),
            (0.8, 0.68),
            (0.4, 0.82),
            (0.12, 0.66),
            (0, 0.5),
            num=64,
        )
    else:
        angle = np.linspace(-np.pi / 2, np.pi / 2, 65)
        side = np.column_stack([np.cos(angle), 0.94 * np.sin(angle)])
        side[[0, -1], 0] = 0.0
    surface = turned(("skin", radius_m * side), around=96, sharp_deg=180)[0]
    shift = float(rng.uniform(0.0, 50.0))
    points = surface.vertices_m
    if variant == "potato":
        points = points * [1.35, 0.95, 0.9]
    wave, depth = {"apple": (1.6, 0.05), "potato": (1.0, 0.16)}.get(variant, (1.2, 0.02))
    points = points * (1.0 + depth * space_noise(points, wave_m=wave * radius_m, shift=shift))[:, None]
    return _centred((_with(surface, points),))


@model("floater_pebble")
def pebble(*, rng: np.random.Generator, variant: str = "", radius_m: float) -> Mesh:
    """A river stone, flat and uneven."""
    surface = ball((1.0, 0.8, 0.62), slot="stone", rings=64)
    points = surface.vertices_m
    uneven = 0.12 * space_noise(points, wave_m=1.4, shift=float(rng.uniform(0.0, 50.0)))
    return _centred((_with(surface, radius_m * points * (1.0 + uneven)[:, None]),))


def _with(surface: MeshSurface, points: Floats) -> MeshSurface:
    return MeshSurface(vertices_m=points, faces=surface.faces, slot=surface.slot, sharp_deg=surface.sharp_deg)


def _centred(surfaces: tuple[MeshSurface, ...]) -> Mesh:
    """Moved so that the centroid of the volume is the origin."""
    whole = mesh(*surfaces)
    corners = whole.vertices_m[whole.triangles]
    volumes = np.linalg.det(corners)
    center = (volumes[:, None] * corners.sum(axis=1)).sum(axis=0) / (4 * volumes.sum())
    return mesh(*(moved(surface, by=-center) for surface in surfaces))
