"""Samples → one picture to look at: start, end and what changed, side by side."""

import unicodedata
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from simgen.core.errors import OutputError
from simgen.core.sample import Sample
from simgen.dataset.report.palette import MASK_LEVELS, Rgb, overlay

_PAPER: Rgb = (255, 255, 255)
_INK: Rgb = (28, 27, 25)
_MUTED: Rgb = (110, 106, 98)
_GAP = 6
_MARGIN = 24


def contact_sheet(samples: Sequence[Sample], path: Path, *, columns: int = 2, tile: int = 320) -> Path:
    """Write a sheet of `columns` samples a row: scene and instruction above start, end and mask pictures."""
    cell = 3 * tile + 2 * _GAP
    blocks = [_captioned(sample, tile) for sample in samples]
    rows = [blocks[i : i + columns] for i in range(0, len(blocks), columns)]
    across = min(columns, max(len(blocks), 1))
    legend = _legend()
    width = max(across * cell + (across + 1) * _MARGIN, legend.width + 2 * _MARGIN)
    height = legend.height + 2 * _MARGIN + sum(max(b.height for b in row) + _MARGIN for row in rows)

    sheet = Image.new("RGB", (width, height), _PAPER)
    y = _MARGIN
    for row in rows:
        for i, block in enumerate(row):
            sheet.paste(block, (_MARGIN + i * (cell + _MARGIN), y))
        y += max(b.height for b in row) + _MARGIN
    sheet.paste(legend, (_MARGIN, y))
    return _save(sheet, path)


def asset_sheet(
    assets: Sequence[tuple[tuple[str, str], NDArray[np.uint8]]], path: Path, *, columns: int = 4, tile: int = 320
) -> Path:
    """Write a sheet of pictures of assets, each with its title and a caption above it."""
    title, body = _font(15), _font(13)
    blocks = []
    for (name, caption), picture in assets:
        lines = _wrapped(_plain(caption), body, tile)
        top = 24 + 17 * len(lines) + 4
        block = Image.new("RGB", (tile, top + tile), _PAPER)
        draw = ImageDraw.Draw(block)
        draw.text((0, 0), _wrapped(_plain(name), title, tile)[0][:48], fill=_INK, font=title)
        for i, line in enumerate(lines):
            draw.text((0, 22 + 17 * i), line, fill=_MUTED, font=body)
        block.paste(_fitted(picture, tile), (0, top))
        blocks.append(block)
    rows = [blocks[i : i + columns] for i in range(0, len(blocks), columns)]
    width = min(columns, max(len(blocks), 1)) * (tile + _MARGIN) + _MARGIN
    sheet = Image.new("RGB", (width, _MARGIN + sum(max(b.height for b in row) + _MARGIN for row in rows)), _PAPER)
    y = _MARGIN
    for row in rows:
        for i, block in enumerate(row):
            sheet.paste(block, (_MARGIN + i * (tile + _MARGIN), y))
        y += max(b.height for b in row) + _MARGIN
    return _save(sheet, path)


def strip(samples: Sequence[Sample], path: Path, *, tile: int = 256) -> Path:
    """Write a banner: one column a sample, from top to bottom start, end and mask picture."""
    count = max(len(samples), 1)
    size = (count * tile + (count - 1) * _GAP, 3 * tile + 2 * _GAP)
    banner = Image.new("RGBA", size, (0, 0, 0, 0))
    for i, sample in enumerate(samples):
        for j, image in enumerate(_triple(sample, tile)):
            banner.paste(image, (i * (tile + _GAP), j * (tile + _GAP)))
    return _save(banner if path.suffix == ".png" else _on_paper(banner), path)


def _captioned(sample: Sample, tile: int) -> Image.Image:
    """Start, end and mask picture of one sample in a row, with what it is above them."""
    width = 3 * tile + 2 * _GAP
    title, body, small = _font(17), _font(15), _font(13)
    lines = _wrapped(_plain(sample.record["instructions"]["intermediate"]), body, width)
    top = 26 + 20 * len(lines) + 24
    block = Image.new("RGB", (width, top + tile), _PAPER)
    draw = ImageDraw.Draw(block)

    scene = _plain(sample.record["scene"].replace("_", " "))
    draw.text((0, 0), scene, fill=_INK, font=title)
    draw.text((title.getlength(scene) + 10, 3), sample.key, fill=_MUTED, font=small)
    for i, line in enumerate(lines):
        draw.text((0, 25 + 20 * i), line, fill=_INK, font=body)
    for i, (name, image) in enumerate(zip(("start", "end", "change"), _triple(sample, tile), strict=True)):
        x = i * (tile + _GAP)
        draw.text((x, top - 19), name, fill=_MUTED, font=small)
        block.paste(image, (x, top))
    return block


def _triple(sample: Sample, tile: int) -> tuple[Image.Image, ...]:
    pictures = (sample.start, sample.end, overlay(sample.end, sample.mask))
    return tuple(_fitted(picture, tile) for picture in pictures)


def _fitted(picture: NDArray[np.uint8], tile: int) -> Image.Image:
    """The whole picture inside a square of `tile` pixels."""
    image = Image.fromarray(picture)
    scale = tile / max(image.size)
    size = (max(1, round(image.width * scale)), max(1, round(image.height * scale)))
    square = Image.new("RGB", (tile, tile), _PAPER)
    resized = image.resize(size, Image.Resampling.LANCZOS)
    square.paste(resized, ((tile - size[0]) // 2, (tile - size[1]) // 2))
    return square


def _legend() -> Image.Image:
    """The three colours of the mask picture and what they stand for."""
    font = _font(13)
    lefts = [0.0]
    for _, name, _ in MASK_LEVELS:
        lefts.append(lefts[-1] + 20 + font.getlength(name) + 24)
    image = Image.new("RGB", (round(lefts.pop()), 20), _PAPER)
    draw = ImageDraw.Draw(image)
    for x, (_, name, color) in zip(lefts, MASK_LEVELS, strict=True):
        draw.rounded_rectangle((x, 3, x + 14, 17), radius=3, fill=color)
        draw.text((x + 20, 2), name, fill=_MUTED, font=font)
    return image


def _wrapped(text: str, font: ImageFont.FreeTypeFont | ImageFont.ImageFont, width: int) -> list[str]:
    """The text in lines no wider than `width` pixels."""
    lines = [""]
    for word in text.split():
        longer = f"{lines[-1]} {word}".strip()
        if font.getlength(longer) <= width or not lines[-1]:
            lines[-1] = longer
        else:
            lines.append(word)
    return lines


def _plain(text: str) -> str:
    """The text in letters that Pillow's own font has: it knows no accents."""
    return unicodedata.normalize("NFKD", text).encode("ascii", "ignore").decode()


def _font(size: int) -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    return ImageFont.load_default(size)


def _on_paper(image: Image.Image) -> Image.Image:
    paper = Image.new("RGB", image.size, _PAPER)
    paper.paste(image, mask=image.getchannel("A"))
    return paper


def _save(image: Image.Image, path: Path) -> Path:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        image.save(path, **({"quality": 90} if path.suffix in {".jpg", ".jpeg", ".webp"} else {"optimize": True}))
    except OSError as error:
        raise OutputError(
            f"{path}: the picture cannot be written ({error.strerror or error}); give another path"
        ) from error
    except ValueError as error:
        raise OutputError(
            f"{path}: simgen writes no pictures that end in {path.suffix!r}; use .png, .jpg or .webp"
        ) from error
    return path
