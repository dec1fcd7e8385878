"""Bars and strips that bend, twist or are drawn out: a section carried along a line that a solver gives."""

import numpy as np

from simgen.core.mesh import Mesh, MeshSurface
from simgen.core.vectors import Floats
from simgen.procedural.models import model
from simgen.procedural.models.forms import mesh
from simgen.solvers import beams


def flat_section(width_m: float, thickness_m: float) -> Floats:
    """A rectangle [12, 2] with its edges taken off, counter-clockwise, across (y) and upwards."""
    a, b = width_m / 2, thickness_m / 2
    c = min(0.22 * thickness_m, 0.22 * width_m)
    corner = np.array([[a, b - c], [a - 0.3 * c, b - 0.3 * c], [a - c, b]])
    return np.concatenate([corner, (corner * [-1, 1])[::-1], -corner, (corner * [1, -1])[::-1]])


def loft(rings: Floats, *, slot: str, sharp_deg: float = 32.0) -> MeshSurface:
    """A closed surface through rings [R, K, 3], flat at both ends; counter-clockwise rings go along their normal."""
    count, around = rings.shape[:2]
    index = np.arange(count * around).reshape(count, around)
    beside = np.roll(index, -1, axis=1)
    quads = np.stack([index[:-1], beside[:-1], beside[1:], index[1:]], axis=-1).reshape(-1, 4)
    low, high = index.size, index.size + 1
    faces = np.concatenate(
        [
            quads[:, [0, 1, 2]],
            quads[:, [0, 2, 3]],
            np.column_stack([beside[0], index[0], np.full(around, low)]),
            np.column_stack([index[-1], beside[-1], np.full(around, high)]),
        ]
    )
    points = np.concatenate([rings.reshape(-1, 3), rings[[0, -1]].mean(axis=1)])
    return MeshSurface(vertices_m=points, faces=faces, slot=slot, sharp_deg=sharp_deg)


def along(line: Floats, up: Floats, section: Floats) -> Floats:
    """Rings of a section (across, up) along a line [N, 3] in the plane y = 0 with the upward normals given."""
    across = np.array([0.0, 1.0, 0.0])
    rings: Floats = line[:, None] + section[None, :, :1] * across + section[None, :, 1:] * up[:, None]
    return rings


def bent_line(
    variant: str, length_m: float, before_m: float, beyond_m: float, load_ratio: float, load_at: float = 0.5
) -> tuple[Floats, Floats, Floats]:
    """Distance along, points (x, z) and slope of a strip's middle line. `cantilever`: clamped for x < 0, loaded at
    `length_m`; `supported`: on bearers `length_m` apart about x = 0, with its ends beyond, loaded `load_at` of the way
    from the first to the second."""
    if variant == "cantilever":
        out, below, angle = (
            beams.cantilever(load_ratio) if load_ratio > 0 else (np.linspace(0, 1, 121), np.zeros(121), np.zeros(121))
        )
        way = np.linspace(0.0, length_m, len(out))
        x, z, slope = out * length_m, -below * length_m, -angle
        x = np.concatenate([[-before_m], x, [x[-1] + beyond_m * np.cos(slope[-1])]])
        z = np.concatenate([[0.0], z, [z[-1] + beyond_m * np.sin(slope[-1])]])
        slope = np.concatenate([[0.0], slope, [slope[-1]]])
        return np.concatenate([[-before_m], way, [length_m + beyond_m]]), np.column_stack([x, z]), slope
    way, out, above, angle = beams.supported(load_ratio, load_at)
    # The strip is as long as when it lay straight: what is drawn in over the bearers is missing at its ends.
    over = [length_m * load_at - float(np.interp(load_at, out, way)) * length_m + beyond_m]
    over.append(length_m * (1.0 + 2 * beyond_m / length_m - way[-1]) - over[0])
    x, z = (out - 0.5) * length_m, above * length_m
    ends = [np.array([np.cos(angle[k]), np.sin(angle[k])]) * reach for k, reach in zip((0, -1), over, strict=True)]
    x = np.concatenate([[x[0] - ends[0][0]], x, [x[-1] + ends[1][0]]])
    z = np.concatenate([[z[0] - ends[0][1]], z, [z[-1] + ends[1][1]]])
    places = np.concatenate([[-over[0]], way * length_m, [way[-1] * length_m + over[1]]]) - length_m / 2
    return places, np.column_stack([x, z]), np.concatenate([angle[:1], angle, angle[-1:]])


@model("strip")
def strip(
    *, rng: np.random.Generator, variant: str = "cantilever", length_m: float, before_m: float = 0.0, beyond_m: float,
    width_m: float, thickness_m: float, load_ratio: float = 0.0, load_at: float = 0.5, marks: float = 0.0,
) -> Mesh:  # fmt: skip
    """A strip whose middle line at the clamp, or at the bearers, is at z = 0; see `bent_line`. With `marks` it is a
    ruler, with a stroke at every half centimetre. Slots: strip, ink."""
    way, points, slope = bent_line(variant, length_m, before_m, beyond_m, load_ratio, load_at)
    line = np.column_stack([points[:, 0], np.zeros(len(points)), points[:, 1]])
    up = np.column_stack([-np.sin(slope), np.zeros(len(slope)), np.cos(slope)])
    body = loft(along(line, up, flat_section(width_m, thickness_m)), slot="strip")
    if not marks:
        return mesh(body)
    places = np.arange(0.005, way[-1] - way[0] - 0.003, 0.005) + way[0]
    rows = []
    for k, place in enumerate(places):
        reach = 0.42 if (k + 1) % 2 == 0 else 0.24
        if (k + 1) % 10 == 0:
            reach = 0.6
        ends = np.array([place - 0.00025, place + 0.00025])
        at = np.stack([np.interp(ends, way, line[:, 0]), np.zeros(2), np.interp(ends, way, line[:, 2])], axis=1)
        tilt = np.interp(ends, way, slope)
        lift = np.stack([-np.sin(tilt), np.zeros(2), np.cos(tilt)], axis=1) * (thickness_m / 2 + 0.00006)
        across = np.array([[0.0, 0.5 * width_m - 0.0012, 0.0], [0.0, (0.5 - reach) * width_m, 0.0]])
        rows.append(
            np.stack(
                [
                    at[0] + lift[0] + across[1],
                    at[1] + lift[1] + across[1],
                    at[1] + lift[1] + across[0],
                    at[0] + lift[0] + across[0],
                ]
            )
        )
    strokes = np.concatenate(rows)
    faces = np.arange(len(strokes)).reshape(-1, 4)
    return mesh(body, MeshSurface(vertices_m=strokes, faces=faces, slot="ink", sharp_deg=32.0, solid_m3=0.0))


def banded(surface: MeshSurface, slots: list[str], names: list[str]) -> list[MeshSurface]:
    """A surface as one for each slot; `names` says the slot of every face."""
    chosen = np.array(names)
    return [
        MeshSurface(
            vertices_m=surface.vertices_m, faces=surface.faces[chosen == slot], slot=slot, sharp_deg=surface.sharp_deg
        )
        for slot in slots
        if (chosen == slot).any()
    ]


def bar_section(variant: str, width_m: float, thickness_m: float) -> Floats:
    """Section [K, 2] of a bar: `square` and `flat` with rounded edges, `fluted` with eight grooves, `striped` round."""
    if variant in ("square", "flat"):
        a, b = width_m / 2, thickness_m / 2
        radius = 0.12 * min(width_m, thickness_m)
        turn = np.linspace(0.0, np.pi / 2, 5)
        rows = []
        for k, (x, y) in enumerate(((1, 1), (-1, 1), (-1, -1), (1, -1))):
            arc = turn + k * np.pi / 2
            rows.append(
                np.column_stack([x * (a - radius) + radius * np.cos(arc), y * (b - radius) + radius * np.sin(arc)])
            )
        # Points along the sides, so that a twisted side is not one big triangle.
        corners = np.concatenate(rows)
        filled = []
        for k, point in enumerate(corners):
            after = corners[(k + 1) % len(corners)]
            gap = float(np.hypot(*(after - point)))
            count = 1 if gap < 2 * radius else max(7, int(gap / 0.0018))
            filled.append(point + (after - point) * np.linspace(0.0, 1.0, count, endpoint=False)[:, None])
        return np.concatenate(filled)
    angle = np.linspace(0.0, 2 * np.pi, 96, endpoint=False)
    reach = np.full(96, width_m / 2)
    if variant == "fluted":
        reach = width_m / 2 * (0.92 + 0.08 * np.cos(8 * angle))
    return np.column_stack([reach * np.cos(angle), reach * np.sin(angle)])


def section_m2(section: Floats) -> float:
    x, y = section.T
    return float((x * np.roll(y, -1) - np.roll(x, -1) * y).sum() / 2)


@model("twisted_bar")
def twisted_bar(
    *, rng: np.random.Generator, variant: str = "square", length_m: float, low_m: float, high_m: float, width_m: float,
    thickness_m: float, twist_rad: float = 0.0,
) -> Mesh:  # fmt: skip
    """A bar along z whose part from 0 to `length_m` is twisted; what is held below and above is not. Slots: bar,
    stripe (every other eighth of a round bar, two lines along the flat sides of the others)."""
    section = bar_section(variant, width_m, thickness_m)
    height = np.concatenate([[-low_m], np.linspace(0.0, length_m, 181), [length_m + high_m]])
    turn = twist_rad * np.clip(height / length_m, 0.0, 1.0)
    cos, sin = np.cos(turn)[:, None], np.sin(turn)[:, None]
    x, y = section[None, :, 0], section[None, :, 1]
    rings = np.stack(
        [cos * x - sin * y, sin * x + cos * y, np.broadcast_to(height[:, None], (len(height), len(section)))], -1
    )
    body = loft(rings, slot="bar", sharp_deg=50.0 if variant == "fluted" else 32.0)
    around = len(section)
    if variant in ("striped", "fluted"):
        sector = (np.arange(around) * 8 // around) % 2 == 1 if variant == "striped" else np.zeros(around, bool)
    else:
        # A painted line in the middle of every broad side.
        middle = (section + np.roll(section, -1, axis=0)) / 2
        sector = (np.abs(middle[:, 0]) < 0.11 * width_m) & (np.abs(middle[:, 1]) > 0.4 * thickness_m)
    names = np.where(np.tile(sector, len(height) - 1), "stripe", "bar").tolist()
    return mesh(*banded(body, ["bar", "stripe"], names * 2 + ["bar"] * (2 * around)))


def drawn_profile(stretched: float, reach: float, neck: float, *, num: int = 400) -> tuple[Floats, Floats]:
    """How much a bar held at both ends is thinner along its way, 0 to 1, when it is drawn to `stretched` times its
    length: the factor of its section's edges, 1 at the jaws, such that the volume stays.

    `reach` is how far the jaws' hold goes, in lengths; `neck` above 0 draws the middle thinner than the rest.
    """
    share = np.linspace(0.0, 1.0, num + 1)
    near = np.minimum(share, 1.0 - share)
    shape = (1.0 - np.exp(-near / reach)) * (1.0 + neck * np.exp(-(((share - 0.5) / 0.16) ** 2))) / (1.0 + neck)
    low, high = 0.0, 1.0
    for _ in range(60):
        middle = (low + high) / 2
        factor = 1.0 - middle * shape
        volume = stretched * float(((factor[1:] ** 2 + factor[:-1] ** 2) / 2).mean())
        low, high = (middle, high) if volume > 1.0 else (low, middle)
    return share, 1.0 - (low + high) / 2 * shape


@model("drawn_bar")
def drawn_bar(
    *, rng: np.random.Generator, variant: str = "band", length_m: float, rest_m: float, width_m: float,
    thickness_m: float, held_m: float, neck: float = 0.0, marks: float = 0.0,
) -> Mesh:  # fmt: skip
    """A bar along x about the origin, `rest_m` long between its jaws at rest and `length_m` now, its volume kept. A
    `band` stands on edge, a `flat` one lies, a `round` one is a cylinder. With `marks` it has so many lines across,
    even at rest. Slots: bar, ink."""
    section = bar_section("striped" if variant == "round" else "square", width_m, thickness_m)
    if variant == "band":
        section = section[:, ::-1] * [-1.0, 1.0]
    share, factor = drawn_profile(length_m / rest_m, 0.8 * width_m / length_m, neck)
    # Where a point is now, by where it was at rest: a slice holds what it held.
    was = np.concatenate([[0.0], np.cumsum((factor[1:] ** 2 + factor[:-1] ** 2) / 2)])
    was /= was[-1]
    lines = [np.linspace(0.0, 1.0, 121)]
    ink_rest = []
    half_ink = 0.0011 / rest_m
    for k in range(int(marks)):
        place = (k + 1.0) / (marks + 1.0)
        ink_rest.append((place - half_ink, place + half_ink))
        lines.append(np.array(ink_rest[-1]))
    rest = np.unique(np.concatenate(lines))
    now = np.interp(rest, was, share)
    scale = np.interp(now, share, factor)
    x = np.concatenate([[-length_m / 2 - held_m], (now - 0.5) * length_m, [length_m / 2 + held_m]])
    scale = np.concatenate([[1.0], scale, [1.0]])
    rings = np.stack(
        [
            np.broadcast_to(x[:, None], (len(x), len(section))),
            scale[:, None] * section[None, :, 0],
            scale[:, None] * section[None, :, 1],
        ],
        axis=-1,
    )
    body = loft(rings, slot="bar")
    middle = (rest[1:] + rest[:-1]) / 2
    inked = np.array([any(a <= m <= b for a, b in ink_rest) for m in middle])
    by_ring = np.repeat(np.concatenate([[False], inked, [False]]), len(section))
    names = np.where(by_ring, "ink", "bar").tolist()
    return mesh(*banded(body, ["bar", "ink"], names * 2 + ["bar"] * (2 * len(section))))


@model("torn_band")
def torn_band(
    *, rng: np.random.Generator, variant: str = "band", length_m: float, rest_m: float, width_m: float,
    thickness_m: float, held_m: float, torn_at: float, marks: float = 0.0,
) -> Mesh:  # fmt: skip
    """The two halves of a band that has snapped at a share of its way, back at their rest length: each comes out of
    its jaw and hangs in a bow. The jaws are `length_m` apart. Slots: bar, ink."""
    section = bar_section("square", width_m, thickness_m)
    parts = []
    for side, length in ((-1.0, torn_at * rest_m), (1.0, (1.0 - torn_at) * rest_m)):
        steps = np.linspace(0.0, 1.0, 81)
        slope = -np.radians(74.0) * steps**0.9
        step = length / 80
        out = np.concatenate([[0.0], np.cumsum(np.cos((slope[1:] + slope[:-1]) / 2))]) * step
        below = np.concatenate([[0.0], np.cumsum(np.sin((slope[1:] + slope[:-1]) / 2))]) * step
        x, z = side * (length_m / 2 - out), below
        across = np.linspace(-1.0, 1.0, len(section))
        line = np.column_stack([np.append(side * (length_m / 2 + held_m), x), np.zeros(82), np.append(0.0, z)])
        up = np.column_stack([side * np.append(0.0, np.sin(slope)) * -1.0, np.zeros(82), np.append(1.0, np.cos(slope))])
        up[:, 0] = side * np.append(0.0, np.sin(slope))
        rings = along(line, up, section)
        # A ragged end.
        ahead = np.array([-side * np.cos(slope[-1]), 0.0, np.sin(slope[-1])])
        ragged = 0.12 * width_m * np.sin(9.0 * section[:, 0] / width_m + side + across * 0) + 0.2 * section[:, 0]
        rings[-1] += ragged[:, None] * ahead
        if side > 0:
            rings = rings[::-1]
        body = loft(rings, slot="bar")
        places = (np.arange(int(marks)) + 1.0) / (marks + 1.0)
        own = places / torn_at if side < 0 else (1.0 - places) / (1.0 - torn_at)
        edges = np.append(0.0, steps)[:82]
        middle = (edges[1:] + edges[:-1]) / 2
        width = 0.5 * 0.0022 / length + 0.004
        inked = np.array([(np.abs(own - m) < width).any() and m > 0.01 for m in middle])
        by_ring = np.repeat(inked if side < 0 else inked[::-1], len(section))
        names = np.where(by_ring, "ink", "bar").tolist()
        parts += banded(body, ["bar", "ink"], names * 2 + ["bar"] * (2 * len(section)))
    return mesh(*parts)
