"""The files of a data set → what is wrong with it. Every byte is read."""

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
    cost_sha256,
    csv_cell,
    parse_name,
    part_path,
    read_index,
    stats_text,
)
from simgen.dataset.stats import read_stats
from simgen.plan.plan import RESOLVED, Plan, SampleId, ShardPlan, read_plan
from simgen.record.check import check_record, is_newer
from simgen.record.codec import IMAGES, decode
from simgen.record.spec_json import spec_from_json
from simgen.storage.files import TEMPORARY_NAME, list_entries, local_copy, read, sha256
from simgen.storage.paths import AnyPath
from simgen.storage.tars import DAMAGED, Header


@dataclass(frozen=True, slots=True, kw_only=True)
class Problem:
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
class _ShardCheck:
    """What is known of a shard once it has been read."""

    problems: list[Problem] = field(default_factory=list)
    members: Counter[frozenset[str]] = field(default_factory=Counter)
    assets: set[str] = field(default_factory=set)
    lost: set[str] = field(default_factory=set)
    """Planned here, and neither a sample nor a hole."""
    foreign: list[str] = field(default_factory=list)
    """Named here, and not planned here."""
    twice: set[str] = field(default_factory=set)


def verify(folder: AnyPath, *, workers: int | None = None) -> list[Problem]:
    """Everything that is wrong with a data set: checksums, tars, records, pictures, who is missing. Empty where it is
    sound. Every byte is read."""
    plan = read_plan(folder)
    problems = list(_misplaced(folder, plan))
    there = {split: set(committed(folder / split)) for split in SPLITS}
    missing = [(split, number) for split, number in plan.shards.names() if number not in there[split]]
    if missing:
        some = _some([f"{split}/{number:05d}" for split, number in missing[:_MOST]], len(missing))
        told = f"{len(missing)} of {len(plan.shards)} shards are not there yet: {some}"
        problems.append(Problem(where="plan", what=f"{told}; run the same `simgen generate` again"))
    present = [(split, number) for split, number in plan.shards.names() if number in there[split]]
    # Hashing, inflating and comparing all release the interpreter's lock.
    with ThreadPoolExecutor(workers) as pool:
        results = list(pool.map(lambda name: _read_shard(folder, plan.shard(*name), plan), present))
    for result in results:
        problems += result.problems
    problems += _accounts(plan, present, results)
    problems += _one_set_of_members(present, results)
    problems += _attribution(folder, set().union(*(result.assets for result in results)))
    # One cause, one line: what is said of a file already is not said again.
    named = {problem.where for problem in problems}
    problems += [problem for problem in _changed_beside(folder) if problem.where not in named]
    return problems


_BESIDE = {RESOLVED, CARD, ATTRIBUTION, CHECKSUMS, "report", "quarantine", ".progress", *SPLITS}
"""What simgen writes into the folder of a data set."""
_OF_THE_HUB = {".git", ".gitattributes", ".cache"}


def _changed_beside(folder: AnyPath) -> Iterator[Problem]:
    """What lies beside the shards and is not as it was written."""
    if not (folder / CHECKSUMS).is_file():
        yield Problem(where=CHECKSUMS, what="is missing; the next run writes it")
        return
    told = checksums(folder)
    if read(folder / CHECKSUMS) != checksums_text(told).encode():
        yield Problem(where=CHECKSUMS, what="has been changed after it was written; the next run writes it anew")
    for name in (RESOLVED, CARD, ATTRIBUTION, REPORT):
        if name not in told and (folder / name).is_file():
            yield Problem(
                where=name, what=f"is not named in {CHECKSUMS}; the next run, or `simgen report`, writes it anew"
            )
    for name, digest in sorted(told.items()):
        if not _is_ours(name):
            yield Problem(where=CHECKSUMS, what=f"names {shown(name)}, which is not simgen's")
        elif not (folder / name).is_file():
            yield Problem(where=name, what="is missing; the next run, or `simgen report`, writes it")
        elif sha256(folder / name) != digest:
            what = "has been changed after it was written (its sha256 does not fit)"
            yield Problem(where=name, what=f"{what}; the next run, or `simgen report`, writes it anew")


def _is_ours(name: str) -> bool:
    aside = re.fullmatch(r"quarantine/([A-Za-z0-9-]+\.json|logs/[A-Za-z0-9-]+\.log)", name)
    return name in (RESOLVED, CARD, ATTRIBUTION, REPORT) or aside is not None


def _misplaced(folder: AnyPath, plan: Plan) -> Iterator[Problem]:
    yield from _misplaced_beside(folder)
    for split in SPLITS:
        done = set(committed(folder / split))
        for name, is_file in sorted(list_entries(folder / split).items()):
            where = f"{split}/{name}"
            parsed = parse_name(name)
            if TEMPORARY_NAME.fullmatch(name):
                yield Problem(where=where, what=_KILLED)
            elif parsed is None or not is_file:
                yield Problem(where=where, what="does not belong here; loaders would trip over it, move it away")
            elif parsed[0] not in done:
                yield Problem(where=where, what="belongs to a shard that was never committed; the next run removes it")
            elif parsed[0] >= plan.num_shards(split):
                yield Problem(where=where, what="belongs to a shard that the plan does not have")


_KILLED = "is left of a run that was killed; the next run removes it"


def _misplaced_beside(folder: AnyPath) -> Iterator[Problem]:
    kinds = list_entries(folder)
    for name, is_file in sorted(kinds.items()):
        if TEMPORARY_NAME.fullmatch(name):
            yield Problem(where=name, what=_KILLED)
        elif name not in _BESIDE | _OF_THE_HUB or is_file != (name in (RESOLVED, CARD, ATTRIBUTION, CHECKSUMS)):
            yield Problem(where=inline(name), what="does not belong here; move it away")
    for place in ("report", "quarantine", "quarantine/logs"):
        for name, is_file in sorted(list_entries(folder / place).items()) if kinds.get(place) is False else ():
            where = f"{place}/{name}"
            kinds[where] = is_file
            if TEMPORARY_NAME.fullmatch(name):
                yield Problem(where=where, what=_KILLED)
            elif not (_is_ours(where) and is_file) and where != "quarantine/logs":
                yield Problem(where=inline(where), what="does not belong here; move it away")


def _read_shard(folder: AnyPath, shard: ShardPlan, plan: Plan) -> _ShardCheck:
    with local_copy(folder, [f"{shard.name}{part}" for part in SHARD_FILES]) as copy:
        return _read_files(copy, shard, plan)


def _read_files(folder: Path, shard: ShardPlan, plan: Plan) -> _ShardCheck:
    # All is taken to be there until the statistics can be read: one cause, one line.
    result = _ShardCheck()
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
            result.problems.append(Problem(where=f"{shard.name}_stats.json", what=what))
        if (stats["split"], stats["shard"]) != (shard.split, shard.number):
            what = (
                f"is that of {stats['split']}/{stats['shard']:05d}; remove it and run the same `simgen generate` again"
            )
            result.problems.append(Problem(where=f"{shard.name}_stats.json", what=what))
        elif result.lost or result.foreign:
            what = "does not name the samples that the plan has in this shard"
            result.problems.append(Problem(where=f"{shard.name}_stats.json", what=what))
        if stats["fingerprint"] != plan.fingerprint:
            what = f"is of plan {inline(stats['fingerprint'])}, the data set's is {plan.fingerprint}"
            result.problems.append(Problem(where=f"{shard.name}_stats.json", what=what))
        damaged = dict(_damaged(folder / shard.split, shard, stats))
        result.problems += [Problem(where=where, what=what) for where, what in damaged.items()]
        # What a damaged file says about itself is not worth telling.
        if not damaged:
            _read_tar(folder, shard, stats, plan, result)
    except OutputError as error:
        # Our errors name the path on this machine; a problem names the file in the data set.
        where, _, what = str(error).replace(f"{folder}/", "").partition(": ")
        result.problems.append(Problem(where=where, what=what))
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


def _read_tar(folder: Path, shard: ShardPlan, stats: Mapping[str, Any], plan: Plan, result: _ShardCheck) -> None:
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
        result.problems.append(Problem(where=where, what=f"cannot be read to its end: {inline(error)}"))
    if spans != index:
        result.problems.append(Problem(where=where, what="does not hold what its .idx.json says, or not there"))
    if list(spans) != stats["keys"]:
        result.problems.append(Problem(where=where, what="does not hold the samples that its _stats.json names"))

    planned = {sample.key: sample for sample in shard.samples}
    for key, members in spans.items():
        at = f"{where}: {inline(key)}"
        data = {name: read(path, offset, size) for name, (offset, size) in members.items()}
        result.members[frozenset(data)] += 1
        try:
            sample = decode(key, data)
        except OutputError as error:
            result.problems.append(Problem(where=at, what=inline(str(error).removeprefix(f"{key}: "))))
            continue
        found = list(_check_sample(sample, data["txt"], planned.get(key), plan))
        result.problems += [Problem(where=at, what=what) for what in found]
        if not found:
            result.assets |= {item["asset"] for item in sample.record["attribution"]}


def _check_sample(sample: Sample, txt: bytes, planned: SampleId | None, plan: Plan) -> Iterator[str]:
    record = sample.record
    wrong = [f"json: {problem}" for problem in check_record(record)]
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
    if not is_newer(record):
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


def _accounts(plan: Plan, present: Sequence[tuple[Split, int]], results: Sequence[_ShardCheck]) -> Iterator[Problem]:
    """Every id of the plan exactly once, as a sample or as a hole."""
    foreign = Counter(key for result in results for key in result.foreign)
    lost = sorted(set().union(*(result.lost for result in results)) - set(foreign))
    if lost:
        yield Problem(where="plan", what=f"{len(lost)} samples are neither there nor quarantined: {_some(lost)}")
    at_home = {name: result for name, result in zip(present, results, strict=True) if foreign}
    twice = {key for result in results for key in result.twice}
    for key in foreign:
        planned = plan.sample(key)
        home = at_home.get(plan.place(planned)) if planned is not None else None
        if (home is not None and key not in home.lost) or foreign[key] > 1:
            twice.add(key)
    if twice:
        yield Problem(where="plan", what=f"{len(twice)} samples are there more than once: {_some(sorted(twice))}")
    unknown = sorted(key for key in foreign if plan.sample(key) is None)
    if unknown:
        yield Problem(where="plan", what=f"{len(unknown)} samples are not in the plan: {_some(unknown)}")


def _one_set_of_members(present: Sequence[tuple[Split, int]], results: Sequence[_ShardCheck]) -> Iterator[Problem]:
    """Loaders take the members of the first samples for those of all."""
    kinds: Counter[frozenset[str]] = sum((result.members for result in results), Counter())
    if len(kinds) < 2:
        return
    usual = kinds.most_common(1)[0][0]
    for (split, number), result in zip(present, results, strict=True):
        for members, count in result.members.items():
            if members != usual:
                yield Problem(
                    where=f"{split}/{number:05d}.tar",
                    what=f"{count} samples differ from all others in the members {_some(sorted(members ^ usual))}",
                )


def _attribution(folder: AnyPath, used: set[str]) -> Iterator[Problem]:
    """Whoever made something that is in a picture is named."""
    path = folder / ATTRIBUTION
    if not path.is_file():
        yield Problem(where=ATTRIBUTION, what="is missing; the next run writes it")
        return
    try:
        named = {row.get("asset") for row in csv.DictReader(io.StringIO(read(path).decode("utf-8", errors="replace")))}
    except csv.Error as error:
        yield Problem(where=ATTRIBUTION, what=f"is not a table ({inline(error)}); the next run writes it anew")
        return
    used = {csv_cell(asset) for asset in used}
    if used - named:
        yield Problem(where=ATTRIBUTION, what=f"does not name {_some(sorted(used - named))}")


_MOST = 5
"""Names that are told of many."""


def _some(items: Sequence[str], count: int | None = None) -> str:
    """The first of `count` names; of as many as there are."""
    count = len(items) if count is None else count
    few = ", ".join(map(inline, items[:_MOST]))
    return f"{few} and {count - _MOST} more" if count > _MOST else few
