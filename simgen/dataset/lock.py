"""Who may write into a data set: one run at a time, whose workers publish whole shards."""

import contextlib
import hashlib
import os
import shutil
import tempfile
from collections.abc import Iterable, Iterator
from pathlib import Path

from simgen.core.errors import OutputError
from simgen.dataset.layout import SPLITS, parse_name
from simgen.storage.files import TEMPORARY_NAME, AtomicFile, list_names, remove
from simgen.storage.lease import check_lease, hold_lease, is_held
from simgen.storage.locks import is_locked, try_lock
from simgen.storage.paths import AnyPath, RemotePath
from simgen.storage.uploads import abandon_uploads, upload_together

PROGRESS_FOLDER = ".progress"
"""Folder of a data set for the progress files of the workers and for the lock; gone when a run ends by itself."""


def progress_folder(folder: AnyPath) -> Path:
    """The local folder for the progress files of a run: in the data set, or for a remote one in the folder for
    temporary files."""
    if isinstance(folder, Path):
        return folder / PROGRESS_FOLDER
    name = hashlib.sha256(str(folder).encode()).hexdigest()[:16]
    return Path(tempfile.gettempdir()) / f"simgen-notes-{os.getuid()}-{name}"


@contextlib.contextmanager
def lock_dataset(folder: AnyPath) -> Iterator[str]:
    """Be the one run that writes into a data set while the block runs; yields the token for `commit_shard`.

    For a local data set the system holds the lock and frees it when the process dies, and the token is empty. For a
    remote one a lease on the store is held as well, see `storage.lease`.
    """
    progress = progress_folder(folder)
    with contextlib.ExitStack() as held:
        try:
            progress.mkdir(mode=0o777 if isinstance(folder, Path) else 0o700, parents=True, exist_ok=True)
            if isinstance(folder, RemotePath) and progress.stat().st_uid != os.getuid():
                raise OutputError(f"{progress}: belongs to another user; name another folder in TMPDIR")
            held.enter_context(try_lock(progress / "lock"))
        except BlockingIOError as error:
            raise OutputError(f"{folder}: another simgen is writing into it; wait for it or stop it") from error
        except OSError as error:
            where = folder if isinstance(folder, Path) else progress
            raise OutputError(f"{where}: cannot be written ({error.strerror}); choose another --out") from error
        for left in progress.glob("worker-*"):
            left.unlink()
        if isinstance(folder, Path):
            yield ""
        else:
            _remove_abandoned_progress()
            held.callback(shutil.rmtree, progress, ignore_errors=True)
            yield held.enter_context(hold_lease(folder / PROGRESS_FOLDER / "lock", progress))
    if isinstance(folder, Path):
        # After an exception they stay, to be looked at.
        shutil.rmtree(progress, ignore_errors=True)


def run_at_work(folder: AnyPath) -> bool:
    """Whether a run is writing into a data set now, as far as this machine can see; nothing is written to find out."""
    progress = progress_folder(folder)
    locked = is_locked(progress / "lock")
    if isinstance(folder, RemotePath):
        return is_held(folder / PROGRESS_FOLDER / "lock", progress, locked=locked)
    return locked


def check_lock(folder: AnyPath, token: str) -> None:
    """An OutputError where another run has taken over the data set."""
    if isinstance(folder, RemotePath) and token:
        check_lease(folder / PROGRESS_FOLDER / "lock", token)


def commit_shard(files: Iterable[AtomicFile], *, folder: AnyPath, run: str) -> bool:
    """Publish the files of a shard, the last one as its commit; False where somebody else has committed it meanwhile.

    `folder` is that of the data set, and `run` the token of `lock_dataset`.
    """
    files = list(files)
    if isinstance(folder, RemotePath):
        pairs = [(file.finish(), file.path) for file in files if isinstance(file.path, RemotePath)]
        return upload_together(pairs, lambda: check_lock(folder, run))
    for file in files:
        file.publish()
    return True


def remove_leftovers(folder: AnyPath) -> tuple[str, ...]:
    """Remove what killed runs left in a data set: temporary files, and shards without their commit; returns the names.

    Only for the run that holds the lock, before its first shard.
    """
    removed = []
    # Temporary files first: a worker of a killed run that is still alive can commit no more without its own, or has
    # done so before anybody looks at which shards are committed. On a store there are none.
    places = () if isinstance(folder, RemotePath) else ("", "quarantine", "quarantine/logs", "report", *SPLITS)
    for inner in places:
        parent = folder / inner if inner else folder
        for name in filter(TEMPORARY_NAME.fullmatch, list_names(parent)):
            remove(parent / name)
            removed.append(f"{inner}/{name}".lstrip("/"))
    for split in SPLITS:
        parts = [(name, part) for name in list_names(folder / split) if (part := parse_name(name)) is not None]
        done = {number for _, (number, part) in parts if part == "_stats.json"}
        for name, (number, _) in parts:
            if number not in done:
                remove(folder / split / name)
                removed.append(f"{split}/{name}")
    if isinstance(folder, RemotePath):
        abandon_uploads(folder)
    return tuple(removed)


def _remove_abandoned_progress() -> None:
    """Remove the progress files on this machine of killed runs into stores."""
    for left in Path(tempfile.gettempdir()).glob(f"simgen-notes-{os.getuid()}-*"):
        with contextlib.suppress(OSError), try_lock(left / "lock", create=False):
            shutil.rmtree(left, ignore_errors=True)
