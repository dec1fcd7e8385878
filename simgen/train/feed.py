"""What a process trains on, some steps ahead: decoded in threads, then encoded, while the steps before are taken."""

import os
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np

from simgen.train.data.examples import Example, Slot, build_example
from simgen.train.data.pairs import PairDataset
from simgen.train.data.sampler import BatchSampler
from simgen.train.encode import Encoded, Encoder


@dataclass(frozen=True, slots=True, kw_only=True)
class Item:
    """One sample of a step."""

    name: str
    """What its noise is drawn from, with the seed: step, place in the batch, key. Never the process."""
    encoded: Encoded


@dataclass(frozen=True, slots=True, kw_only=True)
class Drawn:
    """One sample of a step, before it is encoded."""

    step: int
    place: int
    example: Example


class Shuffled:
    """Samples in an order that follows from seed and step alone."""

    def __init__(self, pairs: PairDataset, order: BatchSampler, *, seed: int, rank: int, world: int) -> None:
        self._pairs, self._order, self._seed = pairs, order, seed
        self._rank, self._world = rank, world
        self._threads = ThreadPoolExecutor(max_workers=min(8, os.cpu_count() or 1))
        self._waiting: dict[int, list[tuple[Slot, Future[Example]]]] = {}

    def want(self, steps: range) -> None:
        """Begin to decode what so many steps need."""
        for step in steps:
            if step not in self._waiting:
                slots = self._order.of_rank(step, self._rank, self._world)
                self._waiting[step] = [(slot, self._threads.submit(self._example, slot)) for slot in slots]

    def take(self, step: int) -> list[Drawn]:
        self.want(range(step, step + 1))
        found = self._waiting.pop(step)
        return [Drawn(step=step, place=slot.place, example=decoded.result()) for slot, decoded in found]

    def close(self) -> None:
        self._threads.shutdown(wait=False, cancel_futures=True)

    def _example(self, slot: Slot) -> Example:
        return build_example(self._pairs.source(slot.number), slot, self._order.example_config, seed=self._seed)


class Streamed:
    """Samples as they come from shards that are read from end to end."""

    def __init__(self, batches: Iterator[tuple[Example, ...]], *, first_place: int) -> None:
        self._batches, self._first = batches, first_place

    def want(self, steps: range) -> None:
        """Nothing is read ahead: the order is that of the reading."""

    def take(self, step: int) -> list[Drawn]:
        return [
            Drawn(step=step, place=self._first + i, example=example) for i, example in enumerate(next(self._batches))
        ]

    def close(self) -> None:
        """The iterator ends with the process."""


class Feed:
    """Encoded samples of one step after another."""

    def __init__(
        self,
        source: Shuffled | Streamed,
        encoder: Encoder,
        *,
        prefetch_steps: int,
        steps: int,
        seed: int,
        caption_dropout: float,
    ) -> None:
        self._source, self._encoder = source, encoder
        self._prefetch_steps, self._steps, self._seed = prefetch_steps, steps, seed
        self._caption_dropout = caption_dropout
        self._ready: dict[int, list[Item]] = {}

    def take(self, step: int) -> list[Item]:
        if step not in self._ready:
            chunk = range(step, min(step + self._prefetch_steps, self._steps))
            drawn = [self._source.take(s) for s in chunk]
            self._source.want(range(chunk.stop, min(chunk.stop + self._prefetch_steps, self._steps)))
            flat = [one for row in drawn for one in row]
            encoded = iter(
                self._encoder.encode([d.example for d in flat], drop_caption=[self._drops_caption(d) for d in flat])
            )
            self._ready = {s: [_item(d, next(encoded)) for d in row] for s, row in zip(chunk, drawn, strict=True)}
        return self._ready.pop(step)

    def close(self) -> None:
        self._source.close()

    def _drops_caption(self, drawn: Drawn) -> bool:
        """Whether a sample goes without its instruction, so that the model stays good for guidance."""
        chance = np.random.default_rng([self._seed, drawn.step, drawn.place, 1]).random()
        return bool(chance < self._caption_dropout)


def _item(drawn: Drawn, encoded: Encoded) -> Item:
    return Item(name=f"{drawn.step}/{drawn.place}/{drawn.example.key}", encoded=encoded)
