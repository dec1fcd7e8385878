"""The plain figures that prints are composed of: where there is ink, 0 to 1.

Coordinates are shares of the sheet's height, x from its middle and y from its foot; `soft` is the width of an edge.
"""

from collections.abc import Callable, Mapping, Sequence

import numpy as np

from simgen.core.vectors import Floats
from simgen.procedural.builtin.noise import step


def _disc(x: Floats, y: Floats, soft: float, *, at: Sequence[float], radius: float, ring: float = 0.0) -> Floats:
    distance = np.hypot(x - at[0], y - at[1])
    share = 1 - step(radius, distance, soft)
    return share * step(radius - ring, distance, soft) if ring else share


def _bar(
    x: Floats, y: Floats, soft: float, *, at: Sequence[float], size: Sequence[float], tilt_deg: float = 0.0
) -> Floats:
    if tilt_deg:
        c, s = np.cos(np.radians(tilt_deg)), np.sin(np.radians(tilt_deg))
        a, b = (x - at[0]) * c + (y - at[1]) * s, (y - at[1]) * c - (x - at[0]) * s
    else:
        # The product of a row and a column: lines of print are hundreds of these.
        a, b = x[:1] - at[0], y[:, :1] - at[1]
    return (1 - step(size[0] / 2, np.abs(a), soft)) * (1 - step(size[1] / 2, np.abs(b), soft))


def _wave(
    x: Floats, y: Floats, soft: float, *, at: float, swing: float, length: float, width: float = 0.0, shift: float = 0.0
) -> Floats:
    """All below a wavy line, or a wavy ribbon of a width."""
    line = at + swing * np.sin(2 * np.pi * (x / length + shift))
    if width:
        return 1 - step(width / 2, np.abs(y - line), soft)
    return 1 - step(line, y, soft)


def _rays(x: Floats, y: Floats, soft: float, *, at: Sequence[float], count: int, inner: float, outer: float) -> Floats:
    angle, distance = np.arctan2(y - at[1], x - at[0]), np.hypot(x - at[0], y - at[1])
    wedge = np.abs((angle / (2 * np.pi) * count) % 1.0 - 0.5) * 2 * np.pi * distance / count
    inside = step(inner, distance, soft) * (1 - step(outer, distance, soft))
    result: Floats = inside * (1 - step(0.25 * 2 * np.pi * distance / count, wedge, soft))
    return result


def _dots(
    x: Floats, y: Floats, soft: float, *, pitch: float, radius: float, low: float = -9.0, high: float = 9.0
) -> Floats:
    row = np.floor(y / pitch)
    a = (x / pitch + 0.5 * (row % 2)) % 1.0 - 0.5
    b = (y / pitch) % 1.0 - 0.5
    disc = 1 - step(radius, np.hypot(a, b) * pitch, soft)
    return disc * (y > low) * (y < high)


def _peaks(
    x: Floats, y: Floats, soft: float, *, foot: float, height: float, width: float, shift: float = 0.0
) -> Floats:
    """A row of triangles."""
    saw = np.abs((x / width + shift) % 1.0 - 0.5) * 2
    return (1 - step(foot + height * (1 - saw), y, soft)) * step(foot, y, soft)


def _leaf(
    x: Floats, y: Floats, soft: float, *, at: Sequence[float], length: float, width: float, tilt_deg: float = 0.0
) -> Floats:
    c, s = np.cos(np.radians(tilt_deg)), np.sin(np.radians(tilt_deg))
    a, b = (x - at[0]) * c + (y - at[1]) * s, (y - at[1]) * c - (x - at[0]) * s
    share = np.clip(a / length, 0.0, 1.0)
    profile = width / 2 * np.sin(np.pi * share**0.8)
    vein = step(0.0035, np.abs(b), soft)
    result: Floats = (1 - step(profile, np.abs(b), soft)) * (a > 0) * (a < length) * (0.35 + 0.65 * vein)
    return result


def _frame(x: Floats, y: Floats, soft: float, *, inset: float, width: float, half_width: float) -> Floats:
    """A border line at a distance from the edge of a sheet that is `half_width` wide to each side."""
    edge = np.minimum(half_width - np.abs(x), np.minimum(y, 1 - y))
    return step(inset, edge, soft) * (1 - step(inset + width, edge, soft))


def _lines(
    x: Floats, y: Floats, soft: float, *, at: Sequence[float], size: Sequence[float], count: int, seed: int = 0
) -> Floats:
    """Rows of short bars: print too small to read."""
    rng = np.random.default_rng(seed)
    total = np.zeros_like(x)
    pitch = size[1] / count
    for k in range(count):
        row = at[1] + size[1] / 2 - (k + 0.5) * pitch
        start, end = at[0] - size[0] / 2, at[0] + size[0] / 2 * rng.uniform(0.35, 1.0)
        while start < end:
            length = pitch * rng.uniform(0.8, 3.5)
            total += _bar(x, y, soft, at=(start + length / 2, row), size=(min(length, end - start), 0.5 * pitch))
            start += length + 0.4 * pitch
    return np.clip(total, 0.0, 1.0)


FIGURES: Mapping[str, Callable[..., Floats]] = {
    "bar": _bar,
    "disc": _disc,
    "dots": _dots,
    "frame": _frame,
    "leaf": _leaf,
    "lines": _lines,
    "peaks": _peaks,
    "rays": _rays,
    "wave": _wave,
}
