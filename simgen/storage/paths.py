"""Paths of files and folders that lie on this machine or on an object store.

`as_path("out/all")` is a pathlib Path, `as_path("s3://bucket/all")` a RemotePath with the part of Path's interface that
a data set needs; AnyPath is either. On a store an object appears whole or not at all, a folder is a common beginning of
names, and every call is a request: send many of them at once, with `map_concurrently`.
"""

import os
import time
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import islice
from pathlib import Path, PurePosixPath
from typing import Any, TypeVar

from simgen.core.errors import OutputError, SimgenError, UsageError, inline, shown
from simgen.storage import stores
from simgen.storage.stores import ATOMIC_CREATE, EXTRAS
from simgen.storage.urls import without_secrets

_REQUESTS_AT_ONCE = 16
_PART_BYTES = 50 << 20

T = TypeVar("T")
U = TypeVar("U")


@dataclass(frozen=True, slots=True, order=True)
class RemotePath:
    """An object on a store, or a folder of them."""

    scheme: str
    key: str
    """Bucket and name without a slash at either end; `datasets/ORG/NAME/…` on the Hub."""

    def __str__(self) -> str:
        return f"{self.scheme}://{self.key}"

    def __truediv__(self, name: str) -> "RemotePath":
        return RemotePath(self.scheme, f"{self.key}/{name}")

    @property
    def name(self) -> str:
        return self.key.rpartition("/")[2]

    @property
    def stem(self) -> str:
        return PurePosixPath(self.key).stem

    @property
    def parent(self) -> "RemotePath":
        return RemotePath(self.scheme, self.key.rpartition("/")[0])

    def absolute(self) -> "RemotePath":
        return self

    def is_file(self) -> bool:
        try:
            return bool(self.request("read", lambda fs: fs.info(self.key))["type"] == "file")
        except FileNotFoundError:
            return False

    def is_dir(self) -> bool:
        return bool(self.entries())

    def entries(self) -> dict[str, bool]:
        """Name → whether it is a file, for everything in the folder; empty where there is no folder."""
        try:
            found = self.request("listed", lambda fs: fs.ls(self.key, detail=True, refresh=True))
        except FileNotFoundError:
            return {}
        # Some programs put an empty object where the folder is.
        entries = {entry["name"].rstrip("/").removeprefix(f"{self.key}/"): entry["type"] == "file" for entry in found}
        return {name: is_file for name, is_file in entries.items() if name and "/" not in name}

    def size(self) -> int:
        """Bytes of the object."""
        return int(self.request("read", lambda fs: fs.info(self.key))["size"])

    def modified_unix_s(self) -> float:
        """When the object was last put, by the store's clock."""
        return float(self.request("read", lambda fs: fs.modified(self.key)).timestamp())

    def read(self, offset: int = 0, size: int = -1) -> bytes:
        """The bytes, or the `size` of them that begin at `offset`: one request."""
        if size == 0:
            return b""
        if offset or size > 0:
            return self.request("read", lambda fs: self._range(fs, offset, offset + size if size > 0 else None))
        # s3fs asks for the length first, in case it were worth several connections.
        options = {"max_concurrency": 1} if self.scheme == "s3" else {}
        return bytes(self.request("read", lambda fs: fs.cat_file(self.key, **options)))

    def _range(self, fs: Any, start: int, end: int | None) -> bytes:
        try:
            return bytes(fs.cat_file(self.key, start=start, end=end))
        except OSError as error:
            if stores.error_code(error) in ("416", "InvalidRange"):
                return b""
            raise

    def write(self, data: bytes, *, create: bool = False) -> None:
        """Put an object; with `create`, raise a FileExistsError where there is one."""
        self._put(create, lambda fs, options: fs.pipe_file(self.key, data, **options))

    def upload(self, file: Path, *, create: bool = False) -> None:
        """Put the content of a local file, as `write` does."""
        # What has more than two parts is sent in parts.
        parts = {"chunksize": _PART_BYTES} if self.scheme in ATOMIC_CREATE else {}
        self._put(create, lambda fs, options: fs.put_file(str(file), self.key, **parts, **options))

    def _put(self, create: bool, put: Callable[[Any, dict[str, Any]], object]) -> None:
        options = {"mode": "create"} if create and self.scheme in ATOMIC_CREATE else {}
        # Two who put the same object at the same moment are both sent away.
        self.write_request(lambda fs: put(fs, options), first_wait_s=0.2)

    def unlink(self, *, missing_ok: bool = False) -> None:
        try:
            self.request("removed", lambda fs: fs.rm_file(self.key))
        except FileNotFoundError:
            if not missing_ok:
                raise

    def write_request(self, call: Callable[[Any], object], *, first_wait_s: float) -> None:
        """Send a request that writes, again where somebody else was writing, each time after twice the wait."""
        for attempt in range(stores.TRIES):
            try:
                self.request("written", call)
            except FileNotFoundError as error:
                raise OutputError(f"{self}: cannot be written: {stores.missing_container(str(self))}") from error
            except stores.WriteConflict:
                if attempt + 1 == stores.TRIES:
                    raise
                time.sleep(first_wait_s * 2**attempt)
            else:
                return

    def request(self, action: str, call: Callable[[Any], T]) -> T:
        """What `call` returns when it is given the fsspec file system.

        Raises a FileNotFoundError, a FileExistsError, or a SimgenError: "PATH: cannot be ACTION: …".
        """
        try:
            return call(stores.filesystem(self.scheme))
        except SimgenError:
            raise
        except Exception as error:  # each back end of fsspec raises exceptions of its own
            raise stores.translate_error(str(self), action, error) from error


AnyPath = Path | RemotePath


def as_path(text: str | os.PathLike[str] | AnyPath) -> AnyPath:
    """The path that a text names; a UsageError for an address that names no folder simgen can write to."""
    if isinstance(text, Path | RemotePath):
        return text
    text = os.fspath(text)
    scheme, found, rest = text.partition("://")
    if not found:
        return Path(text)
    if scheme == "file":
        return Path(rest)
    parts = [part for part in rest.split("/") if part]
    text = without_secrets(text)
    if scheme not in EXTRAS:
        known = ", ".join(f"{name}://" for name in EXTRAS)
        raise UsageError(f"{inline(text)}: must be a folder or begin with one of {known}; got {shown(scheme)}")
    if parts and "@" in parts[0]:
        raise UsageError(
            f"{inline(text)}: an address of a store holds no user and password; log in with the store's own tools"
        )
    if not parts or {".", ".."} & set(parts) or any(mark in rest for mark in "?#*[]\\"):
        raise UsageError(f"{inline(text)}: must name a bucket and a folder in it, as in {scheme}://BUCKET/NAME")
    if scheme == "hf" and (parts[0] != "datasets" or len(parts) < 3):
        raise UsageError(f"{inline(text)}: must name a data set of the Hub, as in hf://datasets/ORG/NAME")
    return RemotePath(scheme, "/".join(parts))


def map_concurrently(folder: AnyPath, function: Callable[[T], U], items: Iterable[T]) -> Iterator[U]:
    """`map(function, items)`, in order; where `folder` is remote, in many threads at once."""
    if isinstance(folder, Path):
        yield from map(function, items)
        return
    remaining = iter(items)
    with ThreadPoolExecutor(_REQUESTS_AT_ONCE) as pool:
        while chunk := list(islice(remaining, 16 * _REQUESTS_AT_ONCE)):
            yield from pool.map(function, chunk)
