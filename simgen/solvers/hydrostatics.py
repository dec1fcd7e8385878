"""Archimedes: how deep and which way up a body floats in a vessel, and how far the water rises.

A body is a closed triangle mesh with its centre of mass and its density over that of the liquid. It floats so that the
water it displaces weighs what it weighs, and in an orientation in which the centre of mass lies as low as it can above
the centre of buoyancy: that is where the couple of weight and buoyancy vanishes and brings it back.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from simgen.core.vectors import Floats

Triangles = NDArray[np.int64]


def below(points: Floats, triangles: Triangles, height: float) -> tuple[float, Floats]:
    """Volume of a closed mesh below a level plane, and the centroid of that volume (divergence theorem)."""
    corners = points[triangles]
    under = (corners[:, :, 2] <= height).sum(axis=1)
    pieces = [corners[under == 3]]
    for count in (1, 2):
        cut = corners[under == count]
        if not len(cut):
            continue
        # The corner that is alone on its side first, the order kept.
        alone = np.argmax((cut[:, :, 2] <= height) == (count == 1), axis=1)
        a, b, c = (cut[np.arange(len(cut)), (alone + k) % 3] for k in range(3))
        ab = a + (b - a) * ((height - a[:, 2]) / (b[:, 2] - a[:, 2]))[:, None]
        ac = a + (c - a) * ((height - a[:, 2]) / (c[:, 2] - a[:, 2]))[:, None]
        pieces += [np.stack([a, ab, ac], 1)] if count == 1 else [np.stack([ab, b, c], 1), np.stack([ab, c, ac], 1)]
    wet = np.concatenate(pieces)
    if not len(wet):
        return 0.0, np.array([0.0, 0.0, height])
    u, v = wet[:, 1] - wet[:, 0], wet[:, 2] - wet[:, 0]
    flat = (u[:, 0] * v[:, 1] - u[:, 1] * v[:, 0]) / 2
    depth = wet[:, :, 2] - height
    volume = float((flat * depth.mean(axis=1)).sum())
    if volume <= 0.0:
        return 0.0, np.array([0.0, 0.0, height])

    def product(first: Floats, second: Floats) -> float:
        mean = (first * second).sum(axis=1) + first.sum(axis=1) * second.sum(axis=1)
        return float((flat * mean).sum() / 12)

    moment = [product(wet[:, :, k], depth) for k in (0, 1)]
    moment.append(product(depth, depth) / 2 + height * volume)
    return volume, np.array(moment) / volume


def level_of(points: Floats, triangles: Triangles, volume_m3: float) -> tuple[float, Floats]:
    """Height of the plane below which that much of the mesh lies, and the centroid below it."""
    low, high = float(points[:, 2].min()), float(points[:, 2].max())
    total = below(points, triangles, high)[0]
    if volume_m3 >= total * (1 - 1e-9):
        return high, below(points, triangles, high)[1]
    f_low, f_high = -volume_m3, total - volume_m3
    height = low + (high - low) * volume_m3 / total
    for _ in range(40):
        got, centroid = below(points, triangles, height)
        if abs(got - volume_m3) < 1e-6 * total:
            break
        if got > volume_m3:
            high, f_high = height, got - volume_m3
        else:
            low, f_low = height, got - volume_m3
        height = low + (high - low) * float(np.clip(-f_low / (f_high - f_low), 0.1, 0.9))
    return height, centroid


@dataclass(frozen=True, slots=True, kw_only=True)
class Floating:
    """A body at rest in the water: turned by `rotation`, with the water's plane `height_m` above its centre of mass."""

    rotation: Floats
    height_m: float
    submerged_m3: float
    arm_m: float
    """Lever arm of what couple is left."""


def float_at_rest(
    points: Floats, triangles: Triangles, center_of_mass: Floats, density_ratio: float, *, num_steps: int = 160
) -> Floating:
    """How a body floats that is let in the way it is given, `density_ratio` times as dense as the liquid.

    From there it turns the way the couple turns it, and rests where there is none.
    """
    own = points - center_of_mass
    total = below(own, triangles, float(own[:, 2].max()) + 1.0)[0]
    wanted = min(density_ratio, 1.0) * total
    size = float(np.linalg.norm(np.ptp(own, axis=0)))
    # A hair off, so that what stands on its head does not go on standing.
    turn = _rotation(np.array([0.03, 0.017, 0.0]))
    step, arm_before = 1.2, np.zeros(3)
    for _ in range(num_steps):
        height, centroid = level_of(own @ turn.T, triangles, wanted)
        arm = np.array([centroid[1], -centroid[0], 0.0]) / size
        if np.linalg.norm(arm) < 2e-5:
            break
        step = step * 1.25 if arm @ arm_before > 0 else step * 0.5
        arm_before = arm
        way = step * arm
        turn = _rotation(way * min(1.0, 0.25 / max(float(np.linalg.norm(way)), 1e-12))) @ turn
    height, centroid = level_of(own @ turn.T, triangles, wanted)
    return Floating(
        rotation=turn, height_m=height, submerged_m3=wanted, arm_m=float(np.hypot(centroid[0], centroid[1]))
    )


def _rotation(vector: Floats) -> Floats:
    """The matrix that turns about a vector by its length (Rodrigues)."""
    angle = float(np.linalg.norm(vector))
    if angle < 1e-12:
        return np.eye(3)
    x, y, z = vector / angle
    cross = np.array([[0.0, -z, y], [z, 0.0, -x], [-y, x, 0.0]])
    result: Floats = np.eye(3) + np.sin(angle) * cross + (1 - np.cos(angle)) * cross @ cross
    return result


def capacity_m3(heights_m: Floats, areas_m2: Floats, level_m: float) -> float:
    """What a vessel holds up to a level; its horizontal area is given at rising heights from its floor up."""
    at = np.append(heights_m[heights_m < level_m], level_m)
    area = np.interp(at, heights_m, areas_m2)
    return float(((area[1:] + area[:-1]) / 2 * np.diff(at)).sum())


def filled_to(heights_m: Floats, areas_m2: Floats, volume_m3: float) -> float:
    """The level that a volume stands at in a vessel; above its highest height it is held to be a prism."""
    low, high = float(heights_m[0]), float(heights_m[-1]) + volume_m3 / float(areas_m2[-1])
    for _ in range(60):
        middle = (low + high) / 2
        low, high = (middle, high) if capacity_m3(heights_m, areas_m2, middle) < volume_m3 else (low, middle)
    return (low + high) / 2
