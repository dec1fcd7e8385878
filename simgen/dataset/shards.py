"""Samples → one shard, committed whole or not at all: tar, parquet, offset index, statistics.

The tar, the parquet, the index and the statistics without `cost` and `machine` are a pure function of the samples:
whoever makes the shard again, anywhere, gets the same bytes. `dataset_digest` is the digest of exactly that.

`_stats.json`: schema_version, simgen_version, fingerprint (of the plan), split, shard; files {name: {sha256, bytes}};
keys; holes [{key, index, scene, class, reason}]; rejects [{key, scene, attempt, gate, reason}]; scenes {name: {planned,
samples, attempts, rejects {gate: count}}}; sha256 of all these. Then what was measured: cost {started_unix_s,
finished_unix_s, cpu_s, peak_rss_mb, stages {name: seconds}, samples [{key, stages}], sha256 of cost and machine} and
machine.
"""

import contextlib
import hashlib
import importlib
import math
import resource
import sys
import tarfile
import time
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from simgen import __version__
from simgen.core.sample import Reject, Sample
from simgen.dataset.entry import Entry, Failure
from simgen.dataset.layout import (
    HASHED,
    SHARD_FILES,
    SPLITS,
    committed,
    content_sha256,
    cost_sha256,
    is_committed,
    part_path,
    stats_text,
)
from simgen.dataset.lock import commit_shard
from simgen.dataset.table import table_bytes
from simgen.plan.plan import SampleId, ShardPlan
from simgen.record import schema
from simgen.record.codec import encode
from simgen.record.text import to_json
from simgen.storage.files import AtomicFile, read_json, sha256
from simgen.storage.paths import AnyPath


def _tar_writer() -> Any:
    """webdataset's TarWriter. The package loads torch where that is installed, 2.3 s and 190 MB in every worker
    (measured), for readers that have no use here: torch is out of sight while this class is fetched, and whoever
    imports webdataset afterwards gets it whole."""
    if "torch" in sys.modules or "webdataset" in sys.modules:
        return importlib.import_module("webdataset").TarWriter
    sys.modules["torch"] = None  # type: ignore[assignment]
    try:
        return importlib.import_module("webdataset").TarWriter
    finally:
        for name in [name for name in sys.modules if name.partition(".")[0] in ("torch", "webdataset")]:
            del sys.modules[name]


TarWriter = _tar_writer()


@dataclass(frozen=True, slots=True)
class Clocks:
    """What the clocks said when the first sample of a shard was begun."""

    unix_s: float = field(default_factory=time.time)
    # Whoever sets the clock meanwhile does not make a shard take a year, or less than no time.
    monotonic_s: float = field(default_factory=time.monotonic)
    cpu_s: float = field(default_factory=time.process_time)


def write_shard(
    folder: AnyPath,
    shard: ShardPlan,
    entries: Iterable[Entry],
    *,
    fingerprint: str,
    machine: Mapping[str, Any] | None = None,
    run: str = "",
    began: Clocks | None = None,
) -> dict[str, Any]:
    """Write the shard of a data set's folder from finished entries in the plan's order; returns its statistics.

    Whatever goes wrong leaves no `_stats.json`, and a shard without that does not exist. A shard that another worker
    has committed meanwhile is left as it is. `run` is the token of the run, see `lock_dataset`. The cost of the shard
    counts from `began`.
    """
    began = began or Clocks()
    place = folder / shard.split
    paths = {part: part_path(place, shard.number, part) for part in SHARD_FILES}
    rows: list[dict[str, Any]] = []
    fates: list[_Fate] = []
    with contextlib.ExitStack() as stack:
        # All four files are complete on the disk before the first gets its name: a full disk leaves none of them.
        drafts = {part: stack.enter_context(AtomicFile(path)) for part, path in paths.items()}
        # Fixed time, owner and order (webdataset sorts the members), so that the same samples are the same bytes.
        tar = TarWriter(drafts[".tar"], user="simgen", group="simgen", mtime=0, encoder=False)
        for planned, entry in _matched(shard, entries):
            begun = time.perf_counter()
            if entry.failure is None:
                tar.write({"__key__": planned.key, **entry.members})
                rows.append({**entry.row, "tar": paths[".tar"].name})
            fates.append(_fate(entry, write_s=time.perf_counter() - begun))
        # Not closed after an exception above: that would make half a tar look whole.
        tar.close()
        index = _index(drafts[".tar"].finish())
        for row in rows:
            row["offset"] = min(offset for offset, _ in index[row["key"]].values()) - tarfile.BLOCKSIZE
        drafts[".parquet"].write(table_bytes(rows))
        drafts[".idx.json"].write((to_json({"tar": paths[".tar"].name, "samples": index}, "shard") + "\n").encode())
        told = {
            "schema_version": schema.MAJOR,
            "simgen_version": __version__,
            "fingerprint": fingerprint,
            "split": shard.split,
            "shard": shard.number,
            "files": {paths[part].name: _facts(drafts[part].finish()) for part in HASHED},
            "keys": [row["key"] for row in rows],
            **_accounts(fates),
        }
        cost = _cost(fates, began)
        stats = {**told, "sha256": content_sha256(told), "cost": cost, "machine": dict(machine or {})}
        cost["sha256"] = cost_sha256(stats)
        drafts["_stats.json"].write(stats_text(stats).encode())
        if is_committed(place, shard.number):
            return read_json(paths["_stats.json"])
        if not commit_shard(drafts.values(), folder=folder, run=run):
            return read_json(paths["_stats.json"])
    return stats


def tar_bytes(sample: Sample) -> int:
    """Room that a sample takes: its members, each behind a header and filled up to a block, and its row elsewhere."""
    block = tarfile.BLOCKSIZE
    return sum(block + math.ceil(len(data) / block) * block for data in encode(sample).values()) + 3000


def _matched(shard: ShardPlan, entries: Iterable[Entry]) -> Iterator[tuple[SampleId, Entry]]:
    """The entries beside the plan's samples; any other number or order is a mistake of the caller."""
    waiting = iter(entries)
    for planned in shard.samples:
        entry = next(waiting, None)
        if entry is None or entry.planned != planned:
            got = "nothing" if entry is None else entry.planned.key
            raise ValueError(f"{shard.name}: {planned.key} is next in the plan; got {got}")
        yield planned, entry
    if next(waiting, None) is not None:
        raise ValueError(f"{shard.name}: more entries than the {len(shard.samples)} samples of the plan")


@dataclass(frozen=True, slots=True, kw_only=True)
class _Fate:
    """An entry without its members, which are on the disk by now."""

    planned: SampleId
    failure: Failure | None
    reason: str
    rejects: tuple[Reject, ...]
    cost: Mapping[str, float]


def _fate(entry: Entry, *, write_s: float) -> _Fate:
    stages = {stage: seconds for stage, seconds in entry.cost.items() if stage != "attempts"}
    return _Fate(
        planned=entry.planned,
        failure=entry.failure,
        reason=entry.reason,
        rejects=entry.rejects,
        cost={**stages, "write": stages.get("write", 0.0) + write_s},
    )


def dataset_digest(folder: AnyPath) -> str:
    """One figure for "the same bytes": of the committed shards of a data set, without what was measured on the way."""
    result = hashlib.sha256()
    for split in SPLITS:
        for number in committed(folder / split):
            stats = read_json(part_path(folder / split, number, "_stats.json"))
            result.update(content_sha256(stats).encode())
            for part in HASHED:
                result.update(sha256(part_path(folder / split, number, part)).encode())
    return result.hexdigest()


# Index and statistics.


def _index(tar_path: Path) -> dict[str, dict[str, list[int]]]:
    """Where every member lies, read off the finished tar: key → member → [offset, size]."""
    index: dict[str, dict[str, list[int]]] = {}
    with tarfile.open(tar_path) as tar:
        for info in tar:
            key, _, member = info.name.partition(".")
            index.setdefault(key, {})[member] = [info.offset_data, info.size]
    return index


def _accounts(fates: Iterable[_Fate]) -> dict[str, Any]:
    """Where every planned sample and every rejected attempt went."""
    holes, rejects = [], []
    scenes: dict[str, dict[str, Any]] = {}
    for fate in fates:
        who = {"key": fate.planned.key, "scene": fate.planned.scene}
        kept = fate.failure is None
        account = scenes.setdefault(who["scene"], {"planned": 0, "samples": 0, "attempts": 0, "rejects": Counter()})
        account["planned"] += 1
        account["samples"] += kept
        account["attempts"] += len(fate.rejects) + kept
        account["rejects"].update(reject.gate for reject in fate.rejects)
        rejects += [{**who, "attempt": r.attempt, "gate": r.gate, "reason": r.reason} for r in fate.rejects]
        if not kept:
            holes.append({**who, "index": fate.planned.index, "class": fate.failure, "reason": fate.reason})
    for account in scenes.values():
        account["rejects"] = dict(sorted(account["rejects"].items()))
    return {"holes": holes, "rejects": rejects, "scenes": dict(sorted(scenes.items()))}


def _cost(fates: Iterable[_Fate], began: Clocks) -> dict[str, Any]:
    stages: Counter[str] = Counter()
    samples = []
    for fate in fates:
        stages.update(fate.cost)
        samples.append({"key": fate.planned.key, "stages": dict(fate.cost)})
    return {
        "started_unix_s": began.unix_s,
        "finished_unix_s": began.unix_s + time.monotonic() - began.monotonic_s,
        "cpu_s": time.process_time() - began.cpu_s,
        "peak_rss_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
        "stages": dict(stages),
        "samples": samples,
    }


def _facts(path: Path) -> dict[str, Any]:
    return {"sha256": sha256(path), "bytes": path.stat().st_size}
