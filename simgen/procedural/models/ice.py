"""Ice and what becomes of it: pieces that melt rounder and smaller, and puddles of a given volume.

A piece of ice that has melted in part is the same shape with softer edges, scaled to the volume that is left. A puddle
is as thick as its contact angle makes it and as wide as its volume asks for.
"""

from collections.abc import Callable
from dataclasses import replace

import numpy as np

from simgen.core.mesh import Mesh, MeshSurface
from simgen.core.vectors import Floats
from simgen.procedural.builtin.noise import space_noise
from simgen.procedural.builtin.solids import blob
from simgen.procedural.models import forms, model, volume_m3

ICE_KGPM3, WATER_KGPM3 = 917.0, 998.0
"""At 0 °C and at 20 °C (CRC Handbook)."""
TENSION_NPM, GRAVITY_MPS2 = 0.0728, 9.81
CAPILLARY_M = float(np.sqrt(TENSION_NPM / (WATER_KGPM3 * GRAVITY_MPS2)))
"""2.7 mm: below this length surface tension rules."""


@model("ice_piece")
def ice_piece(
    *,
    rng: np.random.Generator,
    variant: str = "cube",
    size_m: float,
    melted: float = 0.0,
    height: float = 1.0,
    bubbles: float = 0.0,
) -> Mesh:
    """A piece of clear ice standing on z = 0; `melted` is the share of its volume that has gone, `height` its height
    against its width. Its first surface is the ice; the second, of slot `core`, that many air bubbles in the middle."""
    shift = float(rng.uniform(0.0, 50.0))
    spin = float(rng.uniform(0.0, 2 * np.pi))
    whole = forms.mesh(_standing(_piece(variant, size_m, height, 0.0, shift, spin)))
    if melted <= 0.0:
        return forms.mesh(*whole.surfaces, *_bubbles(whole.surfaces[0], int(bubbles), rng))
    worn = _standing(_piece(variant, size_m, height, melted, shift, spin))
    scale = ((1.0 - melted) * volume_m3(whole) / volume_m3(forms.mesh(worn))) ** (1 / 3)
    rest = forms.moved(worn, scale=scale)
    return forms.mesh(rest, *_bubbles(rest, int(0.7 * bubbles), rng))


def _bubbles(ice: MeshSurface, count: int, rng: np.random.Generator) -> tuple[MeshSurface, ...]:
    """Small bubbles drawn out towards the surface, as air leaves water that freezes from the outside; none for none."""
    if not count:
        return ()
    center = ice.vertices_m.mean(axis=0)
    size = float(np.ptp(ice.vertices_m, axis=0).max())
    spokes = ice.vertices_m[rng.integers(len(ice.vertices_m), size=count)] - center
    spots = center + spokes * (0.66 * rng.random((count, 1)) ** 0.6)
    one = forms.ball((1.0, 1.0, 1.0), rings=6)
    radii = size * 0.009 * np.exp(0.45 * rng.normal(size=count))
    along = spokes / np.linalg.norm(spokes, axis=1, keepdims=True)
    drawn = rng.uniform(0.0, 3.0, size=count)
    points = one.vertices_m[None] + along[:, None] * ((one.vertices_m @ along.T).T * drawn[:, None])[..., None]
    points = spots[:, None] + points * radii[:, None, None]
    faces = (np.asarray(one.faces)[None] + len(one.vertices_m) * np.arange(count)[:, None, None]).reshape(-1, 3)
    return (MeshSurface(vertices_m=points.reshape(-1, 3), faces=faces, slot="core", sharp_deg=180.0, solid_m3=0.0),)


def solid_m3(mesh: Mesh) -> float:
    """Volume of a piece of ice as if there were no bubbles in it."""
    return volume_m3(Mesh(surfaces=mesh.surfaces[:1]))


def below_m3(mesh: Mesh, height_m: float) -> float:
    """Volume of a piece of ice below a height: what is above is pressed flat onto it."""
    points = mesh.surfaces[0].vertices_m.copy()
    points[:, 2] = np.minimum(points[:, 2], height_m)
    return volume_m3(Mesh(surfaces=(replace(mesh.surfaces[0], vertices_m=points),)))


def _piece(variant: str, size_m: float, height: float, melted: float, shift: float, spin: float) -> MeshSurface:
    half, tall = size_m / 2, height * size_m / 2
    # Corners go first: what sticks out melts from several sides.
    edge = half * (0.16 + 0.5 * min(melted * 1.4, 1.0) ** 0.7)
    uneven = 0.018 + 0.05 * melted

    def distance(points: Floats) -> Floats:
        x, y, z = (points[..., k] for k in range(3))
        if variant == "ball":
            d = np.linalg.norm(points, axis=-1) - half
        elif variant == "dome":
            d = _both(
                np.linalg.norm(points * [1, 1, 0.8] + [0, 0, 0.45 * half], axis=-1) - half, -z - 0.32 * half, edge
            )
        elif variant == "cylinder":
            d = _both(np.hypot(x, y) - half, np.abs(z) - tall, edge)
        elif variant in ("star", "heart"):
            angle = np.arctan2(y, x) + spin
            d = _both((np.hypot(x, y) - half * _outline(variant, angle)) * 0.8, np.abs(z) - tall, edge)
        else:
            wide = np.array([half, half * (0.92 if variant == "cube" else 0.7), tall]) - edge
            q = np.abs(points) - wide
            d = np.linalg.norm(np.maximum(q, 0.0), axis=-1) + np.minimum(q.max(axis=-1), 0.0) - edge
        lumps = space_noise(points, wave_m=0.9 * size_m, shift=shift)
        lumps = lumps + 0.4 * space_noise(points, wave_m=0.35 * size_m, shift=shift + 7.0)
        return np.asarray(d + uneven * size_m * lumps)

    patches = blob(distance, reach_m=1.6 * max(half, tall), center_m=(0.0, 0.0, 0.0), slot="", num=72)
    return forms.closed(patches, sharp_deg=180.0)[0]


def _both(a: Floats, b: Floats, round_m: float) -> Floats:
    """Inside both, with a rounded edge where they meet."""
    u = np.stack([np.maximum(a + round_m, 0.0), np.maximum(b + round_m, 0.0)])
    return np.asarray(np.minimum(np.maximum(a, b), -round_m) + np.linalg.norm(u, axis=0))


def _outline(variant: str, angle: Floats) -> Floats:
    """The radius of a flat shape by angle, 1 at its widest."""
    if variant == "star":
        bend = np.abs((angle * 5 / (2 * np.pi)) % 1.0 - 0.5) * 2
        return np.asarray(0.56 + 0.44 * bend**1.3)
    turn = (angle + np.pi / 2) % (2 * np.pi) - np.pi
    away = np.abs(turn) / np.pi
    return np.asarray(
        0.62 + 0.4 * np.sin(np.pi * np.clip(away * 0.98 + 0.12, 0, 1)) + 0.22 * away**6 - 0.25 * (1 - away) ** 5
    )


def _standing(surface: MeshSurface) -> MeshSurface:
    """Put on z = 0 with a flat foot: no ice stands on a point."""
    points = surface.vertices_m.copy()
    low, high = points[:, 2].min(), points[:, 2].max()
    foot = low + 0.035 * (high - low)
    points[:, 2] = np.maximum(points[:, 2], foot) - foot
    return forms.moved(MeshSurface(vertices_m=points, faces=surface.faces, slot=surface.slot, sharp_deg=180.0))


def puddle_thickness_m(contact_deg: float, capillary_m: float = CAPILLARY_M) -> float:
    """Of a wide puddle at rest (de Gennes, Brochard-Wyart, Quéré, Capillarity and Wetting Phenomena, 2.2)."""
    return float(2 * capillary_m * np.sin(np.radians(contact_deg) / 2))


@model("puddle")
def puddle(
    *,
    rng: np.random.Generator,
    variant: str = "",
    volume_m3: float,
    contact_deg: float,
    uneven: float = 0.16,
    stretch: float = 1.0,
    thickness_m: float = 0.0,
) -> Mesh:
    """Liquid on a level place, its outline uneven, its radius solved so that the mesh has exactly that volume;
    `thickness_m` 0 is that of water at that contact angle."""
    deep = thickness_m or puddle_thickness_m(contact_deg)
    phase, weight = rng.uniform(0, 2 * np.pi, 9), rng.normal(0, 1, 9) / (1.0 + np.arange(9)) ** 0.9
    angle = np.linspace(0.0, 2 * np.pi, 181)[:-1]
    waves = (np.arange(9)[:, None] + 2) * angle + phase[:, None]
    outline = 1.0 + uneven * np.tanh((weight[:, None] * np.sin(waves)).sum(axis=0))
    outline *= np.sqrt(1.0 / ((np.cos(angle) / stretch) ** 2 + (np.sin(angle) * stretch) ** 2))

    def height(edge_m: Floats, radius_m: Floats) -> Floats:
        # A parabola that meets the table at the contact angle and is level where it is full.
        wide = 2 * deep / np.tan(np.radians(contact_deg))
        return np.asarray(deep * (1.0 - (1.0 - np.clip(edge_m / wide, 0.0, 1.0)) ** 2))

    return heap(outline, angle, height, volume_m3)


def heap(
    outline: Floats, angle: Floats, height: Callable[[Floats, Floats], Floats], volume: float, *, slot: str = ""
) -> Mesh:
    """A flat-bottomed drop or pool: a radius by angle, scaled so that the mesh has this volume, and a height by the
    distance from the edge and the radius."""
    low, high = 1e-4, 1.0
    for _ in range(44):
        middle = (low + high) / 2
        made = _pool(outline * middle, angle, height, slot)
        low, high = (middle, high) if volume_m3(made) < volume else (low, middle)
    return made


def _pool(radius_m: Floats, angle: Floats, height: Callable[[Floats, Floats], Floats], slot: str) -> Mesh:
    # Rings lie close together at the rim, where it bends.
    share = 1.0 - np.linspace(1.0, 0.0, 40) ** 2.2
    share = share[1:]
    radial = radius_m[None] * share[:, None]
    tall = height(radius_m[None] - radial, radial)
    xy = np.stack([radial * np.cos(angle), radial * np.sin(angle)], axis=-1)
    top = np.concatenate([xy, tall[..., None]], axis=-1)
    count = len(angle)
    full = float(height(radius_m.mean() * np.ones(1), np.zeros(1))[0])
    points = np.concatenate([[[0.0, 0.0, full]], top.reshape(-1, 3), [[0.0, 0.0, 0.0]]])
    index = 1 + np.arange(len(share) * count).reshape(len(share), count)
    beside = np.roll(index, -1, axis=1)
    quads = np.stack([index[:-1], index[1:], beside[1:], beside[:-1]], axis=-1).reshape(-1, 4)
    middle = np.stack([np.zeros(count, dtype=int), index[0], beside[0]], axis=1)
    floor = np.stack([np.full(count, len(points) - 1), beside[-1], index[-1]], axis=1)
    faces = np.concatenate([quads[:, [0, 1, 2]], quads[:, [0, 2, 3]], middle, floor])
    return Mesh(surfaces=(MeshSurface(vertices_m=points, faces=faces, slot=slot, sharp_deg=70.0),))


@model("soft_piece")
def soft_piece(*, rng: np.random.Generator, variant: str, size_m: float) -> Mesh:
    """Butter, chocolate, wax or a ball of ice cream, cold and in shape."""
    if variant == "scoop":
        shift = float(rng.uniform(0.0, 50.0))

        def distance(points: Floats) -> Floats:
            # Torn by the scoop: fine crumbs, and a ragged skirt at its foot.
            crumbs = space_noise(points, wave_m=0.35 * size_m, shift=shift) + space_noise(
                points, wave_m=0.12 * size_m, shift=shift + 3.0
            )
            skirt = 0.09 * size_m * np.exp(-(((points[..., 2] + 0.36 * size_m) / (0.09 * size_m)) ** 2))
            ball = np.linalg.norm(points, axis=-1) - 0.5 * size_m
            return np.asarray(np.maximum(ball - skirt, -points[..., 2] - 0.42 * size_m) + 0.02 * size_m * crumbs)

        patches = blob(distance, reach_m=size_m, center_m=(0.0, 0.0, 0.0), slot="", num=110)
        return forms.mesh(_standing(forms.closed(patches, sharp_deg=180.0)[0]))
    if variant == "chocolate":
        count = np.array([2, 3])
        edge = size_m / 3
        base = forms.box((size_m * 2 / 3, size_m, 0.26 * edge), radius_m=0.05 * edge, center_m=(0.0, 0.0, 0.13 * edge))
        squares = []
        for i in range(count[0]):
            for j in range(count[1]):
                middle = (edge * (i - 0.5), edge * (j - 1.0))
                squares.append(_frustum(0.96 * edge, 0.72 * edge, 0.26 * edge, 0.5 * edge, middle))
        return forms.mesh(base, *squares)
    length, width, height = {"butter": (1.0, 0.6, 0.5), "wax": (0.8, 0.8, 0.7)}[variant]
    block = forms.box(
        (size_m * length, size_m * width, size_m * height),
        radius_m=0.05 * size_m,
        center_m=(0.0, 0.0, size_m * height / 2),
    )
    return forms.mesh(block)


def _frustum(low_m: float, high_m: float, from_m: float, to_m: float, middle: tuple[float, float]) -> MeshSurface:
    """A square with bevelled sides."""
    points, faces = [], []
    for half, z in ((low_m / 2, from_m), (high_m / 2, to_m)):
        points += [(middle[0] + sx * half, middle[1] + sy * half, z) for sx, sy in ((-1, -1), (1, -1), (1, 1), (-1, 1))]
    faces = [(0, 1, 5, 4), (1, 2, 6, 5), (2, 3, 7, 6), (3, 0, 4, 7), (4, 5, 6, 7), (3, 2, 1, 0)]
    return MeshSurface(vertices_m=np.array(points), faces=np.array(faces), sharp_deg=30.0)


@model("slump")
def slump(
    *, rng: np.random.Generator, variant: str = "", volume_m3: float, melted: float, height_m: float, thickness_m: float
) -> Mesh:
    """The same stuff molten: a pool of `melted` of the volume, and a soft lump of the rest in its middle."""
    phase, weight = rng.uniform(0, 2 * np.pi, 7), rng.normal(0, 1, 7) / (1.0 + np.arange(7))
    angle = np.linspace(0.0, 2 * np.pi, 181)[:-1]
    outline = 1.0 + 0.1 * np.tanh(
        (weight[:, None] * np.sin((np.arange(7)[:, None] + 2) * angle + phase[:, None])).sum(0)
    )
    # Lower and wider than it was; the mean of (1 - t⁴)² over a disc is 8/15.
    tall = 0.6 * height_m * (1.0 - melted) ** 0.35
    foot = float(np.sqrt((1.0 - melted) * volume_m3 / (8 / 15 * np.pi * tall)))
    shift = float(rng.uniform(0.0, 50.0))

    def height(edge_m: Floats, radius_m: Floats) -> Floats:
        rim = thickness_m * np.sqrt(1.0 - (1.0 - np.clip(edge_m / (1.6 * thickness_m), 0.0, 1.0)) ** 2)
        turn = np.broadcast_to(angle, radius_m.shape) if radius_m.ndim == 2 else np.zeros(radius_m.shape)
        at = np.stack([radius_m * np.cos(turn), radius_m * np.sin(turn), np.zeros(radius_m.shape)], axis=-1)
        uneven = 1.0 + 0.2 * space_noise(at, wave_m=1.6 * foot, shift=shift)
        lump = tall * np.clip(1.0 - (radius_m * uneven / foot) ** 4, 0.0, 1.0) ** 2
        return np.asarray(rim * (1.0 + 0.07 * space_noise(at, wave_m=0.03, shift=shift + 9.0)) + lump)

    return heap(outline, angle, height, volume_m3)
