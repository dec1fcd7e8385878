"""Data that is elsewhere: copied once, or streamed."""

import functools
import http.server
import importlib
import itertools
import json
import os
import shutil
import threading
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import webdataset

from simgen.core.errors import EnvironmentProblem, OutputError, UsageError
from simgen.train.data.examples import Example, ExampleConfig
from simgen.train.data.pairs import open_pairs
from simgen.train.data.stream import stream

EXAMPLES = ExampleConfig(crop_px=16, crop_share=0.5, max_resolution_px=96, size_multiple_px=16, tiers=(0.2, 0.5, 0.3))


@pytest.fixture(autouse=True)
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("SIMGEN_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache" / "shards"


@pytest.fixture
def data(tmp_path: Path, make_dataset: Callable[..., Path]) -> Path:
    """Twenty-four samples in seven shards, from the code that writes all of them."""
    return make_dataset(tmp_path / "served" / "data", n=24)


class Server:
    """Files of a folder over http; what is asked for is noted, and tars can be made to break off, or to be larger
    when they are asked for their size than when they are sent."""

    def __init__(self, folder: Path) -> None:
        self.asked: list[str] = []
        self.breaks_off = threading.Event()
        self.grows = threading.Event()
        outer = self

        class Handler(http.server.SimpleHTTPRequestHandler):
            def do_GET(self) -> None:
                outer.asked.append(self.path)
                if not (outer.breaks_off.is_set() and self.path.endswith(".tar")):
                    return super().do_GET()
                whole = (folder / self.path.lstrip("/")).read_bytes()
                self.send_response(200)
                self.send_header("Content-Length", str(len(whole)))
                self.end_headers()
                self.wfile.write(whole[: len(whole) // 2])
                self.close_connection = True
                return None

            def do_HEAD(self) -> None:
                if not (outer.grows.is_set() and self.path.endswith(".tar")):
                    return super().do_HEAD()
                self.send_response(200)
                self.send_header("Content-Length", "1000000")
                self.end_headers()
                return None

            def log_message(self, *args: object) -> None:
                pass

        handler = functools.partial(Handler, directory=str(folder))
        self.http = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
        self.http.daemon_threads = True
        threading.Thread(target=self.http.serve_forever, daemon=True).start()
        self.address = f"http://127.0.0.1:{self.http.server_address[1]}"

    def tars_asked(self) -> Counter[str]:
        return Counter(path for path in self.asked if path.endswith(".tar"))

    def stop(self) -> None:
        self.http.shutdown()
        self.http.server_close()


@pytest.fixture
def server(data: Path) -> Iterator[Server]:
    running = Server(data.parent)
    yield running
    running.stop()


# Copied once


@pytest.mark.network
@pytest.mark.parametrize("split", ["train", "test"])
def test_a_data_set_at_an_address_is_the_one_on_the_disk(server: Server, data: Path, split: Any) -> None:
    there = open_pairs([f"{server.address}/data/"], split=split)
    here = open_pairs([str(data)], split=split)
    assert there.keys == here.keys and len(there)
    assert there.fingerprint == here.fingerprint
    assert np.array_equal(there.sizes, here.sizes)
    assert all(there.members(i) == here.members(i) for i in range(len(here)))
    assert not [path for path in server.asked if path.endswith(".parquet")]


@pytest.mark.network
def test_what_was_copied_needs_no_network_again(server: Server) -> None:
    place = f"{server.address}/data"
    first = [open_pairs([place], split=split) for split in ("train", "test")]  # type: ignore[arg-type]
    assert set(server.tars_asked().values()) == {1}
    asked = len(server.asked)
    server.stop()
    for before, split in zip(first, ("train", "test"), strict=True):
        again = open_pairs([place + "/"], split=split)  # type: ignore[arg-type]
        assert again.keys == before.keys and again.fingerprint == before.fingerprint
        assert again.members(0) == before.members(0)
    assert len(server.asked) == asked


@pytest.mark.network
def test_two_ranks_that_open_at_once_copy_once(server: Server) -> None:
    with ThreadPoolExecutor(4) as pool:
        opened = list(pool.map(lambda _: open_pairs([f"{server.address}/data"], split="train"), range(4)))
    assert len({pairs.fingerprint for pairs in opened}) == 1
    assert set(server.tars_asked().values()) == {1}


@pytest.mark.network
def test_bare_tars_at_an_address_are_all_for_training(server: Server, data: Path) -> None:
    bare = data.parent / "bare"
    bare.mkdir()
    for tar in (data / "train").glob("*.tar"):
        shutil.copy(tar, bare / f"some {tar.name}")
    pairs = open_pairs([f"{server.address}/bare"], split="train")
    assert pairs.keys == open_pairs([str(data)], split="train").keys
    assert len(open_pairs([f"{server.address}/bare"], split="test")) == 0
    server.stop()
    assert len(open_pairs([f"{server.address}/bare"], split="test")) == 0


@pytest.mark.network
def test_a_copy_that_breaks_off_is_an_error_and_leaves_nothing_under_a_name(server: Server, own_cache: Path) -> None:
    server.breaks_off.set()
    with pytest.raises(OutputError, match=r"data/train/0000\d\.tar: cannot be read .*check the network"):
        open_pairs([f"{server.address}/data"], split="train")
    assert not list(own_cache.rglob("*.tar")) and not list(own_cache.rglob("*.tmp"))
    server.breaks_off.clear()
    assert len(open_pairs([f"{server.address}/data"], split="train")) > 10


@pytest.mark.network
def test_a_copy_of_another_size_than_announced_is_not_kept(server: Server, own_cache: Path) -> None:
    server.grows.set()
    with pytest.raises(OutputError, match=r"\.tar: \d+ of 1000000 bytes came; run the same command again"):
        open_pairs([f"{server.address}/data"], split="train")
    assert not list(own_cache.rglob("*.tar")) and not list(own_cache.rglob("*.tmp"))


@pytest.mark.network
@pytest.mark.parametrize("damage", [Path.unlink, lambda path: os.truncate(path, 1000)], ids=["gone", "cut off"])
def test_a_copy_is_completed_with_what_is_missing(
    server: Server, own_cache: Path, damage: Callable[[Path], None]
) -> None:
    place = f"{server.address}/data"
    whole = open_pairs([place], split="train")
    tars = sorted(own_cache.rglob("*.tar"))
    damage(tars[1])
    server.asked.clear()
    again = open_pairs([place], split="train")
    assert again.fingerprint == whole.fingerprint and again.members(0) == whole.members(0)
    assert set(server.tars_asked()) == {f"/data/train/{tars[1].name}"}


@pytest.mark.network
def test_what_is_not_there_is_one_sentence(server: Server, data: Path) -> None:
    with pytest.raises(OutputError, match=r"/nothing: nothing is there; check the address"):
        open_pairs([f"{server.address}/nothing"], split="train")
    (data.parent / "empty").mkdir()
    with pytest.raises(OutputError, match=r"http://.*/empty: holds no samples"):
        open_pairs([f"{server.address}/empty"], split="train")
    (data / "train" / "00001.tar").unlink()
    with pytest.raises(OutputError, match=r"http://.*/data/train/00001\.tar: is missing"):
        open_pairs([f"{server.address}/data"], split="train")
    server.stop()
    with pytest.raises(OutputError, match=r"/elsewhere: cannot be read .*check the network, or give the folder"):
        open_pairs([f"{server.address}/elsewhere"], split="train")


@pytest.mark.network
def test_a_cache_that_cannot_be_written_is_one_sentence(server: Server, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputError, match=r"file/.*: Not a directory; name a folder for copies in SIMGEN_CACHE"):
        open_pairs([f"{server.address}/data"], split="train", cache=tmp_path / "file")


def test_a_store_whose_library_is_missing_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    missing = {"class": "not_installed.S3FileSystem", "err": "Install s3fs to access S3"}
    # On the package the name of the module is that of its table.
    registry = importlib.import_module("fsspec.registry")
    monkeypatch.setitem(registry.known_implementations, "s3", missing)
    monkeypatch.delitem(registry._registry, "s3", raising=False)
    with pytest.raises(EnvironmentProblem, match=r"pip install -e '\.\[s3\]'"):
        open_pairs(["s3://bucket/data"], split="train")
    with pytest.raises(OutputError, match="htp://host/data: cannot be read"):
        open_pairs(["htp://host/data"], split="train")


@pytest.mark.network
def test_what_was_written_to_a_store_is_what_a_folder_gives(
    shelf: Any, make_dataset: Callable[..., Any], tmp_path: Path
) -> None:
    make_dataset(shelf, n=24)
    make_dataset(tmp_path / "b", n=24)
    there, here = (open_pairs([str(w)], split="train", cache=tmp_path / "cache") for w in (shelf, tmp_path / "b"))
    assert there.keys == here.keys and there.fingerprint == here.fingerprint
    assert [there.members(i) for i in range(len(there))] == [here.members(i) for i in range(len(here))]


# Streamed


def member(number: int, size: tuple[int, int]) -> dict[str, Any]:
    """A sample all of whose pixels are its number at the start and its double at the end."""
    width, height = size
    mask = np.zeros((height, width), np.uint8)
    mask[4:9, 5:12] = 255
    key = f"nudge-{number:06d}"
    record = {"instructions": {tier: f"{tier} {key}" for tier in ("superficial", "intermediate", "explicit")}}
    shown = {
        "start.png": np.full((height, width, 3), number, np.uint8),
        "end.png": np.full((height, width, 3), 2 * number, np.uint8),
        "mask.png": mask,
    }
    encoded = {name: bytes(cv2.imencode(".png", picture)[1]) for name, picture in shown.items()}
    return {"__key__": key, "json": json.dumps(record).encode(), "txt": b"not needed", **encoded}


@pytest.fixture
def shards(tmp_path: Path) -> Callable[..., Path]:
    """`shards([4, 3], sizes)`: a folder of tars with so many samples each, their sizes in turn."""

    def write(counts: Sequence[int], sizes: Sequence[tuple[int, int]] = ((64, 48),)) -> Path:
        folder = tmp_path / "shards"
        folder.mkdir()
        numbers = itertools.count(1)
        for shard, count in enumerate(counts):
            with webdataset.TarWriter(str(folder / f"{shard}.tar"), encoder=False) as tar:
                for number in itertools.islice(numbers, count):
                    tar.write(member(number, sizes[number % len(sizes)]))
        return folder

    return write


def streamed(
    place: Path | str,
    *,
    batch: int = 1,
    rank: int = 0,
    world: int = 1,
    seed: int = 3,
    example_config: ExampleConfig = EXAMPLES,
) -> Iterator[tuple[Example, ...]]:
    return stream(
        [str(place)], split="train", example_config=example_config, batch=batch, seed=seed, rank=rank, world=world
    )


def keys(batches: Iterator[tuple[Example, ...]], count: int) -> list[str]:
    return [example.key for batch in itertools.islice(batches, count) for example in batch]


def named(numbers: Sequence[int]) -> list[str]:
    return [f"nudge-{number:06d}" for number in numbers]


def test_every_sample_comes_once_an_epoch_in_an_order_of_its_own(shards: Callable[..., Path]) -> None:
    batches = streamed(shards([4, 3, 5]))
    epochs = [keys(batches, 12) for _ in range(3)]
    assert all(sorted(epoch) == named(range(1, 13)) for epoch in epochs)
    assert len({tuple(epoch) for epoch in epochs}) == 3


def test_the_same_seed_streams_the_same_examples(shards: Callable[..., Path]) -> None:
    folder = shards([4, 3, 5])
    runs = [
        [e.digest for batch in itertools.islice(streamed(folder, batch=2, seed=seed), 20) for e in batch]
        for seed in (1, 1, 2)
    ]
    assert runs[0] == runs[1] != runs[2]


def test_pictures_and_words_of_a_streamed_example_belong_together(shards: Callable[..., Path]) -> None:
    for batch in itertools.islice(streamed(shards([6, 6]), batch=4), 12):
        for example in batch:
            number = int(example.key[-6:])
            assert (example.start == number).all() and (example.end == 2 * number).all()
            assert example.instruction.endswith(example.key) and example.mask.any()


def test_a_streamed_batch_has_one_size(shards: Callable[..., Path]) -> None:
    folder = shards([5, 7, 4], sizes=[(64, 48), (48, 64), (70, 50)])
    batches = list(itertools.islice(streamed(folder, batch=3, example_config=replace(EXAMPLES, crop_share=0.0)), 20))
    shapes = [{example.mask.shape for example in batch} for batch in batches]
    assert all(len(shape) == 1 for shape in shapes)
    assert {shape.pop() for shape in shapes} == {(48, 64), (64, 48)}
    assert len({e.key for batch in batches for e in batch}) == 16, "no size starves"


def test_ranks_share_the_shards_of_an_epoch(shards: Callable[..., Path]) -> None:
    folder = shards([3, 3, 3, 3])
    seen = [keys(streamed(folder, batch=2, rank=rank, world=2), 6) for rank in range(2)]
    assert sorted(seen[0] + seen[1]) == named(range(1, 13))


def test_the_shards_of_a_rank_are_others_every_epoch(shards: Callable[..., Path]) -> None:
    folder = shards([3, 3, 3, 3])
    assert len(set(keys(streamed(folder, batch=2, rank=1, world=2), 36))) == 12


def test_with_fewer_shards_than_ranks_every_rank_goes_on_for_ever(shards: Callable[..., Path]) -> None:
    folder = shards([8, 4])
    seen = [keys(streamed(folder, batch=4, rank=rank, world=4), 3) for rank in range(4)]
    assert sorted(itertools.chain.from_iterable(seen)) == named(range(1, 13))
    for rank in range(4):
        assert len(set(keys(streamed(folder, batch=4, rank=rank, world=4), 60))) > 6


def test_with_fewer_samples_than_ranks_every_rank_goes_on_for_ever(shards: Callable[..., Path]) -> None:
    folder = shards([1])
    for rank in range(3):
        assert keys(streamed(folder, batch=3, rank=rank, world=3), 5) == named([1] * 5)


def test_ranks_train_on_crops_at_the_same_steps(shards: Callable[..., Path]) -> None:
    folder = shards([3, 3, 5, 2])
    widths = [
        [batch[0].mask.shape[1] for batch in itertools.islice(streamed(folder, batch=4, rank=rank, world=2), 40)]
        for rank in range(2)
    ]
    assert widths[0] == widths[1] and set(widths[0]) == {16, 64}


@pytest.mark.network
def test_what_is_streamed_over_a_network_is_what_is_streamed_off_the_disk(
    server: Server, data: Path, own_cache: Path
) -> None:
    digests = [
        [e.digest for batch in itertools.islice(streamed(place, batch=2), 20) for e in batch]
        for place in (data, f"{server.address}/data")
    ]
    assert digests[0] == digests[1]
    assert not list(own_cache.rglob("*.tar"))


def test_a_stream_that_cannot_go_on_is_one_sentence(shards: Callable[..., Path], tmp_path: Path) -> None:
    folder = shards([2, 2])
    with pytest.raises(UsageError, match="batch of 3 cannot be dealt out evenly to 2"):
        streamed(folder, batch=3, world=2)
    with pytest.raises(OutputError, match="holds no shards for test"):
        stream([str(folder)], split="test", example_config=EXAMPLES, batch=1, seed=0, rank=0, world=1)
    with pytest.raises(UsageError, match="no such folder"):
        streamed(tmp_path / "nowhere")
    os.truncate(folder / "1.tar", (folder / "1.tar").stat().st_size - 10240 - 700)
    with pytest.raises(OutputError, match=r"1\.tar: .*copy"):
        keys(streamed(folder), 10)
    for tar in folder.glob("*.tar"):
        with webdataset.TarWriter(str(tar), encoder=False):
            pass
    for world in (1, 4):
        with pytest.raises(OutputError, match=r"\.tar: holds? no sample"):
            keys(streamed(folder, batch=world, world=world), 1)
    with webdataset.TarWriter(str(folder / "0.tar"), encoder=False) as tar:
        tar.write({name: value for name, value in member(1, (64, 48)).items() if name != "end.png"})
    with pytest.raises(OutputError, match=r"0\.tar: sample nudge-000001 has no end\.png"):
        keys(streamed(folder, seed=0), 3)
