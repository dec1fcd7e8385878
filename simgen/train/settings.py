"""A setting: a field of a frozen dataclass with a meaning and limits. Parsing is strict."""

import dataclasses
import types
from collections.abc import Mapping, Sequence
from typing import Any, Literal, TypeVar, Union, get_args, get_origin, get_type_hints

from simgen.core.errors import UsageError

T = TypeVar("T")


def setting(
    default: Any, meaning: str, *, low: float | None = None, high: float | None = None, free: bool = False
) -> Any:
    """`free`: may differ when a run goes on; it changes what is seen of it, or how fast it is, not what it becomes."""
    return dataclasses.field(default=default, metadata={"meaning": meaning, "low": low, "high": high, "free": free})


def is_setting(field: "dataclasses.Field[Any]") -> bool:
    return "meaning" in field.metadata


def names_of(cls: type) -> list[str]:
    return [field.name for field in dataclasses.fields(cls) if is_setting(field)]


def parse_settings(cls: type[T], data: Mapping[str, Any], *, where: str, **given: Any) -> T:
    """A dataclass of settings from those keys of plain data that it knows; every value is checked."""
    hints = get_type_hints(cls)
    values = {
        field.name: _value(data[field.name], hints[field.name], field.metadata, f"{where}: {field.name}")
        for field in dataclasses.fields(cls)  # type: ignore[arg-type]
        if is_setting(field) and field.name in data
    }
    return cls(**values, **given)


def plain(value: Any) -> Any:
    """A value as YAML writes it."""
    return list(value) if isinstance(value, tuple) else value


def _value(value: Any, hint: Any, limits: Mapping[str, Any], where: str) -> Any:
    options = get_args(hint) if get_origin(hint) in (Union, types.UnionType) else (hint,)
    if value is None and type(None) in options:
        return None
    words = [word for option in options if get_origin(option) is Literal for word in get_args(option)]
    # YAML reads a bare `on` and `off` as true and false.
    if isinstance(value, bool) and bool not in options and {"on", "off"} <= set(words):
        value = "on" if value else "off"
    if isinstance(value, str) and value in words:
        return value
    for option in options:
        if option is bool and isinstance(value, bool):
            return value
        if option is str and isinstance(value, str) and value:
            return value
        if option in (int, float) and not isinstance(value, bool) and isinstance(value, (int, option)):
            return option(_within(value, limits, where))
        if get_origin(option) is tuple and _is_numbers(value, len(get_args(option))):
            return tuple(float(item) for item in value)
    raise UsageError(f"{where} must be {_wanted(options, words)}; got {value!r}")


def _is_numbers(value: Any, count: int) -> bool:
    return (
        isinstance(value, (list, tuple))
        and len(value) == count
        and all(isinstance(item, (int, float)) and not isinstance(item, bool) and _finite(item) for item in value)
    )


def _finite(value: float) -> bool:
    """Also of whole numbers that no float can hold."""
    return -1e308 < value < 1e308


def _within(value: float, limits: Mapping[str, Any], where: str) -> float:
    low, high = limits["low"], limits["high"]
    if not _finite(value) or (low is not None and value < low) or (high is not None and value > high):
        low, high = (f"{limit:g}" if isinstance(limit, float) else limit for limit in (low, high))
        span = f"at least {low}" if high is None else f"from {low} to {high}"
        raise UsageError(f"{where} must be {span}; got {value!r}")
    return value


def _wanted(options: Sequence[Any], words: Sequence[str]) -> str:
    names = {bool: "true or false", int: "a whole number", float: "a number", str: "a text"}
    wanted = [" or ".join(words)] if words else []
    wanted += [names[option] for option in options if option in names]
    wanted += [f"{len(get_args(option))} numbers" for option in options if get_origin(option) is tuple]
    return ", or ".join(wanted)
