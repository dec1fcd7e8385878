"""Files of a folder or an object store: read them, list them, and write each whole or not at all."""

import contextlib
import errno
import hashlib
import json
import os
import re
import secrets
import stat
import tempfile
from collections.abc import Iterable, Iterator
from pathlib import Path
from types import TracebackType
from typing import IO, Any, Self

from simgen.core.errors import OutputError
from simgen.storage.paths import AnyPath, RemotePath
from simgen.storage.temporary import private_folder, remove_abandoned
from simgen.storage.uploads import unnamed_file

TEMPORARY_NAME = re.compile(r"\..+\.[0-9a-f]{8}\.tmp")
"""Matches the name under which an AtomicFile stands until it is published."""

_COPY = "simgen-copy-"
"""Of the names of temporary folders."""
LARGEST_FILE_BYTES = 1 << 62
_BLOCK_BYTES = 1 << 20
_REMOTE_BLOCK_BYTES = 16 << 20


def list_names(folder: AnyPath) -> list[str]:
    """The names of everything in a folder, sorted; none where there is no folder."""
    return sorted(list_entries(folder))


def list_entries(folder: AnyPath) -> dict[str, bool]:
    """Name → whether it is a file, for everything in a folder; empty where there is no folder."""
    if isinstance(folder, RemotePath):
        return folder.entries()
    try:
        with os.scandir(folder) as entries:
            return {entry.name: entry.is_file() for entry in entries}
    except FileNotFoundError:
        return {}
    except OSError as error:
        raise OutputError(f"{folder}: cannot be listed: {error.strerror}") from error


def read(path: AnyPath, offset: int = 0, size: int = -1) -> bytes:
    """The bytes of a file, or the `size` of them that begin at `offset`."""
    try:
        if isinstance(path, RemotePath):
            return path.read(min(offset, LARGEST_FILE_BYTES), size)
        refuse_pipe(path)
        with _open(path) as file:
            # Python allocates memory for all that is asked for, however little is there.
            available = max(0, os.fstat(file.fileno()).st_size - offset)
            file.seek(min(offset, LARGEST_FILE_BYTES))
            return file.read(available if size < 0 else min(size, available))
    except OSError as error:
        raise OutputError(f"{path}: cannot be read: {error.strerror}") from error


def _open(path: Path) -> IO[bytes]:
    """Open a local file for reading. A pipe by its name is an error, where a plain `open` waits for ever."""
    handle = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    if not stat.S_ISREG(os.fstat(handle).st_mode):
        os.close(handle)
        raise OSError(errno.EINVAL, "Is no plain file", str(path))
    return os.fdopen(handle, "rb")


def read_end(path: AnyPath, size: int) -> bytes:
    """The last bytes of a file, `size` at most; nothing where there is not a plain file."""
    if not path.is_file() or (isinstance(path, Path) and path.is_symlink()):
        return b""
    length = path.size() if isinstance(path, RemotePath) else path.stat().st_size
    return read(path, max(0, length - size))


def read_blocks(path: AnyPath, size: int = _BLOCK_BYTES) -> Iterator[bytes]:
    """The bytes of a file in blocks; `size` is for local files, remote ones come in larger blocks."""
    try:
        if isinstance(path, RemotePath):
            yield from _remote_blocks(path)
            return
        refuse_pipe(path)
        with _open(path) as file:
            while block := file.read(size):
                yield block
    except OSError as error:
        raise OutputError(f"{path}: cannot be read: {error.strerror}") from error


def refuse_pipe(path: Path) -> None:
    """Opening a named pipe that nobody writes into would wait for ever."""
    if path.is_fifo():
        raise OutputError(f"{path}: is a named pipe where a file should be; remove it")


def _remote_blocks(path: RemotePath) -> Iterator[bytes]:
    offset = 0
    while block := path.read(offset, _REMOTE_BLOCK_BYTES):
        yield block
        offset += len(block)
        if len(block) < _REMOTE_BLOCK_BYTES:
            return


def read_json(path: AnyPath) -> dict[str, Any]:
    """The object in a JSON file."""
    try:
        data = json.loads(read(path))
    except (ValueError, RecursionError) as error:
        raise OutputError(f"{path}: is not JSON ({error}); the file is damaged") from error
    if not isinstance(data, dict):
        raise OutputError(f"{path}: must hold a JSON object; got {type(data).__name__}")
    return data


def sha256(path: AnyPath) -> str:
    """The sha256 of a file's content, in hexadecimal digits."""
    digest = hashlib.sha256()
    for block in read_blocks(path):
        digest.update(block)
    return digest.hexdigest()


@contextlib.contextmanager
def local_copy(folder: AnyPath, names: Iterable[str]) -> Iterator[Path]:
    """A local folder in which these files of `folder` can be read many times: the folder itself if it is local, else a
    temporary copy. A file that is missing in `folder` is missing in the copy."""
    if isinstance(folder, Path):
        yield folder
        return
    remove_abandoned(_COPY)
    with private_folder(_COPY) as place:
        copy = place / "files"
        copy.mkdir()
        for name in names:
            target = copy / name
            target.parent.mkdir(exist_ok=True)
            with contextlib.suppress(FileNotFoundError), target.open("wb") as file:
                try:
                    for block in _remote_blocks(folder / name):
                        file.write(block)
                except FileNotFoundError:
                    target.unlink()
                    raise
        yield copy


def write_file(path: AnyPath, data: bytes) -> None:
    """Write a file whole, or not at all."""
    if isinstance(path, RemotePath):
        path.write(data)
        return
    with AtomicFile(path) as file:
        file.write(data)
        file.publish()


def remove(path: AnyPath) -> None:
    """Remove a file, if there is one."""
    try:
        path.unlink(missing_ok=True)
    except OSError as error:
        raise _not_writable(path.parent, error) from error


class AtomicFile:
    """A file that is written under a temporary name beside its path. `publish` makes it durable and gives it its name;
    without that, after an exception or a kill, nothing ever stands under the name.

    A file for an object store is kept on this machine, without a name, until it is published.
    """

    def __init__(self, path: AnyPath) -> None:
        self.path = path
        self._written_bytes = 0
        if isinstance(path, RemotePath):
            self._file = unnamed_file()
            self._temporary = Path(f"/proc/self/fd/{self._file.fileno()}")
            return
        # Random, so that a late worker on another machine never writes into our file.
        self._temporary = path.with_name(f".{path.name}.{secrets.token_hex(4)}.tmp")
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._file = self._temporary.open("xb")
        except OSError as error:
            raise _not_writable(path.parent, error) from error

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
            self._temporary.unlink(missing_ok=True)

    def write(self, data: bytes) -> int:
        # A tar that was given up flushes its last block when it is collected; there is nothing left to write it to.
        if self._file.closed:
            return 0
        try:
            self._file.write(data)
        except OSError as error:
            raise self._write_error(error) from error
        self._written_bytes += len(data)
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
                raise self._write_error(error) from error
        return self._temporary

    def publish(self) -> None:
        """Give the finished file its name."""
        self.finish()
        if isinstance(self.path, RemotePath):
            self.path.upload(self._temporary)
            return
        try:
            self._temporary.replace(self.path)
            sync_folder(self.path.parent)
        except OSError as error:
            raise _not_writable(self.path.parent, error) from error

    def _write_error(self, error: OSError) -> OutputError:
        written = f"{error.strerror} after {self._written_bytes / 1e6:.1f} MB"
        if isinstance(self.path, RemotePath):
            return OutputError(
                f"{tempfile.gettempdir()}: cannot hold {self.path.name} until it is sent ({written}); make room or "
                "name another folder in TMPDIR, and run the same command again"
            )
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            return OutputError(
                f"{self.path.parent}: the disk is full ({written} of {self.path.name}); make room and run the same "
                "command again"
            )
        return OutputError(f"{self.path}: cannot be written ({written}); mend that and run the same command again")


def sync_folder(folder: Path) -> None:
    """Make the names in a folder outlive a power cut."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _not_writable(folder: AnyPath, error: OSError) -> OutputError:
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return OutputError(f"{folder}: the disk is full ({error.strerror}); make room and run the same command again")
    return OutputError(f"{folder}: cannot be written ({error.strerror}); choose another folder or change its owner")
