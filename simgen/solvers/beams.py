"""Slender bars: how far they bend under a load (the elastica, solved), and what torque twists them."""

import math

import numpy as np

from simgen.core.vectors import Floats


def cantilever(load_ratio: float, *, num: int = 120) -> tuple[Floats, Floats, Floats]:
    """A bar clamped level at one end with a weight on the other: how far out, how far below, and at what angle its
    points are, at even distances along it, in bar lengths and radians.

    `load_ratio` is P L² / (E I). Solves φ'' = -(P L² / E I) cos φ, φ(0) = 0, φ'(1) = 0 (Euler's elastica) by shooting.
    """
    low, high = 0.0, max(load_ratio, 1e-12)
    for _ in range(48):
        middle = (low + high) / 2
        low, high = (middle, high) if _bent(load_ratio, middle, num)[-1, 1] < 0 else (low, middle)
    states = _bent(load_ratio, (low + high) / 2, num)
    return states[:, 2], states[:, 3], states[:, 0]


def _bent(load_ratio: float, curvature: float, num: int) -> Floats:
    """States (angle, curvature, out, below) along a bar that starts with a curvature, by Runge and Kutta."""
    h = 1.0 / num

    def rate(angle: float, bend: float) -> tuple[float, float, float, float]:
        return bend, -load_ratio * math.cos(angle), math.cos(angle), math.sin(angle)

    rows = [(0.0, curvature, 0.0, 0.0)]
    for _ in range(num):
        now = rows[-1]
        a = rate(now[0], now[1])
        b = rate(now[0] + h / 2 * a[0], now[1] + h / 2 * a[1])
        c = rate(now[0] + h / 2 * b[0], now[1] + h / 2 * b[1])
        d = rate(now[0] + h * c[0], now[1] + h * c[1])
        steps = [h / 6 * (a[k] + 2 * b[k] + 2 * c[k] + d[k]) for k in range(4)]
        rows.append((now[0] + steps[0], now[1] + steps[1], now[2] + steps[2], now[3] + steps[3]))
    return np.array(rows)


def supported(load_ratio: float, share: float = 0.5, *, num: int = 240) -> tuple[Floats, Floats, Floats, Floats]:
    """A bar that lies on two supports a span apart with a weight on it that share of the span from the first,
    `load_ratio` being P S² / (E I): how far along the bar, out and above the supports and at what angle its points are
    from the first support to the second; in spans and radians. It slides on its supports, which push straight up, so
    that the moment in it depends only on how far out one is."""
    even = np.linspace(0.0, 1.0, num + 1)
    out, length = even, 1.0
    angle = above = np.zeros(num + 1)
    for _ in range(60):
        moment = load_ratio * np.where(out < share, (1.0 - share) * out, share * (1.0 - out))
        turned = length * _summed(moment, even)
        # The first angle is the one for which it comes down on the second support.
        low, high = -turned[-1], 0.0
        for _ in range(50):
            first = (low + high) / 2
            low, high = (first, high) if _summed(np.sin(first + turned), even)[-1] < 0 else (low, first)
        angle = (low + high) / 2 + turned
        before, length = length, 1.0 / float(_summed(np.cos(angle), even)[-1])
        out, above = (length * _summed(of(angle), even) for of in (np.cos, np.sin))
        if abs(length - before) < 1e-12:
            break
    return length * even, out, above, angle


def _summed(values: Floats, at: Floats) -> Floats:
    """The integral from the first place to each."""
    return np.concatenate([[0.0], np.cumsum(np.diff(at) * (values[1:] + values[:-1]) / 2)])


def cantilever_deflection_m(load_n: float, length_m: float, young_pa: float, second_moment_m4: float) -> float:
    """Of the tip, for small loads: P L³ / (3 E I)."""
    return load_n * length_m**3 / (3 * young_pa * second_moment_m4)


def supported_deflection_m(
    load_n: float, span_m: float, young_pa: float, second_moment_m4: float, share: float = 0.5
) -> float:
    """Where the load is, that share of the span from a support, for small loads: P a² b² / (3 E I S)."""
    ways = share * (1.0 - share) * span_m**2
    return load_n * ways**2 / (3 * young_pa * second_moment_m4 * span_m)


def rectangle_m4(width_m: float, thickness_m: float) -> float:
    """Second moment of area of a flat strip."""
    return width_m * thickness_m**3 / 12


def torsion_constant_m4(width_m: float, thickness_m: float) -> float:
    """Of a solid rectangle (Saint-Venant's series)."""
    long, short = max(width_m, thickness_m), min(width_m, thickness_m)
    odd = np.arange(1.0, 30.0, 2.0)
    series = float((np.tanh(odd * np.pi * long / (2 * short)) / odd**5).sum())
    return long * short**3 * (1 / 3 - 64 / np.pi**5 * short / long * series)


def circle_torsion_m4(radius_m: float) -> float:
    return float(np.pi * radius_m**4 / 2)


def torque_nm(shear_pa: float, constant_m4: float, angle_rad: float, length_m: float) -> float:
    """G J φ / L."""
    return shear_pa * constant_m4 * angle_rad / length_m
