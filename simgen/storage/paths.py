"""Where a data set lies: a folder, or an address on an object store with as much of a Path as a data set needs.

`place("out/all")` is a Path, `place("s3://bucket/all")` an Address; both go by the name of Place. On a store an object
appears whole or not at all, a folder is a common beginning of names, and every call is a request: what is asked for in
bulk is asked for at once, with `each`.
"""

import contextlib
import errno
import importlib
import json
import logging
import os
import secrets
import socket
import tempfile
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import lru_cache
from itertools import islice
from pathlib import Path, PurePosixPath
from typing import Any, TypeVar

from simgen.core.errors import EnvironmentProblem, OutputError, SimgenError, UsageError, inline, shown

EXTRAS = {"s3": "s3", "gs": "gs", "hf": "train"}
"""What to install for an address; the keys are all there are."""
_AT_ONCE = 16
_TRIES = 6
"""Of a request that the store answers with 5xx or not at all, 20 seconds apart at most."""
_CONNECT_S, _READ_S = 10, 60
_PART_BYTES = 50 << 20

T = TypeVar("T")
U = TypeVar("U")


@dataclass(frozen=True, slots=True, order=True)
class Address:
    """An object on a store, or a folder of them."""

    scheme: str
    key: str
    """Bucket and name without a slash at either end; `datasets/ORG/NAME/…` on the Hub."""

    def __str__(self) -> str:
        return f"{self.scheme}://{self.key}"

    def __truediv__(self, name: str) -> "Address":
        return Address(self.scheme, f"{self.key}/{name}")

    @property
    def name(self) -> str:
        return self.key.rpartition("/")[2]

    @property
    def stem(self) -> str:
        return PurePosixPath(self.key).stem

    @property
    def parent(self) -> "Address":
        return Address(self.scheme, self.key.rpartition("/")[0])

    def absolute(self) -> "Address":
        return self

    def is_file(self) -> bool:
        try:
            return bool(self._ask("read", lambda fs: fs.info(self.key))["type"] == "file")
        except FileNotFoundError:
            return False

    def is_dir(self) -> bool:
        return bool(self.listed())

    def listed(self) -> dict[str, bool]:
        """The names in a folder, and of each whether it is a file; empty where there is nothing."""
        try:
            found = self._ask("listed", lambda fs: fs.ls(self.key, detail=True, refresh=True))
        except FileNotFoundError:
            return {}
        # Some programs put an empty object where the folder is.
        entries = {entry["name"].rstrip("/").removeprefix(f"{self.key}/"): entry["type"] == "file" for entry in found}
        return {name: is_file for name, is_file in entries.items() if name and "/" not in name}

    def size(self) -> int:
        return int(self._ask("read", lambda fs: fs.info(self.key))["size"])

    def read(self, offset: int = 0, size: int = -1) -> bytes:
        """The bytes, or the `size` of them that begin at `offset`: one request."""
        if size == 0:
            return b""
        if offset or size > 0:
            return self._ask("read", lambda fs: self._range(fs, offset, offset + size if size > 0 else None))
        # s3fs asks for the length first, in case it were worth several connections.
        options = {"max_concurrency": 1} if self.scheme == "s3" else {}
        return bytes(self._ask("read", lambda fs: fs.cat_file(self.key, **options)))

    def _range(self, fs: Any, start: int, end: int | None) -> bytes:
        try:
            return bytes(fs.cat_file(self.key, start=start, end=end))
        except OSError as error:
            if _code(error) in ("416", "InvalidRange"):
                return b""
            raise

    def write(self, data: bytes, *, create: bool = False) -> None:
        """Put an object; with `create`, a FileExistsError where there is one."""
        self._put(create, lambda fs, options: fs.pipe_file(self.key, data, **options))

    def upload(self, file: Path, *, create: bool = False) -> None:
        """The same with what is in a file of this machine."""
        # What has more than two parts is sent in parts.
        parts = {"chunksize": _PART_BYTES} if self.scheme in _CREATES else {}
        self._put(create, lambda fs, options: fs.put_file(str(file), self.key, **parts, **options))

    def _put(self, create: bool, put: Callable[[Any, dict[str, Any]], object]) -> None:
        options = {"mode": "create"} if create and self.scheme in _CREATES else {}
        for attempt in range(_TRIES):
            try:
                self._ask("written", lambda fs: put(fs, options))
            except FileNotFoundError as error:
                raise OutputError(f"{self}: cannot be written: there is no {_home(self)}; make it first") from error
            except _Conflict:
                # Two who put the same object at the same moment are both sent away.
                if attempt + 1 == _TRIES:
                    raise
                time.sleep(0.2 * 2**attempt)
            else:
                return

    def unlink(self, *, missing_ok: bool = False) -> None:
        try:
            self._ask("removed", lambda fs: fs.rm_file(self.key))
        except FileNotFoundError:
            if not missing_ok:
                raise

    def _ask(self, done: str, request: Callable[[Any], T]) -> T:
        """A FileNotFoundError, a FileExistsError, or whatever else went wrong in one sentence."""
        try:
            return request(_filesystem(self.scheme))
        except SimgenError:
            raise
        except Exception as error:  # each back end of fsspec raises exceptions of its own
            raise _translated(self, done, error) from error


Place = Path | Address
_CREATES = ("s3", "gs")
"""Stores that put an object only where there is none."""


def place(text: str | os.PathLike[str] | Place) -> Place:
    """The folder or address that somebody has named."""
    if isinstance(text, Path | Address):
        return text
    text = os.fspath(text)
    scheme, found, rest = text.partition("://")
    if not found:
        return Path(text)
    if scheme == "file":
        return Path(rest)
    parts = [part for part in rest.split("/") if part]
    if scheme not in EXTRAS:
        known = ", ".join(f"{name}://" for name in EXTRAS)
        raise UsageError(f"{inline(text)}: must be a folder or begin with one of {known}; got {shown(scheme)}")
    if not parts or {".", ".."} & set(parts) or any(mark in rest for mark in "?#*[]\\"):
        raise UsageError(f"{inline(text)}: must name a bucket and a folder in it, as in {scheme}://BUCKET/NAME")
    if scheme == "hf" and (parts[0] != "datasets" or len(parts) < 3):
        raise UsageError(f"{inline(text)}: must name a data set of the Hub, as in hf://datasets/ORG/NAME")
    return Address(scheme, "/".join(parts))


def each(where: Place, do: Callable[[T], U], items: Iterable[T]) -> Iterator[U]:
    """`map`, with many requests under way at once where the data set is far away."""
    if isinstance(where, Path):
        yield from map(do, items)
        return
    waiting = iter(items)
    with ThreadPoolExecutor(_AT_ONCE) as pool:
        while some := list(islice(waiting, 16 * _AT_ONCE)):
            yield from pool.map(do, some)


def upload_together(files: Sequence[tuple[Path, Address]], check: Callable[[], object]) -> bool:
    """Put the files of a shard, the last one as its commit; False where somebody else has committed it meanwhile.

    On the Hub that is one commit. Elsewhere one object comes after the other: `check` raises where the run that we
    belong to has lost the data set, and nothing that stands there is replaced by those who have.
    """
    if files[0][1].scheme == "hf":
        _hub_commit(files)
        return True
    for number, (file, address) in enumerate(files, start=1):
        check()
        try:
            address.upload(file, create=True)
        except FileExistsError:
            # Left by a worker of ours that died over the same shard, or put by a run that is long over.
            check()
            if number == len(files):
                return False
            address.upload(file)
    return True


def abandon_uploads(folder: Address) -> None:
    """Drop the parts of large objects that killed runs were uploading: nobody sees them, and they are paid for."""
    if folder.scheme != "s3":
        return
    bucket, _, prefix = folder.key.partition("/")

    def drop(fs: Any) -> None:
        found = fs.call_s3("list_multipart_uploads", Bucket=bucket, Prefix=f"{prefix}/" if prefix else "")
        for upload in found.get("Uploads", []):
            fs.call_s3("abort_multipart_upload", Bucket=bucket, Key=upload["Key"], UploadId=upload["UploadId"])

    # Whoever may not list them, or whose store does not know them, has a rule of the bucket for that.
    with contextlib.suppress(SimgenError, FileNotFoundError):
        folder._ask("listed", drop)


# Who may write.

LEASE_S, _BEAT_S, _GRACE_S = 60.0, 15.0, 2.0


@contextlib.contextmanager
def lease(lock: Address, notes: Path) -> Iterator[str]:
    """Hold the object `lock` while the block runs; yields what stands in it.

    It is put only where there is none, and renewed while we live. One that is not renewed for a minute, as this
    process sees it, is of a run that was killed; one whose notes lie in our folder `notes`, which we hold, at once.
    """
    if lock.scheme not in _CREATES:
        yield ""
        return
    token = secrets.token_hex(8)
    told = {"run": token, "host": socket.gethostname(), "notes": _identity(notes), "beat": 0}
    _take(lock, told)
    over = threading.Event()
    beating = threading.Thread(target=_renew, args=(lock, told, over), daemon=True)
    beating.start()
    try:
        yield token
    finally:
        over.set()
        # It may be asking a store that does not answer any more.
        beating.join(timeout=5.0)
        with contextlib.suppress(SimgenError, FileNotFoundError):
            if _holder(lock).get("run") == token:
                lock.unlink(missing_ok=True)


def check_lease(lock: Address, token: str) -> None:
    """An OutputError where another run has the lock by now."""
    if lock.scheme in _CREATES and _holder(lock).get("run") != token:
        raise OutputError(f"{lock.parent.parent}: another simgen has taken it over; stop that, or leave it to finish")


def _take(lock: Address, told: dict[str, Any]) -> None:
    patience = time.monotonic() + LEASE_S
    first: dict[str, Any] | None = None
    told_waiting = False
    while not _created(lock, told):
        holder = _holder(lock)
        if first is None:
            first = holder
        if holder and holder != first:
            who = inline(holder.get("host", "another machine"))
            raise OutputError(
                f"{lock.parent.parent}: another simgen is writing into it, on {who}; wait for it or stop it"
            )
        if not holder or holder.get("notes") == told["notes"] or time.monotonic() > patience:
            lock.unlink(missing_ok=True)
        else:
            if not told_waiting:
                told_waiting = True
                logging.getLogger(__name__).warning(
                    "simgen: %s: another simgen was writing into it, on %s; taking over in a minute unless it goes on",
                    *(lock.parent.parent, inline(holder.get("host", "another machine"))),
                )
            time.sleep(1.0)
    if first is not None:
        # What its workers had under way arrives or fails before anything of ours is there.
        time.sleep(_GRACE_S)
        check_lease(lock, told["run"])


def _created(lock: Address, told: dict[str, Any]) -> bool:
    try:
        lock.write(json.dumps(told).encode(), create=True)
    except FileExistsError:
        # Of ours it is when only the answer was lost.
        return bool(_holder(lock).get("run") == told["run"])
    return True


def _holder(lock: Address) -> dict[str, Any]:
    try:
        found = json.loads(lock.read())
    except (FileNotFoundError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}


def _renew(lock: Address, told: dict[str, Any], over: threading.Event) -> None:
    while not over.wait(_BEAT_S):
        # A store that does not answer now may do so at the next beat; workers look for themselves.
        with contextlib.suppress(SimgenError):
            if _holder(lock).get("run") != told["run"]:
                return
            told["beat"] += 1
            lock.write(json.dumps(told).encode())


def _identity(notes: Path) -> str:
    """Of a folder of this machine: the same only for those who see the same folder. Not its inode: a run whose store
    has gone away leaves its lock there and no folder here."""
    boot = Path("/proc/sys/kernel/random/boot_id")
    machine = boot.read_text().strip() if boot.exists() else socket.gethostname()
    return f"{machine}:{notes.stat().st_dev}:{notes.resolve()}"


def unlinked_file() -> Any:
    """A file without a name, for what is to be uploaded: however we end, nothing of it stays."""
    try:
        return tempfile.TemporaryFile()
    except OSError as error:
        raise OutputError(
            f"{tempfile.gettempdir()}: cannot be written ({error.strerror}); name another folder in TMPDIR"
        ) from error


# The stores.


@lru_cache
def _filesystem(scheme: str) -> Any:
    """Nothing is listed from memory: other processes write there. What fails is tried again so often and no more."""
    options: dict[str, Any] = {"use_listings_cache": False, "skip_instance_cache": True}
    if scheme == "s3":
        retries = {"mode": "standard", "total_max_attempts": _TRIES}
        options["config_kwargs"] = {
            # Whoever has set them for all programs of the machine knows why.
            **({} if "AWS_MAX_ATTEMPTS" in os.environ else {"retries": retries}),
            "connect_timeout": _CONNECT_S,
            "read_timeout": _READ_S,
        }
    if scheme == "hf":
        return importlib.import_module("huggingface_hub").HfFileSystem(**options)
    filesystem = importlib.import_module("fsspec").filesystem(scheme, **options)
    if scheme == "s3":
        # Its own tries are for lines that break off in the middle of an answer, and multiply with those above.
        filesystem.retries = 2
    return filesystem


def _hub_commit(files: Sequence[tuple[Path, Address]]) -> None:
    """One commit of the repository, so that a shard is there with all its files."""
    first = files[0][1]

    def commit(fs: Any) -> None:
        hub = importlib.import_module("huggingface_hub")
        resolved = [fs.resolve_path(address.key) for _, address in files]
        fs._api.create_commit(
            repo_id=resolved[0].repo_id,
            repo_type=resolved[0].repo_type,
            revision=resolved[0].revision,
            operations=[
                hub.CommitOperationAdd(path_in_repo=there.path_in_repo, path_or_fileobj=str(file))
                for there, (file, _) in zip(resolved, files, strict=True)
            ],
            commit_message=f"{first.parent.name}/{first.stem}",
        )

    for attempt in range(_TRIES):
        try:
            first._ask("written", commit)
        except FileNotFoundError as error:
            raise OutputError(f"{first}: cannot be written: there is no {_home(first)}; make it first") from error
        except _Conflict:
            if attempt + 1 == _TRIES:
                raise
            time.sleep(2.0**attempt)
        else:
            return


class _Conflict(OutputError):
    """Somebody else was at the same object; once more may do."""


def _home(address: Address) -> str:
    if address.scheme == "hf":
        return f"repository {'/'.join(address.key.split('/')[1:3])}"
    return f"bucket {address.key.partition('/')[0]}"


def _translated(address: Address, done: str, error: Exception) -> Exception:
    """What has gone wrong, whatever the store calls it."""
    code = _code(error)
    where = f"{address}: cannot be {done}"
    if isinstance(error, ImportError):
        extra = EXTRAS[address.scheme]
        return EnvironmentProblem(f"{address}: {inline(error)}; install it with: pip install 'simgen[{extra}]'")
    if code == "NoSuchBucket" or "RepositoryNotFound" in type(error).__name__:
        return OutputError(f"{where}: there is no {_home(address)}; make it first, or correct the address")
    if isinstance(error, FileExistsError) or code in ("412", "PreconditionFailed"):
        return FileExistsError(errno.EEXIST, "is there already", str(address))
    if isinstance(error, FileNotFoundError) or code in ("404", "NoSuchKey"):
        return FileNotFoundError(errno.ENOENT, "No such file or directory", str(address))
    if code in ("409", "ConditionalRequestConflict"):
        return _Conflict(f"{where}: others write there at the same moment; run the same command again")
    if type(error).__name__ in _NO_CREDENTIALS:
        return OutputError(f"{where}: nobody is logged in ({inline(error)}); {_LOG_IN[address.scheme]}")
    if isinstance(error, PermissionError) or code in ("401", "403"):
        return OutputError(f"{where}: access is refused ({inline(error)}); {_LOG_IN[address.scheme]}")
    kind = "" if type(error) is OSError else f"{type(error).__name__}: "
    return OutputError(
        f"{where}: the store does not answer as it should ({kind}{inline(error)}); once it does, run the same command "
        "again"
    )


_NO_CREDENTIALS = (
    *("NoCredentialsError", "PartialCredentialsError", "ProfileNotFound", "TokenRetrievalError"),
    *("DefaultCredentialsError", "RefreshError", "LocalTokenNotFoundError"),
)
_LOG_IN = {
    "s3": "set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or AWS_PROFILE, to those of somebody who may",
    "gs": "run `gcloud auth application-default login` as somebody who may, or set GOOGLE_APPLICATION_CREDENTIALS",
    "hf": "run `hf auth login` as somebody who may, or set HF_TOKEN",
}


def _code(error: BaseException | None) -> str:
    """The store's own word for it, or the status of the answer; empty where there was none."""
    while error is not None:
        response = getattr(error, "response", None)
        if isinstance(response, dict):
            return str(response.get("Error", {}).get("Code", ""))
        for found in (getattr(response, "status_code", None), getattr(error, "code", None)):
            if isinstance(found, int | str) and found:
                return str(found)
        error = error.__cause__
    return ""
