"""Lamps: a reading lamp with an arm, a table lamp with a cloth shade, a candle. Each stands on z = 0 at the origin.

Bulbs and flames are clear to the light that a scene puts into their middle (`bulb_m`), and shine themselves so that
they look lit.
"""

import numpy as np

from simgen.core.mesh import Mesh, MeshSurface, Model
from simgen.core.vectors import Floats, Vec3
from simgen.procedural.builtin.profiles import polyline, smooth
from simgen.procedural.models import model
from simgen.procedural.models.forms import ball, grid, mesh, moved, sweep, turned

FLAME_M = 0.0415
"""Height of a flame."""
BULB_M = 0.026
"""Radius of a bulb."""


def bulb_m(made: Model) -> Vec3:
    """The middle of the bulb or the flame, in the model's own axes."""
    if made.name == "desk_lamp":
        x, y, z = _head(made.number("height_m"), made.number("reach_m")) + 0.05 * _aim(made.number("tilt_deg"))
        return (float(x), float(y), float(z))
    if made.name == "table_lamp":
        return (0.0, 0.0, made.number("height_m") - 0.5 * _shade_height_m(made.number("shade_m")))
    return (0.0, 0.0, _CUP_M + made.number("height_m") + 0.030)


def _head(height_m: float, reach_m: float) -> Floats:
    return np.array([reach_m, 0.0, height_m])


def _aim(tilt_deg: float) -> Floats:
    tilt = np.radians(tilt_deg)
    return np.array([np.sin(tilt), 0.0, -np.cos(tilt)])


@model("desk_lamp")
def desk_lamp(
    *, rng: np.random.Generator, variant: str, height_m: float, reach_m: float, shade_m: float, tilt_deg: float
) -> Mesh:
    """A reading lamp whose head reaches out along +x and shines down, tilted outwards. Slots: body, metal, inside,
    bulb."""
    base = turned(
        ("body", polyline((0.0, 0.0), (0.082, 0.0, 0.002), (0.082, 0.012, 0.005), (0.02, 0.022, 0.01), (0.0, 0.024)))
    )
    elbow = np.array([-0.35 * reach_m, 0.0, 0.58 * height_m])
    foot, head, aim = np.array([0.0, 0.0, 0.02]), _head(height_m, reach_m), _aim(tilt_deg)
    rods = []
    for start, end in ((foot, elbow), (elbow, head)):
        for side in (-0.008, 0.008):
            line = np.linspace(start, end, 8) + np.array([0.0, side, 0.0])
            rods.append(sweep(line, 0.0036, slot="metal", around=14))
    joints = [ball((0.013, 0.016, 0.013), center_m=tuple(p), slot="body", rings=32) for p in (foot, elbow)]
    length, wall = 1.35 * shade_m, 0.0012
    if variant == "dome":
        outer = polyline((shade_m, -length), (0.97 * shade_m, -0.5 * length, 0.03), (0.3 * shade_m, 0.0, 0.02),
                         (0.3 * shade_m, 0.03, 0.006), (0.0, 0.034))  # fmt: skip
    else:
        outer = polyline((shade_m, -length), (0.36 * shade_m, -0.18 * length, 0.012), (0.32 * shade_m, 0.03, 0.006),
                         (0.0, 0.034))  # fmt: skip
    inner = outer.copy()
    inner[:, 0] = np.maximum(inner[:, 0] - wall, 0.0)
    inner[:, 1] -= wall * np.linspace(0.0, 1.0, len(inner))
    inner[-1, 0] = 0.0
    shade = turned(("inside", inner[::-1]), ("body", np.concatenate([inner[:1], outer])))
    turn = _turn_down(aim)
    parts: list[MeshSurface] = [moved(s, rotation=turn, by=head) for s in (*shade, *_bulb())]
    return mesh(*base, *rods, *joints, *parts)


def _turn_down(aim: Floats) -> Floats:
    """The rotation in the plane y = 0 that brings straight down to `aim`."""
    sine, cosine = aim[0], -aim[2]
    return np.array([[cosine, 0.0, -sine], [0.0, 1.0, 0.0], [sine, 0.0, cosine]])


def _bulb() -> tuple[MeshSurface, ...]:
    """A bulb that hangs from the origin, its middle 5 cm down."""
    low = -0.05 - BULB_M
    profile = smooth((0.0, low), (0.8 * BULB_M, low + 0.4 * BULB_M), (BULB_M, -0.05), (0.62 * BULB_M, -0.028),
                     (0.013, -0.006), num=30)  # fmt: skip
    return turned(("bulb", np.concatenate([profile, [[0.0, -0.005]]])), around=48)


def _shade_height_m(shade_m: float) -> float:
    return 1.35 * shade_m


@model("table_lamp")
def table_lamp(*, rng: np.random.Generator, variant: str, height_m: float, base_m: float, shade_m: float) -> Mesh:
    """A lamp with a turned foot and a shade of cloth; `height_m` to the top of the shade, whose lower radius is
    `shade_m`. Slots: base, metal, shade, bulb."""
    tall = _shade_height_m(shade_m)
    stem = height_m - tall
    r = base_m
    profiles = {
        "gourd": smooth((0.55 * r, 0.0), (0.95 * r, 0.22 * stem), (0.9 * r, 0.38 * stem), (0.42 * r, 0.6 * stem),
                        (0.5 * r, 0.74 * stem), (0.16 * r, 0.97 * stem), num=48),
        "column": polyline((0.95 * r, 0.0), (0.95 * r, 0.05 * stem, 0.004), (0.3 * r, 0.1 * stem, 0.006),
                           (0.3 * r, 0.97 * stem)),
        "ball": smooth((0.45 * r, 0.0), (r, 0.42 * stem), (0.5 * r, 0.8 * stem), (0.14 * r, 0.97 * stem), num=40),
    }  # fmt: skip
    side = profiles[variant or "gourd"]
    foot = np.concatenate([[[0.0, 0.0]], side, [[0.0, float(side[-1, 1])]]])
    neck = turned(("metal", polyline((0.0, 0.9 * stem), (0.008, 0.9 * stem), (0.008, stem + 0.25 * tall),
                                     (0.0, stem + 0.25 * tall))), around=32)  # fmt: skip
    top = 0.72 * shade_m
    angle = np.linspace(0.0, 2 * np.pi, 97)
    ring = np.stack([np.cos(angle), np.sin(angle), np.zeros(97)], axis=-1)
    share = np.linspace(0.0, 1.0, 9)[None, :, None]
    cloth = ring[:, None] * (shade_m + (top - shade_m) * share) + np.array([0, 0, 1.0]) * (stem + tall * share)
    hoops = [sweep(ring * radius + [0, 0, level], 0.0016, slot="metal", around=8, cap=False)
             for radius, level in ((shade_m, stem), (top, height_m))]  # fmt: skip
    spokes = [sweep(np.linspace([0, 0, height_m - 0.012], [top * np.cos(a), top * np.sin(a), height_m], 4), 0.0012,
                    slot="metal", around=8) for a in (0.3, 2.4, 4.5)]  # fmt: skip
    bulb = ball((BULB_M, BULB_M, 1.2 * BULB_M), center_m=(0.0, 0.0, height_m - 0.5 * tall), slot="bulb", rings=32)
    return mesh(*turned(("base", foot)), *neck, grid(cloth, slot="shade"), *hoops, *spokes, bulb)


_CUP_M = 0.012


@model("candle")
def candle(*, rng: np.random.Generator, variant: str, height_m: float, radius_m: float, lit: float) -> Mesh:
    """A candle in a dish with a ring to hold it by. Slots: dish, wax, wick, flame."""
    r = radius_m
    wide = max(2.0 * r, 0.045)
    dish = turned(("dish", polyline((0.0, 0.0), (0.7 * wide, 0.0, 0.002), (wide, 0.016, 0.002), (wide - 0.002, 0.017),
                                    (0.66 * wide, 0.003, 0.004), (1.25 * r, 0.003, 0.001), (1.25 * r, _CUP_M + 0.01),
                                    (1.05 * r, _CUP_M + 0.01), (1.05 * r, 0.005), (0.0, 0.005))))  # fmt: skip
    top = _CUP_M + height_m
    hollow = 0.0025
    wax = turned(("wax", polyline((0.0, 0.006), (r, 0.006), (r, top, 0.0015), (0.86 * r, top, 0.001),
                                  (0.4 * r, top - hollow, 0.002), (0.0, top - hollow))))  # fmt: skip
    wick = sweep(np.array([[0, 0, top - hollow - 0.002], [0.0004, 0, top + 0.004], [0.0012, 0, top + 0.009]]), 0.0009,
                 slot="wick", around=10)  # fmt: skip
    angle = np.linspace(0.0, 2 * np.pi, 25)
    loop = np.stack([wide + 0.011 + 0.013 * np.cos(angle), np.zeros(25), 0.016 + 0.011 * np.sin(angle)], axis=-1)
    parts: list[MeshSurface] = [*dish, *wax, wick, sweep(loop, 0.0022, slot="dish", around=12, cap=False)]
    if lit:
        flame = smooth((0.0, 0.0), (0.0052, 0.007), (0.0062, 0.013), (0.0034, 0.027), (0.0006, 0.041), num=36)
        flame = np.concatenate([flame, [[0.0, FLAME_M]]])
        parts += [moved(s, by=(0.0, 0.0, top + 0.005)) for s in turned(("flame", flame), around=40)]
    return mesh(*parts)
