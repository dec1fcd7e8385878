"""Real Ray, real files, and a maker that does on chosen samples what real ones do now and then: die, hang, raise."""

import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import pytest
import ray
from ray.cluster_utils import Cluster
from ray.exceptions import ActorDiedError, ActorUnavailableError

from simgen.core.errors import AssetError, ConflictError, EnvironmentProblem, OutputError, RenderError, SimgenError
from simgen.core.sample import Reject
from simgen.dataset import shards
from simgen.dataset.lock import PROGRESS_FOLDER
from simgen.dataset.reader import open_dataset
from simgen.dataset.shards import dataset_digest
from simgen.dataset.stats import read_stats
from simgen.dataset.verify import verify
from simgen.make.maker import Outcome
from simgen.plan.fingerprint import pins
from simgen.plan.plan import Plan, SampleId, make_plan
from simgen.plan.recipe import Recipe, Render, SceneChoice, load_recipe
from simgen.run import driver as driver_module
from simgen.run import ray_session
from simgen.run.driver import Driver
from simgen.run.folder import open_folder
from simgen.run.limits import Limits
from simgen.run.notes import WorkerNotes
from simgen.run.quarantine import read_quarantine, retry
from simgen.run.run import Summary, run

pytestmark = [pytest.mark.ray, pytest.mark.timeout(240)]

RECIPE = Recipe(
    name="hand-made",
    scenes=(SceneChoice(name="nudge", weight=1.0, parameters={}),),
    render=Render(width=64, height=48),
)
DULL = 5
"""This sample is rejected at every attempt."""


class StandIn:
    """A maker of hand-made samples with an accident in store for some of them."""

    def __init__(self, sample: Callable[..., Any], accidents: dict[int, Callable[[], object]]) -> None:
        self._sample = sample
        self._accidents = accidents

    def make(self, sample_id: SampleId, *, notice: object) -> Outcome:
        self._accidents.get(sample_id.index, lambda: None)()
        if sample_id.index == DULL:
            return Outcome(sample=None, rejects=(Reject(gate="dull", reason="nothing moved"),) * 2, cost={})
        rejects = tuple(Reject(gate="at_rest", reason="still moving", attempt=i) for i in range(sample_id.index % 3))
        sample = self._sample(sample_id.index, split=sample_id.split, fingerprint=RECIPE.fingerprint)
        return Outcome(sample=sample, rejects=rejects, cost={"render": 0.1})


def die() -> None:
    os.abort()


def hang() -> None:
    time.sleep(1000)


def dawdle() -> None:
    time.sleep(0.25)


def fail() -> None:
    raise ValueError(f"no such thing at {object()}")


def render_wrongly() -> None:
    raise RenderError("Cycles was asked for 4 x 4 pixels of Depth and gave nothing")


def eat() -> None:
    eaten = []
    while True:
        eaten.append(bytearray(64 << 20))


def once(accident: Callable[[], object], marker: Path) -> Callable[[], object]:
    """The accident happens the first time only."""

    def maybe() -> None:
        if not marker.exists():
            marker.touch()
            accident()

    return maybe


@pytest.fixture(scope="module")
def head(open_head: Callable[[int], AbstractContextManager[str]]) -> Iterator[str]:
    """The address of a Ray that all tests of this file share: starting one takes seconds."""
    with open_head(2) as address:
        yield address


@pytest.fixture
def generate(make_sample: Callable[..., Any], head: str) -> Callable[..., Summary]:
    """`generate(folder, plan, accidents={}, **run's options)`."""
    for name in {make_sample.__module__, __name__}:
        ray.cloudpickle.register_pickle_by_value(sys.modules[name])

    def go(folder: Path, plan: Plan, accidents: Any = None, **options: Any) -> Summary:
        def maker(recipe: Recipe, seed: int) -> StandIn:
            return StandIn(make_sample, accidents or {})

        with open_folder(folder, plan, sample_bytes=0):
            return run(plan, folder, maker=maker, address=head, **{"workers": 2, **options})

    return go


@pytest.fixture(scope="module")
def plan() -> Plan:
    return make_plan(RECIPE, n=24, seed=7)


@pytest.fixture
def clean(generate: Callable[..., Summary], plan: Plan, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data set made without any accident, by one worker, once for all tests."""
    folder = tmp_path_factory.getbasetemp() / "clean"
    if not folder.exists():
        generate(folder, plan, workers=1)
    return folder


def test_two_workers_and_an_accident_make_the_bytes_of_one_worker(generate, plan, clean, tmp_path) -> None:
    accidents = {3: once(die, tmp_path / "died"), 8: once(hang, tmp_path / "hung"), 20: once(die, tmp_path / "again")}
    summary = generate(tmp_path / "b", plan, accidents, limits=Limits(sample_s=6.0))
    assert (tmp_path / "died").exists() and (tmp_path / "hung").exists()
    assert summary.status.samples == 23
    assert [q.key for q in summary.quarantined] == [f"nudge-{DULL:06d}"]
    assert dataset_digest(tmp_path / "b") == dataset_digest(clean)
    assert not (tmp_path / "b" / PROGRESS_FOLDER).exists()


@pytest.mark.parametrize("at_a_sample", [True, False])
def test_machines_that_go_away_are_not_what_they_were_at(plan, tmp_path, monkeypatch, at_a_sample) -> None:
    """A thousand spot machines lose many workers before and over their first samples; a sick sample takes three."""
    monkeypatch.setattr(driver_module.ray, "kill", lambda actor: None)
    shard = plan.shard(*next(iter(plan.shards.names())))

    def lose(driver: Driver, error: Exception) -> None:
        worker = driver_module._WorkerHandle(f"worker-{driver.num_started}", None)
        driver.num_started += 1
        if at_a_sample:
            WorkerNotes(tmp_path, worker.name).write({"at": shard.samples[1].key})
        driver._handle_death(worker, shard, error)

    def driver() -> Driver:
        return Driver(plan, tmp_path, lambda recipe, seed: None, Limits(), (), ray_session.Session(num_workers=1))

    with open_folder(tmp_path, plan, sample_bytes=0):
        away = driver()
        for _ in range(8):
            lose(away, ActorUnavailableError("Socket closed", b"0" * 16))
        assert not away.holes and len(away.waiting) == 8

        sick = driver()
        for _ in range(2):
            lose(sick, ActorDiedError())
        if at_a_sample:
            assert not sick.holes
            lose(sick, ActorDiedError())
            assert list(sick.holes) == [shard.samples[1].key]
            # What goes on dying there, where nothing is made any more, is no fault of the sample, and comes to an end.
            for _ in range(2):
                lose(sick, ActorDiedError())
        with pytest.raises(EnvironmentProblem, match="die before their first sample"):
            lose(sick, ActorDiedError())


def test_a_sample_that_cannot_be_made_is_a_hole_and_changes_no_other(generate, plan, clean, tmp_path) -> None:
    accidents = {3: die, 8: hang, 12: fail, 14: render_wrongly, 17: eat}
    limits = Limits(sample_s=8.0, max_deaths=2, memory_bytes=1200 << 20)
    summary = generate(tmp_path / "b", plan, accidents, limits=limits)
    found = {q.index: q for q in summary.quarantined}
    failures = {index: q.failure for index, q in found.items()}
    assert failures == {3: "crash", DULL: "rejected", 8: "timeout", 12: "error", 14: "error", 17: "oom"}
    holes = {hole.key: hole for hole in summary.status.holes}
    assert {k: h.failure for k, h in holes.items()} == {q.key: q.failure for q in found.values()}
    assert "object at 0x" not in holes[found[12].key].reason
    assert "object at 0x" in found[12].detail
    assert found[14].detail == "Cycles was asked for 4 x 4 pixels of Depth and gave nothing"
    assert "got no more memory" in found[17].detail and "--workers" in found[17].detail

    logs = {index: (tmp_path / "b" / q.log).read_text() for index, q in found.items()}
    assert "Fatal Python error: Aborted" in logs[3]
    assert "in hang" in logs[8]
    assert "ValueError: no such thing" in logs[12]
    assert "MemoryError" in logs[17]
    assert "nothing moved" in logs[DULL]
    assert all(q.reproduce == f"simgen reproduce {tmp_path / 'b'} {q.key}" for q in found.values())

    faults = [str(finding) for finding in verify(tmp_path / "b") if "ATTRIBUTION" not in str(finding)]
    assert faults == []
    made, undisturbed = open_dataset(tmp_path / "b"), open_dataset(clean)
    assert set(undisturbed.keys) - set(made.keys) == {found[i].key for i in (3, 8, 12, 14, 17)}
    different = [key for key in made.keys if made.members(key) != undisturbed.members(key)]
    assert different == []


def test_retry_fills_the_holes_and_the_data_set_is_an_undisturbed_one(generate, plan, clean, tmp_path) -> None:
    folder = tmp_path / "b"
    generate(folder, plan, {3: die, 12: fail}, limits=Limits(max_deaths=1))
    assert retry(folder) == ["nudge-000003", "nudge-000012"]
    assert [q.failure for q in read_quarantine(folder)] == ["rejected"]
    summary = generate(folder, plan)
    assert summary.status.samples == 23
    assert dataset_digest(folder) == dataset_digest(clean)


def test_a_killed_run_goes_on_where_it_was(generate, plan, clean, tmp_path) -> None:
    folder = tmp_path / "b"

    class Enough(Exception):
        pass

    def stop() -> None:
        if len(list(folder.glob("*/*_stats.json"))) >= 2:
            raise Enough

    # Somebody looks twice a second.
    with pytest.raises(Enough):
        generate(folder, plan, dict.fromkeys(range(24), dawdle), watch=stop)
    assert 0 < len(open_dataset(folder)) < 23
    summary = generate(folder, plan)
    assert 0 < summary.made < 23
    assert dataset_digest(folder) == dataset_digest(clean)
    assert generate(folder, plan).made == 0


def test_workers_are_replaced_after_their_share(generate, tmp_path) -> None:
    plan = make_plan(RECIPE, n=10, seed=7)
    generate(tmp_path / "b", plan, limits=Limits(shards_per_worker=1))
    stats = [read_stats(tmp_path / "b" / shard.split, shard.number) for shard in plan.shards]
    assert len({s["machine"]["worker"] for s in stats}) == len(plan.shards) == 4


@pytest.fixture
def tiny_disk(tmp_path: Path) -> Iterator[Path]:
    """A disk of 200 kB."""
    place = tmp_path / "disk"
    place.mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=200k", "tmpfs", place], capture_output=True)
    if mounted.returncode != 0:
        pytest.skip("only root can mount a disk")
    yield place
    subprocess.run(["umount", "--lazy", place], check=True)


def test_a_full_disk_ends_the_run_with_a_sentence_and_loses_nothing(generate, plan, clean, tiny_disk) -> None:
    folder = tiny_disk / "b"
    with pytest.raises(OutputError, match=r"the disk is full.*make room and run the same command again"):
        generate(folder, plan, workers=1)
    assert len(open_dataset(folder)) > 0
    subprocess.run(["mount", "-o", "remount,size=100m", tiny_disk], check=True)
    assert 0 < generate(folder, plan, workers=1).made < 23
    assert dataset_digest(folder) == dataset_digest(clean)


@pytest.mark.cluster
def test_a_machine_that_is_lost_changes_nothing(make_sample, plan, clean, tmp_path) -> None:
    two = Cluster(initialize_head=True, head_node_args={"num_cpus": 1, "object_store_memory": 100 << 20})
    other = two.add_node(num_cpus=1, object_store_memory=100 << 20)
    folder = tmp_path / "b"

    def maker(recipe: Recipe, seed: int) -> StandIn:
        return StandIn(make_sample, dict.fromkeys(range(24), lambda: time.sleep(0.3)))

    def lose() -> None:
        if two.list_all_nodes()[1:] and len(list((folder / PROGRESS_FOLDER).glob("worker-*.jsonl"))) == 2:
            two.remove_node(other, allow_graceful=False)

    with open_folder(folder, plan, sample_bytes=0):
        run(plan, folder, maker=maker, address=two.address, workers=2, watch=lose)
    assert len(two.list_all_nodes()) == 1
    two.shutdown()
    assert dataset_digest(folder) == dataset_digest(clean)


def test_a_worker_that_hangs_over_what_it_has_made_is_replaced(
    generate, make_sample, plan, clean, head, tmp_path
) -> None:
    hung = once(hang, tmp_path / "hung")

    def maker(recipe: Recipe, seed: int) -> StandIn:
        index = shards._index

        def slow(*arguments: Any) -> Any:
            hung()
            return index(*arguments)

        shards._index = slow
        return StandIn(make_sample, {})

    with open_folder(tmp_path / "b", plan, sample_bytes=0):
        run(plan, tmp_path / "b", maker=maker, address=head, workers=1, limits=Limits(write_s=4.0))
    assert (tmp_path / "hung").exists()
    assert dataset_digest(tmp_path / "b") == dataset_digest(clean)


def test_a_missing_library_ends_the_run_with_a_sentence(generate, plan, tmp_path) -> None:
    def missing() -> None:
        raise ImportError("libXi.so.6: cannot open shared object file")

    with pytest.raises(EnvironmentProblem, match=r"libXi\.so\.6.*simgen doctor"):
        generate(tmp_path / "b", plan, {0: missing})


def test_a_node_of_another_version_is_refused_before_it_makes_a_sample(tmp_path, head) -> None:
    recipe = load_recipe("smoke")
    other = make_plan(recipe, n=4, seed=0, pins={**pins(recipe), "bpy": "3.6"})
    with (
        open_folder(tmp_path / "b", other, sample_bytes=0),
        pytest.raises(EnvironmentProblem, match=r"would make other bytes.*bpy is 4\.5.* there and 3\.6 here"),
    ):
        run(other, tmp_path / "b", address=head, workers=1)


def test_a_run_that_makes_nothing_is_a_failure_that_names_the_first_cause(generate, tmp_path) -> None:
    def broken() -> None:
        raise AssetError("mug.tar.gz: is cut short; fetch it again")

    with pytest.raises(SimgenError, match=r"none of the 4 samples.*mug\.tar\.gz: is cut short"):
        generate(tmp_path / "b", make_plan(RECIPE, n=4, seed=7), dict.fromkeys(range(4), broken))


def test_workers_that_die_at_their_start_end_the_run(generate, plan, tmp_path, head) -> None:
    def maker(recipe: Recipe, seed: int) -> Any:
        os.abort()

    with (
        open_folder(tmp_path / "b", plan, sample_bytes=0),
        pytest.raises(EnvironmentProblem, match="before their first"),
    ):
        run(plan, tmp_path / "b", maker=maker, address=head, workers=1)


@pytest.mark.cluster
def test_workers_that_never_come_end_the_run(plan, tmp_path) -> None:
    empty = Cluster(initialize_head=True, head_node_args={"num_cpus": 0, "object_store_memory": 100 << 20})
    with (
        open_folder(tmp_path / "b", plan, sample_bytes=0),
        pytest.raises(EnvironmentProblem, match="Ray gave no process"),
    ):
        run(plan, tmp_path / "b", address=empty.address, workers=1, limits=Limits(worker_start_s=1.0))
    empty.shutdown()


def test_a_token_is_no_hindrance_at_a_head_that_asks_for_none(generate, tmp_path, monkeypatch) -> None:
    monkeypatch.setenv("RAY_AUTH_TOKEN", "a" * 64)
    with ray_session.local_ray(1):
        assert ray.is_initialized()
    assert generate(tmp_path, make_plan(RECIPE, n=2, seed=7), workers=1).status.samples == 2


def test_a_ray_that_is_not_there_is_named(plan, tmp_path, monkeypatch) -> None:
    with open_folder(tmp_path, plan, sample_bytes=0), pytest.raises(EnvironmentProblem, match=r"127\.0\.0\.1:1 "):
        run(plan, tmp_path, address="127.0.0.1:1")
    with pytest.raises(EnvironmentProblem, match="must be HOST:PORT"):
        run(plan, tmp_path, address="somewhere")
    # Ray itself would wait for it for half a minute.
    monkeypatch.setenv("RAY_ADDRESS", "127.0.0.1:1")
    with pytest.raises(EnvironmentProblem, match=r"no Ray answers at .*:1 "):
        run(plan, tmp_path, address="auto")


def test_a_run_that_ray_ends_does_not_end_without_a_word() -> None:
    def said(then: str) -> str:
        code = f"import os; from simgen.run import ray_session\nwith ray_session.local_ray(1): {then}"
        return subprocess.run([sys.executable, "-c", code], stderr=subprocess.PIPE, text=True).stderr

    assert said("pass") == ""
    # As Ray's library does once it has not found its head for a minute.
    assert "Ray on this machine went away and ended this run, or it was killed" in said("os._exit(1)")
    ray_session.clear_temporary()


def test_a_run_that_was_killed_over_its_first_file_goes_on(plan, tmp_path) -> None:
    draft = tmp_path / ".config.resolved.yaml.c8f61212.tmp"
    draft.write_text("name:")
    with open_folder(tmp_path, plan, sample_bytes=0):
        assert not draft.exists()


def test_a_folder_is_only_opened_when_it_can_be_used(plan, tmp_path) -> None:
    def opened(folder: Path, other: Plan = plan, sample_bytes: int = 0) -> None:
        with open_folder(folder, other, sample_bytes=sample_bytes):
            pass

    (tmp_path / "file").touch()
    (tmp_path / "photos").mkdir()
    (tmp_path / "photos" / "me.jpg").touch()
    for folder, wrong in [("file", "is a file"), ("file/x", "file: is a file"), ("photos", r"not empty.*me\.jpg")]:
        with pytest.raises(OutputError, match=wrong):
            opened(tmp_path / folder)
    assert [p.name for p in (tmp_path / "photos").iterdir()] == ["me.jpg"]
    with pytest.raises(OutputError, match="make room or choose"):
        opened(tmp_path / "small", sample_bytes=1 << 60)

    opened(tmp_path / "ours")
    with pytest.raises(ConflictError, match="seed: 7 there, 8 here"):
        opened(tmp_path / "ours", make_plan(RECIPE, n=24, seed=8))
    with open_folder(tmp_path / "ours", plan, sample_bytes=0), pytest.raises(OutputError, match="another simgen"):
        opened(tmp_path / "ours")


def test_a_worker_imports_nothing_from_the_current_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """6 s: a Ray of its own. What stands in the current folder may be a stranger's data set."""
    (tmp_path / "numpy.py").write_text(f"import pathlib\npathlib.Path({str(tmp_path / 'mark')!r}).touch()\n")
    monkeypatch.chdir(tmp_path)
    with ray_session.local_ray(1):
        import_path, entrypoint = ray.get(ray.remote(_import_numpy).remote()), ray.state.jobs()[0]["Entrypoint"]
    assert "site-packages" in import_path and not (tmp_path / "mark").exists()
    # The command line may hold addresses with tokens.
    assert entrypoint == "simgen"


def _import_numpy() -> str:
    import numpy

    return str(numpy.__file__)
