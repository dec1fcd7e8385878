"""The layout of a data set: how the files of a shard are named, which shards are committed, checksums.

DIR/README.md  ATTRIBUTION.csv  config.resolved.yaml  SHA256SUMS  report/index.html
DIR/train/  DIR/test/   00000.tar  00000.parquet  00000.idx.json  00000_stats.json  …
"""

import hashlib
import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal, get_args, overload

from simgen.core.assets import Split
from simgen.core.errors import OutputError, shown
from simgen.storage.files import LARGEST_FILE_BYTES, list_names, read, read_json, sha256, write_file
from simgen.storage.paths import AnyPath, map_concurrently

CARD, ATTRIBUTION = "README.md", "ATTRIBUTION.csv"
REPORT = "report/index.html"
CHECKSUMS = "SHA256SUMS"
"""Holds the sha256 of the files beside the shards, as `sha256sum --check` reads it; those of a shard stand in its
`_stats.json`."""
SPLITS: tuple[Split, ...] = get_args(Split)
Part = Literal[".tar", ".parquet", ".idx.json", "_stats.json"]
SHARD_FILES: tuple[Part, ...] = get_args(Part)
"""The files of a shard in the order in which they appear; the last one is the commit."""
HASHED = SHARD_FILES[:3]
"""The files of a shard whose sha256 stands in the last one."""

_SHARD_FILE = re.compile(r"([0-9]{5}|[1-9][0-9]{5})(\.tar|\.parquet|\.idx\.json|_stats\.json)")


@overload
def part_path(folder: Path, number: int, part: Part) -> Path: ...
@overload
def part_path(folder: AnyPath, number: int, part: Part) -> AnyPath: ...
def part_path(folder: AnyPath, number: int, part: Part) -> AnyPath:
    """The path of a file of a shard; `folder` is that of the split."""
    return folder / f"{number:05d}{part}"


def parse_name(name: str) -> tuple[int, Part] | None:
    """Shard number and part of a file in the folder of a split; None for any other file."""
    match = _SHARD_FILE.fullmatch(name)
    if match is None:
        return None
    return int(match[1]), next(part for part in SHARD_FILES if part == match[2])


def committed(folder: AnyPath) -> tuple[int, ...]:
    """Numbers of the committed shards in the folder of a split: those that have their `_stats.json`."""
    parsed = [parse_name(name) for name in list_names(folder)]
    return tuple(sorted(p[0] for p in parsed if p is not None and p[1] == "_stats.json"))


def is_committed(folder: AnyPath, number: int) -> bool:
    """Whether a shard in the folder of a split is committed."""
    return part_path(folder, number, "_stats.json").is_file()


def read_index(path: AnyPath) -> dict[str, dict[str, tuple[int, int]]]:
    """The index of a shard: sample key → member → (offset, size) in the tar, in bytes."""
    samples = read_json(path).get("samples")
    if not isinstance(samples, dict):
        raise OutputError(f"{path}: has no 'samples'; the file is damaged, see `simgen verify`")
    for key, members in samples.items():
        if not isinstance(members, dict) or not all(map(_is_span, members.values())):
            raise OutputError(
                f"{path}: {shown(key)} must name offset and size of each member; got {shown(members)}; "
                "the file is damaged, see `simgen verify`"
            )
    return {key: {name: (span[0], span[1]) for name, span in members.items()} for key, members in samples.items()}


def _is_span(span: Any) -> bool:
    return (
        isinstance(span, list)
        and len(span) == 2
        and all(type(part) is int and 0 <= part < LARGEST_FILE_BYTES for part in span)
    )


def content_sha256(stats: Mapping[str, Any]) -> str:
    """sha256 of what the statistics of a shard say about its samples, without what was measured on the way."""
    content = {name: value for name, value in stats.items() if name not in ("cost", "machine", "sha256")}
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()


def cost_sha256(stats: Mapping[str, Any]) -> str:
    """sha256 of what was measured on the way; it stands in `cost`, which is hashed without it."""
    cost = {name: value for name, value in stats["cost"].items() if name != "sha256"}
    return hashlib.sha256(json.dumps([cost, stats["machine"]], sort_keys=True).encode()).hexdigest()


def stats_text(stats: Mapping[str, Any]) -> str:
    """The statistics of a shard as they are written. There is one way to write them, so that every change is found."""
    return json.dumps(stats, ensure_ascii=False, separators=(",", ":"), allow_nan=False) + "\n"


def csv_cell(text: str) -> str:
    """Untrusted text for a table that somebody opens in a spreadsheet, where = + - @ begin what is executed."""
    return f"'{text}" if text.startswith(("=", "+", "-", "@", "\t", "\r")) else text


def checksums(folder: AnyPath) -> dict[str, str]:
    """File name → sha256, as SHA256SUMS says; empty where there is none."""
    path = folder / CHECKSUMS
    lines = read(path).decode(errors="replace").splitlines() if path.is_file() else []
    return {match[2]: match[1] for line in lines if (match := re.fullmatch(r"([0-9a-f]{64})  (\S+)", line))}


def checksums_text(hashes: Mapping[str, str]) -> str:
    """The content of SHA256SUMS for file name → sha256."""
    return "".join(f"{hashes[name]}  {name}\n" for name in sorted(hashes))


def update_checksums(folder: AnyPath, *written: str) -> None:
    """Write the sha256 of these files into SHA256SUMS. The other files keep their lines as long as they are there, so
    that what has been damaged since is still found."""
    before = checksums(folder)
    kept = [name for name in before if name not in written]
    present = map_concurrently(folder, lambda name: (folder / name).is_file(), kept)
    hashes = {name: before[name] for name, is_there in zip(kept, present, strict=True) if is_there}
    hashes |= zip(written, map_concurrently(folder, lambda name: sha256(folder / name), written), strict=True)
    write_file(folder / CHECKSUMS, checksums_text(hashes).encode())
