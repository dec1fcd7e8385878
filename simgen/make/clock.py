"""Seconds spent per phase."""

import time
from collections.abc import Iterator
from contextlib import contextmanager


class Clock:
    """Adds up the time that blocks take, by the name of their phase."""

    def __init__(self) -> None:
        self.spent: dict[str, float] = {}

    @contextmanager
    def __call__(self, phase: str) -> Iterator[None]:
        began = time.perf_counter()
        try:
            yield
        finally:
            self.spent[phase] = self.spent.get(phase, 0.0) + time.perf_counter() - began
