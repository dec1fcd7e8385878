"""The statistics of a data set's shards → how far it has come. No scheduler is asked."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from simgen.dataset.layout import SPLITS, committed
from simgen.dataset.stats import read_stats
from simgen.plan.plan import count_scenes, read_plan
from simgen.storage.paths import AnyPath, map_concurrently


@dataclass(frozen=True, slots=True, kw_only=True)
class SceneStatus:
    """One scene of the mix."""

    name: str
    planned: int
    samples: int
    quarantined: int
    attempts: int
    rejects: Mapping[str, int]
    """Rejected attempts by gate, the most frequent first."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Hole:
    """A planned sample that the data set does without."""

    key: str
    scene: str
    failure: str
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class CodeShare:
    """What one version of the code has made."""

    code: str
    """As a person would call it."""
    fingerprint: str
    """Of the plan with this code; the shards bear it."""
    shards: int
    samples: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Status:
    """A data set as its committed shards tell it."""

    folder: str
    recipe: str
    fingerprint: str
    seed: int
    planned: int
    samples: int
    quarantined: int
    attempts: int
    shards_planned: int
    shards_committed: int
    rejects: Mapping[str, int]
    scenes: tuple[SceneStatus, ...]
    holes: tuple[Hole, ...]
    bytes: int
    samples_per_hour: float
    """While somebody was at work; 0 where nothing is there yet."""
    left_s: float
    """At that rate; 0 where nothing is left or nothing is known."""
    core_s: float
    """Processor time of all shards; what was made again counts once."""
    stages_s: Mapping[str, float]
    """Time at each stage of all samples."""
    codes: tuple[CodeShare, ...] = ()
    """The code that it was begun with, and others that `--accept-code` let go on."""

    @property
    def complete(self) -> bool:
        return self.shards_committed == self.shards_planned

    def as_data(self) -> dict[str, Any]:
        """For `--json`."""
        return {**asdict(self), "complete": self.complete}


def read_status(folder: AnyPath) -> Status:
    """How far the data set in a folder has come."""
    plan = read_plan(folder)
    totals = _Totals()
    there = [(folder / split, number) for split in SPLITS for number in committed(folder / split)]
    # One at a time: those of a large data set do not fit into memory together.
    for stats in map_concurrently(folder, lambda shard: read_stats(*shard), there):
        totals.add(stats)
    planned = count_scenes(plan)
    scenes = tuple(_scene(name, planned[name], totals.scenes.get(name, _SceneCounts())) for name in sorted(planned))
    working_s = _union_s(totals.spans)
    rate = totals.samples / working_s if working_s > 0 else 0.0
    left = plan.n - totals.samples - len(totals.holes)
    return Status(
        folder=str(folder),
        recipe=plan.recipe.name,
        fingerprint=plan.fingerprint,
        seed=plan.seed,
        planned=plan.n,
        samples=totals.samples,
        quarantined=len(totals.holes),
        attempts=sum(scene.attempts for scene in scenes),
        shards_planned=len(plan.shards),
        shards_committed=len(totals.spans),
        rejects=_most_first(totals.rejects),
        scenes=scenes,
        holes=tuple(totals.holes),
        bytes=totals.bytes,
        samples_per_hour=3600 * rate,
        left_s=left / rate if rate > 0 else 0.0,
        core_s=totals.core_s,
        stages_s=dict(totals.stages_s),
        codes=tuple(
            CodeShare(
                code=code.name,
                fingerprint=code.fingerprint,
                shards=totals.shards_by_code[code.fingerprint],
                samples=totals.samples_by_code[code.fingerprint],
            )
            for code in plan.codes
        ),
    )


@dataclass(slots=True)
class _Totals:
    """What the statistics of shards say together."""

    samples: int = 0
    bytes: int = 0
    holes: list[Hole] = field(default_factory=list)
    rejects: Counter[str] = field(default_factory=Counter)
    spans: list[tuple[float, float]] = field(default_factory=list)
    core_s: float = 0.0
    stages_s: Counter[str] = field(default_factory=Counter)
    scenes: dict[str, "_SceneCounts"] = field(default_factory=dict)
    shards_by_code: Counter[str] = field(default_factory=Counter)
    samples_by_code: Counter[str] = field(default_factory=Counter)

    def add(self, stats: Mapping[str, Any]) -> None:
        self.shards_by_code[stats["fingerprint"]] += 1
        self.samples_by_code[stats["fingerprint"]] += len(stats["keys"])
        self.samples += len(stats["keys"])
        self.bytes += sum(facts["bytes"] for facts in stats["files"].values())
        self.holes += (
            Hole(key=hole["key"], scene=hole["scene"], failure=hole["class"], reason=hole["reason"])
            for hole in stats["holes"]
        )
        self.rejects.update(reject["gate"] for reject in stats["rejects"])
        self.spans.append((stats["cost"]["started_unix_s"], stats["cost"]["finished_unix_s"]))
        self.core_s += stats["cost"]["cpu_s"]
        self.stages_s.update(stats["cost"]["stages"])
        for name, told in stats["scenes"].items():
            counts = self.scenes.setdefault(name, _SceneCounts())
            counts.samples += told["samples"]
            counts.quarantined += told["planned"] - told["samples"]
            counts.attempts += told["attempts"]
            counts.rejects.update(told["rejects"])


@dataclass(slots=True)
class _SceneCounts:
    """What the statistics of shards say of one scene."""

    samples: int = 0
    quarantined: int = 0
    attempts: int = 0
    rejects: Counter[str] = field(default_factory=Counter)


def _scene(name: str, planned: int, counts: _SceneCounts) -> SceneStatus:
    return SceneStatus(
        name=name,
        planned=planned,
        samples=counts.samples,
        quarantined=counts.quarantined,
        attempts=counts.attempts,
        rejects=_most_first(counts.rejects),
    )


def _most_first(counted: Counter[str]) -> dict[str, int]:
    return dict(sorted(counted.items(), key=lambda item: (-item[1], item[0])))


def _union_s(spans: Sequence[tuple[float, float]]) -> float:
    """Time in which at least one shard was being made: several workers count once, pauses do not count."""
    total, reached = 0.0, float("-inf")
    for first, last in sorted(spans):
        total += max(0.0, last - max(first, reached))
        reached = max(reached, last)
    return total
