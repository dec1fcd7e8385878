"""Locks that the system holds on files of this machine and frees when their holder dies."""

import contextlib
import fcntl
import time
from collections.abc import Iterator
from pathlib import Path


@contextlib.contextmanager
def wait_for_lock(path: Path) -> Iterator[None]:
    """Let one process at a time run the block.

    Where the file cannot be made or the file system knows no locks, the block runs unlocked: use this only to save
    work that would be right without it.
    """
    with contextlib.ExitStack() as held:
        with contextlib.suppress(OSError):
            path.parent.mkdir(parents=True, exist_ok=True)
            fcntl.flock(held.enter_context(path.open("a")), fcntl.LOCK_EX)
        yield


@contextlib.contextmanager
def try_lock(path: Path, *, create: bool = True) -> Iterator[None]:
    """Hold the lock while the block runs; a BlockingIOError where another process holds it, another OSError where the
    file cannot be opened."""
    with path.open("a" if create else "r") as file:
        for wait_s in (0.05, 0.1, 0.2, None):
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                # It may be `is_locked` of another process, which holds it for a moment.
                if wait_s is None:
                    raise
                time.sleep(wait_s)
        yield


def is_locked(path: Path) -> bool:
    """Whether another process holds the lock; False where nobody can tell."""
    try:
        with path.open("r") as file:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except OSError:
        return False
    return False
