"""Metrics: a file in this folder is a metric because it is here.

    # simgen/metrics/end_mae.py
    METRIC = Metric(name="end_mae", unit="1", direction="lower", function=end_mae)

Nothing else names it: `metrics()` finds every `Metric` that a file here has at its top level.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from itertools import pairwise
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from simgen.core.errors import UnknownName
from simgen.core.registry import objects_in
from simgen.core.sample import Sample

Prediction = NDArray[np.uint8]
"""The picture that an editor made of the start: 8-bit sRGB [H, W, 3], as large as the pictures of the sample."""
Reference = Literal["truth", "violation", "copy"]
"""Predictions that are scored beside an editor: the true end, an end that breaks a law, the unchanged start."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Metric:
    """A figure for a prediction, given the sample that holds the truth."""

    name: str
    unit: str
    """`dB`, `m`, …; `1` where it has none."""
    direction: Literal["higher", "lower"]
    """Which figure is the better one."""
    function: Callable[[Sample, Prediction], float]
    """(truth, prediction) → figure; NaN where the sample does not have what is measured."""
    order: tuple[Reference, ...] = ("truth", "copy")
    """References from the best figure to the worst. Each must be strictly better than the next."""

    def in_order(self, figures: Mapping[Reference, float]) -> bool:
        """Whether the figures of the references are in the order that the metric must give."""
        sign = 1.0 if self.direction == "higher" else -1.0
        return all(sign * figures[better] > sign * figures[worse] for better, worse in pairwise(self.order))


def metrics() -> dict[str, Metric]:
    """All metrics by name."""
    return objects_in(__name__, Metric)


def metric(name: str) -> Metric:
    """The metric of that name; an unknown one is an UnknownName."""
    known = metrics()
    if name not in known:
        raise UnknownName("metric", name, known)
    return known[name]
