"""Which examples at which step."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from simgen.core.errors import UsageError
from simgen.train.data.examples import EPOCH, STEP, ExampleConfig, Slot, check_size, full_size, rng_of
from simgen.train.data.pairs import PairDataset


class BatchSampler:
    """Which samples at which step. No step depends on an earlier one: to resume is to ask for a later step.

    In an epoch every sample comes once, and the last batch of each bucket, the samples whose full frames have one size,
    is filled up with some of them a second time. A step takes one bucket, so that the shapes in a batch are equal, and
    either crops or full frames for the whole global batch, so that all ranks do equal work.
    """

    def __init__(self, pairs: PairDataset, *, batch: int, seed: int, example_config: ExampleConfig) -> None:
        share_of(batch, 1)
        check_seed(seed)
        if not len(pairs):
            raise UsageError(f"{pairs!r}: there is nothing to put in order; give a data set with samples")
        self.batch, self.seed, self.example_config = batch, seed, example_config
        for number in np.flatnonzero(pairs.sizes.min(axis=1) < example_config.size_multiple_px)[:1]:
            width, height = pairs.sizes[number].tolist()
            check_size(pairs.keys[number], width, height, example_config)
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
        return draw_slots(
            step, numbers, range(self.batch), seed=self.seed, batch=self.batch, example_config=self.example_config
        )

    def of_rank(self, step: int, rank: int, world: int) -> tuple[Slot, ...]:
        """The part of a step that falls to one of `world` processes."""
        share = share_of(self.batch, world)
        return self.slots(step)[rank * share : (rank + 1) * share]

    def _rows(self, epoch: int) -> NDArray[np.int64]:
        """The batches of an epoch [steps, batch], as sample numbers."""
        rows = self._epochs.get(epoch)
        if rows is None:
            rng = rng_of(self.seed, EPOCH, epoch)
            batches = [
                np.resize(rng.permutation(bucket), (-(-len(bucket) // self.batch), self.batch))
                for bucket in self._buckets
            ]
            rows = rng.permutation(np.concatenate(batches))
            # Two: threads that read ahead are in the next epoch while the last steps of this one are asked for.
            kept = list(self._epochs.items())[-1:]
            self._epochs = dict([*kept, (epoch, rows)])
        return rows


def share_of(batch: int, world: int) -> int:
    """The examples of one process in a global batch."""
    if batch < 1 or world < 1 or batch % world:
        raise UsageError(
            f"a batch of {batch} cannot be dealt out evenly to {world} process(es); give a multiple of {world}"
        )
    return batch // world


def check_seed(seed: int) -> None:
    if seed < 0:
        raise UsageError(f"the seed must be 0 or more; got {seed}")


def draw_slots(
    step: int, numbers: Sequence[int], places: Sequence[int], *, seed: int, batch: int, example_config: ExampleConfig
) -> tuple[Slot, ...]:
    """What is drawn for a step and its places, whichever samples stand there."""
    rng = rng_of(seed, STEP, step)
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
