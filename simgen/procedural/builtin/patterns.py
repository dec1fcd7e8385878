"""What is painted on objects: colour, roughness and height over a patch, from where each texel lies.

A pattern is a function of a `Cell`, the texels of one patch: their place in space (solid textures such as wood) and
on the sheet (prints). Catalogue entries name it under `paint` and give its parameters. Colours are sRGB `#rrggbb`.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from simgen.core.errors import UnknownName
from simgen.core.vectors import Floats
from simgen.procedural.builtin.figures import FIGURES
from simgen.procedural.builtin.noise import mix, plane_noise, resized, rgb, space_noise, step


@dataclass(frozen=True, slots=True, kw_only=True)
class Cell:
    """The texels [H, W] of one patch, row 0 at the top (v = 1)."""

    face: str
    points: Floats
    """Where each texel lies on the object [H, W, 3], metres."""
    u: Floats
    v: Floats
    size_m: tuple[float, float]
    """Real extent along u and v."""

    @property
    def shape(self) -> tuple[int, int]:
        return (self.u.shape[0], self.u.shape[1])

    @property
    def x_m(self) -> Floats:
        return self.u * self.size_m[0]

    @property
    def y_m(self) -> Floats:
        return self.v * self.size_m[1]

    @property
    def texel_m(self) -> float:
        return max(self.size_m[0] / self.u.shape[1], self.size_m[1] / self.u.shape[0])

    def noise(self, wave_m: float, *, shift: float = 0.0) -> Floats:
        """Smooth noise over the patch, computed as coarsely as its features allow."""
        stride = max(1, int(wave_m / 8 / self.texel_m))
        rows, columns = self.u.shape
        if stride == 1 or min(rows, columns) < 4 * stride:
            return space_noise(self.points, wave_m=wave_m, shift=shift)
        coarse = space_noise(resized(self.points, (rows // stride, columns // stride)), wave_m=wave_m, shift=shift)
        return resized(coarse, (rows, columns))


@dataclass(frozen=True, slots=True, kw_only=True)
class Texture:
    """sRGB colour [H, W, 3]; roughness [H, W] or the same everywhere; height in metres [H, W] where there is any."""

    color: Floats
    roughness: Floats | float
    height_m: Floats | None = None


def wood(
    cell: Cell,
    rng: np.random.Generator,
    *,
    colors: Sequence[str],
    ring_mm: float = 5.0,
    axis: str = "x",
    pores: float = 0.3,
    grain: float = 1.0,
    roughness: float = 0.5,
) -> Texture:
    """Cut from a trunk along `axis`, its pith outside the piece: `colors` are early wood, late wood and pores."""
    order = {"x": [1, 2, 0], "y": [0, 2, 1], "z": [0, 1, 2]}[axis]
    p = cell.points[..., order] + np.array([0.031, -0.047, rng.uniform(0, 1)])
    shift = rng.uniform(0, 40)
    wobble = space_noise(p, wave_m=(0.05, 0.05, 0.22), shift=shift)
    radius = np.hypot(p[..., 0], p[..., 1]) + 0.0035 * wobble
    ring = radius / (ring_mm * 0.001) + 0.3 * space_noise(p, wave_m=(0.02, 0.02, 0.2), shift=shift + 7)
    phase = ring % 1.0
    # Light early wood darkens slowly into late wood, then stops short at the winter.
    late = np.where(phase < 0.88, phase**2.4, (1 - phase) / 0.12)
    fibre = space_noise(p, wave_m=(0.0030, 0.0030, 0.12), shift=shift + 3)
    fine = space_noise(p, wave_m=(0.0016, 0.0016, 0.03), shift=shift + 11)
    tone = 0.18 + 0.55 * late + 0.22 * fibre + 0.14 * wobble
    color = mix(rgb(colors[0]), rgb(colors[1]), grain * tone)
    pore = step(0.75, fine, 0.5) * pores
    color = mix(color, rgb(colors[2]), pore)
    return Texture(
        color=color,
        roughness=roughness + 0.08 * late + 0.06 * fibre,
        height_m=-0.00006 * pore + 0.00002 * fibre,
    )


def glaze(
    cell: Cell,
    rng: np.random.Generator,
    *,
    color: str,
    edge: str = "",
    speckle: str = "",
    speckle_mm: float = 1.0,
    density: float = 0.5,
    roughness: float = 0.18,
) -> Texture:
    """Poured glaze: thinner and of the colour `edge` towards the lip, a little uneven, with specks where wanted."""
    shift = rng.uniform(0, 40)
    uneven = cell.noise(0.035, shift=shift) + 0.5 * cell.noise(0.012, shift=shift + 5)
    base = np.broadcast_to(rgb(color), cell.points.shape) * (1 + 0.035 * uneven[..., None])
    if edge:
        lip = step(0.93, cell.v + 0.035 * uneven, 0.16)
        base = mix(base, rgb(edge), lip)
    if speckle:
        spots = cell.noise(0.001 * speckle_mm * 2.2, shift=shift + 9)
        crowd = cell.noise(0.02, shift=shift + 13)
        base = mix(base, rgb(speckle), 0.85 * step(0.95 - 0.5 * density, spots + 0.12 * crowd, 0.12))
    return Texture(
        color=base,
        roughness=roughness + 0.03 * uneven,
        height_m=0.00004 * cell.noise(0.02, shift=shift + 17),
    )


def bands(
    cell: Cell,
    rng: np.random.Generator,
    *,
    base: str,
    stripes: Sequence[Sequence[Any]],
    along: str = "v",
    roughness: float = 0.3,
) -> Texture:
    """Painted rings: rows of lower edge, upper edge (shares of the height) and colour, with a hand's unsteadiness."""
    share = cell.v if along == "v" else cell.u
    soft = 1.5 * cell.texel_m / cell.size_m[1 if along == "v" else 0]
    uneven = cell.noise(0.03, shift=rng.uniform(0, 40))
    color = np.broadcast_to(rgb(base), cell.points.shape) * (1 + 0.02 * uneven[..., None])
    for low, high, stripe in stripes:
        at = share + 0.0015 * uneven
        color = mix(color, rgb(stripe), step(low, at, soft) * (1 - step(high, at, soft)))
    return Texture(color=color, roughness=roughness)


def sheet(
    cell: Cell,
    rng: np.random.Generator,
    *,
    base: str,
    layers: Sequence[Mapping[str, Any]] = (),
    faces: Mapping[str, Sequence[Mapping[str, Any]]] | None = None,
    grain: float = 0.012,
    roughness: float = 0.45,
) -> Texture:
    """A print: layers of plain figures on coloured paper. A box may have other `layers` for single faces.

    Places are in shares of the sheet's height, x from its middle, y from its foot.
    """
    height = cell.size_m[1]
    x, y = (cell.x_m - cell.size_m[0] / 2) / height, cell.y_m / height
    soft = 1.3 * cell.texel_m / height
    color = np.broadcast_to(rgb(base), cell.points.shape).copy()
    for layer in (faces or {}).get(cell.face, layers):
        values = {key: value for key, value in layer.items() if key not in ("draw", "color")}
        if layer["draw"] not in FIGURES:
            raise UnknownName("figure", layer["draw"], FIGURES, where="assets/objects.yaml")
        share = FIGURES[layer["draw"]](x, y, soft, **values)
        rows, columns = (np.flatnonzero(share.any(axis=axis)) for axis in (1, 0))
        if len(rows):
            inked = np.s_[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
            color[inked] = mix(color[inked], rgb(layer["color"]), share[inked])
    fibre = np.tile(plane_noise(rng, (256, 256), wave_px=(2.5, 2.5)), [-(-n // 256) for n in x.shape])
    color *= 1 + grain * fibre[: x.shape[0], : x.shape[1], None]
    return Texture(color=color, roughness=roughness)


def pips(
    cell: Cell,
    rng: np.random.Generator,
    *,
    base: str,
    color: str,
    faces: Mapping[str, Sequence[int]],
    radius: float = 0.095,
    line: str = "",
    roughness: float = 0.3,
) -> Texture:
    """Dice and dominoes: numbers of pips per face; two numbers share a face, one above the other."""
    del rng
    numbers = faces.get(cell.face, ())
    count = max(len(numbers), 1)
    width, height = cell.size_m
    unit = min(width, height / count)
    soft = 1.5 * cell.texel_m / unit
    ink = np.zeros_like(cell.u)
    for k, number in enumerate(numbers):
        x = (cell.x_m - width / 2) / unit
        y = (cell.y_m - height / 2) / unit - ((count - 1) / 2 - k) * (height / count) / unit
        for a, b in PIPS[number]:
            ink = np.maximum(ink, 1 - step(radius, np.hypot(x - a * 0.26, y - b * 0.26), soft))
    if line and count == 2:
        y = (cell.y_m - height / 2) / unit
        rule = (1 - step(0.02, np.abs(y), soft)) * (1 - step(0.40, np.abs((cell.x_m - width / 2) / unit), soft))
        ink = np.maximum(ink, rule)
    body = np.broadcast_to(rgb(base), cell.points.shape)
    return Texture(
        color=mix(body, rgb(color), ink), roughness=roughness + 0.25 * ink, height_m=-0.03 * unit * 0.3 * ink
    )


PIPS: Mapping[int, Sequence[tuple[int, int]]] = {
    0: (),
    1: ((0, 0),),
    2: ((-1, 1), (1, -1)),
    3: ((-1, 1), (0, 0), (1, -1)),
    4: ((-1, 1), (1, 1), (-1, -1), (1, -1)),
    5: ((-1, 1), (1, 1), (0, 0), (-1, -1), (1, -1)),
    6: ((-1, 1), (1, 1), (-1, 0), (1, 0), (-1, -1), (1, -1)),
}


def leaves_of_paper(
    cell: Cell, rng: np.random.Generator, *, color: str, shade: str, axis: str = "y", pitch_mm: float = 0.6
) -> Texture:
    """The cut edge of a book: sheets stacked along `axis`."""
    at = cell.points[..., "xyz".index(axis)] / (0.001 * pitch_mm)
    slow = cell.noise(0.05, shift=rng.uniform(0, 40))
    sheet_index = np.floor(at + 0.25 * slow)
    tone = np.sin(sheet_index * 12.9898) * 43758.5453
    tone = tone - np.floor(tone)
    gap = np.abs((at + 0.25 * slow) % 1.0 - 0.5) * 2
    dark = 0.35 * tone + 0.45 * step(0.7, gap, 0.5)
    return Texture(color=mix(rgb(color), rgb(shade), dark), roughness=0.85 + 0.05 * tone, height_m=-0.00004 * gap)


def cloth(
    cell: Cell, rng: np.random.Generator, *, color: str, thread_mm: float = 0.7, contrast: float = 0.25
) -> Texture:
    """Plain weave, as on a book's boards."""
    pitch = 0.001 * thread_mm
    a, b = cell.x_m / pitch, cell.y_m / pitch
    over = (np.floor(a) + np.floor(b)) % 2 == 0
    warp, weft = np.sin(np.pi * (a % 1.0)), np.sin(np.pi * (b % 1.0))
    height = np.where(over, warp, weft)
    slub = plane_noise(rng, cell.shape, wave_px=(3.0, 24.0)) + plane_noise(rng, cell.shape, wave_px=(24.0, 3.0))
    shade = (0.5 + 0.5 * height) * (1 + 0.10 * slub)
    base = np.broadcast_to(rgb(color), cell.points.shape)
    return Texture(
        color=base * (1 - contrast + contrast * shade[..., None]),
        roughness=0.85,
        height_m=0.00012 * height,
    )


def card(
    cell: Cell, rng: np.random.Generator, *, color: str, tape: str = "", tape_mm: float = 48.0, flute_mm: float = 6.0
) -> Texture:
    """Corrugated board, with a strip of tape over the middle of top and bottom and a little down the ends."""
    a = cell.x_m - cell.size_m[0] / 2
    fibre = plane_noise(rng, cell.shape, wave_px=(2.0, 5.0)) + 0.7 * plane_noise(rng, cell.shape, wave_px=(40.0, 40.0))
    flute = np.sin(2 * np.pi * a / (0.001 * flute_mm))
    color_ = np.broadcast_to(rgb(color), cell.points.shape) * (1 + 0.03 * fibre + 0.018 * flute)[..., None]
    rough, height = 0.8 + 0.03 * fibre, 0.00003 * flute
    if tape:
        y = cell.points[..., 1]
        strip = 1 - step(0.0005 * tape_mm, np.abs(y), cell.texel_m * 1.5)
        if cell.face in ("left", "right"):
            strip = strip * step(1 - 0.055 / cell.size_m[1], cell.v, 0.01)
        if cell.face in ("front", "back"):
            strip = np.zeros_like(strip)
        gap = np.exp(-((y / 0.0012) ** 2)) * (cell.face in ("top", "bottom"))
        color_ = mix(color_, rgb(tape), 0.72 * strip) * (1 - 0.35 * gap)[..., None]
        rough = rough - 0.5 * strip
        height = height * (1 - 0.7 * strip) - 0.0003 * gap
    return Texture(color=color_, roughness=rough, height_m=height)


def panels(
    cell: Cell, rng: np.random.Generator, *, colors: Sequence[str], cap: str = "", roughness: float = 0.35
) -> Texture:
    """A ball of coloured gores from pole to pole, with a disc at each pole."""
    del rng
    unit = cell.points / np.linalg.norm(cell.points, axis=-1, keepdims=True)
    angle = np.arctan2(unit[..., 1], unit[..., 0]) / (2 * np.pi) % 1.0 * len(colors)
    table = np.array([rgb(color) for color in colors])
    across = np.hypot(unit[..., 0], unit[..., 1])
    near, share = np.floor(angle).astype(int) % len(colors), angle % 1.0
    width = len(colors) * 1.2 / cell.u.shape[1] / np.maximum(across, 0.05)
    color = mix(table[near], table[(near + 1) % len(colors)], 0.5 * step(1.0, share, width) * 2 * (share > 0.5))
    seam = np.exp(-((np.minimum(share, 1 - share) * across / len(colors) * 6.28 / 0.012) ** 2))
    if cap:
        disc = step(np.cos(0.30), np.abs(unit[..., 2]), 0.006)
        color = mix(color, rgb(cap), disc)
        seam = seam * (1 - disc)
    return Texture(color=color * (1 - 0.10 * seam[..., None]), roughness=roughness, height_m=-0.0003 * seam)


def seam_ball(
    cell: Cell,
    rng: np.random.Generator,
    *,
    color: str,
    seam: str,
    kind: str = "tennis",
    fuzz: float = 1.0,
    roughness: float = 0.9,
) -> Texture:
    """A ball with its seam: the one curve of a tennis ball or the eight lines of a basketball."""
    # The distance to a seam is smooth: a quarter of the resolution is enough for it.
    rows, columns = cell.shape
    unit = resized(cell.points, (rows // 4, columns // 4))
    unit = unit / np.linalg.norm(unit, axis=-1, keepdims=True)
    if kind == "tennis":
        t = np.linspace(0, 2 * np.pi, 240, endpoint=False)
        curve = np.column_stack(
            [
                0.75 * np.cos(t) + 0.25 * np.cos(3 * t),
                0.75 * np.sin(t) - 0.25 * np.sin(3 * t),
                0.866 * np.sin(2 * t),
            ]
        )
        curve /= np.linalg.norm(curve, axis=1, keepdims=True)
        distance, half = np.arccos(np.clip(np.max(unit @ curve.T, axis=-1), -1, 1)), 0.045
    else:
        x, y, z = (unit[..., k] for k in range(3))
        sides = [np.abs(np.hypot(y + sign * 1.15, 0.9 * z) - 0.80) for sign in (-1, 1)]
        distance, half = np.min([np.abs(z), np.abs(x), *sides], axis=0), 0.022
    distance = resized(distance, (rows, columns))
    line = 1 - step(half, distance, 0.02)
    felt = cell.noise(0.0022, shift=rng.uniform(0, 40)) + 0.6 * cell.noise(0.009)
    base = np.broadcast_to(rgb(color), cell.points.shape) * (1 + 0.035 * fuzz * felt * (1 - line))[..., None]
    pebble = 0.0 if kind == "tennis" else 0.00025 * step(0.1, cell.noise(0.005), 0.5)
    return Texture(
        color=mix(base, rgb(seam), line),
        roughness=roughness,
        height_m=0.00022 * fuzz * felt * (1 - line) - 0.0006 * line + pebble * (1 - line),
    )


def swirl(
    cell: Cell, rng: np.random.Generator, *, colors: Sequence[str], wave_mm: float = 18.0, roughness: float = 0.08
) -> Texture:
    """Veins of colour, as in a marble or in swirled soap."""
    shift = rng.uniform(0, 40)
    p = cell.points
    warp = np.stack([cell.noise(0.001 * wave_mm, shift=shift + k) for k in (0, 11, 23)], axis=-1)
    value = space_noise(p + 0.0011 * wave_mm * warp, wave_m=0.001 * wave_mm * 0.8, shift=shift + 31)
    at = np.clip((value + 0.9) / 1.8, 0, 0.999) * (len(colors) - 1)
    table = np.array([rgb(color) for color in colors])
    low = np.floor(at).astype(int)
    return Texture(color=mix(table[low], table[low + 1], step(0.5, at - low, 0.6)), roughness=roughness)


def thread(cell: Cell, rng: np.random.Generator, *, color: str, pitch_mm: float = 0.9) -> Texture:
    """Yarn wound around the z axis in a fine helix."""
    turn = cell.u * 3 + cell.y_m / (0.001 * pitch_mm)
    round_ = np.sin(np.pi * (turn % 1.0))
    twist = 0.5 + 0.5 * np.sin(2 * np.pi * (cell.x_m / 0.0016 + turn * 1.0))
    uneven = cell.noise(0.004, shift=rng.uniform(0, 40))
    shade = 0.45 + 0.45 * round_ + 0.10 * twist + 0.06 * uneven
    return Texture(
        color=np.broadcast_to(rgb(color), cell.points.shape) * shade[..., None],
        roughness=0.75,
        height_m=0.0003 * round_ + 0.00005 * twist,
    )


def metal(
    cell: Cell,
    rng: np.random.Generator,
    *,
    color: str,
    roughness: float = 0.28,
    lines: str = "round",
    wear: float = 1.0,
) -> Texture:
    """Brushed metal: fine lines that run around the axis, or along it."""
    wave = (1.5, 220.0) if lines == "round" else (220.0, 1.5)
    shape = cell.shape
    brush = plane_noise(rng, shape, wave_px=wave) + 0.6 * plane_noise(rng, shape, wave_px=(wave[0] * 3, wave[1] * 2))
    smudge = cell.noise(0.03, shift=rng.uniform(0, 40))
    return Texture(
        color=np.broadcast_to(rgb(color), cell.points.shape) * (1 + 0.02 * wear * brush)[..., None],
        roughness=roughness + wear * (0.025 * brush + 0.05 * smudge),
        height_m=0.000004 * brush,
    )


def bath_duck(cell: Cell, rng: np.random.Generator, *, color: str, beak: str, eye: str) -> Texture:
    """Beak and eyes by their place on the duck of `shapes.duck`; one unit is a hundredth of its length."""
    del rng
    unit = np.ptp(cell.points[..., 0]) / 100.0
    p = cell.points / unit
    # The tail ends at -59 and the beak at +57 in the duck's own units, 116 of them in all.
    p = p * 1.16
    p = p - np.array([p[..., 0].max() - 57.0, 0.0, p[..., 2].min() - 7.0])
    bill = step(37.5, p[..., 0], 0.8) * (1 - step(8.5, np.abs(p[..., 2] - 66.0), 1.0))
    result = mix(np.broadcast_to(rgb(color), p.shape), rgb(beak), bill)
    spot = np.hypot(p[..., 0] - 32.5, p[..., 2] - 77.0)
    white = 1 - step(5.2, spot, 0.6)
    pupil = 1 - step(3.0, np.hypot(p[..., 0] - 33.5, p[..., 2] - 77.0), 0.6)
    result = mix(mix(result, rgb("#f4f2ea"), white), rgb(eye), pupil)
    return Texture(color=result, roughness=0.32 - 0.15 * white)


PATTERNS: Mapping[str, Callable[..., Texture]] = {
    "bands": bands,
    "bath duck": bath_duck,
    "card": card,
    "cloth": cloth,
    "glaze": glaze,
    "leaves of paper": leaves_of_paper,
    "metal": metal,
    "panels": panels,
    "pips": pips,
    "seam ball": seam_ball,
    "sheet": sheet,
    "swirl": swirl,
    "thread": thread,
    "wood": wood,
}
"""By the names that the catalogue uses."""
