"""A cache of files under the hash of their content: what addresses gave, and the folders unpacked from it.

    archives/ab/ab12…           a fetched file, under its sha256
    unpacked/ab/ab12…/          the files of an archive, under the archive's sha256
    checked/ab/ab12…-34cd…      marks of archives whose files were looked at, with the rules of that look
    addresses/….json            which hash an address gave
    hashes/….json               hashes of local files, by path, size and time of change
    builtin/HASH/               what simgen's own code made, under the hash of that code
    tmp/                        what is being written; renamed into place when complete

Every name in the cache is that of its content, so that many processes may fill it at once and a kill at any
moment leaves nothing that looks complete and is not.
"""

import contextlib
import hashlib
import json
import os
import shutil
import stat
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from simgen.core.errors import AssetError
from simgen.storage.archives import extract
from simgen.storage.fetch import download
from simgen.storage.locks import wait_for_lock
from simgen.storage.urls import admit, is_file, is_remote, local_path, without_secrets

_STALE_S = 24 * 3600.0


def default_cache() -> Path:
    """$SIMGEN_CACHE, or ~/.cache/simgen, or where that cannot be written a temporary folder."""
    named = os.environ.get("SIMGEN_CACHE")
    return Path(named).expanduser().absolute() if named else _home_cache()


@lru_cache
def _home_cache() -> Path:
    try:
        folder = Path.home() / ".cache" / "simgen"
        folder.mkdir(parents=True, exist_ok=True)
        # What is there already may be all that is needed.
        if os.access(folder, os.W_OK) or any(folder.iterdir()):
            return folder
        trouble = f"{folder} cannot be written"
    except RuntimeError:
        trouble = "this user has no home folder"
    except OSError as error:
        trouble = f"{error.filename} cannot be written ({error.strerror})"
    substitute = Path(tempfile.gettempdir()) / f"simgen-cache-{os.getuid()}"
    try:
        substitute.mkdir(mode=0o700, exist_ok=True)
        status = substitute.lstat()
        if not stat.S_ISDIR(status.st_mode) or status.st_uid != os.getuid() or status.st_mode & 0o022:
            raise AssetError(f"{substitute}: is not this user's alone; name a folder for the cache in SIMGEN_CACHE")
    except OSError as error:
        raise AssetError(
            f"{trouble}, and {substitute} neither ({error.strerror}); name a folder for the cache in SIMGEN_CACHE"
        ) from error
    said = f"simgen: {trouble}: the cache is {substitute}; name a folder that lasts in SIMGEN_CACHE"
    print(said, file=sys.stderr)
    return substitute


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
        address = admit(address)
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
        address = admit(address)
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
        """The sha256 of what an address last gave: empty where nothing was there, None if never asked."""
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
                hashes[path] = _file_sha256(path)
                memo.pop(path.name, None)
                # A file changed this very moment could change again within one tick of the clock.
                if time.time_ns() - status.st_mtime_ns > 2_000_000_000:
                    memo[path.name] = [status.st_size, status.st_mtime_ns, hashes[path]]
                    before = -1
            if len(memo) != before:
                self._write(memo_path, json.dumps(memo, sort_keys=True).encode())
        return hashes

    def unpack(self, archive: Fetched, *, check: Callable[[Path], None] = lambda folder: None, rules: str = "") -> Path:
        """The folder of an archive's files; `check` may refuse it before anyone else can see it. What was unpacked
        under other `rules` is checked again."""
        folder = self.unpacked(archive.sha256)
        mark = self.root / "checked" / archive.sha256[:2] / f"{archive.sha256}-{_name(rules)[:16]}"
        if folder.is_dir():
            if rules and not mark.is_file():
                check(folder)
                self._mark(mark)
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
        if rules:
            self._mark(mark)
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
                if not known.is_file() or _file_sha256(known) != _file_sha256(fresh):
                    shutil.rmtree(folder, ignore_errors=True)
                    raise AssetError(
                        f"{known}: the unpacked copy was damaged and is deleted; it comes back when needed"
                    )

    def unpacked(self, sha256: str) -> Path:
        """Where the unpacked files of an archive lie, or would lie."""
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

    def lock(self, key: str) -> contextlib.AbstractContextManager[None]:
        """Let one process at a time do the work for a key. It only saves work: renames keep the cache right without."""
        return wait_for_lock(self.root / "locks" / f"{_name(key)[:2]}.lock")

    def _local(self, path: Path, sha256: str) -> Fetched:
        if not is_file(path):
            raise AssetError(f"{path}: no such file")
        return Fetched(path=path, sha256=sha256 or self.hash_files([path])[path])

    def _check_content(self, archive: Fetched) -> None:
        try:
            found = _file_sha256(archive.path)
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
            download(address, part)
            found = _file_sha256(part)
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
        self._write(self._index(address), json.dumps({"address": without_secrets(address), "sha256": sha256}).encode())

    def _index(self, address: str) -> Path:
        return self.root / "addresses" / f"{_name(without_secrets(address))}.json"

    def _archive(self, sha256: str) -> Path:
        return self.root / "archives" / sha256[:2] / sha256

    def _mark(self, mark: Path) -> None:
        """Remember that a folder was checked; where the cache cannot be written, it is checked again next time."""
        with contextlib.suppress(OSError):
            mark.parent.mkdir(parents=True, exist_ok=True)
            mark.touch()

    def _write(self, path: Path, data: bytes) -> None:
        with self.staging() as staging:
            (staging / "part").write_bytes(data)
            path.parent.mkdir(parents=True, exist_ok=True)
            (staging / "part").replace(path)


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


def _file_sha256(path: Path) -> str:
    """sha256 of a file's content."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()
