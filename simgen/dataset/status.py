"""The files of a data set → how far it has come, and what is wrong with it. No scheduler is asked."""

import csv
import io
import re
import tarfile
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from simgen.core.assets import Split
from simgen.core.errors import OutputError, inline, shown
from simgen.core.masks import KEEP, LEVELS
from simgen.core.sample import Sample
from simgen.core.spec import STAGE_ID
from simgen.dataset.layout import (
    ATTRIBUTION,
    CARD,
    CHECKSUMS,
    HASHED,
    REPORT,
    SHARD_FILES,
    SPLITS,
    checksums,
    checksums_text,
    committed,
    content_sha256,
    cost_sha256,
    csv_cell,
    parse_name,
    part_path,
    read_index,
    stats_text,
)
from simgen.plan.plan import RESOLVED, Plan, SampleId, ShardPlan, count_scenes, read_plan
from simgen.record.record import IMAGES, check_record, decode, spec_from_json
from simgen.storage.files import TEMPORARY_NAME, list_entries, local_copy, read, read_json, sha256
from simgen.storage.paths import AnyPath, map_concurrently
from simgen.storage.tars import DAMAGED, Header

# How far it has come.


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

    @property
    def complete(self) -> bool:
        return self.shards_committed == self.shards_planned

    def as_data(self) -> dict[str, Any]:
        """For `--json`."""
        return {**asdict(self), "complete": self.complete}


def read_status(folder: AnyPath) -> Status:
    """How far the data set in a folder has come."""
    plan = read_plan(folder)
    tally = _Tally()
    there = [(folder / split, number) for split in SPLITS for number in committed(folder / split)]
    # One at a time: those of a large data set do not fit into memory together.
    for stats in map_concurrently(folder, lambda shard: read_stats(*shard), there):
        tally.add(stats)
    planned = count_scenes(plan)
    scenes = tuple(_scene(name, planned[name], tally.scenes.get(name, _Account())) for name in sorted(planned))
    working_s = _union_s(tally.spans)
    rate = tally.samples / working_s if working_s > 0 else 0.0
    left = plan.n - tally.samples - len(tally.holes)
    return Status(
        folder=str(folder),
        recipe=plan.recipe.name,
        fingerprint=plan.fingerprint,
        seed=plan.seed,
        planned=plan.n,
        samples=tally.samples,
        quarantined=len(tally.holes),
        attempts=sum(scene.attempts for scene in scenes),
        shards_planned=len(plan.shards),
        shards_committed=len(tally.spans),
        rejects=_most_first(tally.rejects),
        scenes=scenes,
        holes=tuple(tally.holes),
        bytes=tally.bytes,
        samples_per_hour=3600 * rate,
        left_s=left / rate if rate > 0 else 0.0,
        core_s=tally.core_s,
        stages_s=dict(tally.stages_s),
    )


@dataclass(slots=True)
class _Tally:
    """What the statistics of shards say together."""

    samples: int = 0
    bytes: int = 0
    holes: list[Hole] = field(default_factory=list)
    rejects: Counter[str] = field(default_factory=Counter)
    spans: list[tuple[float, float]] = field(default_factory=list)
    core_s: float = 0.0
    stages_s: Counter[str] = field(default_factory=Counter)
    scenes: dict[str, "_Account"] = field(default_factory=dict)

    def add(self, stats: Mapping[str, Any]) -> None:
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
            account = self.scenes.setdefault(name, _Account())
            account.samples += told["samples"]
            account.quarantined += told["planned"] - told["samples"]
            account.attempts += told["attempts"]
            account.rejects.update(told["rejects"])


@dataclass(slots=True)
class _Account:
    """Of one scene."""

    samples: int = 0
    quarantined: int = 0
    attempts: int = 0
    rejects: Counter[str] = field(default_factory=Counter)


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
    stats = read_json(path)
    for name, kind in _STATS_FIELDS.items():
        if not isinstance(stats.get(name), kind):
            raise OutputError(f"{path}: has no {name!r}; remove it and run the same `simgen generate` again")
    try:
        _check_stats(stats)
    except (KeyError, TypeError, AttributeError, ValueError) as error:
        raise OutputError(
            f"{path}: does not hold what simgen writes ({inline(_named(error))}); remove it and run the same "
            "`simgen generate` again"
        ) from error
    if stats["sha256"] != content_sha256(stats):
        raise OutputError(
            f"{path}: has been changed after it was written (its sha256 does not fit); remove it and run the same "
            f"`simgen generate` again"
        )
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


def _scene(name: str, planned: int, account: _Account) -> SceneStatus:
    return SceneStatus(
        name=name,
        planned=planned,
        samples=account.samples,
        quarantined=account.quarantined,
        attempts=account.attempts,
        rejects=_most_first(account.rejects),
    )


def _most_first(counts: Counter[str]) -> dict[str, int]:
    return dict(sorted(counts.items(), key=lambda item: (-item[1], item[0])))


def _union_s(spans: Sequence[tuple[float, float]]) -> float:
    """Time in which at least one shard was being made: several workers count once, pauses do not count."""
    total, reached = 0.0, float("-inf")
    for first, last in sorted(spans):
        total += max(0.0, last - max(first, reached))
        reached = max(reached, last)
    return total


# What is wrong with it.


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One thing that is not as it must be."""

    where: str
    """A file of the data set, or a sample in one: `train/00003.tar: drop-000042`."""
    what: str

    def __str__(self) -> str:
        return f"{self.where}: {self.what}"

    def as_data(self) -> dict[str, str]:
        """For `--json`."""
        return asdict(self)


@dataclass(slots=True)
class _Shard:
    """What is known of a shard once it has been read."""

    findings: list[Finding] = field(default_factory=list)
    members: Counter[frozenset[str]] = field(default_factory=Counter)
    assets: set[str] = field(default_factory=set)
    lost: set[str] = field(default_factory=set)
    """Planned here, and neither a sample nor a hole."""
    foreign: list[str] = field(default_factory=list)
    """Named here, and not planned here."""
    twice: set[str] = field(default_factory=set)


def verify(folder: AnyPath, *, workers: int | None = None) -> list[Finding]:
    """Everything that is wrong with a data set: checksums, tars, records, pictures, who is missing. Empty where it is
    sound. Every byte is read."""
    plan = read_plan(folder)
    findings = list(_strays(folder, plan))
    there = {split: set(committed(folder / split)) for split in SPLITS}
    missing = [(split, number) for split, number in plan.shards.names() if number not in there[split]]
    if missing:
        some = _some([f"{split}/{number:05d}" for split, number in missing[:_MOST]], len(missing))
        told = f"{len(missing)} of {len(plan.shards)} shards are not there yet: {some}"
        findings.append(Finding(where="plan", what=f"{told}; run the same `simgen generate` again"))
    present = [(split, number) for split, number in plan.shards.names() if number in there[split]]
    # Hashing, inflating and comparing all release the interpreter's lock.
    with ThreadPoolExecutor(workers) as pool:
        results = list(pool.map(lambda name: _read_shard(folder, plan.shard(*name), plan), present))
    for result in results:
        findings += result.findings
    findings += _account_for(plan, present, results)
    findings += _one_set_of_members(present, results)
    findings += _attribution(folder, set().union(*(result.assets for result in results)))
    # One cause, one line: what is said of a file already is not said again.
    named = {finding.where for finding in findings}
    findings += [finding for finding in _unsealed(folder) if finding.where not in named]
    return findings


_BESIDE = {RESOLVED, CARD, ATTRIBUTION, CHECKSUMS, "report", "quarantine", ".progress", *SPLITS}
"""What simgen writes into the folder of a data set."""
_OF_THE_HUB = {".git", ".gitattributes", ".cache"}


def _unsealed(folder: AnyPath) -> Iterator[Finding]:
    """What lies beside the shards and is not as it was written."""
    if not (folder / CHECKSUMS).is_file():
        yield Finding(where=CHECKSUMS, what="is missing; the next run writes it")
        return
    told = checksums(folder)
    if read(folder / CHECKSUMS) != checksums_text(told).encode():
        yield Finding(where=CHECKSUMS, what="has been changed after it was written; the next run writes it anew")
    for name in (RESOLVED, CARD, ATTRIBUTION, REPORT):
        if name not in told and (folder / name).is_file():
            yield Finding(
                where=name, what=f"is not named in {CHECKSUMS}; the next run, or `simgen report`, writes it anew"
            )
    for name, digest in sorted(told.items()):
        if not _beside(name):
            yield Finding(where=CHECKSUMS, what=f"names {shown(name)}, which is not simgen's")
        elif not (folder / name).is_file():
            yield Finding(where=name, what="is missing; the next run, or `simgen report`, writes it")
        elif sha256(folder / name) != digest:
            what = "has been changed after it was written (its sha256 does not fit)"
            yield Finding(where=name, what=f"{what}; the next run, or `simgen report`, writes it anew")


def _beside(name: str) -> bool:
    aside = re.fullmatch(r"quarantine/([A-Za-z0-9-]+\.json|logs/[A-Za-z0-9-]+\.log)", name)
    return name in (RESOLVED, CARD, ATTRIBUTION, REPORT) or aside is not None


def _strays(folder: AnyPath, plan: Plan) -> Iterator[Finding]:
    yield from _strays_beside(folder)
    for split in SPLITS:
        done = set(committed(folder / split))
        for name, is_file in sorted(list_entries(folder / split).items()):
            where = f"{split}/{name}"
            parsed = parse_name(name)
            if TEMPORARY_NAME.fullmatch(name):
                yield Finding(where=where, what=_KILLED)
            elif parsed is None or not is_file:
                yield Finding(where=where, what="does not belong here; loaders would trip over it, move it away")
            elif parsed[0] not in done:
                yield Finding(where=where, what="belongs to a shard that was never committed; the next run removes it")
            elif parsed[0] >= plan.num_shards(split):
                yield Finding(where=where, what="belongs to a shard that the plan does not have")


_KILLED = "is left of a run that was killed; the next run removes it"


def _strays_beside(folder: AnyPath) -> Iterator[Finding]:
    kinds = list_entries(folder)
    for name, is_file in sorted(kinds.items()):
        if TEMPORARY_NAME.fullmatch(name):
            yield Finding(where=name, what=_KILLED)
        elif name not in _BESIDE | _OF_THE_HUB or is_file != (name in (RESOLVED, CARD, ATTRIBUTION, CHECKSUMS)):
            yield Finding(where=inline(name), what="does not belong here; move it away")
    for place in ("report", "quarantine", "quarantine/logs"):
        for name, is_file in sorted(list_entries(folder / place).items()) if kinds.get(place) is False else ():
            where = f"{place}/{name}"
            kinds[where] = is_file
            if TEMPORARY_NAME.fullmatch(name):
                yield Finding(where=where, what=_KILLED)
            elif not (_beside(where) and is_file) and where != "quarantine/logs":
                yield Finding(where=inline(where), what="does not belong here; move it away")


def _read_shard(folder: AnyPath, shard: ShardPlan, plan: Plan) -> _Shard:
    with local_copy(folder, [f"{shard.name}{part}" for part in SHARD_FILES]) as copy:
        return _read_files(copy, shard, plan)


def _read_files(folder: Path, shard: ShardPlan, plan: Plan) -> _Shard:
    # All is taken to be there until the statistics can be read: one cause, one line.
    result = _Shard()
    try:
        stats = read_stats(folder / shard.split, shard.number)
        named = Counter([*stats["keys"], *(hole["key"] for hole in stats["holes"])])
        planned = {sample.key for sample in shard.samples}
        result.lost = planned - set(named)
        result.foreign = [key for key in named.elements() if key not in planned]
        result.twice = {key for key, count in named.items() if count > 1}
        path = part_path(folder / shard.split, shard.number, "_stats.json")
        if read(path) != stats_text(stats).encode() or stats["cost"].get("sha256") != cost_sha256(stats):
            what = "has been changed after it was written, in what was measured or how it is spelled"
            result.findings.append(Finding(where=f"{shard.name}_stats.json", what=what))
        if (stats["split"], stats["shard"]) != (shard.split, shard.number):
            what = (
                f"is that of {stats['split']}/{stats['shard']:05d}; remove it and run the same `simgen generate` again"
            )
            result.findings.append(Finding(where=f"{shard.name}_stats.json", what=what))
        elif result.lost or result.foreign:
            what = "does not name the samples that the plan has in this shard"
            result.findings.append(Finding(where=f"{shard.name}_stats.json", what=what))
        if stats["fingerprint"] != plan.fingerprint:
            what = f"is of plan {inline(stats['fingerprint'])}, the data set's is {plan.fingerprint}"
            result.findings.append(Finding(where=f"{shard.name}_stats.json", what=what))
        damaged = dict(_damaged(folder / shard.split, shard, stats))
        result.findings += [Finding(where=where, what=what) for where, what in damaged.items()]
        # What a damaged file says about itself is not worth telling.
        if not damaged:
            _read_tar(folder, shard, stats, plan, result)
    except OutputError as error:
        # Our errors name the path on this machine; a finding names the file in the data set.
        where, _, what = str(error).replace(f"{folder}/", "").partition(": ")
        result.findings.append(Finding(where=where, what=what))
    return result


def _damaged(place: Path, shard: ShardPlan, stats: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """The files of a shard that are not as they were written, each with what is wrong."""
    remedy = f"remove {shard.name}_stats.json and run the same `simgen generate` again"
    for part in HASHED:
        path = part_path(place, shard.number, part)
        where = f"{shard.split}/{path.name}"
        facts = stats["files"].get(path.name)
        if facts is None:
            yield where, "is not named in the shard's _stats.json"
        elif not path.is_file():
            yield where, f"is missing; {remedy}"
        elif path.stat().st_size != facts["bytes"]:
            yield where, f"has {path.stat().st_size} bytes, was written with {facts['bytes']}; {remedy}"
        elif sha256(path) != facts["sha256"]:
            yield where, f"has been changed after it was written (its sha256 does not fit); {remedy}"


def _read_tar(folder: Path, shard: ShardPlan, stats: Mapping[str, Any], plan: Plan, result: _Shard) -> None:
    path = part_path(folder / shard.split, shard.number, ".tar")
    where = f"{shard.split}/{path.name}"
    index = read_index(part_path(folder / shard.split, shard.number, ".idx.json"))
    spans: dict[str, dict[str, tuple[int, int]]] = {}
    try:
        with tarfile.open(path, "r:", tarinfo=Header) as tar:
            for info in tar:
                if not info.isreg() or info.sparse is not None:
                    raise tarfile.TarError(f"{info.name} is no plain file")
                key, _, member = info.name.partition(".")
                spans.setdefault(key, {})[member] = (info.offset_data, info.size)
    # A member that says it has exabytes is looked for behind the end of what a disk can hold.
    except (*DAMAGED, OSError) as error:
        result.findings.append(Finding(where=where, what=f"cannot be read to its end: {inline(error)}"))
    if spans != index:
        result.findings.append(Finding(where=where, what="does not hold what its .idx.json says, or not there"))
    if list(spans) != stats["keys"]:
        result.findings.append(Finding(where=where, what="does not hold the samples that its _stats.json names"))

    planned = {sample.key: sample for sample in shard.samples}
    for key, members in spans.items():
        at = f"{where}: {inline(key)}"
        data = {name: read(path, offset, size) for name, (offset, size) in members.items()}
        result.members[frozenset(data)] += 1
        try:
            sample = decode(key, data)
        except OutputError as error:
            result.findings.append(Finding(where=at, what=inline(str(error).removeprefix(f"{key}: "))))
            continue
        found = list(_check_sample(sample, data["txt"], planned.get(key), plan))
        result.findings += [Finding(where=at, what=what) for what in found]
        if not found:
            result.assets |= {item["asset"] for item in sample.record["attribution"]}


def _check_sample(sample: Sample, txt: bytes, planned: SampleId | None, plan: Plan) -> Iterator[str]:
    record = sample.record
    wrong = [f"json: {finding}" for finding in check_record(record)]
    if wrong:
        # All else below reads the record.
        yield from wrong
        return
    if planned is not None:
        meant = {
            "key": planned.key,
            "scene": planned.scene,
            "split": planned.split,
            "index": planned.index,
            "seed": plan.seed,
            "fingerprint": plan.recipe.fingerprint,
        }
        yield from (f"json: {k} is {shown(record[k])}, the plan says {v!r}" for k, v in meant.items() if record[k] != v)
    if txt.decode(errors="replace") != record["instructions"]["intermediate"]:
        yield "txt is not the intermediate instruction of the json"
    try:
        spec_from_json(record["spec_json"])
    except OutputError as error:
        yield f"json: {error}"
    yield from (
        f"json: {inline(item['asset'])} is for {inline(item['split'])} samples only, this is one of {record['split']}"
        for item in record["attribution"]
        if item["split"] not in ("both", record["split"])
    )
    yield from _check_pictures(sample, plan)


def _check_pictures(sample: Sample, plan: Plan) -> Iterator[str]:
    size = (plan.recipe.render.height, plan.recipe.render.width)
    camera = sample.record["camera"]
    if (camera["height"], camera["width"]) != size:
        yield f"json: camera has {camera['width']} × {camera['height']} pixels, the recipe {size[1]} × {size[0]}"
    images = {name: getattr(sample, name.removesuffix(".png")) for name in IMAGES}
    wrong_size = [name for name, image in images.items() if image.shape[:2] != size]
    yield from (f"{name} has {images[name].shape[1]} × {images[name].shape[0]} pixels" for name in wrong_size)
    if wrong_size:
        return
    levels = _values(sample.mask)
    if levels - set(LEVELS):
        yield f"mask.png has the levels {sorted(levels - set(LEVELS))}, must be of {list(LEVELS)}"
    outside = int(((sample.start != sample.end).any(axis=-1) & (sample.mask == KEEP)).sum())
    if outside:
        yield f"end.png differs from start.png in {outside} pixels that mask.png keeps"
    for when, seg in (("start", sample.start_seg), ("end", sample.end_seg)):
        seen = _values(seg) - {STAGE_ID}
        known = {body["id"] for body in sample.record["bodies"]}
        gone = {body["id"] for body in sample.record["bodies"] if not body[when]["visible"]}
        if seen - known:
            yield f"{when}_seg.png has the ids {sorted(seen - known)}, which no body has"
        if seen & gone:
            yield f"{when}_seg.png shows the bodies {sorted(seen & gone)}, which are not there at the {when}"


def _values(image: NDArray[np.uint8]) -> set[int]:
    # Ten times as fast as np.unique, which sorts.
    return set(np.flatnonzero(np.bincount(image.ravel(), minlength=256)).tolist())


def _account_for(plan: Plan, present: Sequence[tuple[Split, int]], results: Sequence[_Shard]) -> Iterator[Finding]:
    """Every id of the plan exactly once, as a sample or as a hole."""
    foreign = Counter(key for result in results for key in result.foreign)
    lost = sorted(set().union(*(result.lost for result in results)) - set(foreign))
    if lost:
        yield Finding(where="plan", what=f"{len(lost)} samples are neither there nor quarantined: {_some(lost)}")
    at_home = {name: result for name, result in zip(present, results, strict=True) if foreign}
    twice = {key for result in results for key in result.twice}
    for key in foreign:
        planned = plan.sample(key)
        home = at_home.get(plan.place(planned)) if planned is not None else None
        if (home is not None and key not in home.lost) or foreign[key] > 1:
            twice.add(key)
    if twice:
        yield Finding(where="plan", what=f"{len(twice)} samples are there more than once: {_some(sorted(twice))}")
    unknown = sorted(key for key in foreign if plan.sample(key) is None)
    if unknown:
        yield Finding(where="plan", what=f"{len(unknown)} samples are not in the plan: {_some(unknown)}")


def _one_set_of_members(present: Sequence[tuple[Split, int]], results: Sequence[_Shard]) -> Iterator[Finding]:
    """Loaders take the members of the first samples for those of all."""
    kinds: Counter[frozenset[str]] = sum((result.members for result in results), Counter())
    if len(kinds) < 2:
        return
    usual = kinds.most_common(1)[0][0]
    for (split, number), result in zip(present, results, strict=True):
        for members, count in result.members.items():
            if members != usual:
                yield Finding(
                    where=f"{split}/{number:05d}.tar",
                    what=f"{count} samples differ from all others in the members {_some(sorted(members ^ usual))}",
                )


def _attribution(folder: AnyPath, used: set[str]) -> Iterator[Finding]:
    """Whoever made something that is in a picture is named."""
    path = folder / ATTRIBUTION
    if not path.is_file():
        yield Finding(where=ATTRIBUTION, what="is missing; the next run writes it")
        return
    try:
        named = {row.get("asset") for row in csv.DictReader(io.StringIO(read(path).decode("utf-8", errors="replace")))}
    except csv.Error as error:
        yield Finding(where=ATTRIBUTION, what=f"is not a table ({inline(error)}); the next run writes it anew")
        return
    used = {csv_cell(asset) for asset in used}
    if used - named:
        yield Finding(where=ATTRIBUTION, what=f"does not name {_some(sorted(used - named))}")


_MOST = 5
"""Names that are told of many."""


def _some(items: Sequence[str], count: int | None = None) -> str:
    """The first of `count` names; of as many as there are."""
    count = len(items) if count is None else count
    few = ", ".join(map(inline, items[:_MOST]))
    return f"{few} and {count - _MOST} more" if count > _MOST else few
