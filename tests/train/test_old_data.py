"""A data set of an older version of the record is trained on beside a new one."""

from collections.abc import Callable
from pathlib import Path

import pytest

from simgen.cli.app import main
from simgen.dataset.reader import open_dataset

OLD = Path(__file__).parents[1] / "fixtures" / "dataset_v1"


def test_an_old_and_a_new_data_set_train_together(
    tmp_path: Path, make_dataset: Callable[..., Path], capsys: pytest.CaptureFixture[str]
) -> None:
    new = make_dataset(tmp_path / "new", n=4, passes=("depth",))
    train, test = (sum(len(open_dataset(folder, split=split)) for folder in (OLD, new)) for split in ("train", "test"))
    run = tmp_path / "run"
    arguments = ["--base", "tiny:qwen", "--device", "cpu", "--steps", "2", "--out", str(run)]
    settings = ("batch=2", "rank=4", "validate_every=2", "validate_steps=2", "validate_pictures=1")
    with pytest.raises(SystemExit) as end:
        main(["train", "--data", str(OLD), "--data", str(new), *arguments, *(f"--set={one}" for one in settings)])
    said = capsys.readouterr()
    assert end.value.code == 0, said.err
    assert f"{train} pairs to train on, {test} held out; " in said.err
    assert "step 2/2, loss " in said.err
    assert any(run.rglob("*.safetensors"))
