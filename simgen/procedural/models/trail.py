"""What something wet leaves behind where it has been: lines on the ground and dabs on what it has touched."""

import numpy as np

from simgen.core.mesh import MeshSurface
from simgen.core.vectors import Floats
from simgen.procedural.models.forms import ball

SECTION = np.linspace(-1.0, 1.0, 9)
"""Across a line, against half its width."""


def wet_line(path_m: Floats, *, width_m: float, height_m: float, rng: np.random.Generator) -> MeshSurface:
    """A line of liquid along a path [N, 2] on z = 0: a closed surface, rounded at both ends and domed across, its width
    uneven by a few percent. The path must be longer than the line is wide and bend less than the line can follow."""
    steps = np.concatenate([[0.0], np.cumsum(np.linalg.norm(np.diff(path_m, axis=0), axis=1))])
    moving = np.concatenate([[True], np.diff(steps) > 1e-9])
    whole = float(steps[-1])
    # Rings lie close together at the ends, which are round.
    cap = width_m / 2 * (1 - np.cos(np.linspace(0.0, np.pi / 2, 9)))
    between = np.arange(width_m / 2, whole - width_m / 2, width_m / 5)[1:]
    at = np.concatenate([cap, between, (whole - cap)[::-1]])
    points = np.stack([np.interp(at, steps[moving], path_m[moving, k]) for k in (0, 1)], axis=-1)
    ahead = np.gradient(points, at, axis=0)
    side = np.stack([-ahead[:, 1], ahead[:, 0]], axis=-1)
    side /= np.linalg.norm(side, axis=1, keepdims=True)
    inset = np.clip(1.0 - np.minimum(at, whole - at) / (width_m / 2), 0.0, 1.0)
    round_off = np.sqrt(1.0 - inset**2)
    waves = sum(
        rng.normal() / k * np.sin(2 * np.pi * at / (1.7 * k * width_m) + rng.uniform(0, 2 * np.pi)) for k in (1, 2, 3)
    )
    half = width_m / 2 * round_off * (1.0 + 0.05 * waves)
    across = points[:, None] + half[:, None, None] * SECTION[:, None] * side[:, None]
    tall = height_m * round_off[:, None] * (1.0 - SECTION**2)
    top = np.concatenate([across, tall[..., None]], axis=-1)
    below = np.concatenate([across[:, 1:-1], np.zeros_like(tall[:, 1:-1, None])], axis=-1)[:, ::-1]
    rings = np.concatenate([top, below], axis=1)
    count = rings.shape[1]
    corner = np.arange(len(at) * count).reshape(len(at), count)
    beside = np.roll(corner, -1, axis=1)
    quads = np.stack([corner[:-1], corner[1:], beside[1:], beside[:-1]], axis=-1).reshape(-1, 4)
    # The end rings have no width: nothing is open there.
    faces = np.concatenate([quads[:, [0, 1, 2]], quads[:, [0, 2, 3]]])
    return MeshSurface(vertices_m=rings.reshape(-1, 3), faces=faces, sharp_deg=60.0)


def dab(radius_m: float, height_m: float) -> MeshSurface:
    """A flat round spot of liquid about the origin, its thickness along z."""
    return ball((radius_m, radius_m, height_m), rings=24)
