"""Where light goes: refraction, mirrors, lenses, shadows, falling off with distance, and what hides what.

Angles are measured from the normal of a surface. Formulas as in Hecht, Optics, chapters 4 and 5.
"""

import cv2
import numpy as np
from numpy.typing import ArrayLike

from simgen.core.vectors import Floats


def snell_rad(incidence_rad: ArrayLike, n_from: float, n_into: float) -> Floats:
    """The angle of refraction; nan where all light is reflected."""
    sine = n_from / n_into * np.sin(np.asarray(incidence_rad, dtype=float))
    return np.where(np.abs(sine) <= 1.0, np.arcsin(np.clip(sine, -1.0, 1.0)), np.nan)


def slab_offset_m(incidence_rad: float, thickness_m: float, ior: float) -> float:
    """How far a ray leaves a flat slab in air beside the line on which it came, parallel to it."""
    inside = float(snell_rad(incidence_rad, 1.0, ior))
    return thickness_m * float(np.sin(incidence_rad - inside) / np.cos(inside))


def apparent_depth_m(depth_m: float, incidence_rad: float, ior: float) -> float:
    """Depth below a water surface at which a thing seems to lie, by the way down on which the line of sight reaches
    it: `incidence_rad` is the angle of that line in air."""
    inside = float(snell_rad(incidence_rad, 1.0, ior))
    return depth_m * float(np.tan(inside) / np.tan(incidence_rad)) if incidence_rad else depth_m / ior


def mirror_image_m(points_m: ArrayLike, on_mirror_m: ArrayLike, normal: ArrayLike) -> Floats:
    """Where a plane mirror shows points [..., 3]: as far behind it as they are in front."""
    points, through = np.asarray(points_m, dtype=float), np.asarray(on_mirror_m, dtype=float)
    unit = np.asarray(normal, dtype=float) / np.linalg.norm(normal)
    result: Floats = points - 2.0 * ((points - through) @ unit)[..., None] * unit
    return result


def mirror_normal(mirror_m: ArrayLike, eye_m: ArrayLike, thing_m: ArrayLike) -> Floats:
    """How a mirror must face for an eye to see a thing in its middle: halfway between both."""
    middle = np.asarray(mirror_m, dtype=float)
    ways = [np.asarray(end, dtype=float) - middle for end in (eye_m, thing_m)]
    half = sum(way / np.linalg.norm(way) for way in ways)
    result: Floats = half / np.linalg.norm(half)
    return result


def round_focus_m(radius_m: float, ior: float) -> float:
    """Focal length of a ball, or of a full round glass across its axis, from its middle (paraxial)."""
    return ior * radius_m / (2.0 * (ior - 1.0))


def magnification(focal_m: float, distance_m: float) -> float:
    """Size of the image of a thing at a distance from a thin lens, over the thing's; negative is turned around."""
    return focal_m / (focal_m - distance_m)


def irradiance_wpm2(power_w: float, distance_m: ArrayLike) -> Floats:
    """Of a small source that shines alike on all sides, on a surface that faces it."""
    return np.asarray(power_w / (4.0 * np.pi * np.asarray(distance_m, dtype=float) ** 2), dtype=float)


def shadow_length(elevation_rad: ArrayLike) -> Floats:
    """Length of a shadow on level ground, in heights of what throws it."""
    return np.asarray(1.0 / np.tan(np.asarray(elevation_rad, dtype=float)), dtype=float)


def hidden_share(behind_px: Floats, in_front_px: Floats, *, width: int, height: int) -> float:
    """Share of an outline that another hides; both are triangles [N, 3, 2] in pixels of a picture."""
    covered = []
    for triangles in (behind_px, in_front_px):
        canvas = np.zeros((height, width), np.uint8)
        for corners in np.rint(np.asarray(triangles) - 0.5).astype(np.int32):
            cv2.fillConvexPoly(canvas, corners, (1.0,))
        covered.append(canvas > 0)
    behind, front = covered
    return float((behind & front).sum() / max(int(behind.sum()), 1))


def seen_in_mirror(
    points_m: ArrayLike, eye_m: ArrayLike, mirror_m: ArrayLike, normal: ArrayLike, size_m: tuple[float, float]
) -> float:
    """Share of points [N, 3] that an eye sees in an upright mirror of that width and height around a middle."""
    points, eye, middle = (np.asarray(value, dtype=float) for value in (points_m, eye_m, mirror_m))
    unit = np.asarray(normal, dtype=float) / np.linalg.norm(normal)
    across = np.array([-unit[1], unit[0], 0.0]) / np.hypot(unit[0], unit[1])
    if (eye - middle) @ unit <= 0:
        return 0.0
    image = mirror_image_m(points, middle, unit)
    way = image - eye
    along = ((middle - eye) @ unit) / (way @ unit)
    crossing = eye + along[:, None] * way - middle
    inside = (np.abs(crossing @ across) < size_m[0] / 2) & (np.abs(crossing[:, 2]) < size_m[1] / 2)
    in_front = (points - middle) @ unit > 0
    return float((inside & in_front).mean())
