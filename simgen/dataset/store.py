"""The folder of a data set: what its files are called, how one appears whole or not at all, which shards count.

Every byte that simgen writes into a data set or reads back goes through here, on a local or mounted folder or on an
object store.
"""

import contextlib
import errno
import fcntl
import hashlib
import json
import os
import re
import secrets
import shutil
import tempfile
from collections.abc import Iterable, Iterator, Mapping
from functools import lru_cache
from pathlib import Path
from types import TracebackType
from typing import Any, Literal, Self, get_args, overload

from simgen.core.assets import Split
from simgen.core.errors import OutputError, shown
from simgen.storage import paths
from simgen.storage.paths import Address, Place, each

NOTES = ".progress"
"""Folder of the workers' notes inside a data set, and of what says that somebody is at work; gone when a run ends by
itself."""
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
_FAR_BLOCK = 16 << 20


@overload
def part_path(folder: Path, number: int, part: Part) -> Path: ...
@overload
def part_path(folder: Place, number: int, part: Part) -> Place: ...
def part_path(folder: Place, number: int, part: Part) -> Place:
    """A file of a shard; `folder` is the split's."""
    return folder / f"{number:05d}{part}"


def parse_name(name: str) -> tuple[int, Part] | None:
    """Shard number and part of a file in a split's folder; None for anything that is not ours."""
    match = _SHARD_FILE.fullmatch(name)
    if match is None:
        return None
    return int(match[1]), next(part for part in PARTS if part == match[2])


def committed(folder: Place) -> tuple[int, ...]:
    """Numbers of the shards of a split's folder that are there for good; what has no `_stats.json` does not count."""
    parsed = [parse_name(name) for name in names(folder)]
    return tuple(sorted(p[0] for p in parsed if p is not None and p[1] == "_stats.json"))


def is_committed(folder: Place, number: int) -> bool:
    """Whether one of them is."""
    return part_path(folder, number, "_stats.json").is_file()


def names(folder: Place) -> list[str]:
    """Everything in a folder; nothing where there is none."""
    return sorted(listed(folder))


def listed(folder: Place) -> dict[str, bool]:
    """The same, and of each name whether it is a file."""
    if isinstance(folder, Address):
        return folder.listed()
    try:
        with os.scandir(folder) as entries:
            return {entry.name: entry.is_file() for entry in entries}
    except FileNotFoundError:
        return {}
    except OSError as error:
        raise OutputError(f"{folder}: cannot be listed: {error.strerror}") from error


def read(path: Place, offset: int = 0, size: int = -1) -> bytes:
    """The bytes of a file, or the `size` of them that begin at `offset`."""
    try:
        if isinstance(path, Address):
            return path.read(min(offset, _LARGEST_FILE), size)
        with path.open("rb") as file:
            # Memory is made ready for the whole of what is asked for, however little is there.
            there = max(0, os.fstat(file.fileno()).st_size - offset)
            file.seek(min(offset, _LARGEST_FILE))
            return file.read(there if size < 0 else min(size, there))
    except OSError as error:
        raise OutputError(f"{path}: cannot be read: {error.strerror}") from error


def read_end(path: Place, size: int) -> bytes:
    """The last bytes of a file, `size` at most; nothing where there is no plain file."""
    if not path.is_file() or (isinstance(path, Path) and path.is_symlink()):
        return b""
    there = path.size() if isinstance(path, Address) else path.stat().st_size
    return read(path, max(0, there - size))


@contextlib.contextmanager
def at_hand(folder: Place, names: Iterable[str]) -> Iterator[Path]:
    """The folder where these files of it can be read over and over: itself, or a copy of what is far away."""
    if isinstance(folder, Path):
        yield folder
        return
    _clear_copies()
    with tempfile.TemporaryDirectory(prefix=f"simgen-copy-{os.getpid()}-") as copy:
        for name in names:
            target = Path(copy) / name
            target.parent.mkdir(exist_ok=True)
            # What is missing is missed by whoever looks for it.
            with contextlib.suppress(FileNotFoundError), target.open("wb") as file:
                try:
                    for block in _far_blocks(folder / name):
                        file.write(block)
                except FileNotFoundError:
                    target.unlink()
                    raise
        yield Path(copy)


@lru_cache
def _clear_copies() -> None:
    """Remove what processes left on this machine that were killed."""
    for left in Path(tempfile.gettempdir()).glob("simgen-copy-*-*"):
        with contextlib.suppress(ValueError, PermissionError):
            try:
                os.kill(int(left.name.split("-")[2]), 0)
            except ProcessLookupError:
                shutil.rmtree(left, ignore_errors=True)


def read_json(path: Place) -> dict[str, Any]:
    """The object in a JSON file."""
    try:
        data = json.loads(read(path))
    except (ValueError, RecursionError) as error:
        raise OutputError(f"{path}: is not JSON ({error}); the file is damaged") from error
    if not isinstance(data, dict):
        raise OutputError(f"{path}: must hold a JSON object; got {type(data).__name__}")
    return data


def read_index(path: Place) -> dict[str, dict[str, tuple[int, int]]]:
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


def blocks(path: Place, size: int = 1 << 20) -> Iterator[bytes]:
    """The bytes of a file, a block at a time."""
    try:
        if isinstance(path, Address):
            yield from _far_blocks(path)
            return
        with path.open("rb") as file:
            while block := file.read(size):
                yield block
    except OSError as error:
        raise OutputError(f"{path}: cannot be read: {error.strerror}") from error


def _far_blocks(path: Address) -> Iterator[bytes]:
    offset = 0
    while block := path.read(offset, _FAR_BLOCK):
        yield block
        offset += len(block)
        if len(block) < _FAR_BLOCK:
            return


def sha256(path: Place) -> str:
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


def sums(folder: Place) -> dict[str, str]:
    """What SHA256SUMS says: file → sha256."""
    lines = read(folder / SUMS).decode(errors="replace").splitlines() if (folder / SUMS).is_file() else []
    return {match[2]: match[1] for line in lines if (match := re.fullmatch(r"([0-9a-f]{64})  (\S+)", line))}


def sums_text(told: Mapping[str, str]) -> str:
    return "".join(f"{told[name]}  {name}\n" for name in sorted(told))


def seal(folder: Place, *written: str) -> None:
    """Put down in SHA256SUMS what these files of a data set hold now; the others keep their lines as long as they
    are there, so that what has been damaged since stays found."""
    before = sums(folder)
    kept = [name for name in before if name not in written]
    there = each(folder, lambda name: (folder / name).is_file(), kept)
    told = {name: before[name] for name, is_there in zip(kept, there, strict=True) if is_there}
    told |= zip(written, each(folder, lambda name: sha256(folder / name), written), strict=True)
    put(folder / SUMS, sums_text(told).encode())


def put(path: Place, data: bytes) -> None:
    """Write a file whole, or not at all."""
    if isinstance(path, Address):
        path.write(data)
        return
    with Draft(path) as draft:
        draft.write(data)
        draft.publish()


def remove(path: Place) -> None:
    """Remove a file, if there is one."""
    try:
        path.unlink(missing_ok=True)
    except OSError as error:
        raise _refused(path.parent, error) from error


def sweep(folder: Place) -> tuple[str, ...]:
    """Remove what killed runs left in a data set's folder: unfinished files, and shards without their commit.

    Only for the one run that owns the folder, before its first shard.
    """
    removed = []
    far = isinstance(folder, Address)
    # Drafts first: a worker of a killed run that is not dead yet can commit no more without its own, or had done so
    # before anybody looks at which shards count. On a store there are none.
    for inner in () if far else ("", "quarantine", "quarantine/logs", "report", *SPLITS):
        place = folder / inner if inner else folder
        for name in filter(DRAFT.fullmatch, names(place)):
            remove(place / name)
            removed.append(f"{inner}/{name}".lstrip("/"))
    for split in SPLITS:
        there = [(name, shard) for name in names(folder / split) if (shard := parse_name(name)) is not None]
        done = {number for _, (number, part) in there if part == "_stats.json"}
        for name, (number, _) in there:
            if number not in done:
                remove(folder / split / name)
                removed.append(f"{split}/{name}")
    if isinstance(folder, Address):
        paths.abandon_uploads(folder)
    return tuple(removed)


# Who may write.


def notes(folder: Place) -> Path:
    """The folder for the notes of a run's workers: in the data set, or for one on a store beside all others of this
    machine."""
    if isinstance(folder, Path):
        return folder / NOTES
    name = hashlib.sha256(str(folder).encode()).hexdigest()[:16]
    return Path(tempfile.gettempdir()) / f"simgen-notes-{os.getuid()}-{name}"


@contextlib.contextmanager
def own(folder: Place) -> Iterator[str]:
    """Be the one run that writes into a data set; yields the word by which `commit` knows it on a store.

    On a disk the system holds the lock and frees it when we die; a store holds it for a minute, see `paths.lease`.
    """
    place = notes(folder)
    try:
        place.mkdir(mode=0o777 if isinstance(folder, Path) else 0o700, parents=True, exist_ok=True)
        if isinstance(folder, Address) and place.stat().st_uid != os.getuid():
            raise OutputError(f"{place}: belongs to somebody else; name another folder in TMPDIR")
        lock = (place / "lock").open("w")
    except OSError as error:
        where = folder if isinstance(folder, Path) else place
        raise OutputError(f"{where}: cannot be written ({error.strerror}); choose another --out") from error
    with contextlib.ExitStack() as held:
        held.enter_context(lock)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise OutputError(f"{folder}: another simgen is writing into it; wait for it or stop it") from error
        for left in place.glob("worker-*"):
            left.unlink()
        if isinstance(folder, Path):
            yield ""
        else:
            _clear_notes()
            held.callback(shutil.rmtree, place, ignore_errors=True)
            yield held.enter_context(paths.lease(folder / NOTES / "lock", place))
    if isinstance(folder, Path):
        # Of a run that has failed they stay, to be looked at.
        shutil.rmtree(place, ignore_errors=True)


def _clear_notes() -> None:
    """Remove the notes of runs into stores that were killed on this machine."""
    for left in Path(tempfile.gettempdir()).glob(f"simgen-notes-{os.getuid()}-*"):
        with contextlib.suppress(OSError), (left / "lock").open("r") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            shutil.rmtree(left, ignore_errors=True)


class Draft:
    """A file under a temporary name beside its place. `publish` makes it durable and gives it its name; left
    without that, by an exception or a kill, nothing ever stands under the name. What is to go to a store is drafted
    on this machine, in a file without a name."""

    def __init__(self, path: Place) -> None:
        self.path = path
        self._written = 0
        if isinstance(path, Address):
            self._file = paths.unlinked_file()
            self._draft = Path(f"/proc/self/fd/{self._file.fileno()}")
            return
        # Random, so that a straggler on another machine never writes into our draft.
        self._draft = path.with_name(f".{path.name}.{secrets.token_hex(4)}.tmp")
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
        if isinstance(self.path, Path):
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
                if isinstance(self.path, Path):
                    os.fsync(self._file.fileno())
                    self._file.close()
            except OSError as error:
                raise self._failed(error) from error
        return self._draft

    def publish(self) -> None:
        """Give the finished file its name."""
        self.finish()
        if isinstance(self.path, Address):
            self.path.upload(self._draft)
            return
        try:
            self._draft.replace(self.path)
            _sync_folder(self.path.parent)
        except OSError as error:
            raise _refused(self.path.parent, error) from error

    def _failed(self, error: OSError) -> OutputError:
        if isinstance(self.path, Address):
            return OutputError(
                f"{tempfile.gettempdir()}: cannot hold {self.path.name} until it is sent ({error.strerror} after "
                f"{self._written / 1e6:.1f} MB); make room or name another folder in TMPDIR, and run the same command "
                f"again"
            )
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            return OutputError(
                f"{self.path.parent}: the disk is full ({error.strerror} after {self._written / 1e6:.1f} MB of "
                f"{self.path.name}); make room and run the same command again"
            )
        return OutputError(
            f"{self.path}: cannot be written ({error.strerror} after {self._written / 1e6:.1f} MB); "
            f"mend that and run the same command again"
        )


def commit(drafts: Iterable[Draft], *, folder: Place, run: str) -> bool:
    """Publish the files of a shard of a data set, the last one as its commit; False where somebody else has committed
    it by then. `run` is the word of `own`."""
    drafts = list(drafts)
    if isinstance(folder, Address):
        files = [(draft.finish(), draft.path) for draft in drafts if isinstance(draft.path, Address)]
        return paths.upload_together(files, lambda: check_owner(folder, run))
    for draft in drafts:
        draft.publish()
    return True


def check_owner(folder: Place, run: str) -> None:
    """An OutputError where the data set is another run's by now."""
    if isinstance(folder, Address) and run:
        paths.check_lease(folder / NOTES / "lock", run)


def _sync_folder(folder: Path) -> None:
    """Make a rename outlive a power cut."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _refused(folder: Place, error: OSError) -> OutputError:
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return OutputError(f"{folder}: the disk is full ({error.strerror}); make room and run the same command again")
    return OutputError(f"{folder}: cannot be written ({error.strerror}); choose another folder or change its owner")
