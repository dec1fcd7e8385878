"""Remove what is bad in a data set, so that the same `simgen generate` makes it again."""

import contextlib
from collections.abc import Callable
from pathlib import Path

from simgen.core.assets import Split
from simgen.core.errors import OutputError
from simgen.dataset.layout import (
    CHECKSUMS,
    HASHED,
    checksums,
    part_path,
    update_checksums,
)
from simgen.dataset.lock import lock_dataset, remove_leftovers
from simgen.dataset.recover import holds_dataset
from simgen.dataset.verify import Examination, Problem, examine, is_ours
from simgen.storage.files import remove
from simgen.storage.paths import AnyPath


def repair(folder: AnyPath, report: Callable[[str], object] = lambda line: None) -> tuple[Examination, list[Problem]]:
    """Remove the bad shards of a data set, damaged marks and reports, and what killed runs left.

    Returns what had been found, and what of it stays because only a person can judge it. `report` is given a line for
    everything that goes. Only what is proven to be damaged goes: not what cannot be read, nor shards of another plan or
    a newer simgen, nor what is not simgen's. Raises an OutputError where a run is at work.
    """
    # To lock a folder is to write into it.
    if not holds_dataset(folder):
        raise OutputError(f"{folder}: holds no simgen data set; check the folder's name")
    with lock_dataset(folder):
        found = examine(folder, alone=True)
        for name in remove_leftovers(folder):
            report(f"removed {name}: left of a run that was killed")
        stays = []
        reasons: dict[tuple[Split, int], Problem] = {}
        for problem in found.problems:
            if problem.bad_shard is not None:
                reasons.setdefault(problem.bad_shard, problem)
        kept = {shard for shard, problem in reasons.items() if not _remove_shard(folder, shard, problem, report)}
        removed_file = False
        for problem in found.problems:
            if problem.bad_shard is not None:
                if problem.bad_shard in kept:
                    stays.append(problem)
            elif problem.bad_file:
                remove(folder / problem.bad_file)
                removed_file = True
                report(f"removed {problem.bad_file}: {_without_remedy(problem)}")
            elif _remove_empty_folder(folder, problem.where, report):
                pass
            elif problem.by_hand:
                stays.append(problem)
        if removed_file and (folder / CHECKSUMS).is_file() and checksums(folder):
            update_checksums(folder)
    return found, stays


def _remove_shard(folder: AnyPath, shard: tuple[Split, int], problem: Problem, report: Callable[[str], object]) -> bool:
    """Remove the files of a shard, its commit first: killed in between, the next run removes the rest. False where
    something in the place of one of its files is not simgen's."""
    split, number = shard
    paths = [part_path(folder / split, number, part) for part in ("_stats.json", *HASHED)]
    foreign = [path for path in paths if isinstance(path, Path) and path.exists() and not _is_removable(path)]
    if foreign:
        return False
    for path in paths:
        if isinstance(path, Path) and path.is_dir():
            path.rmdir()
        else:
            remove(path)
    report(f"removed the shard {split}/{number:05d}: {problem.where} {_without_remedy(problem)}")
    return True


def _is_removable(path: Path) -> bool:
    return path.is_file() or (path.is_dir() and not any(path.iterdir()))


def _remove_empty_folder(folder: AnyPath, name: str, report: Callable[[str], object]) -> bool:
    """An empty folder in the place of a file."""
    path = folder / name
    if not (is_ours(name) or name == CHECKSUMS) or not isinstance(path, Path) or not path.is_dir():
        return False
    with contextlib.suppress(OSError):
        path.rmdir()
        report(f"removed {name}: an empty folder in the place of a file")
        return True
    return False


def _without_remedy(problem: Problem) -> str:
    return problem.what.partition("; `simgen verify --repair`")[0].partition("; the next run")[0]
