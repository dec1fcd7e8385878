"""The subjects stand out from what is around them."""

import cv2
import numpy as np
from numpy.typing import NDArray

from simgen.core.sample import Gate
from simgen.make.evidence import Picture
from simgen.make.gates import at_least, gate
from simgen.scene.cameras import subject_ids


@gate("picture", rank=30)
def subject_contrast(evidence: Picture) -> Gate:
    """In one of the frames at least, their colour differs from that of a band around them."""
    pair, subjects = evidence.pair, list(subject_ids(evidence.rollout))
    frames = ((pair.start, evidence.start), (pair.end, evidence.end))
    found = max(_contrast(picture, np.isin(frame.ids, subjects)) for picture, frame in frames)
    return at_least("subject_contrast", found, evidence.scene.contrast)


def _contrast(picture: NDArray[np.uint8], subject: NDArray[np.bool_]) -> float:
    """CIE76 colour difference of the subject and a band around it; 2 is just noticeable. 0 where it is not seen."""
    if not subject.any():
        return 0.0
    reach = max(3, picture.shape[1] // 40)
    kernel = np.ones((2 * reach + 1, 2 * reach + 1), np.uint8)
    band = cv2.dilate(subject.astype(np.uint8), kernel).astype(bool) & ~subject
    if not band.any():
        return 0.0
    lab = cv2.cvtColor(picture.astype(np.float32) / 255, cv2.COLOR_RGB2Lab)
    inside, outside = np.median(lab[subject], axis=0), np.median(lab[band], axis=0)
    return float(np.linalg.norm(inside - outside))
