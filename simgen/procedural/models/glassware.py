"""Glasses with something in them, cards to look at through them, panes and mirrors. All stand on z = 0.

Glass is a closed shell that faces outwards. A liquid reaches a little way into the glass around it: a ray then crosses
glass, the liquid's border and glass again, which bends it as the one border between glass and liquid would.
"""

from dataclasses import replace
from itertools import pairwise

import numpy as np

from simgen.core.geometry import direction
from simgen.core.mesh import Mesh, MeshSurface, Model
from simgen.core.vectors import Floats
from simgen.procedural.builtin.profiles import polyline, smooth
from simgen.procedural.models import model
from simgen.procedural.models.forms import ball, box, grid, mesh, moved, sweep, turned

OVERLAP_M = 0.0003
"""How far a liquid reaches into the wall."""


def inner_profile(
    variant: str, *, height_m: float, radius_m: float, taper: float, wall_m: float, floor_m: float
) -> Floats:
    """The inside of a vessel (radius, height), from the axis at its floor to its rim."""
    r, h, foot = radius_m, height_m, radius_m * taper
    if variant == "bowl":
        return smooth((0.0, floor_m), (0.72 * r, floor_m + 0.09 * h), (r - wall_m, 0.46 * h), (0.86 * r, 0.78 * h),
                      (0.74 * r, h), num=60)  # fmt: skip
    if variant == "vase":
        return smooth((0.0, floor_m), (0.8 * foot, floor_m + 0.03 * h), (r - wall_m, 0.34 * h), (0.55 * r, 0.76 * h),
                      (0.66 * r, h), num=60)  # fmt: skip
    corner = min(0.25 * r, 0.008)
    return polyline((0.0, floor_m), (foot - wall_m, floor_m, corner), (r - wall_m, h))


def inner_radius_m(made: Model, height_m: float) -> float:
    """Of a vessel at a height above its floor's top."""
    profile = _inside(made)
    above = profile[profile[:, 0] > 0]
    return float(np.interp(made.number("floor_m") + height_m, above[:, 1], above[:, 0]))


def content_m3(made: Model, level_m: float) -> float:
    """Volume of a liquid that stands this high above the floor of a vessel."""
    if level_m <= 0:
        return 0.0
    edges = np.linspace(0.0, level_m, 401)
    middles = (edges[1:] + edges[:-1]) / 2
    return float(_area(made, middles).sum() * level_m / 400)


def _area(made: Model, heights: Floats) -> Floats:
    profile = _inside(made)
    order = np.argsort(profile[:, 1], kind="stable")
    radius = np.interp(made.number("floor_m") + heights, profile[order, 1], profile[order, 0])
    return np.asarray(np.pi * radius**2, dtype=float)


def _inside(made: Model) -> Floats:
    names = ("height_m", "radius_m", "taper", "wall_m", "floor_m")
    return inner_profile(made.variant, **{name: made.number(name) for name in names})


@model("drinking_glass")
def drinking_glass(
    *,
    rng: np.random.Generator,
    variant: str,
    height_m: float,
    radius_m: float,
    taper: float,
    wall_m: float,
    floor_m: float,
    level_m: float,
) -> Mesh:
    """A tumbler, a bowl or a vase of glass with a liquid up to `level_m` above its floor. Slots: glass, liquid."""
    inner = inner_profile(variant, height_m=height_m, radius_m=radius_m, taper=taper, wall_m=wall_m, floor_m=floor_m)
    rim = inner[-1]
    arc = np.linspace(0.0, np.pi, 9)[1:-1]
    crest = rim + wall_m / 2 * np.stack([1.0 - np.cos(arc), np.sin(arc)], axis=1)
    side = _outwards(inner, wall_m)
    keep = (inner[:, 1] > floor_m + 0.0005) & (side[:, 1] > 0.5 * floor_m)
    side = side[keep][::-1]
    foot = float(side[-1, 0])
    bottom = polyline((foot, float(side[-1, 1])), (0.985 * foot, 0.0, 0.0025), (0.0, 0.0))[1:]
    outline = _fine(np.concatenate([inner, crest, side[1:], bottom]))
    parts: list[MeshSurface] = [*turned(("glass", outline[::-1]), around=112)]
    if level_m > 0:
        top = floor_m + level_m
        wet = inner[(inner[:, 1] < top - 0.002) & (inner[:, 0] > 0)]
        edge = float(np.interp(top, inner[1:, 1], inner[1:, 0]))
        wet = np.concatenate([[[0.0, floor_m]], wet, [[edge, top + 0.0011]]])
        wet = wet + np.array([OVERLAP_M, 0.0]) * (wet[:, :1] > 0) - np.array([0.0, OVERLAP_M])
        lid = [[edge - 0.0006, top + 0.0004], [edge - 0.0016, top + 0.00005], [edge - 0.004, top], [0.0, top]]
        parts += turned(("liquid", _fine(np.concatenate([wet, lid]))), around=112, sharp_deg=60.0)
    return mesh(*parts)


def _fine(curve: Floats) -> Floats:
    """The curve with points close to both ends of every long straight piece: a normal that a corner has tilted must not
    run along the whole wall, where it would bend every ray."""
    rows = [curve[:1]]
    for a, b in pairwise(curve):
        length = float(np.linalg.norm(b - a))
        steps = [1.0]
        if length > 0.003:
            ends = [0.0004 / length, 1.0 - 0.0004 / length]
            steps = [*np.linspace(ends[0], ends[1], max(3, int(length / 0.005))), 1.0]
        rows.append(a + np.array(steps)[:, None] * (b - a))
    return np.concatenate(rows)


def _outwards(curve: Floats, distance_m: float) -> Floats:
    """The curve moved away from the axis and down."""
    ahead = np.gradient(curve, axis=0)
    ahead /= np.maximum(np.linalg.norm(ahead, axis=1, keepdims=True), 1e-12)
    return np.asarray(curve + distance_m * np.stack([ahead[:, 1], -ahead[:, 0]], axis=1), dtype=float)


@model("stick")
def stick(*, rng: np.random.Generator, variant: str, length_m: float, radius_m: float) -> Mesh:
    """A thing to stand in a glass, along z from the origin. `pencil`: paint, wood, lead, metal, rubber. `straw`: paint,
    second. `spoon`: metal. `brush`: paint, metal, hair."""
    r, top = radius_m, length_m
    if variant == "pencil":
        return mesh(
            *turned(
                ("lead", np.array([[0.0, 0.0], [0.22 * r, 0.003]])),
                ("wood", np.array([[0.22 * r, 0.003], [r, 0.017]])),
                ("paint", np.array([[r, 0.017], [r, top - 0.022]])),
                ("metal", polyline((r, top - 0.022), (1.06 * r, top - 0.0215), (1.06 * r, top - 0.011),
                                   (0.98 * r, top - 0.0105))),
                ("rubber", polyline((0.98 * r, top - 0.0105), (0.98 * r, top, 0.0015), (0.0, top))),
                around=12, sharp_deg=50.0,
            )
        )  # fmt: skip
    if variant == "straw":
        rings = np.linspace(0.0, top, 15)
        stripes = [
            (("paint", "second")[k % 2], np.array([[r, low], [r, high]]))
            for k, (low, high) in enumerate(pairwise(rings))
        ]
        inside = np.array([[r, top], [0.82 * r, top], [0.82 * r, 0.002], [0.0, 0.002]])
        chunks = [("paint", np.array([[0.0, 0.0], [r, 0.0]])), *stripes, ("paint", inside)]
        return mesh(*turned(*chunks, around=32, sharp_deg=50.0))
    if variant == "spoon":
        bowl = ball((0.0165, 0.0038, 0.024), center_m=(0.0, 0.0, 0.024), slot="metal", rings=48)
        share = np.linspace(0.0, 1.0, 24)
        line = np.stack([0 * share, 0.003 * np.sin(np.pi * share), 0.044 + (top - 0.044) * share], axis=1)
        return mesh(bowl, sweep(line, r * (0.6 + 0.5 * share**2), slot="metal", around=16))
    return mesh(
        *turned(
            ("paint", polyline((0.0, 0.0), (0.45 * r, 0.001), (r, 0.55 * top), (0.8 * r, top - 0.045))),
            ("metal", polyline((0.8 * r, top - 0.045), (0.85 * r, top - 0.0445), (1.05 * r, top - 0.026))),
            ("hair", smooth((1.05 * r, top - 0.026), (1.2 * r, top - 0.016), (0.3 * r, top - 0.002), (0.0, top),
                            num=16)),
            around=28, sharp_deg=50.0,
        )
    )  # fmt: skip


def _flat(corners: Floats, *, slot: str, at_m: float) -> MeshSurface:
    """A polygon [K, 2] of four corners in the plane x = `at_m`, seen from +x; y to the right, z up."""
    points = np.column_stack([np.full(len(corners), at_m), corners])
    return MeshSurface(vertices_m=points, faces=np.array([[0, 1, 2, 3]]), slot=slot)


@model("card")
def card(
    *, rng: np.random.Generator, variant: str, width_m: float, height_m: float, lift_m: float, print_m: float
) -> Mesh:
    """A printed card that stands upright in a wooden foot and faces +x; `variant` is what is printed on it (arrow,
    letter, halves), `print_m` to either side of a middle that is `lift_m` above the ground. Slots: card, ink, second,
    foot."""
    thick, w, h = 0.003, width_m, height_m
    board = box((thick, w, h), radius_m=0.0008, center_m=(0.0, 0.0, h / 2 + 0.004), slot="card")
    feet = [box((0.035, 0.022, 0.014), center_m=(0.0, y, 0.007), slot="foot") for y in (-0.36 * w, 0.36 * w)]
    at, s = thick / 2 + 0.0002, print_m
    prints = []
    if variant == "arrow":
        bar = np.array([[-0.8, -0.17], [0.12, -0.17], [0.12, 0.17], [-0.8, 0.17]])
        tip = np.array([[0.12, -0.48], [0.8, 0.0], [0.8, 0.0001], [0.12, 0.48]])
        prints = [("ink", bar), ("ink", tip)]
    elif variant == "letter":
        prints = [("ink", np.array([[x0, z0], [x1, z0], [x1, z1], [x0, z1]])) for x0, z0, x1, z1 in (
            (-0.36, -0.62, -0.12, 0.62), (-0.12, 0.38, 0.46, 0.62), (-0.12, -0.06, 0.3, 0.17))]  # fmt: skip
    else:
        prints = [(slot, np.array([[a, -0.9], [b, -0.9], [b, 0.9], [a, 0.9]]))
                  for slot, a, b in (("ink", -1.1, 0.0), ("second", 0.0, 1.1))]  # fmt: skip
    flats = [_flat(corners * s + [0.0, lift_m], slot=slot, at_m=at) for slot, corners in prints]
    return mesh(board, *feet, *flats)


@model("pane")
def pane(*, rng: np.random.Generator, variant: str, width_m: float, height_m: float, thick_m: float) -> Mesh:
    """A sheet of glass that faces ±x, in a frame (`framed`) or on two feet. Slots: glass, frame."""
    w, h = width_m, height_m
    parts: list[MeshSurface] = []
    if variant == "framed":
        bar, deep = 0.016, 0.020
        sheet = box((thick_m, w - bar, h - bar), radius_m=0.0008, center_m=(0.0, 0.0, h / 2), slot="glass")
        for y in (-(w - bar) / 2, (w - bar) / 2):
            parts.append(box((deep, bar, h), center_m=(0.0, y, h / 2), slot="frame"))
            parts.append(box((0.11, bar, 0.012), center_m=(0.0, y, 0.006), slot="frame"))
        for z in (bar / 2 + 0.006, h - bar / 2):
            parts.append(box((deep, w - 1.2 * bar, bar), center_m=(0.0, 0.0, z), slot="frame"))
    else:
        sheet = box((thick_m, w, h), radius_m=0.0015, center_m=(0.0, 0.0, h / 2 + 0.004), slot="glass")
        for y in (-0.38 * w, 0.38 * w):
            parts.append(box((0.06, 0.03, 0.022), radius_m=0.004, center_m=(0.0, y, 0.011), slot="frame"))
    return mesh(sheet, *(replace(part, substance="wood") for part in parts))


@model("mirror")
def mirror(*, rng: np.random.Generator, variant: str, width_m: float, height_m: float) -> Mesh:
    """A mirror that faces +x and can be turned about z: `round` on a foot, or in a rectangular frame. Slots: mirror,
    frame, back."""
    w, h = width_m, height_m
    if variant == "round":
        r = w / 2
        middle = h - r
        angle = np.linspace(0.0, 2 * np.pi, 97)
        ring = np.stack([np.zeros(97), np.cos(angle), np.sin(angle)], axis=1)
        hoop = sweep(ring * r + [0, 0, middle], 0.007, slot="frame", around=16, cap=False)
        spread = np.linspace(0.0, r, 9)
        shine = grid(spread[:, None, None] * ring[None] + [0.002, 0, middle], slot="mirror")
        back = moved(grid(spread[:, None, None] * ring[None, ::-1], slot="back"), by=(-0.004, 0.0, middle))
        stem = sweep(np.linspace([0, 0, 0.01], [0, 0, middle - r], 4), 0.006, slot="frame", around=20)
        base = turned(("frame", polyline((0.0, 0.0), (0.42 * w, 0.0, 0.002), (0.42 * w, 0.008, 0.004),
                                         (0.012, 0.02, 0.01), (0.0, 0.021))))  # fmt: skip
        return mesh(shine, back, hoop, stem, *base)
    bar, deep = 0.022, 0.022
    low = 0.012
    inside = np.array([[-1, -1], [1, -1], [1, 1], [-1, 1]]) * [(w - bar) / 2, (h - low - bar) / 2]
    shine = _flat(inside + np.array([0.0, (h + low) / 2]), slot="mirror", at_m=0.003)
    parts: list[MeshSurface] = [
        box((0.006, w - bar, h - low - bar), center_m=(-0.004, 0.0, (h + low) / 2), slot="back")
    ]
    for y in (-(w - bar) / 2, (w - bar) / 2):
        parts.append(box((deep, bar, h - low), center_m=(0.0, y, (h + low) / 2), slot="frame"))
        parts.append(box((0.12, bar, low + 0.004), center_m=(0.0, y, (low + 0.004) / 2), slot="frame"))
    for z in (low + bar / 2, h - bar / 2):
        parts.append(box((deep, w - 1.6 * bar, bar), center_m=(0.0, 0.0, z), slot="frame"))
    return mesh(shine, *parts)


@model("smooth_piece")
def smooth_piece(*, rng: np.random.Generator, variant: str, width_m: float, depth_m: float, height_m: float) -> Mesh:
    """Something that can be polished: a `slab`, a round `disc`, a `vase` or a `ball`. Slot: surface."""
    r, h = width_m / 2, height_m
    if variant == "slab":
        return mesh(box((width_m, depth_m, h), radius_m=0.3 * h, center_m=(0.0, 0.0, h / 2), slot="surface"))
    if variant == "disc":
        return mesh(
            *turned(("surface", polyline((0.0, 0.0), (r, 0.0, 0.3 * h), (r, h, 0.3 * h), (0.0, h))), around=160)
        )
    if variant == "ball":
        return mesh(ball((r, r, r), center_m=(0.0, 0.0, r), slot="surface"))
    side = smooth((0.0, 0.0), (0.45 * r, 0.004), (r, 0.4 * h), (0.42 * r, 0.82 * h), (0.55 * r, 0.985 * h), num=60)
    inside = np.array([[0.5 * r, h], [0.46 * r, 0.985 * h], [0.34 * r, 0.82 * h], [0.34 * r, 0.5 * h], [0.0, 0.48 * h]])
    return mesh(*turned(("surface", np.concatenate([side, inside])), around=128))


def leaning(
    made: Model, stick_m: float, *, foot_rad: float, rim_rad: float, inset_m: float = 0.0
) -> tuple[Floats, Floats]:
    """Foot and direction of a stick of that radius in a straight glass: it stands on the floor at one azimuth and leans
    on the rim at another. `inset_m`: how much further from the wall its foot is kept."""
    low = inner_radius_m(made, 0.005) - 1.2 * stick_m - inset_m
    foot = low * direction(foot_rad) + [0.0, 0.0, made.number("floor_m") + 0.5 * stick_m]
    rim = float(_inside(made)[-1, 0]) - 1.15 * stick_m
    way = rim * direction(rim_rad) + [0.0, 0.0, made.number("height_m")] - foot
    return foot, way / np.linalg.norm(way)
