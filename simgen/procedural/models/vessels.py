"""Things of pottery, glass and dough that break: their origin is their centre of mass, so that they can fall.

Slots: `body` and whatever a kind has besides (`rim`, `inside`, `foot`, `handle`, `glaze`, `chip`, `cap`); of a piece
also `core`, where it was broken.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np

from simgen.core.assets import Material, Pattern
from simgen.core.mesh import Mesh, MeshSurface
from simgen.core.vectors import Floats
from simgen.procedural import palette
from simgen.procedural.builtin.mesh import BuiltShape as Built
from simgen.procedural.builtin.noise import space_noise
from simgen.procedural.builtin.profiles import polyline
from simgen.procedural.builtin.solids import rounded_box
from simgen.procedural.builtin.vessels import dish, vessel
from simgen.procedural.models import model
from simgen.procedural.models.forms import ball, closed, mesh, turned
from simgen.solvers.fracture import Solid, convex_parts, hollowed, moments, united, welded

Rows = list[list[float]]

OUTLINES: dict[str, Rows] = {
    "vase": [[38, 0], [53, 40], [58, 92], [46, 150], [27, 196], [22, 222], [31, 248]],
    "urn": [[30, 0], [34, 12], [58, 62], [66, 110], [56, 148], [36, 168], [33, 178], [38, 190]],
    "flask": [[36, 0], [56, 26], [62, 58], [46, 92], [20, 116], [15, 150], [15, 176], [20, 188]],
    "jar": [[44, 0], [60, 40], [66, 84], [58, 120], [44, 138], [46, 150]],
    "bowl": [[0, 6], [22, 6.5], [44, 16], [64, 36], [74, 60], [77, 74]],
    "plate": [[0, 4], [68, 4, 30], [84, 13, 22], [112, 20]],
    "mug": [[0, 2], [24, 2], [26.5, 0, 1], [32, 0, 2], [39, 10, 9], [41, 24, 30], [41, 94]],
    "pot": [[0, 0], [39, 0, 3], [54, 84, 1], [60, 84, 1.5], [63, 112]],
    "tumbler": [[0, 3], [24, 3], [27, 0, 1.5], [30, 1, 2], [38, 110]],
    "pitcher": [[40, 0], [58, 34], [62, 84], [52, 140], [42, 168], [47, 200]],
}
"""Radius, height and rounding in millimetres, from the middle or the edge of the base to the lip."""
CURVED = ("vase", "urn", "flask", "jar", "pitcher")


KINDS = (*OUTLINES, "bauble", "tile", "cookie", "chocolate")
GLAZES = {
    "white": "#e9e5da", "cream": "#e2d3ae", "blue": "#2f5f9a", "turquoise": "#3f9c9a", "green": "#5d8a52",
    "red": "#a83a2c", "yellow": "#d9a93a", "black": "#2a2a2d", "pink": "#d79a9c", "grey": "#8f9296",
}  # fmt: skip


def wall_mm(kind: str) -> float:
    """A usual thickness."""
    return {"bauble": 2.4, "tumbler": 2.6, "pot": 6.0, "tile": 8.0, "chocolate": 9.0}.get(kind, 4.2)


def clothing(kind: str, rng: np.random.Generator) -> tuple[str, str, Material, dict[str, Material]]:
    """What a thing of this kind is called and made of, its material and those of its slots."""
    names = {
        "flask": "vase",
        "urn": "vase",
        "pot": "flower pot",
        "bauble": "Christmas ball",
        "chocolate": "chocolate bar",
    }
    name, seed = names.get(kind, kind), int(rng.integers(1000))
    if kind == "cookie":
        dough = Pattern(color=palette.colour("#a8703a"), amount=0.45, scale_m=0.006, bump_m=0.0007, seed=seed)
        crumb = palette.but(palette.concrete("#d9b376", seed=seed), template="soft")
        baked = palette.but(crumb, base_color=palette.colour(_pick(rng, "#c9924f", "#d0a05c")), patterns=(dough,))
        chips = palette.but(palette.plastic("#3b2216", roughness=0.4), template="soft")
        return "chocolate chip cookie", "bread", baked, {"chip": chips, "core": crumb}
    if kind == "chocolate":
        word, color = _pick(rng, ("dark", "#3a2013"), ("milk", "#6b3f22"), ("white", "#e6d5ab"))
        return (
            f"{word} {name}",
            "wax",
            palette.but(palette.plastic(color, roughness=0.38), template="soft", coat=0.1),
            {},
        )
    if kind == "pot" or (kind in ("urn", "jar", "pitcher", "plate") and rng.random() < 0.25):
        clay = palette.terracotta(_pick(rng, "#b5673f", "#a8583a", "#c07a52"), seed=seed)
        return f"terracotta {name}", "ceramic", clay, {}
    if kind == "tumbler" or (kind in ("flask", "bowl") and rng.random() < 0.3):
        tint, color = _pick(rng, ("", "#f4fbf8"), ("green ", "#b9e0bd"), ("blue ", "#a9cdea"), ("amber ", "#eebf78"))
        return f"{tint}{'drinking glass' if kind == 'tumbler' else f'glass {name}'}", "glass", palette.glass(color), {}
    if kind == "bauble":
        word, color = _pick(rng, ("red", "#b3202a"), ("blue", "#1f4fae"), ("green", "#1f7a45"), ("golden", "#d6a02a"))
        slots = {"core": palette.metal("#cfd2d4", roughness=0.25), "cap": palette.metal("#d8b45a", roughness=0.3)}
        return f"{word} {name}", "glass", palette.metal(color, roughness=0.12), slots
    word = _pick(rng, *GLAZES)
    glaze = palette.ceramic(GLAZES[word], roughness=float(rng.uniform(0.1, 0.35)))
    clay = palette.but(palette.terracotta(_pick(rng, "#d9cbb2", "#e6dfd2", "#c9a27c")), patterns=())
    slots = {"core": clay}
    if kind == "tile":
        return f"{word} {name}", "ceramic", clay, {"glaze": glaze, "core": clay}
    if kind not in ("bowl", "plate") and rng.random() < 0.5:
        slots["inside"] = palette.ceramic(GLAZES[_pick(rng, "white", "cream")])
    if rng.random() < 0.35:
        slots["rim"] = palette.ceramic(GLAZES[_pick(rng, "white", "blue", "black")])
    return f"{word} {name}", "ceramic", glaze, slots


def _pick(rng: np.random.Generator, *options: Any) -> Any:
    return options[int(rng.integers(len(options)))]


@model("vessel")
def breakable(*, rng: np.random.Generator, variant: str, wall_mm: float = 4.0, scale: float = 1.0) -> Mesh:
    """One of `OUTLINES`, or a bauble, a tile, a cookie, a chocolate bar; the seed changes its proportions."""
    wide, high = scale * rng.uniform(0.9, 1.12), scale * rng.uniform(0.88, 1.12)
    if variant in OUTLINES:
        return _vessel(variant, wide, high, wall_mm)
    if variant == "bauble":
        return _bauble(0.042 * wide, wall_mm)
    if variant == "tile":
        return _tile(0.15 * wide, wall_mm)
    if variant == "cookie":
        return _cookie(rng, 0.045 * wide)
    return _chocolate(0.16 * wide, 0.078 * wide, wall_mm)


def _vessel(kind: str, wide: float, high: float, wall_mm: float) -> Mesh:
    rows = [[row[0] * wide, row[1] * high, *row[2:]] for row in OUTLINES[kind]]
    if kind in ("bowl", "plate"):
        radius = 0.4 * rows[-1][0] if kind == "bowl" else 0.55 * rows[-1][0]
        foot = (radius, 6.0, rows[0][1])
        return _assembled(dish(density=1.0, outline_mm=rows, wall_mm=wall_mm, foot_mm=foot, curved=kind == "bowl"))
    handle: Sequence[float] = ()
    if kind == "mug":
        handle = (20 * high, 76 * high, 29 * wide, 6.5, 4.2)
    if kind == "pitcher":
        handle = (56 * high, 176 * high, 44 * wide, 8.0, 5.0)
    made = vessel(
        density=1.0, outline_mm=rows, wall_mm=wall_mm, curved=kind in CURVED, hollow=False, handle_mm=handle,
        flutes=(12, 0.7) if kind == "tumbler" else (),
    )  # fmt: skip
    return _assembled(made)


def _assembled(built: Built) -> Mesh:
    """The shells of a built-in shape as one closed body about its centre of mass."""
    solids, names = [], list(dict.fromkeys(p.slot for shell in built.shells for p in shell.patches))
    for shell in built.shells:
        solids.append(solid_of(closed(shell.patches), names))
    whole = united(solids)
    return centred(whole, names, [part.rings.reshape(-1, 3) for part in built.parts])


def _bauble(radius_m: float, wall_mm: float) -> Mesh:
    """A thin ball of glass with a cap of metal."""
    around = [solid_of([ball((r, r, r), rings=40)], [""]) for r in (radius_m, radius_m - 0.0005 * wall_mm)]
    top = polyline(
        (0.0, 0.94 * radius_m), (0.22 * radius_m, 0.94 * radius_m), (0.22 * radius_m, 1.14 * radius_m, 0.001),
        (0.1 * radius_m, 1.18 * radius_m), (0.0, 1.2 * radius_m),
    )  # fmt: skip
    cap = solid_of(turned(("cap", top), around=40), ["body", "cap"])
    whole = united([hollowed(*around), cap])
    return centred(whole, ["body", "cap"], ())


def _tile(edge_m: float, thick_mm: float) -> Mesh:
    """A square tile that stands on its edge, its glaze in front."""
    size = (edge_m, 0.001 * thick_mm, edge_m)
    sides = dict.fromkeys(("front", "back", "left", "right", "top", "bottom"), "body") | {"front": "glaze"}
    whole = solid_of(closed(rounded_box(size, 0.0012, slots=sides)), ["body", "glaze"])
    return centred(whole, ["body", "glaze"], ())


def _cookie(rng: np.random.Generator, radius_m: float) -> Mesh:
    """A domed disc with an uneven edge and drops of chocolate in it."""
    outline = polyline(
        (0.0, 0.0), (0.93 * radius_m, 0.0, 0.002), (radius_m, 0.004, 0.003), (0.9 * radius_m, 0.0085, 0.006),
        (0.5 * radius_m, 0.0112, 0.02), (0.0, 0.012),
    )  # fmt: skip
    disc = solid_of(turned(("body", _fine(outline, 34)), around=110), ["body", "chip"])
    points = disc.vertices_m
    angle = np.arctan2(points[:, 1], points[:, 0])
    shift = 50.0 * rng.random()
    ring = np.column_stack([np.cos(angle), np.sin(angle), np.zeros(len(angle))])
    wobble = 0.03 * radius_m * space_noise(ring, wave_m=0.9, shift=shift)
    bumps = 0.0007 * space_noise(points, wave_m=0.012, shift=shift) + 0.0004 * space_noise(points, wave_m=0.004)
    inner = np.hypot(points[:, 0], points[:, 1]) / radius_m
    points = points + ring * (wobble * inner)[:, None]
    points[:, 2] += bumps * (points[:, 2] > 0.002)
    chips = []
    spots: list[Floats] = []
    while len(spots) < 11:
        spot = radius_m * 0.86 * np.sqrt(rng.random()) * _unit(rng.uniform(0, 2 * np.pi))
        if all(np.linalg.norm(spot - other) > 0.26 * radius_m for other in spots):
            spots.append(spot)
            size = rng.uniform(0.0032, 0.0052)
            level = 0.0113 - 0.003 * (np.linalg.norm(spot) / radius_m) ** 2
            one = ball((size, size * rng.uniform(0.8, 1.1), 0.0026), center_m=(*spot, level), slot="chip", rings=12)
            chips.append(solid_of([one], ["body", "chip"]))
    whole = united([Solid(vertices_m=points, faces=disc.faces, slots=disc.slots), *chips])
    return centred(whole, ["body", "chip"], ())


def _chocolate(length_m: float, width_m: float, thick_mm: float) -> Mesh:
    """A bar of six by three squares with bevelled edges; a piece of one height field, closed below."""
    rows, columns, per = 6, 3, 12
    height = 0.001 * thick_mm
    u = np.linspace(0.0, 1.0, rows * per + 1)
    v = np.linspace(0.0, 1.0, columns * per + 1)

    def bevel(t: Floats, count: int) -> Floats:
        within = np.abs((t * count) % 1.0 - 0.5) * 2
        return np.asarray(np.clip((1.0 - within) / 0.24, 0.0, 1.0), dtype=float)

    lift = np.minimum(bevel(u, rows)[:, None], bevel(v, columns)[None, :])
    top = np.empty((len(u), len(v), 3))
    top[..., 0], top[..., 1] = ((u - 0.5) * length_m)[:, None], ((v - 0.5) * width_m)[None, :]
    top[..., 2] = height * (0.52 + 0.48 * lift)
    below = top.copy()
    below[..., 2] = 0.0
    index = np.arange(top[..., 0].size).reshape(top.shape[:2])
    quads = np.stack([index[:-1, :-1], index[1:, :-1], index[1:, 1:], index[:-1, 1:]], axis=-1).reshape(-1, 4)
    up = np.concatenate([quads[:, [0, 1, 2]], quads[:, [0, 2, 3]]])
    count = index.size
    rim = np.concatenate([index[:-1, 0], index[-1, :-1], index[:0:-1, -1], index[0, :0:-1]])
    after = np.roll(rim, -1)
    wall = np.concatenate(
        [np.column_stack([rim, rim + count, after]), np.column_stack([after, rim + count, after + count])]
    )
    points = np.concatenate([top.reshape(-1, 3), below.reshape(-1, 3)])
    faces = np.concatenate([up, up[:, ::-1] + count, wall])
    if moments(points, faces)[0] < 0:
        faces = faces[:, ::-1]
    return centred(welded(points, faces, np.zeros(len(faces), np.int64)), ["body"], ())


def _unit(angle_rad: float) -> Floats:
    return np.array([np.cos(angle_rad), np.sin(angle_rad)])


def _fine(curve: Floats, num: int) -> Floats:
    along = np.concatenate([[0.0], np.cumsum(np.linalg.norm(np.diff(curve, axis=0), axis=1))])
    at = np.linspace(0.0, along[-1], num)
    return np.column_stack([np.interp(at, along, curve[:, k]) for k in range(2)])


def solid_of(surfaces: Sequence[MeshSurface], names: Sequence[str]) -> Solid:
    """Surfaces that close a body, by slot; slots that are not named are the first."""
    points = np.concatenate([surface.vertices_m for surface in surfaces])
    offsets = np.cumsum([0] + [len(surface.vertices_m) for surface in surfaces])
    numbers = [names.index(s.slot) if s.slot in names else 0 for s in surfaces]
    rows = [_triangles(s.faces) for s in surfaces]
    faces = np.concatenate([row + offset for row, offset in zip(rows, offsets, strict=False)])
    slots = np.repeat(numbers, [len(row) for row in rows])
    return welded(points, faces, slots)


def _triangles(faces: Floats | np.ndarray) -> np.ndarray:  # type: ignore[type-arg]
    faces = np.asarray(faces)
    return faces if faces.shape[1] == 3 else np.concatenate([faces[:, [0, 1, 2]], faces[:, [0, 2, 3]]])


def centred(whole: Solid, names: Sequence[str], parts: Sequence[Floats], *, sharp_deg: float = 40.0) -> Mesh:
    """A closed body as a mesh about its centre of mass; without collision parts its own convex ones are made."""
    center = moments(whole.vertices_m, whole.faces)[1]
    hulls = [part - center for part in parts] or convex_parts(whole.vertices_m - center, whole.faces, most=1)
    return mesh(*surfaces_of(whole.vertices_m - center, whole, names, sharp_deg=sharp_deg), parts=tuple(hulls))


def surfaces_of(points: Floats, whole: Solid, names: Sequence[str], *, sharp_deg: float = 40.0) -> list[MeshSurface]:
    """The faces of a closed body as one surface for each slot; a slot below 0 is the `core`."""
    found = []
    for slot in sorted(set(whole.slots.tolist()), reverse=True):
        used, corners = np.unique(whole.faces[whole.slots == slot], return_inverse=True)
        name = "core" if slot < 0 else names[slot]
        found.append(MeshSurface(vertices_m=points[used], faces=corners.reshape(-1, 3), slot=name, sharp_deg=sharp_deg))
    return found
