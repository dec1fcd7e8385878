"""Numbers, colours, lights and materials on their way from one state to another."""

import dataclasses
from typing import Any, TypeVar

T = TypeVar("T")


def between(start: float, end: float, phase: float) -> float:
    """A number that goes evenly from one value to the other; exactly these at phases 0 and 1."""
    if phase in (0.0, 1.0):
        return end if phase else start
    return start + (end - start) * phase


def blend(start: T, end: T, phase: float) -> T:
    """A frozen value whose every number goes evenly from one state to the other; exactly these at phases 0 and 1.

    Works on numbers, tuples of one length and dataclasses of one type, nested as they like. What is not a number must
    be the same in both; a ValueError names what is not.
    """
    if phase in (0.0, 1.0):
        return end if phase else start
    return _blend(start, end, phase, type(start).__name__)  # type: ignore[no-any-return]


def _blend(start: Any, end: Any, phase: float, where: str) -> Any:
    if start is end or (type(start) is type(end) and start == end):
        return start
    if isinstance(start, float | int) and isinstance(end, float | int) and not isinstance(start, bool):
        return between(float(start), float(end), phase)
    if isinstance(start, tuple) and isinstance(end, tuple) and len(start) == len(end):
        return tuple(_blend(a, b, phase, f"{where}[{k}]") for k, (a, b) in enumerate(zip(start, end, strict=True)))
    if dataclasses.is_dataclass(start) and not isinstance(start, type) and type(start) is type(end):
        changed = {
            field.name: _blend(getattr(start, field.name), getattr(end, field.name), phase, f"{where}.{field.name}")
            for field in dataclasses.fields(start)
        }
        return dataclasses.replace(start, **changed)
    raise ValueError(f"{where}: nothing lies between {start!r} and {end!r}; let both differ in numbers only")
