"""The shapes that the catalogue can ask for, each a function of its dimensions (millimetres, as one would order it).

Every function returns a `Model`: closed shells with their densities, and the convex parts that Bullet collides.
Things stand as they would in use, their front towards -y. The slots that a catalogue entry can paint are named in
each docstring; `density` is that of the main shell in kg/m³.
"""

from collections.abc import Callable, Mapping, Sequence
from itertools import pairwise
from typing import Any

import numpy as np

from simgen.core.vectors import Floats, Vec3
from simgen.procedural.builtin.mesh import BuiltShape, Part, Shell
from simgen.procedural.builtin.profiles import (
    MARGIN_M,
    MM,
    SOLID_TOLERANCE_M,
    Band,
    corners_m,
    polyline,
    smooth,
    solid_bands,
)
from simgen.procedural.builtin.solids import (
    FACES,
    between,
    blob,
    box_part,
    lathe,
    moved,
    moved_parts,
    rounded_box,
    rounded_box_part,
    turned_parts,
)
from simgen.procedural.builtin.vessels import dish, teapot, vessel


def turned(
    *,
    density: float,
    sections: Sequence[Sequence[Any]],
    curved: bool = False,
    bore_mm: float = 0.0,
) -> BuiltShape:
    """A solid from the lathe. Slots: those that the sections name.

    `sections`: rows of a slot and its outline from bottom to top, each going on where the one before it ended; with a
    bore they run from the bottom edge of the hole to its top edge.
    """
    chunks = _curved_sections(sections) if curved else [(slot, polyline(*corners_m(rows))) for slot, rows in sections]
    outline = np.concatenate([curve for _, curve in chunks])
    if bore_mm:
        chunks.append(("bore", np.stack([outline[-1], outline[0]])))
        outline = np.concatenate([[[0.0, outline[0, 1]]], outline, [[0.0, outline[-1, 1]]]])
    parts = turned_parts(solid_bands(outline, tolerance_m=SOLID_TOLERANCE_M))
    return BuiltShape(shells=(Shell(patches=lathe(*chunks), density_kgpm3=density),), parts=parts)


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


def ball(*, density: float, diameter_mm: float, hollow_mm: float = 0.0) -> BuiltShape:
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
    return BuiltShape(shells=tuple(shells), parts=parts, ball_radius_m=radius)


def block(
    *, density: float, size_mm: Vec3, radius_mm: float = 1.0, faces: Mapping[str, str] | None = None
) -> BuiltShape:
    """A box with rounded edges: a block, a carton, a die, a bar of soap. Slots: body, and what `faces` names."""
    size = _metres(size_mm)
    slots = {face: (faces or {}).get(face, "body") for face in FACES}
    patches = rounded_box(size, radius_mm * MM, slots=slots, num_arc=3 if radius_mm < 4 else 6)
    part = box_part(size) if radius_mm < 3 else rounded_box_part(size, radius_mm * MM)
    return BuiltShape(shells=(Shell(patches=patches, density_kgpm3=density),), parts=(part,))


def _metres(size_mm: Sequence[float]) -> Vec3:
    x, y, z = size_mm
    return (x * MM, y * MM, z * MM)


def book(
    *, density: float, size_mm: Vec3, board_mm: float, overhang_mm: float = 0.0, lying: bool = False
) -> BuiltShape:
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
    return BuiltShape(
        shells=(
            *(Shell(patches=moved(p, nowhere, rotation=turn), density_kgpm3=750.0) for p in shells),
            Shell(patches=moved(pages, nowhere, rotation=turn), density_kgpm3=density),
        ),
        parts=moved_parts((part,), nowhere, rotation=turn),
    )


def arch(*, density: float, size_mm: Vec3, span_mm: float, radius_mm: float = 2.0) -> BuiltShape:
    """A block with a half round opening. Slot: body."""
    width, depth, height = _metres(size_mm)
    corner = np.arctan2(height, width / 2)
    angle = np.unique(np.concatenate([np.linspace(0.0, np.pi, 49), [corner, np.pi - corner]]))[::-1]
    ray = np.column_stack([np.cos(angle), np.sin(angle)])
    ray[0, 1] = ray[-1, 1] = 0.0
    reach = np.minimum(width / 2 / np.maximum(np.abs(ray[:, 0]), 1e-9), height / np.maximum(ray[:, 1], 1e-9))
    patches, parts = between(ray * span_mm * MM / 2, ray * reach[:, None], depth, radius_mm * MM, slot="body")
    return BuiltShape(shells=(Shell(patches=patches, density_kgpm3=density),), parts=parts)


def duck(*, density: float, length_mm: float, wall_mm: float = 2.0) -> BuiltShape:
    """A bath duck facing +x, hollow. Slot: body; patterns find beak and eyes by place."""
    unit = length_mm * MM / 100.0

    def distance(points: Floats) -> Floats:
        p = points / unit
        body = _ellipsoid(p, (-6.0, 0.0, 27.0), (42.0, 33.0, 27.0))
        tail = _ellipsoid(p, (-44.0, 0.0, 40.0), (15.0, 13.0, 11.0))
        head = _ellipsoid(p, (18.0, 0.0, 70.0), (24.0, 23.0, 23.0))
        beak = _ellipsoid(p, (44.0, 0.0, 66.0), (13.0, 11.0, 5.0))
        shape = _blend(_blend(body, tail, 14.0), head, 13.0)
        shape = _blend(shape, beak, 5.0)
        return np.maximum(shape, 7.0 - p[..., 2])

    skin = blob(distance, reach_m=90 * unit, center_m=(18 * unit, 0.0, 58 * unit), slot="body")
    void = blob(
        lambda p: distance(p) + wall_mm * MM / unit,
        reach_m=90 * unit,
        center_m=(18 * unit, 0.0, 58 * unit),
        slot="body",
    )
    parts = [
        _ellipsoid_part((-6.0, 0.0, 27.0), (42.0, 33.0, 27.0), unit, floor=7.0),
        _ellipsoid_part((-44.0, 0.0, 40.0), (15.0, 13.0, 11.0), unit),
        _ellipsoid_part((18.0, 0.0, 70.0), (24.0, 23.0, 23.0), unit),
        _ellipsoid_part((44.0, 0.0, 66.0), (13.0, 11.0, 5.0), unit),
        _ellipsoid_part((10.0, 0.0, 50.0), (22.0, 20.0, 14.0), unit),
    ]
    return BuiltShape(
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


SHAPES: Mapping[str, Callable[..., BuiltShape]] = {
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
