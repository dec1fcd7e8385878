"""Samples → the rows of a shard's parquet table, and back: what a reader filters by.

The columns are those that the schema of the record declares, and the few below that are not in a record. A table that
was written before a column existed gives the value that the declaration has for it; unknown columns are passed over.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from simgen.core.errors import OutputError, inline
from simgen.core.masks import Pair
from simgen.core.sample import Sample
from simgen.dataset.layout import SPLITS, committed, part_path
from simgen.record import fields, schema
from simgen.record.fields import Column
from simgen.storage.files import read, refuse_pipe
from simgen.storage.paths import AnyPath, RemotePath, map_concurrently

MOST_ROWS = 1_000_000
"""In the table of one shard."""


def _subject_share(sample: Sample) -> float:
    """Before anything has happened."""
    actors = [body["id"] for body in sample.record["bodies"] if body["role"] == "actor"]
    return float(np.isin(sample.start_seg, actors).mean())


def _pair(sample: Sample) -> Pair:
    return Pair(start=sample.start, end=sample.end, mask=sample.mask)


_PICTURES = (
    Column(
        name="subject_share",
        kind="float",
        meaning="share of the start picture that shows actors",
        value=_subject_share,
    ),
    Column(
        name="change_share",
        kind="float",
        meaning="share of the picture that the mask lets change",
        value=lambda sample: _pair(sample).changed_share,
    ),
    Column(
        name="visible_share",
        kind="float",
        meaning="share of the picture that changes visibly",
        value=lambda sample: _pair(sample).visible_share,
    ),
)
"""Computed from the pictures of a sample."""
_PLACE = (
    Column(name="tar", kind="string", meaning="name of the tar that holds the sample"),
    Column(name="offset", kind="int", meaning="where it begins there, in bytes"),
)
"""Known once the tar is written."""
_ARROW = {"int": pa.int64(), "float": pa.float64(), "string": pa.string(), "bool": pa.bool_()}


def columns() -> tuple[Column, ...]:
    """Every column of the table."""
    return (*fields.columns(schema.SCHEMA), *_PICTURES, *_PLACE)


def sample_row(sample: Sample) -> dict[str, Any]:
    """The row of a sample, without the tar and the offset in it."""
    told = {column.name: _value(column, sample.record) for column in fields.columns(schema.SCHEMA)}
    return {**told, **{column.name: _value(column, sample) for column in _PICTURES}}


def _value(column: Column, source: Any) -> Any:
    assert column.value is not None
    return column.value(source)


def table_bytes(rows: Sequence[Mapping[str, Any]]) -> bytes:
    """The rows as a parquet file; the same rows give the same bytes."""
    arrow = pa.schema([(column.name, _arrow_type(column)) for column in columns()])
    sink = pa.BufferOutputStream()
    pq.write_table(pa.Table.from_pylist(list(rows), schema=arrow), sink, compression="zstd")
    return bytes(sink.getvalue().to_pybytes())


def _arrow_type(column: Column) -> Any:
    found = _ARROW[column.kind or "string"]
    for _ in range(column.lists or 0):
        found = pa.list_(found)
    return found


def read_rows(folder: AnyPath) -> list[dict[str, Any]]:
    """The rows of every committed shard of a data set, train before test."""
    paths = (part_path(folder / split, number, ".parquet") for split in SPLITS for number in committed(folder / split))
    return [row for rows in map_concurrently(folder, read_table, paths) for row in rows]


def read_table(path: AnyPath) -> list[dict[str, Any]]:
    """The rows of one table, each with every column that is known today."""
    known = {column.name: column for column in columns()}
    if not isinstance(path, RemotePath):
        refuse_pipe(path)
    try:
        file = pq.ParquetFile(pa.BufferReader(read(path)) if isinstance(path, RemotePath) else path)
        types = dict(zip(file.schema_arrow.names, file.schema_arrow.types, strict=True))
        there = [name for name in known if name in types]
        # A kilobyte of it can say one value a thousand million times over.
        if file.metadata.num_rows > MOST_ROWS or len(types) != len(file.schema_arrow.names):
            raise _foreign(path)
        if any(types[name] != _arrow_type(known[name]) for name in there):
            raise _foreign(path)
        missing = [column for name, column in known.items() if name not in types]
        if any(not column.since for column in missing):
            raise _foreign(path)
        table = file.read(columns=there)
    except (OSError, pa.ArrowException, ValueError, KeyError, MemoryError) as error:
        raise OutputError(f"{path}: cannot be read: {inline(error)}") from error
    for name in table.column_names:
        column = table[name]
        if column.null_count or (pa.types.is_floating(column.type) and not np.isfinite(column.to_numpy()).all()):
            raise OutputError(f"{path}: the column {name} lacks values; see `simgen verify`")
    try:
        rows: list[dict[str, Any]] = table.to_pylist()
    except ValueError as error:
        raise OutputError(f"{path}: cannot be read: {inline(error)}") from error
    older = {column.name: column.older for column in missing}
    return [{**row, **older} for row in rows]


def _foreign(path: AnyPath) -> OutputError:
    return OutputError(f"{path}: does not hold the columns that simgen writes; see `simgen verify`")
