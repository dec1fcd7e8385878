"""Colours that mean something: levels of the mask, instance ids."""

import colorsys

import cv2
import numpy as np
from numpy.typing import NDArray

from simgen.core.masks import ACTOR, AFFECTED, LIGHT

Rgb = tuple[int, int, int]

MASK_LEVELS: tuple[tuple[int, str, Rgb], ...] = (
    (ACTOR, "acted upon", (213, 94, 0)),
    (AFFECTED, "affected", (0, 114, 178)),
    (LIGHT, "light changed", (240, 205, 66)),
)
"""Level of `mask.png`, its meaning, its colour: three of Okabe and Ito's, told apart by every kind of eye."""

STAGE_COLOR: Rgb = (226, 223, 216)


def instance_color(instance: int) -> Rgb:
    """A colour for an instance id; neighbours in number are far apart in hue."""
    if instance == 0:
        return STAGE_COLOR
    # The golden ratio spreads any number of hues evenly; two lightnesses keep near hues apart.
    hue = (0.58 + 0.61803398875 * (instance - 1)) % 1.0
    lightness = (0.46, 0.62)[(instance - 1) // 3 % 2]
    red, green, blue = colorsys.hls_to_rgb(hue, lightness, 0.62)
    return (round(255 * red), round(255 * green), round(255 * blue))


def paint_instances(ids: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Instance ids [H, W] as a picture [H, W, 3]."""
    table = np.array([instance_color(i) for i in range(256)], np.uint8)
    painted: NDArray[np.uint8] = table[ids]
    return painted


def paint_mask(mask: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """The levels of a mask [H, W] as colours with opacity [H, W, 4], clear where nothing changed."""
    painted = np.zeros((*mask.shape, 4), np.uint8)
    for level, _, color in MASK_LEVELS:
        painted[mask == level] = (*color, 158)
    return painted


def overlay(picture: NDArray[np.uint8], mask: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """The picture [H, W, 3] in pale grey, what changed in the colours of `MASK_LEVELS`."""
    # Without colour and pale, so that the three colours are the only ones in the picture.
    grey = 40 + 0.75 * cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY).astype(np.float32)
    painted = paint_mask(mask)
    opacity = painted[..., 3:].astype(np.float32) / 255
    mixed = (1 - opacity) * grey[..., None] + opacity * painted[..., :3]
    return np.rint(np.clip(mixed, 0, 255)).astype(np.uint8)


def css(color: Rgb) -> str:
    return "#{:02x}{:02x}{:02x}".format(*color)
