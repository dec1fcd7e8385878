"""Shards → the examples of a step: every sample read by its offset, every order a pure function of (seed, step).

    pairs = open_pairs(["out/demo"], split="train")
    order = BatchSampler(pairs, batch=8, seed=0, example_config=example_config)
    slots = order.of_rank(step, rank, world)
    examples = [frame(pairs.source(slot.number), slot, example_config, seed=0) for slot in slots]

No example is mirrored or recoloured: in a mirrored picture the words "to the left" are false, and so is "the red mug"
in a recoloured one.
"""

import contextlib
import errno
import fcntl
import hashlib
import itertools
import json
import math
import os
import re
import resource
import secrets
import tarfile
import time
import weakref
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

import cv2
import fsspec
import numpy as np
import webdataset
from numpy.typing import NDArray
from webdataset.tariterators import group_by_keys, tar_file_expander

from simgen.core.assets import Split
from simgen.core.errors import EnvironmentProblem, OutputError, UnknownName, UsageError, inline, shown
from simgen.dataset.layout import SPLITS, parse_name, part_path
from simgen.record.record import LARGEST_PX, decode_record, png_size
from simgen.storage.files import list_names, read_json, write_file
from simgen.storage.tars import DAMAGED, Header

Image: TypeAlias = NDArray[np.uint8]
Index: TypeAlias = dict[str, dict[str, tuple[int, int]]]
"""key → member → (offset, size) in a tar."""

NEEDED = ("start.png", "end.png", "mask.png", "json")
"""The members that training reads; a sample may hold more."""
TIERS = ("superficial", "intermediate", "explicit")

# Second words of all seeds: no two kinds of draw ever share a stream.
_EPOCH, _STEP, _WINDOW, _STREAM = range(4)

_MEMBER = re.compile(r"((?:.*/)?[^./]+)\.([^/]*)")
"""A name in a tar: key and member, parted at the first dot, as webdataset does."""
_BLOCK = tarfile.BLOCKSIZE
_PNG_HEAD = 24
_ATTEMPTS = 3
_DOWNLOADS = 8
_SHUFFLED = 128
"""Samples that `stream` holds encoded to shuffle them: 30 MB at 512 × 512."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """One sample as it lies in the tar, decoded."""

    key: str
    start: Image
    """[H, W, 3], RGB; so is `end`."""
    end: Image
    mask: Image
    """[H, W]: 0 keep, 85 light changed, 170 affected, 255 acted upon."""
    instructions: tuple[str, str, str]
    """Superficial, intermediate, explicit."""


class PairDataset:
    """The training samples of one or several data sets, read in place. Any thread may read, and so may a forked
    process; pickled, it is its arguments, and is opened anew elsewhere."""

    def __init__(self, places: tuple[str, ...], split: Split, cache: Path) -> None:
        self._arguments = (places, split, cache)
        self._tars: list[Path] = []
        self._descriptors: list[int] = []
        weakref.finalize(self, _close, self._descriptors)
        # Of what the system lets a process keep open, train and test get a quarter each. A tar beyond that is opened
        # for each read of it: so nobody ever closes what another thread reads.
        limit = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
        self._kept = limit // 4 if limit != resource.RLIM_INFINITY else 1 << 16
        found = _Found()
        fingerprints = []
        for number, place in enumerate(places, 1):
            before = len(found.keys)
            for tar in _tars(place, split, cache):
                fingerprints.append(self._add(tar, number, cache, found))
            if split == "train" and len(found.keys) == before:
                raise OutputError(f"{place}: its shards hold no sample; see `simgen status` why")
        self.keys = tuple(found.keys)
        self.sizes: NDArray[np.int32] = np.array(found.sizes, np.int32).reshape(-1, 2)
        self.fingerprint = hashlib.sha256("\n".join(fingerprints).encode()).hexdigest()
        # Flat arrays: 130 bytes a sample, where dictionaries of tuples take 1200.
        self._tar = np.array(found.tars, np.int32)
        self._members = found.members
        self._first = np.array([0, *itertools.accumulate(map(len, found.members))], np.int64)
        self._spans = np.array(found.spans, np.int64).reshape(-1, 2)

    def __len__(self) -> int:
        return len(self.keys)

    def __repr__(self) -> str:
        return f"<{len(self)} pairs of {', '.join(self._arguments[0])}>"

    def __reduce__(self) -> tuple[Any, ...]:
        return (PairDataset, self._arguments)

    def members(self, number: int) -> dict[str, bytes]:
        """All files of a sample as they lie in the tar, still encoded."""
        # A read for each: one for all of them would have to be copied apart, which takes a third of the speed.
        return {name: self._read(number, *span) for name, span in self._lies(number).items()}

    def source(self, number: int) -> Source:
        """A sample, decoded; arrays and segmentations are not even read."""
        spans = self._lies(number)
        members = {name: self._read(number, *spans[name]) for name in NEEDED}
        return _decoded(str(self._tars[self._tar[number]]), self.keys[number], members)

    def _lies(self, number: int) -> dict[str, tuple[int, int]]:
        if not 0 <= number < len(self):
            raise IndexError(f"no sample number {number}; there are {len(self)}")
        spans = self._spans[self._first[number] : self._first[number + 1]].tolist()
        return dict(zip(self._members[number], spans, strict=True))

    def _read(self, number: int, offset: int, size: int) -> bytes:
        shard = self._tar[number]
        tar = self._tars[shard]
        try:
            if shard < len(self._descriptors):
                data = os.pread(self._descriptors[shard], size, offset)
            else:
                with tar.open("rb", buffering=0) as file:
                    data = os.pread(file.fileno(), size, offset)
        except OSError as error:
            raise OutputError(f"{tar}: cannot be read: {error.strerror}; is its disk still there?") from error
        if len(data) < size:
            raise OutputError(f"{tar}: ends before {self.keys[number]}; it was changed while in use, run again")
        return data

    def _add(self, tar: Path, place: int, cache: Path, found: "_Found") -> str:
        """Take in the samples of a tar; returns what identifies its content."""
        try:
            descriptor = os.open(tar, os.O_RDONLY)
        except OSError as error:
            raise OutputError(f"{tar}: cannot be read: {error.strerror}") from error
        try:
            fingerprint, index = _opened(tar, descriptor, cache)
            for key, members in index.items():
                missing = [name for name in NEEDED if name not in members]
                if missing:
                    raise OutputError(
                        f"{tar}: sample {key} has no {missing[0]}, only {', '.join(members) or 'nothing'}; "
                        f"a sample for training needs {', '.join(NEEDED)}"
                    )
                where = f"{tar}: {key}"
                found.sizes.append(_png_size(where, os.pread(descriptor, _PNG_HEAD, members["start.png"][0])))
                found.add(
                    key, members, tar=len(self._tars), other_names=(f"{place}:{key}", f"{place}:{tar.stem}:{key}")
                )
        finally:
            if len(self._descriptors) < self._kept:
                self._descriptors.append(descriptor)
            else:
                os.close(descriptor)
        self._tars.append(tar)
        return fingerprint


class _Found:
    """The samples met so far, a line each in every list."""

    def __init__(self) -> None:
        self.keys: list[str] = []
        self.sizes: list[tuple[int, int]] = []
        self.tars: list[int] = []
        self.members: list[tuple[str, ...]] = []
        self.spans: list[int] = []
        self._taken: set[str] = set()
        self._sets: dict[tuple[str, ...], tuple[str, ...]] = {}

    def add(self, key: str, members: Mapping[str, tuple[int, int]], *, tar: int, other_names: Sequence[str]) -> None:
        key = next(name for name in (key, *other_names) if name not in self._taken)
        self._taken.add(key)
        self.keys.append(key)
        self.tars.append(tar)
        # Nearly all samples have the same members: one tuple for all of them.
        self.members.append(self._sets.setdefault(tuple(members), tuple(members)))
        self.spans.extend(itertools.chain.from_iterable(members.values()))


def _close(descriptors: Sequence[int]) -> None:
    for descriptor in descriptors:
        os.close(descriptor)


def open_pairs(places: Sequence[str], *, split: Split, cache: Path | None = None) -> PairDataset:
    """The samples of one split of data sets: folders that `simgen generate` wrote, folders of tars, or addresses
    (`https://`, `s3://`, `gs://`, `hf://`) of either, which are copied once into `cache`.

    To train on, there must be some. That there are none to test on is no error: small data sets have none.
    """
    if not places:
        raise UsageError("no data set is named; give the --out folder of `simgen generate`")
    if split not in SPLITS:
        raise UnknownName("split", split, SPLITS)
    absolute = tuple(place if _is_remote(place) else str(_local_path(place)) for place in places)
    return PairDataset(absolute, split, (cache or default_cache()).absolute())


def default_cache() -> Path:
    """$SIMGEN_CACHE/shards, or ~/.cache/simgen/shards."""
    named = os.environ.get("SIMGEN_CACHE")
    return (Path(named).expanduser().absolute() if named else Path.home() / ".cache" / "simgen") / "shards"


# Which tars count.


def _is_remote(place: str) -> bool:
    return "://" in place and not place.startswith("file://")


def _local_path(place: str) -> Path:
    return Path(place.removeprefix("file://")).expanduser().absolute()


def _tars(place: str, split: Split, cache: Path) -> tuple[Path, ...]:
    """The tars of a place, on this machine."""
    if _is_remote(place):
        return _mirrored(place, split, cache)
    root = _local_path(place)
    if not root.is_dir():
        what = "is a file, not a folder" if root.exists() else "no such folder"
        raise UsageError(f"{root}: {what}; give the --out folder of `simgen generate`, or a folder of tars")
    return tuple(root / name for name in _find(str(root), split, lambda inner: list_names(root / inner)))


def _find(place: str, split: Split, names_in: Callable[[str], Collection[str]]) -> tuple[str, ...]:
    """The tars of a place that count, as paths inside it; `names_in` lists a folder of it, "" for itself."""
    top = names_in("")
    if not set(top) & set(SPLITS):
        tars = _counted(place, top)
        if not tars:
            raise OutputError(f"{place}: holds no samples (no folder train/ or test/, no .tar); check its name")
        return tars if split == "train" else ()
    tars = _counted(f"{place}/{split}", names_in(split)) if split in top else ()
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
            raise OutputError(f"{place}/{tar}: is missing, its {_stats_name(tar)} is there; copy the tar as well")
    return tars


def _stats_name(tar: str) -> str:
    return tar.removesuffix(".tar") + "_stats.json"


def _index_name(tar: str) -> str:
    return tar.removesuffix(".tar") + ".idx.json"


# What lies where in a tar.


def _opened(tar: Path, descriptor: int, cache: Path) -> tuple[str, Index]:
    """What identifies the content of a tar, and its index. A tar that is cut off is an OutputError."""
    size = os.fstat(descriptor).st_size
    stats_path = tar.with_name(_stats_name(tar.name))
    if not stats_path.exists():
        index = _index(tar, descriptor, cache)
        told = json.dumps([tar.name, size, index], sort_keys=True)
        return hashlib.sha256(told.encode()).hexdigest(), index
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
    beside = _fitting(tar.with_name(_index_name(tar.name)), tar, descriptor)
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
        told = read_json(path)
        index = {
            str(key): {str(name): (int(span[0]), int(span[1])) for name, span in members.items()}
            for key, members in told["samples"].items()
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
    fits = inside and (told.get("tar"), info.name, info.size, end) == (tar.name, name, size, bytes(_BLOCK))
    return index if fits else None


def _scan(tar: Path, descriptor: int) -> Index:
    """The index of a tar, from one header to the next."""
    index: Index = {}
    try:
        with tarfile.open(tar, "r:", tarinfo=Header) as headers:
            for info in headers:
                match = _MEMBER.fullmatch(info.name)
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


# Data sets at an address.


def _mirrored(address: str, split: Split, cache: Path) -> tuple[Path, ...]:
    """The tars of an address, copied. Once the copy is complete the network is not asked again: the same command goes
    on with the same data. To take what is new there, delete the copy."""
    folder = cache / hashlib.sha256(address.rstrip("/").encode()).hexdigest()[:16]
    list_path = folder / f"{split}.json"
    with _lock(folder):
        files = _complete(list_path)
        if files is None:
            files = _fetch(address, split, folder)
            write_file(list_path, json.dumps({"address": address, "files": files}).encode())
    return tuple(folder / name for name in sorted(files) if name.endswith(".tar"))


@contextlib.contextmanager
def _lock(folder: Path) -> Iterator[None]:
    """Let one process at a time copy. It only saves work: renames keep the copy right without."""
    with contextlib.ExitStack() as held:
        # A cache that cannot be written says so where it matters; some network file systems know no locks.
        with contextlib.suppress(OSError):
            folder.mkdir(parents=True, exist_ok=True)
            fcntl.flock(held.enter_context((folder / ".lock").open("a")), fcntl.LOCK_EX)
        yield


def _complete(list_path: Path) -> dict[str, int] | None:
    """The files of a copy with their sizes, if it was finished and all of them are still there."""
    try:
        files: dict[str, int] = read_json(list_path)["files"]
        here = all((list_path.parent / name).stat().st_size == size for name, size in files.items())
    except (OutputError, OSError, KeyError, AttributeError):
        return None
    return files if here else None


def _fetch(address: str, split: Split, folder: Path) -> dict[str, int]:
    """Copy what counts at an address into a folder, each file there whole or not at all; returns their sizes."""
    filesystem, entries = _listed(address, split)

    def fetch_one(name: str) -> int:
        entry = entries[name]
        size = entry.get("size")
        if size is None:
            # A web server's list has no sizes.
            size = filesystem.info(entry["name"]).get("size")
        _download(filesystem, entry["name"], folder / name, size)
        return (folder / name).stat().st_size

    pool = ThreadPoolExecutor(_DOWNLOADS)
    try:
        return dict(zip(entries, pool.map(fetch_one, entries), strict=True))
    except (OutputError, EnvironmentProblem):
        raise
    except Exception as error:  # each back end of fsspec raises exceptions of its own
        raise _unreachable(address, error) from error
    finally:
        # After an error, or Ctrl-C, what is under way is finished and nothing more begun.
        pool.shutdown(cancel_futures=True)


def _listed(address: str, split: Split) -> tuple[Any, dict[str, dict[str, Any]]]:
    """The tars that count at an address with their indices and commits: path inside it → entry of the file system."""
    entries: dict[str, dict[str, Any]] = {}
    try:
        filesystem, root = fsspec.core.url_to_fs(address.rstrip("/"))
        filesystem.invalidate_cache()
    except Exception as error:  # as above
        raise _unreachable(address, error) from error

    def names_in(inner: str) -> list[str]:
        try:
            found = filesystem.ls(f"{root}/{inner}".rstrip("/"), detail=True)
        except Exception as error:  # as above
            raise _unreachable(address, error) from error
        listed = {entry["name"].rstrip("/").rpartition("/")[2]: entry for entry in found}
        entries.update({f"{inner}/{name}".lstrip("/"): entry for name, entry in listed.items()})
        return list(listed)

    tars = _find(address, split, names_in)
    wanted = [name for tar in tars for name in (tar, _index_name(tar), _stats_name(tar)) if name in entries]
    return filesystem, {name: entries[name] for name in wanted}


def _download(filesystem: Any, source: str, target: Path, size: int | None) -> None:
    """Copy a file, or leave it where an interrupted run has copied it before."""
    if size is not None and target.is_file() and target.stat().st_size == size:
        return
    draft = target.with_name(f".{target.name}.{secrets.token_hex(4)}.tmp")
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        draft.touch()
    except OSError as error:
        raise OutputError(f"{target.parent}: {error.strerror}; name a folder for copies in SIMGEN_CACHE") from error
    try:
        for attempt in range(_ATTEMPTS):
            try:
                filesystem.get_file(source, str(draft))
                break
            except Exception as error:  # as above
                if attempt + 1 == _ATTEMPTS or isinstance(error, FileNotFoundError | PermissionError):
                    raise _unreachable(source, error) from error
                time.sleep(0.2 * (attempt + 1))
        got = draft.stat().st_size
        if size is not None and got != size:
            raise OutputError(f"{source}: {got} of {size} bytes came; run the same command again, it goes on there")
        draft.replace(target)
    finally:
        draft.unlink(missing_ok=True)


def _unreachable(address: str, error: Exception) -> OutputError | EnvironmentProblem:
    status = getattr(error, "status", None)
    if isinstance(error, ImportError):
        extra = {"s3": "s3", "gs": "gs"}.get(address.partition("://")[0], "train")
        return EnvironmentProblem(f"{address}: {error}; install it with: pip install 'simgen[{extra}]'")
    if getattr(error, "errno", None) in (errno.ENOSPC, errno.EDQUOT):
        return OutputError(f"{address}: no room for a copy; free some space, or name another folder in SIMGEN_CACHE")
    if isinstance(error, FileNotFoundError) or status == 404:
        return OutputError(f"{address}: nothing is there; check the address")
    if isinstance(error, PermissionError) or status in (401, 403):
        return OutputError(f"{address}: access is refused; log in there, or give the folder of a copy")
    return OutputError(
        f"{address}: cannot be read ({type(error).__name__}: {error}); check the network, or give the folder of a copy"
    )


# Bytes → pictures and words.


def _png_size(where: str, head: bytes) -> tuple[int, int]:
    """Width and height, off the first bytes of a PNG."""
    size = png_size(head)
    if size is None:
        raise OutputError(f"{where}: start.png is not a PNG; write the sample again")
    return size


def _decoded(tar: str, key: str, members: Mapping[str, bytes]) -> Source:
    where = f"{tar}: {key}"
    start, end = (_picture(where, name, members[name], channels=3) for name in ("start.png", "end.png"))
    mask = _picture(where, "mask.png", members["mask.png"], channels=1)
    if not start.shape[:2] == end.shape[:2] == mask.shape:
        shapes = (f"{name} is {p.shape[1]} × {p.shape[0]}" for name, p in zip(NEEDED, (start, end, mask), strict=False))
        raise OutputError(f"{where}: {', '.join(shapes)}; all three must have one size")
    told = decode_record(where, members["json"]).get("instructions")
    texts = [told.get(tier) for tier in TIERS] if isinstance(told, dict) else []
    if not texts or not all(isinstance(text, str) and text.strip() for text in texts):
        wanted = f"instructions.{{{', '.join(TIERS)}}}"
        raise OutputError(f"{where}: json has no {wanted}, a sentence each; got {shown(told)}")
    superficial, intermediate, explicit = map(str, texts)
    return Source(key=key, start=start, end=end, mask=mask, instructions=(superficial, intermediate, explicit))


def _picture(where: str, name: str, data: bytes, *, channels: int) -> Image:
    size = png_size(data)
    if size is not None and max(size) > LARGEST_PX:
        raise OutputError(f"{where}: {name} says it has {size[0]} × {size[1]} pixels; at most {LARGEST_PX} a side")
    try:
        image = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_UNCHANGED) if size is not None else None
    except cv2.error:
        image = None
    if image is None:
        raise OutputError(f"{where}: {name} does not decode, {len(data)} bytes; the tar is damaged, copy it again")
    if image.dtype != np.uint8 or image.shape[2:] != ((3,) if channels == 3 else ()):
        raise OutputError(f"{where}: {name} is {image.dtype} {image.shape}, must be 8 bits of {channels} channel(s)")
    picture: Image = (cv2.cvtColor(image, cv2.COLOR_BGR2RGB) if channels == 3 else image).astype(np.uint8, copy=False)
    return picture


# Sources → examples.


@dataclass(frozen=True, slots=True, kw_only=True)
class ExampleConfig:
    """How pictures become examples."""

    crop_px: int
    """Side of the square crops, a multiple of `size_multiple_px`."""
    crop_share: float
    """0 to 1: share of steps that train on crops."""
    max_resolution_px: int
    """A full frame of more than the square of this many pixels is shrunk to about that area."""
    size_multiple_px: int
    """Width and height of every example are multiples of this."""
    tiers: tuple[float, float, float]
    """Weights of the superficial, intermediate and explicit instruction."""
    variants: int = 4
    """Crops per sample; few, so that a cache of encodings gets hits."""

    def __post_init__(self) -> None:
        if self.size_multiple_px < 1 or self.max_resolution_px < self.size_multiple_px:
            raise UsageError(
                f"the largest picture must be at least {self.size_multiple_px} pixels; got {self.max_resolution_px}"
            )
        if self.crop_px < self.size_multiple_px or self.crop_px % self.size_multiple_px:
            raise UsageError(f"the crop must be a multiple of {self.size_multiple_px} pixels; got {self.crop_px}")
        if not 0 <= self.crop_share <= 1:
            raise UsageError(f"the share of crops must be from 0 to 1; got {self.crop_share}")
        if len(self.tiers) != 3 or not sum(self.tiers) > 0 or not all(0 <= w < math.inf for w in self.tiers):
            raise UsageError(f"the three weights of {', '.join(TIERS)} must be 0 or more, not all 0; got {self.tiers}")
        if self.variants < 1:
            raise UsageError(f"there must be at least 1 crop per sample; got {self.variants}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Slot:
    """One place of one global batch."""

    step: int
    place: int
    """In the global batch."""
    number: int
    """Of the sample in PairDataset."""
    crop: bool
    variant: int
    tier: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Example:
    """Pixels and words of one slot."""

    key: str
    start: Image
    """[h, w, 3], h and w multiples of the grain; so is `end`."""
    end: Image
    mask: Image
    """[h, w]: share of the pixel that changed, 255 = all of it."""
    instruction: str
    digest: str
    """sha256 of pixels and words: the key of any cache. What belongs to what is never decided by position."""


def full_size(width: int, height: int, example_config: ExampleConfig) -> tuple[int, int]:
    """Width and height that the full frame of a picture gets: those of its largest aligned window, or where that is
    too large, of about the area allowed and nearly its own aspect."""
    grain, area = example_config.size_multiple_px, example_config.max_resolution_px**2
    aligned = (width // grain * grain, height // grain * grain)
    if aligned[0] * aligned[1] <= area:
        return aligned
    scale = example_config.max_resolution_px / math.sqrt(width * height)
    columns, rows = int(width * scale / grain), int(height * scale / grain)
    options = [
        (w * grain, h * grain)
        for w in (columns, columns + 1)
        for h in (rows, rows + 1)
        # Never above the area: FLUX.2's pipelines shrink what is, and its tokens then lie elsewhere.
        if 0 < w * grain <= width and 0 < h * grain <= height and w * h * grain**2 <= area
    ]

    def badness(size: tuple[int, int]) -> float:
        # A changed aspect bends the picture, a changed area only costs time.
        bent = math.log(size[0] * height / (size[1] * width))
        return abs(math.log(size[0] * size[1] / area)) + 2 * abs(bent)

    # A picture so long that one row of grains is above the area keeps that row.
    return min(options, key=badness) if options else (max(columns, 1) * grain, max(rows, 1) * grain)


def frame(source: Source, slot: Slot, example_config: ExampleConfig, *, seed: int) -> Example:
    """The example of a slot: the whole picture, or a window of it in its own pixels around something that changed.
    Start, end and mask always get the same window and the same size."""
    height, width = source.mask.shape
    _check_size(source.key, width, height, example_config)
    full = full_size(width, height, example_config)
    aligned = (
        width // example_config.size_multiple_px * example_config.size_multiple_px,
        height // example_config.size_multiple_px * example_config.size_multiple_px,
    )
    changed: Image = np.where(source.mask > 0, np.uint8(255), np.uint8(0))
    pictures = (source.start, source.end, changed)
    if not slot.crop and full != aligned:
        start, end, mask = (cv2.resize(p, full, interpolation=cv2.INTER_AREA).astype(np.uint8) for p in pictures)
    else:
        if slot.crop:
            size = _crop_size(full, example_config)
            x, y = _crop_corner(changed, size, _rng(seed, _WINDOW, _number(source.key), slot.variant))
        else:
            size = full
            x, y = _full_corner(changed, size)
        # Copies: a window that is kept must not keep the whole picture.
        start, end, mask = (np.ascontiguousarray(p[y : y + size[1], x : x + size[0]]) for p in pictures)
    instruction = source.instructions[slot.tier]
    digest = hashlib.sha256(repr(mask.shape).encode())
    for picture in (start, end, mask):
        digest.update(picture.data)
    digest.update(instruction.encode())
    return Example(key=source.key, start=start, end=end, mask=mask, instruction=instruction, digest=digest.hexdigest())


def _check_size(key: str, width: int, height: int, example_config: ExampleConfig) -> None:
    if min(width, height) < example_config.size_multiple_px:
        raise UsageError(
            f"{key}: is {width} × {height} pixels, the model takes multiples of {example_config.size_multiple_px}; "
            "generate larger pictures"
        )


def _crop_size(full: tuple[int, int], example_config: ExampleConfig) -> tuple[int, int]:
    """Never larger than the full frame, so that a bucket has one size of crops as well. Both are aligned."""
    return min(example_config.crop_px, full[0]), min(example_config.crop_px, full[1])


def _crop_corner(changed: Image, size: tuple[int, int], rng: np.random.Generator) -> tuple[int, int]:
    """Left and top of a window with a changed pixel at a random place in it; any pixel where nothing changed."""
    height, width = changed.shape
    pixels = np.flatnonzero(changed)
    pixel = int(pixels[rng.integers(len(pixels))]) if len(pixels) else int(rng.integers(changed.size))
    y, x = divmod(pixel, width)
    left, top = x - int(rng.integers(size[0])), y - int(rng.integers(size[1]))
    return min(max(left, 0), width - size[0]), min(max(top, 0), height - size[1])


def _full_corner(changed: Image, size: tuple[int, int]) -> tuple[int, int]:
    """Left and top of the window that holds the most changed pixels; of several such, the one nearest the middle."""
    height, width = changed.shape
    spare = (height - size[1], width - size[0])
    if spare == (0, 0):
        return 0, 0
    total = cv2.integral(changed // 255)
    held = (
        total[size[1] :, size[0] :]
        - total[: spare[0] + 1, size[0] :]
        - total[size[1] :, : spare[1] + 1]
        + total[: spare[0] + 1, : spare[1] + 1]
    )
    best = np.argwhere(held == held.max())
    top, left = best[np.abs(best - np.array(spare) / 2).sum(axis=1).argmin()]
    return int(left), int(top)


def _rng(*words: int) -> np.random.Generator:
    return np.random.default_rng(words)


def _number(text: str) -> int:
    """A number for a text, the same on every machine, which `hash` is not."""
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8])


# Which examples at which step.


class BatchSampler:
    """Which samples at which step. No step depends on an earlier one: to resume is to ask for a later step.

    In an epoch every sample comes once, and the last batch of each bucket, the samples whose full frames have one size,
    is filled up with some of them a second time. A step takes one bucket, so that the shapes in a batch are equal, and
    either crops or full frames for the whole global batch, so that all ranks do equal work.
    """

    def __init__(self, pairs: PairDataset, *, batch: int, seed: int, example_config: ExampleConfig) -> None:
        _share(batch, 1)
        _check_seed(seed)
        if not len(pairs):
            raise UsageError(f"{pairs!r}: there is nothing to put in order; give a data set with samples")
        self.batch, self.seed, self.example_config = batch, seed, example_config
        for number in np.flatnonzero(pairs.sizes.min(axis=1) < example_config.size_multiple_px)[:1]:
            width, height = pairs.sizes[number].tolist()
            _check_size(pairs.keys[number], width, height, example_config)
        sizes, which = np.unique(pairs.sizes, axis=0, return_inverse=True)
        full = np.array([full_size(width, height, example_config) for width, height in sizes.tolist()])
        _, merged = np.unique(full, axis=0, return_inverse=True)
        bucket_of = merged.reshape(-1)[which.reshape(-1)]
        self._buckets = [np.flatnonzero(bucket_of == bucket) for bucket in range(int(bucket_of.max()) + 1)]
        self.steps_per_epoch = sum(-(-len(bucket) // batch) for bucket in self._buckets)
        self._epochs: dict[int, NDArray[np.int64]] = {}

    def slots(self, step: int) -> tuple[Slot, ...]:
        """The whole global batch of a step."""
        epoch, row = divmod(step, self.steps_per_epoch)
        numbers = self._rows(epoch)[row].tolist()
        return _slots(
            step, numbers, range(self.batch), seed=self.seed, batch=self.batch, example_config=self.example_config
        )

    def of_rank(self, step: int, rank: int, world: int) -> tuple[Slot, ...]:
        """The part of a step that falls to one of `world` processes."""
        share = _share(self.batch, world)
        return self.slots(step)[rank * share : (rank + 1) * share]

    def _rows(self, epoch: int) -> NDArray[np.int64]:
        """The batches of an epoch [steps, batch], as sample numbers."""
        rows = self._epochs.get(epoch)
        if rows is None:
            rng = _rng(self.seed, _EPOCH, epoch)
            batches = [
                np.resize(rng.permutation(bucket), (-(-len(bucket) // self.batch), self.batch))
                for bucket in self._buckets
            ]
            rows = rng.permutation(np.concatenate(batches))
            # Two: threads that read ahead are in the next epoch while the last steps of this one are asked for.
            kept = list(self._epochs.items())[-1:]
            self._epochs = dict([*kept, (epoch, rows)])
        return rows


def _share(batch: int, world: int) -> int:
    """The examples of one process in a global batch."""
    if batch < 1 or world < 1 or batch % world:
        raise UsageError(
            f"a batch of {batch} cannot be dealt out evenly to {world} process(es); give a multiple of {world}"
        )
    return batch // world


def _check_seed(seed: int) -> None:
    if seed < 0:
        raise UsageError(f"the seed must be 0 or more; got {seed}")


def _slots(
    step: int, numbers: Sequence[int], places: Sequence[int], *, seed: int, batch: int, example_config: ExampleConfig
) -> tuple[Slot, ...]:
    """What is drawn for a step and its places, whichever samples stand there."""
    rng = _rng(seed, _STEP, step)
    crop = bool(rng.random() < example_config.crop_share)
    draws = rng.random((batch, 2))
    # Divided by its last, the last bound is 1 exactly: a draw below 1 never falls on a weight of 0.
    bounds = np.cumsum(example_config.tiers)
    tiers = np.searchsorted(bounds / bounds[-1], draws[:, 0], side="right")
    variants = (draws[:, 1] * example_config.variants).astype(int) if crop else np.zeros(batch, int)
    return tuple(
        Slot(step=step, place=place, number=number, crop=crop, variant=int(variants[place]), tier=int(tiers[place]))
        for number, place in zip(numbers, places, strict=True)
    )


# Without a copy.


def stream(
    places: Sequence[str],
    *,
    split: Split,
    example_config: ExampleConfig,
    batch: int,
    seed: int,
    rank: int,
    world: int,
    first_step: int = 0,
) -> Iterator[tuple[Example, ...]]:
    """The examples of one rank, a batch at a time and without end, read from the first byte of a shard to its last
    through webdataset: for data that does not fit onto the disk.

    BatchSampler and resumption are best effort: shards are shuffled, and samples within a window; the parts of an epoch
    that ranks get are not equal, samples wait for
    others of their size, and a run that goes on at `first_step` starts an epoch of another order.
    Keys may repeat across places. Where there are fewer shards than ranks, each rank reads all of them.
    """
    share = _share(batch, world)
    _check_seed(seed)
    shards = [shard for place in places for shard in _addresses(place, split)]
    if not shards:
        raise OutputError(f"{', '.join(places) or 'no data set'}: holds no shards for {split}; name another data set")
    places_mine = range(rank * share, (rank + 1) * share)

    def batches() -> Iterator[tuple[Example, ...]]:
        waiting: dict[tuple[int, int], list[tuple[str, str, dict[str, bytes]]]] = {}
        count = itertools.count(first_step)
        for sample in _endless(shards, seed=seed, rank=rank, world=world, first_step=first_step):
            shard, key, members = sample
            where = f"{shard}: {key}"
            width, height = _png_size(where, members["start.png"])
            _check_size(where, width, height, example_config)
            size = full_size(width, height, example_config)
            bucket = waiting.setdefault(size, [])
            bucket.append(sample)
            if len(bucket) == share:
                del waiting[size]
                slots = _slots(
                    next(count), [-1] * share, places_mine, seed=seed, batch=batch, example_config=example_config
                )
                yield tuple(
                    frame(_decoded(*s), slot, example_config, seed=seed) for s, slot in zip(bucket, slots, strict=True)
                )

    return batches()


def _addresses(place: str, split: Split) -> list[str]:
    """The tars of a place where they are."""
    if not _is_remote(place):
        return [str(path) for path in _tars(place, split, default_cache())]
    filesystem, entries = _listed(place, split)
    return [filesystem.unstrip_protocol(entry["name"]) for name, entry in entries.items() if name.endswith(".tar")]


def _endless(
    shards: Sequence[str], *, seed: int, rank: int, world: int, first_step: int
) -> Iterator[tuple[str, str, dict[str, bytes]]]:
    """Tar, key and members of sample after sample. webdataset deals out shards before it shuffles them, gives some
    ranks nothing where they are few, and shuffles differently at every start unless told; so all this is done here,
    and it reads the tars."""
    for epoch in itertools.count():
        rng = _rng(seed, _STREAM, first_step, epoch)
        mixed = [shards[i] for i in rng.permutation(len(shards))]
        samples = _mine(mixed, epoch, rank, world)
        found = False
        for sample in webdataset.detshuffle(_SHUFFLED, _SHUFFLED // 4, seed=int(rng.integers(1 << 32))).run(samples):
            found = True
            yield sample
        if not found and len(shards) >= world:
            raise OutputError(f"{mixed[rank]}: holds no sample; remove it, or copy it again")


def _mine(shards: Sequence[str], epoch: int, rank: int, world: int) -> Iterator[tuple[str, str, dict[str, bytes]]]:
    """The samples of an epoch that fall to a rank: every so many shards, or of all shards every so many samples."""
    if len(shards) >= world:
        for shard in shards[rank::world]:
            yield from _read_through(shard)
        return
    count = 0
    for sample in itertools.chain.from_iterable(map(_read_through, shards)):
        # Moved on every epoch: else a rank beyond the number of samples would never get one.
        if (count + epoch) % world == rank:
            yield sample
        count += 1
    if not count:
        raise OutputError(f"{', '.join(shards)}: hold no sample; copy them again")


def _read_through(shard: str) -> Iterator[tuple[str, str, dict[str, bytes]]]:
    try:
        with fsspec.open(shard, "rb") as file:
            source = {"url": shard, "stream": file}
            for sample in group_by_keys(tar_file_expander([source], select_files=_is_needed)):
                missing = [name for name in NEEDED if name not in sample]
                if missing:
                    raise OutputError(f"{shard}: sample {sample['__key__']} has no {missing[0]}; copy the tar again")
                yield shard, sample["__key__"], {name: sample[name] for name in NEEDED}
    except (tarfile.TarError, EOFError, ValueError) as error:
        raise OutputError(f"{shard}: is cut off or no plain tar ({error}); copy it again") from error
    except OutputError:
        raise
    except Exception as error:  # each back end of fsspec raises exceptions of its own
        raise _unreachable(shard, error) from error


def _is_needed(name: str) -> bool:
    match = _MEMBER.fullmatch(name)
    return match is not None and match[2].lower() in NEEDED
