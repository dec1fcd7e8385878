"""YAML files and `--set key=value` -> plain data, strictly."""

import dataclasses
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from simgen.errors import UnknownName, UsageError


def read_yaml(path: Path) -> dict[str, Any]:
    """The mapping in a YAML file; a UsageError names line and reason where there is none."""
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"{path}: cannot be read: {error}") from error
    return mapping(_yaml(text, str(path)), str(path))


def write_yaml(data: Any, *, flow: bool | None = None, width: int = 110) -> str:
    """Plain data as YAML that `read_yaml` reads back the same; keys stay in order."""
    return str(yaml.dump(data, Dumper=_Dumper, sort_keys=False, default_flow_style=flow, width=width))


def override(data: dict[str, Any], text: str) -> None:
    """Put one `a.b=v` into the raw recipe; whether the key is known is checked with all the others."""
    key, equals, value = text.partition("=")
    path = key.strip().split(".")
    if not equals or not all(path):
        raise UsageError(f"--set {text}: must be KEY=VALUE, the value as in YAML")
    place = data
    for depth, part in enumerate(path[:-1], start=1):
        inner = place.get(part)
        if inner is None:
            inner = place[part] = {}
        if not isinstance(inner, dict):
            raise UsageError(f"--set {text}: {'.'.join(path[:depth])} is a value and has no keys")
        place = inner
    place[path[-1]] = _yaml(value, f"--set {text}")


def known_keys(values: Mapping[str, Any], cls: type, where: str) -> None:
    known = [field.name for field in dataclasses.fields(cls)]
    for key in values:
        if key not in known:
            raise UnknownName("key", str(key), known, where=where)


def mapping(value: Any, where: str) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise UsageError(f"{where} must be a mapping of keys to values; got {value!r}")
    return dict(value)


class _Loader(yaml.SafeLoader):
    """YAML as people mean it: a key that stands twice is an error, 1e-3 is a number."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        seen = set()
        for key_node, _ in node.value:
            key = self.construct_object(key_node, deep=True)
            if not isinstance(key, str):
                raise yaml.constructor.ConstructorError(
                    None, None, f"the key {key!r} is not a text", key_node.start_mark
                )
            if key in seen:
                raise yaml.constructor.ConstructorError(
                    None, None, f"the key {key!r} stands twice", key_node.start_mark
                )
            seen.add(key)
        return super().construct_mapping(node, deep=deep)


class _Dumper(yaml.SafeDumper):
    """Writes what `_Loader` reads: a text that looks like its numbers, as one hash in two hundred does (2188175329e8),
    is put in quotes."""


for _dialect in (_Loader, _Dumper):
    _dialect.add_implicit_resolver(
        "tag:yaml.org,2002:float", re.compile(r"^[-+]?[0-9]+(\.[0-9]*)?[eE][-+]?[0-9]+$"), list("-+0123456789")
    )


def _yaml(text: str, where: str) -> Any:
    try:
        return yaml.load(text, Loader=_Loader)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark
        line = f" line {mark.line + 1}" if mark is not None else ""
        raise UsageError(f"{where}:{line} is not YAML: {error.problem}") from error
    except yaml.YAMLError as error:
        raise UsageError(f"{where}: is not YAML: {error}") from error
