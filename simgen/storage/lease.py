"""A lease: an object on a store that says which run may write there, renewed as long as that run lives."""

import contextlib
import json
import logging
import secrets
import socket
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from simgen.core.errors import OutputError, SimgenError, inline
from simgen.storage.paths import RemotePath
from simgen.storage.stores import ATOMIC_CREATE

EXPIRES_S = 60.0
"""A lease that is not renewed for so long belongs to a run that was killed."""
_RENEW_S = 15.0
_GRACE_S = 2.0
"""After a lease is taken from a killed run: time for the requests of its workers to arrive or fail."""


@contextlib.contextmanager
def hold_lease(path: RemotePath, local_folder: Path) -> Iterator[str]:
    """Hold the lease while the block runs; yields the token that stands in it, empty on stores without leases.

    The object is put only where there is none. One that is not renewed for a minute, as this process sees it, is
    taken over; one whose holder ran on this machine with the same `local_folder`, which we hold now, at once.
    """
    if path.scheme not in ATOMIC_CREATE:
        yield ""
        return
    token = secrets.token_hex(8)
    content = {"run": token, "host": socket.gethostname(), "notes": _identity(local_folder), "beat": 0}
    _acquire(path, content)
    stop = threading.Event()
    renewal = threading.Thread(target=_renew, args=(path, content, stop), daemon=True)
    renewal.start()
    try:
        yield token
    finally:
        stop.set()
        # It may be asking a store that does not answer any more.
        renewal.join(timeout=5.0)
        with contextlib.suppress(SimgenError, FileNotFoundError):
            if _read(path).get("run") == token:
                path.unlink(missing_ok=True)


def check_lease(path: RemotePath, token: str) -> None:
    """An OutputError where another run holds the lease by now."""
    if path.scheme in ATOMIC_CREATE and _read(path).get("run") != token:
        raise OutputError(f"{path.parent.parent}: another simgen has taken it over; stop that, or leave it to finish")


def is_held(path: RemotePath, local_folder: Path, *, locked: bool) -> bool:
    """Whether a run that lives holds the lease; `locked`, whether a process of this machine holds `local_folder`.

    A run on another machine lives as long as its lease was renewed within a minute, by the clocks of store and machine.
    """
    if path.scheme not in ATOMIC_CREATE:
        return locked
    holder = _read(path)
    if not holder:
        return False
    if local_folder.is_dir() and holder.get("notes") == _identity(local_folder):
        return locked
    try:
        modified = path.modified_unix_s()
    except FileNotFoundError:
        return False
    return time.time() - modified < EXPIRES_S


def _acquire(path: RemotePath, content: dict[str, Any]) -> None:
    deadline = time.monotonic() + EXPIRES_S
    first: dict[str, Any] | None = None
    warned = False
    while not _create(path, content):
        holder = _read(path)
        if first is None:
            first = holder
        host = inline(holder.get("host", "another machine"))
        if holder and holder != first:
            raise OutputError(
                f"{path.parent.parent}: another simgen is writing into it, on {host}; wait for it or stop it"
            )
        if not holder or holder.get("notes") == content["notes"] or time.monotonic() > deadline:
            path.unlink(missing_ok=True)
        else:
            if not warned:
                warned = True
                logging.getLogger(__name__).warning(
                    "simgen: %s: another simgen was writing into it, on %s; taking over in a minute unless it goes on",
                    *(path.parent.parent, host),
                )
            time.sleep(1.0)
    if first is not None:
        time.sleep(_GRACE_S)
        check_lease(path, content["run"])


def _create(path: RemotePath, content: dict[str, Any]) -> bool:
    try:
        path.write(json.dumps(content).encode(), create=True)
    except FileExistsError:
        # It is ours when only the answer was lost.
        return bool(_read(path).get("run") == content["run"])
    return True


def _read(path: RemotePath) -> dict[str, Any]:
    try:
        found = json.loads(path.read())
    except (FileNotFoundError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}


def _renew(path: RemotePath, content: dict[str, Any], stop: threading.Event) -> None:
    while not stop.wait(_RENEW_S):
        # A store that does not answer now may do so at the next renewal; workers look for themselves.
        with contextlib.suppress(SimgenError):
            if _read(path).get("run") != content["run"]:
                return
            content["beat"] += 1
            path.write(json.dumps(content).encode())


def _identity(folder: Path) -> str:
    """Identifies a folder of this machine: equal only for processes that see the same folder.

    Without its inode: a run whose store has gone away leaves its lease there and no folder here.
    """
    boot = Path("/proc/sys/kernel/random/boot_id")
    machine = boot.read_text().strip() if boot.exists() else socket.gethostname()
    return f"{machine}:{folder.stat().st_dev}:{folder.resolve()}"
