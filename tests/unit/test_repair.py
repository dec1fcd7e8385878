"""A data set in which anything at all is damaged: verify says all of it, and two commands give it its bytes back.

Every kind of file of the layout meets one kind of damage, ten seconds in all, and in the long version every kind.
"""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from simgen.cli.app import main
from simgen.core.errors import ConflictError, OutputError
from simgen.dataset.layout import content_sha256, stats_text
from simgen.dataset.lock import lock_dataset
from simgen.dataset.repair import repair
from simgen.dataset.report.write import write_report
from simgen.dataset.shards import dataset_digest
from simgen.dataset.verify import examine, verify
from simgen.plan.plan import RESOLVED, read_plan
from simgen.storage.files import read_json

Finish = Callable[..., None]
HOLES = (3,)
MARK = "quarantine/nudge-000003"
FILES = (
    *(RESOLVED, "README.md", "ATTRIBUTION.csv", "SHA256SUMS", "report/index.html"),
    *(f"{MARK}.json", "quarantine/logs/nudge-000003.log"),
    *("train/00000.tar", "train/00000.parquet", "train/00000.idx.json", "train/00000_stats.json"),
)


def emptied(path: Path) -> None:
    path.write_bytes(b"")


def cut_to_half(path: Path) -> None:
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def zeroed(path: Path) -> None:
    path.write_bytes(bytes(path.stat().st_size))


def scrambled(path: Path) -> None:
    path.write_bytes(bytes((7 * at * at + 131 * at + 3) % 251 for at in range(path.stat().st_size)))


def gone(path: Path) -> None:
    path.unlink()


def made_a_folder(path: Path) -> None:
    path.unlink()
    path.mkdir()


def made_a_full_folder(path: Path) -> None:
    made_a_folder(path)
    (path / "mine.txt").write_text("mine")


def made_a_pipe(path: Path) -> None:
    path.unlink()
    os.mkfifo(path)


DAMAGES = (emptied, cut_to_half, zeroed, scrambled, gone, made_a_folder, made_a_full_folder, made_a_pipe)
BY_HAND = (made_a_full_folder, made_a_pipe)
"""What stands there is not simgen's, and nobody removes it but its owner."""


@pytest.fixture(scope="module")
def sound(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Filled by the first test that asks for `folder`."""
    return tmp_path_factory.mktemp("sound") / "data"


@pytest.fixture
def folder(sound: Path, tmp_path: Path, make_dataset: Callable[..., Path], finish_dataset: Finish) -> Path:
    """A copy of a sound data set with every kind of file."""
    if not sound.exists():
        plan = read_plan(make_dataset(sound.parent / "first", n=12))
        finish_dataset(sound, plan, holes=HOLES)
        write_report(sound)
        assert verify(sound, workers=1) == []
    return Path(shutil.copytree(sound, tmp_path / "data"))


def called(capsys: pytest.CaptureFixture[str], *arguments: object) -> tuple[int, str, str]:
    """Exit code, output and errors of a command."""
    with pytest.raises(SystemExit) as end:
        main([str(argument) for argument in arguments])
    out, err = capsys.readouterr()
    return int(end.value.code or 0), out, err


CASES = [
    pytest.param(name, damage, id=f"{name}-{damage.__name__}", marks=[] if number % 8 == turn else pytest.mark.slow)
    for number, name in enumerate(FILES)
    for turn, damage in enumerate(DAMAGES)
]


@pytest.mark.parametrize(("name", "damage"), CASES)
def test_whatever_happens_to_a_file_verify_says_all_and_repair_and_the_same_command_mend_it(
    name: str,
    damage: Callable[[Path], None],
    folder: Path,
    sound: Path,
    finish_dataset: Finish,
    capsys: pytest.CaptureFixture[str],
) -> None:
    plan = read_plan(sound)
    damage(folder / name)
    # A second fault, that the first must not hide.
    (folder / "train" / "00001.tar").write_bytes(b"x")
    (folder / "train" / "notes.txt").write_text("mine")

    code, out, err = called(capsys, "verify", folder, "--json")
    assert (code, err) == (1, "")
    findings = {finding["where"]: finding["what"] for finding in json.loads(out)["findings"]}
    assert "has 1 bytes" in findings["train/00001.tar"]
    assert "does not belong here" in findings["train/notes.txt"]
    assert name in findings

    for command in ("status", "report"):
        code, _, err = called(capsys, command, folder)
        assert code in (0, 1) and "unexpected" not in err and err.count("\n") == code, err

    _, stays = repair(folder)
    left = {problem.where for problem in stays}
    assert "train/notes.txt" in left and "train/00001.tar" not in left
    assert (folder / "train" / "notes.txt").read_text() == "mine"
    if damage in BY_HAND:
        assert (folder / name).exists()
        return
    assert left == {"train/notes.txt"}
    (folder / "train" / "notes.txt").unlink()
    finish_dataset(folder, plan, holes=HOLES)
    write_report(folder)
    assert [str(problem) for problem in verify(folder, workers=1)] == []
    assert dataset_digest(folder) == dataset_digest(sound)
    assert read_plan(folder) == plan


@pytest.mark.skipif(shutil.which("setpriv") is None, reason="setpriv takes root's right to read everything away")
def test_what_cannot_be_read_is_said_and_stays(folder: Path) -> None:
    """Five seconds: a process of its own, since root may read anything."""
    for name in ("train/00000.tar", "train/00001_stats.json", "README.md", f"{MARK}.json"):
        (folder / name).chmod(0)
    command = [sys.executable, "-m", "simgen.cli", "verify", "--repair", "--json", str(folder)]
    if os.geteuid() == 0:
        command = ["setpriv", "--bounding-set=-dac_override,-dac_read_search", *command]
    ended = subprocess.run(command, capture_output=True, text=True)
    told = json.loads(ended.stdout)
    assert ended.returncode == 1 and told["removed"] == []
    refused = {finding["where"] for finding in told["stays"] if "Permission denied" in finding["what"]}
    assert refused == {"train/00000.tar", "train/00001_stats.json", "README.md", f"{MARK}.json"}
    assert (folder / "train" / "00000.tar").exists() and (folder / "train" / "00001_stats.json").exists()


def test_repair_takes_nothing_from_a_sound_data_set_nor_from_what_is_none(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    assert called(capsys, "verify", "--repair", folder)[0] == 0
    assert {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()} == before
    # The names of img2dataset.
    other = tmp_path / "photos"
    (other / "train").mkdir(parents=True)
    for name, text in (("00000.tar", "x"), ("00000.parquet", "x"), ("00000_stats.json", '{"count": 3}')):
        (other / "train" / name).write_text(text)
    code, _, err = called(capsys, "verify", "--repair", other)
    assert (code, err) == (1, f"simgen: error: {other}: holds no simgen data set; check the folder's name\n")
    assert len(list(other.rglob("*"))) == 4


def test_repair_leaves_sound_shards_of_another_plan_and_of_another_schema(
    folder: Path, sound: Path, make_dataset: Callable[..., Path], tmp_path: Path
) -> None:
    """A plan that was copied into the wrong data set does not cost it its shards."""
    other = read_plan(make_dataset(tmp_path / "other", n=8))
    (folder / RESOLVED).write_text(other.to_yaml())
    repair(folder)
    assert dataset_digest(folder) == dataset_digest(sound)
    shutil.copyfile(sound / RESOLVED, folder / RESOLVED)
    path = folder / "train" / "00000_stats.json"
    stats = read_json(path) | {"schema_version": 99}
    path.write_text(stats_text(stats | {"sha256": content_sha256(stats)}))
    _, stays = repair(folder)
    assert [problem.where for problem in stays] == ["train/00000_stats.json"] and path.exists()


def test_repair_waits_for_no_run_and_harms_none(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (folder / "train" / "00000.tar").write_bytes(b"x")
    with lock_dataset(folder):
        code, _, err = called(capsys, "verify", "--repair", folder)
    assert code == 1 and err == f"simgen: error: {folder}: another simgen is writing into it; wait for it or stop it\n"
    assert (folder / "train" / "00000_stats.json").exists()


def test_beside_a_run_its_drafts_are_no_leftovers(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (folder / "train" / "00001_stats.json").rename(folder / "train" / ".00001_stats.json.0123abcd.tmp")
    (folder / "ATTRIBUTION.csv").unlink()
    with lock_dataset(folder):
        found = examine(folder)
        assert [str(problem) for problem in found.problems] == [
            "plan: 1 of 4 shards are not there yet: train/00001; a run is at work here"
        ]
        code, out, _ = called(capsys, "verify", folder)
        assert code == 1 and out.startswith("a run is at work here; its drafts are not counted\n")
    after = [str(problem) for problem in verify(folder)]
    assert len(after) == 6 and sum("the next run removes it" in line for line in after) == 4


# A plan that is damaged or gone.


@pytest.mark.parametrize("damage", [emptied, cut_to_half, scrambled, gone])
def test_a_lost_plan_is_written_anew_by_the_same_command_and_by_no_other(
    damage: Callable[[Path], None], folder: Path, sound: Path, finish_dataset: Finish
) -> None:
    plan = read_plan(folder)
    damage(folder / RESOLVED)
    before = list((folder / "train").iterdir())
    for other in (replace(plan, seed=8), replace(plan, n=11), replace(plan, shard_size=8)):
        with pytest.raises(ConflictError, match="give the recipe, --n, --seed and --shard-size that it was made with"):
            finish_dataset(folder, other, holes=HOLES)
    code = replace(plan, pins={"simgen": "0.2.0"})
    with pytest.raises(ConflictError, match="recipe, --n and --seed fit, so simgen's code"):
        finish_dataset(folder, code, holes=HOLES)
    assert sorted(before) == sorted((folder / "train").iterdir())
    finish_dataset(folder, plan, holes=HOLES)
    assert (folder / RESOLVED).read_bytes() == (sound / RESOLVED).read_bytes() and verify(folder) == []


def test_a_lost_plan_and_other_code_go_on_when_that_is_accepted(
    folder: Path, finish_dataset: Finish, capsys: pytest.CaptureFixture[str]
) -> None:
    plan = read_plan(folder)
    (folder / RESOLVED).unlink()
    (folder / "train" / "00000_stats.json").unlink()
    here = replace(plan, pins={"simgen": "0.2.0"})
    finish_dataset(folder, here, holes=HOLES, accept_code=True)
    assert read_plan(folder).fingerprints == {plan.fingerprint, here.fingerprint}
    finish_dataset(folder, here, holes=HOLES)
    code, out, _ = called(capsys, "verify", folder)
    assert code == 0 and f"3 shards by code that is not known any more (plan {plan.fingerprint})" in out


def test_a_folder_of_somebody_else_is_no_data_set_whatever_its_files_are_called(
    tmp_path: Path, make_dataset: Callable[..., Path], finish_dataset: Finish
) -> None:
    plan = read_plan(make_dataset(tmp_path / "first", n=4))
    other = tmp_path / "photos"
    (other / "train").mkdir(parents=True)
    (other / "train" / "00000_stats.json").write_text('{"count": 3}')
    (other / "README.md").write_text("mine")
    with pytest.raises(OutputError, match="is not empty and holds no simgen data set"):
        finish_dataset(other, plan)
    assert (other / "README.md").read_text() == "mine"


def test_all_is_lost_but_the_checksums_and_the_same_command_makes_it_again(
    folder: Path, sound: Path, finish_dataset: Finish
) -> None:
    plan = read_plan(folder)
    emptied(folder / RESOLVED)
    for path in folder.glob("*/*_stats.json"):
        emptied(path)
    found, stays = repair(folder)
    assert found.planned is None and stays == [] and list(folder.glob("*/0*")) == []
    finish_dataset(folder, plan, holes=HOLES)
    write_report(folder)
    assert verify(folder) == [] and dataset_digest(folder) == dataset_digest(sound)
