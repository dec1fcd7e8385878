"""An asset that ruins what is made of it is found by what failed and what did not."""

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from simgen.dataset.card import write_card
from simgen.dataset.layout import REPORT
from simgen.dataset.report.write import write_report
from simgen.dataset.suspects import Suspect, exclusion, read_suspects
from simgen.dataset.verify import verify


@pytest.fixture
def dataset(tmp_path: Path, make_dataset: Callable[..., Path]) -> Path:
    """A data set with two holes; every good sample has planks:oak, none toys:vase."""
    folder = make_dataset(tmp_path / "demo", n=12, holes=(3, 5))
    write_card(folder, command="simgen generate --n 12")
    return folder


def mark(folder: Path, index: int, assets: list[str], failure: str = "crash") -> None:
    key = f"nudge-{index:06d}"
    told = {"key": key, "index": index, "scene": "nudge", "split": "train", "failure": failure, "reason": "died"}
    told |= {"detail": "", "log": f"quarantine/logs/{key}.log", "reproduce": f"simgen reproduce DIR {key}"}
    (folder / "quarantine").mkdir(exist_ok=True)
    (folder / "quarantine" / f"{key}.json").write_text(json.dumps({**told, "assets": assets}))


def test_what_only_quarantined_samples_have_in_common_is_named(dataset: Path) -> None:
    mark(dataset, 3, ["toys:vase", "planks:oak", "toys:cup"])
    mark(dataset, 5, ["toys:vase", "planks:oak"], "timeout")
    assert read_suspects(dataset) == (Suspect(asset="toys:vase", quarantined=2, samples=0),)


def test_rooms_that_saw_several_causes_are_not_named(dataset: Path) -> None:
    """Where much is poison a room stands behind as many failures; but they are explained without it."""
    seen = ("vase hall", "vase hall", "vase yard", "vase yard", "cup hall", "cup attic", "cup yard")
    for index, words in enumerate(seen):
        mark(dataset, index, [f"toys:{word}" for word in words.split()])
    found = [(one.asset, one.quarantined) for one in read_suspects(dataset)]
    assert found == [("toys:vase", 4), ("toys:cup", 3)]


def test_one_failure_accuses_nobody(dataset: Path) -> None:
    mark(dataset, 3, ["toys:vase", "planks:oak"])
    assert read_suspects(dataset) == ()


def test_samples_that_were_rejected_accuse_nobody(dataset: Path) -> None:
    for index in (3, 5):
        mark(dataset, index, ["toys:vase"], "rejected")
    assert read_suspects(dataset) == ()


def test_marks_from_before_assets_were_noted_are_read(dataset: Path) -> None:
    mark(dataset, 3, [])
    path = dataset / "quarantine" / "nudge-000003.json"
    told = json.loads(path.read_text())
    del told["assets"]
    path.write_text(json.dumps(told))
    assert read_suspects(dataset) == ()


def test_the_words_that_leave_it_out_are_in_status_and_report(dataset: Path) -> None:
    for index in (3, 5):
        mark(dataset, index, ["toys:big vase"])
    command = exclusion(dataset, read_suspects(dataset))
    value = """'assets.exclude=["toys:big vase"]'"""
    assert command == f"simgen generate {dataset}/config.resolved.yaml --set {value} --out {dataset}-without"
    shown = subprocess.run([sys.executable, "-m", "simgen.cli", "status", dataset], capture_output=True, text=True)
    assert "toys:big vase is in 2 quarantined samples and in 0 good ones" in shown.stdout
    assert f"without: {command}\n" in shown.stdout
    write_report(dataset)
    page = (dataset / REPORT).read_text()
    assert "toys:big vase is in 2 quarantined samples and in 0 good ones" in page
    assert "--set &#x27;assets.exclude=[&quot;toys:big vase&quot;]&#x27;" in page
    assert all("quarantine" in str(finding) for finding in verify(dataset))
