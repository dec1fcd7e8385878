"""The picture is neither too dark nor too bright."""

import numpy as np

from simgen.core.sample import Gate
from simgen.make.evidence import Picture
from simgen.make.gates import gate, within

LUMINANCE = np.array([0.2126, 0.7152, 0.0722], np.float32) / 255
"""Weights of Rec. 709, on the encoded values."""


@gate("picture", rank=10)
def exposure(evidence: Picture) -> Gate:
    """The mean display luminance of the start, from 0 to 1, is what the scene allows."""
    luminance = evidence.pair.start.astype(np.float32) @ LUMINANCE
    return within("exposure", float(luminance.mean()), evidence.scene.brightness)
