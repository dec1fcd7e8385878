"""Examples without a copy of the data: shards are read from their first byte to their last."""

import itertools
import tarfile
from collections.abc import Iterator, Sequence

import webdataset
from webdataset.tariterators import group_by_keys, tar_file_expander

from simgen.core.assets import Split
from simgen.core.errors import OutputError
from simgen.dataset.random_access import start_size, tar_urls
from simgen.dataset.tar_index import MEMBER_NAME
from simgen.storage.mirror import open_url, read_error
from simgen.train.data.examples import (
    PICTURES,
    STREAM,
    Example,
    ExampleConfig,
    build_example,
    check_size,
    decode_source,
    full_size,
    needed_members,
    rng_of,
)
from simgen.train.data.pairs import default_cache
from simgen.train.data.sampler import check_seed, draw_slots, share_of

_SHUFFLED = 128
"""Samples that `stream` holds encoded to shuffle them: 30 MB at 512 × 512."""
_Encoded = tuple[str, str, dict[str, bytes]]
"""Where a sample lies (for messages), its key, and its members."""


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
    pictures: Sequence[str] = PICTURES,
) -> Iterator[tuple[Example, ...]]:
    """The examples of one rank, a batch at a time and without end, read from the first byte of a shard to its last
    through webdataset: for data that does not fit onto the disk.

    Order and resumption are best effort: shards are shuffled, and samples within a window; the parts of an epoch that
    ranks get are not equal, samples wait for others of their size, and a run that goes on at `first_step` starts an
    epoch of another order.
    Keys may repeat across places. Where there are fewer shards than ranks, each rank reads all of them.
    """
    share = share_of(batch, world)
    check_seed(seed)
    shards = [shard for place in places for shard in tar_urls(place, split, default_cache())]
    if not shards:
        raise OutputError(f"{', '.join(places) or 'no data set'}: holds no shards for {split}; name another data set")
    needed = needed_members(pictures)
    positions = range(rank * share, (rank + 1) * share)

    def batches() -> Iterator[tuple[Example, ...]]:
        waiting: dict[tuple[int, int], list[_Encoded]] = {}
        count = itertools.count(first_step)
        for sample in _endless(shards, needed, seed=seed, rank=rank, world=world, first_step=first_step):
            where, _, members = sample
            width, height = start_size(where, members["start.png"])
            check_size(where, width, height, example_config)
            size = full_size(width, height, example_config)
            bucket = waiting.setdefault(size, [])
            bucket.append(sample)
            if len(bucket) == share:
                del waiting[size]
                slots = draw_slots(
                    next(count), [-1] * share, positions, seed=seed, batch=batch, example_config=example_config
                )
                sources = [decode_source(*encoded, pictures) for encoded in bucket]
                yield tuple(
                    build_example(source, slot, example_config, seed=seed)
                    for source, slot in zip(sources, slots, strict=True)
                )

    return batches()


def _endless(
    shards: Sequence[str], needed: tuple[str, ...], *, seed: int, rank: int, world: int, first_step: int
) -> Iterator[_Encoded]:
    """Sample after sample, still encoded. webdataset deals out shards before it shuffles them, gives some
    ranks nothing where they are few, and shuffles differently at every start unless told; so all this is done here,
    and it reads the tars."""
    for epoch in itertools.count():
        rng = rng_of(seed, STREAM, first_step, epoch)
        mixed = [shards[i] for i in rng.permutation(len(shards))]
        samples = _of_rank(mixed, needed, epoch, rank, world)
        found = False
        for sample in webdataset.detshuffle(_SHUFFLED, _SHUFFLED // 4, seed=int(rng.integers(1 << 32))).run(samples):
            found = True
            yield sample
        if not found and len(shards) >= world:
            raise OutputError(f"{mixed[rank]}: holds no sample; remove it, or copy it again")


def _of_rank(shards: Sequence[str], needed: tuple[str, ...], epoch: int, rank: int, world: int) -> Iterator[_Encoded]:
    """The samples of an epoch that fall to a rank: every so many shards, or of all shards every so many samples."""
    if len(shards) >= world:
        for shard in shards[rank::world]:
            yield from _read_through(shard, needed)
        return
    count = 0
    for sample in itertools.chain.from_iterable(_read_through(shard, needed) for shard in shards):
        # Moved on every epoch: else a rank beyond the number of samples would never get one.
        if (count + epoch) % world == rank:
            yield sample
        count += 1
    if not count:
        raise OutputError(f"{', '.join(shards)}: hold no sample; copy them again")


def _read_through(shard: str, needed: tuple[str, ...]) -> Iterator[_Encoded]:
    def is_needed(name: str) -> bool:
        match = MEMBER_NAME.fullmatch(name)
        return match is not None and match[2].lower() in needed

    try:
        with open_url(shard) as file:
            source = {"url": shard, "stream": file}
            for sample in group_by_keys(tar_file_expander([source], select_files=is_needed)):
                missing = [name for name in needed if name not in sample]
                if missing:
                    raise OutputError(f"{shard}: sample {sample['__key__']} has no {missing[0]}; copy the tar again")
                key = sample["__key__"]
                yield f"{shard}: {key}", key, {name: sample[name] for name in needed}
    except (tarfile.TarError, EOFError, ValueError) as error:
        raise OutputError(f"{shard}: is cut off or no plain tar ({error}); copy it again") from error
    except OutputError:
        raise
    except Exception as error:  # each back end of fsspec raises exceptions of its own
        raise read_error(shard, error) from error
