"""Runs of real Ray onto a real S3 server on the loopback: killed, failing, and the same bytes as in a folder."""

import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from simgen.dataset.entry import sample_entry
from simgen.dataset.layout import SPLITS, committed
from simgen.dataset.lock import progress_folder
from simgen.dataset.shards import dataset_digest, write_shard
from simgen.dataset.stats import read_stats
from simgen.dataset.verify import verify
from simgen.plan.plan import Plan, make_plan
from simgen.plan.recipe import Recipe, Render, SceneChoice
from simgen.storage.files import list_entries, list_names
from simgen.storage.paths import RemotePath

# Minutes: a store that is gone is asked again and again before a run gives up.
pytestmark = [pytest.mark.ray, pytest.mark.chaos, pytest.mark.network, pytest.mark.timeout(540)]

N = 24
ACCIDENT = 3
"""This sample takes its worker with it the first time."""
RECIPE = Recipe(
    name="hand-made",
    scenes=(SceneChoice(name="nudge", weight=1.0, parameters={}),),
    render=Render(width=64, height=48),
)
RUN = """
import importlib.util, os, sys, time
from pathlib import Path
import ray
from simgen.dataset.card import write_card
from simgen.run.folder import open_folder
from simgen.run.limits import Limits
from simgen.run.run import run
from simgen.core.errors import SimgenError
from simgen.make.maker import Outcome
from simgen.storage.paths import as_path

def load(name, path):
    spec = importlib.util.spec_from_file_location(name, path)
    sys.modules[name] = module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    ray.cloudpickle.register_pickle_by_value(module)
    return module

hand_made = load("hand_made", sys.argv[1])
stores = load("stores", sys.argv[2])
marker = Path(sys.argv[4])

class StandIn:
    def make(self, planned, *, notice):
        # Long enough for a kill to come in between.
        time.sleep(0.2)
        if planned.index == stores.ACCIDENT and not marker.exists():
            marker.touch()
            os.abort()
        return Outcome(sample=stores.sample_of(hand_made, planned), rejects=(), cost={"render": 0.1})

ray.cloudpickle.register_pickle_by_value(sys.modules["__main__"])
folder, plan, limits = as_path(sys.argv[3]), stores.plan(), Limits(worker_start_s=500.0)
try:
    with open_folder(folder, plan, sample_bytes=0):
        print(run(plan, folder, maker=lambda recipe, seed: StandIn(), workers=2, limits=limits).made)
        write_card(folder, command="simgen generate --n 24 --out DIR")
except SimgenError as error:
    sys.exit(str(error))
"""


def plan() -> Plan:
    return make_plan(RECIPE, n=N, seed=7)


def sample_of(hand_made: Any, planned: Any) -> Any:
    return hand_made.nudge_sample(planned, bodies=2, fingerprint=RECIPE.fingerprint)


@pytest.fixture
def start(tmp_path: Path) -> Callable[..., subprocess.Popen[str]]:
    """A run in a process of its own, which can be killed."""

    def begin(folder: object) -> subprocess.Popen[str]:
        conftest = Path(__file__).parents[1] / "conftest.py"
        arguments = [sys.executable, "-c", RUN, str(conftest), __file__, str(folder), str(tmp_path / "died")]
        return subprocess.Popen(arguments, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)

    return begin


@pytest.fixture(scope="module")
def clean(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The data set in a folder, by nobody but this process."""
    import importlib.util

    spec = importlib.util.spec_from_file_location("hand_made", Path(__file__).parents[1] / "conftest.py")
    assert spec is not None and spec.loader is not None
    hand_made = importlib.util.module_from_spec(spec)
    sys.modules["hand_made"] = hand_made
    spec.loader.exec_module(hand_made)
    folder, planned = tmp_path_factory.mktemp("clean"), plan()
    for shard in planned.shards:
        entries = [sample_entry(s, sample_of(hand_made, s)) for s in shard.samples]
        write_shard(folder, shard, entries, fingerprint=planned.fingerprint)
    return folder


def num_committed(folder: RemotePath) -> int:
    return sum(len(committed(folder / split)) for split in SPLITS)


def test_killed_and_failing_a_data_set_on_a_store_is_that_in_a_folder(
    shelf: RemotePath, store_server: Any, start: Callable[..., subprocess.Popen[str]], clean: Path, tmp_path: Path
) -> None:
    store_server.fail(0.05, seed=11)
    first = start(shelf)
    while num_committed(shelf) < 2 and first.poll() is None:
        time.sleep(0.1)
    first.kill()
    _, told = first.communicate()
    assert first.returncode == -signal.SIGKILL, told
    assert num_committed(shelf) < len(plan().shards)

    second = start(shelf)
    made, told = second.communicate(timeout=500)
    assert second.returncode == 0, told
    assert (tmp_path / "died").exists() and store_server.failed > 5
    assert 0 < int(made) < N
    store_server.fail(0.0)
    assert dataset_digest(shelf) == dataset_digest(clean)
    assert [str(finding) for finding in verify(shelf)] == []
    hosts = {read_stats(shelf / s, number)["machine"]["worker"] for s in SPLITS for number in committed(shelf / s)}
    assert len(hosts) > 2

    # Nothing of the two runs is left, here or there.
    assert list_names(shelf) == ["ATTRIBUTION.csv", "README.md", "SHA256SUMS", "config.resolved.yaml", *sorted(SPLITS)]
    parts = sum(len(list_entries(shelf / split)) for split in SPLITS)
    assert parts == 4 * len(plan().shards)
    assert not progress_folder(shelf).exists()
    assert not list(Path(tempfile.gettempdir()).glob(f"simgen-ray-{second.pid}-*"))


def test_a_store_that_goes_away_ends_the_run_with_a_sentence_and_the_same_command_goes_on(
    shelf: RemotePath,
    store_server: Any,
    start: Callable[..., subprocess.Popen[str]],
    clean: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    # Fewer tries than it has by itself: a store that is gone costs 2 seconds here, and a minute there.
    monkeypatch.setenv("AWS_MAX_ATTEMPTS", "3")
    run = start(shelf)
    while num_committed(shelf) < 1 and run.poll() is None:
        time.sleep(0.1)
    store_server.fail(1.0)
    _, told = run.communicate(timeout=300)
    assert run.returncode == 1
    assert "does not answer as it should" in told and told.endswith("run the same command again\n")
    assert told.count("\n") == 1

    store_server.fail(0.0)
    before = num_committed(shelf)
    store_server.requests.clear()
    again = start(shelf)
    _, told = again.communicate(timeout=300)
    assert again.returncode == 0, told
    # On the same machine it knows the lock that the first could not take away for that of a run that is over.
    assert "taking over" not in told
    assert dataset_digest(shelf) == dataset_digest(clean)
    # Twelve and a half for a shard, two for a look at a split, and what a run costs whatever it makes.
    new = len(plan().shards) - before
    assert sum(store_server.requests.values()) < 60 + 20 * new + 3 * N, store_server.requests
