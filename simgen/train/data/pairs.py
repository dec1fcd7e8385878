"""The training samples of data sets, by number."""

from collections.abc import Sequence
from pathlib import Path

from simgen.core.assets import Split
from simgen.core.errors import UnknownName, UsageError
from simgen.dataset.layout import SPLITS
from simgen.dataset.random_access import RandomAccessReader, absolute
from simgen.storage.cache import default_cache as cache_root
from simgen.train.data.examples import PICTURES, Source, decode_source, needed_members


class PairDataset(RandomAccessReader):
    """The samples of one split, decoded when they are asked for; pictures are start, end and what a method needs."""

    def __init__(self, places: tuple[str, ...], split: Split, cache: Path, pictures: tuple[str, ...]) -> None:
        super().__init__(places, split, cache, needed_members(pictures))
        self._pictures = pictures
        self._arguments = (places, split, cache, pictures)

    def source(self, number: int) -> Source:
        """A sample, decoded; arrays and segmentations are not even read."""
        members = self.read(number, self.needed)
        return decode_source(self.where(number), self.keys[number], members, self._pictures)


def open_pairs(
    places: Sequence[str], *, split: Split, cache: Path | None = None, pictures: Sequence[str] = PICTURES
) -> PairDataset:
    """The samples of one split of data sets: folders that `simgen generate` wrote, folders of tars, or addresses
    (`https://`, `s3://`, `gs://`, `hf://`) of either, which are copied once into `cache`.

    To train on, there must be some. That there are none to test on is no error: small data sets have none.
    """
    if not places:
        raise UsageError("no data set is named; give the --out folder of `simgen generate`")
    if split not in SPLITS:
        raise UnknownName("split", split, SPLITS)
    folder = (cache or default_cache()).absolute()
    return PairDataset(tuple(map(absolute, places)), split, folder, tuple(pictures))


def default_cache() -> Path:
    """$SIMGEN_CACHE/shards, or ~/.cache/simgen/shards."""
    return cache_root() / "shards"
