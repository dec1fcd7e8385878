"""Data sets on a real S3 server on the loopback, and in a folder: the same calls, the same bytes."""

import importlib
import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from simgen.core.errors import EnvironmentProblem, OutputError, UsageError
from simgen.dataset.card import write_card
from simgen.dataset.layout import SHARD_FILES, committed, part_path
from simgen.dataset.lock import commit_shard, lock_dataset, progress_folder, remove_leftovers
from simgen.dataset.reader import open_dataset
from simgen.dataset.repair import repair
from simgen.dataset.report.write import write_report
from simgen.dataset.shards import dataset_digest, write_shard
from simgen.dataset.status import read_status
from simgen.dataset.verify import examine, verify
from simgen.plan.plan import read_plan
from simgen.storage import lease, paths, stores
from simgen.storage.files import AtomicFile, list_names, read, write_file
from simgen.storage.paths import RemotePath, as_path, map_concurrently

pytestmark = pytest.mark.network

DatasetFactory = Callable[..., Any]


def test_a_folder_is_a_path_and_an_address_an_address() -> None:
    assert as_path("out/all") == Path("out/all") and as_path("file:///data/x") == Path("/data/x")
    assert as_path("s3://shelf//a/b/") == RemotePath("s3", "shelf/a/b")
    assert str(as_path("hf://datasets/org/name") / "train") == "hf://datasets/org/name/train"


@pytest.mark.parametrize(
    "wrong", ["ftp://x/y", "s3://", "gs:///", "s3://shelf/../x", "hf://org/name", "s3://shelf/a*b"]
)
def test_an_address_that_cannot_be_one_is_refused_in_a_sentence(wrong: str) -> None:
    with pytest.raises(UsageError, match=r"^\S+: must .*(folder|as in)"):
        as_path(wrong)


def test_an_object_is_put_read_in_parts_listed_and_removed(shelf: RemotePath) -> None:
    write_file(shelf / "a", b"0123456789")
    write_file(shelf / "inner" / "b", b"")
    assert shelf.entries() == {"a": True, "inner": False}
    assert (read(shelf / "a"), read(shelf / "a", 3, 4), read(shelf / "a", 8, 9), read(shelf / "a", 99)) == (
        *(b"0123456789", b"3456", b"89", b""),
    )
    assert read(shelf / "inner" / "b") == b"" and (shelf / "a").size() == 10
    (shelf / "a").unlink()
    (shelf / "a").unlink(missing_ok=True)
    assert list_names(shelf) == ["inner"] and not (shelf / "a").is_file()
    with pytest.raises(OutputError, match=r"/a: cannot be read: No such file"):
        read(shelf / "a")


def test_an_object_that_is_there_is_not_put_again_by_who_wants_to_be_the_first(shelf: RemotePath) -> None:
    (shelf / "a").write(b"first", create=True)
    with pytest.raises(FileExistsError):
        (shelf / "a").write(b"second", create=True)
    assert read(shelf / "a") == b"first"


def test_the_same_samples_are_the_same_bytes_on_a_store_and_in_a_folder(
    shelf: RemotePath, make_dataset: DatasetFactory, tmp_path: Path
) -> None:
    make_dataset(shelf, n=24, holes=(3,))
    make_dataset(tmp_path / "b", n=24, holes=(3,))
    assert dataset_digest(shelf) == dataset_digest(tmp_path / "b")
    for where in (shelf, tmp_path / "b"):
        write_card(where, command="simgen generate --n 24 --out DIR")
        write_report(where)
    assert read(shelf / "README.md") == read(tmp_path / "b" / "README.md")
    assert verify(shelf) == verify(tmp_path / "b") == []
    there, here = open_dataset(str(shelf)), open_dataset(tmp_path / "b")
    assert there.keys == here.keys
    assert [there.members(key) for key in there.keys] == [here.members(key) for key in here.keys]
    status, local = read_status(shelf), read_status(tmp_path / "b")
    assert (status.samples, status.holes, status.bytes) == (local.samples, local.holes, local.bytes)


def test_damage_on_a_store_is_found(shelf: RemotePath, make_dataset: DatasetFactory) -> None:
    make_dataset(shelf, n=12)
    write_card(shelf, command="simgen generate --n 12 --out DIR")
    data = bytearray(read(shelf / "train" / "00000.tar"))
    data[len(data) // 2] ^= 1
    write_file(shelf / "train" / "00000.tar", bytes(data))
    (shelf / "train" / "00001.parquet").unlink()
    write_file(shelf / "train" / "notes.txt", b"mine")
    assert sorted(finding.where for finding in verify(shelf)) == [
        *("train/00000.tar", "train/00001.parquet", "train/notes.txt"),
    ]


def test_damage_on_a_store_is_mended_and_a_run_there_is_seen(
    shelf: RemotePath,
    make_dataset: DatasetFactory,
    finish_dataset: Any,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Ten seconds: a hundred requests to a real server."""
    plan = read_plan(make_dataset(shelf, n=12))
    finish_dataset(shelf, plan)
    before = dataset_digest(shelf)
    write_file(shelf / "train" / "00000.tar", b"x")
    write_file(shelf / "train" / "00001_stats.json", b"")
    write_file(shelf / "train" / "notes.txt", b"mine")
    write_file(shelf / "config.resolved.yaml", b"")
    # Put by a run that has not committed it yet.
    write_file(shelf / "test" / "00009.tar", b"x")
    damaged = ["config.resolved.yaml", "train/00000.tar", "train/00001_stats.json", "train/notes.txt"]
    with lock_dataset(shelf):
        assert examine(shelf).at_work
        assert sorted(problem.where for problem in examine(shelf).problems) == damaged
        # To another machine the lease says the same, as long as it is young.
        monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
        assert examine(shelf).at_work
        monkeypatch.setattr(lease, "EXPIRES_S", -60.0)
        assert not examine(shelf).at_work
        monkeypatch.undo()
        with pytest.raises(OutputError, match="another simgen is writing into it"):
            repair(shelf)
    assert not examine(shelf).at_work
    removed: list[str] = []
    _, stays = repair(shelf, removed.append)
    assert [problem.where for problem in stays] == ["train/notes.txt"]
    assert [line.partition(":")[0] for line in removed] == [
        *("removed test/00009.tar", "removed the shard train/00000", "removed the shard train/00001")
    ]
    (shelf / "train" / "notes.txt").unlink()
    finish_dataset(shelf, plan)
    assert verify(shelf) == [] and dataset_digest(shelf) == before


def test_a_shard_that_breaks_off_leaves_nothing_anywhere(
    shelf: RemotePath, make_dataset: DatasetFactory, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_dataset(shelf, n=12)
    plan, before = read_plan(shelf), list_names(shelf / "train")
    (shelf / "train" / "00001_stats.json").unlink()
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))

    def entries() -> Any:
        yield from ()
        raise RuntimeError("a bug")

    with pytest.raises(RuntimeError):
        write_shard(shelf, plan.shards[1], entries(), fingerprint=plan.fingerprint)
    assert list_names(shelf / "train") == [name for name in before if name != "00001_stats.json"]
    assert list(tmp_path.iterdir()) == []
    assert remove_leftovers(shelf) == tuple(f"train/00001{part}" for part in (".idx.json", ".parquet", ".tar"))


def test_parts_of_large_objects_that_a_killed_run_was_sending_are_dropped(shelf: RemotePath) -> None:
    bucket, _, key = (shelf / "train" / "00000.tar").key.partition("/")
    fs = stores.filesystem("s3")
    fs.call_s3("create_multipart_upload", Bucket=bucket, Key=key)
    fs.call_s3("create_multipart_upload", Bucket=bucket, Key=f"{key.partition('/')[0]}-of-others/00000.tar")
    remove_leftovers(shelf)
    left = fs.call_s3("list_multipart_uploads", Bucket=bucket)["Uploads"]
    assert [upload["Key"].partition("/")[0] for upload in left] == [f"{shelf.name}-of-others"]


def test_a_large_object_that_fails_halfway_leaves_no_parts(
    shelf: RemotePath, store_server: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    bucket = shelf.key.partition("/")[0]
    monkeypatch.setattr(paths, "_PART_BYTES", 5 << 20)
    with (tmp_path / "large").open("wb") as file:
        file.truncate(12 << 20)
    store_server.fail(0.0, status="403 Forbidden")
    store_server.refused = "partNumber=2"
    with pytest.raises(OutputError, match="access is refused"):
        (shelf / "large").upload(tmp_path / "large")
    fs = stores.filesystem("s3")
    assert not fs.call_s3("list_multipart_uploads", Bucket=bucket, Prefix=f"{shelf.name}/").get("Uploads")
    assert list_names(shelf) == []


# What the store answers.


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Two tries, so that a store that never answers costs a second."""
    monkeypatch.setattr(stores, "TRIES", 2)
    stores.filesystem.cache_clear()
    yield
    stores.filesystem.cache_clear()


def test_a_share_of_failing_requests_loses_nothing(
    shelf: RemotePath, store_server: Any, make_dataset: DatasetFactory, tmp_path: Path
) -> None:
    store_server.fail(0.25, seed=3)
    make_dataset(shelf, n=24)
    assert store_server.failed > 5
    make_dataset(tmp_path / "b", n=24)
    assert dataset_digest(shelf) == dataset_digest(tmp_path / "b")


@pytest.mark.parametrize("status", ["500 Internal Server Error", "503 Slow Down"])
def test_a_store_that_never_answers_is_one_sentence_after_a_few_tries(
    shelf: RemotePath, store_server: Any, impatient: None, status: str
) -> None:
    store_server.fail(1.0, status=status)
    with pytest.raises(OutputError, match=r"does not answer as it should .* run the same command again$"):
        write_file(shelf / "a", b"x")
    assert 2 <= store_server.failed <= 6


def test_access_that_is_refused_is_one_sentence_at_once(shelf: RemotePath, store_server: Any) -> None:
    store_server.fail(1.0, status="403 Forbidden")
    for wanted in (lambda: write_file(shelf / "a", b"x"), lambda: read_status(shelf), lambda: list_names(shelf)):
        store_server.failed = 0
        with pytest.raises(OutputError, match=r"access is refused .* set AWS_ACCESS_KEY_ID"):
            wanted()
        assert store_server.failed == 1


def test_a_bucket_that_is_not_there_is_named(store_server: Any) -> None:
    for wanted in (lambda where: write_file(where / "a", b"x"), read_status, list_names):
        with pytest.raises(OutputError, match=r"there is no bucket nowhere; make it first"):
            wanted(as_path("s3://nowhere/x"))


def test_nobody_logged_in_is_one_sentence(shelf: RemotePath, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    stores.filesystem.cache_clear()
    try:
        with pytest.raises(OutputError, match=r"nobody is logged in .* set AWS_ACCESS_KEY_ID"):
            list_names(shelf)
    finally:
        stores.filesystem.cache_clear()


@pytest.mark.parametrize(("scheme", "extra"), [("s3", "s3"), ("gs", "gs")])
def test_a_missing_package_is_named_with_the_extra_that_brings_it(
    scheme: str, extra: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    # On the package the name of the module is that of its table.
    registry = importlib.import_module("fsspec.registry")
    known = registry.known_implementations[scheme]
    monkeypatch.setitem(registry.known_implementations, scheme, {**known, "class": "not_installed.FileSystem"})
    monkeypatch.delitem(registry._registry, scheme, raising=False)
    stores.filesystem.cache_clear()
    with pytest.raises(EnvironmentProblem, match=rf"to install it, in .*, run: pip install -e '\.\[{extra}\]'$"):
        list_names(as_path(f"{scheme}://shelf/x"))


def test_the_hub_that_does_not_answer_is_one_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("huggingface_hub.constants.ENDPOINT", "http://127.0.0.1:1")
    stores.filesystem.cache_clear()
    with pytest.raises(OutputError, match=r"^hf://datasets/org/name: cannot be listed: the store does not answer"):
        list_names(as_path("hf://datasets/org/name"))


# Who may write.


def test_two_runs_at_one_address_are_one_too_many_on_this_machine(shelf: RemotePath) -> None:
    with (
        lock_dataset(shelf),
        pytest.raises(OutputError, match="another simgen is writing into it"),
        lock_dataset(shelf),
    ):
        pass
    assert list_names(shelf) == [] and not progress_folder(shelf).exists()


def test_a_run_on_another_machine_is_waited_for_and_refused_when_it_lives(
    shelf: RemotePath, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(lease, "_RENEW_S", 0.3)
    with lock_dataset(shelf):
        # Another machine has another folder for its notes.
        monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
        with pytest.raises(OutputError, match="another simgen is writing into it, on "), lock_dataset(shelf):
            pass
    assert list_names(shelf) == []


def test_a_lock_that_nobody_renews_is_taken_over_and_its_old_holder_commits_nothing(
    shelf: RemotePath, make_dataset: DatasetFactory, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(lease, "EXPIRES_S", 1.0)
    make_dataset(shelf, n=12)
    (shelf / "train" / "00000_stats.json").unlink()
    dead = {"run": "dead", "host": "elsewhere", "notes": "x", "beat": 9}
    write_file(shelf / ".progress" / "lock", json.dumps(dead).encode())
    began = time.monotonic()
    with lock_dataset(shelf) as run:
        assert 1.0 < time.monotonic() - began < 20.0
        assert run != "dead"
        with pytest.raises(OutputError, match="another simgen has taken it over"):
            publish(shelf, "dead")
    assert 0 not in committed(shelf / "train")


def publish(folder: RemotePath, run: str) -> None:
    """What a worker does at the end of a shard."""
    files = [AtomicFile(part_path(folder / "train", 0, part)) for part in SHARD_FILES]
    for file in files:
        file.write(b"of a straggler")
    commit_shard(files, folder=folder, run=run)


def test_after_a_kill_the_same_machine_takes_over_at_once(shelf: RemotePath) -> None:
    code = f"""
import os, signal
from simgen.storage.paths import as_path
from simgen.dataset.lock import lock_dataset
with lock_dataset(as_path({str(shelf)!r})):
    os.kill(os.getpid(), signal.SIGKILL)
"""
    subprocess.run([sys.executable, "-c", code], env=os.environ, check=False)
    assert list_names(shelf / ".progress") == ["lock"] and progress_folder(shelf).exists()
    began = time.monotonic()
    with lock_dataset(shelf):
        assert time.monotonic() - began < 15.0
    assert list_names(shelf) == [] and not progress_folder(shelf).exists()


def test_of_two_that_commit_one_shard_the_first_stays(shelf: RemotePath, make_dataset: DatasetFactory) -> None:
    make_dataset(shelf, n=4)
    before = read(shelf / "train" / "00000_stats.json")
    with lock_dataset(shelf) as run:
        publish(shelf, run)
    assert read(shelf / "train" / "00000_stats.json") == before


def test_many_small_reads_are_under_way_at_once(shelf: RemotePath) -> None:
    running, most, lock = 0, 0, threading.Lock()

    def look(number: int) -> int:
        nonlocal running, most
        with lock:
            running, most = running + 1, max(most, running + 1)
        time.sleep(0.02)
        with lock:
            running -= 1
        return number

    assert list(map_concurrently(shelf, look, range(40))) == list(range(40))
    assert most > 8
