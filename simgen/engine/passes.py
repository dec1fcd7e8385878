"""What the render result becomes: linear light → 8-bit picture, depth and ids → optical flow. Plain numpy.

The view transform is ours and not Blender's, so that the exposure can be chosen after the light has been measured and
start and end get exactly the same treatment.
"""

import numpy as np
from numpy.typing import NDArray

from simgen.core.colour import LUMINANCE
from simgen.core.geometry import camera_matrix, intrinsics, project, quat_conjugate, quat_rotate
from simgen.core.rollout import Rollout
from simgen.core.spec import STAGE_ID, Camera
from simgen.core.tracks import Instant
from simgen.core.vectors import Floats

Image = NDArray[np.float32]
"""[H, W] or [H, W, channels]."""
KNEE = 0.55
"""Linear light below this is shown as it is; above it a shoulder bends towards white, which nothing quite reaches."""


def luminance(linear: NDArray[np.float32]) -> NDArray[np.float32]:
    """Relative luminance [H, W] of linear RGB [H, W, 3]."""
    result: NDArray[np.float32] = linear @ LUMINANCE.astype(np.float32)
    return result


def display(linear: NDArray[np.float32], exposure_ev: float) -> NDArray[np.uint8]:
    """8-bit sRGB of linear RGB [H, W, 3] at an exposure in stops.

    The shoulder works on the brightest channel and scales the others with it, which keeps hues; for the very bright it
    works more and more on each channel by itself, as on film: glowing steel goes from red over orange to white instead
    of to pink. What no number describes (NaN) is black.
    """
    light = np.maximum(np.nan_to_num(linear * np.float32(2.0**exposure_ev), nan=0.0, posinf=1e4), 0.0)
    peak = light.max(axis=-1, keepdims=True)
    toned = light * (_shoulder(peak) / np.maximum(peak, np.float32(1e-6)))
    alone = np.clip((peak - 1.0) / (peak + 2.0), 0.0, 1.0)
    toned = toned + alone * (_shoulder(light) - toned)
    encoded = np.where(toned <= 0.0031308, 12.92 * toned, 1.055 * np.power(toned, 1 / 2.4) - 0.055)
    picture: NDArray[np.uint8] = np.rint(np.clip(encoded, 0.0, 1.0) * 255.0).astype(np.uint8)
    return picture


def _shoulder(light: NDArray[np.float32]) -> NDArray[np.float32]:
    room = np.float32(1.0 - KNEE)
    bent = KNEE + room * (1.0 - np.exp(-np.maximum(light - KNEE, 0.0) / room))
    return np.where(light > KNEE, bent, light).astype(np.float32)


def unit_normals(normals: NDArray[np.float32], depth_m: NDArray[np.float32]) -> NDArray[np.float32]:
    """Averages over a pixel made unit length; zero where there is nothing."""
    length = np.linalg.norm(normals, axis=-1, keepdims=True)
    there = (length > 1e-3) & np.isfinite(depth_m)[..., None]
    return np.where(there, normals / np.maximum(length, 1e-3), 0.0).astype(np.float32)


def world_points(depth_m: NDArray[np.float32], camera: Camera) -> Floats:
    """World position [H, W, 3] of what the centre of every pixel shows; NaN where there is nothing."""
    height, width = depth_m.shape
    lens = intrinsics(camera, width, height)
    matrix = camera_matrix(camera)
    x = (np.arange(width) + 0.5 - lens[0, 2]) / lens[0, 0]
    y = (np.arange(height) + 0.5 - lens[1, 2]) / lens[1, 1]
    rays = np.stack([*np.meshgrid(x, -y), np.full((height, width), -1.0)], axis=-1)
    depth = np.where(np.isfinite(depth_m), depth_m, np.nan)[..., None].astype(float)
    result: Floats = (rays * depth) @ matrix[:3, :3].T + matrix[:3, 3]
    return result


def flow(
    depth_m: NDArray[np.float32],
    ids: NDArray[np.uint8],
    rollout: Rollout,
    camera: Camera,
    start: Instant,
    end: Instant,
) -> NDArray[np.float32]:
    """Forward flow [H, W, 2] in pixels, x to the right and y down: where the point that a pixel of the start frame
    shows is in the end frame. Zero on the stage, on the background, on a body that is gone, and on one whose geometry
    changes: a puddle has no point that was in the ice cube at a place one could name."""
    height, width = ids.shape
    result = np.zeros((height, width, 2), np.float32)
    points = world_points(depth_m, camera)
    rows, columns = np.indices(ids.shape)
    for body_id in np.unique(ids):
        if body_id == STAGE_ID or not rollout.visible(int(body_id), end):
            continue
        if rollout.mesh(int(body_id), end) is not None:
            continue
        inside = (ids == body_id) & np.isfinite(depth_m)
        (place, turned), (end_place, end_turned) = (rollout.pose(int(body_id), instant) for instant in (start, end))
        local = quat_rotate(quat_conjugate(turned), points[inside] - place)
        moved = quat_rotate(end_turned, local) + end_place
        pixels, depth = project(camera, moved, width, height)
        here = np.stack([columns[inside] + 0.5, rows[inside] + 0.5], axis=-1)
        result[inside] = np.where((depth > 0)[:, None], pixels - here, 0.0)
    return result
