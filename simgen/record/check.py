"""A record that was read → what is wrong with it, and what an older version lacks."""

import json
import re
from typing import Any, get_args

from simgen.core.assets import Split
from simgen.core.errors import inline, shown
from simgen.record import fields, schema


def minor_of(record: Any) -> int:
    """The minor version that a record states; 0 where it states none."""
    stated = record.get("schema_minor", 0) if isinstance(record, dict) else 0
    return max(0, stated) if type(stated) is int else 0


def is_newer(record: Any) -> bool:
    """Whether a newer simgen has written the record: it may hold fields that are not known here."""
    return minor_of(record) > schema.minor()


def other_major(record: Any) -> str:
    """A sentence where a record, or the statistics of a shard, are of another major version; empty where they can be
    read."""
    stated = record.get("schema_version") if isinstance(record, dict) else None
    if type(stated) is not int or stated == schema.MAJOR:
        return ""
    made_by = record.get("simgen_version")
    version = f"simgen {inline(made_by)}, which made it" if isinstance(made_by, str) else "the simgen that made it"
    return f"is of schema version {shown(stated)}, this simgen reads version {schema.MAJOR}; open it with {version}"


def complete_record(record: dict[str, Any]) -> dict[str, Any]:
    """The record with what older minor versions lack, as the schema documents it. Unknown fields stay."""
    fields.complete(record, schema.SCHEMA, minor_of(record))
    return record


def check_record(record: Any, *, strict: bool = True) -> list[str]:
    """What is wrong with a record, a sentence each; nothing where it is sound.

    Older minor versions may lack what came after them, newer ones may have more. Without `strict` any record may have
    fields that the schema does not know: a reader passes over them.
    """
    if reason := other_major(record):
        return [reason]
    minor = minor_of(record)
    found = list(fields.problems(record, schema.SCHEMA, minor=minor, strict=strict and minor <= schema.minor()))
    if found:
        return found
    if not re.fullmatch(r"[A-Za-z0-9-]+", record["key"]):
        found.append(f"key is {shown(record['key'])}, must be letters, digits and dashes")
    if record["split"] not in get_args(Split):
        found.append(f"split is {shown(record['split'])}, must be train or test")
    for tier, text in record["instructions"].items():
        if isinstance(text, str) and not text.strip():
            found.append(f"instructions.{tier} is empty")
    ids = [body["id"] for body in record["bodies"]]
    if len(set(ids)) < len(ids) or not all(1 <= body_id <= 255 for body_id in ids):
        found.append(f"bodies have the ids {shown(ids)}, must be different ones from 1 to 255")
    for name, shape in (("K", (3, 3)), ("camera_to_world", (4, 4)), ("world_to_camera", (4, 4))):
        matrix = record["camera"][name]
        if [len(row) for row in matrix] != [shape[1]] * shape[0]:
            found.append(f"camera.{name} must be {shape[0]} rows of {shape[1]} numbers")
    found += [f"gates: {inline(gate['name'])} has not passed" for gate in record["gates"] if not gate["passed"]]
    for field in schema.SCHEMA.fields:
        if field.name.endswith("_json") and field.name in record:
            try:
                json.loads(record[field.name])
            except (ValueError, RecursionError) as error:
                found.append(f"{field.name} is not JSON: {error}")
    return found
