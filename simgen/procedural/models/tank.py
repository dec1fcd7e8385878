"""Open vessels of glass and the water in them: a rounded rectangle, or a circle, at rising heights."""

import numpy as np

from simgen.core.mesh import Mesh, MeshSurface
from simgen.core.vectors import Floats
from simgen.procedural.builtin.profiles import polyline
from simgen.procedural.models import model
from simgen.procedural.models.forms import mesh

OVERLAP_M = 0.0003
"""Water reaches this far into the glass: a film of air between them would shine like a mirror."""
AROUND = 32
"""Points in each quarter of an outline."""


def outline(half_x: float, half_y: float, corner_m: float, inset_m: float = 0.0) -> Floats:
    """A rounded rectangle [4 AROUND, 2], counter-clockwise, drawn in; a circle where the corner takes all of it."""
    half_x, half_y = half_x - inset_m, half_y - inset_m
    corner = float(np.clip(corner_m - inset_m, 0.0005, min(half_x, half_y)))
    angle = np.linspace(0.0, np.pi / 2, AROUND)
    rows = []
    for k, (x, y) in enumerate(((1, 1), (-1, 1), (-1, -1), (1, -1))):
        turn = angle + k * np.pi / 2
        middle = np.array([x * (half_x - corner), y * (half_y - corner)])
        rows.append(middle + corner * np.stack([np.cos(turn), np.sin(turn)], axis=1))
    return np.concatenate(rows)


def area_m2(ring: Floats) -> float:
    x, y = ring.T
    return float((x * np.roll(y, -1) - np.roll(x, -1) * y).sum() / 2)


def stacked(rings: list[tuple[Floats, float]], *, slot: str, sharp_deg: float = 35.0) -> MeshSurface:
    """A closed surface through outlines at heights; the first and the last are closed with a flat face."""
    count = len(rings[0][0])
    levels = [np.column_stack([ring, np.full(count, height)]) for ring, height in rings]
    middles = [np.append(ring.mean(axis=0), height)[None] for ring, height in (rings[0], rings[-1])]
    index = np.arange(len(levels) * count).reshape(len(levels), count)
    beside = np.roll(index, -1, axis=1)
    quads = np.stack([index[:-1], beside[:-1], beside[1:], index[1:]], axis=-1).reshape(-1, 4)
    low, high = index.size, index.size + 1
    faces = np.concatenate(
        [
            quads[:, [0, 1, 2]],
            quads[:, [0, 2, 3]],
            np.column_stack([beside[0], index[0], np.full(count, low)]),
            np.column_stack([index[-1], beside[-1], np.full(count, high)]),
        ]
    )
    return MeshSurface(vertices_m=np.concatenate([*levels, *middles]), faces=faces, slot=slot, sharp_deg=sharp_deg)


def inside(
    variant: str, half_x: float, half_y: float, corner_m: float, height_m: float, wall_m: float, floor_m: float
) -> Floats:
    """Rows of (inset, height) of a vessel's inner side, from its floor to its rim; a bowl's wall leans out."""
    if variant == "bowl":
        angle = np.linspace(0.0, np.pi / 2, 25)
        deep = height_m - floor_m
        # A quarter of an ellipse that stands on a flat floor a third as wide.
        inset = wall_m + 0.62 * (half_x - wall_m) * (1 - np.sin(angle))
        return np.column_stack([inset, floor_m + deep * (1 - np.cos(angle))])
    rounding = 0.004 if variant == "box" else 0.008
    turn = np.linspace(0.0, np.pi / 2, 6)
    low = np.column_stack([wall_m + rounding * (1 - np.sin(turn)), floor_m + rounding * (1 - np.cos(turn))])
    return np.concatenate([low, [[wall_m, height_m]]])


def areas(
    variant: str, half_x: float, half_y: float, corner_m: float, height_m: float, wall_m: float, floor_m: float
) -> tuple[Floats, Floats]:
    """Heights and the horizontal areas that the water has there."""
    rows = inside(variant, half_x, half_y, corner_m, height_m, wall_m, floor_m)
    heights = np.linspace(rows[0, 1], height_m, 200)
    insets = np.interp(heights, rows[:, 1], rows[:, 0])
    return heights, np.array([area_m2(outline(half_x, half_y, corner_m, inset)) for inset in insets])


@model("tank")
def tank(
    *,
    rng: np.random.Generator,
    variant: str = "box",
    half_x: float,
    half_y: float,
    corner_m: float,
    height_m: float,
    wall_m: float = 0.004,
    floor_m: float = 0.007,
) -> Mesh:
    """An open vessel that stands on z = 0: `box` and `round` have upright walls, a `bowl` leans out."""
    rows = inside(variant, half_x, half_y, corner_m, height_m, wall_m, floor_m)
    if variant == "bowl":
        outer = np.column_stack(
            [np.maximum(rows[:, 0] - wall_m, 0.0), rows[:, 1] - floor_m * np.linspace(1, 0, len(rows))]
        )
    else:
        outer = polyline((0.002, 0.0), (0.0, 0.0, 0.0018), (0.0, height_m))
    # A rim that is round over the thickness of the wall.
    turn = np.linspace(0.0, np.pi, 9)[1:-1]
    rim = np.column_stack([wall_m / 2 * (1 - np.cos(turn)), height_m + wall_m / 2 * np.sin(turn)])
    path = np.concatenate([outer, rim, rows[::-1]])
    rings = [(outline(half_x, half_y, corner_m, inset), height) for inset, height in path]
    return mesh(stacked(rings, slot="glass"))


@model("tank_water")
def tank_water(
    *,
    rng: np.random.Generator,
    variant: str = "box",
    half_x: float,
    half_y: float,
    corner_m: float,
    height_m: float,
    level_m: float,
    wall_m: float = 0.004,
    floor_m: float = 0.007,
) -> Mesh:
    """The water in such a vessel up to a level, with the rim by which it climbs the wall."""
    rows = inside(variant, half_x, half_y, corner_m, height_m, wall_m, floor_m)
    edge = float(np.interp(level_m, rows[:, 1], rows[:, 0]))
    below = rows[rows[:, 1] < level_m - 0.002] - [OVERLAP_M, 0.0]
    bottom = below[:1] - [0.0, OVERLAP_M]
    climb = np.linspace(0.0, 0.006, 8)
    # Water climbs clean glass by about a millimetre and a half (capillary length 2.7 mm).
    top = np.column_stack([edge - OVERLAP_M + climb, level_m + 0.0014 * np.exp(-climb / 0.0018)])
    top[-1, 1] = level_m
    path = np.concatenate([bottom, below, top])
    rings = [(outline(half_x, half_y, corner_m, inset), height) for inset, height in path]
    return mesh(stacked(rings, slot="water"))
