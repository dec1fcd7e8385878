"""The shapes that the catalogue can ask for, each a function of its dimensions (millimetres, as one would order it).

Every function returns a `Model`: closed shells with their densities, and the convex parts that Bullet collides.
Things stand on z = 0 as they would in use, their front towards -y. The slots that a catalogue entry can paint are
named in each docstring; `density` is that of the main shell in kg/m³.
"""

from collections.abc import Callable, Mapping, Sequence
from itertools import pairwise
from typing import Any

import numpy as np

from simgen.builtin.mesh import Model, Part, Patch, Shell
from simgen.builtin.profiles import (
    MARGIN_M,
    Band,
    Corner,
    Wall,
    inset,
    offset,
    offset_corners,
    polyline,
    smooth,
    solid_bands,
    wall,
    wall_bands,
)
from simgen.builtin.solids import (
    FACES,
    between,
    blob,
    box_part,
    lathe,
    moved,
    moved_parts,
    rounded_box,
    rounded_box_part,
    tube,
    tube_parts,
    turned_parts,
)
from simgen.types import Floats, Vec3

MM = 0.001

SOLID_TOLERANCE_M = 0.0012
WALL_TOLERANCE_M = 0.0018
"""How far a convex part may stand off the surface: below what one sees at half a metre."""

Row = Sequence[float]


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
) -> Model:
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
        cap = polyline(*_corners(cap_mm))
        shells.append(Shell(patches=lathe(("cap", cap)), density_kgpm3=cap_density))
        parts += turned_parts(solid_bands(cap, tolerance_m=SOLID_TOLERANCE_M))
    return Model(shells=tuple(shells), parts=tuple(parts))


def _corners(rows: Sequence[Row]) -> list[Corner]:
    return [tuple(value * MM for value in row) for row in rows]  # type: ignore[misc]


def _straight_wall(outline_mm: Sequence[Row], wall_mm: float, floor_mm: float) -> Wall:
    corners = _corners(outline_mm)
    inner = offset_corners(corners, wall_mm * MM, first_m=(floor_mm or wall_mm) * MM)
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


def _contents(inner: Floats, height_m: float) -> tuple[Patch, ...]:
    """What stands in a vessel, a third of a millimetre off its wall so that the two surfaces stay apart."""
    side = offset(inner, 0.0003)
    side = side[side[:, 1] < height_m - 0.0005]
    edge = _radius_at(side, height_m)
    top = np.array([[edge, height_m - 0.0005], [edge - 0.0005, height_m], [0.0, height_m]])
    return lathe(("fill", np.concatenate([side, top])))


def dish(*, density: float, outline_mm: Sequence[Row], wall_mm: float, foot_mm: Row, curved: bool = True) -> Model:
    """A bowl or a plate on a foot ring. Slots: body, rim, inside, foot.

    `outline_mm`: the underside from the middle to the lip, at the height of the foot; `foot_mm`: radius, width, height.
    """
    under = smooth(*((r[0] * MM, r[1] * MM) for r in outline_mm)) if curved else polyline(*_corners(outline_mm))
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
    return Model(shells=(Shell(patches=patches, density_kgpm3=density),), parts=turned_parts(bands))


def turned(
    *,
    density: float,
    sections: Sequence[Sequence[Any]],
    curved: bool = False,
    bore_mm: float = 0.0,
) -> Model:
    """A solid from the lathe. Slots: those that the sections name.

    `sections`: rows of a slot and its outline from bottom to top, each going on where the one before it ended; with a
    bore they run from the bottom edge of the hole to its top edge.
    """
    chunks = _curved_sections(sections) if curved else [(slot, polyline(*_corners(rows))) for slot, rows in sections]
    outline = np.concatenate([curve for _, curve in chunks])
    if bore_mm:
        chunks.append(("bore", np.stack([outline[-1], outline[0]])))
        outline = np.concatenate([[[0.0, outline[0, 1]]], outline, [[0.0, outline[-1, 1]]]])
    parts = turned_parts(solid_bands(outline, tolerance_m=SOLID_TOLERANCE_M))
    return Model(shells=(Shell(patches=lathe(*chunks), density_kgpm3=density),), parts=parts)


def _curved_sections(sections: Sequence[Sequence[Any]]) -> list[tuple[str, Floats]]:
    """One smooth curve through all rows, cut where the sections meet, with flat ends where it keeps off the axis."""
    rows = [row for k, (_, part) in enumerate(sections) for row in (part if k == 0 else part[1:])]
    curve = smooth(*((row[0] * MM, row[1] * MM) for row in rows), num=72)
    cuts = [0]
    for _, part in sections[:-1]:
        cuts.append(int(np.argmin(np.linalg.norm(curve - np.array(part[-1][:2]) * MM, axis=1))))
    pieces = [curve[a : b + 1] for a, b in pairwise([*cuts, len(curve) - 1])]
    if curve[0, 0] > 0:
        pieces[0] = np.concatenate(
            [
                polyline((0.0, curve[0, 1]), (*curve[0], 0.0012), tuple(curve[2])),
                curve[3 : cuts[1] + 1 if len(cuts) > 1 else None],
            ]
        )
    if curve[-1, 0] > 0:
        pieces[-1] = np.concatenate(
            [pieces[-1][:-3], polyline(tuple(curve[-4]), (*curve[-1], 0.0012), (0.0, curve[-1, 1]))]
        )
    return [(slot, piece) for (slot, _), piece in zip(sections, pieces, strict=True)]


def ball(*, density: float, diameter_mm: float, hollow_mm: float = 0.0) -> Model:
    """A sphere, hollow where a wall is given. Slot: body."""
    radius = diameter_mm * MM / 2
    angle = np.linspace(-np.pi / 2, np.pi / 2, 49)
    circle = np.column_stack([np.cos(angle), np.sin(angle)])
    circle[0, 0] = circle[-1, 0] = 0.0
    shells = [Shell(patches=lathe(("body", circle * radius), num_around=96), density_kgpm3=density)]
    if hollow_mm:
        inside = lathe(("body", circle * (radius - hollow_mm * MM)), num_around=96)
        shells.append(Shell(patches=inside, density_kgpm3=density, void=True))
    coarse = np.linspace(-np.pi / 2, np.pi / 2, 17)
    polygon = radius * np.column_stack([np.cos(coarse), np.sin(coarse)])
    parts = turned_parts([Band(polygon=polygon, full=True)])
    return Model(shells=tuple(shells), parts=parts, ball_radius_m=radius)


def block(*, density: float, size_mm: Vec3, radius_mm: float = 1.0, faces: Mapping[str, str] | None = None) -> Model:
    """A box with rounded edges: a block, a carton, a die, a bar of soap. Slots: body, and what `faces` names."""
    size = _metres(size_mm)
    slots = {face: (faces or {}).get(face, "body") for face in FACES}
    patches = rounded_box(size, radius_mm * MM, slots=slots, num_arc=3 if radius_mm < 4 else 6)
    part = box_part(size) if radius_mm < 3 else rounded_box_part(size, radius_mm * MM)
    return Model(shells=(Shell(patches=patches, density_kgpm3=density),), parts=(part,))


def _metres(size_mm: Sequence[float]) -> Vec3:
    x, y, z = size_mm
    return (x * MM, y * MM, z * MM)


def book(*, density: float, size_mm: Vec3, board_mm: float, overhang_mm: float = 0.0, lying: bool = False) -> Model:
    """Width, thickness, height as it stands. Slots: front, cover, spine, pages.

    With an overhang a hardback with a round spine and grooved joints, else a paperback.
    """
    width, thick, height = _metres(size_mm)
    board, over = board_mm * MM, overhang_mm * MM
    joint = 0.008 if over else 0.0
    shells = []
    for side, face in ((-1, "front"), (1, "back")):
        slots = {name: "front" if name == face == "front" else "cover" for name in FACES}
        shells.append(
            rounded_box(
                (width - joint, board, height),
                0.35 * board,
                slots=slots,
                center_m=(joint / 2, side * (thick - board) / 2, 0.0),
            )
        )
        if joint:
            strip = (joint + 0.002, 0.6 * board, height)
            at = (joint / 2 - width / 2, side * (thick / 2 - 1.1 * board), 0.0)
            shells.append(rounded_box(strip, 0.2 * board, slots="cover", center_m=at))
    bulge = 0.10 * thick if over else 0.0
    across = np.linspace(-0.5, 0.5, 17)
    back = np.column_stack([-width / 2 - bulge * (1 - (2 * across) ** 2), across * thick])
    inside = back + np.array([board, 0.0])
    spine, _ = between(inside, back, height, 0.3 * board, slot="spine")
    upright = np.array([[1.0, 0.0, 0.0], [0.0, 0.0, 1.0], [0.0, -1.0, 0.0]])
    shells.append(moved(spine, (0.0, 0.0, 0.0), rotation=upright))
    block_size = (width - board - over - 0.0005, thick - 2 * board, height - 2 * over)
    pages = rounded_box(block_size, 0.0006, slots="pages", center_m=((board - over) / 2, 0.0, 0.0))
    part = box_part((width + bulge, thick, height), center_m=(-bulge / 2, 0.0, 0.0))
    turn = np.array([[1.0, 0.0, 0.0], [0.0, 0.0, 1.0], [0.0, -1.0, 0.0]]) if lying else np.eye(3)
    nowhere = (0.0, 0.0, 0.0)
    return Model(
        shells=(
            *(Shell(patches=moved(p, nowhere, rotation=turn), density_kgpm3=750.0) for p in shells),
            Shell(patches=moved(pages, nowhere, rotation=turn), density_kgpm3=density),
        ),
        parts=moved_parts((part,), nowhere, rotation=turn),
    )


def arch(*, density: float, size_mm: Vec3, span_mm: float, radius_mm: float = 2.0) -> Model:
    """A block with a half round opening. Slot: body."""
    width, depth, height = _metres(size_mm)
    corner = np.arctan2(height, width / 2)
    angle = np.unique(np.concatenate([np.linspace(0.0, np.pi, 49), [corner, np.pi - corner]]))[::-1]
    ray = np.column_stack([np.cos(angle), np.sin(angle)])
    ray[0, 1] = ray[-1, 1] = 0.0
    reach = np.minimum(width / 2 / np.maximum(np.abs(ray[:, 0]), 1e-9), height / np.maximum(ray[:, 1], 1e-9))
    patches, parts = between(ray * span_mm * MM / 2, ray * reach[:, None], depth, radius_mm * MM, slot="body")
    return Model(shells=(Shell(patches=patches, density_kgpm3=density),), parts=parts)


def teapot(*, density: float) -> Model:
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
        *_corners(
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
    return Model(shells=shells, parts=parts)


def duck(*, density: float, length_mm: float, wall_mm: float = 2.0) -> Model:
    """A bath duck facing +x, hollow. Slot: body; patterns find beak and eyes by place."""
    unit = length_mm * MM / 100.0

    def distance(points: Floats) -> Floats:
        p = points / unit
        body = _ellipsoid(p, (-6.0, 0.0, 27.0), (42.0, 33.0, 27.0))
        tail = _ellipsoid(p, (-44.0, 0.0, 40.0), (15.0, 13.0, 11.0))
        head = _ellipsoid(p, (18.0, 0.0, 70.0), (24.0, 23.0, 23.0))
        beak = _ellipsoid(p, (44.0, 0.0, 66.0), (13.0, 11.0, 5.0))
        shape = _blend(_blend(body, tail, 14.0), head, 13.0)
        shape = _blend(shape, beak, 3.0)
        return np.maximum(shape, 7.0 - p[..., 2])

    skin = blob(distance, reach_m=90 * unit, center_m=(4 * unit, 0.0, 42 * unit), slot="body")
    void = blob(
        lambda p: distance(p) + wall_mm * MM / unit, reach_m=90 * unit, center_m=(4 * unit, 0.0, 42 * unit), slot="body"
    )
    parts = [
        _ellipsoid_part((-6.0, 0.0, 27.0), (42.0, 33.0, 27.0), unit, floor=7.0),
        _ellipsoid_part((-42.0, 0.0, 41.0), (15.0, 12.0, 10.0), unit),
        _ellipsoid_part((18.0, 0.0, 70.0), (24.0, 23.0, 23.0), unit),
        _ellipsoid_part((44.0, 0.0, 66.0), (13.0, 11.0, 5.0), unit),
        _ellipsoid_part((10.0, 0.0, 50.0), (22.0, 20.0, 14.0), unit),
    ]
    return Model(
        shells=(
            Shell(patches=skin, density_kgpm3=density),
            Shell(patches=void, density_kgpm3=density, void=True),
        ),
        parts=tuple(parts),
    )


def _ellipsoid(points: Floats, center: Vec3, radii: Vec3) -> Floats:
    """A bound of the distance to an ellipsoid, exact on it."""
    q = points - np.array(center)
    outer = np.linalg.norm(q / np.array(radii), axis=-1)
    slope = np.linalg.norm(q / np.array(radii) ** 2, axis=-1)
    result: Floats = outer * (outer - 1.0) / np.maximum(slope, 1e-9)
    return result


def _blend(a: Floats, b: Floats, width: float) -> Floats:
    """The union of two distances with a fillet of about `width`."""
    share = np.clip(0.5 + 0.5 * (b - a) / width, 0.0, 1.0)
    result: Floats = b * (1 - share) + a * share - width * share * (1 - share)
    return result


def _ellipsoid_part(center: Vec3, radii: Vec3, unit: float, *, floor: float = -1e9) -> Part:
    """Rings of an ellipsoid, cut off below `floor`."""
    inner = np.array(radii) - MARGIN_M / unit
    low = max(-1.0, (floor + MARGIN_M / unit - center[2]) / inner[2])
    level = np.sin(np.linspace(np.arcsin(low), np.pi / 2, 9))
    angle = np.linspace(0.0, 2 * np.pi, 20, endpoint=False)
    radius = np.sqrt(np.maximum(1 - level**2, 1e-4))
    rings = np.stack(
        [
            radius[:, None] * np.cos(angle) * inner[0],
            radius[:, None] * np.sin(angle) * inner[1],
            np.repeat(level[:, None], len(angle), axis=1) * inner[2],
        ],
        axis=-1,
    )
    return Part(rings=(rings + np.array(center)) * unit)


SHAPES: Mapping[str, Callable[..., Model]] = {
    "arch": arch,
    "ball": ball,
    "block": block,
    "book": book,
    "dish": dish,
    "duck": duck,
    "teapot": teapot,
    "turned": turned,
    "vessel": vessel,
}
"""By the names that the catalogue uses."""
