"""A data set on disk → a sequence of samples, with numpy and OpenCV only.

import simgen
data = simgen.open("out/demo")
sample = data["topple-000012"]        # or data[0], data[-1], data[:8]
"""

import dataclasses
import difflib
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, overload

from simgen.core.errors import OutputError, UnknownName, UsageError, shown
from simgen.core.sample import Sample
from simgen.dataset.layout import SPLITS, committed, part_path, read_index
from simgen.record.check import check_record
from simgen.record.codec import MEMBERS, decode, decode_record
from simgen.storage.files import read
from simgen.storage.paths import AnyPath, as_path, map_concurrently


@dataclass(frozen=True, slots=True, kw_only=True)
class _Place:
    """Where a sample lies: member → (offset, size) in a tar."""

    key: str
    tar: AnyPath
    spans: dict[str, tuple[int, int]]


class Dataset(Sequence[Sample]):
    """The committed samples of a data set, by number or key; decoded anew each time one is asked for."""

    def __init__(self, folder: AnyPath, places: Sequence[_Place]) -> None:
        self.folder = folder
        self._places = tuple(places)
        self._by_key = {place.key: place for place in self._places}

    def __len__(self) -> int:
        return len(self._places)

    @overload
    def __getitem__(self, item: int | str) -> Sample: ...
    @overload
    def __getitem__(self, item: slice) -> "Dataset": ...
    def __getitem__(self, item: int | str | slice) -> "Sample | Dataset":
        if isinstance(item, slice):
            return Dataset(self.folder, self._places[item])
        place = self._place(item)
        sample = decode(place.key, self.members(place.key))
        return dataclasses.replace(sample, record=_sound(place, sample.record))

    def __iter__(self) -> Iterator[Sample]:
        return (self[place.key] for place in self._places)

    def __contains__(self, item: object) -> bool:
        return item in self._by_key

    def __repr__(self) -> str:
        return f"<simgen data set {self.folder}: {len(self)} samples>"

    @property
    def keys(self) -> tuple[str, ...]:
        """Names of the samples in their order: train before test, each by shard."""
        return tuple(self._by_key)

    def members(self, item: int | str) -> dict[str, bytes]:
        """The files of a sample as they lie in the tar, still encoded."""
        place = self._place(item)
        # Its members lie side by side: one read for all of them.
        first = min(offset for offset, _ in place.spans.values())
        last = max(offset + size for offset, size in place.spans.values())
        data = read(place.tar, first, last - first)
        if len(data) < last - first:
            raise OutputError(f"{place.tar}: ends before {place.key}; the file is damaged, see `simgen verify`")
        return {name: data[offset - first : offset - first + size] for name, (offset, size) in place.spans.items()}

    def record(self, item: int | str) -> dict[str, Any]:
        """What is known of a sample, without decoding its pictures."""
        place = self._place(item)
        return _sound(place, decode_record(place.key, read(place.tar, *place.spans["json"])))

    def _place(self, item: int | str) -> _Place:
        if isinstance(item, str):
            if item not in self._by_key:
                # Ten thousand names are no help; the nearest is, or how names look here.
                near = difflib.get_close_matches(item, self.keys, n=1, cutoff=0.5)
                example = [f"{self.keys[0]} … {self.keys[-1]}"] if self.keys else []
                raise UnknownName("sample", item, near or example, where=str(self.folder))
            return self._by_key[item]
        if not -len(self) <= item < len(self):
            raise IndexError(f"{self.folder}: no sample number {item}; there are {len(self)}")
        return self._places[item]


def _sound(place: _Place, record: dict[str, Any]) -> dict[str, Any]:
    """The record, which whoever gets it may take for what the schema says: a millisecond of checking."""
    problems = check_record(record, strict=False)
    if problems:
        raise OutputError(f"{place.tar}: {place.key}: json: {problems[0]}; see `simgen verify`")
    return record


def open_dataset(folder: str | os.PathLike[str] | AnyPath, *, split: str | None = None) -> Dataset:
    """The data set in a folder or at an address, or one split of it. Shards that are not committed do not count."""
    root = as_path(folder)
    if not root.is_dir():
        raise UsageError(f"{root}: no such folder; give the --out folder of `simgen generate`")
    if split is not None and split not in SPLITS:
        raise UnknownName("split", split, SPLITS, where=str(root))
    shards = [(root / s, number) for s in SPLITS if split in (None, s) for number in committed(root / s)]
    if not shards and not any((root / s).is_dir() for s in SPLITS):
        raise OutputError(f"{root}: holds no samples (no folder train/ or test/); check the folder's name")
    found = map_concurrently(root, lambda shard: list(_places(*shard)), shards)
    return Dataset(root, [place for places in found for place in places])


def _places(folder: AnyPath, number: int) -> Iterator[_Place]:
    path = part_path(folder, number, ".idx.json")
    tar = part_path(folder, number, ".tar")
    for key, members in read_index(path).items():
        missing = [name for name in MEMBERS if name not in members]
        if missing:
            raise OutputError(f"{path}: {shown(key)} has no {missing[0]}; the file is damaged, see `simgen verify`")
        yield _Place(key=key, tar=tar, spans=members)
