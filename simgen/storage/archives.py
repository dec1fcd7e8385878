"""An address → bytes under their hash → an unpacked folder, each there whole or not at all.

    archives/ab/ab12…           what was fetched, under its sha256
    unpacked/ab/ab12…/          the files of an archive, under the archive's sha256
    addresses/….json            which hash an address gave
    hashes/….json               hashes of local files, by path, size and time of change
    builtin/HASH/               what our own code made, under the hash of that code
    tmp/                        what is being written; renamed into place when complete

Every name in the cache is that of its content, so that many processes may fill it at once and a kill at any
moment leaves nothing that looks complete and is not.
"""

import contextlib
import fcntl
import gzip
import hashlib
import importlib.util
import io
import json
import os
import shutil
import tarfile
import tempfile
import time
import zlib
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

import fsspec

from simgen.core.errors import AssetError, inline, shown
from simgen.storage.tars import DAMAGED, Header

MAX_MEMBER_BYTES = 2 << 30
MAX_ARCHIVE_BYTES = 4 << 30
MAX_MEMBERS = 10_000
MAX_PADDING_BYTES = 64 << 20
"""Behind the last member, where some writers fill up a block."""
MAX_NAME_BYTES, MAX_PATH_BYTES = 255, 1024
MAX_FETCHED_BYTES = MAX_ARCHIVE_BYTES
PROTOCOLS = ("http", "https", "gs", "s3")

_CHUNK = 1 << 20
_STALE_S = 24 * 3600.0
_ATTEMPTS = 3


def default_cache() -> Path:
    """$SIMGEN_CACHE, or ~/.cache/simgen."""
    named = os.environ.get("SIMGEN_CACHE")
    return Path(named).expanduser().absolute() if named else Path.home() / ".cache" / "simgen"


def is_remote(address: str) -> bool:
    return "://" in address and not address.startswith("file://")


def local_path(address: str) -> Path:
    """The path that a local address names, absolute."""
    return _expanded(address.removeprefix("file://")).absolute()


def _expanded(name: str) -> Path:
    """With ~ filled in, unless it is that of a user whom nobody knows."""
    try:
        return Path(name).expanduser()
    except RuntimeError:
        return Path(name)


def is_file(path: Path) -> bool:
    """Whether a file is there; of a name that no disk can hold, too."""
    try:
        return path.is_file()
    except OSError:
        return False


def parent(address: str) -> str:
    return address.rsplit("/", 1)[0] if is_remote(address) else str(local_path(address).parent)


def join(folder: str, name: str) -> str:
    """`name` as seen from `folder`; an absolute path or an address stands for itself."""
    if "://" in name:
        return name
    if not is_remote(folder):
        return os.path.normpath(local_path(folder) / _expanded(name))
    scheme, rest = folder.split("://", 1)
    return scheme + "://" + os.path.normpath(f"{rest}/{name}") if name not in ("", ".") else folder.rstrip("/")


def hash_bytes(path: Path) -> str:
    """sha256 of a file's content."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


@dataclass(frozen=True, slots=True, kw_only=True)
class Fetched:
    """A file on this machine and the sha256 of its content."""

    path: Path
    sha256: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Cache:
    """A folder of content-addressed files. With `offline` nothing is asked of any network."""

    root: Path
    offline: bool = False

    def fetch(self, address: str, *, sha256: str = "", refresh: bool = False, command: str = "") -> Fetched:
        """The file at an address, from the cache where it is known. `command` is what fetches it, for the message."""
        if not is_remote(address):
            return self._local(local_path(address), sha256)
        known = sha256 or self.known(address)
        if known and not refresh and self._archive(known).is_file():
            return Fetched(path=self._archive(known), sha256=known)
        if self.offline:
            advice = f"fetch it once with a network: {command or 'simgen assets fetch SOURCE'}"
            raise AssetError(f"{address}: not in the cache {self.root}, and offline; {advice}")
        with self.lock(address):
            # Another process may have fetched it while this one waited.
            known = sha256 or self.known(address)
            if known and not refresh and self._archive(known).is_file():
                return Fetched(path=self._archive(known), sha256=known)
            return self._download(address, sha256)

    def fetch_optional(self, address: str, *, refresh: bool = False) -> Path | None:
        """The file at an address, or None where there is none; that it is missing is remembered too."""
        if not is_remote(address):
            path = local_path(address)
            return path if is_file(path) else None
        if (self.known(address) is None or refresh) and not self.offline:
            try:
                return self.fetch(address, refresh=True).path
            except AssetError as error:
                if not isinstance(error.__cause__, FileNotFoundError | PermissionError):
                    raise
                self._remember(address, "")
        known = self.known(address)
        return self._archive(known) if known else None

    def known(self, address: str) -> str | None:
        """The hash of what an address last gave: empty where nothing was there, None if never asked."""
        try:
            return str(json.loads(self._index(address).read_text())["sha256"])
        except (OSError, ValueError, KeyError):
            return None

    def hash_files(self, paths: Iterable[Path]) -> dict[Path, str]:
        """sha256 of local files; one that has kept its size and time of change since the last time is not read."""
        folders: dict[Path, list[Path]] = {}
        for path in paths:
            folders.setdefault(path.parent, []).append(path)
        hashes: dict[Path, str] = {}
        for folder, members in folders.items():
            memo_path = self.root / "hashes" / f"{_name(str(folder))}.json"
            try:
                memo = json.loads(memo_path.read_text())
            except (OSError, ValueError):
                memo = {}
            before = len(memo)
            for path in members:
                status = path.stat()
                seen = memo.get(path.name)
                if seen and seen[:2] == [status.st_size, status.st_mtime_ns]:
                    hashes[path] = seen[2]
                    continue
                hashes[path] = hash_bytes(path)
                memo.pop(path.name, None)
                # A file changed this very moment could change again within one tick of the clock.
                if time.time_ns() - status.st_mtime_ns > 2_000_000_000:
                    memo[path.name] = [status.st_size, status.st_mtime_ns, hashes[path]]
                    before = -1
            if len(memo) != before:
                self._write(memo_path, json.dumps(memo, sort_keys=True).encode())
        return hashes

    def unpack(self, archive: Fetched, *, check: Callable[[Path], None] = lambda folder: None) -> Path:
        """The folder of an archive's files; `check` may refuse it before anyone else can see it."""
        folder = self.unpacked(archive.sha256)
        if folder.is_dir():
            return folder
        with self.lock(archive.sha256):
            if folder.is_dir():
                return folder
            self._check_content(archive)
            with self.staging() as staging:
                files = staging / "files"
                files.mkdir()
                extract(archive.path, files)
                # Kubric knows archives with the files at the top, and others with all of them in one folder.
                entries = list(files.iterdir())
                inner = entries[0] if len(entries) == 1 and entries[0].is_dir() else files
                check(inner)
                _put_folder(inner, folder)
        return folder

    def path(self, address: str, sha256: str = "") -> Path | None:
        """Where the file of an address lies on this machine, or None if it was never fetched."""
        if not is_remote(address):
            return local_path(address) if is_file(local_path(address)) else None
        known = sha256 or self.known(address)
        return self._archive(known) if known and self._archive(known).is_file() else None

    def verify(self, archive: Fetched, folder: Path) -> None:
        """Read an archive and its unpacked files afresh; an AssetError where either is not what it was."""
        self._check_content(archive)
        with self.staging() as staging:
            extract(archive.path, staging)
            for fresh in sorted(path for path in staging.rglob("*") if path.is_file()):
                inside = fresh.relative_to(staging)
                known = folder / inside if (folder / inside).is_file() else folder.joinpath(*inside.parts[1:])
                if not known.is_file() or hash_bytes(known) != hash_bytes(fresh):
                    shutil.rmtree(folder, ignore_errors=True)
                    raise AssetError(
                        f"{known}: the unpacked copy was damaged and is deleted; it comes back when needed"
                    )

    def unpacked(self, sha256: str) -> Path:
        return self.root / "unpacked" / sha256[:2] / sha256

    def build(self, name: str, key: str, make: Callable[[Path], object]) -> Path:
        """The folder that `make` fills, made once per key."""
        folder = self.root / name / key
        if folder.is_dir():
            return folder
        with self.lock(f"{name}/{key}"):
            if folder.is_dir():
                return folder
            with self.staging() as staging:
                files = staging / "files"
                files.mkdir()
                make(files)
                _put_folder(files, folder)
        return folder

    @contextlib.contextmanager
    def staging(self) -> Iterator[Path]:
        """A new folder to write in, gone afterwards; what killed processes left a day ago is cleared away too."""
        tmp = self.root / "tmp"
        try:
            tmp.mkdir(parents=True, exist_ok=True)
            for old in tmp.iterdir():
                with contextlib.suppress(FileNotFoundError):
                    if time.time() - old.stat().st_mtime > _STALE_S:
                        shutil.rmtree(old, ignore_errors=True)
            folder = Path(tempfile.mkdtemp(dir=tmp))
            try:
                yield folder
            finally:
                shutil.rmtree(folder, ignore_errors=True)
        except OSError as error:
            raise AssetError(
                f"{self.root}: the asset cache cannot be written: {error.strerror or error}; "
                "free some space, or name another folder in SIMGEN_CACHE"
            ) from error

    @contextlib.contextmanager
    def lock(self, key: str) -> Iterator[None]:
        """Let one process at a time do the work for a key. It only saves work: renames keep the cache right without."""
        path = self.root / "locks" / f"{_name(key)[:2]}.lock"
        # A cache that cannot be written says so where it matters; some network file systems know no locks.
        with contextlib.ExitStack() as held:
            with contextlib.suppress(OSError):
                path.parent.mkdir(parents=True, exist_ok=True)
                fcntl.flock(held.enter_context(path.open("a")), fcntl.LOCK_EX)
            yield

    def _local(self, path: Path, sha256: str) -> Fetched:
        if not is_file(path):
            raise AssetError(f"{path}: no such file")
        return Fetched(path=path, sha256=sha256 or self.hash_files([path])[path])

    def _check_content(self, archive: Fetched) -> None:
        try:
            found = hash_bytes(archive.path)
        except OSError as error:
            raise AssetError(f"{archive.path}: cannot be read: {error.strerror}") from error
        if found == archive.sha256:
            return
        if archive.path == self._archive(archive.sha256):
            archive.path.unlink(missing_ok=True)
            raise AssetError(f"{archive.path}: the cached copy was damaged and is deleted; run again to fetch it anew")
        raise AssetError(
            f"{archive.path}: its sha256 is {found[:16]}…, expected {archive.sha256[:16]}…; "
            "it was changed after the manifest was written or opened: restore it, or run again with a new manifest"
        )

    def _download(self, address: str, sha256: str) -> Fetched:
        with self.staging() as staging:
            part = staging / "part"
            _retrieve(address, part)
            found = hash_bytes(part)
            if sha256 and found != sha256:
                raise AssetError(
                    f"{address}: its sha256 is {found[:16]}…, the manifest says {sha256[:16]}…; "
                    "the archive has changed or came damaged: fetch the manifest again, or tell its publisher"
                )
            target = self._archive(found)
            with part.open("rb") as stream:
                os.fsync(stream.fileno())
            target.parent.mkdir(parents=True, exist_ok=True)
            part.replace(target)
        self._remember(address, found)
        return Fetched(path=target, sha256=found)

    def _remember(self, address: str, sha256: str) -> None:
        self._write(self._index(address), json.dumps({"address": address, "sha256": sha256}).encode())

    def _index(self, address: str) -> Path:
        return self.root / "addresses" / f"{_name(address)}.json"

    def _archive(self, sha256: str) -> Path:
        return self.root / "archives" / sha256[:2] / sha256

    def _write(self, path: Path, data: bytes) -> None:
        with self.staging() as staging:
            (staging / "part").write_bytes(data)
            path.parent.mkdir(parents=True, exist_ok=True)
            (staging / "part").replace(path)


def extract(archive: Path, folder: Path) -> None:
    """Write the regular files of a tar, gzipped or not, below `folder`; an AssetError for anything else in it.

    Stricter than tarfile's "data" filter, and independent of the Python version that brings it: no links at all,
    so that no member can be written through another.
    """
    count = total = 0
    try:
        with _plain_stream(archive) as stream, tarfile.open(fileobj=stream, mode="r|", tarinfo=Header) as tar:
            for member in tar:
                target = folder / _safe_name(archive, member)
                count, total = count + 1, total + member.size
                if member.size < 0:
                    raise tarfile.TarError(f"a member of {member.size} bytes")
                if member.size > MAX_MEMBER_BYTES or total > MAX_ARCHIVE_BYTES or count > MAX_MEMBERS:
                    raise AssetError(
                        f"{archive}: {shown(member.name)} makes the archive unpack to more than simgen takes "
                        f"({MAX_ARCHIVE_BYTES >> 30} GiB, {MAX_MEMBERS} files); pack it smaller"
                    )
                if member.isdir():
                    target.mkdir(parents=True, exist_ok=True)
                    continue
                target.parent.mkdir(parents=True, exist_ok=True)
                source = tar.extractfile(member)
                assert source is not None, "a regular file has content"
                with target.open("xb") as out:
                    shutil.copyfileobj(source, out, _CHUNK)
            # The checksum of a gzip file is its last word: a cut behind the last member shows only here.
            padding = 0
            while block := stream.read(_CHUNK):
                padding += len(block)
                if padding > MAX_PADDING_BYTES:
                    raise AssetError(
                        f"{archive}: more than {MAX_PADDING_BYTES >> 20} MiB follow the last member; pack it again"
                    )
    except (*DAMAGED, zlib.error, gzip.BadGzipFile) as error:
        raise AssetError(
            f"{archive}: truncated or not a tar archive ({inline(error)}); copy or fetch it again"
        ) from error
    except (FileExistsError, NotADirectoryError, IsADirectoryError) as error:
        raise AssetError(f"{archive}: two members of the archive have one name, {inline(error.filename)}") from error
    if count == 0:
        raise AssetError(f"{archive}: the archive is empty")


def _plain_stream(archive: Path) -> gzip.GzipFile | io.BufferedReader:
    with archive.open("rb") as stream:
        zipped = stream.read(2) == b"\x1f\x8b"
    return gzip.open(archive, "rb") if zipped else archive.open("rb")


def _safe_name(archive: Path, member: tarfile.TarInfo) -> PurePosixPath:
    """The member's path below the folder; an AssetError where it is a link, a device or leads out."""
    said = shown(member.name)
    if not (member.isreg() or member.isdir()) or member.sparse is not None:
        raise AssetError(f"{archive}: {said} is a link or a device; an asset archive holds plain files only")
    name = PurePosixPath(member.name)
    if name.is_absolute() or ".." in name.parts or "\\" in member.name or "\0" in member.name:
        raise AssetError(f"{archive}: {said} would be written outside the asset's folder; do not trust this archive")
    if max(map(len, map(os.fsencode, ("", *name.parts)))) > MAX_NAME_BYTES or len(os.fsencode(name)) > MAX_PATH_BYTES:
        raise AssetError(f"{archive}: the name {said} is too long for a disk; pack it with shorter ones")
    return name


def _retrieve(address: str, target: Path) -> None:
    """Copy what is at an address to a local file, trying again where the line may have failed."""
    protocol = address.split("://", 1)[0]
    # fsspec knows dozens more, chains of them and ways to this machine's own files among them; a manifest names any.
    if protocol not in PROTOCOLS:
        raise AssetError(
            f"{inline(address)}: cannot be fetched: {shown(protocol)} is not one of {', '.join(PROTOCOLS)}; "
            "give one of these, or the path of a copy"
        )
    attempts = [candidate for candidate in _candidates(address) for _ in range(_ATTEMPTS)]
    failure: Exception = FileNotFoundError(address)
    refused: set[str] = set()
    for number, candidate in enumerate(attempts):
        if candidate in refused:
            continue
        if number:
            time.sleep(0.2 * (number % _ATTEMPTS))
        try:
            filesystem, path = fsspec.core.url_to_fs(candidate)
            filesystem.get_file(path, str(target), callback=_Limited())
            return
        except _TooLarge as error:
            raise AssetError(
                f"{address}: has more than {MAX_FETCHED_BYTES >> 30} GiB, which no asset has; give another address"
            ) from error
        except Exception as error:  # each back end of fsspec raises exceptions of its own
            failure = _classify(error, candidate)
            if not isinstance(failure, OSError) or isinstance(failure, FileNotFoundError | PermissionError):
                refused.add(candidate)
    raise AssetError(f"{address}: cannot be fetched: {failure}") from failure


class _TooLarge(Exception):
    """More comes down the line than any asset has."""


class _Limited(fsspec.callbacks.Callback):  # type: ignore[misc]
    """Ends a download that does not end by itself."""

    def relative_update(self, inc: int = 1) -> None:
        super().relative_update(inc)
        if self.value > MAX_FETCHED_BYTES:
            raise _TooLarge


def _candidates(address: str) -> list[str]:
    """Where an address can be read: a public bucket needs no Google library, its https door will do."""
    if not address.startswith("gs://"):
        return [address]
    door = "https://storage.googleapis.com/" + address.removeprefix("gs://")
    return [address, door] if importlib.util.find_spec("gcsfs") else [door]


def _classify(error: Exception, address: str) -> Exception:
    """The same failure as FileNotFoundError, PermissionError, another OSError, or ImportError, in plain words."""
    status = getattr(error, "status", None) or getattr(error, "code", None)
    host = address.split("://", 1)[1].split("/", 1)[0] if "://" in address else address
    if isinstance(error, ImportError):
        extra = "s3" if address.startswith("s3") else "gs"
        return ImportError(f"{error}; install it with: pip install 'simgen[{extra}]'")
    if isinstance(error, FileNotFoundError) or status in (404, "404"):
        return FileNotFoundError(f"nothing is there; check the address, {host} does answer")
    if isinstance(error, PermissionError) or status in (401, 403, "401", "403"):
        return PermissionError(f"{host} refuses access; log in there, or use a copy on your own disk")
    if isinstance(error, ValueError):
        return ValueError(f"{error}")
    return ConnectionError(
        f"{host} does not answer as it should ({type(error).__name__}: {error}); "
        "check the network, or give the path of a copy"
    )


def _put_folder(staging: Path, folder: Path) -> None:
    """Move a complete folder to its name; where another process was first, theirs stays."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    try:
        staging.rename(folder)
    except OSError:
        if not folder.is_dir():
            raise


def _name(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:40]
