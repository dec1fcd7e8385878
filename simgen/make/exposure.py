"""How bright the pictures of a sample are: one exposure for the start and the end."""

from collections.abc import Sequence

import cv2
import numpy as np
from numpy.typing import NDArray

MIDDLE_GREY = 0.22
CLIPS_AT = 1.35
"""Linear light that the display curve takes just short of white."""


def exposure_ev(pictures: Sequence[tuple[NDArray[np.float32], NDArray[np.bool_]]]) -> float:
    """Stops by which linear light is scaled, the same for both frames; from (luminance [H, W], subject [H, W]) of each.

    The log-average around the subjects goes to middle grey (Reinhard et al. 2002, the photographic key), unless more
    than one percent of the whole picture would then clip: a bright window may glow, it may not be a hole.
    """
    near, all_light = [], []
    for luminance, subject in pictures:
        light = np.maximum(np.nan_to_num(luminance.astype(np.float64), posinf=1e4), 1e-5)
        all_light.append(light.ravel())
        reach = luminance.shape[1] // 8
        around = cv2.dilate(subject.astype(np.uint8), np.ones((2 * reach + 1, 2 * reach + 1), np.uint8)).astype(bool)
        near.append(light[around] if around.any() else light.ravel())
    wanted = MIDDLE_GREY / np.exp(np.log(np.concatenate(near)).mean())
    allowed = CLIPS_AT / np.percentile(np.concatenate(all_light), 99.0)
    return float(np.round(np.log2(min(wanted, allowed)), 3))
