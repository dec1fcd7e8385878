"""Things of iron, bronze, stone and weathered wood, fine enough that a field over them shows its spots.

They stand or lie on z = 0. Slots: `body`; `wood` for handles.
"""

import numpy as np

from simgen.core.geometry import vertex_areas
from simgen.core.mesh import Mesh, MeshSurface
from simgen.core.vectors import Floats
from simgen.procedural.builtin.profiles import polyline, smooth
from simgen.procedural.builtin.solids import rounded_box
from simgen.procedural.models import model
from simgen.procedural.models.forms import ball, closed, mesh, moved, sweep, turned
from simgen.solvers.fracture import extrusion

MOST = 60_000
"""Vertices of a mesh at most: beyond that a field shows nothing more."""


@model("ironware")
def ironware(*, rng: np.random.Generator, variant: str, size_m: float) -> Mesh:
    """`variant` is one of `VARIANTS`; `size_m` its largest extent, about."""
    surfaces = VARIANTS[variant](rng)
    points = np.concatenate([s.vertices_m for s in surfaces])
    low, high = points.min(axis=0), points.max(axis=0)
    scale = size_m / float((high - low).max())
    at = np.array([(low[0] + high[0]) / 2, (low[1] + high[1]) / 2, low[2]])
    placed = [moved(s, scale=scale, by=-scale * at) for s in surfaces]
    area = sum(float(vertex_areas(s.vertices_m, _triangles(s)).sum()) for s in placed)
    fine = max(size_m / 90.0, float(np.sqrt(area / 9000.0)))
    return mesh(*(finer(s, fine) for s in placed))


def _triangles(surface: MeshSurface) -> np.ndarray:  # type: ignore[type-arg]
    faces = np.asarray(surface.faces)
    return faces if faces.shape[1] == 3 else np.concatenate([faces[:, [0, 1, 2]], faces[:, [0, 2, 3]]])


def finer(surface: MeshSurface, edge_m: float) -> MeshSurface:
    """The same surface with triangles whose edges are no longer than that: long edges are halved, again and again."""
    points, faces = surface.vertices_m, _triangles(surface)
    for _ in range(9):
        sides = np.stack([faces, np.roll(faces, -1, axis=1)], axis=-1)
        length = np.linalg.norm(points[sides[..., 0]] - points[sides[..., 1]], axis=-1)
        if not (length > edge_m).any() or len(points) > MOST:
            break
        keys = np.sort(sides.reshape(-1, 2), axis=1)
        edges, which = np.unique(keys, axis=0, return_inverse=True)
        long = np.linalg.norm(points[edges[:, 0]] - points[edges[:, 1]], axis=1) > edge_m
        number = np.full(len(edges), -1)
        number[long] = len(points) + np.arange(int(long.sum()))
        points = np.concatenate([points, points[edges[long]].mean(axis=1)])
        middle = number[which.reshape(-1)].reshape(-1, 3)
        faces = _split(faces, middle)
    return MeshSurface(vertices_m=points, faces=faces, slot=surface.slot, sharp_deg=surface.sharp_deg)


def _split(faces: np.ndarray, middle: np.ndarray) -> np.ndarray:  # type: ignore[type-arg]
    """Triangles with some of their edges halved; `middle` [M, 3] is the new corner on edge k to k + 1, or -1."""
    count = (middle >= 0).sum(axis=1)
    result = [faces[count == 0]]
    a, b, c = (faces[count == 3][:, k] for k in range(3))
    p, q, r = (middle[count == 3][:, k] for k in range(3))
    result += [np.column_stack(row) for row in ((a, p, r), (p, b, q), (r, q, c), (p, q, r))]
    for k in range(3):
        one = (count == 1) & (middle[:, k] >= 0)
        f, m = np.roll(faces[one], -k, axis=1), middle[one, k]
        result += [np.column_stack([f[:, 0], m, f[:, 2]]), np.column_stack([m, f[:, 1], f[:, 2]])]
        two = (count == 2) & (middle[:, k] < 0)
        # Turned so that edges 0-1 and 1-2 are the halved ones.
        f, m = np.roll(faces[two], -(k + 1), axis=1), np.roll(middle[two], -(k + 1), axis=1)
        x, y = m[:, 0], m[:, 1]
        result += [
            np.column_stack([x, f[:, 1], y]),
            np.column_stack([f[:, 0], x, y]),
            np.column_stack([f[:, 0], y, f[:, 2]]),
        ]
    return np.concatenate(result)


def extruded(
    outline: Floats, thick: float, *, holes: tuple[Floats, ...] = (), bevel: float = 0.0, slot: str = "body"
) -> MeshSurface:
    """A flat shape [N, 2] made thick along z, with holes and bevelled edges."""
    points, faces = extrusion([outline, *holes], thick, bevel)
    return MeshSurface(vertices_m=points, faces=faces, slot=slot, sharp_deg=35.0)


def circle(radius: float, at: tuple[float, float] = (0.0, 0.0), *, num: int = 48, phase: float = 0.0) -> Floats:
    angle = np.linspace(0.0, 2 * np.pi, num, endpoint=False) + phase
    return np.column_stack([radius * np.cos(angle) + at[0], radius * np.sin(angle) + at[1]])


def lying(
    surface: MeshSurface, *, yaw: float = 0.0, by: tuple[float, float, float] = (0, 0, 0), tip: float = 0.0
) -> MeshSurface:
    """Turned about x by `tip`, then about z by `yaw`, then shifted."""
    c, s, ct, st = np.cos(yaw), np.sin(yaw), np.cos(tip), np.sin(tip)
    turn = np.array([[c, -s, 0], [s, c, 0], [0, 0, 1]]) @ np.array([[1, 0, 0], [0, ct, -st], [0, st, ct]])
    return moved(surface, rotation=turn, by=by)


def _key(rng: np.random.Generator) -> list[MeshSurface]:
    """An old key: a bow of three rings or one, a shank with collars, a bit with wards."""
    surfaces = []
    ring = np.linspace(0.0, 2 * np.pi, 65)
    if rng.random() < 0.5:
        for angle in (np.pi / 2, np.pi, 1.5 * np.pi):
            at = 1.05 * np.array([np.cos(angle), np.sin(angle)])
            path = np.column_stack([at[0] + 0.85 * np.cos(ring), at[1] + 0.85 * np.sin(ring), np.zeros(65)])
            surfaces.append(sweep(path, 0.24, around=18, cap=False, slot="body"))
        start = 0.3
    else:
        path = np.column_stack([-1.2 + 1.55 * np.cos(ring), 1.15 * np.sin(ring), np.zeros(65)])
        surfaces.append(sweep(path, 0.27, around=18, cap=False, slot="body"))
        start = 0.2
    length = rng.uniform(5.6, 7.0)
    shank = turned(
        (
            "body",
            polyline(
                (0, start),
                (0.3, start),
                (0.3, start + 0.3),
                (0.52, start + 0.4, 0.05),
                (0.52, start + 0.7, 0.05),
                (0.34, start + 0.8),
                (0.34, start + 1.0),
                (0.46, start + 1.06, 0.03),
                (0.46, start + 1.25, 0.03),
                (0.31, start + 1.3),
                (0.31, length, 0.06),
                (0, length),
            ),
        ),
        around=32,
    )
    surfaces += [moved(s, rotation=np.array([[0, 0, 1.0], [0, 1, 0], [-1, 0, 0]])) for s in shank]
    x = length - 1.75
    bit = np.array(
        [
            [x, 0],
            [x + 1.4, 0],
            [x + 1.4, 1.5],
            [x + 1.05, 1.5],
            [x + 1.05, 1.05],
            [x + 0.82, 1.05],
            [x + 0.82, 1.5],
            [x + 0.45, 1.5],
            [x + 0.45, 0.75],
            [x + 0.25, 0.75],
            [x + 0.25, 1.5],
            [x, 1.5],
        ]
    )
    surfaces.append(moved(extruded(bit, 0.26, bevel=0.03), by=(0, 0, -0.13)))
    return surfaces


def _chain(rng: np.random.Generator) -> list[MeshSurface]:
    """Links that lie in an arc, each turned by a quarter against the one before it."""
    surfaces, count = [], int(rng.integers(5, 8))
    bend, place, heading = rng.choice((-1.0, 1.0)) * rng.uniform(0.25, 0.5), np.zeros(2), 0.0
    turn = np.linspace(0.0, 2 * np.pi, 65)
    link = np.column_stack([np.sign(np.cos(turn)) * 0.62 + 0.62 * np.cos(turn), 0.62 * np.sin(turn), np.zeros(65)])
    link[[16, 48], 0] = 0.0
    for k in range(count):
        tip = 0.42 if k % 2 == 0 else -0.95
        one = lying(sweep(link, 0.24, around=18, cap=False, slot="body"), tip=tip)
        lift = 0.24 + 0.62 * abs(np.sin(tip))
        surfaces.append(lying(one, yaw=heading, by=(place[0], place[1], lift)))
        heading += bend
        place = place + 1.72 * np.array([np.cos(heading - bend / 2), np.sin(heading - bend / 2)])
    return surfaces


def _pipe(rng: np.random.Generator) -> list[MeshSurface]:
    """A bent pipe with flanges."""
    bend = np.linspace(0.0, np.pi / 2, 17)
    path = np.concatenate(
        [
            np.column_stack([np.linspace(-4.0, -1.6, 9), np.zeros(9), np.full(9, 1.5)]),
            np.column_stack([-1.5 + 1.6 * np.sin(bend), np.zeros(17), 1.5 + 1.6 - 1.6 * np.cos(bend)]),
            np.column_stack([np.full(8, 0.1), np.zeros(8), np.linspace(3.3, 5.0, 8)]),
        ]
    )
    tube = sweep(path, 0.85, around=48, slot="body")
    bore = circle(0.55, num=48)
    flange = extruded(
        circle(1.5, num=72),
        0.42,
        bevel=0.05,
        holes=(bore, *(circle(0.17, (1.2 * np.cos(a), 1.2 * np.sin(a)), num=20) for a in np.arange(6) * np.pi / 3)),
    )
    upright = moved(flange, by=(0.1, 0, 4.75))
    side = moved(flange, rotation=np.array([[0, 0, 1.0], [0, 1, 0], [-1, 0, 0]]), by=(-4.2, 0, 1.5))
    sleeve = moved(
        sweep(np.column_stack([np.linspace(-2.4, -1.7, 5), np.zeros(5), np.full(5, 1.5)]), 1.0, around=48, slot="body")
    )
    return [tube, upright, side, sleeve]


def _bucket(rng: np.random.Generator) -> list[MeshSurface]:
    low, wall = 0.72, 0.02
    outer = polyline(
        (0, 0.04),
        (low - 0.03, 0.04),
        (low, 0, 0.01),
        (0.86, 0.85),
        (0.875, 0.86, 0.01),
        (0.875, 0.92, 0.01),
        (0.87, 0.93),
        (1.0, 1.7),
    )
    inner = polyline((1.0 - wall, 1.7), (low - wall, 0.07), (0, 0.07))
    ring = np.linspace(0, 2 * np.pi, 97)
    rim = sweep(np.column_stack([np.cos(ring), np.sin(ring), np.full(97, 1.7)]), 0.035, cap=False, slot="body")
    arc = np.linspace(0.0, np.pi, 49)
    side = rng.choice((-1.0, 1.0))
    bow = np.column_stack([1.02 * np.cos(arc), side * 0.75 * np.sin(arc), 1.58 + 0.66 * np.sin(arc)])
    ears = [ball((0.09, 0.09, 0.09), center_m=(x, 0, 1.58), slot="body", rings=16) for x in (-1.02, 1.02)]
    return [*turned(("body", np.concatenate([outer, inner])), around=128), rim, sweep(bow, 0.028, slot="body"), *ears]


def _can(rng: np.random.Generator) -> list[MeshSurface]:
    """A watering can: body, spout with a rose, handle over the top and behind."""
    body = turned(
        (
            "body",
            polyline(
                (0, 0),
                (1.0, 0, 0.03),
                (1.0, 0.08, 0.01),
                (0.97, 0.1),
                (0.97, 1.5),
                (1.0, 1.52),
                (1.0, 1.6, 0.02),
                (0.82, 1.75, 0.04),
                (0.62, 1.78),
                (0.6, 1.74),
                (0.8, 1.7),
                (0.94, 1.55),
                (0.94, 0.1),
                (0, 0.08),
            ),
        ),
        around=112,
    )
    curve = smooth((0.9, 0.35), (1.5, 0.75), (2.15, 1.6), (2.5, 1.95), num=40)
    path = np.column_stack([curve[:, 0], np.zeros(40), curve[:, 1]])
    spout = sweep(path, np.linspace(0.24, 0.13, 40), around=28, slot="body")
    ahead = (path[-1] - path[-3]) / np.linalg.norm(path[-1] - path[-3])
    rose = sweep(
        np.array([path[-1] - 0.1 * ahead, path[-1] + 0.12 * ahead, path[-1] + 0.34 * ahead, path[-1] + 0.4 * ahead]),
        np.array([0.13, 0.2, 0.42, 0.4]),
        around=36,
        slot="body",
    )
    behind = smooth((-0.96, 0.35), (-1.55, 0.75), (-1.5, 1.55), (-0.75, 2.2), (0.25, 2.15), (0.72, 1.74), num=60)
    handle = sweep(np.column_stack([behind[:, 0], np.zeros(60), behind[:, 1]]), 0.07, around=16, slot="body")
    return [*body, spout, rose, handle]


def _gear(rng: np.random.Generator) -> list[MeshSurface]:
    """Gears leaning on each other would be a machine: one, flat, with a hub and holes."""
    teeth = int(rng.integers(14, 24))
    outline = []
    for k in range(teeth):
        for share, radius in ((-0.32, 1.0), (-0.17, 1.22), (0.17, 1.22), (0.32, 1.0)):
            angle = (k + share) * 2 * np.pi / teeth
            outline.append((radius * np.cos(angle), radius * np.sin(angle)))
    holes = tuple(circle(0.19, (0.62 * np.cos(a), 0.62 * np.sin(a)), num=36) for a in np.arange(5) * 2 * np.pi / 5)
    wheel = extruded(np.array(outline), 0.34, bevel=0.03, holes=(circle(0.2), *holes))
    hub = extruded(circle(0.36), 0.62, bevel=0.03, holes=(circle(0.2),))
    small = int(0.6 * teeth)
    pinion = []
    for k in range(small):
        for share, radius in ((-0.32, 0.5), (-0.17, 0.68), (0.17, 0.68), (0.32, 0.5)):
            angle = (k + share) * 2 * np.pi / small
            pinion.append((radius * np.cos(angle), radius * np.sin(angle)))
    other = extruded(np.array(pinion), 0.5, bevel=0.03, holes=(circle(0.22),))
    away = rng.uniform(-0.7, 0.7)
    return [wheel, hub, moved(other, by=(2.05 * np.cos(away), 2.05 * np.sin(away), 0.0))]


def _nut(rng: np.random.Generator) -> list[MeshSurface]:
    """A bolt that lies, and a nut beside it."""
    six = circle(1.0, num=6)
    nut = extruded(six, 0.8, bevel=0.08, holes=(circle(0.52),))
    head = extruded(six, 0.66, bevel=0.08)
    length = rng.uniform(3.2, 4.6)
    z = np.linspace(0.6, length, int(90 * length))
    radius = 0.5 + 0.035 * np.sin(2 * np.pi * z / 0.16)
    radius = np.where(z < 0.4 * length, 0.5, radius)
    rod = turned(
        (
            "body",
            np.concatenate([[[0.0, 0.6]], np.column_stack([radius, z]), [[0.42, length + 0.06], [0.0, length + 0.06]]]),
        ),
        around=48,
    )
    lay = np.array([[0, 0, 1.0], [0, 1, 0], [-1, 0, 0]])
    bolt = [moved(s, rotation=lay, by=(-2.0, 0, 0.866)) for s in (moved(head), *rod)]
    lie = [
        MeshSurface(vertices_m=s.vertices_m @ _about_x(np.pi / 6).T, faces=s.faces, slot=s.slot, sharp_deg=35.0)
        for s in (MeshSurface(vertices_m=b.vertices_m - [0, 0, 0.866], faces=b.faces, slot=b.slot) for b in bolt)
    ]
    lie = [moved(s, by=(0, 0, 0.866)) for s in lie]
    return [*lie, lying(nut, yaw=rng.uniform(0, 1), by=(rng.uniform(0.4, 1.4), -1.9, 0.0))]


def _about_x(angle: float) -> Floats:
    c, s = np.cos(angle), np.sin(angle)
    return np.array([[1, 0, 0], [0, c, -s], [0, s, c]])


def _horseshoe(rng: np.random.Generator) -> list[MeshSurface]:
    angle = np.radians(np.linspace(-62.0, 242.0, 60))
    widths = 0.2 + 0.07 * np.sin(np.linspace(0, np.pi, 60))
    spine = np.column_stack([0.92 * np.cos(angle), 1.12 * np.sin(angle)])
    out = spine / np.linalg.norm(spine, axis=1, keepdims=True)
    outline = np.concatenate([spine + out * widths[:, None], (spine - out * widths[:, None])[::-1]])
    nails = tuple(circle(0.05, tuple(spine[k]), num=14) for k in (9, 15, 21, 38, 44, 50))
    return [extruded(outline, 0.2, bevel=0.03, holes=nails)]


def _padlock(rng: np.random.Generator) -> list[MeshSurface]:
    """Stands upright."""
    body = closed(rounded_box((1.5, 0.6, 1.3), 0.16, slots="body", center_m=(0, 0, 0.65), num_arc=5))
    arc = np.linspace(0.0, np.pi, 33)
    bow = np.concatenate(
        [
            [[0.48, 0, 1.1]],
            np.column_stack([0.48 * np.cos(arc), np.zeros(33), 1.65 + 0.48 * np.sin(arc)]),
            [[-0.48, 0, 1.1]],
        ]
    )
    shackle = sweep(bow, 0.13, around=24, slot="body")
    flat = np.array([[1, 0, 0], [0, 0, -1.0], [0, 1, 0]])
    hole = np.concatenate([circle(0.085, (0.0, 0.1), num=28, phase=-1.1)[:24], [[-0.06, -0.16], [0.06, -0.16]]])
    plate = moved(extruded(circle(0.3, num=48), 0.05, bevel=0.012, holes=(hole,)), rotation=flat, by=(0, -0.29, 0.6))
    rivets = [
        ball((0.06, 0.04, 0.06), center_m=(x, -0.3, z), slot="body", rings=16)
        for x in (-0.55, 0.55)
        for z in (0.2, 1.1)
    ]
    return [*body, shackle, plate, *rivets]


def _anvil(rng: np.random.Generator) -> list[MeshSurface]:
    foot = closed(rounded_box((2.0, 1.1, 0.4), 0.08, slots="body", center_m=(0, 0, 0.2)))
    waist = closed(rounded_box((1.1, 0.62, 0.8), 0.16, slots="body", center_m=(0, 0, 0.72), num_arc=5))
    face = closed(rounded_box((2.1, 0.66, 0.5), 0.05, slots="body", center_m=(0.15, 0, 1.3)))
    along = np.linspace(-0.75, -2.1, 24)
    share = np.linspace(0, 1, 24)
    horn = sweep(
        np.column_stack([along, np.zeros(24), 1.24 + 0.12 * share]),
        0.31 * np.sqrt(np.clip(1 - share**1.6, 0.004, 1)),
        around=36,
        slot="body",
    )
    return [*foot, *waist, *face, horn]


def _pan(rng: np.random.Generator) -> list[MeshSurface]:
    outline = polyline((0, 0), (0.86, 0, 0.04), (1.08, 0.34, 0.03), (1.03, 0.36, 0.03), (0.82, 0.07, 0.05), (0, 0.06))
    grip = np.column_stack([np.linspace(1.0, 2.35, 20), np.zeros(20), 0.3 + 0.09 * np.linspace(0, 1, 20) ** 0.7])
    width = np.interp(np.linspace(0, 1, 20), [0, 0.15, 0.7, 1.0], [0.13, 0.09, 0.11, 0.12])
    return [*turned(("body", outline), around=128), sweep(grip, width, around=20, slot="body")]


def _bell(rng: np.random.Generator) -> list[MeshSurface]:
    outer = smooth((0.98, 0.0), (0.9, 0.14), (0.68, 0.5), (0.55, 0.95), (0.46, 1.22), (0.22, 1.42), (0.0, 1.46), num=60)
    inner = outer[::-1].copy()
    inner[:, 0] = np.maximum(inner[:, 0] - 0.07, 0.0)
    inner[:, 1] = np.maximum(inner[:, 1] - 0.07, 0.0)
    body = turned(("body", np.concatenate([inner, outer])), around=128)
    if sum(np.linalg.det(s.vertices_m[np.asarray(s.faces)]).sum() for s in body) < 0:
        body = turned(("body", np.concatenate([outer[::-1], inner[::-1]])), around=128)
    arc = np.linspace(-0.3, np.pi + 0.3, 33)
    loop = sweep(
        np.column_stack([0.2 * np.cos(arc), np.zeros(33), 1.58 + 0.2 * np.sin(arc)]), 0.06, around=18, slot="body"
    )
    bands = [
        sweep(
            np.column_stack([circle(r, num=96)[[*range(96), 0]], np.full(97, z)]),
            0.022,
            cap=False,
            around=12,
            slot="body",
        )
        for r, z in ((0.905, 0.17), (0.875, 0.2), (0.565, 0.96))
    ]
    return [*body, loop, *bands]


def _urn(rng: np.random.Generator) -> list[MeshSurface]:
    """A cup on a foot, as in a garden."""
    outline = np.concatenate(
        [
            polyline(
                (0, 0),
                (0.62, 0, 0.02),
                (0.62, 0.14, 0.03),
                (0.5, 0.2, 0.04),
                (0.24, 0.32, 0.1),
                (0.2, 0.5, 0.06),
                (0.3, 0.56, 0.02),
            ),
            smooth((0.34, 0.6), (0.72, 0.78), (0.86, 1.1), (0.78, 1.38), (0.86, 1.5), num=40),
            polyline(
                (0.9, 1.52), (1.02, 1.54, 0.03), (1.02, 1.64, 0.03), (0.9, 1.66), (0.76, 1.5), (0.7, 1.1), (0.0, 0.9)
            ),
        ]
    )
    flutes = turned(("body", outline), around=160)
    points = flutes[0].vertices_m.copy()
    angle = np.arctan2(points[:, 1], points[:, 0])
    belly = np.exp(-(((points[:, 2] - 0.92) / 0.22) ** 2)) * (np.hypot(points[:, 0], points[:, 1]) > 0.6)
    radial = np.column_stack([np.cos(angle), np.sin(angle), np.zeros(len(angle))])
    points += radial * (0.045 * belly * np.abs(np.sin(8 * angle)))[:, None]
    handles = []
    for side in (-1.0, 1.0):
        curve = smooth((0.78, 1.42), (1.14, 1.4), (1.22, 1.12), (0.98, 0.92), (0.84, 0.96), num=40)
        handles.append(
            sweep(np.column_stack([side * curve[:, 0], np.zeros(40), curve[:, 1]]), 0.055, around=16, slot="body")
        )
    return [MeshSurface(vertices_m=points, faces=flutes[0].faces, slot="body"), *handles]


def _bust(rng: np.random.Generator) -> list[MeshSurface]:
    """A resting cat, blocky as a garden figure: body, head, ears, tail, plinth."""
    base = closed(rounded_box((2.3, 1.4, 0.25), 0.05, slots="body", center_m=(0, 0, 0.125)))
    parts = [
        ball((0.78, 0.5, 0.52), center_m=(0.1, 0, 0.68), slot="body", rings=48),
        ball((0.5, 0.48, 0.5), center_m=(0.62, 0, 0.6), slot="body", rings=48),
        ball((0.34, 0.33, 0.32), center_m=(-0.66, -0.06, 1.05), slot="body", rings=40),
        ball((0.38, 0.36, 0.45), center_m=(-0.48, 0, 0.68), slot="body", rings=40),
        ball((0.14, 0.16, 0.11), center_m=(-0.95, -0.06, 0.97), slot="body", rings=24),
        ball((0.3, 0.12, 0.1), center_m=(-0.78, -0.26, 0.34), slot="body", rings=24),
        ball((0.3, 0.12, 0.1), center_m=(-0.78, 0.2, 0.34), slot="body", rings=24),
    ]
    for y in (-0.24, 0.12):
        ear = turned(("body", polyline((0, 0), (0.12, 0, 0.02), (0.02, 0.24, 0.01), (0, 0.25))), around=24)
        parts += [moved(s, by=(-0.62, y, 1.26)) for s in ear]
    curve = np.linspace(0.0, 2.3, 40)
    tail = np.column_stack([0.35 + 0.78 * np.cos(curve - 0.3), -0.05 - 0.62 * np.sin(curve), np.full(40, 0.36)])
    parts.append(sweep(tail, np.linspace(0.14, 0.09, 40), around=18, slot="body"))
    return [*base, *parts]


def _board(
    size: tuple[float, float, float], radius: float, at: tuple[float, float, float] = (0.0, 0.0, 0.0)
) -> MeshSurface:
    return closed(rounded_box(size, radius, slots="body", center_m=at, num_arc=1))[0]


def _bench(rng: np.random.Generator) -> list[MeshSurface]:
    """A garden bench of planks."""
    planks = [_board((2.6, 0.24, 0.09), 0.02, (0, y, 0.95)) for y in (-0.42, -0.14, 0.14, 0.42)]
    back = [_board((2.6, 0.07, 0.24), 0.02, (0, 0.62 + 0.05 * k, 1.35 + 0.33 * k)) for k in range(3)]
    posts = [
        _board((0.14, 0.14, h), 0.02, (x, y, h / 2)) for x in (-1.12, 1.12) for y, h in ((-0.45, 0.9), (0.56, 0.95))
    ]
    arms = [lying(_board((0.12, 0.09, 1.35), 0.02), tip=-0.15, by=(x, 0.66, 1.45)) for x in (-1.12, 1.12)]
    rails = [_board((2.1, 0.09, 0.16), 0.02, (0, y, 0.82)) for y in (-0.45, 0.5)]
    return [*planks, *back, *posts, *arms, *rails]


def _crate(rng: np.random.Generator) -> list[MeshSurface]:
    made = []
    for k in range(3):
        z = 0.2 + 0.42 * k
        for y in (-0.62, 0.62):
            made.append(_board((1.9, 0.06, 0.34), 0.012, (0, y, z)))
        for x in (-0.98, 0.98):
            made.append(_board((0.06, 1.18, 0.34), 0.012, (x, 0, z)))
    made += [_board((0.12, 0.12, 1.3), 0.015, (x, y, 0.66)) for x in (-0.89, 0.89) for y in (-0.53, 0.53)]
    made += [_board((1.84, 0.27, 0.05), 0.01, (0, y, 0.06)) for y in (-0.42, -0.14, 0.14, 0.42)]
    return made


def _fence(rng: np.random.Generator) -> list[MeshSurface]:
    made = []
    for k in range(6):
        x = 0.46 * (k - 2.5)
        outline = np.array([[-0.19, 0], [0.19, 0], [0.19, 1.6], [0, 1.85], [-0.19, 1.6]])
        board = moved(
            extruded(outline, 0.08, bevel=0.012),
            rotation=np.array([[1, 0, 0], [0, 0, -1.0], [0, 1, 0]]),
            by=(x, 0, 0.0),
        )
        made.append(moved(board, by=(0, 0, 0.02 * np.sin(7 * k))))
    made += [_board((2.8, 0.09, 0.2), 0.015, (0, 0.09, z)) for z in (0.5, 1.25)]
    low = min(float(s.vertices_m[:, 2].min()) for s in made)
    return [moved(s, by=(0, 0, -low)) for s in made]


VARIANTS = {
    "key": _key,
    "chain": _chain,
    "pipe": _pipe,
    "bucket": _bucket,
    "watering can": _can,
    "gear": _gear,
    "bolt": _nut,
    "horseshoe": _horseshoe,
    "padlock": _padlock,
    "anvil": _anvil,
    "pan": _pan,
    "bell": _bell,
    "urn": _urn,
    "cat": _bust,
    "bench": _bench,
    "crate": _crate,
    "fence": _fence,
}
