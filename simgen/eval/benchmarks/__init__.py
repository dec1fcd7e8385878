"""Benchmarks: a file in this folder is a benchmark because it is here.

    # simgen/eval/benchmarks/held_out.py
    BENCHMARK = Benchmark(name="held_out", description="Pairs of the test split.", metrics=("end_mae",), run=run)

Nothing else names it: `benchmarks()` finds every `Benchmark` that a file here has at its top level.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

import numpy as np
from numpy.typing import NDArray

from simgen.core.errors import UnknownName
from simgen.core.registry import objects_in

if TYPE_CHECKING:
    from simgen.dataset.reader import Dataset


class Editor(Protocol):
    """What is measured: a trained model, or a reference such as the unchanged start."""

    def __call__(self, start: NDArray[np.uint8], instruction: str) -> NDArray[np.uint8]:
        """The edited picture; both pictures are 8-bit sRGB [H, W, 3] of the same size."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Benchmark:
    """A way to measure an editor on a data set."""

    name: str
    description: str
    """One line, for lists of the benchmarks."""
    metrics: tuple[str, ...]
    """Names of the metrics that it reports."""
    run: Callable[[Editor, "Dataset"], Mapping[str, float]]
    """(editor, data set) → the figure of each metric by its name."""


def benchmarks() -> dict[str, Benchmark]:
    """All benchmarks by name."""
    return objects_in(__name__, Benchmark)


def benchmark(name: str) -> Benchmark:
    """The benchmark of that name; an unknown one is an UnknownName."""
    known = benchmarks()
    if name not in known:
        raise UnknownName("benchmark", name, known)
    return known[name]
