"""A few rounds of `chaos.py`; `make chaos` plays hundreds. In a process of their own: they fork."""

import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = [pytest.mark.ray, pytest.mark.timeout(540)]

HERE = Path(__file__).parent


def test_whatever_befalls_a_run_the_next_one_makes_what_an_undisturbed_one_makes() -> None:
    # A disk that fills up under a shard, and workers that are killed with a part of a tar's block written.
    command = [sys.executable, HERE / "chaos.py", "--first", "5628", "--rounds", "2", "--jobs", "1"]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "wrong: none" in done.stdout
    assert "2 rounds, 2 disturbed runs" in done.stdout and "and 0 that were to be disturbed" in done.stdout
    for place in (
        "worker, write of a shard: ENOSPC from a full or read-only disk",
        "worker, write of a shard: a part, then SIGKILL",
    ):
        assert place in done.stdout


EXCHANGED = """
import sys
from pathlib import Path

sys.path.insert(0, sys.argv[1])
import chaos

place, ray = Path(sys.argv[2]), chaos.Ray()
try:
    clean = chaos.make_clean(place / "clean", ray)
    one = chaos.Round(5, place / "round", clean, ray, real=False)
    one.own_ray = False
    try:
        assert one.start().wait(chaos.LONGEST_S) == 3
        (tar,) = one.folder.glob("test/00000.tar")
        tar.write_bytes(tar.read_bytes()[:-1] + b"x")
        (one.folder / "train" / "thing.txt").touch()
        one.in_peace()
    finally:
        one.end()
    print(" ".join(one.told.wrong))
finally:
    ray.stop()
"""
"""The judge himself: a sample exchanged behind everybody's back."""


def test_a_change_that_is_not_explained_is_seen(tmp_path: Path) -> None:
    done = subprocess.run([sys.executable, "-c", EXCHANGED, HERE, tmp_path], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    for said in ("verify finds", "not byte for byte", "other files beside the shards"):
        assert said in done.stdout
