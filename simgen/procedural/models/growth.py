"""What living things are put together from: shells, thin sheets, spots, colours along a ramp, short blades.

Everything takes points and gives points; lengths in metres, angles in radians, colours linear RGB.
"""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import ArrayLike, NDArray

from simgen.core.geometry import vertex_areas
from simgen.core.mesh import Mesh, MeshSurface
from simgen.core.vectors import Floats
from simgen.procedural.builtin.noise import linear, rgb, space_noise
from simgen.procedural.fields import ranks
from simgen.procedural.models import volume_m3

Ints = NDArray[np.int64]
Stop = tuple[float, str]
"""Where on the ramp, and which colour as `#rrggbb`."""


def ramp(values: ArrayLike, *stops: Stop) -> Floats:
    """Linear RGB [N, 3] of numbers along a ramp of sRGB colours, mixed as a painter's eye would (in sRGB)."""
    at = np.asarray(values, dtype=float)
    places = [place for place, _ in stops]
    shares = np.array([rgb(color) for _, color in stops])
    return linear(np.stack([np.interp(at, places, shares[:, k]) for k in range(3)], axis=-1))


def smoothstep(low: float, high: float, values: ArrayLike) -> Floats:
    """0 below `low`, 1 above `high`, smooth between."""
    t = np.clip((np.asarray(values, dtype=float) - low) / (high - low), 0.0, 1.0)
    result: Floats = t * t * (3.0 - 2.0 * t)
    return result


def blend(a: Floats, b: ArrayLike, share: ArrayLike) -> Floats:
    """Colours [N, 3] between a and b by a share [N] of 0 to 1."""
    weight = np.clip(np.asarray(share, dtype=float), 0.0, 1.0)[..., None]
    result: Floats = a + weight * (np.asarray(b, dtype=float) - a)
    return result


def noise(points: Floats, wave_m: float, *, seed: int, octaves: int = 3, stretch: ArrayLike = 1.0) -> Floats:
    """Noise about -1 to 1 at points [N, 3]; `stretch` is how much longer its features are along each axis."""
    at = points / np.asarray(stretch, dtype=float)
    total = np.zeros(len(points))
    for octave in range(octaves):
        shift = 17.31 * (seed % 1009) + 5.7 * octave
        total += 0.5**octave * space_noise(at, wave_m=wave_m * 0.5**octave, shift=shift)
    return total


def rings_faces(rows: int, around: int) -> Ints:
    """Triangles of a closed shell whose vertices are a pole, `rows - 2` rings of `around`, and a pole."""
    ring = 1 + np.arange((rows - 2) * around).reshape(rows - 2, around)
    beside = np.roll(ring, -1, axis=1)
    quads = np.stack([ring[:-1], beside[:-1], beside[1:], ring[1:]], axis=-1).reshape(-1, 4)
    first = np.column_stack([np.zeros(around, int), beside[0], ring[0]])
    last = np.column_stack([np.full(around, 1 + ring.size), ring[-1], beside[-1]])
    return np.concatenate([first, quads[:, [0, 1, 2]], quads[:, [0, 2, 3]], last])


def rings_flat(values: Floats) -> Floats:
    """Values [rows, around, …] as those of such a shell: of the first and the last row only one is kept."""
    inner = values[1:-1].reshape(-1, *values.shape[2:])
    return np.concatenate([values[:1, 0], inner, values[-1:, 0]])


def sheet(
    elevation_rad: Floats,
    length_m: float,
    half_width_m: Floats,
    *,
    across: int = 9,
    fold_rad: float = 0.2,
    curl_rad: float = 0.0,
    twist_rad: float = 0.0,
) -> Floats:
    """A leaf or a petal [N, across, 3]: it begins at the origin and grows along +x, each step of its midrib at its
    elevation over the horizon; its halves rise by `fold_rad` and roll up by `curl_rad` more towards the margin."""
    steps = len(elevation_rad)
    ahead = np.stack([np.cos(elevation_rad), np.zeros(steps), np.sin(elevation_rad)], axis=-1)
    path = np.concatenate([np.zeros((1, 3)), np.cumsum((ahead[:-1] + ahead[1:]) / 2, axis=0)]) * length_m / (steps - 1)
    up = np.stack([-np.sin(elevation_rad), np.zeros(steps), np.cos(elevation_rad)], axis=-1)
    half = across // 2
    angle = fold_rad + curl_rad * (np.arange(half) + 0.5) / half
    out = np.concatenate([[0.0], np.cumsum(np.cos(angle))]) / half
    rise = np.concatenate([[0.0], np.cumsum(np.sin(angle))]) / half
    out, rise = np.concatenate([-out[:0:-1], out]), np.concatenate([rise[:0:-1], rise])
    turn = twist_rad * np.linspace(0.0, 1.0, steps)[:, None, None]
    aside = np.array([0.0, 1.0, 0.0])
    y = aside * np.cos(turn) + up[:, None] * np.sin(turn)
    z = up[:, None] * np.cos(turn) - aside * np.sin(turn)
    width = half_width_m[:, None, None]
    result: Floats = path[:, None] + width * (out[None, :, None] * y + rise[None, :, None] * z)
    return result


def sheet_places(rows: int, across: int) -> tuple[Floats, Floats]:
    """How far along a sheet [N] and how far aside, -1 to 1, each of its vertices lies."""
    half = across // 2
    along, aside = np.meshgrid(np.linspace(0, 1, rows), np.arange(-half, half + 1) / half, indexing="ij")
    return along.ravel(), aside.ravel()


def sheet_faces(rows: int, across: int) -> Ints:
    """Quads [M, 4] of a sheet."""
    index = np.arange(rows * across).reshape(rows, across)
    faces: Ints = np.stack([index[:-1, :-1], index[1:, :-1], index[1:, 1:], index[:-1, 1:]], axis=-1).reshape(-1, 4)
    return faces


def about_z(angle_rad: float) -> Floats:
    """The rotation [3, 3] about the vertical."""
    c, s = np.cos(angle_rad), np.sin(angle_rad)
    return np.array([[c, -s, 0.0], [s, c, 0.0], [0.0, 0.0, 1.0]])


def about_y(angle_rad: float) -> Floats:
    """The rotation [3, 3] that takes +z towards +x."""
    c, s = np.cos(angle_rad), np.sin(angle_rad)
    return np.array([[c, 0.0, s], [0.0, 1.0, 0.0], [-s, 0.0, c]])


def upright_to(axis: ArrayLike) -> Floats:
    """A rotation [3, 3] that takes +z to an axis, by the shortest way."""
    x, y, z = np.asarray(axis, dtype=float) / np.linalg.norm(axis)
    if z < -0.9999:
        return np.diag([1.0, -1.0, -1.0])
    k = 1.0 / (1.0 + z)
    return np.array([[1 - k * x * x, -k * x * y, x], [-k * x * y, 1 - k * y * y, y], [-x, -y, z]])


def joined(surfaces: Sequence[MeshSurface], *, slot: str, sharp_deg: float = 180.0) -> MeshSurface:
    """Surfaces of one kind of face and with the same attributes as one."""
    offsets = np.cumsum([0, *(len(s.vertices_m) for s in surfaces[:-1])])
    faces = [np.asarray(s.faces) + offset for s, offset in zip(surfaces, offsets, strict=True)]
    if len({f.shape[1] for f in faces}) > 1:
        faces = [f if f.shape[1] == 3 else np.concatenate([f[:, [0, 1, 2]], f[:, [0, 2, 3]]]) for f in faces]
    names = surfaces[0].attributes
    closed = all(surface.solid_m3 is None for surface in surfaces)
    return MeshSurface(
        vertices_m=np.concatenate([s.vertices_m for s in surfaces]),
        faces=np.concatenate(faces),
        slot=slot,
        attributes={name: np.concatenate([s.attributes[name] for s in surfaces]) for name in names},
        sharp_deg=sharp_deg,
        solid_m3=None if closed else sum(volume_m3(Mesh(surfaces=(surface,))) for surface in surfaces),
    )


def film(surface: MeshSurface, thickness_m: float, *, substance: str = "") -> MeshSurface:
    """An open sheet that weighs as a leaf of that thickness does."""
    triangles = Mesh(surfaces=(surface,)).triangles
    area_m2 = float(vertex_areas(surface.vertices_m, triangles).sum())
    return replace(surface, solid_m3=area_m2 * thickness_m, substance=substance)


def spread(points: Floats, triangles: Ints, count: int, rng: np.random.Generator) -> tuple[Ints, Floats]:
    """`count` places spread evenly over a surface: for each the triangle [N] and its barycentric weights [N, 3]."""
    corners = points[triangles]
    area = np.linalg.norm(np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0]), axis=1)
    total = np.cumsum(area)
    # One in each of `count` equal strips of the area: evener than chance.
    picked = np.searchsorted(total, (np.arange(count) + rng.random(count)) / count * total[-1])
    a, b = np.sqrt(rng.random(count)), rng.random(count)
    weights = np.stack([1 - a, a * (1 - b), a * b], axis=-1)
    return np.minimum(picked, len(triangles) - 1), weights


def at_places(values: Floats, triangles: Ints, picked: Ints, weights: Floats) -> Floats:
    """Values of vertices [N, …] at such places."""
    found = values[triangles[picked]]
    result: Floats = np.einsum("nk,nk...->n...", weights, found)
    return result


def spots(
    points: Floats,
    triangles: Ints,
    centers_m: Floats,
    births: Floats,
    *,
    spread_m: float,
    ragged: float = 0.3,
    wave_m: float = 0.004,
    seed: int = 0,
) -> Floats:
    """A field [N] of round spots that come one after another and grow: the share of the area below x is x.

    A spot's radius grows by `spread_m` in the time in which a birth goes from 0 to 1; `ragged` frays its outline.
    """
    first = np.full(len(points), np.inf)
    for center, birth in zip(centers_m, births, strict=True):
        first = np.minimum(first, birth + np.linalg.norm(points - center, axis=1) / spread_m)
    first = first * (1.0 + ragged * noise(points, wave_m, seed=seed, octaves=2))
    return ranks(first, vertex_areas(points, triangles))


def blades(
    roots: Floats,
    ahead: Floats,
    length_m: Floats,
    width_m: ArrayLike,
    color: Floats,
    *,
    rng: np.random.Generator,
    bend: float = 0.4,
    tip: float = 1.25,
    floor_m: float = -np.inf,
    slot: str = "blades",
) -> MeshSurface:
    """Short pointed ribbons, three triangles each: hair, grass, moss. They lean by `bend` of their length any way and
    are lighter at the tip by the factor `tip`. They weigh nothing."""
    count = len(roots)
    ahead = ahead / np.maximum(np.linalg.norm(ahead, axis=1, keepdims=True), 1e-9)
    stray = rng.standard_normal((count, 3))
    stray -= ahead * (stray * ahead).sum(axis=1, keepdims=True)
    stray /= np.maximum(np.linalg.norm(stray, axis=1, keepdims=True), 1e-9)
    side = np.cross(ahead, stray) * (np.broadcast_to(width_m, (count,)) / 2)[:, None]
    reach = length_m[:, None]
    middle = roots + reach * (0.55 * ahead + 0.2 * bend * stray)
    end = roots + reach * (0.92 * ahead + bend * stray)
    points = np.stack([roots - side, roots + side, middle - 0.8 * side, middle + 0.8 * side, end], axis=1)
    points[..., 2] = np.maximum(points[..., 2], floor_m)
    faces = np.array([[0, 1, 3], [0, 3, 2], [2, 3, 4]])[None] + 5 * np.arange(count)[:, None, None]
    light = np.array([0.55, 0.55, 1.0, 1.0, tip])[None, :, None]
    return MeshSurface(
        vertices_m=points.reshape(-1, 3),
        faces=faces.reshape(-1, 3),
        slot=slot,
        attributes={"tint": np.clip(color[:, None] * light, 0.0, 1.0).reshape(-1, 3)},
        sharp_deg=180.0,
        solid_m3=0.0,
    )
