"""The files of a data set → what is wrong with it. Every byte is read."""

import csv
import io
import re
import tarfile
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from itertools import islice
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
    cost_sha256,
    csv_cell,
    is_committed,
    parse_name,
    part_path,
    read_index,
    stats_text,
)
from simgen.dataset.lock import PROGRESS_FOLDER, run_at_work
from simgen.dataset.recover import holds_dataset
from simgen.dataset.stats import REPAIR, read_stats
from simgen.plan.plan import RESOLVED, Plan, PlanDamaged, SampleId, ShardPlan, read_plan
from simgen.record.check import check_record, is_newer
from simgen.record.codec import IMAGES, decode
from simgen.record.spec_json import spec_from_json
from simgen.storage.files import TEMPORARY_NAME, list_entries, local_copy, read, read_json, sha256
from simgen.storage.paths import AnyPath
from simgen.storage.tars import DAMAGED, Header


@dataclass(frozen=True, slots=True, kw_only=True)
class Problem:
    """One thing that is not as it must be."""

    where: str
    """A file of the data set, or a sample in one: `train/00003.tar: drop-000042`."""
    what: str
    bad_shard: tuple[Split, int] | None = None
    """The shard that is proven to be bad by this: to remove it and make it again mends it."""
    bad_file: str = ""
    """The file beside the shards that is proven to be bad by this, and that data sets do without."""
    by_hand: bool = False
    """Neither a run nor `--repair` mends it: only a person can judge what it is."""

    def __str__(self) -> str:
        return f"{self.where}: {self.what}"

    def as_data(self) -> dict[str, str]:
        """For `--json`."""
        return {"where": self.where, "what": self.what}


@dataclass(frozen=True, slots=True, kw_only=True)
class Examination:
    """What has been found in a data set."""

    problems: list[Problem]
    notes: list[str]
    """What is worth knowing and not wrong."""
    samples: int
    quarantined: int
    planned: int | None
    """None where the plan is damaged or gone."""
    at_work: bool
    """Whether a run was writing into it meanwhile."""


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
    samples: int = 0
    holes: int = 0
    fingerprint: str = ""
    """Of the plan that it was made by; empty where its statistics cannot be read."""


def verify(folder: AnyPath, *, workers: int | None = None) -> list[Problem]:
    """Everything that is wrong with a data set: checksums, tars, records, pictures, who is missing. Empty where it is
    sound. Every byte is read."""
    return examine(folder, workers=workers).problems


def examine(folder: AnyPath, *, workers: int | None = None, alone: bool = False) -> Examination:
    """Read every byte of a data set, whatever is damaged in it. Raises an OutputError where there is none.

    What a run writes while this looks on is no fault; `alone` says that the caller holds the lock.
    """
    at_work = not alone and run_at_work(folder)
    problems: list[Problem] = []
    plan: Plan | None = None
    try:
        plan = read_plan(folder)
    except PlanDamaged as error:
        what = str(error).removeprefix(str(folder / RESOLVED)).removeprefix(":").strip()
        problems.append(Problem(where=RESOLVED, what=what, by_hand=(folder / RESOLVED).is_dir()))
    if plan is None and not holds_dataset(folder):
        raise OutputError(f"{folder}: holds no simgen data set; check the folder's name")
    listings = _list_all(folder, problems)
    problems += _misplaced_beside(listings)
    there: dict[Split, list[int]] = {}
    for split in SPLITS:
        done = {p[0] for name in listings[split] if (p := parse_name(name)) is not None and p[1] == "_stats.json"}
        problems += _misplaced(split, listings[split], done, plan)
        most = max(done, default=-1) + 1 if plan is None else plan.num_shards(split)
        there[split] = sorted(number for number in done if number < most)
    present = [(split, number) for split in SPLITS for number in there[split]]
    # Hashing, inflating and comparing all release the interpreter's lock.
    with ThreadPoolExecutor(workers) as pool:
        results = list(pool.map(lambda name: _read_shard(folder, name[0], name[1], plan), present))
    at_work = at_work or (not alone and run_at_work(folder))
    if at_work:
        # `retry` takes the commit away from a shard that it makes again.
        gone = {name for name, result in zip(present, results, strict=True) if result.problems}
        gone = {name for name in gone if not is_committed(folder / name[0], name[1])}
        pairs = [pair for pair in zip(present, results, strict=True) if pair[0] not in gone]
        present, results = [name for name, _ in pairs], [result for _, result in pairs]
        problems = [problem for problem in problems if not problem.what.endswith(_NEXT_RUN_REMOVES)]
    missing = _num_missing(plan, there)
    if missing and plan is not None:
        problems.append(_missing(plan, there, missing, at_work))
    for result in results:
        problems += result.problems
    if plan is not None:
        problems += _accounts(plan, present, results)
    problems += _one_set_of_members(present, results)
    problems += _marks(folder, listings)
    # One cause, one line: what is said of a file already is not said again.
    named = {problem.where for problem in problems}
    beside = [] if at_work else [*_attribution(folder, set().union(*(result.assets for result in results)))]
    named |= {problem.where for problem in beside}
    problems += beside
    problems += [problem for problem in _changed_beside(folder, at_work) if problem.where not in named]
    return Examination(
        problems=problems,
        notes=_notes(plan, results, at_work),
        samples=sum(result.samples for result in results),
        quarantined=sum(result.holes for result in results),
        planned=None if plan is None else plan.n,
        at_work=at_work,
    )


def _notes(plan: Plan | None, results: Sequence[_ShardCheck], at_work: bool) -> list[str]:
    notes = ["a run is at work here; its drafts are not counted"] if at_work else []
    if plan is not None and plan.accepted:
        made = Counter(result.fingerprint for result in results)
        counted = ((made[code.fingerprint], code.name) for code in plan.codes)
        told = "; ".join(f"{count} {'shard' if count == 1 else 'shards'} by {name}" for count, name in counted)
        notes.append(f"made with more than one version of the code, as --accept-code allows: {told}")
    return notes


def _num_missing(plan: Plan | None, there: Mapping[Split, Sequence[int]]) -> int:
    return 0 if plan is None else sum(plan.num_shards(split) - len(there[split]) for split in SPLITS)


def _missing(plan: Plan, there: Mapping[Split, Sequence[int]], count: int, at_work: bool) -> Problem:
    done = {split: set(numbers) for split, numbers in there.items()}
    names = (f"{split}/{number:05d}" for split, number in plan.shards.names() if number not in done[split])
    told = f"{count} of {len(plan.shards)} shards are not there yet: {_some(list(islice(names, _MOST)), count)}"
    return Problem(
        where="plan", what=f"{told}; {'a run is at work here' if at_work else 'run the same `simgen generate` again'}"
    )


_PLACES = ("", "report", "quarantine", "quarantine/logs", *SPLITS)


def _list_all(folder: AnyPath, problems: list[Problem]) -> dict[str, dict[str, bool]]:
    """Place → name → whether it is a file, for every folder of the layout; what cannot be listed becomes a problem."""
    found: dict[str, dict[str, bool]] = {}
    for place in _PLACES:
        found[place] = {}
        outer, _, name = place.rpartition("/")
        # A file in the place of a folder is found where it lies.
        if place and found[outer].get(name) is not False:
            continue
        try:
            found[place] = list_entries(folder / place if place else folder)
        except OutputError as error:
            if not place:
                raise
            problems.append(Problem(where=place, what=str(error).removeprefix(f"{folder / place}: "), by_hand=True))
    return found


_FILES_BESIDE = (RESOLVED, CARD, ATTRIBUTION, CHECKSUMS)
_BESIDE = {*_FILES_BESIDE, "report", "quarantine", PROGRESS_FOLDER, *SPLITS}
"""What simgen writes into the folder of a data set."""
_OF_THE_HUB = {".git", ".gitattributes", ".cache"}


def _changed_beside(folder: AnyPath, at_work: bool) -> Iterator[Problem]:
    """What lies beside the shards and is not as it was written."""
    if not (folder / CHECKSUMS).is_file():
        yield Problem(where=CHECKSUMS, what="is missing; the next run writes it")
        return
    try:
        told = checksums(folder)
        spelled = read(folder / CHECKSUMS)
    except OutputError as error:
        yield Problem(where=CHECKSUMS, what=str(error).removeprefix(f"{folder / CHECKSUMS}: "), by_hand=True)
        return
    if not told and not at_work:
        yield Problem(where=CHECKSUMS, what="names no file; the next run writes it anew")
        return
    if at_work:
        # The run writes them, and their sums after them.
        told = {name: digest for name, digest in told.items() if name == REPORT}
    elif spelled != checksums_text(told).encode():
        yield Problem(where=CHECKSUMS, what="has been changed after it was written; the next run writes it anew")
    for name in () if at_work else (RESOLVED, CARD, ATTRIBUTION, REPORT):
        if name not in told and (folder / name).is_file():
            yield Problem(
                where=name, what=f"is not named in {CHECKSUMS}; the next run, or `simgen report`, writes it anew"
            )
    for name, digest in sorted(told.items()):
        if not is_ours(name):
            yield Problem(
                where=CHECKSUMS, what=f"names {shown(name)}, which is not simgen's; the next run writes it anew"
            )
            continue
        try:
            if not (folder / name).is_file():
                yield Problem(where=name, what="is missing; the next run, or `simgen report`, writes it")
            elif sha256(folder / name) != digest:
                what = "has been changed after it was written (its sha256 does not fit)"
                bad = name if name == REPORT or name.startswith("quarantine/") else ""
                again = "the next run, or `simgen report`, writes it anew"
                if name.startswith("quarantine/"):
                    # No run writes the mark of a sample again that it does not make again.
                    again = "`simgen verify --repair` removes it"
                yield Problem(where=name, what=f"{what}; {again}", bad_file=bad)
        except OutputError as error:
            yield Problem(where=name, what=str(error).removeprefix(f"{folder / name}: "), by_hand=True)


def is_ours(name: str) -> bool:
    """Whether a path inside a data set is that of a file which simgen writes beside the shards and sums up."""
    aside = re.fullmatch(r"quarantine/([A-Za-z0-9-]+\.json|logs/[A-Za-z0-9-]+\.log)", name)
    return name in (RESOLVED, CARD, ATTRIBUTION, REPORT) or aside is not None


def _marks(folder: AnyPath, listings: Mapping[str, Mapping[str, bool]]) -> Iterator[Problem]:
    """Marks of samples that were set aside, which `generate` and `status` read."""
    told = ("key", "scene", "split", "failure", "reason", "detail", "reproduce")
    for name, is_file in sorted(listings["quarantine"].items()):
        where = f"quarantine/{name}"
        if not (is_file and name.endswith(".json") and is_ours(where)):
            continue
        try:
            mark = read_json(folder / where)
            sound = all(isinstance(mark.get(part), str) for part in told) and f"{mark['key']}.json" == name
            what = "" if sound else "is not the note of a quarantined sample"
        except (OutputError, FileNotFoundError) as error:
            # A run removes the mark of a sample that it has made.
            if isinstance(error, FileNotFoundError) or not (folder / where).is_file():
                continue
            if isinstance(error.__cause__, OSError):
                yield Problem(where=where, what=str(error).removeprefix(f"{folder / where}: "), by_hand=True)
                continue
            what = str(error).removeprefix(f"{folder / where}: ")
        if what:
            yield Problem(where=where, what=f"{what}; `simgen verify --repair` removes it", bad_file=where)


_NEXT_RUN_REMOVES = "the next run removes it"
_KILLED = f"is left of a run that was killed; {_NEXT_RUN_REMOVES}"


def _misplaced(split: Split, listing: Mapping[str, bool], done: set[int], plan: Plan | None) -> Iterator[Problem]:
    for name, is_file in sorted(listing.items()):
        where = f"{split}/{name}"
        parsed = parse_name(name)
        if TEMPORARY_NAME.fullmatch(name):
            yield Problem(where=where, what=_KILLED)
        elif parsed is None or (not is_file and parsed[0] not in done):
            yield Problem(
                where=inline(where), what="does not belong here; loaders would trip over it, move it away", by_hand=True
            )
        elif parsed[0] not in done:
            yield Problem(where=where, what=f"belongs to a shard that was never committed; {_NEXT_RUN_REMOVES}")
        elif plan is not None and parsed[0] >= plan.num_shards(split):
            yield Problem(
                where=where, what="belongs to a shard that the plan does not have; move it away", by_hand=True
            )


def _misplaced_beside(listings: Mapping[str, Mapping[str, bool]]) -> Iterator[Problem]:
    for name, is_file in sorted(listings[""].items()):
        if TEMPORARY_NAME.fullmatch(name):
            yield Problem(where=name, what=_KILLED)
        elif name not in _BESIDE | _OF_THE_HUB:
            yield Problem(where=inline(name), what="does not belong here; move it away", by_hand=True)
        elif name in _BESIDE and is_file != (name in _FILES_BESIDE) and name != RESOLVED:
            kind = "folder" if is_file else "file"
            yield Problem(
                where=name, what=f"must be a {kind} and is none; `simgen verify --repair` removes it if empty"
            )
    for place in ("report", "quarantine", "quarantine/logs"):
        for name, is_file in sorted(listings[place].items()):
            where = f"{place}/{name}"
            if TEMPORARY_NAME.fullmatch(name):
                yield Problem(where=where, what=_KILLED)
            elif not (is_ours(where) and is_file) and where != "quarantine/logs":
                yield Problem(where=inline(where), what="does not belong here; move it away", by_hand=True)


def _read_shard(folder: AnyPath, split: Split, number: int, plan: Plan | None) -> _ShardCheck:
    name = f"{split}/{number:05d}"
    try:
        with local_copy(folder, [f"{name}{part}" for part in SHARD_FILES]) as copy:
            return _read_files(copy, split, number, plan)
    except OutputError as error:
        # A store that refuses one object is no reason to say nothing of the others.
        where, _, what = str(error).removeprefix(f"{folder}/").partition(": ")
        return _ShardCheck(problems=[Problem(where=where, what=what, by_hand=True)])


def _read_files(folder: Path, split: Split, number: int, plan: Plan | None) -> _ShardCheck:
    # All is taken to be there until the statistics can be read: one cause, one line.
    result = _ShardCheck()
    place, told = folder / split, f"{split}/{number:05d}_stats.json"
    # A shard of another plan may be sound, and the plan that stands here the wrong one.
    bad: tuple[Split, int] | None = (split, number)
    try:
        stats = read_stats(place, number)
        result.samples, result.holes, result.fingerprint = len(stats["keys"]), len(stats["holes"]), stats["fingerprint"]
        if plan is not None and stats["fingerprint"] not in plan.fingerprints:
            bad = None
            what = f"is of plan {inline(stats['fingerprint'])}, the data set's is {plan.fingerprint}; move it away"
            result.problems.append(Problem(where=told, what=what, by_hand=True))
        named = Counter([*stats["keys"], *(hole["key"] for hole in stats["holes"])])
        shard = None if plan is None else plan.shard(split, number)
        planned = set(named) if shard is None else {sample.key for sample in shard.samples}
        result.lost = planned - set(named)
        result.foreign = [key for key in named.elements() if key not in planned]
        result.twice = {key for key, count in named.items() if count > 1}
        path = part_path(place, number, "_stats.json")
        if read(path) != stats_text(stats).encode() or stats["cost"].get("sha256") != cost_sha256(stats):
            what = "has been changed after it was written, in what was measured or how it is spelled"
            result.problems.append(Problem(where=told, what=what, bad_shard=bad))
        if (stats["split"], stats["shard"]) != (split, number):
            what = f"is that of {inline(stats['split'])}/{stats['shard']:05d}; {REPAIR}"
            result.problems.append(Problem(where=told, what=what, bad_shard=bad))
        elif result.lost or result.foreign:
            what = "does not name the samples that the plan has in this shard"
            result.problems.append(Problem(where=told, what=what, bad_shard=bad))
        damaged = list(_damaged(place, split, number, stats, bad))
        result.problems += damaged
        # What a damaged file says about itself is not worth telling.
        if not damaged:
            _read_tar(folder, split, number, shard, stats, plan, bad, result)
    except OutputError as error:
        # Our errors name the path on this machine; a problem names the file in the data set.
        where, _, what = str(error).replace(f"{folder}/", "").partition(": ")
        bad = bad if _proves_damage(error) else None
        result.problems.append(Problem(where=where, what=what, bad_shard=bad, by_hand=bad is None))
    return result


def _proves_damage(error: OutputError) -> bool:
    """Whether what was read is damaged. What could not be read, or is of another version, may well be sound."""
    return not isinstance(error.__cause__, OSError) and "is of schema version" not in str(error)


def _damaged(
    place: Path, split: Split, number: int, stats: Mapping[str, Any], bad: tuple[Split, int] | None
) -> Iterator[Problem]:
    """The files of a shard that are not as they were written."""
    for part in HASHED:
        path = part_path(place, number, part)
        where = f"{split}/{path.name}"
        facts = stats["files"].get(path.name)
        try:
            if facts is None:
                what = "is not named in the shard's _stats.json"
            elif not path.exists():
                what = f"is missing; {REPAIR}"
            elif not path.is_file():
                what = f"is not a file; {REPAIR}"
            elif path.stat().st_size != facts["bytes"]:
                what = f"has {path.stat().st_size} bytes, was written with {facts['bytes']}; {REPAIR}"
            elif sha256(path) != facts["sha256"]:
                what = f"has been changed after it was written (its sha256 does not fit); {REPAIR}"
            else:
                continue
        except (OutputError, OSError) as error:
            yield Problem(where=where, what=str(error).removeprefix(f"{path}: "), by_hand=True)
            continue
        yield Problem(where=where, what=what, bad_shard=bad)


def _read_tar(
    folder: Path,
    split: Split,
    number: int,
    shard: ShardPlan | None,
    stats: Mapping[str, Any],
    plan: Plan | None,
    bad: tuple[Split, int] | None,
    result: _ShardCheck,
) -> None:
    path = part_path(folder / split, number, ".tar")
    where = f"{split}/{path.name}"
    index = read_index(part_path(folder / split, number, ".idx.json"))
    spans: dict[str, dict[str, tuple[int, int]]] = {}
    try:
        with tarfile.open(path, "r:", tarinfo=Header) as tar:
            for info in tar:
                if not info.isreg() or info.sparse is not None:
                    raise tarfile.TarError(f"{info.name} is not a plain file")
                key, _, member = info.name.partition(".")
                spans.setdefault(key, {})[member] = (info.offset_data, info.size)
    # A member that says it has exabytes is looked for behind the end of what a disk can hold.
    except (*DAMAGED, OSError) as error:
        what = f"cannot be read to its end: {inline(error)}"
        result.problems.append(Problem(where=where, what=what, bad_shard=bad))
    if spans != index:
        what = "does not hold what its .idx.json says, or not there"
        result.problems.append(Problem(where=where, what=what, bad_shard=bad))
    if list(spans) != stats["keys"]:
        what = "does not hold the samples that its _stats.json names"
        result.problems.append(Problem(where=where, what=what, bad_shard=bad))

    planned = {} if shard is None else {sample.key: sample for sample in shard.samples}
    for key, members in spans.items():
        at = f"{where}: {inline(key)}"
        data = {name: read(path, offset, size) for name, (offset, size) in members.items()}
        result.members[frozenset(data)] += 1
        try:
            sample = decode(key, data)
        except OutputError as error:
            what = inline(str(error).removeprefix(f"{key}: "))
            proven = bad if _proves_damage(error) else None
            result.problems.append(Problem(where=at, what=what, bad_shard=proven, by_hand=proven is None))
            continue
        found = list(_check_sample(sample, data["txt"], planned.get(key), plan))
        result.problems += [Problem(where=at, what=what, bad_shard=bad) for what in found]
        if not found:
            result.assets |= {item["asset"] for item in sample.record["attribution"]}


def _check_sample(sample: Sample, txt: bytes, planned: SampleId | None, plan: Plan | None) -> Iterator[str]:
    record = sample.record
    wrong = [f"json: {problem}" for problem in check_record(record)]
    if wrong:
        # All else below reads the record.
        yield from wrong
        return
    if planned is not None and plan is not None:
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


def _check_pictures(sample: Sample, plan: Plan | None) -> Iterator[str]:
    camera = sample.record["camera"]
    size = (camera["height"], camera["width"])
    if plan is not None:
        size = (plan.recipe.render.height, plan.recipe.render.width)
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
                    by_hand=True,
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
    except OutputError as error:
        yield Problem(where=ATTRIBUTION, what=str(error).removeprefix(f"{path}: "), by_hand=True)
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
