"""How a run does on held-out pairs: the same pairs, the same noise, every time."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch
from numpy.typing import NDArray

from simgen.storage.files import write_file
from simgen.train.base import Base
from simgen.train.config import TrainConfig
from simgen.train.data.examples import Example, ExampleConfig, Slot, build_example
from simgen.train.data.pairs import PairDataset
from simgen.train.edit import edit
from simgen.train.encode import Encoder
from simgen.train.methods.base import Method
from simgen.train.outcome import generator, outcome

Picture = NDArray[np.uint8]
COPY_LIMIT = 0.2
"""An edit that has gone less than this share of the way from start to truth, where they differ, is a copy."""
_TILE_PX, _GAP_PX = 256, 4


@dataclass(frozen=True, slots=True, kw_only=True)
class Validation:
    figures: dict[str, float]
    sheet: Picture | None
    """A row a pair: start, truth, edit, mask."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Fit:
    """An edit beside the truth, in shares of full scale."""

    error_inside: float
    """Mean absolute error where the mask says that something changes; NaN where nothing does."""
    error_outside: float
    progress: float
    """How far the edit has gone from the start to the truth, where they differ: 0 for a copy, 1 for the truth."""


def fit(example: Example, edited: Picture) -> Fit:
    """Measure an edit of `example.start`."""
    start, truth, made = (p.astype(np.float64) / 255 for p in (example.start, example.end, edited))
    error = np.abs(made - truth).mean(axis=-1)
    share = example.mask.astype(np.float64) / 255
    wanted = (truth - start) * share[..., None]
    way = float((wanted**2).sum())
    return Fit(
        error_inside=_weighted(error, share),
        error_outside=_weighted(error, 1 - share),
        progress=float((wanted * (made - start)).sum()) / way if way > 0 else math.nan,
    )


def validate(
    base: Base,
    method: Method,
    encoder: Encoder,
    pairs: PairDataset,
    *,
    config: TrainConfig,
    example_config: ExampleConfig,
    guidance: float,
    folder: Path,
    step: int,
) -> Validation:
    """Loss on the first `validate_pairs` held-out pairs, and edits of the first `validate_pictures`, whole pictures
    with the intermediate instruction; the sheet also lies in `folder`."""
    count = min(len(pairs), max(config.validate_pairs, config.validate_pictures))
    # Spread over the data set: its scenes stand in no order, its shards may.
    numbers = [i * len(pairs) // count for i in range(count)]
    slots = [Slot(step=0, place=i, number=n, crop=False, variant=0, tier=1) for i, n in enumerate(numbers)]
    examples = [build_example(pairs.source(slot.number), slot, example_config, seed=0) for slot in slots]
    figures = _losses(base, method, encoder, examples[: config.validate_pairs], guidance=guidance)
    shown = examples[: config.validate_pictures]
    with encoder.at_work():
        edits = [
            edit(
                base,
                example.start,
                example.instruction,
                steps=config.validate_steps,
                generator=generator("validation", example.key),
            )
            for example in shown
        ]
    if not edits:
        return Validation(figures=figures, sheet=None)
    fits = [fit(example, edited) for example, edited in zip(shown, edits, strict=True)]
    figures |= {
        "error_inside": finite_mean([f.error_inside for f in fits]),
        "error_outside": finite_mean([f.error_outside for f in fits]),
        "progress": finite_mean([f.progress for f in fits]),
        "copies": finite_mean([float(f.progress < COPY_LIMIT) for f in fits if math.isfinite(f.progress)]),
    }
    sheet = _sheet(shown, edits)
    path = folder / "validation" / f"{step:08d}.png"
    write_file(path, cv2.imencode(".png", cv2.cvtColor(sheet, cv2.COLOR_RGB2BGR))[1].tobytes())
    return Validation(figures=figures, sheet=sheet)


@torch.no_grad()
def _losses(
    base: Base, method: Method, encoder: Encoder, examples: Sequence[Example], *, guidance: float
) -> dict[str, float]:
    device = base.pipeline.transformer.device
    found: dict[str, list[float]] = {name: [] for name in ("loss", *method.figures)}
    # All at once: encoders that wait on the CPU are then fetched once, and not for every pair.
    encoded = encoder.encode(examples, drop_caption=[False] * len(examples))
    for example, one in zip(examples, encoded, strict=True):
        drawn = [generator("validation", example.key)]
        result = outcome(base, method, [one], drawn, guidance=guidance, device=device)
        found["loss"].append(float(result.loss))
        for name in method.figures:
            found[name].append(float(result.figures[name]))
    return {name: finite_mean(values) for name, values in found.items()} if examples else {}


def _sheet(examples: Sequence[Example], edits: Sequence[Picture]) -> Picture:
    rows = []
    for example, edited in zip(examples, edits, strict=True):
        mask = np.repeat(example.mask[..., None], 3, axis=-1)
        tiles = [_tile(picture) for picture in (example.start, example.end, edited, mask)]
        gap: Any = np.full((_TILE_PX, _GAP_PX, 3), 255, np.uint8)
        rows.append(np.concatenate([part for tile in tiles for part in (tile, gap)][:-1], axis=1))
    across: Any = np.full((_GAP_PX, rows[0].shape[1], 3), 255, np.uint8)
    return np.concatenate([part for row in rows for part in (row, across)][:-1], axis=0)


def _tile(picture: Picture) -> Picture:
    """The whole picture inside a white square."""
    height, width = picture.shape[:2]
    scale = _TILE_PX / max(height, width)
    size = (max(1, round(width * scale)), max(1, round(height * scale)))
    small = cv2.resize(picture, size, interpolation=cv2.INTER_AREA if scale < 1 else cv2.INTER_CUBIC)
    square: Picture = np.full((_TILE_PX, _TILE_PX, 3), 255, np.uint8)
    top, left = (_TILE_PX - size[1]) // 2, (_TILE_PX - size[0]) // 2
    square[top : top + size[1], left : left + size[0]] = small
    return square


def _weighted(error: NDArray[np.float64], share: NDArray[np.float64]) -> float:
    return float((error * share).sum() / share.sum()) if share.sum() > 0 else math.nan


def finite_mean(values: Sequence[float]) -> float:
    """Of what could be measured; NaN where nothing could."""
    finite = [value for value in values if math.isfinite(value)]
    return sum(finite) / len(finite) if finite else math.nan
