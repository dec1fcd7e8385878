"""Values → JSON text, the same bytes for the same value."""

import dataclasses
import json
from collections.abc import Mapping
from typing import Any

import numpy as np


def to_json(value: Any, where: str) -> str:
    """Compact JSON on one line, in the order given. A number that is not finite is a ValueError that names `where`."""
    try:
        return json.dumps(value, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
    except ValueError as error:
        raise ValueError(f"{where} holds a number that is not finite; a record holds finite numbers only") from error


def plain(value: Any) -> Any:
    """Frozen types, tuples and numpy scalars as what JSON knows."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {field.name: plain(getattr(value, field.name)) for field in dataclasses.fields(value)}
    if isinstance(value, Mapping):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, np.ndarray):
        return value.tolist()
    if isinstance(value, np.generic):
        return value.item()
    if isinstance(value, (list, tuple)):
        return [plain(item) for item in value]
    return value
