"""Which worker makes which shard, and what follows when one dies.

The shard of a worker that has died is made again by another. Its notes say what it was at: a sample that keeps ending
workers is quarantined with its log, as a hole in its shard.
"""

import contextlib
import os
import time
from collections import Counter, deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

from simgen.run.ray_session import Session

# isort: split
# After what makes its settings.
import ray
from ray.exceptions import (
    ActorUnavailableError,
    OutOfMemoryError,
    RayActorError,
    RaySystemError,
    RuntimeEnvSetupError,
)

from simgen.core.assets import Split
from simgen.core.errors import EnvironmentProblem, inline
from simgen.dataset.entry import Failure
from simgen.dataset.lock import progress_folder
from simgen.plan.plan import Plan, ShardPlan
from simgen.run.folder import read_run_id
from simgen.run.limits import Limits
from simgen.run.machine import memory_advice, worker_bytes
from simgen.run.notes import WorkerNotes, tail
from simgen.run.quarantine import Quarantined, make_mark, read_quarantine, set_aside
from simgen.run.worker import Job, MakerFactory, Refused, Worker
from simgen.storage.paths import AnyPath
from simgen.storage.urls import admitted

LOST_MACHINES_PER_DEATH = 3
"""So many workers that are gone with their machine count as one that has died of what it was at."""
_POLL_S = 0.5


@dataclass(slots=True)
class _WorkerHandle:
    """A worker as the driver sees it."""

    name: str
    actor: Any
    num_shards: int = 0
    requested_s: float = field(default_factory=time.monotonic)
    present: bool = False
    """Has opened its log."""


class Driver:
    """Runs one plan to its end, or to an error."""

    def __init__(
        self,
        plan: Plan,
        folder: AnyPath,
        maker: MakerFactory,
        limits: Limits,
        shards: Iterable[tuple[Split, int]],
        session: Session,
    ) -> None:
        self.plan, self.folder, self.limits, self.session = plan, folder, limits, session
        self.waiting = deque(shards)
        self.busy: dict[Any, tuple[_WorkerHandle, ShardPlan]] = {}
        """By Ray's reference to the shard that is being made."""
        self.idle: list[_WorkerHandle] = []
        self.holes: dict[str, Quarantined] = {}
        """Samples that are not made any more, by key."""
        self.num_started = 0
        self._deaths: Counter[str] = Counter()
        """Of workers over each sample, in thirds: see `LOST_MACHINES_PER_DEATH`."""
        self._failed_starts = 0
        """Deaths over no sample since a shard was last made, in thirds as well."""
        self._oom_kills = session.oom_kills() if session.oom_kills is not None else 0
        """Of those by the kernel, as many as have been found among the deaths, or were before."""
        self._job = Job(
            folder=folder.absolute(),  # a worker's current folder is that of the Ray that started it
            plan=plan,
            maker=maker,
            limits=limits,
            run_id=read_run_id(folder),
            marker=f"run-{os.getpid()}-{time.time_ns()}",
            shipped_paths=session.shipped_paths,
            addresses=admitted(),
        )

    def run(self, watch: Callable[[], object]) -> None:
        """Make all shards; `watch` is called about twice a second."""
        try:
            self._run(watch)
        except RaySystemError as error:
            raise EnvironmentProblem(
                f"Ray has died under the run ({inline(error)}); run the same command again"
            ) from error
        except BaseException:
            self._kill_workers()
            raise

    def _run(self, watch: Callable[[], object]) -> None:
        (progress_folder(self.folder) / self._job.marker).touch()
        # Found by an earlier run that was stopped: it has cost enough workers. What is rejected or raises is found
        # again, and with it the figures that belong into the shard.
        accidents = ("crash", "timeout", "oom")
        self.holes = {q.key: q for q in read_quarantine(self.folder) if q.failure in accidents}
        looked_s = 0.0
        while self.waiting or self.busy:
            while self.waiting and len(self.busy) < self.session.num_workers:
                self._assign(self.plan.shard(*self.waiting.popleft()))
            if not self.waiting:
                # Their cores may be wanted: on a machine lost to the cluster there were some more.
                while self.idle:
                    ray.kill(self.idle.pop().actor)
            ready, _ = ray.wait(list(self.busy), num_returns=1, timeout=_POLL_S)
            if not self.session.is_alive():
                raise EnvironmentProblem("Ray has died under the run; run the same command again")
            for reference in ready:
                self._collect(reference)
            # With a thousand workers something is ready all the time, and both look at a file for each of them.
            if time.monotonic() - looked_s >= _POLL_S:
                looked_s = time.monotonic()
                self._replace_absent_workers()
                watch()

    def _kill_workers(self) -> None:
        """Nobody goes on writing once the run has ended, not even who is in the middle of a picture."""
        # A second Ctrl-C leaves this and no more undone.
        with contextlib.suppress(Exception):
            for worker in [*self.idle, *(worker for worker, _ in self.busy.values())]:
                ray.kill(worker.actor)
            if self.busy and self.session.is_alive():
                ray.wait(list(self.busy), num_returns=len(self.busy), timeout=self.limits.shutdown_s)

    def _assign(self, shard: ShardPlan) -> None:
        worker = self.idle.pop() if self.idle else self._start_worker()
        holes = {s.key: self.holes[s.key] for s in shard.samples if s.key in self.holes}
        self.busy[worker.actor.make_shard.remote(shard, holes)] = (worker, shard)

    def _start_worker(self) -> _WorkerHandle:
        name = f"worker-{os.getpid()}-{self.num_started}"
        self.num_started += 1
        actor = ray.remote(Worker).options(num_cpus=1, max_restarts=0, scheduling_strategy="SPREAD")
        return _WorkerHandle(name, actor.remote(name, self._job))

    def _collect(self, reference: Any) -> None:
        """Take the result of a shard that is made, or that its worker has died over."""
        worker, shard = self.busy.pop(reference)
        try:
            result = ray.get(reference)
        except RuntimeEnvSetupError as error:
            raise EnvironmentProblem(f"a node could not receive simgen's code: {_last_line(error)}") from error
        except (RayActorError, OutOfMemoryError) as error:
            self._handle_death(worker, shard, error)
            return
        if isinstance(result, Refused):
            raise result.as_error()
        worker.num_shards += 1
        self._failed_starts = 0
        used_up = worker.num_shards >= self.limits.shards_per_worker
        if used_up or result.resident_bytes > self.limits.resident_bytes:
            ray.kill(worker.actor)
        else:
            self.idle.append(worker)

    def _replace_absent_workers(self) -> None:
        """Give up on workers that never came, unless others have the cores that they wait for."""
        absent = {reference: worker for reference, (worker, _) in self.busy.items() if not worker.present}
        for worker in absent.values():
            worker.present = (progress_folder(self.folder) / f"{worker.name}.log").exists()
        absent = {reference: worker for reference, worker in absent.items() if not worker.present}
        patience_s = self.limits.worker_start_s
        if len(absent) < len(self.busy) or any(time.monotonic() - w.requested_s < patience_s for w in absent.values()):
            return
        for reference, worker in absent.items():
            _, shard = self.busy.pop(reference)
            self._handle_death(worker, shard, TimeoutError(f"Ray gave no process within {patience_s:.0f} s"))

    def _handle_death(self, worker: _WorkerHandle, shard: ShardPlan, error: Exception) -> None:
        """Count the death against what the worker was at, quarantine that after too many, and plan the shard again."""
        ray.kill(worker.actor)
        log = tail(progress_folder(self.folder) / f"{worker.name}.log")
        failure, detail = self._explain_death(error, log)
        worker_notes = WorkerNotes(self.folder, worker.name)
        key = worker_notes.unfinished_sample()
        sample = next((s for s in shard.samples if s.key == key), None)
        thirds = 1 if failure == "crash" and _machine_may_be_lost(error) else LOST_MACHINES_PER_DEATH
        if sample is None or sample.key in self.holes:
            # Nothing is made of a hole: what dies there dies of something else, and would for ever.
            self._failed_starts += thirds
            if self._failed_starts >= LOST_MACHINES_PER_DEATH * self.limits.max_deaths:
                last = log.strip().splitlines()[-1:] or [str(error).splitlines()[0]]
                raise EnvironmentProblem(
                    f"workers die before their first sample or between two, the last with {failure}: "
                    f"{detail or last[0]}; run `simgen doctor` to see what is wrong with this machine"
                )
        else:
            self._deaths[sample.key] += thirds
            most = self.limits.max_timeouts if failure == "timeout" else self.limits.max_deaths
            if self._deaths[sample.key] >= LOST_MACHINES_PER_DEATH * most:
                reason = f"{_REASONS[failure]}, the last of {most} times"
                # A family is made at once: whoever asks for another member dies of the same.
                for member in (s for s in shard.samples if s.family == sample.family):
                    mark = make_mark(self.folder, member, failure, reason, detail, worker_notes.latest_assets())
                    set_aside(self.folder, mark, log or detail or str(error))
                    self.holes[member.key] = mark
        self.waiting.appendleft((shard.split, shard.number))

    def _explain_death(self, error: Exception, log: str) -> tuple[Failure, str]:
        """Why a worker died, from what it left behind, and where that is not in its log what to do about it."""
        if "Timeout (" in log:
            return "timeout", ""
        each = worker_bytes(self.plan.recipe.render.width, self.plan.recipe.render.height)
        advice = memory_advice(self.session.num_workers, each)
        if self.session.oom_kills is None:
            # Nothing is known here of the machine that it was on.
            advice = "give that machine more memory, or fewer --workers"
        if isinstance(error, OutOfMemoryError) or "NODE_OUT_OF_MEMORY" in str(error):
            return "oom", f"Ray killed its worker because memory ran out: {advice}"
        if "MemoryError" in log or "bad_alloc" in log:
            return "oom", f"its worker got no more memory: {advice}"
        # What crashes by itself says so in its log, and what its own code raises in the error.
        if "unexpectedly exits" not in str(error) or "Fatal Python error" in log or _machine_may_be_lost(error):
            return "crash", ""
        if self.session.oom_kills is not None and self.session.oom_kills() > self._oom_kills:
            self._oom_kills += 1
            return "oom", f"the system killed its worker because memory ran out: {advice}"
        return "crash", f"its worker was killed by something else, as the system does where memory runs out: {advice}"


_REASONS: dict[Failure, str] = {
    "crash": "its process died over it",
    "timeout": "it took too long",
    "oom": "it took too much memory",
}


def _machine_may_be_lost(error: Exception) -> bool:
    """Whether it may be the worker's machine that is gone, and not the worker alone."""
    return isinstance(error, ActorUnavailableError) or "node has died" in str(error)


def _last_line(error: Exception) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[-1]
