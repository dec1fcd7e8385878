"""Shapes with a hollow: mugs, cups, vases, bottles, jars, bowls, plates, a teapot."""

from collections.abc import Sequence

import numpy as np

from simgen.core.vectors import Floats
from simgen.procedural.builtin.mesh import BuiltShape, GridPatch, Shell
from simgen.procedural.builtin.profiles import (
    MARGIN_M,
    MM,
    SOLID_TOLERANCE_M,
    WALL_TOLERANCE_M,
    Band,
    Row,
    Wall,
    corners_m,
    inset,
    offset,
    offset_corners,
    polyline,
    smooth,
    solid_bands,
    wall,
    wall_bands,
)
from simgen.procedural.builtin.solids import lathe, tube, tube_parts, turned_parts


def vessel(
    *,
    density: float,
    outline_mm: Sequence[Row],
    wall_mm: float,
    floor_mm: float = 0.0,
    curved: bool = False,
    hollow: bool = True,
    flutes: Sequence[float] = (),
    handle_mm: Sequence[float] = (),
    label_mm: Sequence[float] = (),
    cap_mm: Sequence[Row] = (),
    cap_density: float = 950.0,
    fill_mm: float = 0.0,
    fill_density: float = 1000.0,
) -> BuiltShape:
    """Anything with a wall. Slots: body, rim, inside, handle, label, label_back, cap, fill.

    `outline_mm`: rows of radius, height and rounding from the middle of the base to the lip; where `curved`, a smooth
    curve from the edge of the base. `hollow`: small things can fall in. `flutes`: number, depth. `handle_mm`: lower
    and upper height, reach, half width, half thickness. `label_mm`: lower and upper height. `cap_mm`: an outline.
    `fill_mm`: how high its contents stand.
    """
    sides = _curved_wall(outline_mm, wall_mm, floor_mm) if curved else _straight_wall(outline_mm, wall_mm, floor_mm)
    num = sides.num_rim
    crest = np.concatenate([sides.outer[-num:], sides.inner[-num:-1][::-1]])
    body = lathe(
        ("body", sides.outer[: -num + 1]),
        ("rim", crest),
        ("inside", sides.inner[: -num + 1][::-1]),
        flutes={"body": (int(flutes[0]), flutes[1] * MM)} if flutes else None,
    )
    shells = [Shell(patches=body, density_kgpm3=density)]
    bands = (
        wall_bands(sides, tolerance_m=WALL_TOLERANCE_M)
        if hollow
        else solid_bands(sides.outer, tolerance_m=SOLID_TOLERANCE_M)
    )
    parts = list(turned_parts(bands))
    if handle_mm:
        path, widths = _handle(sides.outer, wall_mm * MM, [value * MM for value in handle_mm])
        shells.append(Shell(patches=tube(path, widths, slot="handle", squareness=0.35), density_kgpm3=density))
        parts += tube_parts(path, widths, num=7)
    if label_mm:
        shells.append(_label(sides.outer, label_mm[0] * MM, label_mm[1] * MM))
    if fill_mm:
        shells.append(Shell(patches=_contents(sides.inner[:-num], fill_mm * MM), density_kgpm3=fill_density))
    if cap_mm:
        cap = polyline(*corners_m(cap_mm))
        shells.append(Shell(patches=lathe(("cap", cap)), density_kgpm3=cap_density))
        parts += turned_parts(solid_bands(cap, tolerance_m=SOLID_TOLERANCE_M))
    return BuiltShape(shells=tuple(shells), parts=tuple(parts))


def _straight_wall(outline_mm: Sequence[Row], wall_mm: float, floor_mm: float) -> Wall:
    corners = corners_m(outline_mm)
    # Inside there is no trace of the ring that it stands on.
    low = min(corner[1] for corner in corners)
    foot = max(k for k, corner in enumerate(corners) if corner[1] == low)
    first_m = (floor_mm or wall_mm) * MM + corners[0][1] - low
    inner = offset_corners([(0.0, low), *corners[foot:]], wall_mm * MM, first_m=first_m)
    return wall(polyline(*corners), polyline(*inner))


def _curved_wall(outline_mm: Sequence[Row], wall_mm: float, floor_mm: float) -> Wall:
    curve = smooth(*((row[0] * MM, row[1] * MM) for row in outline_mm))
    floor_m = (floor_mm or wall_mm) * MM
    outer = curve
    if curve[0, 0] > 0:
        start = int(np.argmax(curve[:, 1] > curve[0, 1] + 0.003))
        base = polyline((0.0, float(curve[0, 1])), (*curve[0], 0.0012), tuple(curve[start]))
        outer = np.concatenate([base, curve[start + 1 :]])
    inner = offset(curve, wall_mm * MM)
    if curve[0, 0] > 0:
        inner = inner[inner[:, 1] > curve[0, 1] + floor_m + 0.001]
        inner = np.concatenate([[[0.0, curve[0, 1] + floor_m], [inner[0, 0] - 0.002, curve[0, 1] + floor_m]], inner])
    return wall(outer, inner)


def _handle(outer: Floats, wall_m: float, dimensions_m: Sequence[float]) -> tuple[Floats, Floats]:
    """Path and half widths of a C-shaped handle whose ends are sunk into the wall."""
    low, high, reach, half_width, half_thickness = dimensions_m

    a, b, tall = _radius_at(outer, low) - 0.6 * wall_m, _radius_at(outer, high) - 0.6 * wall_m, high - low
    edge = max(a, b)
    curve = smooth(
        (b, high),
        (edge + 0.45 * reach, high + 0.02 * tall),
        (edge + 0.93 * reach, high - 0.16 * tall),
        (edge + reach, high - 0.45 * tall),
        (edge + 0.74 * reach, high - 0.80 * tall),
        (edge + 0.30 * reach, low + 0.04 * tall),
        (a, low),
        num=40,
    )
    path = np.column_stack([curve[:, 0], np.zeros(len(curve)), curve[:, 1]])
    share = np.linspace(0.0, 1.0, len(path))
    flare = 1.0 + 0.30 * np.exp(-np.minimum(share, 1 - share) / 0.06)
    return path, np.column_stack([half_width * flare, half_thickness * flare])


def _radius_at(outer: Floats, height: float) -> float:
    rising = np.maximum.accumulate(outer[:, 1])
    return float(np.interp(height, rising, outer[:, 0]))


def _label(outer: Floats, low_m: float, high_m: float) -> Shell:
    """A sheet of paper around a straight stretch of wall, a tenth of a millimetre off it."""
    radius = _radius_at(outer, (low_m + high_m) / 2)
    a, b = radius + 0.0001, radius + 0.0003
    around = np.array([[b, high_m], [a, high_m], [a, low_m], [b, low_m]])
    print_ = np.array([[b, low_m], [b, high_m]])
    return Shell(patches=lathe(("label", print_), ("label_back", around)), density_kgpm3=800.0)


def _contents(inner: Floats, height_m: float) -> tuple[GridPatch, ...]:
    """What stands in a vessel, a third of a millimetre off its wall so that the two surfaces stay apart."""
    side = offset(inner, 0.0003)
    side = side[side[:, 1] < height_m - 0.0005]
    edge = _radius_at(side, height_m)
    top = np.array([[edge, height_m - 0.0005], [edge - 0.0005, height_m], [0.0, height_m]])
    return lathe(("fill", np.concatenate([side, top])))


def dish(*, density: float, outline_mm: Sequence[Row], wall_mm: float, foot_mm: Row, curved: bool = True) -> BuiltShape:
    """A bowl or a plate on a foot ring. Slots: body, rim, inside, foot.

    `outline_mm`: the underside from the middle to the lip, at the height of the foot; `foot_mm`: radius, width, height.
    """
    under = smooth(*((r[0] * MM, r[1] * MM) for r in outline_mm)) if curved else polyline(*corners_m(outline_mm))
    sides = wall(under, offset(under, wall_mm * MM))
    radius, width, height = (value * MM for value in foot_mm)
    body = under[under[:, 0] > radius + 0.0015]
    foot = polyline(
        (0.0, height),
        (radius - width, height, 0.001),
        (radius - 0.9 * width, 0.0, 0.0012),
        (radius, 0.0, 0.0015),
        (float(body[0, 0]) - 0.001, float(body[0, 1]) - 0.0004, 0.001),
        (float(body[0, 0]), float(body[0, 1])),
    )
    num = sides.num_rim
    crest = np.concatenate([sides.outer[-num:], sides.inner[-num:-1][::-1]])
    patches = lathe(("foot", foot), ("body", body), ("rim", crest), ("inside", sides.inner[: -num + 1][::-1]))
    top = height + 0.4 * wall_mm * MM
    disc = np.array([[-radius, 0.0], [radius, 0.0], [radius, top], [-radius, top]])
    bands = [
        Band(polygon=inset(disc, MARGIN_M), full=True),
        *wall_bands(sides, tolerance_m=WALL_TOLERANCE_M),
    ]
    return BuiltShape(shells=(Shell(patches=patches, density_kgpm3=density),), parts=turned_parts(bands))


def teapot(*, density: float) -> BuiltShape:
    """Belly, lid with a knob, spout and handle. Slots: body, lid, handle, spout."""
    outline = [[38, 0], [58, 22], [66, 48], [56, 80], [36, 98], [32, 100]]
    body = vessel(
        density=density,
        outline_mm=outline,
        wall_mm=4.0,
        curved=True,
        hollow=False,
        handle_mm=(28, 84, 42, 6.5, 4.5),
    )
    lid = polyline(
        *corners_m(
            [
                [0, 97],
                [33, 97],
                [35, 100, 1.5],
                [33.5, 103, 1.5],
                [12, 110, 20],
                [5, 112, 3],
                [10, 119, 5],
                [8, 127, 5],
                [0, 128.5],
            ]
        )
    )
    curve = smooth((0.054, 0.034), (0.078, 0.050), (0.090, 0.080), (0.108, 0.103), num=32)
    path = np.column_stack([-curve[:, 0], np.zeros(len(curve)), curve[:, 1]])
    taper = np.linspace(1.0, 0.42, len(path))[:, None] * np.array([[19.0, 19.0]]) * MM
    spout = tube(path, taper, slot="spout")
    shells = (
        *body.shells,
        Shell(patches=lathe(("lid", lid)), density_kgpm3=density),
        Shell(patches=spout, density_kgpm3=0.5 * density),
    )
    parts = (
        *body.parts,
        *turned_parts(solid_bands(lid, tolerance_m=SOLID_TOLERANCE_M)),
        *tube_parts(path, taper, num=4),
    )
    return BuiltShape(shells=shells, parts=parts)
