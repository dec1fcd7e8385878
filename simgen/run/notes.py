"""The notes of a worker, one file each: what it is at, for the display of the run and for whoever finds it dead.

`{"at": key}` when it begins a sample, `{"assets": [...]}` for every attempt at it, and what became of it:
`{"key": key, "failure": null or a class, "rejects": {gate: count}}`.
"""

import contextlib
import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from simgen.dataset.lock import progress_folder
from simgen.dataset.progress import parse_note
from simgen.storage.paths import AnyPath


class WorkerNotes:
    """Written by the worker, and read by the driver once the worker has died."""

    def __init__(self, folder: AnyPath, worker: str) -> None:
        self._path = progress_folder(folder) / f"{worker}.jsonl"

    def write(self, note: Mapping[str, Any]) -> None:
        # Opened for every line: a folder that a later run has tidied away is no reason to fail.
        with contextlib.suppress(FileNotFoundError), self._path.open("a") as file:
            file.write(json.dumps(note) + "\n")

    def unfinished_sample(self) -> str | None:
        """The key of the sample that was begun and not finished."""
        for note in self._backwards():
            if "at" in note or "key" in note:
                return note.get("at")
        return None

    def latest_assets(self) -> tuple[str, ...]:
        """The assets of the latest attempt at that sample."""
        for note in self._backwards():
            if "assets" in note:
                return tuple(note["assets"])
            if "at" in note or "key" in note:
                break
        return ()

    def _backwards(self) -> Iterable[Mapping[str, Any]]:
        with contextlib.suppress(FileNotFoundError):
            yield from map(parse_note, reversed(self._path.read_bytes().splitlines()))


def tail(path: Path, size: int = 64_000) -> str:
    """The end of a worker's log; empty where it has none."""
    try:
        return path.read_bytes()[-size:].decode(errors="replace")
    except FileNotFoundError:
        return ""
