"""Bytes of a PNG → pixels, for files that strangers wrote."""

from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

LARGEST_PX = 8192
"""Edge of a picture that is decoded: twice the largest that a recipe asks for."""


def png_size(data: bytes) -> tuple[int, int] | None:
    """Width and height that the head of a PNG states; None where it is no PNG."""
    if len(data) < 24 or data[:8] != b"\x89PNG\r\n\x1a\n" or data[12:16] != b"IHDR":
        return None
    return int.from_bytes(data[16:20]), int.from_bytes(data[20:24])


def decode_png(data: bytes) -> NDArray[Any] | None:
    """Pixels [H, W] or [H, W, channels], RGB where there are three; None for what is no PNG, states a side of more
    than `LARGEST_PX`, or does not decode."""
    size = png_size(data)
    # A kilobyte can say that it unpacks to gigabytes; and OpenCV reads a dozen formats that nothing here is in.
    if size is None or not 0 < max(size) <= LARGEST_PX:
        return None
    try:
        image: NDArray[Any] | None = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_UNCHANGED)
    except cv2.error:
        return None
    if image is None or image.shape[2:] != (3,):
        return image
    return cv2.cvtColor(image, cv2.COLOR_BGR2RGB)
