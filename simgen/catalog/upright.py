"""Which way is up in a mesh whose file format does not say: a guess, with its reasons.

OBJ and PLY have no axes of their own. Blender and most modelling programs write OBJ with Y up, scanners and CAD with Z
up. What stands the right way up stands firmly, is more often lopsided from top to bottom than from side to side,
and a bottle is tall and a plate is flat.
"""

from dataclasses import dataclass
from typing import Literal

import numpy as np

from simgen.core.geometry import Shape, convex_hull_2d
from simgen.core.vectors import Floats

Axis = Literal["y", "z"]

TO_Z_UP = {"y": np.array([[1.0, 0.0, 0.0], [0.0, 0.0, -1.0], [0.0, 1.0, 0.0]]), "z": np.eye(3)}
"""The file's axes to ours, by the axis that points up."""

TALL = frozenset(
    (
        *("bottle", "vase", "carton", "jar", "pitcher", "jug", "can", "lamp", "candle", "chair", "stool", "cup", "mug"),
        *("tumbler", "flask", "statue", "figurine", "thermos", "barrel", "bucket", "goblet", "spray", "tower", "tree"),
    )
)
FLAT = frozenset(
    (
        *("plate", "saucer", "tray", "book", "mat", "dish", "bowl", "pan", "laptop", "keyboard", "tablet", "pizza"),
        *("coin", "skillet", "board", "car", "truck", "mousepad", "placemat", "phone", "disc", "bench", "shoe"),
    )
)
_STEADY_RAD = np.radians(6.0)
"""What falls over at a smaller tilt does not stand."""
_ENOUGH, _CLEAR = 1.5, 2.0
"""Points by which Y must lead to be taken, and by which an axis leads that is no guess any more."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Upright:
    """The axis that points up, why, and whether the signs leave little doubt."""

    axis: Axis
    reason: str
    sure: bool


def guess_up(vertices: Floats, center: Floats, label: str, comments: str = "") -> Upright:
    """The axis that points up, for points in the file's own axes and metres.

    `comments` are those of the file: they may name the program that wrote it.
    """
    marks: dict[Axis, list[tuple[float, str]]] = {"y": [], "z": []}
    stands, lopsided, low, off, size = {}, {}, {}, {}, {}
    axes: tuple[Axis, Axis] = ("y", "z")
    for axis in axes:
        points = (vertices - center) @ TO_Z_UP[axis].T
        stands[axis] = _tilt(points)
        extent = np.ptp(points, axis=0)
        size[axis] = extent
        middle = (points[:, 2].max() + points[:, 2].min()) / 2
        lopsided[axis] = abs(middle) / extent[2] + 0.25 * _unlike_ends(points)
        placed = vertices @ TO_Z_UP[axis].T
        low[axis] = abs(placed[:, 2].min()) / extent[2]
        off[axis] = abs(placed[:, 2].max() + placed[:, 2].min()) / 2 / extent[2]
    words = set(label.split())
    pairs: tuple[tuple[Axis, Axis], ...] = (("y", "z"), ("z", "y"))
    for axis, other in pairs:
        if stands[axis] > _STEADY_RAD >= stands[other]:
            marks[axis].append((2.5, f"it falls over on its {other}"))
        if lopsided[axis] > lopsided[other] + 0.03:
            marks[axis].append((1.0, f"its two ends differ along {axis} only, or more"))
        if low[axis] < 0.01 < low[other] and off[other] < 0.05:
            marks[axis].append((2.5, f"the file sets it down on the ground at {axis} = 0"))
        if words & TALL and size[axis][2] > 1.15 * size[other][2]:
            marks[axis].append((1.5, f"a {' or '.join(sorted(words & TALL))} is taller along {axis}"))
        if words & FLAT and size[axis][2] < size[other][2] / 1.15:
            marks[axis].append((1.5, f"a {' or '.join(sorted(words & FLAT))} is flatter along {axis}"))
    program = next((name for name in ("Blender", "3ds Max", "Maya", "Cinema 4D", "ZBrush") if name in comments), "")
    if program and "ply" not in comments[:4]:
        marks["y"].append((1.0, f"{program} writes OBJ with Y up"))
    lead = sum(points for points, _ in marks["y"]) - sum(points for points, _ in marks["z"])
    # Without a sign the file is taken as it stands.
    best: Axis = "y" if lead >= _ENOUGH else "z"
    reasons = [why for _, why in sorted(marks[best], reverse=True)]
    same = bool(np.allclose(sorted(size["y"]), sorted(size["z"])) and np.ptp(size["z"]) < 0.02 * size["z"].max())
    return Upright(
        axis=best,
        reason="; ".join(reasons) or "nothing in the shape or the name tells",
        sure=abs(lead) >= _CLEAR or (same and not reasons),
    )


def falls_over(vertices: Floats, center: Floats, axis: Axis) -> bool:
    """Whether something with this axis up does not stand, and with the other one does."""
    other: Axis = "z" if axis == "y" else "y"
    tilts = {key: _tilt((vertices - center) @ TO_Z_UP[key].T) for key in (axis, other)}
    return bool(tilts[axis] <= _STEADY_RAD < tilts[other])


def _tilt(points: Floats) -> float:
    """The tilt at which something falls over, its centre of mass at the origin; 0 where it does not stand."""
    # What lies within a five hundredth of the size carries it: a scan has an uneven foot.
    size = float(np.ptp(points, axis=0).max())
    scaled = points * (0.75 / size)
    return max(0.0, Shape(parts=(scaled,), points=scaled).support().tip_angle_rad)


def _unlike_ends(points: Floats) -> float:
    """How much the outlines of the lowest and the highest tenth differ, as a share of the larger one."""
    low, high = points[:, 2].min(), points[:, 2].max()
    tenth = 0.1 * (high - low)
    areas = [_area(points[side, :2]) for side in (points[:, 2] <= low + tenth, points[:, 2] >= high - tenth)]
    return abs(areas[0] - areas[1]) / max(*areas, 1e-30)


def _area(points: Floats) -> float:
    outline = convex_hull_2d(points)
    if len(outline) < 3:
        return 0.0
    x, y = outline[:, 0], outline[:, 1]
    return float(abs((x * np.roll(y, -1) - y * np.roll(x, -1)).sum()) / 2)
