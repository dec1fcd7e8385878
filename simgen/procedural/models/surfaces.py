"""Sheets on things: coats of paint that flake, and scratches. What carries them is a patch, a smooth grid of points.

A carrier is a thing that stands on z = 0, of closed surfaces, and the patches of it that are seen.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import cv2
import numpy as np
from numpy.typing import ArrayLike

from simgen.core.geometry import vertex_areas
from simgen.core.mesh import Mesh, MeshSurface
from simgen.core.vectors import Floats
from simgen.procedural.builtin.noise import space_noise
from simgen.procedural.builtin.profiles import Corner, polyline
from simgen.procedural.builtin.solids import rounded_box
from simgen.procedural.models import model
from simgen.procedural.models.forms import box, closed, mesh, sweep, turned

Carrier = tuple[tuple[MeshSurface, ...], tuple["Patch", ...]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Patch:
    """A smooth part of a surface: points [U, V, 3] with even steps of about `step_m` both ways, normals outwards."""

    points: Floats
    normals: Floats
    wraps: bool = False
    """Its first and last row are the same."""

    @property
    def step_m(self) -> float:
        along = np.linalg.norm(np.diff(self.points, axis=0), axis=-1).mean()
        across = np.linalg.norm(np.diff(self.points, axis=1), axis=-1).mean()
        return float((along + across) / 2)

    @property
    def size_m(self) -> tuple[float, float]:
        """Length along the middle of u and of v."""
        rows, columns = self.points.shape[:2]
        along = np.linalg.norm(np.diff(self.points[:, columns // 2], axis=0), axis=-1).sum()
        across = np.linalg.norm(np.diff(self.points[rows // 2], axis=0), axis=-1).sum()
        return float(along), float(across)

    def at(self, uv: Floats) -> tuple[Floats, Floats]:
        """Points and normals [..., 3] at places [..., 2] of 0 to 1."""
        rows, columns = self.points.shape[:2]
        place = np.clip(uv, 0.0, 1.0) * [rows - 1, columns - 1]
        low = np.minimum(place.astype(int), [rows - 2, columns - 2])
        t = place - low
        i, j = low[..., 0], low[..., 1]
        a, b = t[..., :1], t[..., 1:]

        def read(grid: Floats) -> Floats:
            near = (1 - b) * grid[i, j] + b * grid[i, j + 1]
            far = (1 - b) * grid[i + 1, j] + b * grid[i + 1, j + 1]
            return np.asarray((1 - a) * near + a * far, dtype=float)

        normals = read(self.normals)
        return read(self.points), normals / np.linalg.norm(normals, axis=-1, keepdims=True)


def plane(corner: ArrayLike, u: ArrayLike, v: ArrayLike, *, step_m: float) -> Patch:
    """A flat patch from a corner along two edges; u × v points outwards."""
    start, u, v = (np.asarray(x, dtype=float) for x in (corner, u, v))
    rows, columns = (max(2, round(float(np.linalg.norm(x)) / step_m) + 1) for x in (u, v))
    a, b = np.meshgrid(np.linspace(0, 1, rows), np.linspace(0, 1, columns), indexing="ij")
    normal = np.cross(u, v)
    points = start + a[..., None] * u + b[..., None] * v
    return Patch(points=points, normals=np.broadcast_to(normal / np.linalg.norm(normal), points.shape).copy())


def bent(points: Floats) -> Patch:
    """A curved patch, its normals by differences."""
    u, v = np.gradient(points, axis=0), np.gradient(points, axis=1)
    normal = np.cross(u, v)
    return Patch(points=points, normals=normal / np.linalg.norm(normal, axis=-1, keepdims=True))


def round_patch(outline: Floats, *, step_m: float) -> Patch:
    """The side of a turned thing: an outline (radius, height) from below to above, all the way round."""
    radius = float(outline[:, 0].mean())
    angle = np.linspace(0.0, 2 * np.pi, max(24, round(2 * np.pi * radius / step_m)) + 1)
    along = np.concatenate([[0.0], np.cumsum(np.linalg.norm(np.diff(outline, axis=0), axis=1))])
    at = np.linspace(0.0, along[-1], max(4, round(float(along[-1]) / step_m)))
    r, z = (np.interp(at, along, outline[:, k]) for k in range(2))
    points = np.stack(
        [np.cos(angle)[:, None] * r, np.sin(angle)[:, None] * r, np.broadcast_to(z, (len(angle), len(z)))], axis=-1
    )
    slope = np.gradient(np.column_stack([r, z]), axis=0)
    out = np.stack([slope[:, 1], -slope[:, 0]], axis=1) / np.linalg.norm(slope, axis=1, keepdims=True)
    normals = np.stack(
        [
            np.cos(angle)[:, None] * out[:, 0],
            np.sin(angle)[:, None] * out[:, 0],
            np.broadcast_to(out[:, 1], (len(angle), len(z))),
        ],
        axis=-1,
    )
    return Patch(points=points, normals=normals, wraps=True)


# Things that carry a coat or scratches: they face -y.


def faces_of_box(
    size_m: tuple[float, float, float], base_m: Floats, edge_m: float, names: str, step_m: float
) -> list[Patch]:
    """Patches on the sides of a box whose middle is `base_m`, `edge_m` short of its edges."""
    x, y, z = np.asarray(size_m) / 2
    e = edge_m
    table = {
        "front": ((-x + e, -y, -z + e), (2 * (x - e), 0, 0), (0, 0, 2 * (z - e))),
        "back": ((x - e, y, -z + e), (-2 * (x - e), 0, 0), (0, 0, 2 * (z - e))),
        "left": ((-x, y - e, -z + e), (0, -2 * (y - e), 0), (0, 0, 2 * (z - e))),
        "right": ((x, -y + e, -z + e), (0, 2 * (y - e), 0), (0, 0, 2 * (z - e))),
        "top": ((-x + e, -y + e, z), (2 * (x - e), 0, 0), (0, 2 * (y - e), 0)),
    }
    result = []
    for name in names.split():
        corner, u, v = (np.array(row, dtype=float) for row in table[name])
        result.append(plane(corner + base_m, u, v, step_m=step_m))
    return result


def block(size_m: tuple[float, float, float], at: Floats, names: str, *, step_m: float, edge_m: float) -> Carrier:
    body = closed(rounded_box(size_m, edge_m, slots="base", center_m=tuple(at)))
    return body, tuple(faces_of_box(size_m, np.asarray(at, dtype=float), 0.15 * edge_m, names, step_m))


def carrier(variant: str, numbers: dict[str, float], step_m: float) -> Carrier:
    """A board, a wall panel, a fence, a door, a box, a toy house, a bucket, a post."""
    w, h = numbers["width_m"], numbers["height_m"]
    if variant == "panel":
        return block((w, 0.018, h), np.array([0, 0, h / 2]), "front top left right", step_m=step_m, edge_m=0.0012)
    if variant == "plank":
        return block((w, h, 0.022), np.array([0, 0, 0.011]), "front top left right", step_m=step_m, edge_m=0.0012)
    if variant == "box":
        return block((w, 0.75 * w, h), np.array([0, 0, h / 2]), "front top left right", step_m=step_m, edge_m=0.012 * w)
    if variant == "fence":
        slats, bodies, patches = 4, [], []
        each = w / slats
        for k in range(slats):
            tall = h * (1.0 - 0.05 * ((k * 37) % 5) / 4)
            one, seen = block(
                (0.9 * each, 0.014, tall), np.array([(k - 1.5) * each, 0, tall / 2]), "front top left right",
                step_m=step_m, edge_m=0.0012,
            )  # fmt: skip
            bodies += list(one)
            patches += list(seen)
        rail = [box((w, 0.012, 0.03), center_m=(0, 0.013, h * share), slot="base") for share in (0.22, 0.74)]
        return (*bodies, *rail), tuple(patches)
    if variant == "door":
        # Stiles and rails around two sunk panels.
        bodies, patches = [], []
        stile = 0.17 * w
        frames = [
            ((stile, 0.02, h), (-(w - stile) / 2, 0, h / 2)), ((stile, 0.02, h), ((w - stile) / 2, 0, h / 2)),
            ((w - 2 * stile, 0.02, stile), (0, 0, stile / 2)), ((w - 2 * stile, 0.02, stile), (0, 0, h - stile / 2)),
            ((w - 2 * stile, 0.02, stile), (0, 0, 0.5 * h)),
        ]  # fmt: skip
        for size, at in frames:
            one, seen = block(size, np.array(at), "front top", step_m=step_m, edge_m=0.0012)
            bodies += list(one)
            patches += list(seen if at[2] > 0.9 * h or at[2] == h / 2 else seen[:1])
        tall = 0.5 * h - 1.5 * stile
        for at_z in (stile + tall / 2, 0.5 * h + stile / 2 + tall / 2):
            one, seen = block(
                (w - 2 * stile, 0.008, tall), np.array([0, 0.002, at_z]), "front", step_m=step_m, edge_m=0.001
            )
            bodies += list(one)
            patches += list(seen)
        return tuple(bodies), tuple(patches)
    if variant == "bucket":
        return _bucket(0.5 * w, h, step_m)
    if variant == "post":
        return _post(0.5 * w, h, step_m)
    raise ValueError(f"no carrier {variant!r}")


def _bucket(radius: float, height: float, step_m: float) -> Carrier:
    low, wall = 0.74 * radius, 0.0016
    outer: list[Corner] = [(0.0, 0.004), (low - 0.004, 0.004), (low, 0.0, 0.001), (radius, height, 0.001)]
    inner: list[Corner] = [(radius - wall, height, 0.001), (low - wall, 0.007), (0.0, 0.007)]
    ring = np.linspace(0, 2 * np.pi, 97)
    rim = sweep(
        np.column_stack([radius * np.cos(ring), radius * np.sin(ring), np.full(97, height)]),
        0.0028,
        cap=False,
        slot="rim",
    )
    arc = np.linspace(0.0, np.pi, 49)
    bow = np.column_stack(
        [1.0 * radius * np.cos(arc), -0.62 * radius * np.sin(arc), height - 0.012 + 0.55 * radius * np.sin(arc)]
    )
    handle = sweep(bow, 0.0022, slot="rim")
    body = turned(("base", polyline(*outer)), ("inside", polyline(*inner)), around=128)
    side = polyline((low + 0.0003, 0.004), (radius - 0.0001, height - 0.004))
    return (*body, rim, handle), (round_patch(side, step_m=step_m),)


def _post(radius: float, height: float, step_m: float) -> Carrier:
    """A bollard with a domed head."""
    dome = np.linspace(0.0, np.pi / 2, 14)
    head = np.column_stack([radius * np.cos(dome), height - 0.5 * radius + 0.5 * radius * np.sin(dome)])
    foot: list[Corner] = [(0.0, 0.0), (1.4 * radius, 0.0, 0.003), (1.4 * radius, 0.01, 0.003), (radius, 0.018, 0.004)]
    outline = np.concatenate([polyline(*foot), head])
    outline[-1, 0] = 0.0
    side = np.concatenate([[[radius, 0.019]], head[:-1]])
    return turned(("base", outline), around=128), (round_patch(side, step_m=step_m),)


# Paint


@model("coated")
def coated(
    *,
    rng: np.random.Generator,
    variant: str,
    width_m: float,
    height_m: float,
    level: float,
    curl: float = 1.0,
    thick_mm: float = 0.5,
    flake_m: float = 0.03,
    damp: float = 0.5,
) -> Mesh:
    """A carrier with a coat of paint of which the share `level` has come off; the edge of what is left curls up.

    Slots: base (and those of the carrier), coat, back of the coat. `curl`: 0 flat to 1; `flake_m`: size of the flakes;
    `damp`: how much more comes off near the ground.
    """
    seen = {"box": 2.5 + 0.75 * width_m / height_m, "bucket": 2.8, "post": 3.1}.get(variant, 1.2)
    step = float(np.clip(np.sqrt(seen * width_m * height_m / 75000.0), 0.0003, 0.0022))
    bodies, patches = carrier(variant, {"width_m": width_m, "height_m": height_m}, step)
    shift = 60.0 * rng.random()
    points = np.concatenate([patch.points.reshape(-1, 3) for patch in patches])
    areas = np.concatenate([_areas(patch).ravel() for patch in patches])
    ranks = _ranks(_loose(rng, points, flake_m, damp, shift), areas)
    sheets: list[MeshSurface] = []
    start = 0
    for patch in patches:
        count = patch.points[..., 0].size
        order = ranks[start : start + count].reshape(patch.points.shape[:2])
        start += count
        sheets += _sheet(patch, order, level, 0.001 * thick_mm, curl, flake_m, shift)
    return mesh(*bodies, *(replace(sheet, substance="dry paint") for sheet in sheets))


def _loose(rng: np.random.Generator, points: Floats, flake_m: float, damp: float, shift: float) -> Floats:
    """How early paint comes off at each point: low values first. Flakes come off as a whole, where it is damp first."""
    low, high = points.min(axis=0), points.max(axis=0)
    warped = points + 0.3 * flake_m * np.stack(
        [space_noise(points, wave_m=1.3 * flake_m, shift=shift + 9.1 * k) for k in range(3)], axis=-1
    )
    count = int(np.clip(1.6 * np.prod(np.sort(high - low)[1:]) / flake_m**2, 24, 700))
    seeds = points[rng.choice(len(points), size=count, replace=False)]
    flake = _nearest(warped, seeds)
    wave = 3.5 * flake_m

    def clouds(at: Floats) -> Floats:
        total = space_noise(at, wave_m=wave, shift=shift) + 0.5 * space_noise(at, wave_m=0.45 * wave, shift=shift + 3.0)
        return np.asarray(total, dtype=float)

    height = (points[:, 2] - low[2]) / max(float(high[2] - low[2]), 1e-6)
    own = rng.normal(size=count) * 0.22 + clouds(seeds)
    fine = 0.16 * space_noise(points, wave_m=0.35 * flake_m, shift=shift) + 0.07 * space_noise(
        points, wave_m=0.1 * flake_m, shift=shift
    )
    return np.asarray(0.62 * own[flake] + 0.38 * clouds(points) + fine + damp * height, dtype=float)


def _nearest(points: Floats, seeds: Floats) -> np.ndarray:  # type: ignore[type-arg]
    """Index of the nearest seed [N]."""
    best, index = np.full(len(points), np.inf), np.zeros(len(points), np.int64)
    for k, seed in enumerate(seeds):
        away = ((points - seed) ** 2).sum(axis=1)
        nearer = away < best
        best[nearer], index[nearer] = away[nearer], k
    return index


def _areas(patch: Patch) -> Floats:
    """Area of each grid point [U, V]."""
    u = np.linalg.norm(np.gradient(patch.points, axis=0), axis=-1)
    v = np.linalg.norm(np.gradient(patch.points, axis=1), axis=-1)
    weight = np.ones(u.shape)
    weight[[0, -1]] *= 0.5
    weight[:, [0, -1]] *= 0.5
    return np.asarray(u * v * weight, dtype=float)


def _ranks(values: Floats, areas: Floats) -> Floats:
    order = np.argsort(values, kind="stable")
    share = np.empty(len(values))
    share[order] = (np.cumsum(areas[order]) - areas[order] / 2) / areas.sum()
    return share


def _sheet(
    patch: Patch, ranks: Floats, level: float, thick_m: float, curl: float, flake_m: float, shift: float
) -> list[MeshSurface]:
    """What is left of a coat on a patch: its face, its back and its edge, curled up along the border."""
    rows, columns = ranks.shape
    left = ranks >= level
    if not left.any():
        return []
    step = patch.step_m
    if left.all():
        away = np.full(ranks.shape, 1.0)
        pull = np.zeros((*ranks.shape, 2))
    else:
        mask = np.pad(
            left.astype(np.uint8), ((12, 12) if patch.wraps else (0, 0), (0, 0)), mode="wrap" if patch.wraps else "edge"
        )
        away = cv2.distanceTransform(mask, cv2.DIST_L2, 5).astype(float) * step
        smooth = cv2.GaussianBlur(away, (0, 0), 2.5)
        pull = np.stack(np.gradient(smooth, step), axis=-1)
        if patch.wraps:
            away, pull = away[12:-12], pull[12:-12]
        pull /= np.maximum(np.linalg.norm(pull, axis=-1, keepdims=True), 0.3)
        away = np.where(left, away, 0.0)
    flat = patch.points.reshape(-1, 3)
    # How wide and how far it curls differs from place to place; some stays flat.
    strength = np.clip(0.5 + 0.9 * space_noise(flat, wave_m=1.6 * flake_m, shift=shift + 21.0), 0.0, 1.0).reshape(
        rows, columns
    )
    width = flake_m * (0.14 + 0.3 * strength)
    turn = np.maximum(curl * np.radians(15.0 + 105.0 * strength), 1e-3)
    reach = np.clip(1.0 - away / width, 0.0, 1.0)
    angle = turn * reach
    radius = width / turn
    lift = radius * (1.0 - np.cos(angle))
    back = width * reach - radius * np.sin(angle)
    along_u, along_v = (_unit_rows(np.gradient(patch.points, axis=k)) for k in range(2))
    sideways = pull[..., :1] * along_u + pull[..., 1:] * along_v
    middle = patch.points + patch.normals * (lift + 0.0002)[..., None] + sideways * back[..., None]
    tilt = np.cos(angle)[..., None] * patch.normals + np.sin(angle)[..., None] * sideways
    top = middle + thick_m * tilt
    return _clipped(top, middle, ranks, level)


def _unit_rows(vectors: Floats) -> Floats:
    return np.asarray(vectors / np.maximum(np.linalg.norm(vectors, axis=-1, keepdims=True), 1e-12), dtype=float)


def _clipped(top: Floats, bottom: Floats, values: Floats, level: float) -> list[MeshSurface]:
    """Two sheets [U, V, 3] where the value is `level` or more, cut along that line, with the edge between them."""
    rows, columns = values.shape
    index = np.arange(values.size).reshape(rows, columns)
    corners = np.stack([index[:-1, :-1], index[1:, :-1], index[1:, 1:], index[:-1, 1:]], axis=-1).reshape(-1, 4)
    faces = np.concatenate([corners[:, [0, 1, 2]], corners[:, [0, 2, 3]]])
    flat = values.ravel()
    inside = flat >= level
    count = inside[faces].sum(axis=1)
    points, below = [top.reshape(-1, 3)], [bottom.reshape(-1, 3)]
    made: dict[tuple[int, int], int] = {}
    kept, cut = [faces[count == 3]], []
    total = values.size
    new_top, new_bottom = [], []

    def crossing(a: int, b: int) -> int:
        nonlocal total
        key = (min(a, b), max(a, b))
        if key not in made:
            t = float(np.clip((level - flat[a]) / (flat[b] - flat[a]), 0.02, 0.98))
            new_top.append(points[0][a] * (1 - t) + points[0][b] * t)
            new_bottom.append(below[0][a] * (1 - t) + below[0][b] * t)
            made[key] = total
            total += 1
        return made[key]

    extra: list[tuple[int, int, int]] = []
    for face in faces[(count == 1) | (count == 2)].tolist():
        # Turned so that the first corner is left and the last is not.
        while not (inside[face[0]] and not inside[face[2]]):
            face = face[1:] + face[:1]
        a, b, c = face
        if inside[b]:
            p, q = crossing(b, c), crossing(c, a)
            extra += [(a, b, p), (a, p, q)]
        else:
            p, q = crossing(a, b), crossing(c, a)
            extra += [(a, p, q)]
        cut.append((p, q))
    triangles = np.concatenate([kept[0], np.array(extra, np.int64).reshape(-1, 3)])
    upper = np.concatenate([points[0], np.array(new_top).reshape(-1, 3)])
    lower = np.concatenate([below[0], np.array(new_bottom).reshape(-1, 3)])
    # The outer border has an edge as well.
    sides = np.concatenate([triangles[:, [0, 1]], triangles[:, [1, 2]], triangles[:, [2, 0]]])
    key = np.sort(sides, axis=1) @ np.array([len(upper), 1])
    _, first, times = np.unique(key, return_index=True, return_counts=True)
    border = sides[first[times == 1]]
    n = len(upper)
    band = np.concatenate(
        [np.column_stack([border[:, 0], border[:, 0] + n, border[:, 1]]),
         np.column_stack([border[:, 1], border[:, 0] + n, border[:, 1] + n])]
    )  # fmt: skip
    both = np.concatenate([upper, lower])
    result = []
    for slot, rows_ in (("coat", triangles), ("back", triangles[:, ::-1] + n), ("back", band)):
        used, corner = np.unique(rows_, return_inverse=True)
        result.append(MeshSurface(vertices_m=both[used], faces=corner.reshape(-1, 3), slot=slot, sharp_deg=50.0))
    return result


def area_m2(surfaces: Sequence[MeshSurface], slot: str) -> float:
    """Of all surfaces of a slot."""
    total = 0.0
    for surface in surfaces:
        if surface.slot == slot:
            total += float(vertex_areas(surface.vertices_m, np.asarray(surface.faces)).sum())
    return total
