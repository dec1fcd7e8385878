"""The whole program as a user runs it: generate, stop, kill, go on."""

import contextlib
import json
import os
import random
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import psutil
import pytest

from simgen.dataset.lock import PROGRESS_FOLDER
from simgen.dataset.reader import open_dataset
from simgen.dataset.shards import dataset_digest
from simgen.dataset.verify import verify

pytestmark = [pytest.mark.ray, pytest.mark.render, pytest.mark.timeout(540)]

KILLS = int(os.environ.get("SIMGEN_KILLS", "2"))
"""How many times the run is killed; odd ones hit a worker, even ones the driver."""
SMALL = ["smoke", "--n", "6", "--set", "render.width=64", "--set", "render.height=64", "--shard-size", "2"]

SLOW = ["drop", "--n", "2", "--set", "render.width=1024", "--set", "render.height=1024", "--set", "render.quality=high"]
STOP_S = float(os.environ.get("SIMGEN_STOP_S", "10"))
"""What a machine that is taken away gives, at the least."""
ENDED = {129: "stopped when its terminal was closed", 130: "interrupted", 143: "terminated"}
"""What a run that was stopped says, by its exit code."""


def command(*arguments: object) -> list[str]:
    return [sys.executable, "-m", "simgen.cli", *map(str, arguments)]


def simgen(*arguments: object) -> subprocess.CompletedProcess[str]:
    return subprocess.run(command(*arguments), capture_output=True, text=True, timeout=500)


def hear_interrupts() -> None:
    """What a shell starts in the background, tests among it, is deaf to Ctrl-C."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


def wait_for(what: Callable[[], object], seconds: float = 120.0) -> None:
    end = time.monotonic() + seconds
    while not what():
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.1)


@pytest.fixture
def started() -> Iterator[Callable[..., subprocess.Popen[str]]]:
    """Start a command that is to be stopped; what is left of it is ended afterwards."""
    running: list[subprocess.Popen[str]] = []

    def start(*arguments: object) -> subprocess.Popen[str]:
        pipe = subprocess.PIPE
        running.append(
            subprocess.Popen(command(*arguments), stdout=pipe, stderr=pipe, text=True, preexec_fn=hear_interrupts)
        )
        return running[-1]

    yield start
    for one in running:
        one.kill()
        one.communicate()


@pytest.fixture(scope="module")
def head(open_head: Callable[[int], AbstractContextManager[str]]) -> Iterator[str]:
    """The address of a Ray for the runs that need none of their own: starting one takes seconds."""
    with open_head(2) as address:
        yield address


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("data") / "undisturbed"
    ended = simgen("generate", *SMALL, "--out", folder, "--workers", 1)
    assert ended.returncode in (0, 3), ended.stderr
    return folder


def workers_of(driver: int) -> list[psutil.Process]:
    """The processes that make shards for a run."""
    found = []
    for process in psutil.Process(driver).children(recursive=True):
        try:
            if process.name().startswith("ray::Worker"):
                found.append(process)
        except psutil.NoSuchProcess:
            continue
    return found


def test_a_data_set_is_sound_and_each_of_its_samples_can_be_made_again(undisturbed: Path) -> None:
    assert [str(finding) for finding in verify(undisturbed)] == []
    data = open_dataset(undisturbed)
    assert len(data) == 6
    ended = simgen("reproduce", undisturbed, data.keys[-1])
    assert (ended.returncode, ended.stdout) == (0, f"{data.keys[-1]}: the same, byte for byte\n")


def test_the_resolved_recipe_alone_makes_the_same_data_set(undisturbed: Path, head: str, tmp_path: Path) -> None:
    again = ["generate", undisturbed / "config.resolved.yaml", "--out", tmp_path / "again"]
    ended = simgen(*again, "--workers", 2, "--address", head)
    assert ended.returncode in (0, 3), ended.stderr
    assert dataset_digest(tmp_path / "again") == dataset_digest(undisturbed)
    assert (tmp_path / "again" / "README.md").read_bytes() == (undisturbed / "README.md").read_bytes()


def test_killed_again_and_again_the_bytes_are_those_of_an_undisturbed_run(undisturbed, started, tmp_path) -> None:
    folder = tmp_path / "killed"
    chance = random.Random(KILLS)
    for kill in range(1, KILLS + 1):
        run = started("generate", *SMALL, "--out", folder, "--workers", 2)
        wait_for(lambda run=run: list((folder / PROGRESS_FOLDER).glob("worker-*.jsonl")) or run.poll() is not None)
        time.sleep(chance.uniform(0, 8))
        workers = workers_of(run.pid) if run.poll() is None else []
        if kill % 2 and workers:
            os.kill(chance.choice(workers).pid, signal.SIGKILL)
            time.sleep(chance.uniform(0, 4))
            workers = workers_of(run.pid) if run.poll() is None else []
        run.kill()
        run.wait()
        # Without their driver nobody goes on working.
        _, alive = psutil.wait_procs(workers, timeout=60)
        assert not alive
    ended = simgen("generate", *SMALL, "--out", folder, "--workers", 2)
    assert ended.returncode in (0, 3), ended.stderr
    assert dataset_digest(folder) == dataset_digest(undisturbed)
    assert verify(folder) == []


@pytest.mark.parametrize(
    ("number", "code", "joined"),
    [
        (signal.SIGINT, 130, False),
        (signal.SIGTERM, 143, True),
        (signal.SIGHUP, 129, True),
        pytest.param(signal.SIGTERM, 143, False, marks=pytest.mark.slow),
        pytest.param(signal.SIGHUP, 129, False, marks=pytest.mark.slow),
    ],
)
def test_a_run_stopped_in_the_middle_of_a_render_ends_cleanly_within_ten_seconds_and_says_so(
    started, tmp_path: Path, request: pytest.FixtureRequest, monkeypatch, number: int, code: int, joined: bool
) -> None:
    folder = tmp_path / "stopped"
    address = ["--address", request.getfixturevalue("head")] if joined else []
    # Which that head does not ask for, as one that lies in a home folder.
    monkeypatch.setenv("RAY_AUTH_TOKEN", "a" * 64)
    run = started("generate", *SLOW, "--out", folder, "--workers", 1, *address)
    wait_for(lambda: at_the_render(folder) or run.poll() is not None)
    assert run.poll() is None, run.communicate()
    # Physics and the first look take half a second, one picture of these a minute, in which Blender hears nobody.
    time.sleep(4)
    below = [*psutil.Process(run.pid).children(recursive=True), *workers_at(folder)]
    assert below
    began = time.monotonic()
    run.send_signal(number)
    out, err = run.communicate(timeout=60)
    _, alive = psutil.wait_procs(below, timeout=max(0.0, began + STOP_S - time.monotonic()))
    took = time.monotonic() - began
    assert run.returncode == code, err
    assert not alive
    assert took < STOP_S
    assert [line for line in err.splitlines() if "error" in line] == [
        f"simgen: error: {ENDED[code]}; the same command goes on from here"
    ]
    assert "Traceback" not in out + err
    assert not [p for p in folder.rglob("*") if re.search(r"\.tmp$", p.name)]
    assert not list(Path("/tmp").glob(f"simgen-ray-{run.pid}-*"))


def test_a_run_that_is_terminated_while_ray_starts_says_so_too(started, tmp_path: Path) -> None:
    run = started("generate", *SLOW, "--out", tmp_path / "stopped", "--workers", 1)
    wait_for(lambda: list(Path("/tmp").glob(f"simgen-ray-{run.pid}-*/node/session_*")))
    began = time.monotonic()
    run.send_signal(signal.SIGTERM)
    _, err = run.communicate(timeout=60)
    assert run.returncode == 143, err
    assert time.monotonic() - began < STOP_S
    assert not list(Path("/tmp").glob(f"simgen-ray-{run.pid}-*"))


def at_the_render(folder: Path) -> bool:
    """Whether a worker has drawn its first scene."""
    return any('"assets"' in path.read_text() for path in (folder / PROGRESS_FOLDER).glob("worker-*.jsonl"))


def workers_at(folder: Path) -> list[psutil.Process]:
    """Processes of this machine that have a file of the folder open."""
    found = []
    for process in psutil.process_iter():
        try:
            if any(file.path.startswith(str(folder)) for file in process.open_files()):
                found.append(process)
        except psutil.Error:
            continue
    return found


def test_what_timed_out_is_named_and_made_by_retry(head: str, tmp_path: Path) -> None:
    one = ["smoke", "--n", 1, "--set", "render.width=64", "--set", "render.height=64", "--out", tmp_path / "out"]
    ended = simgen("generate", *one, "--workers", 1, "--sample-timeout", 0.05, "--address", head)
    assert ended.returncode == 1
    (complaint,) = [line for line in ended.stderr.splitlines() if "error" in line]
    assert "none of the 1 samples could be made" in complaint and "it took too long" in complaint
    (mark,) = (tmp_path / "out" / "quarantine").glob("*.json")
    told = json.loads(mark.read_text())
    assert told["failure"] == "timeout"
    assert "Timeout (" in (tmp_path / "out" / told["log"]).read_text()
    ended = simgen("retry", tmp_path / "out", "--address", head)
    assert "trying 1 quarantined samples again" in ended.stderr
    assert ended.returncode == 0 and not mark.exists()
    assert verify(tmp_path / "out") == []


def test_a_scene_of_a_dozen_lines_in_a_folder_of_its_own_generates(head: str, tmp_path: Path, plop: Path) -> None:
    ended = simgen(
        "generate", "plop", "--scenes", plop, "--n", 1, "--out", tmp_path / "out", "--workers", 1, "--address", head,
        "--set", "render.width=64", "--set", "render.height=64", "--set", "render.quality=fast",
    )  # fmt: skip
    assert ended.returncode == 0, ended.stderr
    (sample,) = open_dataset(tmp_path / "out")
    assert sample.record["scene"] == "plop"
    assert json.loads(sample.record["events_json"])[0]["kind"] == "release"


@pytest.mark.slow
@pytest.mark.network
def test_workers_ask_with_password_and_token_and_no_file_has_them(tmp_path: Path, guard: Callable[[Path], Any]) -> None:
    """Half a minute. Everything that lies on the disk while the run goes on is read: the data set, the cache and all
    that Ray writes."""
    trimesh = pytest.importorskip("trimesh")
    from simgen.catalog.pack import Terms, pack_folder

    (tmp_path / "meshes").mkdir()
    for number in range(4):
        block = trimesh.creation.box((0.08, 0.07, 0.05 + 0.01 * number))
        block.export(tmp_path / "meshes" / f"wooden_block{number}.obj")
    list(pack_folder(tmp_path / "meshes", tmp_path / "served", Terms()))
    manifest = next((tmp_path / "served").glob("*.json")).name
    served = guard(tmp_path / "served")
    secrets, leaks = ("pa55w0rd", "s3cret", "n3wt0k"), set[str]()

    def look(folder: Path) -> None:
        for path in folder.rglob("*"):
            with contextlib.suppress(OSError):
                if path.is_file() and not path.is_symlink():
                    content = path.read_bytes()
                    leaks.update(f"{word} in {path}" for word in secrets if word.encode() in content)

    def generate() -> tuple[int, str]:
        size = ["--set", "render.width=64", "--set", "render.height=64", "--set", "render.quality=fast"]
        words = command(
            "generate", "drop", "--n", 2, "--assets", served.address(manifest), *size, "--workers", 1, "--out", "out"
        )
        environment = {**os.environ, "SIMGEN_CACHE": str(tmp_path / "cache")}
        with (tmp_path / "said").open("w+b") as said:
            run = subprocess.Popen(words, stdout=said, stderr=said, env=environment, cwd=tmp_path)
            while run.poll() is None:
                for place in (*Path("/tmp").glob(f"simgen-ray-{run.pid}-*"), tmp_path / "out"):
                    look(place)
                time.sleep(0.2)
        return run.returncode, (tmp_path / "said").read_text()

    code, said = generate()
    assert code == 0, said
    digest = dataset_digest(tmp_path / "out")
    archives = [name for name, allowed in served.asked if name.endswith(".tar.gz") and allowed]
    assert archives and all(allowed for _, allowed in served.asked)
    # A new token is no other data set, and what the old one fetched is there.
    served.token = "n3wt0k"
    code, again = generate()
    assert code == 0 and "2 of 2 samples are there, going on" in again, again
    assert dataset_digest(tmp_path / "out") == digest and verify(tmp_path / "out") == []
    assert open_dataset(tmp_path / "out", split="train")[0].record["attribution"]
    look(tmp_path)
    assert not leaks
