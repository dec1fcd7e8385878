"""Planned samples that could not be made: a mark and a log of each, and how to try them again."""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass

from simgen.core.errors import OutputError
from simgen.dataset.entry import Failure
from simgen.dataset.layout import SPLITS, committed, part_path
from simgen.dataset.stats import read_stats
from simgen.plan.plan import SampleId
from simgen.storage.files import list_names, read_json, remove, write_file
from simgen.storage.paths import AnyPath, map_concurrently
from simgen.storage.urls import scrub

QUARANTINE = "quarantine"
"""The folder of the marks inside a data set; their logs lie in `logs` below it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Quarantined:
    """A planned sample that could not be made, and how to see why."""

    key: str
    index: int
    scene: str
    split: str
    failure: Failure
    reason: str
    """One sentence that is the same on every machine."""
    detail: str = ""
    """What was said here and now."""
    log: str
    reproduce: str
    assets: tuple[str, ...] = ()
    """What the attempt was made of that failed; empty where every attempt was rejected."""


def make_mark(
    folder: AnyPath, sample: SampleId, failure: Failure, reason: str, detail: str = "", assets: Sequence[str] = ()
) -> Quarantined:
    return Quarantined(
        key=sample.key,
        index=sample.index,
        scene=sample.scene,
        split=sample.split,
        failure=failure,
        reason=reason,
        detail=scrub(detail),
        log=f"{QUARANTINE}/logs/{sample.key}.log",
        reproduce=f"simgen reproduce {folder} {sample.key}",
        assets=tuple(assets),
    )


def read_quarantine(folder: AnyPath) -> list[Quarantined]:
    """Every sample that was set aside, by key."""
    paths = [folder / QUARANTINE / name for name in list_names(folder / QUARANTINE) if name.endswith(".json")]
    return list(map_concurrently(folder, _read_mark, paths))


def _read_mark(path: AnyPath) -> Quarantined:
    try:
        return Quarantined(**read_json(path))
    except TypeError as error:
        raise OutputError(f"{path}: is not the note of a quarantined sample; remove it") from error


def retry(folder: AnyPath, failures: tuple[Failure, ...] = ("crash", "timeout", "oom", "error")) -> list[str]:
    """Open the shards again that have holes of these classes, so that the next run makes them; the keys."""
    opened = []
    for split in SPLITS:
        for number in committed(folder / split):
            holes = read_stats(folder / split, number)["holes"]
            keys = [hole["key"] for hole in holes if hole["class"] in failures]
            if not keys:
                continue
            # The marks first: killed in between, the shard still counts, holes and all, and can be retried again.
            for key in keys:
                remove(folder / QUARANTINE / f"{key}.json")
            remove(part_path(folder / split, number, "_stats.json"))
            opened += keys
    return opened


def set_aside(folder: AnyPath, quarantined: Quarantined, log: str) -> None:
    """Keep the log and the mark of a sample that could not be made."""
    write_file(folder / quarantined.log, scrub(log).encode())
    mark = json.dumps(asdict(quarantined), indent=1) + "\n"
    write_file(folder / QUARANTINE / f"{quarantined.key}.json", mark.encode())
