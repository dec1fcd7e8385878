"""`verify` against damage done on purpose: turned bits, missing files, swapped shards, stray files. What counts is the
share that is found, and it must be all of it; `make fuzz` measures it on thousands of places."""

import json
import os
import shutil
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from simgen.core.errors import SimgenError
from simgen.dataset.card import write_card
from simgen.dataset.report.write import write_report
from simgen.dataset.verify import verify

sys.path.insert(0, str(Path(__file__).parent))
from test_readers import hand_made


def data_set(folder: Path) -> Path:
    """A sound data set with every kind of file: three shards of train, one of test, a hole with its mark and log."""
    plan = hand_made.nudge_plan(10, shard_size=4)
    hand_made.write_nudges(folder, plan, holes=(3,))
    key = next(sample.key for shard in plan.shards for sample in shard.samples if sample.index == 3)
    mark = {"key": key, "index": 3, "scene": "nudge", "split": "train", "failure": "timeout", "reason": "took too long"}
    mark |= {"detail": "", "log": f"quarantine/logs/{key}.log", "reproduce": f"simgen reproduce DIR {key}"}
    (folder / "quarantine" / "logs").mkdir(parents=True)
    (folder / "quarantine" / f"{key}.json").write_text(json.dumps(mark, indent=1) + "\n")
    (folder / "quarantine" / "logs" / f"{key}.log").write_text("it hung here\n")
    write_card(folder, command="simgen generate --n 10")
    write_report(folder)
    assert verify(folder, workers=1) == []
    return folder


@pytest.fixture(scope="module")
def sound(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return data_set(tmp_path_factory.mktemp("damage") / "data")


def files(folder: Path) -> list[Path]:
    return sorted(path for path in folder.rglob("*") if path.is_file())


def found(folder: Path) -> bool:
    """Whether verify says that something is wrong; a plan that cannot be read any more is said as an error."""
    try:
        return bool(verify(folder, workers=1))
    except SimgenError:
        return True


def flips(folder: Path, each: int, *, seed: int = 0) -> Iterator[tuple[str, int, int, bool]]:
    """Turn one bit at a time: in the first and last byte of every file, and in `each` others."""
    rng = np.random.default_rng(seed)
    for path in files(folder):
        whole = path.read_bytes()
        places = {0, len(whole) - 1, *rng.integers(0, len(whole), each).tolist()}
        for place in sorted(places):
            bit = int(rng.integers(8))
            damaged = bytearray(whole)
            damaged[place] ^= 1 << bit
            path.write_bytes(damaged)
            yield str(path.relative_to(folder)), place, bit, found(folder)
        path.write_bytes(whole)


def test_verify_finds_every_bit_that_is_turned(sound: Path) -> None:
    tried = list(flips(sound, 6))
    assert len(tried) > 120 and {name for name, *_ in tried} == {str(p.relative_to(sound)) for p in files(sound)}
    assert [flip for flip in tried if not flip[-1]] == []
    assert verify(sound, workers=1) == []


def test_verify_finds_every_file_that_is_missing(sound: Path) -> None:
    for path in files(sound):
        whole = path.read_bytes()
        path.unlink()
        assert found(sound), path
        path.write_bytes(whole)
    assert verify(sound, workers=1) == []


def test_verify_finds_every_two_shards_that_are_swapped(sound: Path) -> None:
    shards = sorted(path.with_suffix("") for path in sound.glob("*/*.tar"))
    parts = (".tar", ".parquet", ".idx.json", "_stats.json")
    for i, one in enumerate(shards):
        for other in shards[i + 1 :]:
            # Whole, and one file of it at a time; as they are, and with the names inside made to fit.
            for swapped in (parts, *((part,) for part in parts)):
                for renamed in (False, True):
                    pairs = [(Path(f"{one}{part}"), Path(f"{other}{part}")) for part in swapped]
                    before = {path: path.read_bytes() for pair in pairs for path in pair}
                    for a, b in pairs:
                        for to, of in ((a, b), (b, a)):
                            data = before[of]
                            if renamed and to.suffix == ".json":
                                data = data.replace(of.name[:5].encode() + b".", to.name[:5].encode() + b".")
                            to.write_bytes(data)
                    assert found(sound), f"{one.name} and {other.name}, {swapped}"
                    for path, data in before.items():
                        path.write_bytes(data)
    assert verify(sound, workers=1) == []


STRAYS = (
    *("notes.txt", "train/notes.txt", "train/00099.tar", "test/x.json", "report/other.html", "quarantine/x.txt"),
    *("train/.00000.tar.0123abcd.tmp", ".README.md.0123abcd.tmp", "report/.index.html.0123abcd.tmp", "train/.hidden"),
    *("extra/", "train/extra/", "report/extra/", "quarantine/extra/", "train/00099.tar/", "train/00000.tar.bak", "~"),
    *("quarantine/logs/x.txt", "quarantine/logs/extra/", "train/00000.TAR", "train/000000.tar", "validation/"),
)


@pytest.mark.parametrize("stray", STRAYS)
def test_verify_finds_what_does_not_belong_there(sound: Path, stray: str) -> None:
    path = sound / stray
    if stray.endswith("/"):
        path.mkdir(parents=True)
        assert found(sound)
        path.rmdir()
    else:
        path.write_bytes(b"x")
        assert found(sound)
        path.unlink()
    assert verify(sound, workers=1) == []


def main() -> int:
    """Thousands of bits: the share that verify finds."""
    each = int(os.environ.get("FUZZ_FLIPS", "300"))
    with tempfile.TemporaryDirectory() as place:
        folder = data_set(Path(place) / "data")
        tried: dict[str, int] = {}
        missed = []
        for flip in flips(folder, each, seed=int.from_bytes(os.urandom(4))):
            tried[flip[0]] = tried.get(flip[0], 0) + 1
            if not flip[-1]:
                missed.append(flip)
        for name, count in tried.items():
            print(f"{name}: {count} bits turned, {count - sum(m[0] == name for m in missed)} found")
        count = sum(tried.values())
        print(f"damage: {count} bits turned, {count - len(missed)} found ({100 * (1 - len(missed) / count):.2f} %)")
        print(*missed[:20], sep="\n")
        shutil.rmtree(folder)
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
