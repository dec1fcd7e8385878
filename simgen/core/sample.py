"""Frames, gates and samples. Every type is frozen; arrays inside are not to be written to."""

from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

Box = tuple[int, int, int, int]
"""Left, top, right, bottom in pixels; right and bottom are not inside."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Frame:
    """One instant rendered; arrays are [H, W, …], row 0 at the top."""

    rgb: NDArray[np.uint8]
    """8-bit sRGB [H, W, 3]."""
    ids: NDArray[np.uint8]
    """Instance ids [H, W], 0 = stage."""
    depth_m: NDArray[np.float32]
    """Distance along the viewing axis [H, W]; infinite where there is nothing."""
    normals: NDArray[np.float32]
    """Unit normals in world axes [H, W, 3]; zero where there is nothing."""
    samples_per_pixel: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Gate:
    """One check of a sample with its figure; `passed` decides, `limit` says against what."""

    name: str
    value: float
    limit: str
    """In words and numbers: `<= 0.002 m`."""
    passed: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Reject:
    """Why an attempt is not worth keeping; `gate` is what is counted."""

    gate: str
    reason: str
    attempt: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Instructions:
    """PICABench's three tiers: what to do; with its physical effect; with the whole end state."""

    superficial: str
    intermediate: str
    explicit: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample:
    """The record: images, masks and the JSON of schema version 1, ready to be written or just read."""

    key: str
    start: NDArray[np.uint8]
    end: NDArray[np.uint8]
    start_seg: NDArray[np.uint8]
    end_seg: NDArray[np.uint8]
    mask: NDArray[np.uint8]
    record: dict[str, Any]
    arrays: dict[str, NDArray[Any]] = field(default_factory=dict)
    """What a recipe asks for on top: `start_depth`, `end_depth`, `start_normals`, `flow`, …"""
