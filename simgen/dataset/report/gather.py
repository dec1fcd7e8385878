"""The files of a data set → what its report shows."""

import shlex
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from simgen.core.assets import Credit, Split
from simgen.core.errors import OutputError
from simgen.core.sample import Reject, Sample
from simgen.dataset.layout import SPLITS, committed
from simgen.dataset.reader import Dataset, open_dataset
from simgen.dataset.report.cards import Lost
from simgen.dataset.stats import read_stats
from simgen.dataset.suspects import Suspect, exclusion, read_suspects
from simgen.dataset.table import read_rows
from simgen.plan.plan import read_plan
from simgen.storage.files import list_names, read_end, read_json
from simgen.storage.paths import AnyPath, map_concurrently

_LOG_CHARACTERS = 4000


@dataclass(frozen=True, slots=True, kw_only=True)
class SampleFigures:
    """What the charts need of one accepted sample."""

    key: str
    scene: str
    split: Split
    types: tuple[int, ...]
    """Transitions it shows, by id of `simgen.core.taxonomy`."""
    changed_share: float
    actor_mass_kg: float
    actor_size_m: float


@dataclass(frozen=True, slots=True, kw_only=True)
class AssetUse:
    """An asset, whom to thank for it, and how many samples it is in."""

    asset: str
    credit: Credit
    samples: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ReportData:
    """A data set as far as it has come, as the page shows it."""

    name: str
    folder: str
    """As commands name it."""
    settings: tuple[tuple[str, str], ...]
    """Recipe, seed, fingerprint and the like, in words."""
    planned: int
    accepted: tuple[SampleFigures, ...]
    """By rising index."""
    load: Callable[[str], Sample]
    """An accepted sample by its key; only what is shown is decoded."""
    lost: tuple[Lost, ...]
    rejects: Mapping[str, Sequence[Reject]]
    """Rejected attempts by the key of the sample that they were for."""
    attempts: Mapping[str, int]
    """Attempts by scene, kept or rejected."""
    cost_s: Mapping[str, float]
    """Seconds of all workers together, by stage."""
    used: tuple[AssetUse, ...]
    suspects: tuple[Suspect, ...] = ()
    without: str = ""
    """The command that makes it without the suspects."""

    def reasons(self) -> Counter[str]:
        """Rejected attempts by the gate that they failed."""
        return Counter(reject.gate for rejects in self.rejects.values() for reject in rejects)


def gather(folder: AnyPath) -> ReportData:
    """What the files of a data set say; shards that are not committed do not count."""
    plan = read_plan(folder)
    shards = [(folder / split, number) for split in SPLITS for number in committed(folder / split)]
    stats = list(map_concurrently(folder, lambda shard: read_stats(*shard), shards))
    samples = open_dataset(folder) if shards else Dataset(folder, ())
    rows = sorted(read_rows(folder), key=lambda row: int(row["index"]))
    recipe, render = plan.recipe, plan.recipe.render
    suspects = read_suspects(folder)

    rejects: dict[str, list[Reject]] = defaultdict(list)
    attempts: Counter[str] = Counter()
    cost_s: Counter[str] = Counter()
    for shard in stats:
        for told in shard["rejects"]:
            rejects[told["key"]].append(Reject(gate=told["gate"], reason=told["reason"], attempt=told["attempt"]))
        attempts.update({scene: account["attempts"] for scene, account in shard["scenes"].items()})
        cost_s.update(shard["cost"]["stages"])
    return ReportData(
        name=folder.resolve().name if isinstance(folder, Path) else folder.name,
        folder=str(folder),
        settings=(
            ("recipe", recipe.name),
            ("seed", str(plan.seed)),
            ("pictures", f"{render.width} × {render.height}, {render.quality}"),
            ("recipe fingerprint", recipe.fingerprint),
            ("plan fingerprint", plan.fingerprint),
            ("simgen", ", ".join(sorted({shard["simgen_version"] for shard in stats}))),
            *((("made by", "; ".join(code.name for code in plan.codes)),) if plan.accepted else ()),
        ),
        planned=plan.n,
        accepted=tuple(
            SampleFigures(
                key=row["key"],
                scene=row["scene"],
                split=row["split"],
                types=tuple(row["types"]),
                changed_share=row["change_share"],
                actor_mass_kg=row["actor_mass_kg"],
                actor_size_m=row["actor_size_m"],
            )
            for row in rows
        ),
        load=samples.__getitem__,
        lost=_read_lost(folder, stats),
        rejects=rejects,
        attempts=attempts,
        cost_s=cost_s,
        used=_read_used(samples),
        suspects=suspects,
        without=exclusion(folder, suspects) if suspects else "",
    )


def _read_lost(folder: AnyPath, stats: Iterable[Mapping[str, Any]]) -> tuple[Lost, ...]:
    """Samples set aside: marks in the quarantine, and holes of shards whose mark has been lost."""
    found = {
        hole["key"]: Lost(
            key=hole["key"],
            scene=hole["scene"],
            split=shard["split"],
            kind=hole["class"],
            reason=hole["reason"],
            command=f"simgen reproduce {shlex.quote(str(folder))} {shlex.quote(hole['key'])}",
        )
        for shard in stats
        for hole in shard["holes"]
    }
    for name in list_names(folder / "quarantine"):
        if not name.endswith(".json"):
            continue
        path = folder / "quarantine" / name
        mark = read_json(path)
        told = ("key", "scene", "split", "failure", "reason", "detail", "reproduce")
        if not all(isinstance(mark.get(field), str) for field in told):
            raise OutputError(f"{path}: is not the note of a quarantined sample; remove it")
        # Under its own name only: a stranger's mark could name any file of this machine, to be shown on the page.
        log = path.parent / "logs" / f"{path.stem}.log"
        found[mark["key"]] = Lost(
            key=mark["key"],
            scene=mark["scene"],
            split=mark["split"],
            kind=mark["failure"],
            reason=mark["reason"],
            detail=mark["detail"],
            log=_end_of(log),
            # Not what stands in the mark: a stranger's command could be any.
            command=f"simgen reproduce {shlex.quote(str(folder))} {shlex.quote(mark['key'])}",
        )
    return tuple(found[key] for key in sorted(found))


def _end_of(log: AnyPath) -> str:
    return read_end(log, 4 * _LOG_CHARACTERS).decode(errors="replace")[-_LOG_CHARACTERS:]


def _read_used(data: Dataset) -> tuple[AssetUse, ...]:
    credits: dict[str, Credit] = {}
    counts: Counter[str] = Counter()
    for key in data.keys:
        told = {item["asset"]: item for item in data.record(key)["attribution"]}
        counts.update(list(told))
        for asset, item in told.items():
            credits[asset] = Credit(**{name: item[name] for name in ("title", "author", "license", "url")})
    return tuple(AssetUse(asset=asset, credit=credits[asset], samples=counts[asset]) for asset in sorted(credits))
