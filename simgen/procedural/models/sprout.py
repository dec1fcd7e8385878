"""Seeds on the soil of a pot, and what comes out of them.

    make("sprout", variant="bean", seed=4, growth=0.8, count=3)

`growth` 0: the seeds lie half in the soil. Then the coat splits, a stem with a hook comes out, straightens and lifts
the two seed leaves, which open until 1. The empty coat stays behind on the soil.
"""

from dataclasses import dataclass, replace

import numpy as np

from simgen.core.mesh import Mesh, MeshSurface, Model
from simgen.core.vectors import Floats
from simgen.procedural.models import model
from simgen.procedural.models.forms import mesh, moved, sweep
from simgen.procedural.models.growth import (
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
    upright_to,
)
from simgen.procedural.models.plant import LEAF_M, WALL_M, pot_surface, soil_surfaces


@dataclass(frozen=True, slots=True, kw_only=True)
class Seed:
    """One kind of seed; lengths in metres."""

    label: str
    size_m: tuple[float, float, float]
    colors: tuple[tuple[str, str], ...]
    stem_m: tuple[float, float]
    """Length and radius of the grown stem."""
    leaf_m: tuple[float, float]
    """Length of a seed leaf and half its breadth over that."""
    stripes: bool = False
    stem_color: str = "#c9d68f"
    kidney: float = 0.0
    true_leaf_m: float = 0.0


SEEDS: dict[str, Seed] = {
    "bean": Seed(
        label="bean", size_m=(0.0085, 0.0052, 0.0048), colors=(("#e9dfc8", "#d8c9a6"), ("#6d2a22", "#8f4a34"),
        ("#f0ead9", "#e5dcc4"), ("#b98d5e", "#8d5f3c")), stem_m=(0.05, 0.0017), leaf_m=(0.012, 0.3), kidney=0.25,
        true_leaf_m=0.026,
    ),
    "sunflower": Seed(
        label="sunflower seed", size_m=(0.0075, 0.0042, 0.0026), colors=(("#2a2826", "#d9d4c8"),),
        stem_m=(0.045, 0.0013), leaf_m=(0.021, 0.3), stripes=True,
    ),
    "pumpkin": Seed(
        label="pumpkin seed", size_m=(0.0098, 0.006, 0.0018), colors=(("#efe4c4", "#dccb9c"),), stem_m=(0.048, 0.0022),
        leaf_m=(0.028, 0.36),
    ),
    "pea": Seed(
        label="pea", size_m=(0.0042, 0.004, 0.004), colors=(("#b9b45c", "#9aa04a"), ("#d9c98a", "#c2b06c")),
        stem_m=(0.042, 0.0012), leaf_m=(0.014, 0.42), stem_color="#9dbb62",
    ),
    "radish": Seed(
        label="radish seed", size_m=(0.0028, 0.0025, 0.0022), colors=(("#9a6a3e", "#7d4f2c"),), stem_m=(0.034, 0.0009),
        leaf_m=(0.013, 0.52), stem_color="#d7a9a0",
    ),
}  # fmt: skip

COAT_M = 0.0002
"""How thick the coat of a seed is."""


@model("sprout")
def sprout(
    *, rng: np.random.Generator, variant: str, growth: float, count: float = 1.0, hue: float = 0.0, pot: float = 0.0,
    pot_radius_m: float = 0.035, pot_height_m: float = 0.05,
) -> Mesh:  # fmt: skip
    """A small pot with `count` seeds or sprouts; slots `pot`, `soil`, `crumbs`, `seed`, `stem`, `leaf`."""
    return _sown(rng, variant, growth, int(count), int(hue), int(pot), pot_radius_m, pot_height_m)[0]


def height_m(made: Model) -> float:
    """Of the highest point of the sprouts over the soil."""
    return _sown_as(made)[1]


def num_sprouts(made: Model) -> int:
    """How many seeds have a stem that has come out."""
    return _sown_as(made)[2]


def _sown_as(made: Model) -> tuple[Mesh, float, int]:
    n = {"count": 1.0, "hue": 0.0, "pot": 0.0, "pot_radius_m": 0.035, "pot_height_m": 0.05} | dict(made.numbers)
    rng = np.random.default_rng(made.seed)
    return _sown(
        rng,
        made.variant,
        n["growth"],
        int(n["count"]),
        int(n["hue"]),
        int(n["pot"]),
        n["pot_radius_m"],
        n["pot_height_m"],
    )


def _sown(
    rng: np.random.Generator,
    variant: str,
    growth: float,
    count: int,
    hue: int,
    pot: int,
    radius_m: float,
    deep_m: float,
) -> tuple[Mesh, float, int]:
    kind, base = SEEDS[variant], int(rng.integers(2**31))
    soil_m, inner_m = 0.9 * deep_m, radius_m * 0.93 - WALL_M
    seeds: list[MeshSurface] = []
    stems: list[MeshSurface] = []
    leaves: list[MeshSurface] = []
    sprouted = 0
    for k in range(count):
        before = len(stems)
        own = np.random.default_rng([base, k])
        angle = 2 * np.pi * (k + own.uniform(-0.12, 0.12)) / max(count, 1)
        away = 0.0 if count == 1 else inner_m * 0.5
        at = np.array([away * np.cos(angle), away * np.sin(angle), 0.0])
        _one(kind, own, growth * own.uniform(0.94, 1.0), hue, at, seeds, stems, leaves)
        sprouted += len(stems) > before
    lift = np.array([0.0, 0.0, soil_m + 0.0008])
    parts = [(seeds, "seed"), (stems, "stem"), (leaves, "leaf")]
    grown = [replace(moved(joined(group, slot=slot), by=lift), substance="plant") for group, slot in parts if group]
    crumbs = soil_surfaces(inner_m, soil_m, np.random.default_rng([base, 99]), crumb=0.55)
    ground = [pot_surface(pot, radius_m, deep_m, 0.0), *crumbs]
    collision = np.array([[x, y, z] for x in (-1, 1) for y in (-1, 1) for z in (0, 1)]) * [radius_m, radius_m, deep_m]
    top = max(float(s.vertices_m[:, 2].max()) for s in grown) - soil_m
    return mesh(*ground, *grown, parts=(collision,)), top, sprouted


def _one(
    kind: Seed, own: np.random.Generator, growth: float, hue: int, at: Floats,
    seeds: list[MeshSurface], stems: list[MeshSurface], leaves: list[MeshSurface],
) -> None:  # fmt: skip
    yaw, lean_to, draws = own.uniform(0, 6.28), own.uniform(0, 6.28), own.uniform(-1, 1, 8)
    out = float(smoothstep(0.12, 1.0, growth))
    split = float(smoothstep(0.05, 0.3, growth))
    _coat(kind, own, hue, split, at, yaw, seeds)
    if out < 0.01:
        return
    long = kind.stem_m[0] * (1 + 0.12 * draws[0]) * out
    # The hook straightens when the sprout is through.
    hook = 2.7 * float(smoothstep(0.8, 0.35, growth))
    s = np.linspace(0.0, 1.0, 40)
    tilt = 0.1 + 0.08 * draws[1] + 0.1 * np.sin(4 * s + draws[2]) + hook * smoothstep(0.45, 1.0, s)
    ahead = np.stack([np.sin(tilt) * np.cos(lean_to), np.sin(tilt) * np.sin(lean_to), np.cos(tilt)], axis=-1)
    path = np.vstack([[0.0, 0.0, -0.005], np.cumsum(ahead * long / 39, axis=0)]) + at
    radius = kind.stem_m[1] * (0.7 + 0.3 * out) * np.linspace(1.1, 0.85, len(path))
    tube = sweep(path, radius, around=12)
    shade = ramp(np.linspace(0, 1, len(path)), (0.0, "#efe9cf"), (0.25, kind.stem_color), (1.0, "#a3c069"))
    stems.append(
        MeshSurface(
            vertices_m=tube.vertices_m, faces=tube.faces,
            attributes={"tint": np.concatenate([np.repeat(shade, 12, axis=0), shade[[0, -1]]])},
        )
    )  # fmt: skip
    basis = upright_to(ahead[-1]) @ about_z(own.uniform(0, 6.28))
    opened = float(smoothstep(0.5, 1.0, growth))
    size = kind.leaf_m[0] * (0.6 + 0.4 * opened) * min(1.0, 0.3 + out)
    for j in range(2):
        leaves += _seed_leaf(kind, size, opened, basis @ about_z(j * np.pi), path[-1], draws[3 + j])
    if kind.true_leaf_m and growth > 0.6:
        grown = kind.true_leaf_m * float(smoothstep(0.6, 1.05, growth))
        stalk = path[-1] + ahead[-1] * 0.35 * grown
        tube = sweep(np.linspace(path[-1], stalk, 8), 0.8 * kind.stem_m[1], around=10)
        tint = np.repeat(ramp([0.0], (0.0, "#a3c069")), len(tube.vertices_m), axis=0)
        stems.append(MeshSurface(vertices_m=tube.vertices_m, faces=tube.faces, attributes={"tint": tint}))
        for j in range(2):
            leaves.append(_true_leaf(grown, opened, basis @ about_z(np.pi / 2 + j * np.pi), stalk, draws[5 + j]))


def _coat(
    kind: Seed, own: np.random.Generator, hue: int, split: float, at: Floats, yaw: float, seeds: list[MeshSurface]
) -> None:
    """The seed, whole or as two empty halves."""
    rows, around = 29, 40
    polar = np.linspace(0.0, np.pi, rows)[:, None]
    turn = np.linspace(0.0, 2 * np.pi, around, endpoint=False)[None]
    ball = rings_flat(
        np.stack([-np.cos(polar) + 0 * turn, np.sin(polar) * np.cos(turn), np.sin(polar) * np.sin(turn)], axis=-1)
    )
    shape = ball.copy()
    if kind.kidney:
        shape[:, 1] += kind.kidney * (1 - shape[:, 0] ** 2)
    else:
        shape[:, 1:] *= (
            (1.0 - 0.28 * np.clip(shape[:, :1], 0, 1) ** 2) if kind.stripes or kind.size_m[2] < 0.003 else 1.0
        )
    points = shape * kind.size_m
    low, high = kind.colors[hue % len(kind.colors)]
    if kind.stripes:
        share = (np.abs(((np.arctan2(ball[:, 2], ball[:, 1]) / 0.5) % 1.0) - 0.5) > 0.33) * 1.0
    else:
        share = np.clip(0.4 + 0.5 * noise(points, 0.004, seed=int(own.integers(999))), 0, 1)
    tint = ramp(share, (0.0, low), (1.0, high))
    faces = rings_faces(rows, around)
    rotation = about_z(yaw)
    if split < 0.02:
        lift = np.array([0.0, 0.0, 0.5 * kind.size_m[2] + 0.0014])
        seeds.append(MeshSurface(vertices_m=points @ rotation.T + lift + at, faces=faces, attributes={"tint": tint}))
        return
    for side in (-1.0, 1.0):
        half = faces[(side * ball[faces, 1]).min(axis=1) >= -0.03]
        used, corners = np.unique(half, return_inverse=True)
        roll = side * 0.9 * split
        c, s = np.cos(roll), np.sin(roll)
        about_x = np.array([[1.0, 0.0, 0.0], [0.0, c, -s], [0.0, s, c]])
        shell = points[used] @ about_x.T
        shell[:, 1] += side * (0.4 + 0.9 * split) * kind.size_m[1]
        # Empty and dry, a little wrinkled; the inside is pale.
        shell[:, 2] += 0.0008 + 0.3 * kind.size_m[2] - shell[:, 2].min() * 0.8
        empty = MeshSurface(
            vertices_m=shell @ rotation.T + at,
            faces=corners.reshape(half.shape),
            attributes={"tint": tint[used] * 0.85},
        )
        seeds.append(film(empty, COAT_M))


def _seed_leaf(kind: Seed, size: float, opened: float, basis: Floats, at: Floats, draw: float) -> list[MeshSurface]:
    """A thick leaf with an upper and a lower side."""
    rows, across = 27, 13
    t = np.linspace(0.0, 1.0, rows)
    lift = (1.5 - 0.05 * t) * (1 - opened) + opened * (0.45 + 0.12 * draw - 0.55 * t)
    wide = kind.leaf_m[1] * size * np.sqrt(np.maximum(1 - (2 * t * 0.97 - 0.97) ** 2, 0.0)) ** 0.85
    wide[-1] = 0.0
    top = sheet(lift, size, wide, across=across, fold_rad=0.05, curl_rad=-0.35 * opened).reshape(-1, 3)
    along, aside = sheet_places(rows, across)
    thick = (
        size * (0.22 if kind.kidney else 0.075) * np.sqrt(np.maximum(1 - aside**2, 0)) * np.sin(np.pi * along) ** 0.6
    )
    down = np.repeat(np.stack([np.sin(lift), 0 * lift, -np.cos(lift)], axis=-1), across, axis=0)
    below = top + down * thick[:, None]
    young, old = ("#e3dc9a", "#c9cf7c") if kind.kidney else ("#c3d474", "#7fae4a")
    tint = ramp(np.full(len(top), opened), (0.0, young), (1.0, old))
    tint = blend(tint, [0.55, 0.62, 0.25], 0.35 * np.exp(-((aside / 0.1) ** 2)) * (1 - along))
    faces = sheet_faces(rows, across)
    sides = (
        MeshSurface(vertices_m=side @ basis.T + at, faces=order, attributes={"tint": np.clip(tint * light, 0, 1)})
        for side, order, light in ((top, faces, 1.0), (below, faces[:, ::-1], 1.08))
    )
    # Each side stands for half of what lies between them.
    return [film(side, float(thick.mean()) / 2) for side in sides]


def _true_leaf(size: float, opened: float, basis: Floats, at: Floats, draw: float) -> MeshSurface:
    rows, across = 29, 13
    t = np.linspace(0.0, 1.0, rows)
    lift = 1.25 - 0.75 * opened + 0.1 * draw - (0.2 + 0.7 * opened) * t
    wide = 0.42 * size * np.minimum(1.0, (t / 0.12) ** 0.5) * (1 - t) ** 0.7
    points = sheet(lift, size, wide, across=across, fold_rad=0.9 - 0.65 * opened).reshape(-1, 3)
    along, aside = sheet_places(rows, across)
    vein = np.maximum(np.exp(-((aside / 0.08) ** 2)), 0.6 * np.exp(
        -((((along - 0.3 * np.abs(aside)) * 6 + 0.5) % 1.0 - 0.5) ** 2) / 0.02))  # fmt: skip
    points[:, 2] += 0.03 * size * (0.5 - vein) * (1 - aside**2)
    tint = blend(ramp(np.full(len(points), 0.5), (0.0, "#86b346"), (1.0, "#68a03a")), [0.45, 0.58, 0.2], 0.5 * vein)
    blade = MeshSurface(vertices_m=points @ basis.T + at, faces=sheet_faces(rows, across), attributes={"tint": tint})
    return film(blade, LEAF_M)
