"""What it costs to read and to decode training samples.

    python tests/bench/bench_loader.py [--data out/demo] [--reads 10000] [--decodes 200]

Without --data on a data set made for it in a temporary folder. Prints random reads per second of whole samples, pairs
decoded per second beside plain OpenCV on the same bytes, and the memory before and after.
"""

import argparse
import tempfile
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import cv2
import numpy as np
import psutil
import webdataset

from simgen.train.data.examples import needed_members
from simgen.train.data.pairs import PairDataset, open_pairs

SHARDS, PER_SHARD = 8, 16
# As simgen writes pictures.
PICTURE = (cv2.IMWRITE_PNG_COMPRESSION, 1, cv2.IMWRITE_PNG_STRATEGY, cv2.IMWRITE_PNG_STRATEGY_RLE)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", action="append", help="a data set; may be given again")
    parser.add_argument("--size", type=int, default=512, help="of the pictures that are made, pixels")
    parser.add_argument("--reads", type=int, default=10_000)
    parser.add_argument("--decodes", type=int, default=200)
    parser.add_argument("--threads", type=int, default=2)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        places = options.data or [str(make_data(Path(folder), options.size))]
        began = time.perf_counter()
        pairs = open_pairs(places, split="train", cache=Path(folder) / "cache")
        print(f"opened     {len(pairs)} samples in {1e3 * (time.perf_counter() - began):.0f} ms")
        rng = np.random.default_rng(0)
        read_all(pairs, rng.integers(len(pairs), size=options.reads).tolist())
        decode_all(pairs, rng.integers(len(pairs), size=options.decodes).tolist(), options.threads)


def read_all(pairs: PairDataset, numbers: Sequence[int]) -> None:
    """Whole samples in random order; the first pass brings the files into memory."""
    for number in range(len(pairs)):
        pairs.members(number)
    process = psutil.Process()
    before_mb = process.memory_info().rss / 1e6
    began, total = time.perf_counter(), 0
    for number in numbers:
        total += sum(map(len, pairs.members(number).values()))
    seconds = time.perf_counter() - began
    after_mb = process.memory_info().rss / 1e6
    kib = total / len(numbers) / 1024
    print(f"reads      {len(numbers) / seconds:.0f} per second, {kib:.0f} KiB each, {total / seconds / 1e9:.1f} GB/s")
    print(f"memory     {before_mb:.0f} MB before and {after_mb:.0f} MB after {len(numbers)} reads")


def decode_all(pairs: PairDataset, numbers: Sequence[int], threads: int) -> None:
    """PairDataset, and the same pictures by plain OpenCV out of memory, in turns: the machine's speed changes."""
    cv2.setNumThreads(1)
    members = {number: pairs.members(number) for number in sorted(set(numbers))}

    def plain(number: int) -> None:
        for name in needed_members()[:3]:
            cv2.imdecode(np.frombuffer(members[number][name], np.uint8), cv2.IMREAD_UNCHANGED)

    spent = {"source": 0.0, "plain": 0.0}
    for number in numbers:
        spent["source"] += seconds_of(pairs.source, number)
        spent["plain"] += seconds_of(plain, number)
    with ThreadPoolExecutor(threads) as pool:
        began = time.perf_counter()
        list(pool.map(pairs.source, numbers))
        in_threads = time.perf_counter() - began
    source, bare = (len(numbers) / spent[name] for name in ("source", "plain"))
    print(f"decodes    {source:.1f} pairs per second, {bare:.1f} by plain OpenCV: {100 * source / bare:.0f} %")
    print(f"threads    {len(numbers) / in_threads:.1f} pairs per second in {threads}")


def seconds_of(work: Callable[[int], object], number: int) -> float:
    began = time.perf_counter()
    work(number)
    return time.perf_counter() - began


def make_data(folder: Path, size: int) -> Path:
    """Pictures about as hard to compress as rendered ones: smooth shapes under fine grain."""
    rng = np.random.default_rng(0)
    record = b'{"instructions": {"superficial": "push", "intermediate": "push it", "explicit": "push it over"}}'
    for shard in range(SHARDS):
        with webdataset.TarWriter(str(folder / f"{shard}.tar"), encoder=False) as tar:
            for number in range(shard * PER_SHARD, (shard + 1) * PER_SHARD):
                coarse = rng.integers(0, 256, (size // 16, size // 16, 3)).astype(np.float32)
                smooth = cv2.resize(coarse, (size, size), interpolation=cv2.INTER_CUBIC)
                start = np.clip(smooth + rng.normal(0, 0.6, smooth.shape), 0, 255).astype(np.uint8)
                mask = np.zeros((size, size), np.uint8)
                mask[size // 4 : size // 2, size // 4 : size // 2] = 255
                end = np.where(mask[..., None] > 0, 255 - start, start)
                labels = bytes(cv2.imencode(".png", mask)[1])
                sample = {"start.png": start, "end.png": end}
                encoded = {name: bytes(cv2.imencode(".png", p, PICTURE)[1]) for name, p in sample.items()}
                others = {"mask.png": labels, "start_seg.png": labels, "end_seg.png": labels, "json": record}
                tar.write({"__key__": f"made-{number:06d}", **encoded, **others})
    return folder


if __name__ == "__main__":
    main()
