"""Real assets that crash Bullet, hang Blender or have no skin: the run goes on without what they ruin, and says so."""

import json
import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest

from simgen.dataset.reader import open_dataset
from simgen.dataset.suspects import read_suspects
from simgen.dataset.verify import verify
from simgen.run.quarantine import read_quarantine

sys.path.insert(0, str(Path(__file__).parent))
import poison

pytestmark = [pytest.mark.chaos, pytest.mark.ray, pytest.mark.render, pytest.mark.timeout(1800)]

# As it is, but for the patience: three workers for a crash and two for a hang are seen elsewhere.
IMPATIENT = """
import functools, sys
from simgen.run import limits
limits.Limits = functools.partial(limits.Limits, max_deaths=1, max_timeouts=1)
from simgen.cli.app import main
main(sys.argv[1:])
"""
SMALL = [f"--set=render.{name}={value}" for name, value in (("width", 64), ("height", 64), ("quality", "fast"))]


def simgen(*arguments: object) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", IMPATIENT, *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, timeout=900)


def refs(*names: str) -> list[str]:
    return sorted(f"Poison:{name}" for name in names)


@pytest.fixture(scope="module")
def poisoned(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path, subprocess.CompletedProcess[str]]:
    place = tmp_path_factory.mktemp("poison")
    manifest, pipe = poison.write_poison(place / "assets")
    ended = simgen(
        "generate", "drop", "--n", 16, "--shard-size", 4, "--assets", manifest, "--out", place / "out",
        "--workers", 2, "--sample-timeout", 60, "--set", "scenes.drop.num_bystanders=[0,0]", *SMALL,
    )  # fmt: skip
    return place / "out", pipe, ended


def test_every_poisoned_sample_is_set_aside_with_class_log_and_command(poisoned) -> None:
    folder, _, ended = poisoned
    assert ended.returncode == 3, ended.stderr
    assert "Traceback" not in ended.stderr
    marks = {mark.key: mark for mark in read_quarantine(folder) if mark.failure != "rejected"}
    classes = {poison.CRASHES: "crash", poison.HANGS: "timeout", poison.BARE: "error"}
    seen = set()
    for mark in marks.values():
        # Several may be in one sample; Bullet comes before Blender.
        kinds = {kind for name, kind in classes.items() if f"Poison:{name}" in mark.assets}
        assert mark.failure == "crash" if "crash" in kinds else mark.failure in kinds
        assert mark.reproduce == f"simgen reproduce {folder} {mark.key}"
        log = (folder / mark.log).read_text()
        assert {"crash": "Segmentation fault", "timeout": "in _import_mesh", "error": "empty.png is empty"}[
            mark.failure
        ] in log
        seen.add(mark.failure)
    assert seen == set(classes.values())
    assert verify(folder) == []


def test_the_asset_is_named_and_without_it_the_data_set_is_whole(poisoned, tmp_path: Path) -> None:
    folder, _, _ = poisoned
    blamed = [suspect.asset for suspect in read_suspects(folder)]
    assert blamed and set(blamed) <= set(refs(poison.CRASHES, poison.HANGS, poison.BARE))
    told = json.loads(simgen("status", folder, "--json").stdout)
    assert [suspect["asset"] for suspect in told["suspects"]] == blamed
    value = json.dumps(refs(poison.CRASHES, poison.HANGS, poison.BARE))
    ended = simgen(
        "generate", folder / "config.resolved.yaml", "--out", tmp_path / "less", "--set", f"assets.exclude={value}"
    )
    assert ended.returncode in (0, 3), ended.stderr
    assert [mark.failure for mark in read_quarantine(tmp_path / "less") if mark.failure != "rejected"] == []
    used = {item["asset"] for sample in open_dataset(tmp_path / "less") for item in sample.record["attribution"]}
    assert not used & set(json.loads(value))


def test_retry_makes_the_holes_once_the_cause_is_mended(poisoned) -> None:
    folder, pipe, _ = poisoned
    before = {mark.key for mark in read_quarantine(folder) if mark.failure == "timeout"}
    assert before
    pipe.unlink()
    cv2.imwrite(str(pipe), np.full((8, 8, 3), 200, np.uint8))
    ended = simgen("retry", folder, "--workers", 2, "--sample-timeout", 60)
    assert ended.returncode == 3, ended.stderr
    marks = read_quarantine(folder)
    assert not before & {mark.key for mark in marks if mark.failure == "timeout"}
    assert {mark.failure for mark in marks} >= {"crash", "error"}
    assert verify(folder) == []
