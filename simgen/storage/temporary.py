"""Temporary folders that no other user may look into, and that the next process removes where a kill leaves one."""

import contextlib
import os
import shutil
import stat
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

from simgen.storage.locks import try_lock

_LOCK = "lock"
"""A file in such a folder that is locked as long as its process lives."""


@contextlib.contextmanager
def private_folder(prefix: str, parent: Path | None = None) -> Iterator[Path]:
    """A folder for this user alone, in that for temporary files or in `parent`; gone when the block ends. The names
    `lock` in it and `prefix` around it are taken."""
    with contextlib.ExitStack() as held:
        while True:
            # Made with mode 0700, and never the folder or the link of somebody else.
            place = Path(tempfile.mkdtemp(prefix=f"{prefix}{os.getpid()}-", dir=parent))
            # Before it is locked, another process may take it for one that was left behind.
            with contextlib.suppress(FileNotFoundError, BlockingIOError):
                held.enter_context(try_lock(place / _LOCK))
                if (place / _LOCK).exists():
                    break
        held.callback(_remove, place)
        yield place


def remove_abandoned(prefix: str, parent: Path | None = None, *, end: Callable[[Path], object] | None = None) -> None:
    """Remove the folders of processes that were killed; `end` is called before, with each of them."""
    for left in (parent or Path(tempfile.gettempdir())).glob(f"{prefix}*"):
        with contextlib.suppress(OSError):
            status = left.lstat()
            if stat.S_IMODE(status.st_mode) != 0o700 or status.st_uid != os.geteuid():
                continue  # somebody else's, or another program's
            try:
                # Not by the number of the process: in another container that shares the folder it means another.
                with try_lock(left / _LOCK, create=False):
                    if end is not None:
                        end(left)
                    _remove(left)
            except FileNotFoundError:
                left.rmdir()  # killed between its first two steps


def _remove(place: Path) -> None:
    with contextlib.suppress(OSError):
        for path in place.iterdir():
            if path.name != _LOCK:
                shutil.rmtree(path, ignore_errors=True)
    # With the lock last: a folder without one is left alone unless it is empty.
    shutil.rmtree(place, ignore_errors=True)
