"""The folder that one run writes a data set into: opened by that run alone, and how much of the plan is in it."""

import contextlib
import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

from simgen.core.assets import Split
from simgen.core.errors import OutputError, SimgenError
from simgen.dataset.layout import SPLITS, committed, update_checksums
from simgen.dataset.lock import PROGRESS_FOLDER, lock_dataset, progress_folder, remove_leftovers
from simgen.dataset.progress import byte_size
from simgen.dataset.recover import fit_shards, holds_dataset
from simgen.plan.plan import RESOLVED, Plan, PlanDamaged, check_same
from simgen.run.quarantine import QUARANTINE
from simgen.storage.files import TEMPORARY_NAME, list_names, write_file
from simgen.storage.paths import AnyPath

_RUN_ID = "run"
"""The note with the word by which a store knows this run."""


@contextlib.contextmanager
def open_folder(folder: AnyPath, plan: Plan, *, sample_bytes: int, accept_code: bool = False) -> Iterator[None]:
    """Lock a data set's folder for one run. An error where it cannot be written, holds anything else, has no room for
    the plan at `sample_bytes` a sample, or is another run's. With `accept_code` another version of simgen may have
    begun it."""
    if isinstance(folder, Path):
        _check_disk(folder, lambda: sample_bytes * sum(plan.shard_samples(*name) for name in unmade(plan, folder)))
    _recorded_plan(folder, plan, accept_code)
    with lock_dataset(folder) as run_id:
        # Once more: another run may have written it before this one had the lock.
        recorded = _recorded_plan(folder, plan, accept_code)
        remove_leftovers(folder)
        (progress_folder(folder) / _RUN_ID).write_text(run_id)
        write_file(folder / RESOLVED, recorded.to_yaml().encode())
        update_checksums(folder, RESOLVED)
        try:
            yield
        except BaseException:
            # What workers left that were killed over a shard; why the run ended is what counts.
            with contextlib.suppress(SimgenError):
                remove_leftovers(folder)
            raise
        remove_leftovers(folder)


def _recorded_plan(folder: AnyPath, plan: Plan, accept_code: bool) -> Plan:
    """The plan to write into the folder: with what other code has made there. An error where it does not fit."""
    path = folder / RESOLVED
    if path.is_file():
        try:
            return check_same(folder, plan, accept_code=accept_code)
        except PlanDamaged:
            return fit_shards(folder, plan, accept_code=accept_code)
    found = [
        n for n in list_names(folder) if n not in (PROGRESS_FOLDER, QUARANTINE) and not TEMPORARY_NAME.fullmatch(n)
    ]
    if RESOLVED in found:
        raise OutputError(f"{path}: is not a file; move it away, and the same command writes it anew")
    if not found:
        return plan
    if not holds_dataset(folder):
        raise OutputError(
            f"{folder}: is not empty and holds no simgen data set (found {found[0]!r}); choose another --out"
        )
    return fit_shards(folder, plan, accept_code=accept_code)


def _check_disk(folder: Path, needed_bytes: Callable[[], int]) -> None:
    """Find out at once what would end the run later."""
    try:
        there = next(place for place in (folder, *folder.absolute().parents) if place.exists())
        if not there.is_dir():
            raise OutputError(f"{there}: is a file; --out must name a folder")
        if not os.access(there, os.W_OK):
            raise OutputError(f"{folder}: cannot be written (no permission on {there}); choose another --out")
        free, needed = shutil.disk_usage(there).free, needed_bytes()
        if free < needed:
            raise OutputError(
                f"{folder}: needs about {byte_size(needed)} and the disk has {byte_size(free)} free; "
                f"make room or choose another --out"
            )
    except OSError as error:
        raise OutputError(f"{folder}: cannot be written ({error.strerror}); choose another --out") from error


def read_run_id(folder: AnyPath) -> str:
    """The token by which a store knows the run that has opened the folder, see `dataset.lock.lock_dataset`."""
    return (progress_folder(folder) / _RUN_ID).read_text()


def unmade(plan: Plan, folder: AnyPath) -> list[tuple[Split, int]]:
    """Split and number of the shards that are not committed yet, in the plan's order."""
    there = {split: set(committed(folder / split)) for split in SPLITS}
    return [(split, number) for split, number in plan.shards.names() if number not in there[split]]


def finished(plan: Plan, folder: AnyPath) -> int:
    """How many of the planned samples are in committed shards, holes included."""
    return sum(plan.shard_samples(split, number) for split in SPLITS for number in committed(folder / split))
