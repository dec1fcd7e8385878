"""Read YAML files and `--set key=value` strictly: duplicate keys, aliases and deep nesting are errors."""

import dataclasses
import re
from collections.abc import Mapping
from typing import Any

import yaml

from simgen.core.errors import OutputError, UnknownName, UsageError, inline, shown
from simgen.storage.paths import AnyPath, RemotePath
from simgen.storage.urls import scrub

MAX_BYTES = 1 << 20
"""Size limit of a YAML file. Reading so much takes a quarter of a minute; people write a hundredth of it."""
MAX_DEPTH = 30
"""Limit on nested levels: with a thousand, PyYAML takes a minute for a kilobyte."""


def read_yaml(path: AnyPath) -> dict[str, Any]:
    """The mapping in a YAML file; a UsageError names line and reason where there is none."""
    return mapping(load_yaml(path), str(path))


def load_yaml(path: AnyPath) -> Any:
    """Whatever a YAML file holds."""
    try:
        if isinstance(path, RemotePath):
            data = path.read(0, MAX_BYTES + 1)
        else:
            with path.open("rb") as file:
                data = file.read(MAX_BYTES + 1)
        text = data.decode("utf-8")
    except (ValueError, FileNotFoundError, IsADirectoryError, NotADirectoryError, PermissionError) as error:
        raise UsageError(f"{path}: cannot be read: {inline(error)}") from error
    except OSError as error:
        # Not the user's, who has named it rightly: a disk or a store that fails.
        raise OutputError(f"{path}: cannot be read: {inline(error)}") from error
    return parse_yaml(text, where=str(path))


def write_yaml(data: Any, *, flow: bool | None = None, width: int = 110) -> str:
    """Plain data as YAML text that `read_yaml` reads back the same; keys stay in order."""
    return str(yaml.dump(data, Dumper=_Dumper, sort_keys=False, default_flow_style=flow, width=width))


def override(data: dict[str, Any], text: str) -> None:
    """Put one `a.b=v` into the raw recipe; whether the key is known is checked with all the others."""
    key, equals, value = text.partition("=")
    path, text = key.strip().split("."), scrub(text)
    if not equals or not all(path):
        raise UsageError(f"--set {inline(text)}: must be KEY=VALUE, the value as in YAML")
    target = data
    for depth, part in enumerate(path[:-1], start=1):
        inner = target.get(part)
        if inner is None:
            inner = target[part] = {}
        if not isinstance(inner, dict):
            raise UsageError(f"--set {inline(text)}: {inline('.'.join(path[:depth]))} is a value and has no keys")
        target = inner
    target[path[-1]] = parse_yaml(value, where=f"--set {inline(text)}")


def known_keys(values: Mapping[str, Any], cls: type, where: str) -> None:
    """An UnknownName for a key that is no field of the dataclass `cls`."""
    known = [field.name for field in dataclasses.fields(cls)]
    for key in values:
        if key not in known:
            raise UnknownName("key", str(key), known, where=where)


def mapping(value: Any, where: str) -> dict[str, Any]:
    """A copy of a mapping; a UsageError for anything else."""
    if not isinstance(value, dict):
        raise UsageError(f"{where} must be a mapping of keys to values; got {shown(value)}")
    return dict(value)


class _Loader(yaml.SafeLoader):
    """YAML as people mean it: a duplicate key is an error, 1e-3 is a number.

    Aliases are not read: ten lines of them, each naming the line before it ten times, are ten thousand million values
    to whoever walks through them.
    """

    depth = 0

    def compose_node(self, parent: yaml.Node | None, index: Any) -> yaml.Node | None:
        if self.check_event(yaml.AliasEvent):
            event: Any = self.peek_event()  # type: ignore[no-untyped-call]
            raise yaml.composer.ComposerError(
                None, None, f"the alias *{event.anchor}; write out what it stands for", event.start_mark
            )
        self.depth += 1
        if self.depth > MAX_DEPTH:
            raise yaml.YAMLError(f"it is nested more than {MAX_DEPTH} levels deep")
        try:
            return super().compose_node(parent, index)
        finally:
            self.depth -= 1

    def construct_scalar(self, node: yaml.ScalarNode | yaml.MappingNode) -> Any:
        value: Any = super().construct_scalar(node)
        # Half a character, as "\ud800" writes it, can be put into no file.
        value.encode("utf-8")
        return value

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        seen = set()
        for key_node, _ in node.value:
            key = self.construct_object(key_node, deep=True)
            if not isinstance(key, str):
                raise yaml.constructor.ConstructorError(
                    None, None, f"the key {shown(key)} is not a text", key_node.start_mark
                )
            if key in seen:
                raise yaml.constructor.ConstructorError(
                    None, None, f"the key {shown(key)} stands twice", key_node.start_mark
                )
            seen.add(key)
        return super().construct_mapping(node, deep=deep)


class _Dumper(yaml.SafeDumper):
    """Writes what `_Loader` reads: a text that looks like its numbers, as one hash in two hundred does (2188175329e8),
    is put in quotes, and nothing becomes an alias."""

    def ignore_aliases(self, data: Any) -> bool:
        return True


class TextBlock(str):
    """A text of several lines that `write_yaml` writes line by line. One such is read a hundred times as fast as a
    mapping of a hundred keys."""


_Dumper.add_representer(
    TextBlock, lambda dumper, text: dumper.represent_scalar("tag:yaml.org,2002:str", str(text), style="|")
)

for _dialect in (_Loader, _Dumper):
    _dialect.add_implicit_resolver(
        "tag:yaml.org,2002:float", re.compile(r"^[-+]?[0-9]+(\.[0-9]*)?[eE][-+]?[0-9]+$"), list("-+0123456789")
    )


_PLAIN = ("null", "bool", "int", "float", "str", "seq", "map")
# Dates, bytes and sets are nothing that a recipe holds; a date in it is the text that it looks like.
_Loader.yaml_constructors = {
    tag: make
    for tag, make in _Loader.yaml_constructors.items()
    if tag is None or tag.removeprefix("tag:yaml.org,2002:") in _PLAIN
}
_Loader.yaml_implicit_resolvers = {
    first: [(tag, pattern) for tag, pattern in resolvers if not tag.endswith(":timestamp")]
    for first, resolvers in _Loader.yaml_implicit_resolvers.items()
}


def parse_yaml(text: str, *, where: str) -> Any:
    """The plain data in a text; a UsageError names line and reason where it cannot be read."""
    if len(text) > MAX_BYTES:
        raise UsageError(f"{where}: has more than {MAX_BYTES >> 20} MiB; it is not what simgen reads")
    try:
        return yaml.load(text, Loader=_Loader)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark
        line = f" line {mark.line + 1}" if mark is not None else ""
        raise UsageError(f"{where}:{line} is not YAML: {inline(scrub(str(error.problem)))}") from error
    # What PyYAML makes of 2024-13-45, of !!int x, of an integer of 5000 digits.
    except (yaml.YAMLError, ValueError, LookupError, AttributeError, TypeError, OverflowError) as error:
        raise UsageError(f"{where}: is not YAML: {inline(scrub(str(error)))}") from error
