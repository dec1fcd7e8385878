"""A few rounds of `chaos.py`, of every make; `make chaos` plays hundreds. And what they found, each as a test."""

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))
import chaos

pytestmark = [pytest.mark.ray, pytest.mark.timeout(540)]

QUICK = ("driver killed at the disk", "worker killed at the disk", "torn writes", "SIGTERM")
"""What shows the most for a minute of two cores."""


@pytest.fixture(scope="module")
def ray():
    head = chaos.Ray()
    yield head
    head.stop()


@pytest.fixture(scope="module")
def clean(ray: chaos.Ray, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return chaos.make_clean(tmp_path_factory.mktemp("clean") / "clean", ray)


def test_whatever_befalls_a_run_the_next_one_makes_what_an_undisturbed_one_makes(ray, clean, tmp_path: Path) -> None:
    """One data set, four disturbed runs."""
    one = chaos.Round(4, tmp_path / "round", clean, ray, real=False)
    one.own_ray = False
    try:
        for kind in QUICK:
            one.disturb(kind)
        one.in_peace()
    finally:
        one.end()
    assert one.told.wrong == [], one.told.story


def test_a_change_that_is_not_explained_is_seen(ray, clean, tmp_path: Path) -> None:
    """The judge himself: a sample exchanged behind everybody's back."""
    one = chaos.Round(5, tmp_path / "round", clean, ray, real=False)
    one.own_ray = False
    try:
        assert one.start().wait(chaos.LONGEST_S) == 3
        (tar,) = one.folder.glob("test/00000.tar")
        tar.write_bytes(tar.read_bytes()[:-1] + b"x")
        (one.folder / "train" / "thing.txt").touch()
        one.in_peace()
    finally:
        one.end()
    said = " ".join(one.told.wrong)
    assert "verify finds" in said and "not byte for byte" in said and "other files beside the shards" in said
