"""A data set whose plan is damaged or gone: whether it is one of simgen's, and whether its shards belong to a plan."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from simgen.core.assets import Split
from simgen.core.errors import ConflictError, OutputError
from simgen.dataset.layout import CHECKSUMS, SPLITS, checksums, committed, part_path, read_index
from simgen.dataset.stats import read_stats
from simgen.plan.plan import RESOLVED, Code, Plan
from simgen.record.codec import decode_record
from simgen.storage.files import list_names, read
from simgen.storage.paths import AnyPath


def holds_dataset(folder: AnyPath) -> bool:
    """Whether simgen has written into a folder: a plan, even a damaged one, a list of checksums that names it, or the
    statistics of a shard. Names alone prove nothing: other programs call their shards the same."""
    if RESOLVED in list_names(folder):
        return True
    try:
        if (folder / CHECKSUMS).is_file() and RESOLVED in checksums(folder):
            return True
    except OutputError:
        pass  # It cannot be read, and proves nothing.
    return any(stats is not None for _, _, stats in _statistics(folder))


def fit_shards(folder: AnyPath, plan: Plan, *, accept_code: bool = False) -> Plan:
    """The plan to record in a data set whose own is damaged or gone. Raises a ConflictError where the shards that are
    there are not those of `plan`; with `accept_code` other code may have made them.

    Shards that are damaged themselves say nothing; the run that follows, or `verify`, meets them.
    """
    others: Counter[str] = Counter()
    fits = True
    for split, number, stats in _statistics(folder):
        if stats is not None and stats["fingerprint"] != plan.fingerprint:
            others[stats["fingerprint"]] += 1
            fits = fits and _same_samples(folder, plan, split, number, stats)
    if not others:
        return plan
    told = (
        f"{folder}: its {RESOLVED} is damaged or missing, and {sum(others.values())} of its shards are of plan "
        f"{', '.join(sorted(others)[:5])}, this command's is {plan.fingerprint}"
    )
    if not fits:
        raise ConflictError(
            f"{told}; give the recipe, --n, --seed and --shard-size that it was made with, or choose another --out"
        )
    if not accept_code:
        raise ConflictError(
            f"{told}; recipe, --n and --seed fit, so simgen's code, its libraries or the assets have changed since: "
            "put those back, give --accept-code to go on with what is here, or choose another --out"
        )
    return replace(plan, accepted=tuple(Code(fingerprint=fingerprint) for fingerprint in sorted(others)))


def _statistics(folder: AnyPath) -> Iterator[tuple[Split, int, dict[str, Any] | None]]:
    """The statistics of every committed shard, None for damaged ones."""
    for split in SPLITS:
        try:
            numbers = committed(folder / split)
        except OutputError:
            continue
        for number in numbers:
            try:
                yield split, number, read_stats(folder / split, number)
            except OutputError:
                yield split, number, None


def _same_samples(folder: AnyPath, plan: Plan, split: Split, number: int, stats: dict[str, Any]) -> bool:
    """Whether a shard holds the samples that a plan has in it, whatever code made them."""
    planned = {sample.key for sample in plan.shard(split, number).samples}
    if {*stats["keys"], *(hole["key"] for hole in stats["holes"])} != planned:
        return False
    if not stats["keys"]:
        return True
    key = stats["keys"][0]
    place = folder / split
    try:
        span = read_index(part_path(place, number, ".idx.json"))[key]["json"]
        record = decode_record(key, read(part_path(place, number, ".tar"), *span))
    except (OutputError, KeyError, FileNotFoundError):
        return False
    return bool(record.get("fingerprint") == plan.recipe.fingerprint and record.get("seed") == plan.seed)
