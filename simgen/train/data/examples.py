"""Members of a sample → decoded pictures → the example of one place in a batch."""

import hashlib
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TypeAlias

import cv2
import numpy as np
from numpy.typing import NDArray

from simgen.core.errors import OutputError, UsageError, shown
from simgen.record.codec import decode_record
from simgen.record.png import LARGEST_PX, decode_png, png_size

Image: TypeAlias = NDArray[np.uint8]

PICTURES = ("start", "end")
"""What every training method gets; it may ask for more, by the name of the member NAME.png."""
TIERS = ("superficial", "intermediate", "explicit")

# Second words of all seeds: no two kinds of draw ever share a stream.
EPOCH, STEP, WINDOW, STREAM = range(4)


def needed_members(pictures: Sequence[str] = PICTURES) -> tuple[str, ...]:
    """The members that training reads; a sample may hold more."""
    return (*(f"{name}.png" for name in pictures), "mask.png", "json")


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """One sample as it lies in the tar, decoded."""

    key: str
    start: Image
    """[H, W, 3], RGB; so is `end`."""
    end: Image
    mask: Image
    """[H, W]: 0 keep, 85 light changed, 170 affected, 255 acted upon."""
    instructions: tuple[str, str, str]
    """Superficial, intermediate, explicit."""
    others: Mapping[str, Image] = field(default_factory=dict)
    """Further pictures that a training method asks for, by name."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ExampleConfig:
    """How pictures become examples."""

    crop_px: int
    """Side of the square crops, a multiple of `size_multiple_px`."""
    crop_share: float
    """0 to 1: share of steps that train on crops."""
    max_resolution_px: int
    """A full frame of more than the square of this many pixels is shrunk to about that area."""
    size_multiple_px: int
    """Width and height of every example are multiples of this."""
    tiers: tuple[float, float, float]
    """Weights of the superficial, intermediate and explicit instruction."""
    variants: int = 4
    """Crops per sample; few, so that a cache of encodings gets hits."""

    def __post_init__(self) -> None:
        if self.size_multiple_px < 1 or self.max_resolution_px < self.size_multiple_px:
            raise UsageError(
                f"the largest picture must be at least {self.size_multiple_px} pixels; got {self.max_resolution_px}"
            )
        if self.crop_px < self.size_multiple_px or self.crop_px % self.size_multiple_px:
            raise UsageError(f"the crop must be a multiple of {self.size_multiple_px} pixels; got {self.crop_px}")
        if not 0 <= self.crop_share <= 1:
            raise UsageError(f"the share of crops must be from 0 to 1; got {self.crop_share}")
        if len(self.tiers) != 3 or not sum(self.tiers) > 0 or not all(0 <= w < math.inf for w in self.tiers):
            raise UsageError(f"the three weights of {', '.join(TIERS)} must be 0 or more, not all 0; got {self.tiers}")
        if self.variants < 1:
            raise UsageError(f"there must be at least 1 crop per sample; got {self.variants}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Slot:
    """One place of one global batch."""

    step: int
    place: int
    """In the global batch."""
    number: int
    """Of the sample in PairDataset."""
    crop: bool
    variant: int
    tier: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Example:
    """Pixels and words of one slot."""

    key: str
    start: Image
    """[h, w, 3], h and w multiples of the size multiple; so is `end`."""
    end: Image
    mask: Image
    """[h, w]: share of the pixel that changed, 255 = all of it."""
    instruction: str
    digest: str
    """sha256 of pixels and words: the key of any cache. What belongs to what is never decided by position."""
    others: Mapping[str, Image] = field(default_factory=dict)
    """Further pictures that a training method asks for, by name; of the same window and size."""


def full_size(width: int, height: int, example_config: ExampleConfig) -> tuple[int, int]:
    """Width and height that the full frame of a picture gets: those of its largest aligned window, or where that is
    too large, of about the area allowed and nearly its own aspect."""
    multiple, area = example_config.size_multiple_px, example_config.max_resolution_px**2
    aligned = (width // multiple * multiple, height // multiple * multiple)
    if aligned[0] * aligned[1] <= area:
        return aligned
    scale = example_config.max_resolution_px / math.sqrt(width * height)
    columns, rows = int(width * scale / multiple), int(height * scale / multiple)
    options = [
        (w * multiple, h * multiple)
        for w in (columns, columns + 1)
        for h in (rows, rows + 1)
        # Never above the area: FLUX.2's pipelines shrink what is, and its tokens then lie elsewhere.
        if 0 < w * multiple <= width and 0 < h * multiple <= height and w * h * multiple**2 <= area
    ]

    def badness(size: tuple[int, int]) -> float:
        # A changed aspect bends the picture, a changed area only costs time.
        bent = math.log(size[0] * height / (size[1] * width))
        return abs(math.log(size[0] * size[1] / area)) + 2 * abs(bent)

    # A picture so long that one row of that height is above the area keeps that row.
    return min(options, key=badness) if options else (max(columns, 1) * multiple, max(rows, 1) * multiple)


def build_example(source: Source, slot: Slot, example_config: ExampleConfig, *, seed: int) -> Example:
    """The example of a slot: the whole picture, or a window of it in its own pixels around something that changed.
    Start, end and mask always get the same window and the same size."""
    height, width = source.mask.shape
    check_size(source.key, width, height, example_config)
    full = full_size(width, height, example_config)
    aligned = (
        width // example_config.size_multiple_px * example_config.size_multiple_px,
        height // example_config.size_multiple_px * example_config.size_multiple_px,
    )
    changed: Image = np.where(source.mask > 0, np.uint8(255), np.uint8(0))
    pictures = (source.start, source.end, changed, *source.others.values())
    if not slot.crop and full != aligned:
        cut = [cv2.resize(p, full, interpolation=cv2.INTER_AREA).astype(np.uint8) for p in pictures]
    else:
        if slot.crop:
            size = _crop_size(full, example_config)
            x, y = _crop_corner(changed, size, rng_of(seed, WINDOW, _number(source.key), slot.variant))
        else:
            size = full
            x, y = _full_corner(changed, size)
        # Copies: a window that is kept must not keep the whole picture.
        cut = [np.ascontiguousarray(p[y : y + size[1], x : x + size[0]]) for p in pictures]
    start, end, mask, *others = cut
    instruction = source.instructions[slot.tier]
    digest = hashlib.sha256(repr(mask.shape).encode())
    for picture in cut:
        digest.update(picture.data)
    digest.update(instruction.encode())
    return Example(
        key=source.key,
        start=start,
        end=end,
        mask=mask,
        instruction=instruction,
        digest=digest.hexdigest(),
        others=dict(zip(source.others, others, strict=True)),
    )


def check_size(key: str, width: int, height: int, example_config: ExampleConfig) -> None:
    if min(width, height) < example_config.size_multiple_px:
        raise UsageError(
            f"{key}: is {width} × {height} pixels, the model takes multiples of {example_config.size_multiple_px}; "
            "generate larger pictures"
        )


def _crop_size(full: tuple[int, int], example_config: ExampleConfig) -> tuple[int, int]:
    """Never larger than the full frame, so that a bucket has one size of crops as well. Both are aligned."""
    return min(example_config.crop_px, full[0]), min(example_config.crop_px, full[1])


def _crop_corner(changed: Image, size: tuple[int, int], rng: np.random.Generator) -> tuple[int, int]:
    """Left and top of a window with a changed pixel at a random place in it; any pixel where nothing changed."""
    height, width = changed.shape
    pixels = np.flatnonzero(changed)
    pixel = int(pixels[rng.integers(len(pixels))]) if len(pixels) else int(rng.integers(changed.size))
    y, x = divmod(pixel, width)
    left, top = x - int(rng.integers(size[0])), y - int(rng.integers(size[1]))
    return min(max(left, 0), width - size[0]), min(max(top, 0), height - size[1])


def _full_corner(changed: Image, size: tuple[int, int]) -> tuple[int, int]:
    """Left and top of the window that holds the most changed pixels; of several such, the one nearest the middle."""
    height, width = changed.shape
    spare = (height - size[1], width - size[0])
    if spare == (0, 0):
        return 0, 0
    total = cv2.integral(changed // 255)
    held = (
        total[size[1] :, size[0] :]
        - total[: spare[0] + 1, size[0] :]
        - total[size[1] :, : spare[1] + 1]
        + total[: spare[0] + 1, : spare[1] + 1]
    )
    best = np.argwhere(held == held.max())
    top, left = best[np.abs(best - np.array(spare) / 2).sum(axis=1).argmin()]
    return int(left), int(top)


def decode_source(where: str, key: str, members: Mapping[str, bytes], pictures: Sequence[str] = PICTURES) -> Source:
    """A sample from its members; `where` names it in messages."""
    named = {f"{name}.png": _picture(where, f"{name}.png", members[f"{name}.png"], channels=3) for name in pictures}
    named["mask.png"] = _picture(where, "mask.png", members["mask.png"], channels=1)
    if len({picture.shape[:2] for picture in named.values()}) > 1:
        shapes = (f"{name} is {picture.shape[1]} × {picture.shape[0]}" for name, picture in named.items())
        count = {3: "three"}.get(len(named), "of them")
        raise OutputError(f"{where}: {', '.join(shapes)}; all {count} must have one size")
    given = decode_record(where, members["json"]).get("instructions")
    texts = [given.get(tier) for tier in TIERS] if isinstance(given, dict) else []
    if not texts or not all(isinstance(text, str) and text.strip() for text in texts):
        wanted = f"instructions.{{{', '.join(TIERS)}}}"
        raise OutputError(f"{where}: json has no {wanted}, a sentence each; got {shown(given)}")
    superficial, intermediate, explicit = map(str, texts)
    return Source(
        key=key,
        start=named["start.png"],
        end=named["end.png"],
        mask=named["mask.png"],
        instructions=(superficial, intermediate, explicit),
        others={name: named[f"{name}.png"] for name in pictures if name not in PICTURES},
    )


def _picture(where: str, name: str, data: bytes, *, channels: int) -> Image:
    size = png_size(data)
    if size is not None and max(size) > LARGEST_PX:
        raise OutputError(f"{where}: {name} says it has {size[0]} × {size[1]} pixels; at most {LARGEST_PX} a side")
    image = decode_png(data)
    if image is None:
        raise OutputError(f"{where}: {name} does not decode, {len(data)} bytes; the tar is damaged, copy it again")
    if image.dtype != np.uint8 or image.shape[2:] != ((3,) if channels == 3 else ()):
        raise OutputError(f"{where}: {name} is {image.dtype} {image.shape}, must be 8 bits of {channels} channel(s)")
    return image


def rng_of(*words: int) -> np.random.Generator:
    """A generator of its own for a seed, a kind of draw, and what the draw is for."""
    return np.random.default_rng(words)


def _number(text: str) -> int:
    """A number for a text, the same on every machine, which `hash` is not."""
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8])
