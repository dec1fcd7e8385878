"""The samples of data sets by number, each member read by its offset: thousands of reads a second, in any order."""

import hashlib
import itertools
import os
import resource
import weakref
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from simgen.core.assets import Split
from simgen.core.errors import OutputError, UsageError
from simgen.dataset.tar_index import find_tars, open_index, with_index_and_stats
from simgen.record.png import png_size
from simgen.storage.files import list_names, refuse_pipe
from simgen.storage.mirror import list_urls, mirror
from simgen.storage.urls import admit, is_remote, local_path

_PNG_HEAD_BYTES = 24


class RandomAccessReader:
    """The samples of one split of one or several data sets, each member read by itself where it lies. Any thread may
    read, and so may a forked process; pickled, it is its arguments, and is opened anew elsewhere.

    `needed` are the members that every sample must have, `start.png` among them; `purpose` is what they are for, for
    the message.
    """

    def __init__(
        self, places: tuple[str, ...], split: Split, cache: Path, needed: tuple[str, ...], purpose: str = "training"
    ) -> None:
        places = tuple(map(admit, places))
        self._arguments: tuple[Any, ...] = (places, split, cache, needed, purpose)
        self.needed, self._purpose = needed, purpose
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
            for tar in local_tars(place, split, cache):
                fingerprints.append(self._add(tar, number, cache, found))
            if split == "train" and len(found.keys) == before:
                raise OutputError(f"{place}: its shards hold no sample; see `simgen status` why")
        self.keys = tuple(found.keys)
        # Width and height of each start.png, pixels.
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
        return (type(self), self._arguments)

    def members(self, number: int) -> dict[str, bytes]:
        """All files of a sample as they lie in the tar, still encoded."""
        # A read for each: one for all of them would have to be copied apart, which takes a third of the speed.
        return {name: self._read(number, *span) for name, span in self._spans_of(number).items()}

    def read(self, number: int, names: Sequence[str]) -> dict[str, bytes]:
        """Some of the files of a sample; the others are not read."""
        spans = self._spans_of(number)
        return {name: self._read(number, *spans[name]) for name in names}

    def where(self, number: int) -> str:
        """The tar and the key of a sample, for messages."""
        return f"{self._tars[self._tar[number]]}: {self.keys[number]}"

    def _spans_of(self, number: int) -> dict[str, tuple[int, int]]:
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
        refuse_pipe(tar)
        try:
            descriptor = os.open(tar, os.O_RDONLY)
        except OSError as error:
            raise OutputError(f"{tar}: cannot be read: {error.strerror}") from error
        try:
            fingerprint, index = open_index(tar, descriptor, cache)
            for key, members in index.items():
                missing = [name for name in self.needed if name not in members]
                if missing:
                    raise OutputError(
                        f"{tar}: sample {key} has no {missing[0]}, only {', '.join(members) or 'nothing'}; "
                        f"a sample for {self._purpose} needs {', '.join(self.needed)}"
                    )
                where = f"{tar}: {key}"
                found.sizes.append(start_size(where, os.pread(descriptor, _PNG_HEAD_BYTES, members["start.png"][0])))
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


def start_size(where: str, head: bytes) -> tuple[int, int]:
    """Width and height of a start picture, off its first bytes."""
    size = png_size(head)
    if size is None:
        raise OutputError(f"{where}: start.png is not a PNG; write the sample again")
    return size


def absolute(place: str) -> str:
    """The same place, whatever the current folder is."""
    return admit(place) if is_remote(place) else str(local_path(place))


def local_tars(place: str, split: Split, cache: Path) -> tuple[Path, ...]:
    """The tars of a split on this machine; those at an address are copied into the cache, see `storage.mirror`. Once
    the copy is complete the network is not asked again: the same command goes on with the same data."""
    if is_remote(place):
        copies = mirror(
            place,
            lambda names: with_index_and_stats(find_tars(place, split, names), names),
            cache=cache,
            name=split,
        )
        return tuple(path for path in copies if path.suffix == ".tar")
    root = local_path(place)
    if not root.is_dir():
        what = "is a file, not a folder" if root.exists() else "no such folder"
        raise UsageError(f"{root}: {what}; give the --out folder of `simgen generate`, or a folder of tars")
    return tuple(root / name for name in find_tars(str(root), split, lambda inner: list_names(root / inner)))


def tar_urls(place: str, split: Split, cache: Path) -> list[str]:
    """The tars of a split where they are: paths, or URLs for `storage.mirror.open_url`."""
    place = admit(place)
    if not is_remote(place):
        return [str(path) for path in local_tars(place, split, cache)]
    return list(list_urls(place, lambda names: find_tars(place, split, names)))
