"""How a field of the record is declared, and what follows from a declaration: building, checking, completing, listing.

A `RecordField` is one value; a `Group` is an object of fields, or a list of such objects. Every function here takes the
declaration and the data; none knows a field by name.
"""

import copy
import math
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any, Literal, TypeAlias

from simgen.core.errors import inline, shown

Kind = Literal["int", "float", "bool", "string"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Column:
    """A column of the parquet table. What is not said here is as the field's that it is declared at."""

    name: str = ""
    value: Callable[[Any], Any] | None = None
    """From the finished record; without it, the field itself, which then lies in no list."""
    kind: Kind | None = None
    lists: int | None = None
    meaning: str = ""
    since: int | None = None
    older: Any = None
    """The value in tables written before `since`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Older:
    """What a field is taken to be in a record that was written before the field existed."""

    value: Any = None
    same_as: str = ""
    """Name of another field of the same list item (outside of lists: of the record) that has the value."""
    meaning: str = ""

    def __str__(self) -> str:
        text = f"as `{self.same_as}`" if self.same_as else f"`{self.value!r}`" if self.value != "" else "empty"
        return f"{text} ({self.meaning})" if self.meaning else text


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordField:
    """One value of the record, or a list of such values."""

    name: str
    kind: Kind
    meaning: str
    compute: Callable[[Any], Any]
    """From the source of the group that the field is in: of `RecordSource` at the top."""
    unit: str = ""
    lists: int = 0
    """0 for a single value, 1 for a list of them, 2 for a matrix."""
    since: int = 0
    """Minor version of the schema that brought it."""
    older: Older | None = None
    columns: tuple[Column, ...] = ()

    def __post_init__(self) -> None:
        _check_declaration(self)


@dataclass(frozen=True, slots=True, kw_only=True)
class Group:
    """An object of fields, or a list of such objects."""

    name: str
    fields: tuple["Node", ...]
    source: Callable[[Any], Any]
    """What the fields inside are computed from, of the source around; for a list one source an item."""
    many: bool = False
    meaning: str = ""
    since: int = 0
    older: Older | None = None
    columns: tuple[Column, ...] = ()

    def __post_init__(self) -> None:
        _check_declaration(self)

    def but(self, *fields: "Node") -> "Group":
        """The same with further fields."""
        return replace(self, fields=(*self.fields, *fields))


Node: TypeAlias = RecordField | Group


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """A field as documentation lists it."""

    name: str
    """With its path: `bodies[].start.mass_kg`."""
    type: str
    meaning: str
    """With its unit, and since when it exists."""
    columns: tuple[str, ...]


def _check_declaration(node: Node) -> None:
    if (node.since > 0) != (node.older is not None):
        raise ValueError(f"field {node.name}: `since` above 0 and `older` belong together")


# A record from its declaration.


def build(node: Node, source: Any, where: str) -> Any:
    """The value of a field or a group. A number that is not finite and an empty list are a ValueError that names
    the field; `where` is put before its name."""
    if isinstance(node, RecordField):
        return _as_declared(node.compute(source), node.kind, node.lists, where)
    inner = node.source(source)
    if not node.many:
        return {child.name: build(child, inner, _join(where, child.name)) for child in node.fields}
    items = [
        {child.name: build(child, item, _join(f"{where}[{i}]", child.name)) for child in node.fields}
        for i, item in enumerate(inner)
    ]
    return _not_empty(items, where)


def _as_declared(value: Any, kind: Kind, lists: int, where: str) -> Any:
    """A computed value in the declared type, as plain Python."""
    if lists:
        return _not_empty([_as_declared(item, kind, lists - 1, f"{where}[{i}]") for i, item in enumerate(value)], where)
    if kind == "float":
        if not math.isfinite(value):
            raise ValueError(f"{where} is {value}; a record holds finite numbers only")
        # Adding zero turns -0.0 into 0.0, which would otherwise depend on the sign of a rounding error.
        return float(value) + 0.0
    if kind == "int":
        return int(value)
    return bool(value) if kind == "bool" else str(value)


def _not_empty(items: list[Any], where: str) -> list[Any]:
    if not items:
        raise ValueError(f"{where} is empty; a list in a record must hold at least one item")
    return items


def ordered(value: Any, node: Node) -> Any:
    """A sound value with its fields in the order of the declaration."""
    if isinstance(node, RecordField):
        return value
    if node.many:
        return [{child.name: ordered(item[child.name], child) for child in node.fields} for item in value]
    return {child.name: ordered(value[child.name], child) for child in node.fields}


# A record that was read.


def complete(value: Any, node: Group, minor: int) -> None:
    """Put in what a record of an older minor version lacks. What is missing for another reason stays missing."""
    _complete(value, node, minor, value)


def _complete(value: Any, node: Group, minor: int, item: Any) -> None:
    if node.many:
        for one in value if isinstance(value, list) else ():
            _complete_object(one, node, minor, one)
    else:
        _complete_object(value, node, minor, item)


def _complete_object(value: Any, node: Group, minor: int, item: Any) -> None:
    if not isinstance(value, dict):
        return
    for child in node.fields:
        if child.name in value:
            if isinstance(child, Group):
                _complete(value[child.name], child, minor, item)
        elif child.since > minor and child.older is not None:
            if not child.older.same_as:
                value[child.name] = copy.deepcopy(child.older.value)
            elif child.older.same_as in item:
                value[child.name] = item[child.older.same_as]


_PYTHON = {"int": int, "float": float, "bool": bool, "string": str}
_LARGEST_INT = 2**63 - 1
_HALF_A_CHARACTER = re.compile("[\ud800-\udfff]")


def problems(value: Any, node: Node, *, minor: int, strict: bool, where: str = "") -> Iterator[str]:
    """What is not as declared, a sentence each. Fields that came after `minor` may be missing; fields that are not
    declared are a problem only where `strict`."""
    if isinstance(node, RecordField):
        yield from _value_problems(value, node.kind, node.lists, where)
    elif not node.many:
        yield from _object_problems(value, node, minor, strict, where)
    elif not isinstance(value, list):
        yield f"{where} is {type_name(value)}, must be a list"
    elif not value:
        yield f"{where} is empty"
    else:
        for i, item in enumerate(value):
            yield from _object_problems(item, node, minor, strict, f"{where}[{i}]")


def _object_problems(value: Any, node: Group, minor: int, strict: bool, where: str) -> Iterator[str]:
    if not isinstance(value, dict):
        yield f"{where or 'the record'} is {type_name(value)}, must be an object"
        return
    declared = {child.name for child in node.fields}
    for child in node.fields:
        if child.name not in value and child.since <= minor:
            yield f"{_join(where, child.name)} is missing"
    if strict:
        for name in value:
            if name not in declared:
                yield f"{_join(where, inline(name))} is not a field of the schema"
    for child in node.fields:
        if child.name in value:
            yield from problems(value[child.name], child, minor=minor, strict=strict, where=_join(where, child.name))


def _value_problems(value: Any, kind: Kind, lists: int, where: str) -> Iterator[str]:
    if lists:
        if not isinstance(value, list):
            yield f"{where} is {type_name(value)}, must be a list"
        elif not value:
            yield f"{where} is empty"
        else:
            for i, item in enumerate(value):
                yield from _value_problems(item, kind, lists - 1, f"{where}[{i}]")
    elif type(value) is not _PYTHON[kind]:
        yield f"{where} is {type_name(value)}, must be {kind}"
    elif isinstance(value, float) and not math.isfinite(value):
        yield f"{where} is {value}, must be finite"
    elif isinstance(value, float) and value == 0.0 and math.copysign(1.0, value) < 0:
        yield f"{where} is -0.0, must be 0.0"
    elif isinstance(value, int) and abs(value) > _LARGEST_INT:
        yield f"{where} is {shown(value)}, which does not fit into 64 bits"
    elif isinstance(value, str) and _HALF_A_CHARACTER.search(value):
        yield f"{where} holds half a character, which no file can hold"


def type_name(value: Any) -> str:
    """The type of a value in JSON's words."""
    return (
        "null" if value is None else {"str": "string", "dict": "object"}.get(type(value).__name__, type(value).__name__)
    )


def _join(where: str, name: str) -> str:
    return f"{where}{'' if not where or where.endswith(': ') else '.'}{name}"


# What the declarations say together.


def newest(node: Node) -> int:
    """The minor version that brought the latest field."""
    inner = node.fields if isinstance(node, Group) else ()
    return max([node.since, *(newest(child) for child in inner)])


def rows(node: Group, *, major: int) -> Iterator[Row]:
    """Every field, for documentation. Columns of a group are told at its first field."""
    yield from _rows(node, "", major, ())


def _rows(node: Node, where: str, major: int, above: tuple[str, ...]) -> Iterator[Row]:
    names = (*above, *(column.name or node.name for column in node.columns))
    if isinstance(node, Group):
        where = f"{where}[]" if node.many else where
        for i, child in enumerate(node.fields):
            yield from _rows(child, _join(where, child.name), major, names if i == 0 else ())
        return
    meaning = f"{node.meaning}, {node.unit}" if node.unit else node.meaning
    if node.older is not None:
        meaning += f"; since version {major}.{node.since}, in older records {node.older}"
    yield Row(name=where + "[]" * node.lists, type=node.kind, meaning=meaning, columns=names)


def columns(node: Group) -> Iterator[Column]:
    """Every column that a declaration asks for, with all that follows from the field."""
    yield from _columns(node, ())


def _columns(node: Node, path: tuple[str, ...]) -> Iterator[Column]:
    for column in node.columns:
        kind = column.kind or (node.kind if isinstance(node, RecordField) else "int")
        lists = node.lists if isinstance(node, RecordField) and column.value is None else 0
        older = column.older
        if older is None and node.older is not None:
            older = node.older.value
        yield replace(
            column,
            name=column.name or node.name,
            value=column.value or _following(path),
            kind=kind,
            lists=lists if column.lists is None else column.lists,
            meaning=column.meaning or node.meaning,
            since=node.since if column.since is None else column.since,
            older=older,
        )
    if isinstance(node, Group):
        for child in node.fields:
            yield from _columns(child, (*path, child.name))


def _following(path: tuple[str, ...]) -> Callable[[Mapping[str, Any]], Any]:
    def value(record: Mapping[str, Any]) -> Any:
        found: Any = record
        for name in path:
            found = found[name]
        return found

    return value
