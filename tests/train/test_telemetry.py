"""What a run reports to Weights & Biases, where that is installed: `pip install wandb`, no account needed."""

import io
import os
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from rich.console import Console

from simgen.core.errors import EnvironmentProblem
from simgen.train import loop
from simgen.train.config import parse_config
from simgen.train.telemetry import Telemetry

FIGURES = {"loss": 1.0, "seconds": 1.0, "tflops": 1.0, "peak_share": 0.5, "loss_inside": float("nan")}


@pytest.fixture
def wandb(monkeypatch: pytest.MonkeyPatch) -> Any:
    """As it is without a network: everything goes into the folder of the run."""
    monkeypatch.setenv("WANDB_MODE", "offline")
    monkeypatch.setenv("WANDB_SILENT", "true")
    return pytest.importorskip("wandb")


def train(data: Path, out: Path, *, steps: int, project: str = "trial", **settings: Any) -> str:
    """What a run says that reports to a project."""
    given = {"base": "tiny:kontext", "batch": 1, "rank": 4, "steps": steps, "wandb": project, "validate_every": 0}
    console = Console(file=io.StringIO(), width=200)
    config = parse_config(given | settings, where="test")
    loop.train(config, data=[str(data)], out=out, console=console, device="cpu")
    return console.file.getvalue()  # type: ignore[attr-defined, no-any-return]


def reports(out: Path) -> list[Path]:
    """What there is to send, in the order in which it was made."""
    return sorted((out / "wandb").glob("offline-run-*/run-*.wandb"), key=lambda path: path.stat().st_mtime_ns)


def test_without_wandb_the_setting_is_one_sentence_before_anything_is_loaded(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "wandb", None)
    with pytest.raises(EnvironmentProblem) as raised:
        train(tmp_path / "no data either", tmp_path / "run", steps=1)
    assert str(raised.value) == "wandb: is not installed; pip install wandb, or leave `wandb` out"
    assert not (tmp_path / "run").exists()


def test_a_folder_named_wandb_is_not_taken_for_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "wandb").mkdir()
    monkeypatch.delitem(sys.modules, "wandb", raising=False)
    monkeypatch.setattr(sys, "path", [str(tmp_path)])
    with pytest.raises(EnvironmentProblem, match="is not installed"):
        train(tmp_path, tmp_path / "run", steps=1)


def test_every_figure_and_picture_is_reported(wandb: Any, pairs_folder: Path, tmp_path: Path) -> None:
    out = tmp_path / "run #5: it"  # wandb takes no such letters in the id of a run
    train(pairs_folder, out, steps=2, validate_every=2, validate_steps=2)
    (report,) = reports(out)
    told = report.read_bytes()
    for name in (b"train/loss", b"train/tflops", b"validation/loss", b"validation/progress", b"validation/pictures"):
        assert name in told, name
    assert out.name.encode() in told
    assert len(list((out / "wandb").glob("offline-run-*/files/media/images/validation/*.png"))) == 1


def test_a_run_that_goes_on_reports_to_the_same_place_and_another_one_elsewhere(
    wandb: Any, pairs_folder: Path, tmp_path: Path
) -> None:
    for out, steps in (("run", 1), ("run", 2), ("other/run", 1)):
        train(pairs_folder, tmp_path / out, steps=steps)
    first, second = reports(tmp_path / "run")
    (other,) = reports(tmp_path / "other" / "run")
    assert first.name == second.name != other.name


def test_a_project_that_cannot_be_is_one_sentence(wandb: Any, pairs_folder: Path, tmp_path: Path) -> None:
    with pytest.raises(EnvironmentProblem, match=r"^wandb: cannot report to 'a/b' \(Invalid project name 'a/b'"):
        train(pairs_folder, tmp_path / "run", steps=1, project="a/b")


def test_a_run_outlives_its_reports(wandb: Any, tmp_path: Path) -> None:
    console = Console(file=io.StringIO(), width=200)
    figures = Telemetry(tmp_path, step=0, steps=3, console=console, settings={}, wandb="trial")

    def broken(*_: Any, **__: Any) -> None:
        raise ConnectionResetError(os.strerror(104))

    run = figures._wandb
    run.log = broken
    for step in (1, 2):
        figures.step(step, FIGURES)
    figures.validation(2, {"loss": 1.0}, np.zeros((4, 4, 3), np.uint8))
    figures.close()
    run.finish()
    said = console.file.getvalue().splitlines()  # type: ignore[attr-defined]
    assert [line for line in said if "wandb" in line] == [
        "wandb: has stopped (ConnectionResetError); the run goes on, log.jsonl has its figures"
    ]
    assert (tmp_path / "log.jsonl").read_text().count("\n") == 3
