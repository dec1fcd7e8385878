"""Two frames → what changed. Outside the mask the end picture is the start picture, bit for bit."""

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from simgen.core.sample import Box, Frame

KEEP, LIGHT, AFFECTED, ACTOR = 0, 85, 170, 255
LEVELS = (KEEP, LIGHT, AFFECTED, ACTOR)


@dataclass(frozen=True, slots=True)
class LightTest:
    """What counts as light that changed, and not as the renderer's noise."""

    threshold: float
    """Of 255: the smoothed difference of some channel is above this."""
    smooth_px: float
    """Standard deviation of the smoothing, at a picture width of 512 pixels."""
    speck_px: float
    """Radius of what is too small to be a shadow, at a picture width of 512 pixels."""


LIGHT_TEST = LightTest(3.0, 2.0, 2.0)
"""For pictures. Of what four samples per pixel find, 88 to 99 % is what 64 find, and of this they find 92 to 98 %."""
SURVEY_LIGHT_TEST = LightTest(2.5, 10.0, 8.0)
"""For a small noisy look."""
PLACE_TEST = LightTest(2.0, 1.5, 1.0)
"""For a body that changes where it is: the parts of it that look the same are left alone."""
FEATHER_PX = 3.0
"""The blend from start to end around what changed, at a picture width of 512 pixels."""

BOX_COST = 0.01
"""What a render of its own costs beside its pixels, as a share of the picture's."""

RIM_PX = 9
RIM_LIMIT = 4.0
RIM_SHARE = 0.05
"""Something goes on beyond a rectangle if, further than so many pixels from it, more than this share of its margin
differs by more than so many of 255 from the start, smoothed."""

Image = NDArray[np.uint8]


@dataclass(frozen=True, slots=True, kw_only=True)
class Pair:
    """A start and an end picture [H, W, 3] that differ only where `mask` [H, W] is not zero."""

    start: Image
    end: Image
    mask: Image

    @property
    def changed_share(self) -> float:
        """Share of pixels that the mask lets change."""
        return float((self.mask > 0).mean())

    @property
    def visible_share(self) -> float:
        """Share of pixels that differ by more than 8 of 255 in some channel."""
        difference = np.abs(self.start.astype(np.int16) - self.end.astype(np.int16)).max(axis=-1)
        return float((difference > 8).mean())


def compose(
    start: Frame,
    end: Frame,
    *,
    actors: Collection[int],
    affected: Collection[int],
    in_place: Collection[int] = (),
    light_test: LightTest = LIGHT_TEST,
) -> Pair:
    """The pair with its mask of four levels.

    A pixel changes where a moved body is in either frame, where one that stays `in_place` looks different, or where the
    smoothed pictures differ; all else of the end picture comes from the start picture: two renders of the same wall
    differ by noise that an editor must not learn.
    """
    height, width = start.ids.shape
    same = (start.ids == end.ids) & np.isin(start.ids, list(in_place))
    if same.any():
        same &= ~_light_changed(start.rgb, end.rgb, width, PLACE_TEST)
    acted = (np.isin(start.ids, list(actors)) | np.isin(end.ids, list(actors))) & ~same
    moved = (np.isin(start.ids, list(affected)) | np.isin(end.ids, list(affected))) & ~same
    light = _light_changed(start.rgb, end.rgb, width, light_test)
    core = acted | moved | light
    scale = width / 512
    reach = max(2, round(FEATHER_PX * scale))
    grown = cv2.dilate(core.astype(np.uint8), _disc(reach))
    # The feather lies inside the grown region: full weight on the core, zero at its rim.
    distance = cv2.distanceTransform(grown, cv2.DIST_L2, 5)
    weight = np.clip(distance / (reach + 1.0), 0.0, 1.0).astype(np.float32)[..., None]
    weight[core] = 1.0
    blended = start.rgb + weight * (end.rgb.astype(np.float32) - start.rgb)
    picture = np.where(weight > 0, np.rint(blended), start.rgb).astype(np.uint8)

    mask = np.full((height, width), KEEP, np.uint8)
    mask[(picture != start.rgb).any(axis=-1)] = LIGHT
    mask[light] = LIGHT
    mask[moved] = AFFECTED
    mask[acted] = ACTOR
    return Pair(start=start.rgb, end=picture, mask=mask)


def changed_boxes(mask: Image, width: int, height: int, *, margin_px: int = 0) -> tuple[Box, ...]:
    """The parts of a picture of that size outside which nothing changes, by the mask [h, w] of a small one.

    One rectangle, or several where they with `margin_px` around each have fewer pixels: a body that falls changes where
    it was and where it is. The whole picture where the mask is empty.
    """
    if not mask.any():
        return ((0, 0, width, height),)
    small_height, small_width = mask.shape

    def full(box: Box) -> Box:
        # One small pixel more: what a coarse grid misses at an edge.
        left, top, right, bottom = grown(box, 1, small_width, small_height)
        return (
            left * width // small_width,
            top * height // small_height,
            -(-right * width // small_width),
            -(-bottom * height // small_height),
        )

    def cost(box: Box) -> float:
        left, top, right, bottom = grown(full(box), margin_px, width, height)
        return (right - left) * (bottom - top) + BOX_COST * width * height

    def halves(box: Box) -> Iterator[tuple[Box, Box]]:
        left, top, right, bottom = box
        for x in range(left + 1, right):
            yield _bounds(mask, (left, top, x, bottom)), _bounds(mask, (x, top, right, bottom))
        for y in range(top + 1, bottom):
            yield _bounds(mask, (left, top, right, y)), _bounds(mask, (left, y, right, bottom))

    def parts(box: Box) -> list[Box]:
        best = min(halves(box), key=lambda pair: cost(pair[0]) + cost(pair[1]), default=None)
        if best is None or cost(best[0]) + cost(best[1]) >= cost(box):
            return [box]
        return [*parts(best[0]), *parts(best[1])]

    return tuple(full(box) for box in parts(_bounds(mask, (0, 0, small_width, small_height))))


def grown(box: Box, margin_px: int, width: int, height: int) -> Box:
    """A box with a margin all around it, as far as the picture goes."""
    left, top, right, bottom = box
    return (
        max(0, left - margin_px),
        max(0, top - margin_px),
        min(width, right + margin_px),
        min(height, bottom + margin_px),
    )


def goes_on(inside: Frame, start: Frame, box: Box, borders: Sequence[Box]) -> bool:
    """Whether a box of the end frame shows that what changed goes on in its margin, where no border takes it up."""
    left, top, right, bottom = box
    height, width = start.ids.shape
    there = np.s_[top:bottom, left:right]
    margin = np.ones((height, width), bool)
    for border in borders:
        # A shadow's soft end and what the smoothing spreads are no news.
        near_left, near_top, near_right, near_bottom = grown(border, RIM_PX, width, height)
        margin[near_top:near_bottom, near_left:near_right] = False
    margin = margin[there]
    if not margin.any():
        return False
    new = _difference(start.rgb[there], inside.rgb, RIM_PX / 3) > RIM_LIMIT
    new |= inside.ids != start.ids[there]
    return bool(new[margin].mean() > RIM_SHARE)


def _bounds(mask: Image, box: Box) -> Box:
    """The smallest box in a box that holds all that changes there; there is something in it."""
    left, top, right, bottom = box
    part = mask[top:bottom, left:right]
    rows, columns = np.flatnonzero(part.any(axis=1)), np.flatnonzero(part.any(axis=0))
    return (left + int(columns[0]), top + int(rows[0]), left + int(columns[-1]) + 1, top + int(rows[-1]) + 1)


def _light_changed(start: Image, end: Image, width: int, test: LightTest) -> NDArray[np.bool_]:
    """Where shadow, reflection or bounce changed: smoothed over the noise, small specks removed, gaps closed."""
    scale = width / 512
    # Noise is as coarse as a pixel whatever the size of the picture, so the smoothing never gets finer than that.
    sigma = max(test.smooth_px * scale, 1.5)
    changed = (_difference(start, end, sigma) > test.threshold).astype(np.uint8)
    opened = cv2.morphologyEx(changed, cv2.MORPH_OPEN, _disc(max(1, round(test.speck_px * scale))))
    closed = cv2.morphologyEx(opened, cv2.MORPH_CLOSE, _disc(max(1, round(4 * scale))))
    return closed.astype(bool)


def _difference(start: Image, end: Image, sigma_px: float) -> NDArray[np.float32]:
    """How far the smoothed pictures are apart, of 255, in the channel where they are farthest [h, w]."""
    difference = cv2.GaussianBlur(end.astype(np.float32) - start.astype(np.float32), (0, 0), sigma_px)
    return np.asarray(np.abs(difference).max(axis=-1))


def _disc(radius: int) -> NDArray[np.uint8]:
    kernel: NDArray[np.uint8] = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * radius + 1, 2 * radius + 1)).astype(
        np.uint8
    )
    return kernel
