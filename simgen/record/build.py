"""A finished rollout → the record of its sample."""

from typing import Any

from simgen.record import fields, schema
from simgen.record.sources import RecordSource


def make_record(source: RecordSource) -> dict[str, Any]:
    """The record of a sample. A figure that is not finite is a ValueError that names its field: that sample is
    broken, not the folder."""
    record: dict[str, Any] = fields.build(schema.SCHEMA, source, f"{source.identity.key}: ")
    return record
