"""Copy some files of a folder that is far away (http, https, s3, gs, hf and whatever else fsspec knows) into a local
cache, or list them there to read them in place."""

import errno
import hashlib
import json
import secrets
import time
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import fsspec

from simgen.core.errors import EnvironmentProblem, OutputError
from simgen.storage.files import read_json, write_file
from simgen.storage.locks import wait_for_lock
from simgen.storage.resources import how_to_install
from simgen.storage.urls import (
    admit,
    admit_beside,
    http_request,
    is_remote,
    name_of,
    scrub,
    with_secrets,
    without_secrets,
)

ListNames = Callable[[str], list[str]]
"""Lists a folder, given as its path inside the address ("" for the address itself): the sorted names in it."""
Choose = Callable[[ListNames], Iterable[str]]
"""Chooses files by listing folders: returns the path of each wanted file inside the address, as "train/00000.tar"."""

_ATTEMPTS = 3
_DOWNLOADS = 8


def mirror(address: str, choose: Choose, *, cache: Path, name: str) -> tuple[Path, ...]:
    """Copy the files that `choose` picks at an address into a folder of `cache`; returns the copies' paths, sorted.

    `name` tells several choices at one address apart ("train", "test"); they share the folder, and a file that both
    choose is copied once. The folder is `cache/HASH_OF_THE_ADDRESS`; a slash at the end of the address does not matter.

    - Each copy appears whole or not at all. Its size is checked against what the address announces, if it does so.
    - Several files are copied at once, each tried a few times. What an interrupted run has copied is not copied again.
    - One process at a time copies; others wait and find the finished copy.
    - A complete copy is recorded in `NAME.json` in the folder. As long as all its files are there with their sizes,
      neither `choose` nor the network is asked again, whatever has changed at the address: delete the folder to take
      what is new.

    Raises an OutputError (nothing there, access refused, no answer, no room, a cache that cannot be written), or an
    EnvironmentProblem that names the extra to install. What `choose` raises passes through.
    """
    address = admit(address)
    folder = cache / hashlib.sha256(address.rstrip("/").encode()).hexdigest()[:16]
    record = folder / f"{name}.json"
    with wait_for_lock(folder / ".lock"):
        sizes = _complete(record)
        if sizes is None:
            sizes = _copy(address, choose, folder)
            write_file(record, json.dumps({"address": address, "files": sizes}).encode())
    return tuple(folder / file for file in sorted(sizes))


def list_urls(address: str, choose: Choose) -> tuple[str, ...]:
    """The URLs of the files that `choose` picks at an address, in its order, for `open_url`; errors as in `mirror`."""
    address = admit(address)
    filesystem, entries = _chosen(address, choose)
    return tuple(admit_beside(filesystem.unstrip_protocol(entry["name"]), address) for entry in entries.values())


def open_url(url: str) -> Any:
    """A context manager: the open binary file at a URL or local path, to be read from its beginning to its end.

    Each store raises exceptions of its own when it is opened and read; `read_error` puts them in words.
    """
    return fsspec.open(with_secrets(url), "rb")


def read_error(address: str, error: Exception) -> OutputError | EnvironmentProblem:
    """The error for a user where reading at an address has raised `error`, whatever the store calls it."""
    status = getattr(error, "status", None)
    address = without_secrets(address)
    if isinstance(error, ImportError):
        extra = {"s3": "s3", "gs": "gs"}.get(address.partition("://")[0], "train")
        return EnvironmentProblem(f"{address}: {error}; to install it, {how_to_install(extra)}")
    if getattr(error, "errno", None) in (errno.ENOSPC, errno.EDQUOT):
        return OutputError(f"{address}: no room for a copy; free some space, or name another folder in SIMGEN_CACHE")
    if isinstance(error, FileNotFoundError) or status == 404:
        return OutputError(f"{address}: nothing is there; check the address")
    if isinstance(error, PermissionError) or status in (401, 403):
        return OutputError(f"{address}: access is refused; log in there, or give the folder of a copy")
    return OutputError(
        f"{address}: cannot be read ({type(error).__name__}: {scrub(str(error))}); check the network, or give the "
        "folder of a copy"
    )


def _complete(record: Path) -> dict[str, int] | None:
    """The files of a copy with their sizes, if it was finished and all of them are still there."""
    try:
        sizes: dict[str, int] = read_json(record)["files"]
        complete = all((record.parent / name).stat().st_size == size for name, size in sizes.items())
    except (OutputError, OSError, KeyError, AttributeError):
        return None
    return sizes if complete else None


def _copy(address: str, choose: Choose, folder: Path) -> dict[str, int]:
    """Copy what is chosen into a folder, each file whole or not at all; returns their sizes."""
    filesystem, entries = _chosen(address, choose)

    def copy_one(name: str) -> int:
        entry = entries[name]
        size = entry.get("size")
        if size is None:
            # A web server's list has no sizes.
            size = filesystem.info(entry["name"]).get("size")
        _download(filesystem, entry["name"], folder / name, size)
        return (folder / name).stat().st_size

    pool = ThreadPoolExecutor(_DOWNLOADS)
    try:
        return dict(zip(entries, pool.map(copy_one, entries), strict=True))
    except (OutputError, EnvironmentProblem):
        raise
    except Exception as error:  # each back end of fsspec raises exceptions of its own
        raise read_error(address, error) from error
    finally:
        # After an error, or Ctrl-C, what is under way is finished and nothing more begun.
        pool.shutdown(cancel_futures=True)


def _chosen(address: str, choose: Choose) -> tuple[Any, dict[str, dict[str, Any]]]:
    """The file system of an address, and its entry for each file that is chosen."""
    try:
        if address.startswith(("http://", "https://")):
            root, options = http_request(address)
            root, filesystem = root.rstrip("/"), fsspec.filesystem("http", **options)
        else:
            filesystem, root = fsspec.core.url_to_fs(with_secrets(address).rstrip("/"))
        filesystem.invalidate_cache()
    except Exception as error:  # as above
        raise read_error(address, error) from error
    folders: dict[str, dict[str, dict[str, Any]]] = {}

    def entries_of(folder: str) -> dict[str, dict[str, Any]]:
        if folder not in folders:
            try:
                found = filesystem.ls(f"{root}/{folder}".rstrip("/"), detail=True)
            except Exception as error:  # as above
                raise read_error(address, error) from error
            folders[folder] = {_name(entry["name"]): entry for entry in found}
        return folders[folder]

    chosen: dict[str, dict[str, Any]] = {}
    for path in choose(lambda folder: sorted(entries_of(folder))):
        folder, _, name = path.rpartition("/")
        if ".." in path.split("/") or name not in entries_of(folder):
            raise OutputError(f"{address.rstrip('/')}/{path}: nothing is there; check the address")
        chosen[path] = entries_of(folder)[name]
    return filesystem, chosen


def _name(address: str) -> str:
    """The last part of what a store lists; a web server may list links with a query."""
    return (name_of(address) if is_remote(address) else address).rstrip("/").rpartition("/")[2]


def _download(filesystem: Any, source: str, target: Path, size: int | None) -> None:
    """Copy a file, or leave it where an interrupted run has copied it before."""
    if size is not None and target.is_file() and target.stat().st_size == size:
        return
    temporary = target.with_name(f".{target.name}.{secrets.token_hex(4)}.tmp")
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        temporary.touch()
    except OSError as error:
        raise OutputError(f"{target.parent}: {error.strerror}; name a folder for copies in SIMGEN_CACHE") from error
    try:
        for attempt in range(_ATTEMPTS):
            try:
                filesystem.get_file(source, str(temporary))
                break
            except Exception as error:  # as above
                if attempt + 1 == _ATTEMPTS or isinstance(error, FileNotFoundError | PermissionError):
                    raise read_error(source, error) from error
                time.sleep(0.2 * (attempt + 1))
        got = temporary.stat().st_size
        if size is not None and got != size:
            raise OutputError(
                f"{without_secrets(source)}: {got} of {size} bytes came; run the same command again, it goes on there"
            )
        temporary.replace(target)
    finally:
        temporary.unlink(missing_ok=True)
