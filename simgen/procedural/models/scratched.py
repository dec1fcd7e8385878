"""Scratches: ribbons with the section of a groove, as fine as one likes whatever the mesh below them."""

from dataclasses import replace

import numpy as np

from simgen.core.mesh import Mesh, MeshSurface
from simgen.core.vectors import Floats
from simgen.procedural.builtin.noise import space_noise
from simgen.procedural.builtin.profiles import polyline
from simgen.procedural.builtin.solids import rounded_box
from simgen.procedural.models import model
from simgen.procedural.models.forms import box, closed, mesh, turned
from simgen.procedural.models.surfaces import Carrier, Patch, bent, block, plane

STEP_M = 0.004


@model("scratched")
def scratched(
    *,
    rng: np.random.Generator,
    variant: str,
    width_m: float,
    height_m: float,
    strokes: float,
    wear: float = 0.0,
    width_mm: float = 0.7,
    bundle: float = 0.5,
    cross: float = 0.2,
    hand: float = 0.0,
) -> Mesh:
    """A plate, a box, a car's panel, a phone, a block or a lid with `strokes` scratches.

    Slots: those of the thing, `groove`, and `graze` for the shallow ones. `bundle`: share of the strokes that run side
    by side in a few swipes;
    `cross`: spread of the directions, 1 every way; `wear`: fine marks that are there anyway, as a share of the strokes.
    The strokes of fewer are the first of those of more. Another `hand` draws other strokes on the same thing.
    """
    bodies, patches = thing(variant, width_m, height_m)
    fine = np.random.default_rng(int(rng.integers(1 << 30)))
    swipes = _swipes(rng, cross)
    tool, ways = rng, swipes
    if hand:
        tool = np.random.default_rng(int(hand))
        ways = _swipes(tool, cross)
    rows = [_stroke(tool, patches, ways, bundle, width_mm) for _ in range(int(strokes))]
    rows += [_stroke(fine, patches, swipes, 0.0, 0.22 * width_mm, longest=0.35) for _ in range(int(wear))]
    ribbons = [ribbon for row in rows for ribbon in row]
    kinds = ((slot, [one for one in ribbons if one.slot == slot]) for slot in ("groove", "graze"))
    return mesh(*bodies, *(_joined(slot, alike) for slot, alike in kinds if alike))


def thing(variant: str, w: float, h: float) -> Carrier:
    """What is scratched: it stands on z = 0 and what is seen of it faces up, or up and -y."""
    if variant == "plate":
        bodies, _ = block((w, h, 0.006), np.array([0, 0, 0.003]), "top", step_m=STEP_M, edge_m=0.0015)
        return bodies, (
            plane([-w / 2 + 0.002, -h / 2 + 0.002, 0.006], [w - 0.004, 0, 0], [0, h - 0.004, 0], step_m=STEP_M),
        )
    if variant == "sheet":
        # Stands and leans back a little.
        return _leaning(w, h, 0.005)
    if variant == "box":
        low = 0.62 * h
        bodies = (
            *closed(rounded_box((w, 0.7 * w, low), 0.004, slots="base", center_m=(0, 0, low / 2))),
            *closed(
                rounded_box((1.02 * w, 0.72 * w, h - low), 0.004, slots="base", center_m=(0, 0, (h + low) / 2 + 0.001))
            ),
        )
        top = plane([-0.49 * w, -0.34 * w, h + 0.001], [0.98 * w, 0, 0], [0, 0.68 * w, 0], step_m=STEP_M)
        lid = plane([-0.49 * w, -0.36 * w, low + 0.005], [0.98 * w, 0, 0], [0, 0, h - low - 0.009], step_m=STEP_M)
        front = plane([-0.48 * w, -0.35 * w, 0.005], [0.96 * w, 0, 0], [0, 0, low - 0.009], step_m=STEP_M)
        return bodies, (top, top, front, lid)
    if variant == "panel":
        return _bonnet(w, h)
    if variant == "phone":
        thick = 0.0085
        body = _slab(w, h, thick, 0.16 * w, "base")
        glass = _slab(0.95 * w, 0.975 * h, 0.0012, 0.14 * w, "screen", base_m=thick - 0.0007)
        eye = turned(
            ("lens", polyline((0, thick), (0.0022, thick), (0.0022, thick + 0.0006), (0, thick + 0.0006))), around=24
        )
        seen = plane([-0.42 * w, -0.46 * h, thick + 0.0005], [0.84 * w, 0, 0], [0, 0.92 * h, 0], step_m=STEP_M)
        lens = [
            MeshSurface(vertices_m=e.vertices_m + np.array([0, 0.45 * h, 0]), faces=e.faces, slot="lens") for e in eye
        ]
        return (*body, *glass, *lens), (seen,)
    if variant == "block":
        bodies, _ = block((w, 0.66 * w, h), np.array([0, 0, h / 2]), "top", step_m=STEP_M, edge_m=0.003)
        top = plane([-0.48 * w, -0.31 * w, h], [0.96 * w, 0, 0], [0, 0.62 * w, 0], step_m=STEP_M)
        front = plane([-0.48 * w, -0.33 * w, 0.004], [0.96 * w, 0, 0], [0, 0, h - 0.008], step_m=STEP_M)
        return bodies, (top, top, front)
    if variant == "lid":
        radius = w / 2
        outline = polyline(
            (0.0, 0.0),
            (radius, 0.0, 0.001),
            (radius, 0.012, 0.003),
            (0.9 * radius, 0.014, 0.004),
            (0.86 * radius, 0.011, 0.003),
            (0.0, 0.011),
        )
        side = 1.18 * radius
        return turned(("base", outline), around=160, sharp_deg=30.0), (
            plane([-side / 2, -side / 2, 0.011], [side, 0, 0], [0, side, 0], step_m=STEP_M),
        )
    raise ValueError(f"nothing called {variant!r} is scratched")


def _leaning(w: float, h: float, thick: float) -> Carrier:
    """A sheet on its edge, leaning back by 14 degrees against a strut."""
    lean = np.radians(14.0)
    turn = np.array([[1, 0, 0], [0, np.cos(lean), np.sin(lean)], [0, -np.sin(lean), np.cos(lean)]])
    sheet = closed(rounded_box((w, thick, h), 0.0015, slots="base", center_m=(0, 0, h / 2)))
    up = thick / 2 * np.sin(lean)
    bodies = [
        MeshSurface(vertices_m=s.vertices_m @ turn.T + [0, 0, up], faces=s.faces, slot=s.slot, sharp_deg=s.sharp_deg)
        for s in sheet
    ]
    foot = 0.62 * h * np.sin(lean) + 0.012
    strut = box((0.25 * w, 0.018, 0.6 * h), center_m=(0, foot + 0.012, 0.3 * h), slot="strut")
    strut = replace(strut, substance="wood")
    corner = np.array([-w / 2 + 0.003, -thick / 2, 0.003])
    front = plane(
        corner @ turn.T + [0, 0, up], np.array([w - 0.006, 0, 0]), np.array([0, 0, h - 0.006]) @ turn.T, step_m=STEP_M
    )
    return (*bodies, strut), (front,)


def _slab(
    w: float, h: float, thick: float, corner: float, slot: str, *, base_m: float = 0.0
) -> tuple[MeshSurface, ...]:
    """A slab with round corners seen from above and rounded edges."""
    angle = np.linspace(0.0, np.pi / 2, 10)
    quarter = np.column_stack([np.cos(angle), np.sin(angle)]) * corner
    edge = min(0.0022, 0.45 * thick)
    section = [
        (0.0, edge),
        *((edge - edge * np.cos(a), edge - edge * np.sin(a)) for a in np.linspace(0.3, np.pi / 2, 5)),
    ]
    rings = []
    levels = [(inset, level) for inset, level in section]
    profile = [(inset, level) for inset, level in reversed(levels)] + [
        (inset, thick - level) for inset, level in levels
    ]
    for inset, level in profile:
        outline = []
        for sx, sy, k in ((1, 1, 0), (-1, 1, 1), (-1, -1, 2), (1, -1, 3)):
            c, s = np.cos(k * np.pi / 2), np.sin(k * np.pi / 2)
            arc = quarter * (1 - inset / corner) @ np.array([[c, s], [-s, c]])
            outline.append(arc + np.array([sx * (w / 2 - corner), sy * (h / 2 - corner)]))
        flat = np.concatenate(outline)
        rings.append(np.column_stack([flat, np.full(len(flat), base_m + level)]))
    points = np.array(rings)
    count, around = points.shape[:2]
    index = np.arange(count * around).reshape(count, around)
    beside = np.roll(index, -1, axis=1)
    quads = np.stack([index[:-1], beside[:-1], beside[1:], index[1:]], axis=-1).reshape(-1, 4)
    faces = np.concatenate([quads[:, [0, 1, 2]], quads[:, [0, 2, 3]]])
    ends = np.array([[0.0, 0.0, points[0, 0, 2]], [0.0, 0.0, points[-1, 0, 2]]])
    low, high = count * around, count * around + 1
    caps = np.concatenate(
        [
            np.column_stack([beside[0], index[0], np.full(around, low)]),
            np.column_stack([index[-1], beside[-1], np.full(around, high)]),
        ]
    )
    return (
        MeshSurface(
            vertices_m=np.concatenate([points.reshape(-1, 3), ends]),
            faces=np.concatenate([faces, caps]),
            slot=slot,
            sharp_deg=35.0,
        ),
    )


def _bonnet(w: float, h: float) -> Carrier:
    """A piece of a car's bodywork: it bulges, has a crease along it and a folded edge, and stands on its lower edge."""
    u, v = np.meshgrid(np.linspace(-1, 1, 81), np.linspace(0, 1, 61), indexing="ij")
    bulge = 0.13 * h * (1 - 0.55 * u**2) * np.sin(np.pi * (0.12 + 0.8 * v)) ** 1.2
    crease = 0.028 * h * np.exp(-(((v - 0.66 + 0.03 * u) / 0.035) ** 2)) - 0.022 * h * np.tanh(
        (v - 0.66 + 0.03 * u) / 0.03
    )
    points = np.stack([0.5 * w * u, -(bulge + crease) - 0.02, h * v * np.ones_like(u)], axis=-1)
    points[..., 1] += 0.10 * h * v
    front = bent(points)
    thick = 0.0035
    behind = points - front.normals * thick
    outer = np.concatenate([points.reshape(-1, 3), behind.reshape(-1, 3)])
    index = np.arange(u.size).reshape(u.shape)
    quads = np.stack([index[:-1, :-1], index[1:, :-1], index[1:, 1:], index[:-1, 1:]], axis=-1).reshape(-1, 4)
    rim = np.concatenate([index[:-1, 0], index[-1, :-1], index[:0:-1, -1], index[0, :0:-1]])
    after, n = np.roll(rim, -1), u.size
    edge = np.column_stack([after, rim, rim + n, after + n])
    body = MeshSurface(
        vertices_m=outer, faces=np.concatenate([quads, quads[:, ::-1] + n, edge]), slot="base", sharp_deg=50.0
    )
    feet = [box((0.02, 0.09, 0.03), center_m=(x, 0.0, 0.015), slot="strut") for x in (-0.3 * w, 0.3 * w)]
    feet = [replace(foot, substance="rubber") for foot in feet]
    low = float(outer[:, 2].min())
    return (MeshSurface(vertices_m=outer - [0, 0, low], faces=body.faces, slot="base", sharp_deg=50.0), *feet), (
        Patch(points=(points - [0, 0, low])[2:-2, 2:-2], normals=front.normals[2:-2, 2:-2]),
    )


# Strokes


def _swipes(rng: np.random.Generator, cross: float) -> list[tuple[Floats, float, float, float]]:
    """Places, directions, spreads and lengths (in sizes of the patch) of a few swipes."""
    main = rng.uniform(0.0, np.pi)
    result = []
    for _ in range(int(rng.integers(2, 5))):
        angle = main + cross * rng.normal() * 0.9
        result.append((rng.uniform(0.2, 0.8, size=2), angle, rng.uniform(0.03, 0.1), rng.uniform(0.25, 0.6)))
    return result


def _stroke(
    rng: np.random.Generator,
    patches: tuple[Patch, ...],
    swipes: list[tuple[Floats, float, float, float]],
    bundle: float,
    width_mm: float,
    longest: float = 0.9,
) -> list[MeshSurface]:
    """One stroke, in as many stretches as the tool touched down."""
    patch = patches[int(rng.integers(len(patches)))]
    size = np.array(patch.size_m)
    extent = float(np.sqrt(size.prod()))
    place, angle, spread, reach = swipes[int(rng.integers(len(swipes)))]
    in_bundle = rng.random() < bundle
    if in_bundle:
        start = place * size + rng.normal(size=2) * spread * extent * np.array([1.0, 1.0])
        angle, length = angle + 0.07 * rng.normal(), reach * extent * rng.uniform(0.45, 1.1)
    else:
        start, length = rng.uniform(0.04, 0.96, size=2) * size, extent * longest * rng.beta(1.1, 3.4)
        angle = angle + 0.5 * rng.normal() if rng.random() < 0.6 else rng.uniform(0, np.pi)
    length = max(length, 0.02 * extent)
    count = max(6, int(length / 0.0025))
    along = np.linspace(-0.5, 0.5, count)
    bend = rng.normal() * (0.12 if in_bundle else 0.35)
    heading = (
        angle
        + bend * along * 2
        + 0.05 * rng.normal() * np.sin(2 * np.pi * (along * rng.uniform(0.5, 2.5) + rng.random()))
    )
    steps = np.column_stack([np.cos(heading), np.sin(heading)]) * length / (count - 1)
    path = start + np.cumsum(steps, axis=0) - steps.sum(axis=0) / 2
    # The tool bears down harder here than there, and skips where it hardly touches.
    taper = np.clip(np.minimum(along + 0.5, 0.5 - along) / rng.uniform(0.05, 0.3), 0.0, 1.0) ** 0.7
    press = space_noise(
        np.column_stack([along * length, np.full(count, 7.0 * rng.random()), np.zeros(count)]), wave_m=0.035
    )
    force = taper * np.clip(0.85 + 0.9 * press + (0.1 if in_bundle else 0.0), 0.0, 1.4)
    times = float(np.clip(0.6 * np.exp(0.6 * rng.normal()), 0.25, 1.9))
    widest, slot = 0.001 * width_mm * times, "groove" if times > 0.62 else "graze"
    half = 0.5 * widest * force
    on = (half > 0.07 * widest) & (path > 0.0).all(axis=1) & (path < size).all(axis=1)
    return [_ribbon(patch, path[run] / size, half[run], slot) for run in _runs(on) if len(run) >= 4]


def _runs(on: np.ndarray) -> list[np.ndarray]:  # type: ignore[type-arg]
    """Indices of each unbroken stretch."""
    where = np.flatnonzero(on)
    return np.split(where, np.flatnonzero(np.diff(where) > 1) + 1) if len(where) else []


def _ribbon(patch: Patch, uv: Floats, half_m: Floats, slot: str) -> MeshSurface:
    """A groove seen from above: its two flanks face each other, a burr stands on either side."""
    points, normals = patch.at(uv)
    ahead = np.gradient(points, axis=0)
    ahead /= np.maximum(np.linalg.norm(ahead, axis=1, keepdims=True), 1e-12)
    side = np.cross(normals, ahead)
    lift = np.minimum(0.16 * half_m, 0.00006)[:, None] + 0.00003
    half = half_m.copy()
    half[[0, -1]] *= 0.05
    rows = [
        points - side * half[:, None] + normals * 0.00001,
        points - side * 0.72 * half[:, None] + normals * lift,
        points + normals * 0.00002,
        points + side * 0.72 * half[:, None] + normals * lift,
        points + side * half[:, None] + normals * 0.00001,
    ]
    grid = np.stack(rows, axis=1)
    count = len(points)
    index = np.arange(5 * count).reshape(count, 5)
    quads = np.stack([index[:-1, :-1], index[1:, :-1], index[1:, 1:], index[:-1, 1:]], axis=-1).reshape(-1, 4)
    return MeshSurface(vertices_m=grid.reshape(-1, 3), faces=quads, slot=slot, sharp_deg=180.0)


def _joined(slot: str, ribbons: list[MeshSurface]) -> MeshSurface:
    offsets = np.cumsum([0] + [len(r.vertices_m) for r in ribbons])
    return MeshSurface(
        vertices_m=np.concatenate([r.vertices_m for r in ribbons]),
        faces=np.concatenate([np.asarray(r.faces) + offset for r, offset in zip(ribbons, offsets, strict=False)]),
        slot=slot,
        sharp_deg=180.0,
        solid_m3=0.0,
    )


def groove_m2(thing_mesh: Mesh) -> float:
    """Area of all scratches as seen from above."""
    total = 0.0
    for surface in thing_mesh.surfaces:
        if surface.slot in ("groove", "graze"):
            p = surface.vertices_m[np.asarray(surface.faces)]
            total += float(np.linalg.norm(np.cross(p[:, 2] - p[:, 0], p[:, 3] - p[:, 1]), axis=1).sum() / 2)
    return total
