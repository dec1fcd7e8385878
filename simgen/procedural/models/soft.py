"""Soft bodies with skins fine enough to be squashed, and the press that squashes them."""

from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from simgen.core.mesh import Mesh
from simgen.core.vectors import Floats
from simgen.procedural.builtin.mesh import GridPatch
from simgen.procedural.builtin.profiles import polyline
from simgen.procedural.builtin.solids import FACES
from simgen.procedural.models import model
from simgen.procedural.models.forms import ball, box, closed, mesh, moved, turned
from simgen.procedural.models.rigs import rod


def inside(variant: str, size_m: Floats, points: Floats) -> Floats:
    """Whether points are in a body of that kind that stands on z = 0 about the origin."""
    half = size_m / 2
    unit = (points - [0.0, 0.0, half[2]]) / half
    if variant == "ball":
        return np.asarray((unit**2).sum(axis=1) < 1.0)
    if variant == "cylinder":
        return np.asarray(((unit[:, :2] ** 2).sum(axis=1) < 1.0) & (np.abs(unit[:, 2]) < 1.0))
    return np.asarray((np.abs(unit) < 1.0).all(axis=1))


@model("soft_body")
def soft_body(
    *, rng: np.random.Generator, variant: str = "box", x_m: float, y_m: float, z_m: float, round_m: float = 0.004
) -> Mesh:
    """A `box`, a `cylinder` or a `ball` on z = 0. Slot: body."""
    if variant == "ball":
        return mesh(moved(ball((x_m / 2, y_m / 2, z_m / 2), slot="body", rings=72), by=(0, 0, z_m / 2)))
    if variant == "cylinder":
        side = polyline((0.0, 0.0), (x_m / 2, 0.0, round_m), (x_m / 2, z_m, round_m), (0.0, z_m))
        points = []
        for a, b in pairwise(side):
            count = max(1, int(np.linalg.norm(b - a) / 0.0016))
            points.append(a + (b - a) * np.linspace(0.0, 1.0, count, endpoint=False)[:, None])
        return mesh(*turned(("body", np.concatenate([*points, side[-1:]])), around=120, sharp_deg=180))
    return mesh(*closed(_fine_box((x_m, y_m, z_m), round_m), sharp_deg=180))


def _fine_box(size_m: tuple[float, float, float], round_m: float) -> list[GridPatch]:
    """The six sides of a rounded box that stands on z = 0, as even grids with more points along the edges."""
    half = np.array(size_m) / 2
    patches = []
    for face, ((u, u_sign), (v, v_sign), (n, n_sign)) in FACES.items():
        lines = []
        for axis in (u, v):
            inner = half[axis] - round_m
            flat = np.linspace(-inner, inner, max(6, int(2 * inner / 0.0017)))
            edge = round_m * np.tan(np.linspace(0.0, np.pi / 4, 6)[1:])
            lines.append(np.concatenate([-inner - edge[::-1], flat, inner + edge]))
        a, b = np.meshgrid(*lines, indexing="ij")
        points = np.zeros((*a.shape, 3))
        points[..., u], points[..., v], points[..., n] = u_sign * a, v_sign * b, n_sign * half[n]
        core = np.clip(points, -(half - round_m), half - round_m)
        away = points - core
        away *= round_m / np.linalg.norm(away, axis=-1, keepdims=True)
        patches.append(GridPatch(points=core + away + [0.0, 0.0, half[2]], slot="body", face=face))
    return patches


@model("press")
def press(*, rng: np.random.Generator, variant: str = "", width_m: float, depth_m: float, height_m: float) -> Mesh:
    """A bed with two upright rods and a beam across their tops; things lie on z = 0.016. Slots: base, steel, beam."""
    bed, x = 0.016, width_m / 2
    parts = [box((width_m + 0.05, depth_m, bed), radius_m=0.003, center_m=(0, 0, bed / 2), slot="base")]
    for side in (-1.0, 1.0):
        parts.append(rod((side * x, 0, bed - 0.002), (side * x, 0, height_m + 0.012), 0.0065, "steel"))
    parts.append(box((width_m + 0.04, 0.034, 0.024), radius_m=0.004, center_m=(0, 0, height_m), slot="beam"))
    parts += turned(
        (
            "steel",
            polyline(
                (0.0, height_m - 0.018),
                (0.013, height_m - 0.018, 0.002),
                (0.013, height_m + 0.018, 0.002),
                (0.0, height_m + 0.018),
            ),
        ),
        around=48,
    )
    return mesh(*parts)


@model("press_plate")
def press_plate(*, rng: np.random.Generator, variant: str = "", width_m: float, depth_m: float, ram_m: float) -> Mesh:
    """The plate of such a press with its under side at z = 0, sleeves on the rods and a ram with a knob. Slots: plate,
    steel, knob."""
    x, thick = width_m / 2, 0.011
    sleeve = polyline((0.0, -0.002), (0.011, -0.002, 0.001), (0.011, thick + 0.012, 0.001), (0.0, thick + 0.012))
    parts = [box((width_m + 0.036, 0.03, 0.7 * thick), radius_m=0.002, center_m=(0, 0, 0.6 * thick), slot="plate")]
    parts.append(box((width_m - 0.03, depth_m, thick), radius_m=0.002, center_m=(0, 0, thick / 2), slot="plate"))
    for side in (-1.0, 1.0):
        parts += [moved(part, by=(side * x, 0, 0)) for part in turned(("steel", sleeve), around=48)]
    parts.append(rod((0, 0, thick - 0.001), (0, 0, thick + ram_m), 0.008, "steel"))
    parts.append(ball((0.019, 0.019, 0.013), center_m=(0, 0, thick + ram_m + 0.008), slot="knob", rings=36))
    return mesh(*parts)


@model("board")
def board(*, rng: np.random.Generator, variant: str = "board", x_m: float, y_m: float, height_m: float) -> Mesh:
    """What food lies on: a rectangular `board` or a round, rimmed `dish`; its middle is level at `height_m`.

    Slot: board."""
    if variant == "dish":
        r, h = x_m / 2, height_m
        side = polyline(
            (0.0, 0.0), (0.62 * r, 0.0, 0.002), (0.66 * r, 0.25 * h, 0.002), (r, h + 0.006, 0.002),
            (r - 0.002, h + 0.009, 0.001), (0.78 * r, h, 0.012), (0.0, h),
        )  # fmt: skip
        return mesh(*turned(("board", side)))
    return mesh(box((x_m, y_m, height_m), radius_m=0.004, center_m=(0, 0, height_m / 2), slot="board"))


def rounded_off(points: Floats, triangles: NDArray[np.int64], rounds: int) -> Floats:
    """A skin whose corners a soft surface no longer holds: every point goes half way to the mean of its neighbours, so
    many times; none goes below z = 0."""
    pairs = np.concatenate([triangles[:, [0, 1]], triangles[:, [1, 2]], triangles[:, [2, 0]]])
    count = np.maximum(np.bincount(pairs[:, 0], minlength=len(points)), 1)
    for _ in range(rounds):
        mean = (
            np.stack([np.bincount(pairs[:, 0], points[pairs[:, 1], k], len(points)) for k in range(3)], 1)
            / count[:, None]
        )
        points = (points + mean) / 2
        points[:, 2] = np.maximum(points[:, 2], 0.0)
    return points
