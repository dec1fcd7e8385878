"""The folder of a data set: what its files are called, how one appears whole or not at all, which shards count.

Every byte that simgen writes into a data set or reads back goes through here, on a local or mounted folder.
"""

import contextlib
import errno
import hashlib
import json
import os
import re
import secrets
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Literal, Self, get_args

from simgen.errors import OutputError, shown
from simgen.types import Split

CARD, ATTRIBUTION = "README.md", "ATTRIBUTION.csv"
REPORT = "report/index.html"
SUMS = "SHA256SUMS"
"""sha256 of what lies beside the shards, as `sha256sum --check` reads it; a shard's own stand in its `_stats.json`."""
SPLITS: tuple[Split, ...] = get_args(Split)
Part = Literal[".tar", ".parquet", ".idx.json", "_stats.json"]
PARTS: tuple[Part, ...] = get_args(Part)
"""The files of a shard in the order in which they appear; the last one is the commit."""

HASHED = PARTS[:3]
"""The files whose sha256 stands in the last one."""

_SHARD_FILE = re.compile(r"([0-9]{5}|[1-9][0-9]{5})(\.tar|\.parquet|\.idx\.json|_stats\.json)")
DRAFT = re.compile(r"\..+\.[0-9a-f]{8}\.tmp")


_LARGEST_FILE = 1 << 62


def part_path(folder: Path, number: int, part: Part) -> Path:
    """A file of a shard; `folder` is the split's."""
    return folder / f"{number:05d}{part}"


def parse_name(name: str) -> tuple[int, Part] | None:
    """Shard number and part of a file in a split's folder; None for anything that is not ours."""
    match = _SHARD_FILE.fullmatch(name)
    if match is None:
        return None
    return int(match[1]), next(part for part in PARTS if part == match[2])


def committed(folder: Path) -> tuple[int, ...]:
    """Numbers of the shards of a split's folder that are there for good; what has no `_stats.json` does not count."""
    parsed = [parse_name(name) for name in names(folder)]
    return tuple(sorted(p[0] for p in parsed if p is not None and p[1] == "_stats.json"))


def names(folder: Path) -> list[str]:
    """Everything in a folder; nothing where there is none."""
    try:
        return sorted(path.name for path in folder.iterdir())
    except FileNotFoundError:
        return []
    except OSError as error:
        raise OutputError(f"{folder}: cannot be listed: {error.strerror}") from error


def read(path: Path, offset: int = 0, size: int = -1) -> bytes:
    """The bytes of a file, or the `size` of them that begin at `offset`."""
    try:
        with path.open("rb") as file:
            # Memory is made ready for the whole of what is asked for, however little is there.
            there = max(0, os.fstat(file.fileno()).st_size - offset)
            file.seek(min(offset, _LARGEST_FILE))
            return file.read(there if size < 0 else min(size, there))
    except OSError as error:
        raise OutputError(f"{path}: cannot be read: {error.strerror}") from error


def read_json(path: Path) -> dict[str, Any]:
    """The object in a JSON file."""
    try:
        data = json.loads(read(path))
    except (ValueError, RecursionError) as error:
        raise OutputError(f"{path}: is not JSON ({error}); the file is damaged") from error
    if not isinstance(data, dict):
        raise OutputError(f"{path}: must hold a JSON object; got {type(data).__name__}")
    return data


def read_index(path: Path) -> dict[str, dict[str, tuple[int, int]]]:
    """Where the members of a shard lie, as its index says: key → member → (offset, size)."""
    samples = read_json(path).get("samples")
    if not isinstance(samples, dict):
        raise OutputError(f"{path}: has no 'samples'; the file is damaged, see `simgen verify`")
    for key, members in samples.items():
        if not isinstance(members, dict) or not all(map(_is_span, members.values())):
            raise OutputError(
                f"{path}: {shown(key)} must name offset and size of each member; got {shown(members)}; "
                "the file is damaged, see `simgen verify`"
            )
    return {key: {name: (span[0], span[1]) for name, span in members.items()} for key, members in samples.items()}


def _is_span(span: Any) -> bool:
    return (
        isinstance(span, list)
        and len(span) == 2
        and all(type(part) is int and 0 <= part < _LARGEST_FILE for part in span)
    )


def blocks(path: Path, size: int = 1 << 20) -> Iterator[bytes]:
    """The bytes of a file, a block at a time."""
    try:
        with path.open("rb") as file:
            while block := file.read(size):
                yield block
    except OSError as error:
        raise OutputError(f"{path}: cannot be read: {error.strerror}") from error


def sha256(path: Path) -> str:
    digest = hashlib.sha256()
    for block in blocks(path):
        digest.update(block)
    return digest.hexdigest()


def told_sha256(stats: Mapping[str, Any]) -> str:
    """Of what the statistics of a shard say about the samples, whatever was measured on the way."""
    told = {name: value for name, value in stats.items() if name not in ("cost", "machine", "sha256")}
    return hashlib.sha256(json.dumps(told, sort_keys=True).encode()).hexdigest()


def measured_sha256(stats: Mapping[str, Any]) -> str:
    """Of what was measured on the way, which stands in `cost` beside it."""
    cost = {name: value for name, value in stats["cost"].items() if name != "sha256"}
    return hashlib.sha256(json.dumps([cost, stats["machine"]], sort_keys=True).encode()).hexdigest()


def stats_text(stats: Mapping[str, Any]) -> str:
    """The statistics of a shard as they are written: there is one way, so that a space more is found, too."""
    return json.dumps(stats, ensure_ascii=False, separators=(",", ":"), allow_nan=False) + "\n"


def csv_cell(text: str) -> str:
    """A stranger's words in a table that somebody opens in a spreadsheet, where = + - @ begin what is executed."""
    return f"'{text}" if text.startswith(("=", "+", "-", "@", "\t", "\r")) else text


def sums(folder: Path) -> dict[str, str]:
    """What SHA256SUMS says: file → sha256."""
    lines = read(folder / SUMS).decode(errors="replace").splitlines() if (folder / SUMS).is_file() else []
    return {match[2]: match[1] for line in lines if (match := re.fullmatch(r"([0-9a-f]{64})  (\S+)", line))}


def sums_text(told: Mapping[str, str]) -> str:
    return "".join(f"{told[name]}  {name}\n" for name in sorted(told))


def seal(folder: Path, *written: str) -> None:
    """Put down in SHA256SUMS what these files of a data set hold now; the others keep their lines as long as they
    are there, so that what has been damaged since stays found."""
    told = {name: digest for name, digest in sums(folder).items() if (folder / name).is_file()}
    told |= {name: sha256(folder / name) for name in written}
    put(folder / SUMS, sums_text(told).encode())


def put(path: Path, data: bytes) -> None:
    """Write a file whole, or not at all."""
    with Draft(path) as draft:
        draft.write(data)
        draft.publish()


def sweep(folder: Path) -> tuple[str, ...]:
    """Remove what killed runs left in a data set's folder: unfinished files, and shards without their commit.

    Only for the one run that owns the folder, before its first shard.
    """
    removed = []

    def remove(path: Path) -> None:
        try:
            path.unlink(missing_ok=True)
        except OSError as error:
            raise _refused(path.parent, error) from error
        removed.append(str(path.relative_to(folder)))

    splits = [folder / split for split in SPLITS]
    # Drafts first: a worker of a killed run that is not dead yet can commit no more without its own, or had done so
    # before anybody looks at which shards count.
    for place in (folder, folder / "quarantine", folder / "quarantine" / "logs", folder / "report", *splits):
        for name in filter(DRAFT.fullmatch, names(place)):
            remove(place / name)
    for place in splits:
        there = [(name, shard) for name in names(place) if (shard := parse_name(name)) is not None]
        done = {number for _, (number, part) in there if part == "_stats.json"}
        for name, (number, _) in there:
            if number not in done:
                remove(place / name)
    return tuple(removed)


class Draft:
    """A file under a temporary name beside its place. `publish` makes it durable and gives it its name; left
    without that, by an exception or a kill, nothing ever stands under the name."""

    def __init__(self, path: Path) -> None:
        self.path = path
        # Random, so that a straggler on another machine never writes into our draft.
        self._draft = path.with_name(f".{path.name}.{secrets.token_hex(4)}.tmp")
        self._written = 0
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._file = self._draft.open("xb")
        except OSError as error:
            raise _refused(path.parent, error) from error

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        if not self._file.closed:
            # Closing flushes; on a full disk that fails a second time, and the first failure is the one to report.
            with contextlib.suppress(OSError):
                self._file.close()
        self._draft.unlink(missing_ok=True)

    def write(self, data: bytes) -> int:
        # A tar that was given up flushes its last block when it is collected; there is nothing left to write it to.
        if self._file.closed:
            return 0
        try:
            self._file.write(data)
        except OSError as error:
            raise self._failed(error) from error
        self._written += len(data)
        return len(data)

    def finish(self) -> Path:
        """Bring everything onto the disk, still under the temporary name, which is returned for reading back."""
        if not self._file.closed:
            try:
                self._file.flush()
                os.fsync(self._file.fileno())
                self._file.close()
            except OSError as error:
                raise self._failed(error) from error
        return self._draft

    def publish(self) -> None:
        """Give the finished file its name."""
        self.finish()
        try:
            self._draft.replace(self.path)
            _sync_folder(self.path.parent)
        except OSError as error:
            raise _refused(self.path.parent, error) from error

    def _failed(self, error: OSError) -> OutputError:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            return OutputError(
                f"{self.path.parent}: the disk is full ({error.strerror} after {self._written / 1e6:.1f} MB of "
                f"{self.path.name}); make room and run the same command again"
            )
        return OutputError(
            f"{self.path}: cannot be written ({error.strerror} after {self._written / 1e6:.1f} MB); "
            f"mend that and run the same command again"
        )


def _sync_folder(folder: Path) -> None:
    """Make a rename outlive a power cut."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _refused(folder: Path, error: OSError) -> OutputError:
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return OutputError(f"{folder}: the disk is full ({error.strerror}); make room and run the same command again")
    return OutputError(f"{folder}: cannot be written ({error.strerror}); choose another folder or change its owner")
