"""The faults of `faults.py` reach the code that writes shards: each strikes inside `AtomicFile` and is in the log."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

HERE = Path(__file__).parent
BYTES = 100_000
WRITES = f"""
import json, sys
from pathlib import Path

sys.path.insert(0, sys.argv[1])
from faults import install_disk
from simgen.core.errors import OutputError
from simgen.storage.files import AtomicFile

folder = Path(sys.argv[2])
install_disk(str(folder), json.loads(sys.argv[3]))
try:
    with AtomicFile(folder / "00000.tar") as file:
        for _ in range({BYTES // 1000}):
            file.write(bytes(range(250)) * 4)
        file.publish()
except OutputError as error:
    print(error)
"""


def write(folder: Path, log: Path, **fault: object) -> tuple[int, str, list[dict[str, object]]]:
    """Write a file of 100 kB on such a disk: exit code, what simgen says, and what the log holds."""
    told = {"log": str(log), "who": "driver", "disturbance": 0, **fault}
    command = [sys.executable, "-c", WRITES, str(HERE), str(folder), json.dumps(told)]
    done = subprocess.run(command, capture_output=True, text=True)
    assert not done.stderr, done.stderr
    lines = log.read_text().splitlines() if log.exists() else []
    return done.returncode, done.stdout, [json.loads(line) for line in lines]


@pytest.mark.parametrize(
    ("event", "how", "said"),
    [
        ("write", "short", "the disk is full (No space left on device after"),
        ("write", "EIO", "cannot be written (Input/output error after"),
        ("write", "EDQUOT", "the disk is full (Disk quota exceeded after"),
        ("fsync", "EIO", "cannot be written (Input/output error after 0.1 MB)"),
        ("close", "EIO", "cannot be written (Input/output error after 0.1 MB)"),
    ],
)
def test_an_error_inside_a_write_is_one_sentence_and_leaves_nothing(
    event: str, how: str, said: str, tmp_path: Path
) -> None:
    folder = tmp_path / "data"
    at = 3 if event == "write" else 1
    code, text, log = write(folder, tmp_path / "log", event=event, parts=[".tar"], at=at, how=how)
    assert code == 0 and said in text and text.count("\n") == 1
    assert [(line["event"], line["part"], line["how"]) for line in log] == [(event, ".tar", how)]
    assert list(folder.iterdir()) == []


def test_a_kill_inside_a_write_leaves_a_part_of_it_on_the_disk(tmp_path: Path) -> None:
    folder = tmp_path / "data"
    code, _, (line,) = write(folder, tmp_path / "log", event="write", parts=[".tar"], at=3, how="kill", share=0.3)
    assert code == -9
    (left,) = folder.iterdir()
    assert left.name.endswith(".tmp") and 0 < line["written"] < line["of"]  # type: ignore[operator]
    assert left.stat().st_size == line["position"] + line["written"]  # type: ignore[operator]


def test_what_a_full_disk_answers_is_logged(tmp_path: Path) -> None:
    folder = tmp_path / "data"
    folder.mkdir()
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=40k", "tmpfs", folder], capture_output=True).returncode:
        pytest.skip("this user may not mount a file system")
    try:
        code, text, (line,) = write(folder, tmp_path / "log")
        assert code == 0 and "the disk is full (No space left on device after 0.0 MB of 00000.tar)" in text
        assert line["real"] and line["how"] == "ENOSPC" and line["part"] == ".tar"
        assert list(folder.iterdir()) == []
    finally:
        subprocess.run(["umount", folder], check=True)


def test_without_a_fault_the_file_is_whole_and_the_log_is_empty(tmp_path: Path) -> None:
    folder = tmp_path / "data"
    assert write(folder, tmp_path / "log") == (0, "", [])
    assert (folder / "00000.tar").stat().st_size == BYTES
