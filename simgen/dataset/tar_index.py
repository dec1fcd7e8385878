"""Which tars of a folder count, and what lies where in each: as its index says, or as its headers do.

A folder that `simgen generate` wrote has an index and statistics beside each tar. A folder of plain webdataset tars has
neither: the headers are read once, and the index is kept in a cache.
"""

import contextlib
import hashlib
import json
import os
import re
import tarfile
from collections.abc import Callable, Collection, Iterable
from pathlib import Path
from typing import TypeAlias

from simgen.core.assets import Split
from simgen.core.errors import OutputError, inline
from simgen.dataset.layout import SPLITS, parse_name, part_path
from simgen.storage.files import read_json, write_file
from simgen.storage.tars import DAMAGED, Header

Index: TypeAlias = dict[str, dict[str, tuple[int, int]]]
"""key → member → (offset, size) in a tar, in bytes."""
ListNames: TypeAlias = Callable[[str], Collection[str]]

MEMBER_NAME = re.compile(r"((?:.*/)?[^./]+)\.([^/]*)")
"""A name in a tar: key and member, parted at the first dot, as webdataset does."""
_BLOCK = tarfile.BLOCKSIZE


def find_tars(place: str, split: Split, list_names: ListNames) -> tuple[str, ...]:
    """The tars of a place that count, as paths inside it; `list_names` lists a folder of it, "" for
    itself. Where there is no folder train/ or test/, all tars are for training."""
    top = list_names("")
    if not set(top) & set(SPLITS):
        tars = _counted(place, top)
        if not tars:
            raise OutputError(f"{place}: holds no samples (no folder train/ or test/, no .tar); check its name")
        return tars if split == "train" else ()
    tars = _counted(f"{place}/{split}", list_names(split)) if split in top else ()
    if not tars and split == "train":
        raise OutputError(f"{place}: holds no samples to train on (no shard in train/); let `simgen generate` go on")
    return tuple(f"{split}/{tar}" for tar in tars)


def _counted(place: str, found: Collection[str]) -> tuple[str, ...]:
    """The tars of a folder: those with a commit, or where there is no commit at all, as when only the tars were
    downloaded, all of them."""
    parsed = [parse_name(name) for name in found]
    numbers = sorted(part[0] for part in parsed if part is not None and part[1] == "_stats.json")
    if not numbers:
        return tuple(sorted(name for name in found if name.endswith(".tar") and not name.startswith(".")))
    tars = tuple(part_path(Path(), number, ".tar").name for number in numbers)
    for tar in tars:
        if tar not in found:
            raise OutputError(f"{place}/{tar}: is missing, its {stats_name(tar)} is there; copy the tar as well")
    return tars


def stats_name(tar: str) -> str:
    return tar.removesuffix(".tar") + "_stats.json"


def index_name(tar: str) -> str:
    return tar.removesuffix(".tar") + ".idx.json"


def open_index(tar: Path, descriptor: int, cache: Path) -> tuple[str, Index]:
    """What identifies the content of a tar, and its index. A tar that is cut off is an OutputError."""
    size = os.fstat(descriptor).st_size
    stats_path = tar.with_name(stats_name(tar.name))
    if not stats_path.exists():
        index = _index(tar, descriptor, cache)
        described = json.dumps([tar.name, size, index], sort_keys=True)
        return hashlib.sha256(described.encode()).hexdigest(), index
    stats = read_json(stats_path)
    try:
        expected, fingerprint = int(stats["files"][tar.name]["bytes"]), str(stats["sha256"])
    except (KeyError, TypeError, ValueError) as error:
        raise OutputError(f"{stats_path}: is damaged ({error!r} is not there); see `simgen verify`") from error
    if size != expected:
        raise OutputError(
            f"{tar}: has {size} bytes, its {stats_path.name} says {expected}; "
            "it is cut off or was changed: copy it again, or see `simgen verify`"
        )
    return fingerprint, _index(tar, descriptor, cache)


def _index(tar: Path, descriptor: int, cache: Path) -> Index:
    """Read off the file beside the tar, or off the headers in the tar where that is missing or of another tar."""
    beside = _fitting(tar.with_name(index_name(tar.name)), tar, descriptor)
    if beside is not None:
        return beside
    status = os.fstat(descriptor)
    identity = f"{tar.resolve()} {status.st_size} {status.st_mtime_ns}"
    kept_path = cache / "index" / f"{hashlib.sha256(identity.encode()).hexdigest()[:40]}.json"
    kept = _fitting(kept_path, tar, descriptor)
    if kept is not None:
        return kept
    index = _scan(tar, descriptor)
    # A cache that cannot be written costs time at the next opening, nothing else.
    with contextlib.suppress(OutputError):
        write_file(kept_path, json.dumps({"tar": tar.name, "samples": index}).encode())
    return index


def _fitting(path: Path, tar: Path, descriptor: int) -> Index | None:
    """The index in a file, if there is one and the tar's last member and end are where it says."""
    if not path.is_file():
        return None
    try:
        found = read_json(path)
        index = {
            str(key): {str(name): (int(span[0]), int(span[1])) for name, span in members.items()}
            for key, members in found["samples"].items()
        }
        offset, size, name = max(
            (offset, size, f"{key}.{name}")
            for key, members in index.items()
            for name, (offset, size) in members.items()
        )
        header = os.pread(descriptor, _BLOCK, offset - _BLOCK)
        info = tarfile.TarInfo.frombuf(header, "utf-8", "surrogateescape")
        end = os.pread(descriptor, _BLOCK, offset + -(-size // _BLOCK) * _BLOCK)
        # Memory is made ready for all that is asked for, however little is there.
        length = os.fstat(descriptor).st_size
        inside = all(0 <= at <= at + many <= length for members in index.values() for at, many in members.values())
    except (OutputError, *DAMAGED, OSError, AttributeError, TypeError):
        return None
    fits = inside and (found.get("tar"), info.name, info.size, end) == (tar.name, name, size, bytes(_BLOCK))
    return index if fits else None


def _scan(tar: Path, descriptor: int) -> Index:
    """The index of a tar, from one header to the next."""
    index: Index = {}
    try:
        with tarfile.open(tar, "r:", tarinfo=Header) as headers:
            for info in headers:
                match = MEMBER_NAME.fullmatch(info.name)
                if match is None or not info.isfile():
                    continue
                key, name = match[1], match[2].lower()
                if name in index.setdefault(key, {}):
                    raise OutputError(f"{tar}: holds {info.name} twice; write the tar again with one of each")
                index[key][name] = (info.offset_data, info.size)
            # tarfile takes a file that breaks off between two members, or goes on with something else, for whole.
            end = os.pread(descriptor, _BLOCK, headers.offset)
    except (*DAMAGED, OSError) as error:
        raise OutputError(f"{tar}: is cut off or no plain tar ({inline(error)}); copy it again") from error
    if end != bytes(_BLOCK):
        size = os.fstat(descriptor).st_size
        raise OutputError(f"{tar}: is cut off or damaged, no end of the archive within {size} bytes; copy it again")
    return index


def with_index_and_stats(tars: Iterable[str], list_names: ListNames) -> list[str]:
    """The paths of tars, each followed by those of its index and its statistics where they are there."""
    found = []
    for tar in tars:
        folder = tar.rpartition("/")[0]
        names = set(list_names(folder))
        beside = (index_name(tar), stats_name(tar))
        found += [tar, *(name for name in beside if name.rpartition("/")[2] in names)]
    return found
