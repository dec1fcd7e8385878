"""Marks of the quarantine → assets that whatever is made of them fails, and the words that leave them out."""

import csv
import io
import json
import shlex
from collections import Counter
from dataclasses import asdict, dataclass
from typing import Any

from simgen.core.errors import OutputError
from simgen.dataset.layout import ATTRIBUTION
from simgen.plan.plan import RESOLVED, named_scene_folders, read_plan
from simgen.storage.files import list_names, read, read_json
from simgen.storage.paths import AnyPath

FEWEST = 2
"""One sample that fails may have any reason, and three to eight assets that share the blame. In a second one of
another draw only those stand again that are drawn often, which good samples show, or that are the cause."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Suspect:
    """An asset that more quarantined samples than good ones are made of."""

    asset: str
    quarantined: int
    samples: int
    """Good ones, as `ATTRIBUTION.csv` counts them."""

    def as_data(self) -> dict[str, Any]:
        """For `--json`."""
        return asdict(self)

    def __str__(self) -> str:
        return f"{self.asset} is in {self.quarantined} quarantined samples and in {self.samples} good ones"


def read_suspects(folder: AnyPath) -> tuple[Suspect, ...]:
    """Assets to blame, the worst first: each explains what those before it do not.

    Where much is poison, a wall that stood behind all of it is in as many failures; but whatever has the true cause in
    it is explained, and the wall is left with too few.
    """
    failures: list[set[str]] = []
    for name in list_names(folder / "quarantine"):
        if name.endswith(".json"):
            mark = read_json(folder / "quarantine" / name)
            assets = mark.get("assets", [])
            if mark.get("failure") == "rejected":
                continue
            if not isinstance(assets, list) or not all(isinstance(asset, str) for asset in assets):
                raise OutputError(f"{folder}/quarantine/{name}: is not the note of a quarantined sample; remove it")
            failures.append(set(assets))
    total = Counter(asset for assets in failures for asset in assets)
    if not any(count >= FEWEST for count in total.values()):
        return ()
    good = _good(folder)
    found: list[Suspect] = []
    while True:
        left = Counter(asset for assets in failures for asset in assets)
        blamed = [asset for asset, count in left.items() if count >= max(FEWEST, good.get(asset, 0) + 1)]
        if not blamed:
            return tuple(found)
        worst = min(blamed, key=lambda one: (good.get(one, 0) - left[one], -total[one], one))
        found.append(Suspect(asset=worst, quarantined=total[worst], samples=good.get(worst, 0)))
        failures = [assets for assets in failures if worst not in assets]


def exclusion(folder: AnyPath, suspects: tuple[Suspect, ...]) -> str:
    """The command that makes the data set without them."""
    without = sorted({*read_plan(folder).recipe.assets.exclude, *(one.asset for one in suspects)})
    value = shlex.quote(f"assets.exclude={json.dumps(without, ensure_ascii=False)}")
    scenes = " --scenes FOLDER" if named_scene_folders(folder) else ""
    out = shlex.quote(f"{folder}-without")
    return f"simgen generate {shlex.quote(str(folder / RESOLVED))}{scenes} --set {value} --out {out}"


def _good(folder: AnyPath) -> dict[str, int]:
    """Good samples by asset, where a run has ended and counted them."""
    if not (folder / ATTRIBUTION).is_file():
        return {}
    counts: dict[str, int] = {}
    try:
        for row in csv.DictReader(io.StringIO(read(folder / ATTRIBUTION).decode("utf-8", errors="replace"))):
            asset = (row.get("asset") or "").removeprefix("'")
            counts[asset] = max(counts.get(asset, 0), int(row.get("samples") or 0))
    except (csv.Error, ValueError):
        return {}
    return counts
