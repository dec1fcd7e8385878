"""What a run says while it works, read from the notes that its workers leave in files.

Every worker appends lines to a file of its own: `{"at": key}` when it begins a sample, and what became of it. The
same notes tell which sample a worker was at when it died.
"""

import contextlib
import json
import time
from collections import Counter
from collections.abc import Iterable, Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from rich.console import Console
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table

from simgen.places import Place
from simgen.store import NOTES as NOTES
from simgen.store import notes


class Progress:
    """The live display of one run: a bar where there is a terminal, a line now and then where there is none."""

    def __init__(
        self, folder: Place, *, planned: int, done: Iterable[str], console: Console, every_s: float = 30.0
    ) -> None:
        self._notes = notes(folder)
        self._planned = planned
        self._finished = dict.fromkeys(done, True)
        self._first = len(self._finished)
        self._rejects: Counter[str] = Counter()
        self._failures: Counter[str] = Counter()
        self._offsets: dict[Path, int] = {}
        self._console = console
        self._every_s = every_s
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
        self.update()
        if self._live is not None:
            self._live.stop()

    def update(self) -> None:
        """Read what is new and show it."""
        for note in self._new_notes():
            if "key" not in note:
                continue
            # A sample may be made again after a crash; it counts once.
            if note["key"] not in self._finished:
                self._rejects.update(note["rejects"])
                if note["failure"]:
                    self._failures[note["failure"]] += 1
            self._finished[note["key"]] = True
        if self._live is not None:
            self._live.update(self._picture(), refresh=True)
        elif time.monotonic() - self._said >= self._every_s:
            self._said = time.monotonic()
            self._console.print(self._line(), highlight=False, soft_wrap=True)

    def _new_notes(self) -> Iterable[Mapping[str, Any]]:
        for path in sorted(self._notes.glob("*.jsonl")):
            with path.open("rb") as file:
                file.seek(self._offsets.get(path, 0))
                for line in file:
                    # A line that is still being written waits for the next look.
                    if not line.endswith(b"\n"):
                        break
                    self._offsets[path] = self._offsets.get(path, 0) + len(line)
                    yield json.loads(line)

    def _picture(self) -> Table:
        table = Table.grid(padding=(0, 1))
        bar = ProgressBar(total=self._planned, completed=len(self._finished), width=30)
        table.add_row(bar, self._line())
        return table

    def _line(self) -> str:
        finished = len(self._finished)
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


class Notebook:
    """The notes of one worker."""

    def __init__(self, folder: Place, worker: str) -> None:
        self._path = notes(folder) / f"{worker}.jsonl"

    def write(self, note: Mapping[str, Any]) -> None:
        # Opened for every line: a folder that a later run has tidied away is no reason to fail.
        with contextlib.suppress(FileNotFoundError), self._path.open("a") as file:
            file.write(json.dumps(note) + "\n")

    def last(self) -> str | None:
        """The sample that was begun and not finished."""
        with contextlib.suppress(FileNotFoundError):
            for line in reversed(self._path.read_text().splitlines()):
                note: dict[str, Any] = json.loads(line)
                return note.get("at")
        return None


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
