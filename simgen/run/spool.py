"""The finished samples of one shard, until the last one is there and the shard can be written."""

import contextlib
import tempfile
from collections.abc import Iterator
from dataclasses import replace
from types import TracebackType
from typing import Self

from simgen.core.errors import OutputError
from simgen.dataset.entry import Entry

MEMORY_BYTES = 16 << 20
"""Beyond this the encoded samples go to a file: with depth and normals those of a shard take a gigabyte."""


class Spool:
    """Encoded entries in the order in which they were added, in memory or in a file without a name in TMPDIR: however
    the process ends, nothing of it stays."""

    def __init__(self, memory_bytes: int = MEMORY_BYTES) -> None:
        self._file = tempfile.SpooledTemporaryFile(max_size=memory_bytes)  # noqa: SIM115 closed by __exit__
        self._entries: list[tuple[Entry, dict[str, int]]] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        # Closing writes what a full disk has not taken, which nobody wants any more.
        with contextlib.suppress(OSError):
            self._file.close()

    def add(self, entry: Entry) -> None:
        """Keep an entry; an OutputError where TMPDIR cannot hold it."""
        try:
            for data in entry.members.values():
                self._file.write(data)
            self._file.flush()
        except OSError as error:
            raise OutputError(
                f"{tempfile.gettempdir()}: cannot hold the samples of a shard until it is written ({error.strerror}); "
                "make room or name another folder in TMPDIR, and run the same command again"
            ) from error
        sizes = {name: len(data) for name, data in entry.members.items()}
        self._entries.append((replace(entry, members={}), sizes))

    def __iter__(self) -> Iterator[Entry]:
        """The entries as they were added; the members of one at a time are in memory."""
        self._file.seek(0)
        for entry, sizes in self._entries:
            yield replace(entry, members={name: self._file.read(size) for name, size in sizes.items()})
