"""Pendulum and spring: the equation of motion stepped through, and the periods that formulas give."""

from collections.abc import Callable

import numpy as np

from simgen.core.vectors import Floats

GRAVITY_MPS2 = 9.81


def swing(length_m: float, angle_rad: float, time_s: float, *, damping_ratio: float = 0.0, steps: int = 2000) -> Floats:
    """Angle and angular velocity of a pendulum after a time, let go at rest: θ'' = -(g/L) sin θ - 2 ζ ω θ'."""
    omega = float(np.sqrt(GRAVITY_MPS2 / length_m))
    return _stepped(
        lambda s: np.array([s[1], -(omega**2) * np.sin(s[0]) - 2 * damping_ratio * omega * s[1]]),
        np.array([angle_rad, 0.0]),
        time_s,
        steps,
    )


def swing_period_s(length_m: float, angle_rad: float) -> float:
    """Exact period of a pendulum at any amplitude, from the arithmetic-geometric mean (Carvalhaes & Suppes 2008)."""
    a, b = 1.0, float(np.cos(angle_rad / 2))
    while abs(a - b) > 1e-14:
        a, b = (a + b) / 2, float(np.sqrt(a * b))
    return float(2 * np.pi * np.sqrt(length_m / GRAVITY_MPS2)) / a


def bob_length_m(length_m: float, radius_m: float) -> float:
    """Length of the point pendulum that swings like a ball on a string: I / (m L), I = m (L² + 2 r² / 5)."""
    return length_m + 0.4 * radius_m**2 / length_m


def bounce(
    mass_kg: float,
    stiffness_npm: float,
    offset_m: float,
    time_s: float,
    *,
    damping_ratio: float = 0.0,
    steps: int = 2000,
) -> Floats:
    """Height above its rest and speed of a mass on a spring after a time, let go at rest at an offset."""
    omega = float(np.sqrt(stiffness_npm / mass_kg))
    return _stepped(
        lambda s: np.array([s[1], -(omega**2) * s[0] - 2 * damping_ratio * omega * s[1]]),
        np.array([offset_m, 0.0]),
        time_s,
        steps,
    )


def bounce_period_s(mass_kg: float, stiffness_npm: float) -> float:
    return float(2 * np.pi * np.sqrt(mass_kg / stiffness_npm))


def coil_stiffness_npm(shear_pa: float, wire_m: float, coil_m: float, num_turns: float) -> float:
    """Of a helical spring by its wire's and its coil's diameter: G d⁴ / (8 D³ n)."""
    return shear_pa * wire_m**4 / (8 * coil_m**3 * num_turns)


def _stepped(rate: Callable[[Floats], Floats], state: Floats, time_s: float, steps: int) -> Floats:
    """Runge and Kutta's fourth order."""
    h = time_s / steps
    for _ in range(steps):
        a = rate(state)
        b = rate(state + h / 2 * a)
        c = rate(state + h / 2 * b)
        d = rate(state + h * c)
        state = state + h / 6 * (a + 2 * b + 2 * c + d)
    return state
