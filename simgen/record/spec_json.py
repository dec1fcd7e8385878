"""SceneSpec ↔ text."""

import dataclasses
import functools
import json
from collections.abc import Sequence
from types import NoneType, UnionType
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints

import numpy as np

from simgen.core.errors import OutputError, inline, shown
from simgen.core.spec import SceneSpec, ViewRequest
from simgen.record.text import to_json


def spec_to_json(spec: SceneSpec) -> str:
    """The whole spec as JSON text, exact to the last bit; where a field can be one of several types, `kind` tells."""
    return to_json(_dump(spec, SceneSpec), "spec_json")


def spec_from_json(text: str) -> SceneSpec:
    """The spec that `spec_to_json` wrote."""
    try:
        data = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise OutputError(f"spec_json is not JSON: {error}") from error
    try:
        spec: SceneSpec = _load(data, SceneSpec, "spec_json")
    # What the types themselves refuse.
    except (ValueError, TypeError) as error:
        raise OutputError(f"spec_json: {inline(error)}") from error
    return spec


def _dump(value: Any, hint: Any) -> Any:
    options = _options(hint)
    if value is None and NoneType in options:
        return None
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        fields = {name: _dump(getattr(value, name), inner) for name, inner in _hints(type(value)).items()}
        tagged = sum(dataclasses.is_dataclass(option) for option in options) > 1
        return {"kind": _tag(type(value)), **fields} if tagged else fields
    if isinstance(value, tuple):
        arguments = get_args(hint)
        repeated = len(arguments) == 2 and arguments[1] is Ellipsis
        return [_dump(item, arguments[0] if repeated else arguments[i]) for i, item in enumerate(value)]
    return float(value) if hint is float else value.item() if isinstance(value, np.generic) else value


def _load(data: Any, hint: Any, where: str) -> Any:
    options = _options(hint)
    if data is None and NoneType in options:
        return None
    classes = [option for option in options if dataclasses.is_dataclass(option)]
    if classes:
        return _load_fields(data, classes, where)
    if get_origin(hint) is tuple:
        arguments = get_args(hint)
        repeated = len(arguments) == 2 and arguments[1] is Ellipsis
        if not isinstance(data, list) or not (repeated or len(data) == len(arguments)):
            raise OutputError(f"{where} must be a list{'' if repeated else f' of {len(arguments)}'}; got {shown(data)}")
        return tuple(
            _load(item, arguments[0] if repeated else arguments[i], f"{where}[{i}]") for i, item in enumerate(data)
        )
    if get_origin(hint) is Literal:
        if data not in get_args(hint):
            raise OutputError(f"{where} must be one of {', '.join(map(str, get_args(hint)))}; got {shown(data)}")
        return data
    if type(data) is not hint:
        raise OutputError(f"{where} must be {hint.__name__}; got {shown(data)}")
    return data


def _load_fields(data: Any, classes: Sequence[Any], where: str) -> Any:
    if not isinstance(data, dict):
        raise OutputError(f"{where} must be an object; got {shown(data)}")
    cls = classes[0]
    if len(classes) > 1:
        known = {_tag(option): option for option in classes}
        if not isinstance(data.get("kind"), str) or data["kind"] not in known:
            raise OutputError(f"{where}.kind must be one of {', '.join(known)}; got {shown(data.get('kind'))}")
        cls = known[data["kind"]]
        if "kind" not in _hints(cls):
            data = {name: item for name, item in data.items() if name != "kind"}
    hints = _hints(cls)
    for name in data:
        if name not in hints:
            raise OutputError(f"{where}.{inline(name)} is not a field of {cls.__name__}")
    for field in dataclasses.fields(cls):
        required = field.default is dataclasses.MISSING and field.default_factory is dataclasses.MISSING
        if required and field.name not in data:
            raise OutputError(f"{where}.{field.name} is missing")
    return cls(**{name: _load(item, hints[name], f"{where}.{name}") for name, item in data.items()})


def _tag(cls: Any) -> str:
    """What a type is called where a field can hold one of several: its `kind`, else its name."""
    for field in dataclasses.fields(cls):
        if field.name == "kind" and isinstance(field.default, str):
            return field.default
    return _TAGS.get(cls, str(cls.__name__).lower())


_TAGS: dict[type, str] = {ViewRequest: "framing"}
"""Tags by which records know types that have another name today."""


def _options(hint: Any) -> tuple[Any, ...]:
    return get_args(hint) if get_origin(hint) in (Union, UnionType) else (hint,)


@functools.cache
def _hints(cls: type) -> dict[str, Any]:
    return get_type_hints(cls)
