"""What other people's readers make of our files: webdataset, and `datasets` as the Hub's viewer uses it."""

import os

# Before `datasets` is imported: it must not ask anybody.
os.environ["HF_HUB_OFFLINE"] = "1"
os.environ["HF_DATASETS_OFFLINE"] = "1"

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml

from simgen.dataset.card import write_card
from simgen.dataset.layout import committed
from simgen.dataset.reader import open_dataset
from simgen.record.codec import MEMBERS, decode, encode

webdataset = pytest.importorskip("webdataset")
datasets = pytest.importorskip("datasets")

DatasetFactory = Callable[..., Path]


@pytest.fixture(scope="module", autouse=True)
def quiet() -> Iterator[None]:
    datasets.disable_progress_bars()
    yield
    datasets.enable_progress_bars()


@pytest.fixture
def folder(tmp_path: Path, make_dataset: DatasetFactory) -> Path:
    """Fourteen samples of one to five bodies, without, with one and with two contacts, with and without events."""
    data = make_dataset(tmp_path / "data", n=14, shard_size=5)
    write_card(data, command="simgen generate --n 14 --out data")
    return data


def tars(folder: Path) -> list[str]:
    return [str(path) for split in ("train", "test") for path in sorted((folder / split).glob("*.tar"))]


def load(folder: Path, cache: Path, paths: list[str]) -> Any:
    return datasets.load_dataset("webdataset", data_files={"train": paths}, cache_dir=str(cache))["train"]


def front_matter(folder: Path) -> dict[str, Any]:
    _, head, _ = (folder / "README.md").read_text().split("---\n", 2)
    data: dict[str, Any] = yaml.safe_load(head)
    return data


def test_the_samples_differ_in_what_could_fix_a_type_too_early(folder: Path) -> None:
    data = open_dataset(folder)
    records = [data.record(key) for key in data.keys]
    assert {len(record["bodies"]) for record in records} == {1, 2, 3, 4, 5}
    assert {len(json.loads(record["contacts_json"])) for record in records} == {0, 1, 2}
    assert {len(json.loads(record["events_json"])) for record in records} >= {0, 2, 3}


def test_webdataset_reads_every_sample(folder: Path) -> None:
    ours = open_dataset(folder)
    read = list(webdataset.WebDataset(tars(folder), shardshuffle=False, empty_check=False))
    assert [members["__key__"] for members in read] == list(ours.keys)
    for members in read:
        sample = decode(members["__key__"], members)
        assert sample.record == ours.record(sample.key)
        assert encode(sample) == {name: members[name] for name in MEMBERS}


def test_webdataset_decodes_every_sample_by_itself(folder: Path) -> None:
    ours = open_dataset(folder)
    for members in webdataset.WebDataset(tars(folder), shardshuffle=False).decode("rgb8"):
        sample = ours[members["__key__"]]
        assert np.array_equal(members["start.png"], sample.start)
        assert np.array_equal(members["mask.png"][..., 0], sample.mask)
        assert members["json"] == sample.record
        assert members["txt"] == sample.record["instructions"]["intermediate"]


def test_datasets_reads_every_sample_whole(folder: Path, tmp_path: Path) -> None:
    ours = open_dataset(folder)
    read = load(folder, tmp_path / "cache", tars(folder))
    assert [row["__key__"] for row in read] == list(ours.keys)
    for row in read:
        sample = ours[row["__key__"]]
        # Nothing lost, nothing rounded, nothing turned into null.
        assert row["json"] == sample.record
        assert np.array_equal(np.array(row["end.png"]), sample.end)
        assert np.array_equal(np.array(row["end_seg.png"]), sample.end_seg)
        assert row["txt"] == sample.record["instructions"]["intermediate"]


def test_datasets_finds_the_same_features_whichever_samples_come_first(folder: Path, tmp_path: Path) -> None:
    paths = tars(folder)
    found = [
        load(folder, tmp_path / str(i), order).features
        for i, order in enumerate((paths, paths[::-1], [*paths[1:], paths[0]]))
    ]
    assert found[0] == found[1] == found[2]


@pytest.mark.parametrize("passes", [(), ("depth",)])
def test_the_card_declares_the_features_that_are_there(
    passes: tuple[str, ...], tmp_path: Path, make_dataset: DatasetFactory
) -> None:
    folder = make_dataset(tmp_path / "data", n=8, passes=passes)
    write_card(folder, command="simgen generate --n 8")
    declared = datasets.Features._from_yaml_list(front_matter(folder)["dataset_info"]["features"])
    found = load(folder, tmp_path / "cache", tars(folder)).features
    assert declared == found
    assert set(found) == {*MEMBERS, "__key__", "__url__", *(f"{w}_{p}.npy" for p in passes for w in ("start", "end"))}


def test_the_folder_loads_as_a_repository_with_both_splits(folder: Path, tmp_path: Path) -> None:
    (folder / "report").mkdir()
    (folder / "report" / "index.html").write_text("<p>")
    (folder / "quarantine").mkdir()
    (folder / "quarantine" / "drop-000001.json").write_text("{}")
    read = datasets.load_dataset(str(folder), cache_dir=str(tmp_path / "cache"))
    assert {split: len(rows) for split, rows in read.items()} == {
        split: len(open_dataset(folder, split=split)) for split in ("train", "test")
    }
    assert read["test"][0]["json"] == open_dataset(folder, split="test").record(0)


def test_the_depth_of_a_sample_arrives(tmp_path: Path, make_dataset: DatasetFactory) -> None:
    folder = make_dataset(tmp_path / "data", n=3, passes=("depth",))
    sample = open_dataset(folder)[0]
    read = load(folder, tmp_path / "cache", tars(folder)).with_format("numpy")
    assert np.array_equal(read[0]["start_depth.npy"], sample.arrays["start_depth"])
    members = next(iter(webdataset.WebDataset(tars(folder), shardshuffle=False, empty_check=False).decode()))
    assert np.array_equal(members["end_depth.npy"], sample.arrays["end_depth"])


def test_the_parquet_opens_as_a_table(folder: Path, tmp_path: Path) -> None:
    paths = [str(path) for path in sorted(folder.glob("train/*.parquet"))]
    rows = datasets.load_dataset("parquet", data_files=paths, cache_dir=str(tmp_path / "cache"))["train"]
    assert [row["key"] for row in rows] == list(open_dataset(folder, split="train").keys)


def test_the_head_of_the_card_is_what_the_hub_expects(folder: Path) -> None:
    head = front_matter(folder)
    assert head["license"] == "cc-by-4.0"
    assert head["task_categories"] == ["image-to-image"]
    assert head["size_categories"] == ["n<1K"]
    assert {"webdataset", "physics", "image-editing"} <= set(head["tags"])
    assert head["configs"][0]["data_files"] == [
        {"split": "train", "path": "train/*.tar"},
        {"split": "test", "path": "test/*.tar"},
    ]


def test_a_split_that_is_empty_is_not_declared(tmp_path: Path, make_dataset: DatasetFactory) -> None:
    folder = make_dataset(tmp_path / "data", n=1)
    write_card(folder, command="simgen generate --n 1")
    assert committed(folder / "test") == ()
    assert [item["split"] for item in front_matter(folder)["configs"][0]["data_files"]] == ["train"]


def test_a_card_is_the_same_whenever_and_wherever_it_is_written(tmp_path: Path, make_dataset: DatasetFactory) -> None:
    texts = []
    for name in ("one", "two"):
        folder = make_dataset(tmp_path / name, n=6, holes=(2,))
        write_card(folder, command="simgen generate --n 6")
        texts.append((folder / "README.md").read_text() + (folder / "ATTRIBUTION.csv").read_text())
    assert texts[0] == texts[1]
    assert str(tmp_path) not in texts[0]


def test_the_card_tells_command_counts_scenes_and_what_is_missing(tmp_path: Path, make_dataset: DatasetFactory) -> None:
    folder = make_dataset(tmp_path / "data", n=12, holes=(3,))
    write_card(folder, command="simgen generate --n 12 --seed 7")
    text = (folder / "README.md").read_text()
    assert "```\nsimgen generate --n 12 --seed 7\n```" in text
    assert "Of 12 planned samples 11 are here" in text and "1 quarantined" in text
    assert "| at_rest | 6 |" in text
    assert "-000003` | timeout | took too long |" in text
    assert "| `bodies[].mass_kg` | float | as simulated, kg |" in text
    assert "| CC BY 4.0 | cc-by-4.0 | 3 | A. Potter |" in text
    assert "| nudge hard |" in text


def test_a_card_can_be_written_before_the_first_sample(tmp_path: Path, make_dataset: DatasetFactory) -> None:
    folder = make_dataset(tmp_path / "data", n=4, holes=range(4))
    write_card(folder, command="simgen generate --n 4")
    assert front_matter(folder)["license"] == "other"
