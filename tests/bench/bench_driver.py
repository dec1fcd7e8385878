"""What the driver of a run costs, and whether its scheduler loses anything.

    python tests/bench/bench_driver.py [--workers 1000] [--n 20000] [--shard-size 8] [--sample-s 8] [--fixed-s 0.5]

1. A thousand simulated workers. The driver is the real one, with its progress display, its notes, its commits; only the
   four functions of Ray that it calls are replaced, and on the other side of them one process plays all workers in real
   time: it writes the notes and the shards that they would write, each sample so many seconds after the last.
2. What Ray itself takes of the driver's time with a thousand calls on their way: real Ray, real actors.
3. Two workers against one, real Ray, samples that sleep: a share of 1 means that nobody ever waits for the driver.
"""

import argparse
import dataclasses
import heapq
import importlib.util
import io
import multiprocessing
import os
import random
import re
import statistics
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import ray
from rich.console import Console

from simgen.core.sample import Sample
from simgen.dataset.entry import Entry, sample_entry
from simgen.dataset.layout import SPLITS, committed
from simgen.dataset.progress import Progress
from simgen.dataset.shards import write_shard
from simgen.dataset.stats import read_stats
from simgen.dataset.status import read_status
from simgen.dataset.verify import verify
from simgen.make.maker import Outcome
from simgen.plan.plan import Plan, SampleId, make_plan
from simgen.plan.recipe import Recipe, Render, SceneChoice
from simgen.run import driver as driver_module
from simgen.run import ray_session
from simgen.run.driver import Driver
from simgen.run.folder import open_folder, unmade
from simgen.run.limits import Limits
from simgen.run.notes import WorkerNotes
from simgen.run.run import run
from simgen.run.worker import Done

RECIPE = Recipe(
    name="fake",
    scenes=(SceneChoice(name="nudge", weight=1.0, parameters={}),),
    render=Render(width=64, height=48),
)


def a_sample() -> Sample:
    """One of those that the tests use."""
    spec = importlib.util.spec_from_file_location("conftest", Path(__file__).parents[1] / "conftest.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    made: Sample = module.nudge_sample(
        SampleId(index=0, key="nudge-000000", scene="nudge", split="train"), fingerprint=RECIPE.fingerprint
    )
    return made


def sample_of(like: Sample, planned: SampleId) -> Sample:
    same = {name: getattr(planned, name) for name in ("key", "scene", "split", "index")}
    return dataclasses.replace(like, key=planned.key, record={**like.record, **same})


# The other side of Ray: one process that plays all workers.


def play(pipe: Any, folder: Path, fingerprint: str, sample_s: float) -> None:
    """Take (call, worker, shard), write what the worker would write when it would write it, answer (call, how late)."""
    like, rng = a_sample(), random.Random(0)
    due: list[tuple[float, int, str, Any, int]] = []
    while True:
        while pipe.poll(max(0.0, min(due[0][0] - time.monotonic(), 0.2)) if due else 0.2):
            call, worker, shard = pipe.recv()
            heapq.heappush(due, (time.monotonic(), call, worker, shard, 0))
        if not due or due[0][0] > time.monotonic():
            continue
        now, call, worker, shard, done = heapq.heappop(due)
        book = WorkerNotes(folder, worker)
        if done == 0:
            (folder / ".progress" / f"{worker}.log").touch()
        else:
            book.write({"key": shard.samples[done - 1].key, "failure": None, "rejects": {}})
        if done < len(shard.samples):
            book.write({"at": shard.samples[done].key})
            heapq.heappush(due, (now + sample_s * rng.uniform(0.5, 1.5), call, worker, shard, done + 1))
            continue
        # One picture for each shard is enough for the driver, which reads none; the others are holes.
        entries = [Entry(planned=planned, failure="rejected", reason="not painted") for planned in shard.samples]
        entries[0] = sample_entry(shard.samples[0], sample_of(like, shard.samples[0]), cost={"render": 1.0})
        write_shard(folder, shard, entries, fingerprint=fingerprint, machine={"host": "here", "worker": worker})
        pipe.send((call, time.monotonic() - now))


class FakeRay:
    """The four functions of Ray that the driver calls."""

    def __init__(self, pipe: Any) -> None:
        self._pipe = pipe
        self._calls = 0
        self._ready: dict[int, float] = {}
        self.late_s: list[float] = []

    def remote(self, cls: type) -> "FakeRay":
        return self

    def options(self, **options: Any) -> "_Class":
        return _Class(self)

    def kill(self, actor: Any) -> None: ...

    def call(self, worker: str, shard: Any) -> int:
        self._calls += 1
        self._pipe.send((self._calls, worker, shard))
        return self._calls

    def wait(self, calls: Sequence[int], *, num_returns: int, timeout: float) -> tuple[list[int], list[int]]:
        end = time.monotonic() + timeout
        while True:
            while self._pipe.poll():
                call, late_s = self._pipe.recv()
                self._ready[call] = late_s
            ready = [call for call in calls if call in self._ready][:num_returns]
            left = end - time.monotonic()
            if len(ready) >= num_returns or left <= 0:
                return ready, [call for call in calls if call not in ready]
            self._pipe.poll(left)

    def get(self, call: int) -> Done:
        self.late_s.append(self._ready.pop(call))
        return Done(resident_bytes=0)


class _Class:
    def __init__(self, fake: FakeRay) -> None:
        self._fake = fake

    def remote(self, name: str, *rest: Any) -> "_Actor":
        return _Actor(self._fake, name)


class _Actor:
    def __init__(self, fake: FakeRay, name: str) -> None:
        self._fake, self._name = fake, name

    @property
    def make_shard(self) -> "_Actor":
        return self

    def remote(self, shard: Any, holes: Any) -> int:
        return self._fake.call(self._name, shard)


def fake_workers(workers: int, n: int, shard_size: int, sample_s: float) -> None:
    parent = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None
    with tempfile.TemporaryDirectory(dir=parent) as place:
        folder, plan = Path(place) / "data", make_plan(RECIPE, n=n, seed=0, shard_size=shard_size)
        ours, theirs = multiprocessing.Pipe()
        real, driver_module.ray = driver_module.ray, FakeRay(ours)
        with open_folder(folder, plan, sample_bytes=0):
            player = multiprocessing.Process(target=play, args=(theirs, folder, plan.fingerprint, sample_s))
            player.start()
            try:
                console = Console(file=io.StringIO())
                with Progress(folder, planned=n, done=0, console=console) as progress:
                    session = ray_session.Session(num_workers=workers)
                    driver = Driver(plan, folder, no_maker, Limits(), unmade(plan, folder), session)
                    began, cpu_began = time.monotonic(), time.process_time()
                    driver.run(progress.update)
                    wall_s, cpu_s = time.monotonic() - began, time.process_time() - cpu_began
            finally:
                player.kill()
                player.join()
                fake, driver_module.ray = driver_module.ray, real
        began = time.process_time()
        status = read_status(folder)
        samples = status.samples + status.quarantined
        status_s = time.process_time() - began
    shards = len(plan.shards)
    print(f"{samples} samples in {shards} shards by {workers} fake workers, {sample_s:g} s each: {wall_s:.0f} s")
    late_s = fake.late_s
    print(f"  the player was late by {statistics.median(late_s):.2f} s in the middle, {max(late_s):.2f} s at most")
    print(
        f"  driver {cpu_s:.2f} CPU s: {100 * cpu_s / wall_s:.1f} % of a core, {1000 * cpu_s / shards:.2f} ms a shard,"
    )
    print(f"  {100 * cpu_s / (samples * sample_s):.4f} % of the workers' {samples * sample_s:.0f} core-seconds")
    print(f"  read_status {1000 * status_s / shards:.2f} ms a shard of {shard_size}")


def no_maker(recipe: Recipe, seed: int) -> Any:
    raise AssertionError("nobody makes anything here")


# Real Ray.


class Sleeper:
    def wait(self, seconds: float) -> None:
        time.sleep(seconds)


def cost_of_ray(calls: int) -> None:
    """Processor time of this process, Ray's threads in it included, for each call with so many on their way."""
    with ray_session.local_ray(4):
        actors = [ray.remote(Sleeper).options(num_cpus=1).remote() for _ in range(2)]
        ray.get([actor.wait.remote(0) for actor in actors])
        waiting = [actors[k % 2].wait.remote(0.02) for k in range(calls)]
        began, rounds = time.process_time(), 0
        for _ in range(200):
            ready, waiting = ray.wait(waiting, num_returns=1, timeout=0.5)
            ray.get(ready)
            waiting += [actors[rounds % 2].wait.remote(0.02)]
            rounds += 1
        each_s = (time.process_time() - began) / rounds
    print(f"Ray with {calls} calls on their way: {1000 * each_s:.2f} ms of the driver's CPU for each that returns")


class Sleeps:
    """A maker whose samples cost so many seconds of nobody's processor."""

    def __init__(self, like: Sample, seconds: float) -> None:
        self._like, self._seconds = like, seconds

    def make(self, planned: SampleId, *, notice: object) -> Outcome:
        time.sleep(self._seconds)
        return Outcome(sample=sample_of(self._like, planned), rejects=(), cost={"render": self._seconds})


def share_of_work(workers: int, plan: Plan, seconds: float) -> None:
    like = a_sample()

    def maker(recipe: Recipe, seed: int) -> Sleeps:
        return Sleeps(like, seconds)

    ray.cloudpickle.register_pickle_by_value(__import__("sys").modules[__name__])
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place) / "data"
        with open_folder(folder, plan, sample_bytes=0):
            summary = run(plan, folder, maker=maker, workers=workers)
        costs = [read_stats(folder / split, k)["cost"] for split in SPLITS for k in committed(folder / split)]
        # The sample that all are copies of names no source, and has the objects of one split.
        found = [f for f in verify(folder) if not re.search("ATTRIBUTION|samples only", str(f))]
        assert not found, found
    span_s = max(c["finished_unix_s"] for c in costs) - min(c["started_unix_s"] for c in costs)
    share = plan.n * seconds / (workers * span_s)
    print(f"{workers} workers, {plan.n} samples that sleep {seconds:g} s, {len(costs)} shards: {span_s:.1f} s from the")
    print(f"  first start to the last commit, {summary.seconds:.1f} s with Ray; {100 * share:.1f} % of it is sleep")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--workers", type=int, default=1000)
    parser.add_argument("--n", type=int, default=20_000)
    parser.add_argument("--shard-size", type=int, default=8)
    parser.add_argument("--sample-s", type=float, default=8.0)
    parser.add_argument("--fixed-s", type=float, default=0.5)
    parser.add_argument("--only", choices=("fake", "ray", "share"))
    given = parser.parse_args()
    if given.only in (None, "fake"):
        fake_workers(given.workers, given.n, given.shard_size, given.sample_s)
    if given.only in (None, "ray"):
        cost_of_ray(given.workers)
    if given.only in (None, "share"):
        for workers in (1, 2):
            share_of_work(workers, make_plan(RECIPE, n=96, seed=7, shard_size=4), given.fixed_s)


if __name__ == "__main__":
    main()
