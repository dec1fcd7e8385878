"""What tables and floors are made of: seamless maps of a square of real size, computed from noise and geometry.

Each texture returns a `Picture` of `PIXELS` squared; all that reaches over an edge comes in again at the other side.
Colours are sRGB `#rrggbb`, lengths millimetres.
"""

from collections.abc import Callable, Mapping, Sequence
from itertools import pairwise
from typing import Any

import cv2
import numpy as np

from simgen.core.assets import Material
from simgen.core.errors import AssetError, UnknownName
from simgen.core.vectors import Floats
from simgen.procedural.builtin.noise import cloud_noise, mix, normal_map, plane_noise, rgb, step
from simgen.procedural.builtin.paint import encoded, mean_color
from simgen.procedural.builtin.patterns import Texture

PIXELS = 1024
SQUARE = (PIXELS, PIXELS)


def bake(values: Mapping[str, Any], rng: np.random.Generator, where: str) -> tuple[Material, dict[str, bytes]]:
    """The material of a surface and its three maps."""
    parameters = dict(values)
    name, tile_m = parameters.pop("of", ""), float(parameters.pop("tile_m", 1.0))
    if name not in TEXTURES:
        raise UnknownName("texture", name, TEXTURES, where=where)
    try:
        picture = TEXTURES[name](rng, tile_m, **parameters)
    except TypeError as error:
        raise AssetError(f"{where}: texture {name!r}: {error}") from error
    assert isinstance(picture.roughness, np.ndarray) and picture.height_m is not None, "a surface has all three maps"
    pixel_m = tile_m / PIXELS
    files = {
        "color.jpg": encoded(picture.color),
        "roughness.jpg": encoded(np.clip(picture.roughness, 0.05, 1.0)),
        "normal.jpg": encoded(normal_map(picture.height_m, (pixel_m, pixel_m))),
    }
    material = Material(
        base_color=mean_color(picture.color),
        roughness=round(float(picture.roughness.mean()), 3),
        color_map="color.jpg",
        roughness_map="roughness.jpg",
        normal_map="normal.jpg",
        tile_m=tile_m,
    )
    return material, files


def planks(
    rng: np.random.Generator,
    tile_m: float,
    *,
    colors: Sequence[str],
    rows: int,
    boards: int = 2,
    ring_mm: float = 4.5,
    pores: float = 0.5,
    gap_mm: float = 1.2,
    variety: float = 0.10,
    roughness: float = 0.42,
    paint: str = "",
) -> Texture:
    """Boards along u: `colors` are early wood, late wood and pores; with `paint` a worn coat lies over them."""
    pixel_m = tile_m / PIXELS
    fibre = plane_noise(rng, SQUARE, wave_px=(3.0, 240.0), octave=0.9)
    fine = plane_noise(rng, SQUARE, wave_px=(1.7, 34.0), octave=0.5)
    wander = plane_noise(rng, SQUARE, wave_px=(90.0, 420.0), octave=0.8)
    late, edge = np.zeros(SQUARE), np.zeros(SQUARE)
    grain, flecks, tone = np.zeros(SQUARE), np.zeros(SQUARE), np.zeros(SQUARE)
    cuts = np.round(np.linspace(0, PIXELS, rows + 1)).astype(int)
    for top, bottom in pairwise(cuts):
        start = int(rng.integers(PIXELS))
        lengths = rng.uniform(0.7, 1.3, boards)
        joints = np.round(np.cumsum(lengths) / lengths.sum() * PIXELS).astype(int)
        left = 0
        for right in joints:
            shape = (bottom - top, right - left)
            rows_at = slice(top, bottom)
            columns = (np.arange(left, right) + start) % PIXELS
            shift = tuple(rng.integers(0, PIXELS, 2))
            own = [np.roll(field, shift, axis=(0, 1))[: shape[0], : shape[1]] for field in (fibre, fine, wander)]
            y, x = (np.indices(shape) + 0.5) * pixel_m
            late[rows_at, columns] = _year_rings(rng, x, y - y.mean(), own[2], ring_mm * 0.001)
            grain[rows_at, columns], flecks[rows_at, columns] = own[0], own[1]
            tone[rows_at, columns] = rng.normal(0.0, variety)
            inside = np.minimum(np.minimum(y, y.max() + pixel_m / 2 - y), np.minimum(x, x.max() + pixel_m / 2 - x))
            edge[rows_at, columns] = inside / 0.001
            left = right
    # The darkness of late wood follows the pores, which crowd in early wood.
    pore = step(1.3, flecks + 0.9 * (0.4 - late), 0.9) * pores
    color = mix(rgb(colors[0]), rgb(colors[1]), 0.14 + 0.66 * late + 0.13 * grain)
    color = mix(color, rgb(colors[2]), 0.55 * pore) * (1 + tone)[..., None]
    height = -0.00005 * pore + 0.000012 * grain + 0.00001 * late
    rough = roughness + 0.05 * late + 0.03 * grain + 0.15 * pore
    if paint:
        brush = plane_noise(rng, SQUARE, wave_px=(3.0, 160.0))
        worn = cloud_noise(rng, SQUARE, wave_px=120.0, roughness=0.4)
        coat = np.clip(step(-2.3, worn + 0.22 * fibre, 0.5) * step(0.3, edge + 0.8 * worn, 1.2), 0.0, 1.0)
        painted = rgb(paint) * (1 + 0.6 * tone + 0.018 * brush + 0.012 * worn)[..., None]
        color = mix(color, painted, coat)
        rough = np.where(coat > 0.5, 0.5 + 0.03 * brush, rough + 0.2)
        height = height * 0.4 + 0.00002 * brush + 0.00008 * coat
    # A groove between boards, its edges broken by a plane.
    groove = 1 - step(0.5 * gap_mm, edge, 0.8)
    color = color * (1 - 0.72 * groove)[..., None]
    height = height - 0.0009 * groove - 0.0002 * np.clip(1 - edge / 2.2, 0.0, 1.0)
    return Texture(color=color, roughness=rough + 0.2 * groove, height_m=height)


def _year_rings(rng: np.random.Generator, x: Floats, y: Floats, wander: Floats, ring_m: float) -> Floats:
    """Late wood, 0 to 1, on a board sawn from a trunk whose pith lies below it and is not quite parallel to it."""
    aside, below = rng.uniform(-0.06, 0.06), rng.uniform(0.02, 0.09)
    slope = rng.uniform(0.02, 0.07) * rng.choice([-1.0, 1.0])
    across = y - aside + 0.003 * wander
    depth = below + slope * (x - x.mean()) + 0.004 * wander
    # Years differ: the spacing swings slowly with the radius.
    radius = np.hypot(across, depth) / ring_m
    phase = (radius + 0.5 * np.sin(radius * 0.9) + 0.35 * np.sin(radius * 2.3)) % 1.0
    result: Floats = np.where(phase < 0.80, phase**1.8, (1 - phase) / 0.20)
    return result


def tiles(
    rng: np.random.Generator,
    tile_m: float,
    *,
    color: str,
    grout: str,
    per_side: int,
    joint_mm: float = 3.0,
    bond: bool = False,
    variety: float = 0.012,
    mottle: float = 0.006,
    wobble_mm: float = 0.12,
    roughness: float = 0.10,
) -> Texture:
    """Glazed tiles in grout, every one set at its own very small angle; `bond` shifts every second row by half."""
    y, x = (np.indices(SQUARE) + 0.5) / PIXELS * per_side
    row = np.floor(y).astype(int)
    x = (x + 0.5 * (row % 2)) % per_side if bond else x
    column = np.floor(x).astype(int)
    pitch_m = tile_m / per_side
    a, b = (x - column - 0.5) * pitch_m, (y - row - 0.5) * pitch_m
    wobble = 0.001 * wobble_mm * plane_noise(rng, SQUARE, wave_px=(60.0, 60.0))
    edge_m = pitch_m / 2 - np.maximum(np.abs(a), np.abs(b)) - 0.0005 * joint_mm + wobble
    own = rng.normal(size=(per_side, per_side, 3))
    tone, tilt_a, tilt_b = (own[row, column, k] for k in range(3))
    cloudy = cloud_noise(rng, SQUARE, wave_px=90.0)
    sand = plane_noise(rng, SQUARE, wave_px=(2.5, 2.5))
    glazed = step(0.0, edge_m, 1.5 * tile_m / PIXELS)
    face = rgb(color) * (1 + variety * tone + mottle * cloudy)[..., None]
    joint = rgb(grout) * (1 + 0.05 * sand + 0.05 * cloudy)[..., None]
    shade = 1 - 0.10 * np.exp(-np.maximum(edge_m, 0) / 0.0012)
    pillow = -0.0007 * np.exp(-np.maximum(edge_m, 0.0) / 0.0016)
    height = pillow + 0.003 * (tilt_a * a + tilt_b * b) + 0.00002 * plane_noise(rng, SQUARE, wave_px=(50.0, 50.0))
    smear = cloud_noise(rng, SQUARE, wave_px=200.0)
    return Texture(
        color=mix(joint, face * shade[..., None], glazed),
        roughness=np.where(glazed > 0.5, roughness + 0.025 * smear, 0.85 + 0.05 * sand),
        height_m=np.where(edge_m > 0, height, -0.0012 + 0.0001 * sand),
    )


def terrazzo(
    rng: np.random.Generator,
    tile_m: float,
    *,
    base: str,
    chips: Sequence[str],
    sizes_mm: Sequence[float] = (15.0, 9.0, 5.0, 2.6),
    numbers: Sequence[int] = (260, 900, 2600, 5000),
    roughness: float = 0.2,
) -> Texture:
    """Chips of stone in cement, ground flat: the large ones first, none over another."""
    big = 2 * PIXELS
    pixel_m = tile_m / big
    cement = rgb(base) * (1 + 0.02 * cloud_noise(rng, SQUARE, wave_px=60.0))[..., None]
    canvas = cv2.resize(cement, (big, big))
    taken = np.zeros((big, big), dtype=np.uint8)
    for size_mm, number in zip(sizes_mm, numbers, strict=True):
        for _ in range(number):
            radius = 0.0005 * size_mm * rng.uniform(0.7, 1.35) / pixel_m
            center = rng.uniform(0, big, 2)
            corners = int(rng.integers(5, 9))
            angle = (np.arange(corners) + rng.uniform(-0.35, 0.35, corners)) * 2 * np.pi / corners
            spokes = radius * rng.uniform(0.8, 1.15, corners)
            outline = np.column_stack([np.cos(angle) * spokes, np.sin(angle) * spokes * rng.uniform(0.6, 1.0)])
            turn = rng.uniform(0, 2 * np.pi)
            outline = outline @ np.array([[np.cos(turn), np.sin(turn)], [-np.sin(turn), np.cos(turn)]])
            color = rgb(chips[int(rng.integers(len(chips)))]) * rng.uniform(0.88, 1.10)
            column, row = center.astype(int)
            if taken[row, column]:
                continue
            for shift in _wrapped(center, radius * 1.3, big):
                points = np.round(center + shift + outline).astype(np.int32)
                cv2.fillPoly(canvas, [points], color.tolist())
                halo = np.round(center + shift + outline * (1 + 2.5 / radius)).astype(np.int32)
                cv2.fillPoly(taken, [halo], [1])
    ground = np.asarray(cv2.resize(canvas, SQUARE, interpolation=cv2.INTER_AREA), dtype=np.float64)
    fine = plane_noise(rng, SQUARE, wave_px=(2.0, 2.0))
    smear = cloud_noise(rng, SQUARE, wave_px=250.0)
    return Texture(
        color=ground * (1 + 0.018 * fine)[..., None],
        roughness=roughness + 0.03 * smear + 0.01 * fine,
        height_m=0.000004 * fine,
    )


def _wrapped(center: Floats, reach: float, size: int) -> list[Floats]:
    """Shifts under which something at `center` shows in a square that repeats."""
    options = [[s for s in (-size, 0, size) if -reach < c + s < size + reach] for c in center]
    return [np.array([sx, sy], dtype=float) for sx in options[0] for sy in options[1]]


def marble(
    rng: np.random.Generator, tile_m: float, *, base: str, vein: str, strength: float = 1.0, roughness: float = 0.12
) -> Texture:
    """Veins where slow noise crosses zero, bent by slower noise, with haze about them."""
    bend = [cloud_noise(rng, SQUARE, wave_px=420.0, roughness=1.1) for _ in range(2)]
    ink, haze = np.zeros(SQUARE), np.zeros(SQUARE)
    for wave_px, width, weight, reach in (
        (900.0, 0.030, 0.9, 150.0),
        (420.0, 0.030, 0.45, 90.0),
        (200.0, 0.035, 0.22, 45.0),
    ):
        field = _warped(plane_noise(rng, SQUARE, wave_px=(wave_px * 0.6, wave_px), octave=0.35), bend, reach)
        patchy = np.clip(0.6 + 0.6 * cloud_noise(rng, SQUARE, wave_px=500.0), 0.0, 1.3)
        ink += weight * patchy * np.exp(-((np.abs(field) / (width * (0.5 + patchy))) ** 1.2))
        haze += 0.5 * weight * patchy * np.exp(-np.abs(field) / 0.30)
    cloudy = cloud_noise(rng, SQUARE, wave_px=350.0, roughness=0.7)
    crystal = plane_noise(rng, SQUARE, wave_px=(2.5, 2.5))
    share = strength * (0.62 * ink + 0.16 * haze + 0.04 * cloudy) + 0.012 * crystal
    return Texture(
        color=mix(rgb(base), rgb(vein), share),
        roughness=roughness + 0.02 * cloud_noise(rng, SQUARE, wave_px=250.0) + 0.05 * np.clip(ink, 0, 1),
        height_m=-0.00001 * np.clip(ink, 0, 1) + 0.000002 * crystal,
    )


def _warped(field: Floats, bend: Sequence[Floats], reach_px: float) -> Floats:
    """A periodic field read at places that are shifted by two others."""
    rows, columns = np.indices(SQUARE)
    at_x = ((columns + reach_px * bend[0]) % PIXELS).astype(np.float32)
    at_y = ((rows + reach_px * bend[1]) % PIXELS).astype(np.float32)
    padded = np.pad(field, ((0, 1), (0, 1)), mode="wrap").astype(np.float32)
    return cv2.remap(padded, at_x, at_y, cv2.INTER_LINEAR).astype(np.float64)


def concrete(
    rng: np.random.Generator, tile_m: float, *, color: str, pits: float = 1.0, roughness: float = 0.72
) -> Texture:
    """Cast and floated: cloudy tone, sand, a few pits, the sweep of the float."""
    cloudy = cloud_noise(rng, SQUARE, wave_px=380.0, roughness=0.6)
    stain = cloud_noise(rng, SQUARE, wave_px=700.0, roughness=1.2)
    sand = plane_noise(rng, SQUARE, wave_px=(2.2, 2.2))
    grit = plane_noise(rng, SQUARE, wave_px=(7.0, 7.0), octave=0.4)
    bend = [cloud_noise(rng, SQUARE, wave_px=500.0) for _ in range(2)]
    sweep = _warped(plane_noise(rng, SQUARE, wave_px=(7.0, 300.0)), bend, 60.0)
    pit = step(2.75, plane_noise(rng, SQUARE, wave_px=(11.0, 11.0), octave=0.45) + 0.15 * cloudy, 0.35) * pits
    pale = step(2.2, grit, 0.6)
    tone = 0.024 * cloudy + 0.022 * stain + 0.020 * sand + 0.012 * sweep + 0.05 * pale - 0.35 * pit
    warm = np.array([1.006, 1.0, 0.988])
    return Texture(
        color=rgb(color) * (1 + tone)[..., None] * (1 + 0.02 * stain[..., None] * (warm - 1) / 0.012),
        roughness=roughness + 0.04 * cloudy + 0.03 * sand,
        height_m=0.00003 * sand + 0.00004 * sweep + 0.00007 * cloudy - 0.0009 * pit,
    )


def woven(
    rng: np.random.Generator,
    tile_m: float,
    *,
    color: str,
    threads: int,
    checks: int = 0,
    check_color: str = "#ffffff",
    slub: float = 1.0,
    contrast: float = 0.34,
) -> Texture:
    """A plain weave of uneven yarn; with `checks` so many pairs of coloured and plain stripes each way (gingham)."""
    y, x = (np.indices(SQUARE) + 0.5) / PIXELS * threads
    # Yarns wander sideways a little, and swell and thin along their length.
    drift = [
        0.22 * slub * plane_noise(rng, SQUARE, wave_px=wave, octave=0.8) for wave in ((140.0, 30.0), (30.0, 140.0))
    ]
    x, y = x + drift[0], y + drift[1]
    column, row = np.floor(x).astype(int) % threads, np.floor(y).astype(int) % threads
    over = (np.floor(x) + np.floor(y)).astype(int) % 2 == 0
    a, b = x % 1.0 - 0.5, y % 1.0 - 0.5
    thick = [1 + 0.20 * slub * rng.standard_normal(threads), 1 + 0.20 * slub * rng.standard_normal(threads)]
    swell = [plane_noise(rng, SQUARE, wave_px=wave) for wave in ((90.0, 3.0), (3.0, 90.0))]
    # Each yarn is round across and arched along, high in the middle of where it lies on top.
    warp = _yarn(a, b, thick[0][column] * (1 + 0.10 * slub * swell[0]))
    weft = _yarn(b, a, thick[1][row] * (1 + 0.10 * slub * swell[1]))
    height = np.where(over, np.maximum(warp, weft - 0.55), np.maximum(weft, warp - 0.55))
    on_top = np.where(over, warp >= weft - 0.55, warp - 0.55 > weft)
    twist = np.where(on_top, np.sin(2 * np.pi * (1.5 * a + 1.2 * b)), np.sin(2 * np.pi * (1.5 * b - 1.2 * a)))
    tint = [rng.standard_normal(threads), rng.standard_normal(threads)]
    tone = np.where(on_top, tint[0][column] + 0.8 * swell[0], tint[1][row] + 0.8 * swell[1])
    base = np.broadcast_to(rgb(color), (*SQUARE, 3))
    if checks:
        band = threads / (2 * checks)
        dyed_warp, dyed_weft = (column // band).astype(int) % 2 == 0, (row // band).astype(int) % 2 == 0
        base = np.where(np.where(on_top, dyed_warp, dyed_weft)[..., None], base, rgb(check_color))
    hollow = np.clip(1 - height, 0.0, 1.0)
    shade = (1 - contrast * hollow) * (1 + 0.045 * slub * tone + 0.03 * twist)
    pitch_m = tile_m / threads
    return Texture(
        color=base * shade[..., None],
        roughness=np.full(SQUARE, 0.9) - 0.06 * height,
        height_m=pitch_m * (0.28 * height + 0.02 * twist),
    )


def _yarn(across: Floats, along: Floats, thickness: Floats) -> Floats:
    """Height of a yarn, about 0 to 1, over one crossing of the weave."""
    round_ = np.sqrt(np.clip(1 - (across / (0.52 * thickness)) ** 2, 0.0, 1.0))
    result: Floats = round_ * (0.55 + 0.45 * np.cos(np.pi * along))
    return result


def felt(rng: np.random.Generator, tile_m: float, *, color: str, nap: float = 1.0) -> Texture:
    """Short fibres pressed every way: card, kraft paper, baize, by how much nap there is."""
    total = np.zeros(SQUARE)
    for wave in ((2.0, 14.0), (14.0, 2.0), (3.0, 3.0)):
        total += plane_noise(rng, SQUARE, wave_px=wave)
    slant = plane_noise(rng, SQUARE, wave_px=(2.0, 12.0))
    rows, columns = np.indices(SQUARE)
    # A shear by whole periods keeps the field seamless and turns its fibres by 45 degrees.
    total += slant[rows, (columns + rows) % PIXELS] + np.roll(slant, 311, axis=0)[rows, (columns - rows) % PIXELS]
    total /= total.std()
    cloudy = cloud_noise(rng, SQUARE, wave_px=260.0, roughness=0.6)
    fleck = step(2.9, plane_noise(rng, SQUARE, wave_px=(2.5, 7.0)), 0.4)
    tone = 0.045 * nap * total + 0.018 * cloudy - 0.16 * fleck
    return Texture(
        color=rgb(color) * (1 + tone)[..., None],
        roughness=np.clip(0.82 + 0.10 * nap + 0.03 * total, 0.0, 1.0),
        height_m=tile_m / PIXELS * 0.10 * nap * total + 0.00001 * cloudy,
    )


def slate(rng: np.random.Generator, tile_m: float, *, color: str, layers: int = 9, roughness: float = 0.5) -> Texture:
    """Cleft stone: terraces a fraction of a millimetre high, their edges ragged, with a sheen of mica."""
    bend = [cloud_noise(rng, SQUARE, wave_px=200.0) for _ in range(2)]
    relief = cloud_noise(rng, SQUARE, wave_px=600.0, roughness=0.9)
    relief = _warped(relief, bend, 18.0) + 0.12 * plane_noise(rng, SQUARE, wave_px=(30.0, 90.0))
    level = relief * layers / 4.0
    ledge = np.floor(level) + step(0.86, level % 1.0, 0.16)
    grain = plane_noise(rng, SQUARE, wave_px=(2.5, 5.0))
    cloudy = cloud_noise(rng, SQUARE, wave_px=300.0, roughness=0.5)
    rust = step(1.6, cloud_noise(rng, SQUARE, wave_px=420.0, roughness=0.8), 1.4)
    tone = 0.05 * grain + 0.07 * cloudy + 0.035 * (ledge - ledge.mean())
    color_ = rgb(color) * (1 + tone)[..., None]
    return Texture(
        color=mix(color_, color_ * np.array([1.25, 1.02, 0.80]), 0.5 * rust),
        roughness=roughness + 0.05 * cloudy + 0.04 * grain,
        height_m=0.0004 * ledge + 0.00006 * level + 0.00003 * grain,
    )


TEXTURES: Mapping[str, Callable[..., Texture]] = {
    "concrete": concrete,
    "felt": felt,
    "marble": marble,
    "planks": planks,
    "slate": slate,
    "terrazzo": terrazzo,
    "tiles": tiles,
    "woven": woven,
}
"""By the names that the catalogue uses."""
