"""The statistics of a committed shard (`_stats.json`), read and checked."""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from simgen.core.errors import OutputError, inline
from simgen.dataset.layout import content_sha256, part_path, stats_text
from simgen.record.check import other_major
from simgen.storage.files import read_json
from simgen.storage.paths import AnyPath

REPAIR = "`simgen verify --repair` removes the shard, and the same `simgen generate` makes it again"
"""The remedy for a damaged shard."""
_STATS_FIELDS: Mapping[str, type] = {
    "fingerprint": str,
    "simgen_version": str,
    "split": str,
    "shard": int,
    "files": dict,
    "keys": list,
    "holes": list,
    "rejects": list,
    "scenes": dict,
    "sha256": str,
    "cost": dict,
    "machine": dict,
}
_KEY = re.compile(r"[A-Za-z0-9-]+")


def read_stats(folder: AnyPath, number: int) -> dict[str, Any]:
    """The statistics of a committed shard; an OutputError where they are damaged."""
    path = part_path(folder, number, "_stats.json")
    # Of a pipe by this name nobody would ever see the end.
    if isinstance(path, Path) and path.exists() and not path.is_file():
        raise OutputError(f"{path}: is not a file; {REPAIR}")
    try:
        stats = read_json(path)
    except OutputError as error:
        if isinstance(error.__cause__, OSError):
            raise
        raise OutputError(f"{error}; {REPAIR}") from error
    if reason := other_major(stats):
        raise OutputError(f"{path}: {reason}")
    for name, kind in _STATS_FIELDS.items():
        if not isinstance(stats.get(name), kind):
            raise OutputError(f"{path}: has no {name!r}; {REPAIR}")
    try:
        _check_stats(stats)
    except (KeyError, TypeError, AttributeError, ValueError) as error:
        raise OutputError(f"{path}: does not hold what simgen writes ({inline(_named(error))}); {REPAIR}") from error
    if stats["sha256"] != content_sha256(stats):
        raise OutputError(f"{path}: has been changed after it was written (its sha256 does not fit); {REPAIR}")
    return stats


def _named(error: Exception) -> str:
    return f"{type(error).__name__}: {error}"


def _check_stats(stats: Mapping[str, Any]) -> None:
    """Something is raised where those who read statistics would stumble."""
    texts = [stats["split"], *stats["keys"], *(facts["sha256"] for facts in stats["files"].values())]
    # A key becomes the name of a file that `retry` removes.
    keys = list(stats["keys"])
    numbers = [stats["shard"], *(facts["bytes"] for facts in stats["files"].values())]
    for hole in stats["holes"]:
        texts += [hole["scene"], hole["class"], hole["reason"]]
        keys.append(hole["key"])
        numbers.append(hole["index"])
    for reject in stats["rejects"]:
        texts += [reject["scene"], reject["gate"], reject["reason"]]
        keys.append(reject["key"])
        numbers.append(reject["attempt"])
    for account in stats["scenes"].values():
        numbers += [account["planned"], account["samples"], account["attempts"], *account["rejects"].values()]
    cost = stats["cost"]
    measured = [cost["started_unix_s"], cost["finished_unix_s"], cost["cpu_s"], *cost["stages"].values()]
    for text in [*texts, *keys]:
        text.encode()
    for number in numbers:
        if type(number) is not int or not 0 <= number < 1 << 62:
            raise ValueError(f"a count of {number!r}")
    for figure in measured:
        if type(figure) not in (int, float) or not abs(figure) < 1e12:
            raise ValueError(f"a cost of {figure!r}")
    for key in keys:
        if not _KEY.fullmatch(key):
            raise ValueError(f"the key {key!r}")
    # NaN, or half a character, wherever else it may stand.
    stats_text(stats).encode()
