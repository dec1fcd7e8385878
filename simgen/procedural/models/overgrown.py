"""Things that something grows on: mould on food, moss and algae on stone, brick, clay, wood.

    make("moldy", variant="bread", seed=2, level=0.3, kind=0)
    make("mossy", variant="stone", seed=2, level=0.5)

`level` is the covered share of the surface that can be overgrown (slot `host`), exactly: a field that is a rank by area
says for every point when its turn comes. What grows is geometry: a felt that stands up from the surface and thousands
of hairs or blades in it. Where it has not grown the surface is the same at every level. What is on its way to a higher
level, `until`, has the hairs of that one as far as their turn has come.
"""

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from simgen.core.assets import Material
from simgen.core.geometry import vertex_areas, vertex_normals
from simgen.core.mesh import Mesh, MeshSurface, Model
from simgen.core.vectors import Floats
from simgen.procedural import palette
from simgen.procedural.builtin.profiles import evenly, polyline
from simgen.procedural.fields import ranks
from simgen.procedural.models import build, fruit, make, model, volume_m3
from simgen.procedural.models.forms import mesh
from simgen.procedural.models.growth import (
    Ints,
    Stop,
    at_places,
    blades,
    blend,
    noise,
    ramp,
    rings_faces,
    rings_flat,
    smoothstep,
    spots,
    spread,
)

FRUIT = ("orange", "strawberry", "lemon", "tomato", "pear")
FOODS = ("bread", "toast", "cheese", *FRUIT)
GROUNDS = ("stone", "boulder", "brick", "clay pot", "log", "roof tile")

MOLDS: tuple[tuple[Stop, ...], ...] = (
    # From the margin (0) to the oldest place (1).
    ((0.0, "#f2f1ea"), (0.18, "#e9ece2"), (0.36, "#a9bba6"), (0.65, "#7a9a7d"), (1.0, "#62846c")),
    ((0.0, "#f2f2ee"), (0.18, "#e2e9e6"), (0.4, "#a3bab9"), (0.7, "#7497a0"), (1.0, "#5f838c")),
    ((0.0, "#f3f2ee"), (0.3, "#e0ded7"), (0.6, "#bcbab2"), (1.0, "#98968f")),
    ((0.0, "#f6f5f1"), (0.5, "#efeee9"), (0.8, "#dfddd2"), (1.0, "#c9c8b4")),
)
MOLD_WORDS = ("green", "blue-green", "grey", "white")


def covered_m2(made: Model) -> float:
    """Area of the host that is overgrown: that of the bare host times the level, by what a rank is."""
    host = _bare(made)
    areas = vertex_areas(host.vertices_m, host.faces)
    return float(areas[host.attributes["turn"] < made.number("level")].sum())


def host_area_m2(made: Model) -> float:
    host = _bare(made)
    return float(vertex_areas(host.vertices_m, host.faces).sum())


def _bare(made: Model) -> MeshSurface:
    """The surface of the thing with nothing on it."""
    return next(s for s in build(made.but(level=0.0)).surfaces if s.slot in ("host", "skin"))


def substance(variant: str) -> str:
    """What a thing that gets overgrown is made of."""
    table = {"toast": "bread", "bread": "bread", "cheese": "cheese", "brick": "brick", "clay pot": "terracotta",
             "roof tile": "terracotta", "log": "wood", "stone": "stone", "boulder": "stone"}  # fmt: skip
    return table.get(variant) or fruit.substance(variant)


@model("moldy")
def moldy(
    *, rng: np.random.Generator, variant: str, level: float, size_m: float, kind: float = 0.0, until: float = 0.0
) -> Mesh:
    """Food with mould on `level` of its surface; `kind` picks the colours of `MOLDS`."""
    seed = int(rng.integers(1000))
    extras: tuple[MeshSurface, ...] = ()
    if variant in FRUIT:
        whole = build(make("fruit", variant=variant, seed=seed, size_m=size_m, ripeness=1.0))
        skin = next(s for s in whole.surfaces if s.slot == "skin")
        points, faces, tint = skin.vertices_m, np.asarray(skin.faces), skin.attributes["tint"]
        extras = tuple(s for s in whole.surfaces if s.slot != "skin")
    else:
        points, faces, tint = _bread(rng, size_m, variant) if variant != "cheese" else _cheese(rng, size_m)
    areas, normals = vertex_areas(points, faces), vertex_normals(points, faces)
    extent = float(np.ptp(points[:, :2], axis=0).max())
    open_to_air = smoothstep(-0.2, 0.5, normals[:, 2]) * smoothstep(0.0, 0.06 * extent, points[:, 2]) + 1e-4
    seeds = rng.choice(len(points), 9, p=areas * open_to_air / (areas * open_to_air).sum())
    births = np.concatenate([[0.0, 0.08, 0.16], np.sort(rng.uniform(0.2, 1.0, 6))])
    turn = spots(
        points, faces, points[seeds], births, spread_m=0.42 * extent, ragged=0.22, wave_m=0.13 * extent, seed=seed
    )
    if level <= 0:
        host = MeshSurface(
            vertices_m=points, faces=faces, slot="host", attributes={"tint": tint, "turn": turn}, sharp_deg=180.0
        )
        return mesh(host, *extras)
    until = until or level
    lumps = 1.0 + 0.5 * noise(points, 0.05 * extent, seed=seed + 1, octaves=3)

    def grown(share: float) -> tuple[Floats, Floats, Floats]:
        """Age and density of the felt at that level, and where its surface is."""
        age = np.asarray(np.clip(1.0 - turn / share, 0.0, 1.0), dtype=np.float64)
        felt = smoothstep(0.0, 0.12, age)
        height = 0.012 * extent * felt * lumps * (0.6 + 0.4 * smoothstep(0.0, 0.5, age))
        return age, felt, points + normals * height[:, None]

    age, felt, raised = grown(level)
    tones = MOLDS[int(kind) % len(MOLDS)]
    cloud = np.clip(age * 1.25 + 0.14 * noise(points, 0.1 * extent, seed=seed + 2, octaves=4) * felt, 0.0, 1.0)
    color = blend(tint, ramp(cloud, *tones) * 0.93, felt)
    # Around the colony the food is a little wet and dark.
    halo = smoothstep(level * 1.25 + 0.02, level, turn) * (1 - felt)
    color = color * (1.0 - 0.14 * halo)[:, None]
    host, felt_m3 = _host(points, raised, faces, color, turn, sharp_deg=180.0)
    inside = faces[(turn[faces] < until).all(axis=1)]
    if not len(inside):
        return mesh(host, *extras)
    count = 15000
    picked, weights = spread(grown(until)[2] if until > level else raised, inside, count, rng)
    roots = at_places(raised, inside, picked, weights)
    ahead = at_places(normals, inside, picked, weights)
    old = at_places(age[:, None], inside, picked, weights)[:, 0]
    tone = at_places(cloud[:, None], inside, picked, weights)[:, 0]
    shade = rng.uniform(0.85, 1.12, (count, 1))
    hair = ramp(np.clip(tone + rng.normal(0, 0.07, count), 0, 1), *tones) * shade
    margin = smoothstep(0.35, 0.0, old)
    long = extent * rng.uniform(0.008, 0.02, count) * (0.75 + 0.8 * margin) * smoothstep(0.0, 0.05, old + 0.02)
    fuzz = blades(roots, ahead, long, 0.0032 * extent, hair, rng=rng, bend=0.55, tip=1.15, slot="fuzz", floor_m=0.0003)
    if until > level:
        fuzz = _come(fuzz, at_places(turn[:, None], inside, picked, weights)[:, 0] < level)
    return mesh(host, *extras, replace(fuzz, substance="mold", solid_m3=felt_m3))


@model("mossy")
def mossy(
    *, rng: np.random.Generator, variant: str, level: float, size_m: float, kind: float = 0.0, until: float = 0.0
) -> Mesh:
    """A thing of the garden with moss on `level` of its surface; `kind` 0 to 2 is the moss: cushions, turf, yellow."""
    seed = int(rng.integers(1000))
    points, faces, tint = {
        "stone": _stone, "boulder": _stone, "brick": _brick, "clay pot": _pot, "log": _log, "roof tile": _tile,
    }[variant](rng, size_m)  # fmt: skip
    areas, normals = vertex_areas(points, faces), vertex_normals(points, faces)
    extent = float(np.ptp(points, axis=0).max())
    shelter = noise(points, 0.22 * extent, seed=seed, octaves=4)
    early = 0.75 * shelter - 1.5 * normals[:, 2] - 0.4 * smoothstep(0.05, 0.0, points[:, 2] / extent)
    if variant == "log":
        # Bare wood on the ends is overgrown last.
        early = early + 1.6 * np.abs(normals[:, 0]) ** 4
    turn = ranks(early, areas)
    if level <= 0:
        host = MeshSurface(
            vertices_m=points, faces=faces, slot="host", attributes={"tint": tint, "turn": turn}, sharp_deg=60.0
        )
        return mesh(host)
    until = until or level
    cushion = np.clip(0.75 + 0.8 * noise(points, 0.12 * extent, seed=seed + 1, octaves=2), 0.15, 1.6)

    def grown(share: float) -> tuple[Floats, Floats, Floats]:
        """Age and density of the felt at that level, and where its surface is."""
        age = np.asarray(np.clip(1.0 - turn / share, 0.0, 1.0), dtype=np.float64)
        felt = smoothstep(0.0, 0.06, age)
        height = 0.026 * extent * felt * cushion * (0.35 + 0.65 * smoothstep(0.0, 0.4, age))
        return age, felt, points + normals * height[:, None]

    age, felt, raised = grown(level)
    tones: tuple[Stop, ...] = (
        ((0.0, "#33501c"), (0.5, "#557c22"), (1.0, "#8aa334")),
        ((0.0, "#2c4a1f"), (0.5, "#46702a"), (1.0, "#7a9a45")),
        ((0.0, "#55602a"), (0.5, "#8b9430"), (1.0, "#b7b24a")),
    )[int(kind) % 3]
    hue = np.clip(0.45 + 0.4 * noise(points, 0.17 * extent, seed=seed + 2, octaves=3), 0.0, 1.0)
    # Algae run ahead of the moss as a thin green film.
    film = smoothstep(level * 1.3 + 0.02, level, turn) * 0.5
    color = blend(tint, ramp([0.0], (0.0, "#6d7a3e"))[0], film * (1 - felt))
    color = blend(color, ramp(hue, *tones) * 0.5, felt)
    host, felt_m3 = _host(points, raised, faces, color, turn, sharp_deg=60.0)
    inside = faces[(turn[faces] < until).all(axis=1)]
    if not len(inside):
        return mesh(host)
    count = int(np.clip(26000 * until / 0.5, 1500, 30000))
    picked, weights = spread(grown(until)[2] if until > level else raised, inside, count, rng)
    roots = at_places(raised, inside, picked, weights)
    ahead = at_places(normals, inside, picked, weights) + np.array([0.0, 0.0, 0.35])
    old = at_places(age[:, None], inside, picked, weights)[:, 0]
    tone = np.clip(at_places(hue[:, None], inside, picked, weights)[:, 0] + rng.normal(0, 0.16, count), 0.0, 1.0)
    color = ramp(tone, *tones) * rng.uniform(0.8, 1.2, (count, 1))
    long = extent * rng.uniform(0.009, 0.021, count) * (0.45 + 0.55 * smoothstep(0.0, 0.3, old))
    turf = blades(roots, ahead, long, 0.0062 * extent, color, rng=rng, bend=0.5, tip=1.4, slot="turf", floor_m=0.0003)
    if until > level:
        turf = _come(turf, at_places(turn[:, None], inside, picked, weights)[:, 0] < level)
    return mesh(host, replace(turf, substance="moss", solid_m3=felt_m3))


def _host(
    points: Floats, raised: Floats, faces: Ints, color: Floats, turn: Floats, *, sharp_deg: float
) -> tuple[MeshSurface, float]:
    """The overgrown surface, which weighs as the bare one does, and the volume of the felt on it."""
    attributes = {"tint": np.clip(color, 0, 1), "turn": turn}
    host = MeshSurface(vertices_m=raised, faces=faces, slot="host", attributes=attributes, sharp_deg=sharp_deg)
    bare_m3 = volume_m3(mesh(replace(host, vertices_m=points)))
    return replace(host, solid_m3=bare_m3), volume_m3(mesh(host)) - bare_m3


def _come(hairs: MeshSurface, come: NDArray[np.bool_]) -> MeshSurface:
    """Those of the hairs whose turn has come [N]; each has five vertices and three faces."""
    points, tint = hairs.vertices_m.reshape(-1, 5, 3)[come], hairs.attributes["tint"].reshape(-1, 5, 3)[come]
    faces = np.asarray(hairs.faces).reshape(-1, 3, 3)[: len(points)]
    return replace(
        hairs, vertices_m=points.reshape(-1, 3), faces=faces.reshape(-1, 3), attributes={"tint": tint.reshape(-1, 3)}
    )


# Food


def _slab(
    outline: Floats, height_m: float, *, edge_m: float, top_rings: int, side_rings: int
) -> tuple[Floats, Floats, Floats]:
    """A slab with a star-shaped outline [A, 2]: vertices, where from the middle (0) to the rim (1), and 0 on the lower
    face, 1 on the side, 2 on the upper face. `edge_m` rounds its edges."""
    rim = np.linalg.norm(outline, axis=1)
    unit = outline / rim[:, None]
    rows: list[tuple[float, float, float, float]] = []
    bend = np.linspace(0.0, np.pi / 2, 7)
    rows += [(share, 0.0, 0.0, 0.0) for share in np.linspace(0.0, 1.0, 8)]
    rows += [(1.0, edge_m * np.sin(a), edge_m * (1 - np.cos(a)), 1.0) for a in bend[1:]]
    rows += [(1.0, edge_m, z, 1.0) for z in np.linspace(edge_m, height_m - edge_m, side_rings)[1:-1]]
    rows += [(1.0, edge_m * np.cos(a), height_m - edge_m * (1 - np.sin(a)), 1.0) for a in bend[:-1]]
    rows += [(share, 0.0, height_m, 2.0) for share in np.linspace(1.0, 0.0, top_rings) ** 0.9]
    rings, place, part = [], [], []
    for share, out, z, which in rows:
        radius = (rim - edge_m) * share + out
        rings.append(np.column_stack([unit * radius[:, None], np.full(len(unit), z)]))
        place.append(np.full(len(unit), share))
        part.append(np.full(len(unit), which))
    return rings_flat(np.array(rings)), rings_flat(np.array(place)), rings_flat(np.array(part))


def _star(polygon: Floats, count: int, smooth: int) -> Floats:
    """The outline [count, 2] of a polygon around the origin, its corners rounded by averaging."""
    loop = evenly(np.concatenate([polygon, polygon[:1]]), num=1600)[:-1]
    kernel = np.ones(smooth) / smooth
    rounded = np.stack(
        [
            np.convolve(np.concatenate([loop[-smooth:, k], loop[:, k], loop[:smooth, k]]), kernel, "same")
            for k in (0, 1)
        ],
        1,
    )[smooth:-smooth]
    closed = np.concatenate([rounded, rounded[:1]])
    return evenly(closed, num=count + 1)[:-1]


def _bread(rng: np.random.Generator, size_m: float, variant: str) -> tuple[Floats, Ints, Floats]:
    """A slice that lies flat; `toast` is square."""
    seed = int(rng.integers(1000))
    count = 260
    angle = np.linspace(0.0, 2 * np.pi, 400, endpoint=False)
    power = 4.5 if variant == "toast" else 3.2
    radius = (np.abs(np.cos(angle)) ** power + np.abs(np.sin(angle)) ** power) ** (-1 / power)
    x, y = radius * np.cos(angle), radius * np.sin(angle)
    if variant == "bread":
        # The loaf rose over the rim of its tin: a wide crown with shoulders below.
        x = x * (1.0 + 0.13 * smoothstep(0.1, 0.6, y) - 0.05 * np.exp(-(((y - 0.1) / 0.16) ** 2)))
        y = y + 0.16 * smoothstep(0.3, 1.0, y) * np.cos(x * 1.35)
    polygon = np.column_stack([x, y]) * size_m / 2 * (1 + 0.015 * np.sin(3 * angle + rng.uniform(0, 6)))[:, None]
    thick = size_m * rng.uniform(0.11, 0.15)
    points, place, part = _slab(_star(polygon, count, 25), thick, edge_m=0.003, top_rings=104, side_rings=14)
    faces = rings_faces((len(points) - 2) // count + 2, count)
    normals = vertex_normals(points, faces)
    crumb = (part == 2) * smoothstep(1.0, 0.965, place)
    pores = smoothstep(0.25, 0.75, noise(points, 0.034 * size_m, seed=seed, octaves=2)) + 0.7 * smoothstep(
        0.3, 0.7, noise(points, 0.014 * size_m, seed=seed + 1, octaves=2)
    )
    dome = 0.012 * size_m * noise(points * [1, 1, 0], 0.4 * size_m, seed=seed + 2, octaves=2)
    points = points - normals * (crumb * pores * 0.0105 * size_m)[:, None]
    points[:, 2] += dome * smoothstep(0.2, 1.0, points[:, 2] / thick)
    pale = ramp(np.clip(0.45 * pores + 0.3 * noise(points, 0.2 * size_m, seed=seed + 3), 0, 1),
                (0.0, "#e3cb9c"), (0.5, "#d3b67c"), (1.0, "#b59155"))  # fmt: skip
    crust = ramp(
        np.clip(0.5 + 0.5 * noise(points, 0.12 * size_m, seed=seed + 4), 0, 1), (0.0, "#b9793a"), (1.0, "#7f4a20")
    )
    color = blend(crust, pale, np.where(part == 1, 0.0, smoothstep(1.0, 0.955, place)))
    return points, faces, color


def _cheese(rng: np.random.Generator, size_m: float) -> tuple[Floats, Ints, Floats]:
    """A wedge or a block, some with holes."""
    seed, count = int(rng.integers(1000)), 260
    if rng.random() < 0.6:
        turn = np.linspace(-0.42, 0.42, 20)
        arc = np.column_stack([np.cos(turn), np.sin(turn)])
        polygon = (np.concatenate([[[0.0, 0.0]], arc]) - [0.66, 0.0]) * size_m * 1.05
    else:
        polygon = np.array([[-0.5, -0.34], [0.5, -0.34], [0.5, 0.34], [-0.5, 0.34]]) * size_m
    high = size_m * rng.uniform(0.36, 0.5)
    points, _, part = _slab(_star(polygon, count, 20), high, edge_m=0.002, top_rings=64, side_rings=58)
    faces = rings_faces((len(points) - 2) // count + 2, count)
    areas, normals = vertex_areas(points, faces), vertex_normals(points, faces)
    depth = np.zeros(len(points))
    if rng.random() < 0.6:
        for k in rng.choice(len(points), 16, p=areas * (part > 0) / (areas * (part > 0)).sum()):
            radius = size_m * rng.uniform(0.02, 0.075)
            gap = np.linalg.norm(points - points[k], axis=1) / radius
            depth = np.maximum(depth, radius * 0.8 * np.sqrt(np.maximum(1 - gap**2, 0.0)))
    points = points - normals * (depth + 0.002 * size_m * noise(points, 0.15 * size_m, seed=seed, octaves=3))[:, None]
    points[:, 2] = np.maximum(points[:, 2], 0.0)
    color = ramp(
        np.clip(0.5 + 0.4 * noise(points, 0.3 * size_m, seed=seed + 1), 0, 1), (0.0, "#f0d27a"), (1.0, "#e6bd55")
    )
    return points, faces, color


# Things of the garden


def _stone(rng: np.random.Generator, size_m: float) -> tuple[Floats, Ints, Floats]:
    rows, around, seed = 170, 210, int(rng.integers(1000))
    polar = np.linspace(0.0, np.pi, rows)[:, None]
    turn = np.linspace(0.0, 2 * np.pi, around, endpoint=False)[None]
    ball = rings_flat(
        np.stack([np.sin(polar) * np.cos(turn), np.sin(polar) * np.sin(turn), -np.cos(polar) + 0 * turn], axis=-1)
    )
    rough = 0.3 * noise(ball, 1.7, seed=seed, octaves=2) + 0.07 * noise(ball, 0.45, seed=seed + 1, octaves=5)
    half = np.array([0.5, rng.uniform(0.36, 0.46), rng.uniform(0.26, 0.36)]) * size_m
    points = ball * (1.0 + rough)[:, None] * half
    # It lies a little in the ground.
    points[:, 2] -= points[:, 2].min() * 0.86
    points[:, 2] = np.maximum(points[:, 2], 0.0)
    grit = noise(points, 0.02 * size_m, seed=seed + 3, octaves=2)
    shade = np.clip(0.5 + 0.35 * noise(points, 0.2 * size_m, seed=seed + 2, octaves=5) + 0.3 * grit, 0, 1)
    tones = ((0.0, "#6f6c67"), (1.0, "#a5a19a")) if rng.random() < 0.6 else ((0.0, "#7d6f60"), (1.0, "#b3a48e"))
    return points, rings_faces(rows, around), ramp(shade, *tones)


def _brick(rng: np.random.Generator, size_m: float) -> tuple[Floats, Ints, Floats]:
    seed, count = int(rng.integers(1000)), 300
    half = np.array([0.5, 0.24]) * size_m
    polygon = np.array([[-1, -1], [1, -1], [1, 1], [-1, 1]]) * half
    points, _, _ = _slab(_star(polygon, count, 9), 0.27 * size_m, edge_m=0.0025, top_rings=74, side_rings=34)
    faces = rings_faces((len(points) - 2) // count + 2, count)
    normals = vertex_normals(points, faces)
    chipped = 0.006 * smoothstep(0.4, 1.0, noise(points, 0.12 * size_m, seed=seed, octaves=3))
    points = points - normals * (size_m * (chipped + 0.002 * noise(points, 0.03 * size_m, seed=seed + 1)))[:, None]
    points[:, 2] = np.maximum(points[:, 2], 0.0)
    shade = np.clip(0.5 + 0.4 * noise(points, 0.025 * size_m, seed=seed + 2, octaves=3), 0, 1)
    return points, faces, ramp(shade, (0.0, "#8a4630"), (0.6, "#a9573b"), (1.0, "#bd7657"))


def _pot(rng: np.random.Generator, size_m: float) -> tuple[Floats, Ints, Floats]:
    seed, rows, around = int(rng.integers(1000)), 230, 230
    profile = polyline(
        (0.0, 0.0), (0.34, 0.0, 0.02), (0.43, 0.66, 0.01), (0.49, 0.66, 0.015), (0.5, 0.86, 0.02), (0.44, 0.86, 0.02),
        (0.39, 0.6, 0.02), (0.3, 0.06, 0.03), (0.0, 0.05),
    )  # fmt: skip
    curve = evenly(profile, num=rows) * size_m
    turn = np.linspace(0.0, 2 * np.pi, around, endpoint=False)[None]
    radius, high = curve[:, :1], np.repeat(curve[:, 1:], around, axis=1)
    points = rings_flat(np.stack([radius * np.cos(turn), radius * np.sin(turn), high], axis=-1))
    shade = np.clip(0.5 + 0.45 * noise(points, 0.25 * size_m, seed=seed, octaves=5), 0, 1)
    return points, rings_faces(rows, around), ramp(shade, (0.0, "#a5583a"), (0.6, "#bb6d48"), (1.0, "#c98f70"))


def _log(rng: np.random.Generator, size_m: float) -> tuple[Floats, Ints, Floats]:
    """A piece of a trunk that lies; its ends show the rings."""
    seed, around, along = int(rng.integers(1000)), 220, 130
    thick = size_m * rng.uniform(0.15, 0.2)
    turn = np.linspace(0.0, 2 * np.pi, around, endpoint=False)
    shares = np.concatenate([np.linspace(0, 1, 18), np.ones(along), np.linspace(1, 0, 18)])
    where = np.concatenate([np.zeros(18), np.linspace(0, 1, along), np.ones(18)])
    wobble = 1.0 + 0.05 * np.cos(2 * turn + rng.uniform(0, 6)) + 0.03 * np.cos(3 * turn + rng.uniform(0, 6))
    radius = thick * shares[:, None] * wobble[None]
    x = np.repeat((where - 0.5)[:, None] * size_m, around, axis=1)
    bow = 0.03 * size_m * np.cos(np.pi * (where - 0.5))[:, None]
    points = rings_flat(np.stack([x, -radius * np.sin(turn) + bow, radius * np.cos(turn)], axis=-1))
    part = rings_flat(np.repeat((shares >= 1.0).astype(float)[:, None], around, axis=1))
    ring = rings_flat(np.repeat(shares[:, None], around, axis=1))
    faces = rings_faces(len(shares), around)
    normals = vertex_normals(points, faces)
    ridges = np.abs(noise(points, 0.045 * size_m, seed=seed, octaves=3, stretch=(4.5, 1.0, 1.0)))
    bark = part * smoothstep(0.0, 0.02, 0.5 - np.abs(points[:, 0] / size_m))
    points = points - normals * (bark * 0.035 * size_m * np.clip(0.35 - ridges, 0, 1))[:, None]
    points[:, 2] -= points[:, 2].min()
    shade = np.clip(1.6 * ridges + 0.15 * noise(points, 0.03 * size_m, seed=seed + 1), 0, 1)
    color = ramp(shade, (0.0, "#35271b"), (0.5, "#6a5340"), (1.0, "#8f7a63"))
    grain = np.clip(0.5 + 0.5 * np.sin(ring * 55 + 2 * noise(points, 0.1 * size_m, seed=seed + 2)), 0, 1)
    wood = ramp(grain * (0.5 + 0.5 * ring), (0.0, "#c79f6b"), (1.0, "#9a7141"))
    return points, faces, blend(wood, color, np.maximum(part, smoothstep(0.9, 0.95, ring)))


def _tile(rng: np.random.Generator, size_m: float) -> tuple[Floats, Ints, Floats]:
    """A barrel tile, hollow side down."""
    seed, along, arc = int(rng.integers(1000)), 150, 100
    half, thick = 0.23 * size_m, 0.035 * size_m
    turn = np.linspace(0.12, np.pi - 0.12, arc)
    outer = np.column_stack([np.cos(turn), np.sin(turn)]) * half
    inner = np.column_stack([np.cos(turn[::-1]), np.sin(turn[::-1])]) * (half - thick)
    loop = np.concatenate([outer, inner])
    middle = (outer[arc // 2] + inner[arc // 2]) / 2
    where = np.linspace(-0.5, 0.5, along) * size_m
    taper = np.linspace(1.0, 0.86, along)
    rings = [np.repeat([[where[0], middle[0], middle[1]]], len(loop), axis=0)]
    for x, narrow in zip(where, taper, strict=True):
        rings.append(np.column_stack([np.full(len(loop), x), loop * [narrow, 1.0]]))
    rings.append(np.repeat([[where[-1], middle[0], middle[1]]], len(loop), axis=0))
    points = rings_flat(np.array(rings))
    faces = rings_faces(along + 2, len(loop))
    points[:, 2] -= points[:, 2].min()
    points = (
        points + vertex_normals(points, faces) * (0.0015 * size_m * noise(points, 0.05 * size_m, seed=seed))[:, None]
    )
    points[:, 2] = np.maximum(points[:, 2], 0.0)
    shade = np.clip(0.5 + 0.45 * noise(points, 0.2 * size_m, seed=seed + 1, octaves=5), 0, 1)
    return points, faces, ramp(shade, (0.0, "#8f4b33"), (0.6, "#b0623f"), (1.0, "#c58a68"))


def dressing(variant: str, seed: int) -> tuple[tuple[str, Material], ...]:
    """The materials of an overgrown thing by slot."""
    fuzz = palette.but(palette.leaf("#ffffff"), color_field="tint", patterns=(), roughness=0.9)
    if variant in FRUIT:
        table = dict(fruit.dressing(variant, seed))
        return (("host", palette.but(table["skin"], coat=0.0, roughness=0.55)), ("fuzz", fuzz), *table.items())
    if variant in FOODS:
        host = palette.but(palette.soft("#ffffff", roughness=0.75, subsurface_m=0.002), color_field="tint")
        if variant == "cheese":
            host = palette.but(host, roughness=0.45)
        return (("host", host), ("fuzz", fuzz))
    rough = {"clay pot": palette.terracotta, "roof tile": palette.terracotta, "log": palette.bark}
    host = palette.but((rough.get(variant) or palette.stone)(seed=seed), color_field="tint", roughness=0.9)
    # The pattern's own colour would hide the moss's felt: only its relief stays.
    host = palette.but(host, patterns=tuple(replace(p, amount=0.0) for p in host.patterns))
    return (("host", host), ("turf", palette.but(fuzz, roughness=0.7)))
