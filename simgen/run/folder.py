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
from simgen.plan.plan import RESOLVED, Plan, check_same
from simgen.run.quarantine import QUARANTINE
from simgen.storage.files import TEMPORARY_NAME, list_names, write_file
from simgen.storage.paths import AnyPath

_RUN_ID = "run"
"""The note with the word by which a store knows this run."""


@contextlib.contextmanager
def open_folder(folder: AnyPath, plan: Plan, *, sample_bytes: int) -> Iterator[None]:
    """Lock a data set's folder for one run. An error where it cannot be written, holds anything else, has no room for
    the plan at `sample_bytes` a sample, or is another run's."""
    if isinstance(folder, Path):
        _check_disk(folder, lambda: sample_bytes * sum(plan.shard_samples(*name) for name in unmade(plan, folder)))
    if (folder / RESOLVED).is_file():
        check_same(folder, plan)
    elif found := [
        n for n in list_names(folder) if n not in (PROGRESS_FOLDER, QUARANTINE) and not TEMPORARY_NAME.fullmatch(n)
    ]:
        raise OutputError(
            f"{folder}: is not empty and holds no simgen data set (found {found[0]!r}); choose another --out"
        )
    with lock_dataset(folder) as run_id:
        remove_leftovers(folder)
        (progress_folder(folder) / _RUN_ID).write_text(run_id)
        write_file(folder / RESOLVED, plan.to_yaml().encode())
        update_checksums(folder, RESOLVED)
        try:
            yield
        except BaseException:
            # What workers left that were killed over a shard; why the run ended is what counts.
            with contextlib.suppress(SimgenError):
                remove_leftovers(folder)
            raise
        remove_leftovers(folder)


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
