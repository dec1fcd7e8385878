"""What a run says while it works, read from the notes that its workers leave in files, see `simgen.run.notes`."""

import contextlib
import json
import os
import time
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from rich.console import Console
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table

from simgen.dataset.lock import progress_folder
from simgen.storage.paths import AnyPath


class Progress:
    """The live display of one run: a bar where there is a terminal, a line now and then where there is none."""

    def __init__(self, folder: AnyPath, *, planned: int, done: int, console: Console, every_s: float = 30.0) -> None:
        self._notes = progress_folder(folder)
        self._planned = planned
        self._first = self._finished = done
        # By index: ten million names would be a gigabyte.
        self._seen = bytearray(planned)
        self._rejects: Counter[str] = Counter()
        self._failures: Counter[str] = Counter()
        self._offsets: dict[str, int] = {}
        self._console = console
        self._every_s = every_s
        self._rested = 0.0
        self._started = self._said = time.monotonic()
        self._live = Live(console=console, transient=True, auto_refresh=False) if console.is_terminal else None

    def __enter__(self) -> Self:
        if self._live is not None:
            self._live.start()
        self.update()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.update(at_once=True)
        if self._live is not None:
            self._live.stop()

    def update(self, *, at_once: bool = False) -> None:
        """Read what is new and show it, unless the last look took so long that it is too early for the next."""
        began = time.monotonic()
        if not at_once and began < self._rested:
            return
        self._look()
        # A tenth of the time at most: on a slow disk, with a thousand workers, a look may take a second.
        self._rested = time.monotonic() + 9 * (time.monotonic() - began)

    def _look(self) -> None:
        for note in self._new_notes():
            if "key" not in note:
                continue
            # A sample may be made again after a crash; it counts once.
            index = int(note["key"].rpartition("-")[2])
            if not self._seen[index]:
                self._seen[index] = True
                self._finished += 1
                self._rejects.update(note["rejects"])
                if note["failure"]:
                    self._failures[note["failure"]] += 1
        if self._live is not None:
            self._live.update(self._picture(), refresh=True)
        elif time.monotonic() - self._said >= self._every_s:
            self._said = time.monotonic()
            self._console.print(self._line(), highlight=False, soft_wrap=True)

    def _new_notes(self) -> Iterable[Mapping[str, Any]]:
        for path, size in sorted(self._sizes()):
            known = self._offsets.get(path, 0)
            # Most of a thousand workers have said nothing since the last look.
            if size == known:
                continue
            with Path(path).open("rb") as file:
                file.seek(known)
                for line in file:
                    # A line that is still being written waits for the next look.
                    if not line.endswith(b"\n"):
                        break
                    self._offsets[path] = self._offsets.get(path, 0) + len(line)
                    yield parse_note(line)

    def _sizes(self) -> Iterator[tuple[str, int]]:
        with contextlib.suppress(FileNotFoundError), os.scandir(self._notes) as entries:
            for entry in entries:
                if entry.name.endswith(".jsonl"):
                    yield entry.path, entry.stat().st_size

    def _picture(self) -> Table:
        table = Table.grid(padding=(0, 1))
        bar = ProgressBar(total=self._planned, completed=self._finished, width=30)
        table.add_row(bar, self._line())
        return table

    def _line(self) -> str:
        finished = self._finished
        parts = [f"{finished}/{self._planned} samples"]
        seconds = time.monotonic() - self._started
        if finished > self._first:
            rate = (finished - self._first) / seconds
            parts.append(f"{rate * 3600:.0f}/h")
            if finished < self._planned:
                parts.append(f"{duration((self._planned - finished) / rate)} left")
        elif finished < self._planned:
            parts.append("starting")
        if self._rejects:
            parts.append(f"rejected attempts: {counts(self._rejects, 4)}")
        if self._failures:
            parts.append(f"quarantined: {counts(self._failures)}")
        return ", ".join(parts)


def parse_note(line: bytes) -> Mapping[str, Any]:
    """A line of a worker's notes; empty where a full disk has cut it short."""
    with contextlib.suppress(ValueError):
        note = json.loads(line)
        return note if isinstance(note, dict) else {}
    return {}


def counts(counted: Mapping[str, int], most: int = 9) -> str:
    """`visible_change 12, at_rest 3`, the largest first."""
    ordered = sorted(counted.items(), key=lambda item: (-item[1], item[0]))
    shown = ", ".join(f"{name} {number}" for name, number in ordered[:most])
    rest = sum(number for _, number in ordered[most:])
    return f"{shown}, other {rest}" if rest else shown


def duration(seconds: float) -> str:
    """`3 h 05 min`, `12 min`, `40 s`."""
    minutes = round(seconds / 60)
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{minutes // 60} h {minutes % 60:02d} min" if minutes >= 90 else f"{minutes} min"


def byte_size(size: float) -> str:
    """`940 bytes`, `1.1 MB`, `26 GB`: a size in the unit that shows it, with two digits or three."""
    for unit, factor in (("TB", 1e12), ("GB", 1e9), ("MB", 1e6), ("kB", 1e3)):
        # What would be rounded to 1000 is 1 of the next unit.
        if size >= 0.9995 * factor:
            value = size / factor
            return f"{value:.1f} {unit}" if value < 9.95 else f"{value:.0f} {unit}"
    return f"{size:.0f} bytes"
