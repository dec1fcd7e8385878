import gzip
import hashlib
import json
import os
import resource
import shutil
import subprocess
import sys
import tarfile
import time
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import psutil
import pytest
import webdataset

import simgen
from simgen.core.errors import OutputError, UnknownName, UsageError
from simgen.dataset.layout import content_sha256
from simgen.train.data.examples import Example, ExampleConfig, Slot, Source, build_example, full_size
from simgen.train.data.pairs import PairDataset, default_cache, open_pairs
from simgen.train.data.sampler import BatchSampler

EXAMPLES = ExampleConfig(crop_px=32, crop_share=0.5, max_resolution_px=96, size_multiple_px=16, tiers=(0.2, 0.5, 0.3))
WHOLE = replace(EXAMPLES, crop_share=0.0)
BOX = (20, 12, 12, 10)
"""Left, top, width, height of what changes in the pictures below."""


def pictures(number: int, width: int, height: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Start, end and mask; a pixel of the start tells its place and the number of its sample."""
    y, x = np.mgrid[:height, :width]
    start = np.stack([x % 256, y % 256, (x // 256) + 4 * (y // 256) + 16 * (number % 16)], axis=-1).astype(np.uint8)
    left, top, wide, high = BOX
    mask = np.zeros((height, width), np.uint8)
    mask[top : top + high, left : left + wide] = 255
    mask[top : top + 3, left : left + wide] = 85
    end = np.where(mask[..., None] > 0, 255 - start, start).astype(np.uint8)
    return start, end, mask


def png(picture: np.ndarray) -> bytes:
    return bytes(cv2.imencode(".png", picture[..., ::-1] if picture.ndim == 3 else picture)[1])


def words(key: str) -> dict[str, str]:
    return {tier: f"{tier} {key}" for tier in ("superficial", "intermediate", "explicit")}


def members(number: int, size: tuple[int, int] = (64, 48), *, key: str = "") -> dict[str, Any]:
    """A sample as webdataset writes it."""
    key = key or f"nudge-{number:06d}"
    named = zip(("start.png", "end.png", "mask.png"), pictures(number, *size), strict=True)
    record = json.dumps({"key": key, "instructions": words(key)}).encode()
    return {"__key__": key, "json": record, "txt": key.encode(), **{name: png(p) for name, p in named}}


def write_tar(path: Path, samples: Iterable[dict[str, Any]]) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    with webdataset.TarWriter(str(path), encoder=False, mtime=0) as tar:
        for sample in samples:
            tar.write(sample)
    return path


def commit(tar: Path) -> Path:
    """The index and the statistics beside a tar, as `simgen generate` leaves them."""
    index: dict[str, dict[str, list[int]]] = {}
    with tarfile.open(tar) as headers:
        for info in headers:
            key, _, name = info.name.partition(".")
            index.setdefault(key, {})[name] = [info.offset_data, info.size]
    tar.with_name(f"{tar.stem}.idx.json").write_text(json.dumps({"tar": tar.name, "samples": index}))
    facts = {"sha256": hashlib.sha256(tar.read_bytes()).hexdigest(), "bytes": tar.stat().st_size}
    told = {"files": {tar.name: facts}, "keys": list(index)}
    tar.with_name(f"{tar.stem}_stats.json").write_text(json.dumps({**told, "sha256": content_sha256(told)}))
    return tar


def write_data(folder: Path, sizes: Sequence[tuple[int, int]], *, per_shard: int = 4, split: str = "train") -> Path:
    """A committed data set with one sample of each of these sizes."""
    samples = [members(number, size) for number, size in enumerate(sizes)]
    for shard in range(0, len(samples), per_shard):
        tar = folder / split / f"{shard // per_shard:05d}.tar"
        commit(write_tar(tar, samples[shard : shard + per_shard]))
    return folder


@pytest.fixture(autouse=True)
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("SIMGEN_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


@pytest.fixture
def generated(tmp_path: Path, make_dataset: Callable[..., Path]) -> Path:
    """A data set from the code that writes all of them."""
    return make_dataset(tmp_path / "generated", n=24, holes=(3,), passes=("depth",))


def opened(*places: Path | str, split: Any = "train") -> PairDataset:
    return open_pairs([str(place) for place in places], split=split)


def source(number: int = 0, size: tuple[int, int] = (64, 48)) -> Source:
    start, end, mask = pictures(number, *size)
    key = f"nudge-{number:06d}"
    return Source(key=key, start=start, end=end, mask=mask, instructions=tuple(words(key).values()))  # type: ignore[arg-type]


def slot(*, crop: bool, variant: int = 0, tier: int = 1) -> Slot:
    return Slot(step=0, place=0, number=0, crop=crop, variant=variant, tier=tier)


# Reading


def test_webdataset_reads_the_same_bytes(generated: Path) -> None:
    pairs = opened(generated)
    shards = sorted(str(path) for path in (generated / "train").glob("*.tar"))
    read = {}
    for sample in webdataset.WebDataset(shards, shardshuffle=False):
        read[sample["__key__"]] = {name: data for name, data in sample.items() if not name.startswith("__")}
    assert list(pairs.keys) == list(read) and len(pairs) > 10
    for number, key in enumerate(pairs.keys):
        assert pairs.members(number) == read[key]
        assert {"start_depth.npy", "start_seg.png", "txt"} < set(read[key])


def test_a_source_is_the_sample_that_simgen_reads(generated: Path) -> None:
    for split in ("train", "test"):
        pairs = opened(generated, split=split)
        data = simgen.open(generated, split=split)
        assert pairs.keys == data.keys and len(data)
        for number, sample in enumerate(data):
            read = pairs.source(number)
            assert read.key == sample.key
            assert read.instructions == tuple(sample.record["instructions"].values())
            for name in ("start", "end", "mask"):
                assert np.array_equal(getattr(read, name), getattr(sample, name))


def test_sizes_are_width_then_height(tmp_path: Path) -> None:
    pairs = opened(write_data(tmp_path / "data", [(64, 48), (48, 64), (300, 17)]))
    assert pairs.sizes.tolist() == [[64, 48], [48, 64], [300, 17]] and pairs.sizes.dtype == np.int32
    assert [pairs.source(i).start.shape for i in range(3)] == [(48, 64, 3), (64, 48, 3), (17, 300, 3)]


def test_only_shards_with_a_commit_count(tmp_path: Path) -> None:
    folder = write_data(tmp_path / "data", [(64, 48)] * 8)
    (folder / "train" / "00000_stats.json").unlink()
    assert opened(folder).keys == tuple(f"nudge-{i:06d}" for i in range(4, 8))


def test_where_only_the_tars_were_downloaded_all_of_them_count(tmp_path: Path) -> None:
    folder = write_data(tmp_path / "data", [(64, 48)] * 8)
    whole = opened(folder)
    for path in [*folder.glob("train/*.json"), *folder.glob("train/*.parquet")]:
        path.unlink()
    (folder / "train" / "._00000.tar").write_bytes(b"what a Mac leaves")
    bare = opened(folder)
    assert bare.keys == whole.keys
    assert all(bare.members(i) == whole.members(i) for i in range(8))


def test_a_plain_folder_of_tars_is_all_for_training(tmp_path: Path) -> None:
    write_tar(tmp_path / "data" / "some.mugs.tar", [members(0)])
    write_tar(tmp_path / "data" / "bowls.tar", [members(1)])
    assert opened(tmp_path / "data").keys == ("nudge-000001", "nudge-000000")
    empty = opened(tmp_path / "data", split="test")
    assert len(empty) == 0 and empty.sizes.shape == (0, 2)


def test_a_data_set_without_a_test_split_has_no_test_samples(tmp_path: Path) -> None:
    folder = write_data(tmp_path / "data", [(64, 48)])
    assert len(opened(folder, split="test")) == 0
    (folder / "test").mkdir()
    assert len(opened(folder, split="test")) == 0


def test_a_missing_index_is_read_off_the_tar_and_kept_outside_the_data(tmp_path: Path, own_cache: Path) -> None:
    folder = write_data(tmp_path / "data", [(64, 48)] * 4)
    whole = opened(folder)
    (folder / "train" / "00000.idx.json").unlink()
    before = sorted(path.name for path in folder.rglob("*"))
    for _ in range(2):
        pairs = opened(folder)
        assert pairs.keys == whole.keys and pairs.fingerprint == whole.fingerprint
        assert all(pairs.members(i) == whole.members(i) for i in range(4))
    assert sorted(path.name for path in folder.rglob("*")) == before
    (kept,) = (own_cache / "shards" / "index").iterdir()
    assert list(json.loads(kept.read_text())["samples"]) == list(whole.keys)


def test_a_cache_that_cannot_be_written_does_not_matter_to_data_that_is_here(tmp_path: Path) -> None:
    write_tar(tmp_path / "data" / "a.tar", [members(0)])
    (tmp_path / "file").write_text("")
    assert len(open_pairs([str(tmp_path / "data")], split="train", cache=tmp_path / "file")) == 1


def test_the_index_of_another_tar_is_not_used(tmp_path: Path) -> None:
    folder = tmp_path / "data"
    one, two = write_tar(folder / "one.tar", [members(0)]), write_tar(folder / "two.tar", [members(1, (96, 64))] * 1)
    stale = json.dumps({"tar": "one.tar", "samples": {"nudge-000001": {"start.png": [512, 100]}}})
    (folder / "one.idx.json").write_text(stale)
    commit(two)
    (folder / "two_stats.json").unlink()
    (folder / "two.idx.json").write_text((folder / "two.idx.json").read_text().replace("000001", "000009"))
    pairs = opened(folder)
    assert pairs.keys == ("nudge-000000", "nudge-000001")
    assert pairs.members(0)["txt"] == b"nudge-000000" and one.exists()


@pytest.mark.parametrize("text", ["{", "[]", "{}", '{"tar": "00000.tar", "samples": {"a": {"b": "c"}}}'])
def test_a_damaged_index_does_no_harm(tmp_path: Path, text: str) -> None:
    folder = write_data(tmp_path / "data", [(64, 48)] * 2)
    whole = opened(folder)
    (folder / "train" / "00000.idx.json").write_text(text)
    assert opened(folder).members(1) == whole.members(1)


def test_a_fingerprint_is_of_the_data_and_not_of_its_folder(tmp_path: Path) -> None:
    folder = write_data(tmp_path / "data", [(64, 48)] * 6)
    shutil.copytree(folder, tmp_path / "elsewhere")
    assert opened(folder).fingerprint == opened(tmp_path / "elsewhere").fingerprint
    assert opened(folder).fingerprint != opened(folder, folder).fingerprint
    bare = tmp_path / "bare"
    write_tar(bare / "a.tar", [members(0)])
    shutil.copytree(bare, tmp_path / "moved")
    before = opened(bare).fingerprint
    assert opened(tmp_path / "moved").fingerprint == before
    write_tar(bare / "a.tar", [members(0, (64, 64))])
    assert opened(bare).fingerprint != before


def test_samples_of_one_name_stay_apart(tmp_path: Path) -> None:
    one = write_data(tmp_path / "one", [(64, 48)] * 2)
    write_tar(tmp_path / "two" / "a.tar", [members(1, (32, 32)), members(2)])
    write_tar(tmp_path / "two" / "b.tar", [members(1, (16, 16))])
    pairs = opened(one, tmp_path / "two")
    assert pairs.keys == ("nudge-000000", "nudge-000001", "2:nudge-000001", "nudge-000002", "2:b:nudge-000001")
    assert [pairs.source(i).start.shape[0] for i in range(5)] == [48, 48, 32, 48, 16]
    assert pairs.source(2).key == "2:nudge-000001"


FORKED = """
import hashlib, json, multiprocessing, pickle, sys
from concurrent.futures import ThreadPoolExecutor
from simgen.train.data.pairs import open_pairs

pairs = open_pairs([sys.argv[1]], split="train")

def digest(number):
    return hashlib.sha256(b"".join(pairs.members(number).values())).hexdigest()

with ThreadPoolExecutor(8) as pool:
    by_threads = list(pool.map(digest, [number for _ in range(50) for number in range(12)]))
with multiprocessing.get_context("fork").Pool(3) as workers:
    by_forks = workers.map(digest, range(12))
pairs = pickle.loads(pickle.dumps(pairs))
print(json.dumps([by_threads, by_forks, digest(5)]))
"""


def test_threads_and_forked_processes_read_the_same(tmp_path: Path) -> None:
    """In a process of its own: a fork of this one would copy the threads' locks and signal handlers of other tests."""
    folder = write_data(tmp_path / "data", [(64, 48)] * 12)
    pairs = opened(folder)
    expected = [hashlib.sha256(b"".join(pairs.members(number).values())).hexdigest() for number in range(12)]
    command = [sys.executable, "-c", FORKED, str(folder)]
    said = subprocess.run(command, check=True, capture_output=True, text=True, timeout=60).stdout
    assert json.loads(said) == [expected * 50, expected, expected[5]]


def test_more_tars_than_a_process_may_open_can_be_read(tmp_path: Path) -> None:
    for number in range(70):
        write_tar(tmp_path / "data" / f"{number:03d}.tar", [members(number, (16, 16))])
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (len(os.listdir("/proc/self/fd")) + 40, hard))  # noqa: PTH208
    try:
        pairs = opened(tmp_path / "data")
        assert [pairs.members(i)["txt"].decode() for i in range(70)] == list(pairs.keys)
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def test_files_are_closed_with_the_pairs(tmp_path: Path) -> None:
    folder = write_data(tmp_path / "data", [(64, 48)] * 12)
    before = psutil.Process().num_fds()
    pairs = opened(folder)
    assert psutil.Process().num_fds() == before + 3
    del pairs
    assert psutil.Process().num_fds() == before


def test_thousands_of_random_reads_per_second_and_memory_stays_flat(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    for shard in range(4):
        noisy = [members(shard * 16 + i, (128, 128)) for i in range(16)]
        for sample in noisy:
            sample["start.png"] = png(rng.integers(0, 256, (128, 128, 3), dtype=np.uint8))
        write_tar(tmp_path / "data" / f"{shard}.tar", noisy)
    pairs = opened(tmp_path / "data")
    process, numbers = psutil.Process(), rng.integers(len(pairs), size=10_000).tolist()
    for number in numbers[:500]:
        pairs.source(number)
    before = process.memory_info().rss
    began = time.perf_counter()
    for number in numbers:
        pairs.members(number)
    rate = len(numbers) / (time.perf_counter() - began)
    for number in numbers[:1000]:
        build_example(pairs.source(number), slot(crop=True, variant=number % 4), EXAMPLES, seed=0)
    grown = (process.memory_info().rss - before) / 1e6
    print(f"{rate:.0f} random reads per second, memory grew by {grown:.1f} MB")
    assert rate >= 2000 and grown < 20


def test_a_number_beyond_the_samples_is_an_index_error(tmp_path: Path) -> None:
    pairs = opened(write_data(tmp_path / "data", [(64, 48)]))
    for number in (-1, 1):
        with pytest.raises(IndexError, match="there are 1"):
            pairs.members(number)


# Bad input


def test_a_place_that_is_none_is_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="nowhere: no such folder; give the --out folder"):
        opened(tmp_path / "nowhere")
    (tmp_path / "a.tar").write_bytes(b"")
    with pytest.raises(UsageError, match=r"a\.tar: is a file, not a folder"):
        opened(tmp_path / "a.tar")
    (tmp_path / "empty").mkdir()
    for split in ("train", "test"):
        with pytest.raises(OutputError, match=r"empty: holds no samples \(no folder train/ or test/, no \.tar\)"):
            opened(tmp_path / "empty", split=split)
    with pytest.raises(UsageError, match="no data set is named"):
        opened()
    with pytest.raises(UnknownName, match="no split 'tset'; did you mean 'test'"):
        opened(tmp_path, split="tset")


def test_a_data_set_with_nothing_to_train_on_is_one_sentence(tmp_path: Path) -> None:
    folder = write_data(tmp_path / "data", [(64, 48)], split="test")
    assert len(opened(folder, split="test")) == 1
    with pytest.raises(OutputError, match="data: holds no samples to train on"):
        opened(folder)
    commit(write_tar(folder / "train" / "00000.tar", []))
    with pytest.raises(OutputError, match="data: its shards hold no sample"):
        opened(folder)


def test_a_committed_tar_that_is_cut_off_is_found_at_opening(tmp_path: Path) -> None:
    folder = write_data(tmp_path / "data", [(64, 48)] * 2)
    tar = folder / "train" / "00000.tar"
    size = tar.stat().st_size
    os.truncate(tar, size // 2)
    with pytest.raises(
        OutputError, match=rf"00000\.tar: has {size // 2} bytes, its 00000_stats.json says {size}; .*copy"
    ):
        opened(folder)


@pytest.mark.parametrize("with_index", [True, False])
def test_a_bare_tar_that_is_cut_off_anywhere_is_found_at_opening(tmp_path: Path, with_index: bool) -> None:
    tar = commit(write_tar(tmp_path / "data" / "a.tar", [members(0), members(1)]))
    (tmp_path / "data" / "a_stats.json").unlink()
    index = json.loads((tmp_path / "data" / "a.idx.json").read_text())["samples"]
    if not with_index:
        (tmp_path / "data" / "a.idx.json").unlink()
    data = tar.read_bytes()
    offset, size = index["nudge-000001"]["start.png"]
    second = index["nudge-000001"]["end.png"][0] - 512
    # In a picture, in a header, behind a whole sample, in front of the end of the archive.
    for cut in (offset + size // 2, offset - 100, second, offset + size):
        tar.write_bytes(data[:cut])
        with pytest.raises(OutputError, match=r"a\.tar: is cut off .*copy it again"):
            opened(tmp_path / "data")


def test_what_is_no_plain_tar_is_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    for data in (gzip.compress(b"a tar" * 1000), b"", b"<html>404</html>" * 100):
        (tmp_path / "data" / "a.tar").write_bytes(data)
        with pytest.raises(OutputError, match=r"a\.tar: is cut off or no plain tar .*copy it again"):
            opened(tmp_path / "data")


def test_a_tar_that_is_gone_is_one_sentence(tmp_path: Path) -> None:
    folder = write_data(tmp_path / "data", [(64, 48)])
    (folder / "train" / "00000.tar").unlink()
    with pytest.raises(OutputError, match=r"train/00000\.tar: is missing, its 00000_stats\.json is there; copy"):
        opened(folder)


def test_damaged_statistics_are_one_sentence(tmp_path: Path) -> None:
    folder = write_data(tmp_path / "data", [(64, 48)])
    (folder / "train" / "00000_stats.json").write_text("{}")
    with pytest.raises(OutputError, match=r"00000_stats\.json: is damaged .*simgen verify"):
        opened(folder)


@pytest.mark.parametrize("name", ["start.png", "end.png", "mask.png", "json"])
def test_a_sample_without_a_member_names_tar_and_key(tmp_path: Path, name: str) -> None:
    broken = members(1)
    del broken[name]
    write_tar(tmp_path / "data" / "a.tar", [members(0), broken])
    with pytest.raises(OutputError, match=rf"a\.tar: sample nudge-000001 has no {name}, only .*txt.*; a sample"):
        opened(tmp_path / "data")


def test_a_member_that_is_there_twice_is_one_sentence(tmp_path: Path) -> None:
    write_tar(tmp_path / "data" / "a.tar", [members(0), members(1), members(0)])
    with pytest.raises(OutputError, match=r"a\.tar: holds nudge-000000\.end\.png twice"):
        opened(tmp_path / "data")


def test_a_picture_that_does_not_decode_is_named_when_it_is_read(tmp_path: Path) -> None:
    broken = {**members(1), "end.png": members(1)["end.png"][:100]}
    write_tar(tmp_path / "data" / "a.tar", [members(0), broken])
    pairs = opened(tmp_path / "data")
    pairs.source(0)
    with pytest.raises(
        OutputError, match=r"a\.tar: nudge-000001: end\.png does not decode, 100 bytes; .*copy it again"
    ):
        pairs.source(1)


def test_a_start_that_is_no_png_is_named_at_opening(tmp_path: Path) -> None:
    write_tar(tmp_path / "data" / "a.tar", [{**members(1), "start.png": b"JFIF" * 20}])
    with pytest.raises(OutputError, match=r"a\.tar: nudge-000001: start\.png is not a PNG"):
        opened(tmp_path / "data")


@pytest.mark.parametrize(
    ("name", "data", "message"),
    [
        (
            "end.png",
            png(np.zeros((48, 60, 3), np.uint8)),
            "start.png is 64 × 48, end.png is 60 × 48, mask.png is 64 × 48",
        ),
        ("mask.png", png(np.zeros((64, 48), np.uint8)), "mask.png is 48 × 64; all three must have one size"),
        ("end.png", png(np.zeros((48, 64), np.uint8)), "end.png is uint8 .48, 64., must be 8 bits of 3"),
        ("mask.png", png(np.zeros((48, 64, 3), np.uint8)), "mask.png is uint8 .48, 64, 3., must be 8 bits of 1"),
        ("end.png", bytes(cv2.imencode(".png", np.zeros((48, 64, 3), np.uint16))[1]), "end.png is uint16"),
        ("json", b"{", "member json is damaged"),
        ("json", b'{"instructions": {"superficial": "push"}}', "json has no instructions"),
        ("json", b'{"key": 1}', "json has no instructions"),
    ],
)
def test_members_that_do_not_fit_are_named_when_they_are_read(
    tmp_path: Path, name: str, data: bytes, message: str
) -> None:
    write_tar(tmp_path / "data" / "a.tar", [{**members(1), name: data}])
    pairs = opened(tmp_path / "data")
    with pytest.raises(OutputError, match=rf"a\.tar: nudge-000001: .*{message}"):
        pairs.source(0)


def test_the_cache_is_where_the_environment_says(monkeypatch: pytest.MonkeyPatch, own_cache: Path) -> None:
    assert default_cache() == own_cache / "shards"
    monkeypatch.delenv("SIMGEN_CACHE")
    assert default_cache() == Path.home() / ".cache" / "simgen" / "shards"


# Sampling

MIXED = [(64, 48)] * 7 + [(48, 64)] * 5 + [(64, 63)] * 3 + [(70, 50)] * 2


@pytest.fixture(scope="session")
def mixed(tmp_path_factory: pytest.TempPathFactory) -> PairDataset:
    """Seventeen samples of which 7 + 2, 5 and 3 get one size: 64 × 48 also out of 70 × 50 and 64 × 63."""
    folder = write_data(tmp_path_factory.mktemp("mixed"), MIXED)
    return open_pairs([str(folder)], split="train", cache=folder / "cache")


def order(
    pairs: PairDataset, *, batch: int = 4, seed: int = 3, example_config: ExampleConfig = EXAMPLES
) -> BatchSampler:
    return BatchSampler(pairs, batch=batch, seed=seed, example_config=example_config)


def test_one_rank_of_four_sees_what_two_ranks_of_two_see_together(mixed: PairDataset) -> None:
    one, two = order(mixed), order(mixed)
    for step in range(30):
        whole = one.of_rank(step, 0, 1)
        assert whole == one.slots(step) and len(whole) == 4
        assert whole == two.of_rank(step, 0, 2) + two.of_rank(step, 1, 2)
        assert whole == tuple(s for rank in range(4) for s in two.of_rank(step, rank, 4))
        assert [s.place for s in whole] == [0, 1, 2, 3] and {s.step for s in whole} == {step}


def test_a_step_is_the_same_whenever_it_is_asked_for(mixed: PairDataset) -> None:
    straight = [order(mixed).slots(step) for step in range(40)]
    walking = order(mixed)
    assert [walking.slots(step) for step in range(40)] == straight
    resumed = order(mixed)
    for step in (37, 2, 38, 11, 39, 0):
        assert resumed.slots(step) == straight[step]


def test_another_seed_is_another_order(mixed: PairDataset) -> None:
    numbers = [[s.number for step in range(6) for s in order(mixed, seed=seed).slots(step)] for seed in (0, 1)]
    assert numbers[0] != numbers[1]


def test_every_sample_comes_once_an_epoch_and_only_the_filling_twice(mixed: PairDataset) -> None:
    asked = order(mixed)
    # Buckets of 12 and 5 samples make 3 and 2 batches of four.
    assert asked.steps_per_epoch == 5
    seen = []
    for epoch in range(3):
        numbers = [s.number for step in range(epoch * 5, epoch * 5 + 5) for s in asked.slots(step)]
        counts = Counter(numbers)
        assert set(counts) == set(range(17)) and sum(counts.values()) == 20
        assert sum(count == 2 for count in counts.values()) == 3 and max(counts.values()) == 2
        seen.append(tuple(numbers))
    assert len(set(seen)) == 3, "every epoch has an order of its own"


def test_an_epoch_without_filling_is_a_permutation(mixed: PairDataset) -> None:
    asked = order(mixed, batch=1)
    assert asked.steps_per_epoch == 17
    assert sorted(asked.slots(step)[0].number for step in range(17, 34)) == list(range(17))


@pytest.mark.parametrize("crop_share", [0.0, 1.0])
def test_all_examples_of_a_step_have_one_size_and_are_all_crops_or_none(mixed: PairDataset, crop_share: float) -> None:
    example_config = replace(EXAMPLES, crop_share=crop_share, crop_px=64)
    asked, sizes = order(mixed, example_config=example_config), set()
    for step in range(10):
        slots = asked.slots(step)
        assert {s.crop for s in slots} == {crop_share == 1.0}
        examples = [build_example(mixed.source(s.number), s, example_config, seed=3) for s in slots]
        assert len({example.mask.shape for example in examples}) == 1
        sizes.add(examples[0].mask.shape)
    assert sizes == {(48, 64), (64, 48)}


def test_crops_and_tiers_follow_their_shares(mixed: PairDataset) -> None:
    asked = order(mixed, example_config=replace(EXAMPLES, crop_share=0.7))
    steps = [asked.slots(step) for step in range(2000)]
    assert np.mean([slots[0].crop for slots in steps]) == pytest.approx(0.7, abs=0.03)
    tiers = Counter(s.tier for slots in steps for s in slots)
    assert [tiers[tier] / 8000 for tier in range(3)] == pytest.approx([0.2, 0.5, 0.3], abs=0.02)
    variants = Counter(s.variant for slots in steps for s in slots if s.crop)
    assert sorted(variants) == [0, 1, 2, 3] and max(variants.values()) < 1.2 * min(variants.values())
    assert {s.variant for slots in steps for s in slots if not s.crop} == {0}


@pytest.mark.parametrize("only", [0, 1, 2])
def test_a_tier_without_weight_never_comes(mixed: PairDataset, only: int) -> None:
    tiers = tuple(3.0 if tier == only else 0.0 for tier in range(3))
    asked = order(mixed, example_config=replace(EXAMPLES, tiers=tiers))  # type: ignore[arg-type]
    assert {s.tier for step in range(200) for s in asked.slots(step)} == {only}


def test_one_sample_fills_a_batch_and_more_ranks_than_shards_all_get_some(tmp_path: Path) -> None:
    pairs = opened(write_data(tmp_path / "data", [(64, 48)]))
    asked = order(pairs, batch=8)
    assert [s.number for s in asked.slots(5)] == [0] * 8
    assert len({s.tier for step in range(5) for s in asked.slots(step)}) > 1
    assert all(len(asked.of_rank(0, rank, 8)) == 1 for rank in range(8))


def test_what_cannot_be_put_in_order_is_one_sentence(mixed: PairDataset, tmp_path: Path) -> None:
    with pytest.raises(
        UsageError, match=r"batch of 4 cannot be dealt out evenly to 3 process\(es\); give a multiple of 3"
    ):
        order(mixed).of_rank(0, 0, 3)
    with pytest.raises(UsageError, match="batch of 0"):
        order(mixed, batch=0)
    with pytest.raises(UsageError, match="seed must be 0 or more; got -1"):
        order(mixed, seed=-1)
    write_tar(tmp_path / "data" / "a.tar", [members(0), members(1, (40, 12))])
    with pytest.raises(UsageError, match="nudge-000001: is 40 × 12 pixels, the model takes multiples of 16"):
        order(opened(tmp_path / "data"))
    with pytest.raises(UsageError, match="nothing to put in order"):
        order(opened(tmp_path / "data", split="test"))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"crop_px": 40}, "crop must be a multiple of 16 pixels; got 40"),
        ({"crop_px": 0}, "crop must be a multiple of 16 pixels; got 0"),
        ({"crop_share": 1.5}, "from 0 to 1; got 1.5"),
        ({"max_resolution_px": 8}, "at least 16 pixels; got 8"),
        ({"tiers": (0.0, 0.0, 0.0)}, "0 or more, not all 0"),
        ({"tiers": (1.0, -1.0, 1.0)}, "0 or more, not all 0"),
        ({"variants": 0}, "at least 1 crop per sample; got 0"),
    ],
)
def test_a_framing_that_makes_no_sense_is_one_sentence(change: dict[str, Any], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        replace(EXAMPLES, **change)


# ExampleConfig


def test_a_full_frame_that_fits_is_the_picture_itself() -> None:
    read = source(size=(96, 64))
    example = build_example(read, slot(crop=False), EXAMPLES, seed=0)
    assert np.array_equal(example.start, read.start) and np.array_equal(example.end, read.end)
    assert np.array_equal(example.mask, np.where(read.mask > 0, 255, 0))
    assert example.instruction == "intermediate nudge-000000"


@pytest.mark.parametrize("size", [(64, 48), (48, 64), (200, 100), (100, 200), (97, 33)])
def test_width_and_height_are_never_swapped(size: tuple[int, int]) -> None:
    width, height = size
    read = source(size=size)
    example = build_example(read, slot(crop=False), EXAMPLES, seed=0)
    got = example.mask.shape[1] / example.mask.shape[0]
    assert (got > 1) == (width > height) and got == pytest.approx(width / height, rel=0.34)
    # Red rises along x, green along y, as in the picture.
    across, down = (example.start.astype(int)[-1, -1] - example.start.astype(int)[0, 0])[:2]
    assert across / down == pytest.approx(width / height, rel=0.4)
    assert np.abs(np.diff(example.start[:, :, 0].astype(int), axis=0)).max() == 0
    assert np.abs(np.diff(example.start[:, :, 1].astype(int), axis=1)).max() == 0


def test_an_unaligned_picture_is_cut_where_nothing_changes_and_never_resampled() -> None:
    for left, top, x, y in [(0, 0, 0, 0), (60, 40, 6, 2), (30, 20, 3, 1)]:
        read = source(size=(70, 50))
        mask = np.zeros((50, 70), np.uint8)
        mask[top : top + 10, left : left + 10] = 170
        read = replace(read, mask=mask)
        example = build_example(read, slot(crop=False), EXAMPLES, seed=0)
        assert np.array_equal(example.start, read.start[y : y + 48, x : x + 64])
        assert np.array_equal(example.end, read.end[y : y + 48, x : x + 64])
        assert (example.mask > 0).sum() == (mask > 0).sum()


def test_what_cannot_be_kept_of_a_change_is_as_little_as_possible() -> None:
    mask = np.zeros((48, 70), np.uint8)
    mask[:, :2] = 85
    mask[10, 66:] = 255
    example = build_example(replace(source(size=(70, 48)), mask=mask), slot(crop=False), EXAMPLES, seed=0)
    assert (example.mask > 0).sum() == 2 * 48


@pytest.mark.parametrize(
    ("size", "largest", "expected"),
    [
        ((64, 48), 96, (64, 48)),
        ((2048, 2048), 1024, (1024, 1024)),
        ((1030, 1030), 1024, (1024, 1024)),
        ((1920, 1080), 1024, (1360, 768)),
        ((1080, 1920), 1024, (768, 1360)),
        ((1100, 1050), 1024, (1040, 992)),
    ],
)
def test_a_large_picture_gets_about_the_area_and_its_own_aspect(
    size: tuple[int, int], largest: int, expected: tuple[int, int]
) -> None:
    got = full_size(*size, replace(EXAMPLES, max_resolution_px=largest))
    assert got == expected
    assert got[0] * got[1] <= max(largest**2, size[0] * size[1] if got == size else 0)
    assert got[0] / got[1] == pytest.approx(size[0] / size[1], rel=0.02)


@pytest.mark.parametrize("grain", [8, 16, 28, 32])
def test_every_size_becomes_an_aligned_one_of_no_more_than_its_own_pixels(grain: int) -> None:
    example_config = ExampleConfig(
        crop_px=grain * 4, crop_share=0.5, max_resolution_px=512, size_multiple_px=grain, tiers=(1, 1, 1)
    )
    rng = np.random.default_rng(grain)
    for width, height in rng.integers(grain, 3000, (2000, 2)).tolist():
        got = full_size(width, height, example_config)
        assert got[0] % grain == got[1] % grain == 0
        assert grain <= got[0] <= width and grain <= got[1] <= height
        assert got[0] * got[1] < 512**2 * (1.25 if min(got) > 4 * grain else 3)


def test_shrinking_keeps_shares_of_change_and_equality_outside_it() -> None:
    example_config = replace(WHOLE, max_resolution_px=64)
    rng = np.random.default_rng(0)
    start = rng.integers(0, 256, (192, 256, 3), dtype=np.uint8)
    mask = np.zeros((192, 256), np.uint8)
    mask[40:77, 31:90] = 85
    mask[100:133, 150:211] = 255
    end = np.where(mask[..., None] > 0, 255 - start, start).astype(np.uint8)
    example = build_example(
        replace(source(), start=start, end=end, mask=mask), slot(crop=False), example_config, seed=0
    )
    height, width = example.mask.shape
    assert (width, height) == full_size(256, 192, example_config) and width * height <= 64 * 64 * 1.2
    assert example.mask.mean() / 255 == pytest.approx((mask > 0).mean(), abs=0.001)
    assert len(np.unique(example.mask)) > 3, "shares, not a yes or no"
    still = example.mask == 0
    assert still.any() and np.array_equal(example.start[still], example.end[still])
    assert np.array_equal(example.start, cv2.resize(start, (width, height), interpolation=cv2.INTER_AREA))


def test_start_end_and_mask_of_a_crop_are_one_window_with_a_change_in_it() -> None:
    corners = set()
    for number in range(4):
        read = source(number, (300, 280))
        for variant in range(8):
            example = build_example(read, slot(crop=True, variant=variant), EXAMPLES, seed=0)
            x, y = window(example)
            assert np.array_equal(example.start, read.start[y : y + 32, x : x + 32])
            assert np.array_equal(example.end, read.end[y : y + 32, x : x + 32])
            assert np.array_equal(example.mask, np.where(read.mask > 0, 255, 0)[y : y + 32, x : x + 32])
            assert example.start.shape == (32, 32, 3) and example.mask.any()
            corners.add((x, y))
    assert len(corners) > 16, "the change lies anywhere in the window"


def window(example: Example) -> tuple[int, int]:
    """Left and top of a crop, as its first pixel tells."""
    red, green, blue = (int(value) for value in example.start[0, 0])
    return red + 256 * (blue % 4), green + 256 * (blue % 16 // 4)


def test_a_crop_is_a_pure_function_of_seed_key_and_variant() -> None:
    read = source(size=(300, 280))

    def seen(seed: int, variant: int, key: str = "a", step: int = 0) -> tuple[int, int]:
        place = replace(slot(crop=True, variant=variant), step=step, place=step)
        return window(build_example(replace(read, key=key), place, EXAMPLES, seed=seed))

    assert seen(0, 1) == seen(0, 1, step=77)
    assert len({seen(0, 1), seen(1, 1), seen(0, 2), seen(0, 1, key="b")}) == 4


def test_where_nothing_changed_a_crop_is_anywhere() -> None:
    read = replace(source(size=(300, 280)), mask=np.zeros((280, 300), np.uint8))
    found = {window(build_example(read, slot(crop=True, variant=variant), EXAMPLES, seed=0)) for variant in range(40)}
    assert len(found) > 30
    assert max(x for x, _ in found) > 200 and max(y for _, y in found) > 180


def test_a_crop_of_a_small_picture_is_the_largest_aligned_window_with_a_change() -> None:
    read = source(size=(50, 40))
    example = build_example(read, slot(crop=True, variant=2), replace(EXAMPLES, crop_px=64), seed=0)
    x, y = window(example)
    assert example.mask.shape == (32, 48) and example.mask.any()
    assert np.array_equal(example.end, read.end[y : y + 32, x : x + 48])


def test_crops_of_a_picture_that_would_be_shrunk_have_its_own_pixels() -> None:
    read = source(size=(300, 280))
    example = build_example(read, slot(crop=True), replace(EXAMPLES, max_resolution_px=64), seed=0)
    x, y = window(example)
    assert np.array_equal(example.start, read.start[y : y + 32, x : x + 32])


def test_an_example_does_not_hold_the_picture_it_was_cut_from() -> None:
    example = build_example(source(size=(300, 280)), slot(crop=True), EXAMPLES, seed=0)
    for picture in (example.start, example.end, example.mask):
        assert picture.base is None and picture.flags["C_CONTIGUOUS"]


def test_a_digest_tells_pixels_and_words_apart_and_nothing_else() -> None:
    read = source()
    base = build_example(read, slot(crop=False), EXAMPLES, seed=0).digest
    other_end = read.end.copy()
    other_end[0, 0, 0] ^= 1
    other_mask = read.mask.copy()
    other_mask[0, 0] = 255
    changed = [
        build_example(replace(read, end=other_end), slot(crop=False), EXAMPLES, seed=0),
        build_example(replace(read, mask=other_mask), slot(crop=False), EXAMPLES, seed=0),
        build_example(read, slot(crop=False, tier=2), EXAMPLES, seed=0),
        build_example(read, slot(crop=True), EXAMPLES, seed=0),
    ]
    assert len({base, *(example.digest for example in changed)}) == 5
    again = replace(slot(crop=False), step=9, place=3, number=5)
    assert build_example(replace(read, key="renamed"), again, EXAMPLES, seed=8).digest == base


def test_pictures_and_words_of_an_example_belong_to_its_key_in_every_epoch(mixed: PairDataset) -> None:
    asked = order(mixed)
    tiers = ("superficial", "intermediate", "explicit")
    seen: dict[tuple[str, bool, int, int], str] = {}
    for step in range(3 * asked.steps_per_epoch):
        for place in asked.slots(step):
            example = build_example(mixed.source(place.number), place, EXAMPLES, seed=3)
            number = int(example.key.rpartition("-")[2])
            assert example.key == mixed.keys[place.number] == mixed.keys[number]
            assert example.instruction == f"{tiers[place.tier]} {example.key}"
            x, y = window(example)
            height, width = example.mask.shape
            start, end, mask = pictures(number, *MIXED[number])
            cut = np.s_[y : y + height, x : x + width]
            assert np.array_equal(example.start, start[cut]) and np.array_equal(example.end, end[cut])
            assert np.array_equal(example.mask > 0, mask[cut] > 0)
            name = (example.key, place.crop, place.variant, place.tier)
            assert seen.setdefault(name, example.digest) == example.digest
    assert len(set(seen.values())) > 17


def test_a_picture_below_the_grain_is_refused() -> None:
    with pytest.raises(UsageError, match="is 40 × 12 pixels"):
        build_example(source(size=(40, 12)), slot(crop=True), EXAMPLES, seed=0)
