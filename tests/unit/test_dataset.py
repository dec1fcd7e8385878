import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

import simgen
from simgen.core.errors import OutputError, UnknownName, UsageError
from simgen.core.sample import Sample
from simgen.dataset.status import read_status
from simgen.dataset.table import read_rows
from simgen.record.codec import decode

DatasetFactory = Callable[..., Path]


@pytest.fixture
def folder(tmp_path: Path, make_dataset: DatasetFactory) -> Path:
    return make_dataset(tmp_path / "data", n=12, holes=(3,))


def test_a_data_set_is_a_sequence_of_all_its_samples(folder: Path) -> None:
    data = simgen.open(folder)
    # Twelve planned, one of them a hole.
    assert len(data) == 11
    samples = list(data)
    assert [sample.key for sample in samples] == list(data.keys)
    assert sorted(sample.record["index"] for sample in samples) == [0, 1, 2, 4, 5, 6, 7, 8, 9, 10, 11]


def test_a_sample_is_the_one_that_was_written(folder: Path, make_sample: Callable[..., Sample]) -> None:
    data = simgen.open(folder)
    key = next(key for key in data.keys if key == "nudge-000001")
    record = data.record(key)
    written = make_sample(
        1, split=record["split"], fingerprint=record["fingerprint"], bodies=2, contacts=1, events=True
    )
    read = data[key]
    assert read.record == written.record == record
    for name in ("start", "end", "start_seg", "end_seg", "mask"):
        assert np.array_equal(getattr(read, name), getattr(written, name))


def test_numbers_keys_negative_numbers_and_slices_meet_the_same_samples(folder: Path) -> None:
    data = simgen.open(folder)
    assert data[0].key == data.keys[0] == data[data.keys[0]].key
    assert data[-1].key == data.keys[-1]
    assert data[np.int64(2)].key == data.keys[2]  # type: ignore[call-overload]
    assert data[2:5].keys == data.keys[2:5]
    assert data[::-1][0].key == data[-1].key
    assert data.keys[1] in data and "nothing" not in data


def test_train_comes_before_test_and_either_can_be_had_alone(folder: Path) -> None:
    data = simgen.open(folder)
    train, test = simgen.open(folder, split="train"), simgen.open(folder, split="test")
    assert data.keys == train.keys + test.keys
    assert {sample.record["split"] for sample in test} == {"test"}
    assert len(test) >= 1


def test_a_shard_without_its_commit_is_not_there(folder: Path) -> None:
    before = simgen.open(folder)
    (folder / "train" / "00001_stats.json").unlink()
    after = simgen.open(folder)
    assert len(after) == len(before) - 4
    assert after.keys[:3] == before.keys[:3]


def test_the_members_are_the_bytes_in_the_tar(folder: Path) -> None:
    data = simgen.open(folder)
    members = data.members(0)
    assert members["start.png"].startswith(b"\x89PNG")
    assert decode(data.keys[0], members).record == data.record(0)


def test_a_folder_can_be_given_as_text(folder: Path) -> None:
    assert repr(simgen.open(str(folder))) == f"<simgen data set {folder}: 11 samples>"


def test_a_data_set_that_has_only_begun_is_empty(tmp_path: Path) -> None:
    (tmp_path / "train").mkdir()
    data = simgen.open(tmp_path)
    assert len(data) == 0 and list(data) == []
    with pytest.raises(UnknownName, match="no sample 'drop-000001'; known: none"):
        data["drop-000001"]


def test_what_cannot_be_opened_is_one_sentence(folder: Path, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="nowhere: no such folder; give the --out folder of `simgen generate`"):
        simgen.open(tmp_path / "nowhere")
    with pytest.raises(OutputError, match="holds no samples"):
        simgen.open(tmp_path)
    with pytest.raises(UnknownName, match="no split 'tset'; did you mean 'test'"):
        simgen.open(folder, split="tset")


def test_a_wrong_key_is_answered_with_the_nearest(folder: Path) -> None:
    data = simgen.open(folder)
    with pytest.raises(UnknownName, match=r"no sample 'nugde-000001'; did you mean 'nudge-000001'\?"):
        data["nugde-000001"]
    with pytest.raises(UnknownName, match=r"no sample '§'; known: .* … "):
        data["§"]
    with pytest.raises(IndexError, match="no sample number 11; there are 11"):
        data[11]


def test_a_tar_that_was_cut_off_is_one_sentence(folder: Path) -> None:
    data = simgen.open(folder, split="train")
    tar = folder / "train" / "00000.tar"
    tar.write_bytes(tar.read_bytes()[:3000])
    with pytest.raises(OutputError, match=r"00000\.tar: ends before .*; the file is damaged, see `simgen verify`"):
        data[1]


@pytest.mark.timeout(60)
@pytest.mark.parametrize("part", [".tar", ".idx.json", ".parquet", "_stats.json"])
def test_a_named_pipe_in_place_of_a_file_is_one_sentence(folder: Path, part: str) -> None:
    # Found by tests/fuzz: reading it waited for ever for somebody who writes into it.
    path = folder / "train" / f"00000{part}"
    path.unlink()
    os.mkfifo(path)
    reading = {".parquet": lambda: read_rows(folder), "_stats.json": lambda: read_status(folder)}
    said = (
        "is not a file; `simgen verify --repair`" if part == "_stats.json" else "is a named pipe where a file should be"
    )
    with pytest.raises(OutputError, match=said):
        reading.get(part, lambda: list(simgen.open(folder)))()


def test_a_damaged_index_is_one_sentence(folder: Path) -> None:
    (folder / "train" / "00000.idx.json").write_text("{")
    with pytest.raises(OutputError, match=r"00000\.idx\.json: is not JSON"):
        simgen.open(folder)


def loaded(code: str) -> set[str]:
    """The packages that a fresh Python has loaded once it has run some code."""
    told = f"{code}\nimport sys; print(*sys.modules)"
    out = subprocess.run([sys.executable, "-c", told], capture_output=True, text=True, check=True).stdout
    return {name.partition(".")[0] for name in out.split()}


def test_importing_simgen_loads_nothing_that_is_large() -> None:
    large = {"numpy", "cv2", "pyarrow", "webdataset", "torch", "ray", "bpy", "kubric", "pybullet", "yaml", "click"}
    assert loaded("import simgen; simgen.__version__") & large == set()


def test_reading_a_data_set_takes_numpy_and_opencv_only(folder: Path) -> None:
    packages = loaded(f"import simgen; simgen.open({str(folder)!r})[0]")
    assert {"numpy", "cv2"} <= packages
    assert not packages & {"pyarrow", "webdataset", "torch", "ray", "bpy", "kubric", "pybullet", "fsspec", "yaml"}


def test_simgen_has_no_other_names() -> None:
    with pytest.raises(AttributeError, match="module 'simgen' has no attribute 'opne'"):
        _ = simgen.opne


def test_the_version_is_that_of_the_project_file() -> None:
    project = Path(__file__).parents[2] / "pyproject.toml"
    if not project.is_file():
        pytest.skip("only in a checkout")
    assert f'version = "{simgen.__version__}"' in project.read_text()
