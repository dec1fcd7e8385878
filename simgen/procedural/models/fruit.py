"""Fruit and vegetables: ripeness colours them, rot spots them, shrivelling takes their water.

    make("fruit", variant="banana", seed=3, size_m=0.18, ripeness=0.2, shrivel=0.0)

The skin carries `tint` (its colour) and fields on which layers lie: `spots` (small, many: over-ripe) and `rot` (few and
large). Shares of fields are shares of the area of the fresh skin.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from simgen.core.assets import Material
from simgen.core.geometry import vertex_areas, vertex_normals
from simgen.core.mesh import Mesh, MeshSurface
from simgen.core.vectors import Floats
from simgen.procedural import palette
from simgen.procedural.builtin.profiles import smooth
from simgen.procedural.fields import ranks
from simgen.procedural.models import model
from simgen.procedural.models.forms import mesh, moved, sweep
from simgen.procedural.models.growth import (
    Ints,
    Stop,
    about_y,
    about_z,
    blend,
    film,
    joined,
    noise,
    ramp,
    rings_faces,
    rings_flat,
    sheet,
    sheet_faces,
    sheet_places,
    smoothstep,
    spots,
)

HOLLOW = ("bell pepper", "pumpkin")
Profile = tuple[tuple[float, float], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Sort:
    """One sort of fruit. Profiles are radius and height in units of the largest diameter, from the bottom up."""

    profile: Profile
    colors: tuple[tuple[Stop, ...], ...]
    """Ramps over ripeness, 0 unripe to 1 ripe; each seed takes one."""
    names: tuple[tuple[str, str], ...] = (("green", "red"),)
    """What the two ends of each ramp are called."""
    lobes: tuple[int, float, float] = (0, 0.0, 0.0)
    """Number of lobes, their depth at the bottom and at the top."""
    uneven: float = 0.03
    pores_m: tuple[float, float] = (0.004, 0.0)
    """Size and depth of the skin's relief."""
    stem: tuple[float, float] = (0.0, 0.0)
    """Length and radius in diameters."""
    calyx: int = 0
    lies: bool = False
    spread: float = 0.5
    """How much later the last place ripens than the first."""
    streaks: float = 0.0
    first_top: float = 0.0
    """Above 0 the top ripens first, below 0 the bottom."""
    size_m: tuple[float, float] = (0.07, 0.08)


RED = ((0.0, "#6f9a3a"), (0.25, "#9db04a"), (0.5, "#d9a63f"), (0.75, "#d8552b"), (1.0, "#b9201a"))
SORTS: dict[str, Sort] = {
    "banana": Sort(
        names=(("green", "yellow"),),
        profile=(),
        colors=(((0.0, "#5f8f2a"), (0.35, "#93ab35"), (0.65, "#d6c02f"), (0.85, "#edc52c"), (1.0, "#e6b62a")),),
        spread=0.7, size_m=(0.17, 0.2),
    ),
    "apple": Sort(
        names=(("green", "red"), ("green", "yellow")),
        profile=((0, 0.08), (0.08, 0.05), (0.2, 0.0), (0.38, 0.1), (0.5, 0.45), (0.44, 0.72), (0.28, 0.86),
                 (0.13, 0.84), (0.04, 0.76), (0, 0.73)),
        colors=(
            ((0.0, "#7fa83c"), (0.4, "#a8b447"), (0.7, "#c0562f"), (1.0, "#a01c1c")),
            ((0.0, "#6f9f3a"), (0.5, "#b3b94c"), (1.0, "#e2c04c")),
        ),
        lobes=(5, 0.025, 0.012), stem=(0.22, 0.016), spread=0.55, streaks=0.5, first_top=0.25, size_m=(0.07, 0.085),
    ),
    "tomato": Sort(
        names=(("green", "red"), ("green", "orange")),
        profile=((0, 0.02), (0.12, 0.0), (0.34, 0.07), (0.5, 0.38), (0.44, 0.64), (0.28, 0.76), (0.1, 0.745),
                 (0, 0.71)),
        colors=(
            (*RED[:3], (0.75, "#d9502a"), (1.0, "#c01c14")),
            ((0.0, "#79a041"), (0.5, "#c9b340"), (1.0, "#eda51e")),
        ),
        lobes=(6, 0.0, 0.035), calyx=6, stem=(0.12, 0.02), spread=0.4, first_top=-0.9, size_m=(0.065, 0.09),
    ),
    "bell pepper": Sort(
        names=(("green", "red"), ("green", "yellow"), ("green", "orange")),
        profile=((0, 0.1), (0.1, 0.06), (0.2, 0.0), (0.36, 0.12), (0.43, 0.5), (0.5, 0.86), (0.45, 1.04), (0.28, 1.1),
                 (0.12, 1.05), (0, 1.0)),
        colors=(
            ((0.0, "#2f6b22"), (0.45, "#6d7226"), (0.7, "#b8431f"), (1.0, "#bd1512")),
            ((0.0, "#2f6b22"), (0.5, "#9a9a25"), (1.0, "#eeb313")),
            ((0.0, "#34701f"), (0.5, "#b08a22"), (1.0, "#e8740f")),
        ),
        lobes=(4, 0.1, 0.07), stem=(0.36, 0.055), calyx=5, spread=0.6, uneven=0.05, size_m=(0.08, 0.09),
    ),
    "orange": Sort(
        names=(("green", "orange"),),
        profile=((0, 0.02), (0.14, 0.01), (0.36, 0.13), (0.5, 0.48), (0.37, 0.83), (0.15, 0.955), (0.04, 0.95),
                 (0, 0.94)),
        colors=(((0.0, "#5d8a33"), (0.4, "#a9a63a"), (0.7, "#e3a136"), (1.0, "#e87a12")),),
        pores_m=(0.0022, 0.00014), stem=(0.025, 0.03), spread=0.5, uneven=0.015, size_m=(0.07, 0.085),
    ),
    "lemon": Sort(
        names=(("green", "yellow"),),
        profile=((0, -0.1), (0.05, -0.06), (0.13, 0.03), (0.36, 0.22), (0.5, 0.62), (0.4, 1.0), (0.17, 1.19),
                 (0.06, 1.28), (0, 1.29)),
        colors=(((0.0, "#4f8a33"), (0.45, "#a2b63c"), (0.75, "#e0cf3f"), (1.0, "#f3cb21")),),
        pores_m=(0.0028, 0.00018), lies=True, spread=0.5, uneven=0.02, stem=(0.02, 0.025), size_m=(0.055, 0.065),
    ),
    "pear": Sort(
        names=(("green", "yellow"), ("green", "orange")),
        profile=((0, 0.08), (0.07, 0.04), (0.17, 0.0), (0.36, 0.09), (0.5, 0.4), (0.44, 0.68), (0.26, 0.98),
                 (0.19, 1.22), (0.1, 1.34), (0, 1.34)),
        colors=(
            ((0.0, "#6d9a37"), (0.5, "#a9b548"), (1.0, "#dfc04a")),
            ((0.0, "#7a9f3d"), (0.5, "#b9a445"), (1.0, "#c9763a")),
        ),
        stem=(0.32, 0.02), spread=0.5, streaks=0.15, uneven=0.05, size_m=(0.068, 0.08),
    ),
    "avocado": Sort(
        names=(("green", "dark brown"),),
        profile=((0, 0.02), (0.15, 0.0), (0.38, 0.12), (0.5, 0.46), (0.43, 0.8), (0.28, 1.12), (0.17, 1.34),
                 (0.07, 1.42), (0, 1.42)),
        colors=(((0.0, "#5c8a2c"), (0.45, "#46602a"), (0.75, "#38322a"), (1.0, "#2b2224")),),
        pores_m=(0.0024, 0.00022), lies=True, stem=(0.03, 0.04), spread=0.5, uneven=0.03, size_m=(0.065, 0.075),
    ),
    "mango": Sort(
        names=(("green", "orange"),),
        profile=((0, 0.0), (0.14, 0.02), (0.36, 0.2), (0.48, 0.58), (0.5, 0.85), (0.38, 1.16), (0.2, 1.3), (0, 1.33)),
        colors=(((0.0, "#5a8a34"), (0.4, "#9aa53c"), (0.7, "#e0a536"), (1.0, "#dd6f2c")),),
        lies=True, stem=(0.03, 0.035), spread=0.8, uneven=0.05, size_m=(0.075, 0.085),
    ),
    "strawberry": Sort(
        names=(("pale green", "red"),),
        profile=((0, 0.0), (0.09, 0.03), (0.24, 0.24), (0.42, 0.68), (0.5, 0.95), (0.44, 1.14), (0.26, 1.22),
                 (0.1, 1.2), (0, 1.17)),
        colors=(((0.0, "#b9c77e"), (0.35, "#dfcfa0"), (0.65, "#dd6a55"), (1.0, "#c3141c")),),
        calyx=9, lies=True, stem=(0.25, 0.03), spread=0.5, first_top=-0.7, uneven=0.05, size_m=(0.034, 0.042),
    ),
    "pumpkin": Sort(
        names=(("green", "orange"),),
        profile=((0, 0.1), (0.08, 0.05), (0.2, 0.0), (0.4, 0.1), (0.5, 0.36), (0.42, 0.6), (0.25, 0.7), (0.1, 0.66),
                 (0, 0.61)),
        colors=(((0.0, "#4f7a2e"), (0.5, "#b98a2c"), (1.0, "#d9741a")),),
        lobes=(11, 0.05, 0.05), stem=(0.24, 0.05), spread=0.6, uneven=0.03, size_m=(0.14, 0.2),
    ),
}  # fmt: skip


def substance(variant: str) -> str:
    """What a sort of fruit is made of, taken as one."""
    return "hollow fruit" if variant in HOLLOW else "fruit"


@model("fruit")
def fruit(
    *,
    rng: np.random.Generator,
    variant: str,
    size_m: float,
    hue: float = 0.0,
    ripeness: float = 1.0,
    shrivel: float = 0.0,
    rot: float = 0.0,
    brown: float = 0.0,
) -> Mesh:
    """`size_m` is the diameter, of a banana its length; `hue` is the number of its ramp of colours. `shrivel` 0 to 1
    wrinkles it and makes it smaller; where the field `rot` is below that number it is sunken; `brown`
    0 to 1 takes its colour."""
    sort, seed = SORTS[variant], int(rng.integers(1000))
    points, along, around = _banana(rng, size_m) if variant == "banana" else _turned(sort, rng, size_m)
    rows = 170
    faces = rings_faces(rows, len(points[0]))
    flat, t, angle = rings_flat(points), rings_flat(along), rings_flat(around)
    areas, normals = vertex_areas(flat, faces), vertex_normals(flat, faces)
    width = size_m * (0.19 if variant == "banana" else 1.0)

    late = ranks(
        0.5 * noise(flat, 0.8 * width, seed=seed) - sort.first_top * (t - 0.5) * 2
        + (1.6 * (smoothstep(0.25, 0.02, t) + 0.7 * smoothstep(0.93, 1.0, t)) if variant == "banana" else 0.0),
        areas,
    )  # fmt: skip
    fields = {"late": late}
    place = flat[rng.choice(len(flat), 420, p=areas / areas.sum())]
    births = rng.uniform(0.0, 1.0, 420)
    fields["spots"] = spots(
        flat,
        faces,
        place,
        births,
        spread_m=(0.1 if variant == "banana" else 0.05) * width,
        ragged=0.35,
        wave_m=0.06 * width,
        seed=seed,
    )
    wounds = _wounds(flat, normals, areas, rng, 5)
    fields["rot"] = spots(
        flat, faces, wounds, np.array([0.0, 0.15, 0.3, 0.55, 0.8]), spread_m=0.8 * width, ragged=0.3,
        wave_m=0.25 * width, seed=seed + 1,
    )  # fmt: skip

    ripe = np.clip(ripeness * (1 + sort.spread) - sort.spread * late, 0.0, 1.0)
    if sort.streaks:
        lines = noise(np.column_stack([np.cos(angle), np.sin(angle), 0.12 * t]), 0.16, seed=seed + 3, octaves=3)
        ripe = np.clip(ripe + sort.streaks * 0.4 * lines * smoothstep(0.1, 0.6, ripe), 0.0, 1.0)
    color = ramp(ripe, *sort.colors[int(hue) % len(sort.colors)])
    # Unripe green is duller than a designer's.
    grey = (color @ [0.2126, 0.7152, 0.0722])[:, None]
    color = blend(color * 0.9, np.broadcast_to(grey, color.shape), 0.16 * (1 - ripe))
    color = color * (1.0 + 0.12 * noise(flat, 0.3 * width, seed=seed + 4, octaves=4))[:, None]
    color = _marks(color, flat, t, ripe, variant, width, seed)
    if brown > 0:
        uneven = np.clip(0.5 + 0.5 * noise(flat, 0.5 * width, seed=seed + 8, octaves=4), 0.0, 1.0)
        color = blend(color, ramp(uneven, (0.0, "#4a3018"), (1.0, "#8d6432")), brown * (0.55 + 0.45 * (1 - uneven)))

    shaped = _shrivelled(flat, normals, t, angle, variant, width, shrivel, seed)
    if rot > 0:
        depth = smoothstep(rot, 0.25 * rot, fields["rot"]) * min(1.0, 2.5 * rot)
        wrinkle = 0.3 * noise(flat, 0.12 * width, seed=seed + 5)
        shaped = shaped - normals * (0.075 * width * depth * (1.0 + wrinkle))[:, None]
    extras = [] if variant == "banana" else _extras(sort, rng, size_m, shrivel, shaped[-1])
    if variant == "strawberry":
        shaped, seeds = _achenes(shaped, faces, size_m, rng)
        extras.append(seeds)
    skin = MeshSurface(
        vertices_m=shaped, faces=faces, slot="skin", attributes={"tint": np.clip(color, 0.0, 1.0), **fields},
        sharp_deg=180.0,
    )  # fmt: skip
    return _laid(sort, rng, [skin, *extras], variant)


def _turned(sort: Sort, rng: np.random.Generator, size_m: float) -> tuple[Floats, Floats, Floats]:
    """Points, place between the poles and angle [rows, around] of a fruit turned about z, with lobes, askew."""
    rows, count = 170, 190
    curve = smooth(*sort.profile, num=rows)
    angle = np.linspace(0.0, 2 * np.pi, count, endpoint=False) + rng.uniform(0, 6.28)
    t = np.repeat(np.linspace(0.0, 1.0, rows)[:, None], count, axis=1)
    theta = np.broadcast_to(angle, (rows, count))
    lobes, low, high = sort.lobes
    wave = 0.5 - 0.5 * np.abs(np.cos(lobes * theta / 2)) ** 0.8 if lobes else np.zeros_like(t)
    depth = low + (high - low) * t
    swell = 1.0 - 2.0 * depth * wave
    for order in (1, 2, 3):
        swell = swell + sort.uneven / order * rng.uniform(-1, 1) * np.cos(order * theta + rng.uniform(0, 6.28))
    radius = curve[:, None, 0] * swell
    height = curve[:, None, 1] + sort.uneven * np.cos(theta + rng.uniform(0, 6.28)) * curve[:, None, 0] * (t - 0.3)
    height = height + (low * 0.7 * (1 - t) - high * 0.4 * t) * wave * np.minimum(1.0, 6 * curve[:, None, 0])
    points = np.stack([radius * np.cos(theta), radius * np.sin(theta), height], axis=-1) * size_m
    # Pears, avocados and peppers bend a little.
    bent = rng.uniform(-1, 1, 2) * sort.uneven * 0.8
    points[..., :2] += bent * (t[..., None] ** 2) * size_m
    if sort.pores_m[1]:
        flat = points.reshape(-1, 3)
        bumps = noise(flat, sort.pores_m[0], seed=int(rng.integers(1000)), octaves=2).reshape(rows, count)
        inward = points - points.mean(axis=(0, 1))
        inward /= np.maximum(np.linalg.norm(inward, axis=-1, keepdims=True), 1e-9)
        points = points + inward * (sort.pores_m[1] * bumps * np.minimum(1.0, 8 * curve[:, None, 0]))[..., None]
    points[0], points[-1] = points[0].mean(axis=0), points[-1].mean(axis=0)
    return points, t, np.array(theta)


def _banana(rng: np.random.Generator, length_m: float) -> tuple[Floats, Floats, Floats]:
    """A bent body with five ridges, lying on its side; t = 0 is the stalk."""
    rows, count = 170, 150
    t = np.linspace(0.0, 1.0, rows)
    bow = rng.uniform(1.1, 1.6)
    heading = np.cumsum(np.full(rows, bow / rows) * (0.4 + 1.2 * smoothstep(0.0, 0.35, t)))
    step = length_m * 1.08 / (rows - 1)
    path = np.column_stack([np.cumsum(np.cos(heading)), np.cumsum(np.sin(heading)), np.zeros(rows)]) * step
    knots = ((0, 0.0), (0.004, 0.26), (0.05, 0.25), (0.13, 0.27), (0.2, 0.5), (0.3, 0.88), (0.45, 1.0), (0.62, 1.0),
             (0.78, 0.88), (0.9, 0.6), (0.955, 0.36), (0.975, 0.26), (0.993, 0.24), (1.0, 0.0))  # fmt: skip
    width = np.interp(t, [k for k, _ in knots], [w for _, w in knots])
    kernel = np.ones(9) / 9
    width[4:-4] = np.convolve(width, kernel, mode="same")[4:-4]
    width[[0, -1]] = 0.0
    theta = np.linspace(0.0, 2 * np.pi, count, endpoint=False)
    ridge = 1.0 + 0.035 * np.cos(5 * theta + rng.uniform(0, 6.28)) + 0.012 * np.cos(10 * theta)
    radius = 0.095 * length_m * rng.uniform(0.95, 1.08) * width[:, None] * ridge[None]
    across = np.column_stack([-np.sin(heading), np.cos(heading), np.zeros(rows)])
    up = np.array([0.0, 0.0, 1.0])
    points = path[:, None] + radius[..., None] * (
        np.cos(theta)[None, :, None] * across[:, None] + np.sin(theta)[None, :, None] * up
    )
    points = (points - points.mean(axis=(0, 1))) @ about_z(-float(heading.mean())).T
    places = np.repeat(t[:, None], count, axis=1)
    return points, places, np.broadcast_to(theta, places.shape).copy()


def _wounds(flat: Floats, normals: Floats, areas: Floats, rng: np.random.Generator, count: int) -> Floats:
    """Places on the upper half, apart from each other."""
    weight = areas * (0.02 + smoothstep(-0.1, 0.7, normals[:, 2]))
    chosen: list[int] = []
    for _ in range(count):
        tries = rng.choice(len(flat), 12, p=weight / weight.sum())
        gap = [min((float(np.linalg.norm(flat[k] - flat[c])) for c in chosen), default=0.0) for k in tries]
        chosen.append(int(tries[int(np.argmax(gap))]))
    return np.asarray(flat[chosen], dtype=float)


def _marks(color: Floats, flat: Floats, t: Floats, ripe: Floats, variant: str, width: float, seed: int) -> Floats:
    """What a sort has besides its colour: dark tips, pale dots, a blush around the stem."""
    brown = ramp([0.0], (0.0, "#4a3620"))[0]
    if variant == "banana":
        color = blend(color, brown, smoothstep(0.972, 0.985, t) + smoothstep(0.02, 0.0, t))
        fine = noise(flat, 0.05 * width, seed=seed + 7, octaves=2)
        return blend(color, ramp([0.0], (0.0, "#8a6a2a"))[0], 0.25 * smoothstep(0.5, 0.8, fine) * ripe)
    if variant in ("apple", "pear"):
        dots = smoothstep(0.62, 0.8, noise(flat, 0.045, seed=seed + 7, octaves=1, stretch=0.9) * 0.9)
        color = blend(color, ramp([0.0], (0.0, "#d8c98e"))[0], 0.35 * dots)
        russet = ramp([0.0], (0.0, "#8d7339"))[0]
        return blend(color, russet, 0.7 * smoothstep(0.955, 0.995, t) + 0.8 * smoothstep(0.03, 0.0, t))
    if variant == "strawberry":
        return blend(color, ramp([0.0], (0.0, "#f0d9b0"))[0], 0.7 * smoothstep(0.8, 0.97, t) * (1 - 0.5 * ripe))
    if variant == "pumpkin":
        return color
    return blend(color, brown, 0.8 * smoothstep(0.022, 0.0, t))


def _shrivelled(
    flat: Floats, normals: Floats, t: Floats, angle: Floats, variant: str, width: float, amount: float, seed: int
) -> Floats:
    """The skin after its water has gone: smaller, slumped, with wrinkles that run from pole to pole."""
    if amount <= 0:
        return flat
    center = flat.mean(axis=0)
    unroll = np.column_stack([np.cos(angle) * 1.0, np.sin(angle) * 1.0, 0.35 * t])
    folds = 1.0 - np.abs(noise(unroll + 0.05 * flat / width, 0.42, seed=seed + 11, octaves=3)) * 1.6
    dents = noise(flat, 0.7 * width, seed=seed + 12, octaves=2)
    ends = np.minimum(1.0, 9 * np.minimum(t, 1 - t))
    # Thick peel dents; thin skin folds.
    fine = {"orange": 0.3, "lemon": 0.3, "avocado": 0.4}.get(variant, 1.0)
    inward = amount * width * (0.035 * fine * np.clip(1 - folds, 0, 1) + 0.05 * np.clip(dents, 0, 1)) * ends
    shrunk = center + (flat - center) * (1.0 - (0.05 if variant == "banana" else 0.12) * amount)
    if variant not in ("banana",):
        low, high = float(flat[:, 2].min()), float(flat[:, 2].max())
        share = (shrunk[:, 2] - low) / (high - low)
        shrunk = shrunk.copy()
        soft = {"pumpkin": 0.36, "tomato": 0.3, "bell pepper": 0.26, "strawberry": 0.26, "pear": 0.16}.get(
            variant, 0.12
        )
        shrunk[:, 2] = low + (shrunk[:, 2] - low) * (1.0 - soft * amount * share)
        shrunk[:, :2] *= (1.0 + 0.05 * amount * (1.0 - share))[:, None]
    result: Floats = shrunk - normals * inward[:, None]
    return result


def _extras(sort: Sort, rng: np.random.Generator, size_m: float, shrivel: float, pole: Floats) -> list[MeshSurface]:
    """Stem and calyx at the top."""
    top = pole - [0.0, 0.0, 0.006 * size_m]
    found: list[MeshSurface] = []
    length, radius = (value * size_m for value in sort.stem)
    lean = rng.uniform(-0.35, 0.35, 2)
    if length:
        s = np.linspace(0.0, 1.0, 14)[:, None]
        path = top + s * [0.0, 0.0, length] + s**2 * length * np.array([*lean, 0.0])
        thick = radius * (1.0 + 0.5 * np.exp(-s[:, 0] * 8) + 0.35 * smoothstep(0.75, 1.0, s[:, 0]))
        found.append(sweep(path, thick, around=14, slot="stem"))
    if sort.calyx:
        leaves = []
        rows, across = 15, 5
        tilt = 0.3 if sort.profile[-1][1] < sort.profile[-3][1] else 0.1
        for k in range(sort.calyx):
            t = np.linspace(0.0, 1.0, rows)
            long = size_m * rng.uniform(0.26, 0.36) * (1.15 if sort.calyx > 6 else 0.8)
            rise = rng.uniform(tilt, tilt + 0.25) + 0.55 * shrivel - rng.uniform(0.3, 1.1) * t**2 + 1.6 * shrivel * t
            wide = long * 0.17 * np.sin(np.pi * np.clip(t * 0.85 + 0.15, 0, 1)) ** 0.8 * (1 - 0.4 * shrivel)
            one = sheet(rise, long, wide, across=across, fold_rad=0.25, curl_rad=-0.3)
            turned = one.reshape(-1, 3) @ about_z(2 * np.pi * (k + rng.uniform(-0.2, 0.2)) / sort.calyx).T
            green = ramp(
                np.clip(sheet_places(rows, across)[0] * 0.5 + shrivel, 0, 1.0),
                (0.0, "#47752a"), (0.5, "#7da04a"), (0.8, "#8a7440"), (1.0, "#5f4a2a"),
            )  # fmt: skip
            lift = np.array([0.0, 0.0, 0.008 * size_m])
            found_points = turned + top + lift
            leaves.append(
                MeshSurface(vertices_m=found_points, faces=sheet_faces(rows, across), attributes={"tint": green})
            )
        found.append(film(joined(leaves, slot="calyx"), 0.0005, substance="plant"))
    return found


def _achenes(shaped: Floats, faces: Ints, size_m: float, rng: np.random.Generator) -> tuple[Floats, MeshSurface]:
    """The seeds of a strawberry, each in its dimple."""
    low, high = float(shaped[:, 2].min()), float(shaped[:, 2].max())
    normals = vertex_normals(shaped, faces)
    golden = np.pi * (3 - np.sqrt(5))
    rows, points = [], shaped.copy()
    for k in range(150):
        z = low + (high - low) * (0.04 + 0.84 * (k + 0.5) / 150)
        angle = golden * k + rng.uniform(-0.12, 0.12)
        band = np.flatnonzero(np.abs(shaped[:, 2] - z) < 0.02 * size_m)
        ahead = np.array([np.cos(angle), np.sin(angle)])
        nearest = band[
            int(np.argmax(shaped[band, :2] @ ahead - 2.0 * np.abs(shaped[band, :2] @ [-ahead[1], ahead[0]])))
        ]
        rows.append(int(nearest))
    for row in rows:
        gap = np.linalg.norm(shaped - shaped[row], axis=1) / (0.045 * size_m)
        points -= normals * (0.016 * size_m * np.exp(-(gap**2)))[:, None]
    ball_rows, ball_round = 7, 8
    polar = np.linspace(0, np.pi, ball_rows)[:, None]
    turn = np.linspace(0, 2 * np.pi, ball_round, endpoint=False)[None]
    ball = np.stack(
        [np.sin(polar) * np.cos(turn), np.sin(polar) * np.sin(turn), -np.cos(polar) * np.ones_like(turn)], axis=-1
    )
    one = rings_flat(ball) * np.array([0.0095, 0.013, 0.019]) * size_m
    bodies = []
    for row in rows:
        n = normals[row]
        u = np.cross([0.0, 0.0, 1.0], n)
        u = u / max(float(np.linalg.norm(u)), 1e-9)
        basis = np.stack([n, u, np.cross(n, u)], axis=1)
        bodies.append(MeshSurface(vertices_m=one @ basis.T + points[row], faces=rings_faces(ball_rows, ball_round)))
    return points, joined(bodies, slot="seeds", sharp_deg=180.0)


def _laid(sort: Sort, rng: np.random.Generator, surfaces: Sequence[MeshSurface], variant: str) -> Mesh:
    """The fruit as it lies on z = 0."""
    rotation = np.eye(3)
    if sort.lies:
        # On its flank, the thick end a little lower as its weight wants it.
        tip = np.pi / 2 - (0.42 if variant == "strawberry" else 0.12 if variant in ("avocado", "mango") else 0.0)
        rotation = about_z(rng.uniform(0, 6.28)) @ about_y(np.pi - tip if variant == "strawberry" else tip)
    turned = [moved(surface, rotation=rotation) for surface in surfaces]
    low = float(turned[0].vertices_m[:, 2].min())
    center = turned[0].vertices_m[:, :2].mean(axis=0)
    return mesh(*(moved(s, by=(-center[0], -center[1], -low)) for s in turned))


def dressing(variant: str, seed: int) -> tuple[tuple[str, Material], ...]:
    """The materials of a fruit by slot."""
    dull = {"avocado": 0.5, "orange": 0.42, "lemon": 0.4, "mango": 0.42, "pear": 0.45, "banana": 0.46}.get(
        variant, 0.26
    )
    skin = palette.but(
        palette.skin("#ffffff", "#ffffff", spots=0.0, scale_m=0.002, seed=seed), color_field="tint", roughness=dull,
        coat=0.08 if dull > 0.35 else 0.35, subsurface=0.12,
    )  # fmt: skip
    wooden = palette.bark("#6a5836" if variant != "bell pepper" else "#56732f", seed=seed)
    if variant in ("tomato", "strawberry", "bell pepper"):
        wooden = palette.but(palette.leaf("#587a34", "#6f8f48", seed=seed), template="skin", roughness=0.6)
    calyx = palette.but(palette.leaf("#ffffff"), color_field="tint", patterns=())
    seeds = palette.plastic("#d8b45c", roughness=0.4)
    return (("skin", skin), ("stem", wooden), ("calyx", calyx), ("seeds", seeds))
