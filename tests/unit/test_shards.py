import contextlib
import json
import os
import signal
import subprocess
import sys
import tarfile
import textwrap
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest

from simgen.core.errors import OutputError
from simgen.core.sample import Reject, Sample
from simgen.dataset import lock
from simgen.dataset.entry import Entry, sample_entry
from simgen.dataset.layout import SHARD_FILES, committed, part_path
from simgen.dataset.lock import remove_leftovers
from simgen.dataset.shards import dataset_digest, write_shard
from simgen.dataset.table import columns, read_rows
from simgen.plan.plan import SampleId, ShardPlan
from simgen.record.codec import MEMBERS, encode
from simgen.storage.files import AtomicFile, list_names, read_json

SampleFactory = Callable[..., Sample]
TESTS = Path(__file__).parents[1]


def shard_of(n: int, *, number: int = 0) -> ShardPlan:
    ids = (SampleId(index=i, key=f"nudge-{i:06d}", scene="nudge", split="train") for i in range(n))
    return ShardPlan(split="train", number=number, samples=tuple(ids))


@pytest.fixture
def entries(make_sample: SampleFactory) -> Callable[..., list[Entry]]:
    def made(shard: ShardPlan, *, holes: tuple[int, ...] = (), cost_s: float = 1.0) -> list[Entry]:
        return [
            Entry(planned=planned, failure="crash", reason="its process died")
            if planned.index in holes
            else sample_entry(
                planned,
                make_sample(planned.index, bodies=1 + planned.index),
                rejects=(Reject(gate="dull", reason="nothing moved"),) * planned.index,
                cost={"render": cost_s, "attempts": 1.0 + planned.index},
            )
            for planned in shard.samples
        ]

    return made


@pytest.fixture
def write(entries: Callable[..., list[Entry]]) -> Callable[..., dict[str, Any]]:
    def go(folder: Path, shard: ShardPlan, **options: Any) -> dict[str, Any]:
        machine = {"host": options.pop("host", "here")}
        return write_shard(folder, shard, entries(shard, **options), fingerprint="f" * 16, machine=machine)

    return go


Write = Callable[..., dict[str, Any]]


def test_the_same_samples_are_the_same_bytes_whoever_writes_them_and_however_long_it_takes(
    tmp_path: Path, write: Write
) -> None:
    one, two = tmp_path / "one", tmp_path / "two"
    write(one, shard_of(3), host="here", cost_s=1.0)
    time.sleep(1.1)
    write(two, shard_of(3), host="there", cost_s=9.0)
    for part in SHARD_FILES[:3]:
        assert part_path(one / "train", 0, part).read_bytes() == part_path(two / "train", 0, part).read_bytes()
    stats = [read_json(part_path(folder / "train", 0, "_stats.json")) for folder in (one, two)]
    assert stats[0]["cost"] != stats[1]["cost"] and stats[0]["machine"] != stats[1]["machine"]
    for told in stats:
        del told["cost"], told["machine"]
    assert stats[0] == stats[1]
    assert dataset_digest(one) == dataset_digest(two)


def test_another_sample_gives_another_digest(tmp_path: Path, write: Write) -> None:
    write(tmp_path / "one", shard_of(3))
    write(tmp_path / "two", shard_of(3), holes=(1,))
    assert dataset_digest(tmp_path / "one") != dataset_digest(tmp_path / "two")


def test_a_tar_tells_neither_when_nor_by_whom_it_was_written(tmp_path: Path, write: Write) -> None:
    write(tmp_path, shard_of(2))
    with tarfile.open(tmp_path / "train" / "00000.tar") as tar:
        infos = tar.getmembers()
    assert {(info.mtime, info.uid, info.gid, info.uname, info.gname, info.mode) for info in infos} == {
        (0, 0, 0, "simgen", "simgen", 0o444)
    }
    assert [info.name for info in infos] == [
        f"{key}.{member}" for key in ("nudge-000000", "nudge-000001") for member in sorted(MEMBERS)
    ]


def test_the_index_points_at_the_bytes_of_every_member(
    tmp_path: Path, write: Write, make_sample: SampleFactory
) -> None:
    write(tmp_path, shard_of(3))
    data = (tmp_path / "train" / "00000.tar").read_bytes()
    index = json.loads((tmp_path / "train" / "00000.idx.json").read_text())
    assert index["tar"] == "00000.tar"
    for i in range(3):
        for member, content in encode(make_sample(i, bodies=1 + i)).items():
            offset, size = index["samples"][f"nudge-{i:06d}"][member]
            assert data[offset : offset + size] == content


def test_a_row_of_the_parquet_tells_what_one_filters_by(tmp_path: Path, write: Write) -> None:
    write(tmp_path, shard_of(3))
    rows = read_rows(tmp_path)
    assert [row["key"] for row in rows] == ["nudge-000000", "nudge-000001", "nudge-000002"]
    row = rows[1]
    assert (row["scene"], row["split"], row["seed"], row["index"], row["attempt"]) == ("nudge", "train", 7, 1, 1)
    assert (row["bodies"], row["actor_label"], row["actor_mass_kg"]) == (2, "white mug", 0.3)
    assert row["actor_displacement_m"] == pytest.approx(0.1)
    # The actor covers 16 by 16 of 64 by 48 pixels; 16 by 36 and 4 by 36 of them may change, and 4 pixels of a body
    # that is taken away.
    assert row["subject_share"] == pytest.approx(256 / 3072)
    assert row["change_share"] == pytest.approx((16 * 36 + 4 * 36 + 4 * 4) / 3072)
    assert row["surface"] == "planks:oak" and row["environment"] == "sky:room"
    tar = (tmp_path / "train" / row["tar"]).read_bytes()
    assert tar[row["offset"] :].startswith(b"nudge-000001.end.png\0")


def test_every_column_says_what_it_means_and_is_in_the_table(tmp_path: Path, write: Write) -> None:
    write(tmp_path, shard_of(1))
    declared = columns()
    assert [column.name for column in declared] == pq.read_schema(tmp_path / "train" / "00000.parquet").names
    assert len({column.name for column in declared}) == len(declared) == 32
    assert all(column.meaning for column in declared)


def test_columns_that_nobody_declared_are_passed_over(tmp_path: Path, write: Write) -> None:
    write(tmp_path, shard_of(2))
    path, rows = tmp_path / "train" / "00000.parquet", read_rows(tmp_path)
    table = pq.read_table(path)
    pq.write_table(table.append_column("color", [[["red"], None]]).select(["color", *table.column_names[::-1]]), path)
    assert read_rows(tmp_path) == rows


def test_a_column_of_another_type_is_one_sentence(tmp_path: Path, write: Write) -> None:
    write(tmp_path, shard_of(2))
    path = tmp_path / "train" / "00000.parquet"
    table = pq.read_table(path)
    pq.write_table(table.drop_columns(["seed"]).append_column("seed", [["7", "7"]]), path)
    with pytest.raises(OutputError, match=r"00000\.parquet: does not hold the columns that simgen writes"):
        read_rows(tmp_path)


def test_a_parquet_does_not_hold_what_was_measured(tmp_path: Path, write: Write) -> None:
    write(tmp_path, shard_of(1))
    columns = pq.read_schema(tmp_path / "train" / "00000.parquet").names
    assert not {"cost", "seconds", "host", "machine", "time"} & set(columns)


def test_the_statistics_account_for_every_sample_and_every_attempt(tmp_path: Path, write: Write) -> None:
    stats = write(tmp_path, shard_of(4), holes=(2,))
    assert stats == read_json(tmp_path / "train" / "00000_stats.json")
    assert stats["keys"] == ["nudge-000000", "nudge-000001", "nudge-000003"]
    assert stats["holes"] == [
        {"key": "nudge-000002", "scene": "nudge", "index": 2, "class": "crash", "reason": "its process died"}
    ]
    # Samples 1 and 3 came after one and three rejected attempts.
    assert stats["scenes"] == {"nudge": {"planned": 4, "samples": 3, "attempts": 7, "rejects": {"dull": 4}}}
    assert [reject["key"] for reject in stats["rejects"]] == ["nudge-000001"] + ["nudge-000003"] * 3
    assert stats["cost"]["stages"]["render"] == 3.0
    assert set(stats["cost"]["stages"]) == {"render", "write"}
    assert set(stats["files"]) == {"00000.tar", "00000.parquet", "00000.idx.json"}


def test_a_shard_of_holes_alone_is_a_shard(tmp_path: Path, write: Write) -> None:
    stats = write(tmp_path, shard_of(2), holes=(0, 1))
    assert stats["keys"] == [] and len(stats["holes"]) == 2
    assert committed(tmp_path / "train") == (0,)
    assert read_rows(tmp_path) == []


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda made: made[:2], "train/00000: nudge-000002 is next in the plan; got nothing"),
        (lambda made: made[1:], "train/00000: nudge-000000 is next in the plan; got nudge-000001"),
        (lambda made: [*made, made[0]], "train/00000: more entries than the 3 samples of the plan"),
    ],
)
def test_entries_that_are_not_those_of_the_plan_are_refused(
    change: Callable[[list[Entry]], list[Entry]], message: str, tmp_path: Path, entries: Callable[..., list[Entry]]
) -> None:
    shard = shard_of(3)
    with pytest.raises(ValueError, match=message):
        write_shard(tmp_path, shard, change(entries(shard)), fingerprint="f")
    assert list_names(tmp_path / "train") == []


def test_a_sample_under_another_name_is_refused(make_sample: SampleFactory) -> None:
    shard = shard_of(1)
    with pytest.raises(ValueError, match="nudge-000000: the record says"):
        sample_entry(shard.samples[0], make_sample(5))


def test_a_hole_has_a_class() -> None:
    with pytest.raises(ValueError, match="either a sample or the class of a failure"):
        Entry(planned=shard_of(1).samples[0])


def test_an_exception_half_way_leaves_nothing_behind(tmp_path: Path, entries: Callable[..., list[Entry]]) -> None:
    def failing(shard: ShardPlan) -> Iterator[Entry]:
        yield from entries(shard)[:2]
        raise RuntimeError("the engine is gone")

    with pytest.raises(RuntimeError, match="the engine is gone"):
        write_shard(tmp_path, shard_of(3), failing(shard_of(3)), fingerprint="f")
    assert list_names(tmp_path / "train") == []


def test_a_shard_that_another_worker_has_committed_is_left_alone(
    tmp_path: Path, write: Write, entries: Callable[..., list[Entry]]
) -> None:
    shard = shard_of(2)

    def overtaken() -> Iterator[Entry]:
        made = entries(shard)
        yield made[0]
        # A straggler's shard was given to somebody else, who found one sample in it to kill.
        write(tmp_path, shard, holes=(1,))
        yield made[1]

    stats = write_shard(tmp_path, shard, overtaken(), fingerprint="f" * 16)
    assert stats["keys"] == ["nudge-000000"]
    assert read_json(tmp_path / "train" / "00000_stats.json") == stats
    with tarfile.open(tmp_path / "train" / "00000.tar") as tar:
        assert {name.split(".")[0] for name in tar.getnames()} == {"nudge-000000"}
    assert list_names(tmp_path / "train") == sorted(part_path(tmp_path, 0, part).name for part in SHARD_FILES)


# Killed, and out of room: with real processes.


def python(code: str, *arguments: object, **options: Any) -> "subprocess.Popen[str]":
    """A process with the hand-made samples at hand, that writes shard 0 of two samples into its first argument."""
    opening = f"""
        import os, resource, signal, sys, time
        sys.path.insert(0, {str(TESTS)!r})
        from pathlib import Path
        from conftest import nudge_sample
        from simgen.storage.files import AtomicFile
        from simgen.core.errors import OutputError
        from simgen.plan.plan import SampleId, ShardPlan
        from simgen.dataset.entry import sample_entry
        from simgen.dataset.shards import write_shard

        ids = [SampleId(index=i, key=f"nudge-{{i:06d}}", scene="nudge", split="train") for i in range(2)]
        shard = ShardPlan(split="train", number=0, samples=tuple(ids))
        def entries():
            for planned in ids:
                yield sample_entry(planned, nudge_sample(planned, bodies=1 + planned.index))
        def write(entries=entries):
            write_shard(Path(sys.argv[1]), shard, entries(), fingerprint="f" * 16)
        """
    text = textwrap.dedent(opening) + textwrap.dedent(code)
    command = [sys.executable, "-c", text, *map(str, arguments)]
    return subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=TESTS.parent, **options
    )


def test_a_process_killed_while_it_writes_leaves_nothing_that_looks_committed(tmp_path: Path) -> None:
    code = """
        def slow():
            for entry in entries():
                yield entry
                print("written", flush=True)
                time.sleep(60)
        write(slow)
        """
    process = python(code, tmp_path)
    assert process.stdout is not None
    assert process.stdout.readline() == "written\n"
    process.send_signal(signal.SIGKILL)
    process.communicate(timeout=60)
    assert process.returncode == -signal.SIGKILL
    assert committed(tmp_path / "train") == ()
    left = list_names(tmp_path / "train")
    # Its temporary files, under names that no reader takes for a shard.
    assert left and all(name.startswith(".") and name.endswith(".tmp") for name in left)
    assert remove_leftovers(tmp_path) == tuple(f"train/{name}" for name in left)
    assert list_names(tmp_path / "train") == []


@pytest.mark.parametrize("published", [0, 1, 2, 3])
def test_a_process_killed_between_two_renames_has_not_committed_and_the_next_one_ends_at_the_same_bytes(
    published: int, tmp_path: Path, write: Write
) -> None:
    code = """
        publish, done = AtomicFile.publish, []
        def dying(file):
            if len(done) == int(sys.argv[2]):
                os.kill(os.getpid(), signal.SIGKILL)
            publish(file)
            done.append(file)
        AtomicFile.publish = dying
        write()
        """
    process = python(code, tmp_path / "killed", published)
    process.communicate(timeout=120)
    assert process.returncode == -signal.SIGKILL
    assert committed(tmp_path / "killed" / "train") == ()
    assert len([name for name in list_names(tmp_path / "killed" / "train") if name[0] != "."]) == published
    remove_leftovers(tmp_path / "killed")
    assert list_names(tmp_path / "killed" / "train") == []
    write(tmp_path / "killed", shard_of(2))
    write(tmp_path / "whole", shard_of(2))
    assert dataset_digest(tmp_path / "killed") == dataset_digest(tmp_path / "whole")


def test_temporary_files_are_removed_wherever_simgen_writes(tmp_path: Path) -> None:
    files = [f"{place}.x.json.0123abcd.tmp" for place in ("", "quarantine/", "quarantine/logs/", "report/", "train/")]
    for name in files:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    assert sorted(remove_leftovers(tmp_path)) == sorted(files)
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == []


@pytest.mark.parametrize("published", range(4))
@pytest.mark.parametrize("listing", [1, 2])
def test_who_commits_while_others_remove_leftovers_commits_a_whole_shard_or_none(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, published: int, listing: int
) -> None:
    """A worker of a killed run that still lives goes on with its renames right after the folder was listed."""
    files = [AtomicFile(part_path(tmp_path / "train", 0, part)) for part in SHARD_FILES]
    for file in files[:published]:
        file.publish()
    looks = []

    def look(folder: Path) -> list[str]:
        found = list_names(folder)
        if folder.name == "train":
            looks.append(folder)
            if len(looks) == listing:
                with contextlib.suppress(OutputError):
                    for file in files[published:]:
                        file.publish()
        return found

    monkeypatch.setattr(lock, "list_names", look)
    remove_leftovers(tmp_path)
    assert list_names(tmp_path / "train") in ([], sorted(f"00000{part}" for part in SHARD_FILES))


def test_a_clock_that_is_set_back_makes_no_shard_end_before_it_began(
    tmp_path: Path, write: Write, monkeypatch: pytest.MonkeyPatch
) -> None:
    hours = iter(range(10_000, 0, -1))
    monkeypatch.setattr(time, "time", lambda: 3600.0 * next(hours))
    write(tmp_path, shard_of(1))
    cost = read_json(tmp_path / "train" / "00000_stats.json")["cost"]
    assert 0 <= cost["finished_unix_s"] - cost["started_unix_s"] < 60


def test_what_is_committed_and_what_is_not_ours_is_not_removed(tmp_path: Path, write: Write) -> None:
    write(tmp_path, shard_of(1))
    place = tmp_path / "train"
    before = list_names(place)
    (place / "00007.tar").write_bytes(b"half")
    (place / ".00008.tar.0123abcd.tmp").write_bytes(b"half")
    (tmp_path / ".README.md.0123abcd.tmp").write_bytes(b"half")
    (place / "notes.txt").write_text("mine")
    assert remove_leftovers(tmp_path) == (".README.md.0123abcd.tmp", "train/.00008.tar.0123abcd.tmp", "train/00007.tar")
    assert list_names(place) == [*before, "notes.txt"]


def test_a_file_that_grows_too_large_is_one_sentence_and_leaves_nothing(tmp_path: Path) -> None:
    # The limit on the size of a file stands in for a full disk where nothing can be mounted.
    code = """
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, 20_000))
        try:
            write()
        except OutputError as error:
            print(error)
        """
    process = python(code, tmp_path)
    out, err = process.communicate(timeout=120)
    assert out == (
        f"{tmp_path}/train/00000.tar: cannot be written (File too large after 0.0 MB); "
        f"mend that and run the same command again\n"
    )
    assert err == ""
    assert list_names(tmp_path / "train") == []


@contextlib.contextmanager
def small_disk(place: Path, size: str) -> Iterator[Path]:
    """A disk of its own, where we may mount one."""
    place.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", f"size={size}", "simgen-test", str(place)]
    try:
        mounted = subprocess.run(command, capture_output=True, check=False).returncode == 0
    except FileNotFoundError:
        mounted = False
    if not mounted:
        pytest.skip("may not mount a small disk here")
    try:
        yield place
    finally:
        subprocess.run(["umount", str(place)], check=True)


@pytest.mark.parametrize("size", ["16k", "48k", "60k", "68k"])
def test_a_full_disk_is_one_sentence_and_leaves_nothing(
    size: str, tmp_path: Path, entries: Callable[..., list[Entry]]
) -> None:
    """The shard needs about 70 kB, so that the disk is full in the first, a middle or the last of its files."""
    shard = shard_of(2)
    with small_disk(tmp_path / "disk", size) as disk:
        with pytest.raises(OutputError) as error:
            write_shard(disk, shard, entries(shard), fingerprint="f")
        assert str(error.value).startswith(f"{disk}/train: the disk is full (No space left on device after ")
        assert str(error.value).endswith("make room and run the same command again")
        assert list_names(disk / "train") == []


def test_a_file_in_the_place_of_the_folder_is_one_sentence(tmp_path: Path, write: Write) -> None:
    (tmp_path / "out").write_text("a file")
    with pytest.raises(OutputError, match=r"out/train: cannot be written \(Not a directory\); choose another folder"):
        write(tmp_path / "out", shard_of(1))


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_folder_that_may_not_be_written_is_one_sentence(tmp_path: Path, write: Write) -> None:
    (tmp_path / "train").mkdir(mode=0o500)
    with pytest.raises(OutputError, match=r"train: cannot be written \(Permission denied\); choose another folder"):
        write(tmp_path, shard_of(1))


def test_writing_shards_does_not_load_torch_and_leaves_webdataset_whole() -> None:
    pytest.importorskip("torch")
    code = """
        assert "torch" not in sys.modules and "webdataset" not in sys.modules
        import torch.utils.data, webdataset
        assert issubclass(webdataset.WebDataset, torch.utils.data.IterableDataset)
        """
    process = python(code)
    _, err = process.communicate(timeout=120)
    assert process.returncode == 0, err


def test_a_sample_keeps_its_bytes_when_its_neighbours_change(
    tmp_path: Path, write: Write, entries: Callable[..., list[Entry]]
) -> None:
    write(tmp_path / "all", shard_of(3))
    write(tmp_path / "some", shard_of(3), holes=(0,))

    def members(folder: Path) -> dict[str, bytes]:
        with tarfile.open(folder / "train" / "00000.tar") as tar:
            return {i.name: tar.extractfile(i).read() for i in tar if i.name.startswith("nudge-000002")}  # type: ignore[union-attr]

    assert members(tmp_path / "all") == members(tmp_path / "some")


def test_a_depth_array_is_a_member_of_the_tar(tmp_path: Path, make_sample: SampleFactory) -> None:
    shard = shard_of(1)
    sample = replace(make_sample(0), arrays={"flow": np.zeros((48, 64, 2), np.float32)})
    write_shard(tmp_path, shard, [sample_entry(shard.samples[0], sample)], fingerprint="f")
    assert "flow.npy" in read_json(tmp_path / "train" / "00000.idx.json")["samples"]["nudge-000000"]
