"""Faults of a disk, put into a process from inside, and the log of every fault that has struck.

`install_disk` replaces `open`, `os.write`, `os.fsync` and what renames and removes files in this process. Every file
that is written below one folder then goes through `FaultyFile`, so that a fault can strike inside a write: a part of
the bytes is really on the disk when the error comes, or the SIGKILL. What a real full or read-only disk answers is
seen at the same places. Nothing counts as a fault but what stands in the log, where each has a line of its own that is
on the disk before the fault goes on.
"""

import errno
import io
import json
import os
import re
import signal
import stat
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

ANNOUNCED = ("open", "os.rename", "os.remove", "os.mkdir", "shutil.rmtree", "os.listdir", "os.scandir")
"""What a process does to a disk and Python announces beforehand: the places of the event `before`."""
REAL_ERRORS = (errno.ENOSPC, errno.EROFS, errno.EDQUOT, errno.EIO)


def strike(log: str, **what: Any) -> None:
    """Write one line into the log; it is on the disk when this returns."""
    line = (json.dumps(what) + "\n").encode()
    handle = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
    try:
        os.write(handle, line)
        os.fsync(handle)
    finally:
        os.close(handle)


def part_of(path: str) -> str:
    """Which kind of file of a data set this is, also under its temporary name."""
    name = Path(path).name
    if temporary := re.fullmatch(r"\.(.+)\.[0-9a-f]{8}\.tmp", name):
        name = temporary[1]
    if shard := re.fullmatch(r"\d{5}(\.tar|\.parquet|\.idx\.json|_stats\.json)", name):
        return shard[1]
    for folder in (".progress", "quarantine", "report"):
        if f"/{folder}/" in path:
            return f"{folder}/"
    return name if "." in name or name.isupper() else "folder"


class Disk:
    """What this process is to suffer at the files below one folder."""

    def __init__(
        self,
        folder: str,
        log: str,
        *,
        who: str,
        disturbance: int,
        event: str = "",
        parts: Sequence[str] = (),
        at: int = 1,
        how: str = "",
        share: float = 0.5,
        marker: str = "",
    ) -> None:
        self.folder, self.log = folder, log
        self.facts = {"disturbance": disturbance, "who": who}
        self.event, self.parts, self.how, self.share, self.marker = event, parts, how, share, marker
        self._left = at if how else 0
        self._seen: set[tuple[str, str]] = set()

    def holds(self, path: object) -> bool:
        return isinstance(path, (str, os.PathLike)) and str(os.fspath(path)).startswith(self.folder)

    def due(self, event: str, path: str) -> str:
        """How the fault strikes here and now; empty where it does not."""
        if not self._left or event != self.event or (self.parts and part_of(path) not in self.parts):
            return ""
        self._left -= 1
        if self._left:
            return ""
        if self.marker:
            # Once for all processes.
            try:
                os.close(os.open(self.marker, os.O_CREAT | os.O_EXCL | os.O_WRONLY))
            except FileExistsError:
                return ""
        return self.how

    def tell(self, event: str, path: str, how: str, **more: Any) -> None:
        strike(self.log, **self.facts, event=event, part=part_of(path), how=how, **more)

    def saw(self, event: str, path: str, error: OSError, **more: Any) -> None:
        """An answer of the real disk; one line for each kind of file and process."""
        if getattr(error, "injected", False) or error.errno not in REAL_ERRORS:
            return
        if (event, part_of(path)) not in self._seen:
            self._seen.add((event, part_of(path)))
            self.tell(event, path, errno.errorcode[error.errno], real=True, **more)


def os_error(name: str) -> OSError:
    number = getattr(errno, name)
    error = OSError(number, os.strerror(number))
    error.injected = True  # type: ignore[attr-defined]
    return error


def lose_half(handle: int) -> None:
    """What was written and never reached the disk: an error of fsync or close means that it may be gone."""
    found = os.fstat(handle)
    if stat.S_ISREG(found.st_mode):
        os.ftruncate(handle, found.st_size // 2)


class FaultyFile(io.FileIO):
    """A file whose disk may fail in the middle of a write, or as it is closed."""

    disk: Disk
    where: str
    broken = ""

    def write(self, data: Any) -> int:
        if self.broken:
            raise os_error(self.broken)
        how = self.disk.due("write", self.where)
        whole = memoryview(data).cast("B")
        if not how:
            try:
                return super().write(whole)  # type: ignore[return-value]
            except OSError as error:
                self.disk.saw("write", self.where, error, position=os.fstat(self.fileno()).st_size, of=len(whole))
                raise
        facts = {"position": os.fstat(self.fileno()).st_size, "of": len(whole), "written": 0}
        if how in ("kill", "short"):
            facts["written"] = super().write(whole[: int(len(whole) * self.disk.share)]) or 0
        self.disk.tell("write", self.where, how, **facts)
        if how == "kill":
            os.kill(os.getpid(), signal.SIGKILL)
        # As on a disk that has filled up: a part goes onto it, then nothing any more.
        self.broken = "ENOSPC" if how == "short" else ""
        if how == "short" and facts["written"]:
            return facts["written"]
        raise os_error("ENOSPC" if how == "short" else how)

    def close(self) -> None:
        how = "" if self.closed else self.disk.due("close", self.where)
        if not how:
            super().close()
            return
        if how == "kill":
            self.disk.tell("close", self.where, how)
            os.kill(os.getpid(), signal.SIGKILL)
        lose_half(self.fileno())
        super().close()
        self.disk.tell("close", self.where, how)
        raise os_error(how)


def install_disk(folder: str, told: Mapping[str, Any]) -> None:
    """From now on this process writes below `folder` as onto that disk."""
    if getattr(io.open, "faulty", False):
        return
    disk = Disk(folder, **told)
    real_open, real_write, real_fsync = io.open, os.write, os.fsync

    def announced(event: str, arguments: Sequence[Any]) -> None:
        if event not in ANNOUNCED or not arguments or not disk.holds(arguments[0]):
            return
        path = os.fspath(arguments[0])
        if how := disk.due("before", path):
            disk.tell(event.rpartition(".")[2], path, how)
            if how == "kill":
                os.kill(os.getpid(), signal.SIGKILL)
            raise os_error(how)

    def open_(file: Any, mode: str = "r", buffering: int = -1, *more: Any, **others: Any) -> Any:
        if not disk.holds(file) or not set(mode) & set("wax+") or set(others) - {"encoding", "errors", "newline"}:
            return real_open(file, mode, buffering, *more, **others)
        try:
            raw = FaultyFile(file, mode.replace("t", ""))
        except OSError as error:
            disk.saw("open", os.fspath(file), error)
            raise
        raw.disk, raw.where = disk, os.fspath(file)
        if buffering == 0:
            return raw
        buffered = io.BufferedRandom(raw) if "+" in mode else io.BufferedWriter(raw)
        return buffered if "b" in mode else io.TextIOWrapper(buffered, *more, **others)

    def name_of(handle: int) -> str:
        try:
            return str(Path(f"/proc/self/fd/{handle}").readlink())
        except OSError:
            return ""

    def write(handle: int, data: Any) -> int:
        path = name_of(handle)
        if not disk.holds(path) or not (how := disk.due("write", path)):
            return real_write(handle, data)
        disk.tell("write", path, how)
        if how == "kill":
            os.kill(os.getpid(), signal.SIGKILL)
        raise os_error("ENOSPC" if how == "short" else how)

    def fsync(handle: int) -> None:
        path = name_of(handle)
        if not disk.holds(path):
            return real_fsync(handle)
        if how := disk.due("fsync", path):
            if how != "kill":
                lose_half(handle)
            disk.tell("fsync", path, how)
            if how == "kill":
                os.kill(os.getpid(), signal.SIGKILL)
            raise os_error(how)
        return real_fsync(handle)

    def watched(name: str) -> Callable[..., Any]:
        real = getattr(os, name)

        def call(path: Any, *more: Any, **others: Any) -> Any:
            try:
                return real(path, *more, **others)
            except OSError as error:
                if disk.holds(path):
                    disk.saw(name, os.fspath(path), error)
                raise

        return call

    open_.faulty = True  # type: ignore[attr-defined]
    for module in (io, sys.modules["builtins"]):
        module.open = open_  # type: ignore[attr-defined]
    os.write, os.fsync = write, fsync  # type: ignore[assignment]
    for name in ("mkdir", "replace", "rename", "unlink", "remove", "rmdir"):
        setattr(os, name, watched(name))
    sys.addaudithook(announced)


def read_log(log: Path) -> list[dict[str, Any]]:
    """Every fault that has struck; a process that is killed here has written its line whole before."""
    return [json.loads(line) for line in log.read_text().splitlines()] if log.exists() else []
