"""Vessels with something in them that freezes, dries up or sweats: glasses, dishes, bowls, cups, ice trays.

A vessel has a profile of its hollow, and its contents fill that profile up to the level that their volume asks for:
what is in it is always known in cubic metres. Round things are turned; the wells of a tray are rounded squares.
"""

import functools
from dataclasses import dataclass

import numpy as np

from simgen.core.mesh import Mesh, MeshSurface
from simgen.core.vectors import Floats
from simgen.procedural.builtin.profiles import polyline, wall
from simgen.procedural.models import forms, model

OVERLAP_M = 0.0003
"""How far contents reach into the wall, so that no film of air shines between them."""
SQUARE = 5.0
"""Exponent of the rounded squares of a tray's wells: |x|^n + |y|^n = 1."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Hollow:
    """The inside of a vessel: radius by height, from the floor on, and the exponent of its cross-section."""

    radius_m: Floats
    height_m: Floats
    exponent: float = 2.0

    def area_m2(self) -> Floats:
        """[N] Area of the cross-section at every height."""
        return np.asarray(_unit_area(self.exponent) * self.radius_m**2)

    def volume_m3(self, level_m: float) -> float:
        """Of what fills it up to a level."""
        heights = np.append(self.height_m[self.height_m < level_m], level_m)
        radii = np.interp(heights, self.height_m, self.radius_m)
        # Cones between the points of the profile.
        a, b = radii[:-1], radii[1:]
        return float((_unit_area(self.exponent) * (a * a + a * b + b * b) / 3 * np.diff(heights)).sum())

    def level_m(self, volume_m3: float) -> float:
        """The level of a volume; the rim for what does not fit."""
        low, high = float(self.height_m[0]), float(self.height_m[-1])
        for _ in range(50):
            middle = (low + high) / 2
            low, high = (middle, high) if self.volume_m3(middle) < volume_m3 else (low, middle)
        return (low + high) / 2


def hollow(variant: str, radius_m: float, height_m: float, wall_m: float) -> Hollow:
    """The hollow of a vessel by its outer radius at the rim, its height and its wall."""
    if variant == "tray":
        depth = height_m - wall_m
        curve = polyline((0.0, wall_m), (0.8 * radius_m, wall_m, 0.25 * depth), (radius_m, height_m))
        return Hollow(*(), radius_m=_fine(curve)[:, 0], height_m=_fine(curve)[:, 1], exponent=SQUARE)
    inner = _fine(_inner(variant, radius_m, height_m, wall_m))
    # Rising everywhere, as a height must be to be looked up.
    rising = inner[:, 1] + 1e-9 * np.arange(len(inner))
    return Hollow(radius_m=inner[:, 0], height_m=rising)


def _outer(variant: str, radius_m: float, height_m: float) -> Floats:
    base = {"tumbler": 0.84, "beaker": 1.0, "dish": 0.96, "cup": 0.66, "bowl": 0.42, "straight": 1.0}[variant]
    if variant == "bowl":
        angle = np.linspace(-np.pi / 2, 0.0, 24)
        side = np.column_stack(
            [base * radius_m + (1 - base) * radius_m * np.cos(angle), height_m * (1 + np.sin(angle))]
        )
        return np.concatenate([[[0.0, 0.0]], side])
    rounding = {"tumbler": 0.004, "beaker": 0.006, "dish": 0.004, "cup": 0.02, "straight": 0.003}[variant]
    return polyline((0.0, 0.0), (base * radius_m, 0.0, rounding), (radius_m, height_m))


def _inner(variant: str, radius_m: float, height_m: float, wall_m: float) -> Floats:
    outer = _outer(variant, radius_m, height_m)
    floor = wall_m * {"tumbler": 2.4, "straight": 2.2}.get(variant, 1.2)
    if variant == "bowl":
        inner = outer.copy()
        inner[:, 0] = np.maximum(outer[:, 0] - wall_m, 0.0)
        inner[:, 1] = floor + (height_m - floor) * outer[:, 1] / height_m
        return inner
    base = outer[:, 0][outer[:, 1] <= 0].max()
    at_floor = float(np.interp(floor, outer[1:, 1], outer[1:, 0])) if floor < height_m else base
    rounding = {"cup": 0.02, "beaker": 0.005}.get(variant, 0.003)
    return polyline((0.0, floor), (at_floor - wall_m, floor, rounding), (radius_m - wall_m, height_m))


def _fine(curve: Floats, num: int = 160) -> Floats:
    along = np.concatenate([[0.0], np.cumsum(np.linalg.norm(np.diff(curve, axis=0), axis=1))])
    at = np.linspace(0.0, along[-1], num)
    return np.asarray(np.column_stack([np.interp(at, along, curve[:, k]) for k in range(2)]), dtype=float)


@functools.cache
def _unit_area(exponent: float) -> float:
    """Area of the unit shape, as it is drawn: of the polygon."""
    unit = _ring(exponent)
    after = np.roll(unit, -1, axis=0)
    return float(0.5 * (unit[:, 0] * after[:, 1] - unit[:, 1] * after[:, 0]).sum())


def _ring(exponent: float, count: int = 96) -> Floats:
    angle = np.linspace(0.0, 2 * np.pi, count, endpoint=False)
    unit = np.stack([np.cos(angle), np.sin(angle)], axis=1)
    return np.asarray(unit / (np.abs(unit) ** exponent).sum(axis=1, keepdims=True) ** (1 / exponent))


@model("cold_vessel")
def cold_vessel(
    *, rng: np.random.Generator, variant: str, radius_m: float, height_m: float, wall_m: float, handle: float = 0.0
) -> Mesh:
    """A vessel, its slot `wall`; with `handle` that of a cup."""
    if variant == "tray":
        return _tray(radius_m, height_m, wall_m)
    sides = wall(_fine(_outer(variant, radius_m, height_m), 60), _fine(_inner(variant, radius_m, height_m, wall_m), 60))
    profile = np.concatenate([sides.outer, sides.inner[::-1][1:]])
    surfaces = list(forms.turned(("wall", profile), around=96, sharp_deg=35.0))
    if handle:
        angle = np.linspace(-0.42 * np.pi, 0.42 * np.pi, 40)
        reach = 0.34 * height_m
        high = 0.52 * height_m + reach * np.sin(angle)
        side = _outer(variant, radius_m, height_m)[1:]
        # Both ends sit in the wall, which leans outwards.
        out = 0.95 * reach * (np.cos(angle) - np.cos(angle[0]))
        path = np.column_stack([np.interp(high, side[:, 1], side[:, 0]) - 0.0008 + out, 0 * angle, high])
        surfaces.append(forms.sweep(path, 0.0045, slot="wall", around=20))
    return forms.mesh(*surfaces)


TRAY = (5, 2)
GAP = 1.16
"""Wells along and across, and how far apart their middles are, in widths."""


def wells_m(radius_m: float) -> Floats:
    """[N, 2] Middles of the wells of a tray."""
    step = 2 * radius_m * GAP
    x, y = (step * (np.arange(count) - (count - 1) / 2) for count in TRAY)
    middles: Floats = np.stack(np.meshgrid(x, y, indexing="ij"), axis=-1).reshape(-1, 2)
    return middles


def _tray(radius_m: float, height_m: float, wall_m: float) -> Mesh:
    shape = hollow("tray", radius_m, height_m, wall_m)
    half = np.array(TRAY) * radius_m * GAP + 0.004
    # Lines lie close where the wells' walls are steep.
    axes = []
    for count, reach in zip(TRAY, half, strict=True):
        middles = 2 * radius_m * GAP * (np.arange(count) - (count - 1) / 2)
        own = np.concatenate([np.linspace(-1, -0.72, 16), np.linspace(-0.66, 0.66, 14), np.linspace(0.72, 1, 16)])
        axes.append(np.unique(np.round(np.concatenate([[-reach, reach], *(m + radius_m * own for m in middles)]), 7)))
    x, y = np.meshgrid(*axes, indexing="ij")
    near = wells_m(radius_m)
    offset = np.abs(np.stack([x, y], axis=-1)[:, :, None] - near[None, None]).min(axis=2)
    rho = (offset**SQUARE).sum(axis=-1) ** (1 / SQUARE)
    z = np.interp(rho, shape.radius_m, shape.height_m, right=height_m)
    top = np.stack([x, y, z], axis=-1)
    rows, columns = x.shape
    index = np.arange(rows * columns).reshape(rows, columns)
    quads = np.stack([index[:-1, :-1], index[1:, :-1], index[1:, 1:], index[:-1, 1:]], axis=-1).reshape(-1, 4)
    rim = np.concatenate([index[:-1, 0], index[-1, :-1], index[:0:-1, -1], index[0, :0:-1]])
    count, total = len(rim), rows * columns
    rounded = [top.reshape(-1, 3)]
    around = top.reshape(-1, 3)[rim]
    out = around[:, :2] / np.abs(around[:, :2] / half).max(axis=1, keepdims=True)
    away = np.where(np.abs(np.abs(around[:, :2]) - half) < 1e-9, np.sign(around[:, :2]), 0.0)
    for turn in (30, 60, 90):
        bend = np.radians(turn)
        lower = np.column_stack([out + 0.0015 * np.sin(bend) * away, around[:, 2] - 0.0015 * (1 - np.cos(bend))])
        rounded.append(lower)
    rounded.append(np.column_stack([0.94 * (out + 0.0015 * away), np.zeros(count)]))
    rounded.append(np.zeros((1, 3)))
    faces = [quads[:, [0, 1, 2]], quads[:, [0, 2, 3]]]
    last = rim
    for k in range(4):
        below = total + k * count + np.arange(count)
        faces += [
            np.column_stack([last, below, np.roll(below, -1)]),
            np.column_stack([last, np.roll(below, -1), np.roll(last, -1)]),
        ]
        last = below
    faces.append(np.column_stack([np.roll(last, -1), last, np.full(count, total + 4 * count)]))
    points = np.concatenate(rounded)
    return Mesh(surfaces=(MeshSurface(vertices_m=points, faces=np.concatenate(faces), slot="wall", sharp_deg=50.0),))


@model("contents")
def contents(
    *,
    rng: np.random.Generator,
    variant: str,
    radius_m: float,
    height_m: float,
    wall_m: float,
    volume_m3: float,
    dome_m: float = 0.0,
    bubbles: float = 0.0,
    risen: float = 1.0,
    stain_m3: float = 0.0,
    ice_m3: float = 0.0,
) -> Mesh:
    """What is in a vessel of these numbers, in its place: `volume_m3` in all, the top bulging by `dome_m`; slot `fill`.

    `bubbles` of air lie in its middle (slot `core`), of which the share `risen` is there; a `stain` (slot `stain`)
    marks where the level of that volume was. `ice_m3` of the volume is that of ice that swims in it.
    """
    shape = hollow(variant, radius_m, height_m, wall_m)
    spots = wells_m(radius_m) if variant == "tray" else np.zeros((1, 2))
    each = volume_m3 / len(spots)
    surfaces: list[MeshSurface] = []
    for spot in spots:
        one = _fill(shape, each, dome_m)
        surfaces.append(forms.moved(one, by=(*spot, 0.0)))
    fills = [_joined(surfaces, volume_m3 - ice_m3)]
    if round(risen * int(bubbles)):
        fills.append(_core(shape, shape.level_m(each), spots, int(bubbles), risen, rng))
    if stain_m3:
        fills.append(_stain(shape, shape.level_m(stain_m3 / len(spots)), rng))
    return forms.mesh(*fills)


def _fill(shape: Hollow, volume: float, dome_m: float) -> MeshSurface:
    """A squarish turned body: the profile of the hollow up to the level, then a top that is a parabola."""
    level = shape.level_m(volume)
    for _ in range(20):
        radius = float(np.interp(level, shape.height_m, shape.radius_m))
        # The dome adds half its height over the whole top.
        level = shape.level_m(volume - 0.5 * dome_m * _unit_area(shape.exponent) * radius**2)
    heights = np.linspace(float(shape.height_m[0]), level, 60)
    side = np.column_stack([np.interp(heights, shape.height_m, shape.radius_m), heights])
    across = np.linspace(1.0, 0.0, 24)
    radius = side[-1, 0]
    top = np.column_stack([radius * across, level + dome_m * (1 - across**2)])
    side[0, 1] -= OVERLAP_M
    profile = np.concatenate([[[0.0, side[0, 1]]], side, top[1:]])
    unit = _ring(shape.exponent)
    count, around = len(profile), len(unit)
    grow = np.where(profile[:, 0] > 0, OVERLAP_M, 0.0)
    rings = np.concatenate(
        [(profile[:, 0] + grow)[:, None, None] * unit[None], np.repeat(profile[:, 1:, None], around, axis=1)], axis=2
    )
    index = np.arange(count * around).reshape(count, around)
    beside = np.roll(index, -1, axis=1)
    faces = np.stack([index[:-1], beside[:-1], beside[1:], index[1:]], axis=-1).reshape(-1, 4)
    faces = np.concatenate([faces[:, [0, 1, 2]], faces[:, [0, 2, 3]]])
    points = rings.reshape(-1, 3)
    # Points on the axis are one.
    points, kept = np.unique(np.round(points, 9), axis=0, return_inverse=True)
    tall = float(np.ptp(points[:, 2])) / 2
    across = np.hypot(points[:, 0], points[:, 1]) / max(float(np.hypot(points[:, 0], points[:, 1]).max()), 1e-9)
    # How clear ice is there: air gathers where it freezes last, in the middle of each side.
    clear = across * np.abs(points[:, 2] - points[:, 2].min() - tall) / tall
    faces = kept.reshape(-1)[faces]
    good = (faces[:, 0] != faces[:, 1]) & (faces[:, 1] != faces[:, 2]) & (faces[:, 0] != faces[:, 2])
    return MeshSurface(vertices_m=points, faces=faces[good], slot="fill", attributes={"clear": clear}, sharp_deg=50.0)


def _joined(surfaces: list[MeshSurface], volume_m3: float) -> MeshSurface:
    offsets = np.cumsum([0] + [len(s.vertices_m) for s in surfaces])
    return MeshSurface(
        vertices_m=np.concatenate([s.vertices_m for s in surfaces]),
        faces=np.concatenate([np.asarray(s.faces) + o for s, o in zip(surfaces, offsets, strict=False)]),
        slot=surfaces[0].slot,
        attributes={"clear": np.concatenate([s.attributes["clear"] for s in surfaces])},
        sharp_deg=surfaces[0].sharp_deg,
        # It reaches a little into the wall.
        solid_m3=volume_m3,
    )


def _core(
    shape: Hollow, level: float, spots: Floats, count: int, risen: float, rng: np.random.Generator
) -> MeshSurface:
    """Air that came out of the water as it froze: bubbles about the middle, more of them low down. The first of them
    are there, by the share `risen`; each is where it stays."""
    one = forms.ball((1.0, 1.0, 1.0), rings=6)
    low = float(shape.height_m[0])
    tall = level - low
    height = low + tall * np.clip(rng.normal(0.5, 0.17, count), 0.1, 0.86)
    wide = np.interp(height, shape.height_m, shape.radius_m)
    angle, out = rng.uniform(0, 2 * np.pi, count), wide * 0.7 * np.sqrt(rng.random(count)) * rng.random(count) ** 0.3
    spot = spots[rng.integers(len(spots), size=count)]
    size = min(float(wide.max()), tall) * 0.017 * np.exp(0.4 * rng.normal(size=count))
    middles = np.column_stack([spot[:, 0] + out * np.cos(angle), spot[:, 1] + out * np.sin(angle), height])
    stretched = (
        one.vertices_m[None]
        * size[:, None, None]
        * np.stack([np.ones(count), np.ones(count), rng.uniform(1.0, 4.0, count)], axis=1)[:, None]
    )
    there = round(risen * count)
    middles, stretched = middles[:there], stretched[:there]
    faces = (np.asarray(one.faces)[None] + len(one.vertices_m) * np.arange(there)[:, None, None]).reshape(-1, 3)
    return MeshSurface(
        vertices_m=(middles[:, None] + stretched).reshape(-1, 3),
        faces=faces,
        slot="core",
        sharp_deg=180.0,
        solid_m3=0.0,
    )


def _stain(shape: Hollow, level: float, rng: np.random.Generator) -> MeshSurface:
    """A ring on the wall where the surface used to be, uneven below."""
    unit = _ring(shape.exponent, 240)
    angle = np.arctan2(unit[:, 1], unit[:, 0])
    waves = sum(rng.normal() * np.sin(k * angle + rng.uniform(0, 6.3)) / k**0.6 for k in (3, 5, 8, 13, 21))
    low = level - 0.0022 - 0.0006 * np.asarray(waves)
    rows = []
    for share in np.linspace(0.0, 1.0, 5):
        height = low + (level - low) * share
        radius = np.interp(height, shape.height_m, shape.radius_m) - 0.00015
        rows.append(np.column_stack([unit * radius[:, None], height]))
    points = np.stack(rows + rows[:1])
    index = np.arange(5 * 240).reshape(5, 240)
    beside = np.roll(index, -1, axis=1)
    quads = np.stack([index[:-1], index[1:], beside[1:], beside[:-1]], axis=-1).reshape(-1, 4)
    return MeshSurface(vertices_m=points[:5].reshape(-1, 3), faces=quads, slot="stain", sharp_deg=180.0, solid_m3=0.0)
