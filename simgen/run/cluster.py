"""A plan -> committed shards, by as many processes as there are cores.

A worker is an actor, one process, that makes whole shards and writes them itself; only plain words travel back. It
can die at any moment, of its own or because it hangs. What it was at stands in its notes: the shard is made again by
a fresh worker, and a sample that keeps killing workers is set aside with its log, as a hole in its shard.
"""

import contextlib
import faulthandler
import json
import os
import resource
import shutil
import socket
import sys
import time
import traceback
from collections import Counter, deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import IO, Any, Protocol

from simgen.run.ray_session import clear_temporary, session

# isort: split
# After what makes its settings.
import ray
from ray.exceptions import ActorUnavailableError, OutOfMemoryError, RayActorError, RaySystemError, RuntimeEnvSetupError

from simgen.core.assets import Split
from simgen.core.errors import EnvironmentProblem, OutputError, SimgenError, disk_trouble, inline
from simgen.dataset.layout import SPLITS, committed, part_path, update_checksums
from simgen.dataset.lock import PROGRESS_FOLDER, lock_dataset, progress_folder, remove_leftovers
from simgen.dataset.progress import Notebook
from simgen.dataset.shards import Clocks, Entry, Failure, sample_entry, write_shard
from simgen.dataset.status import Status, read_stats, read_status
from simgen.make.maker import Maker, Outcome
from simgen.plan.plan import RESOLVED, Plan, SampleId, ShardPlan, check_same
from simgen.plan.recipe import Recipe
from simgen.run import shipping
from simgen.run.spool import Spool
from simgen.storage.files import TEMPORARY_NAME, list_names, read_json, remove, write_file
from simgen.storage.paths import AnyPath, map_concurrently

QUARANTINE = "quarantine"
PARTS = 3
"""A worker that dies counts whole against what it was at; one that is gone with its machine, for one of so many."""
RUN = "run"
"""The note with the word by which a store knows this run."""


class MakesSamples(Protocol):
    """What a worker keeps: `make.Maker`, or what a test puts in its place."""

    def make(self, sample_id: SampleId, *, notice: Callable[[Sequence[str]], None]) -> Outcome:
        """`notice` is called with the assets of what is to be simulated next."""


MakerFactory = Callable[[Recipe, int], MakesSamples]


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """When a worker has had enough."""

    hire_s: float = 180.0
    """For a process to appear once Ray has been asked for it and nobody else is at work."""
    start_s: float = 900.0
    """For its first start, which may have to fetch or build assets."""
    sample_s: float = 600.0
    write_s: float = 1800.0
    """To put a sample into its shard, and a shard into the data set."""
    strikes: int = 3
    """A sample that has taken so many workers with it is set aside."""
    timeouts: int = 2
    """Likewise, when it was always the clock that ended them: what hangs once hangs again, and costs the most."""
    farewell_s: float = 4.0
    """For workers that are killed to be gone, when the run ends early."""
    shards_per_worker: int = 64
    resident_bytes: int = 1536 << 20
    """A worker above this is replaced once its shard is done."""
    memory_bytes: int = 6 << 30
    """An allocation beyond this fails: one sick sample must not bring the machine down."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Quarantined:
    """A planned sample that could not be made, and how to see why."""

    key: str
    index: int
    scene: str
    split: str
    failure: Failure
    reason: str
    """One sentence that is the same on every machine."""
    detail: str = ""
    """What was said here and now."""
    log: str
    reproduce: str
    assets: tuple[str, ...] = ()
    """What the attempt was made of that failed; empty where every attempt was rejected."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Summary:
    """What stands in a data set's folder once a run has ended."""

    status: Status
    quarantined: tuple[Quarantined, ...]
    made: int
    """Samples that this run added, in `seconds`."""
    seconds: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Done:
    """A shard has been committed."""

    resident_bytes: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Refused:
    """The run cannot go on, in words for the user: exceptions of ours do not survive the way through Ray."""

    kind: str
    message: str


def run(
    plan: Plan,
    folder: AnyPath,
    *,
    maker: MakerFactory = Maker,
    workers: int | None = None,
    address: str | None = None,
    limits: Limits = Limits(),
    watch: Callable[[], object] = lambda: None,
) -> Summary:
    """Make every shard of the plan that is not there yet; `watch` is called about twice a second.

    The folder must have been opened with `open_folder`. Ends when everything is made or set aside; a SimgenError when
    the run could not go on; whatever has been committed stays, and the same call goes on from there.
    """
    began = time.monotonic()
    if address is not None:
        # The workers of a Ray that was there before do not stand where this process does.
        folder = folder.absolute()
    waiting = deque(unmade(plan, folder))
    before = read_status(folder).samples
    if waiting:
        with session(address, workers, plan.recipe) as (hands, moved, alive):
            _Driver(plan, folder, maker, limits, waiting, alive, moved).run(hands, watch)
    else:
        clear_temporary()
    status, quarantined = read_status(folder), tuple(read_quarantine(folder))
    if not status.samples:
        first = quarantined[0]
        raise SimgenError(
            f"{folder}: none of the {plan.n} samples could be made; the first one, {first.key}: "
            f"{first.detail or first.reason}; its log is {folder / first.log}"
        )
    seconds = time.monotonic() - began
    return Summary(status=status, quarantined=quarantined, made=status.samples - before, seconds=seconds)


def unmade(plan: Plan, folder: AnyPath) -> list[tuple[Split, int]]:
    """Split and number of the shards that are not committed yet, in the plan's order."""
    there = {split: set(committed(folder / split)) for split in SPLITS}
    return [(split, number) for split, number in plan.shards.names() if number not in there[split]]


@contextlib.contextmanager
def open_folder(folder: AnyPath, plan: Plan, *, sample_bytes: int) -> Iterator[None]:
    """Own a data set's folder for one run: writable, ours or empty, room on the disk, nobody else at it."""
    if isinstance(folder, Path):
        _check_disk(folder, lambda: sample_bytes * sum(plan.shard_samples(*name) for name in unmade(plan, folder)))
    if (folder / RESOLVED).is_file():
        check_same(folder, plan)
    elif found := [
        n for n in list_names(folder) if n not in (PROGRESS_FOLDER, QUARANTINE) and not TEMPORARY_NAME.fullmatch(n)
    ]:
        raise OutputError(
            f"{folder}: is not empty and holds no simgen data set (found {found[0]!r}); choose another --out"
        )
    with lock_dataset(folder) as run:
        remove_leftovers(folder)
        (progress_folder(folder) / RUN).write_text(run)
        write_file(folder / RESOLVED, plan.to_yaml().encode())
        update_checksums(folder, RESOLVED)
        try:
            yield
        except BaseException:
            # What workers left that were killed over a shard; why the run ended is what counts.
            with contextlib.suppress(SimgenError):
                remove_leftovers(folder)
            raise
        remove_leftovers(folder)


def _check_disk(folder: Path, needed_bytes: Callable[[], int]) -> None:
    """Find out at once what would end the run later."""
    try:
        there = next(place for place in (folder, *folder.absolute().parents) if place.exists())
        if not there.is_dir():
            raise OutputError(f"{there}: is a file; --out must name a folder")
        if not os.access(there, os.W_OK):
            raise OutputError(f"{folder}: cannot be written (no permission on {there}); choose another --out")
        free, needed = shutil.disk_usage(there).free, needed_bytes()
        if free < needed:
            raise OutputError(
                f"{folder}: needs about {needed / 1e9:.1f} GB and the disk has {free / 1e9:.1f} GB free; "
                f"make room or choose another --out"
            )
    except OSError as error:
        raise OutputError(f"{folder}: cannot be written ({error.strerror}); choose another --out") from error


def finished(plan: Plan, folder: AnyPath) -> int:
    """How many of the planned samples are in committed shards, holes included."""
    return sum(plan.shard_samples(split, number) for split in SPLITS for number in committed(folder / split))


def read_quarantine(folder: AnyPath) -> list[Quarantined]:
    """Every sample that was set aside, by key."""
    paths = [folder / QUARANTINE / name for name in list_names(folder / QUARANTINE) if name.endswith(".json")]
    return list(map_concurrently(folder, _read_mark, paths))


def _read_mark(path: AnyPath) -> Quarantined:
    try:
        return Quarantined(**read_json(path))
    except TypeError as error:
        raise OutputError(f"{path}: is no mark of a sample that was set aside; remove it") from error


def retry(folder: AnyPath, failures: tuple[Failure, ...] = ("crash", "timeout", "oom", "error")) -> list[str]:
    """Open the shards again that have holes of these classes, so that the next run makes them; the keys."""
    opened = []
    for split in SPLITS:
        for number in committed(folder / split):
            holes = read_stats(folder / split, number)["holes"]
            keys = [hole["key"] for hole in holes if hole["class"] in failures]
            if not keys:
                continue
            # The marks first: killed in between, the shard still counts, holes and all, and can be retried again.
            for key in keys:
                remove(folder / QUARANTINE / f"{key}.json")
            remove(part_path(folder / split, number, "_stats.json"))
            opened += keys
    return opened


def set_aside(folder: AnyPath, quarantined: Quarantined, log: str) -> None:
    """Keep the log and the mark of a sample that could not be made."""
    write_file(folder / quarantined.log, log.encode())
    mark = json.dumps(asdict(quarantined), indent=1) + "\n"
    write_file(folder / QUARANTINE / f"{quarantined.key}.json", mark.encode())


def _quarantined(
    folder: AnyPath, sample: SampleId, failure: Failure, reason: str, detail: str = "", assets: Sequence[str] = ()
) -> Quarantined:
    return Quarantined(
        key=sample.key,
        index=sample.index,
        scene=sample.scene,
        split=sample.split,
        failure=failure,
        reason=reason,
        detail=detail,
        log=f"{QUARANTINE}/logs/{sample.key}.log",
        reproduce=f"simgen reproduce {folder} {sample.key}",
        assets=tuple(assets),
    )


# The worker: one process, one maker.


class Worker:
    """An actor that makes shards, one after the other, and dies rather than hang."""

    def __init__(
        self,
        name: str,
        folder: AnyPath,
        plan: Plan,
        maker: MakerFactory,
        limits: Limits,
        token: str,
        run: str,
        moved: Mapping[str, str],
    ) -> None:
        self._folder, self._factory, self._limits = folder, maker, limits
        self._plan = replace(plan, recipe=shipping.arrived(plan.recipe, moved))
        self._notebook = Notebook(folder, name)
        self._maker: MakesSamples | None = None
        self._drawn: Sequence[str] = ()
        self._token, self._run = token, run
        self._watched_s: float | None = None
        self._set_aside: set[str] = set()
        if sys.platform == "linux":
            resource.setrlimit(resource.RLIMIT_DATA, (limits.memory_bytes, resource.RLIM_INFINITY))
        self._log: IO[bytes] | None = None
        self._name = name

    def make_shard(self, shard: ShardPlan, holes: Mapping[str, Quarantined]) -> Done | Refused:
        """Write one shard whole. `holes` are the samples known to kill: they are left out."""
        try:
            self._open_log()
            # One look for all samples of the shard: on a store each would be a request.
            self._set_aside = set(list_names(self._folder / QUARANTINE))
            began = Clocks()
            with self._watchdog(self._limits.write_s), Spool() as finished:
                for entry in self._entries(shard, holes):
                    finished.add(entry)
                write_shard(
                    self._folder,
                    shard,
                    finished,
                    fingerprint=self._plan.fingerprint,
                    machine={"host": socket.gethostname(), "worker": self._name},
                    run=self._run,
                    began=began,
                )
        except SimgenError as error:
            return Refused(kind=type(error).__name__, message=str(error))
        except OSError as error:
            # Of notes, logs and marks; whatever a sample does to a disk has been told as its own failure.
            return Refused(kind="OutputError", message=disk_trouble(error, self._folder))
        return Done(resident_bytes=resident_bytes())

    def _open_log(self) -> None:
        """Everything that this process says, from Python or below, goes into its log."""
        if self._log is not None:
            return
        if not (progress_folder(self._folder) / self._token).exists():
            host = socket.gethostname()
            if isinstance(self._folder, Path):
                raise OutputError(
                    f"{self._folder}: is another folder on {host} than on the machine that started the run; --out must "
                    f"be on a disk that all machines share"
                )
            raise OutputError(
                f"{progress_folder(self._folder)}: is not on {host}, and on the machine that started the run holds the "
                f"notes of its workers; set TMPDIR to a disk that all machines share, or use one machine"
            )
        self._log = (progress_folder(self._folder) / f"{self._name}.log").open("ab", buffering=0)
        os.dup2(self._log.fileno(), 1)
        os.dup2(self._log.fileno(), 2)
        faulthandler.enable(self._log)

    def _entries(self, shard: ShardPlan, holes: Mapping[str, Quarantined]) -> Iterator[Entry]:
        if self._maker is None:
            # Before the first note: no sample is to blame for a start that fails.
            self._maker = self._start()
        for sample in shard.samples:
            self._notebook.write({"at": sample.key})
            hole = holes.get(sample.key)
            if hole is None:
                entry = self._entry(sample)
            else:
                entry = Entry(planned=sample, failure=hole.failure, reason=hole.reason)
            rejects = Counter(reject.gate for reject in entry.rejects)
            self._notebook.write({"key": sample.key, "failure": entry.failure, "rejects": rejects})
            yield entry

    def _start(self) -> MakesSamples:
        recipe, pinned, host = self._plan.recipe, self._plan.pins, socket.gethostname()
        with self._watchdog(self._limits.start_s):
            shipping.check_node(recipe, pinned, host=host)
            maker = self._factory(recipe, self._plan.seed)
            if isinstance(maker, Maker) and pinned:
                shipping.check_pins(maker.pins(), pinned, host=host, all_of_them=False)
        return maker

    def _note_drawn(self, assets: Sequence[str]) -> None:
        """Before anything is done with them: what they do to this process is known from the notes alone."""
        self._drawn = assets
        self._notebook.write({"assets": list(assets)})

    def _entry(self, sample: SampleId) -> Entry:
        """The sample, or why it cannot be had; an accident of the process does not return."""
        assert self._log is not None
        self._log.truncate(0)
        if self._maker is None:
            self._maker = self._start()
        self._drawn = ()
        try:
            with self._watchdog(self._limits.sample_s):
                outcome = self._maker.make(sample, notice=self._note_drawn)
                entry = _entry(sample, outcome)
        except (EnvironmentProblem, OutputError):
            raise
        except ImportError as error:
            raise EnvironmentProblem(f"a worker cannot load what it needs: {error}; run `simgen doctor`") from error
        except MemoryError as error:
            # Nothing that this process holds can be trusted any more; the driver reads the reason in the log. What
            # filled the memory goes first, or there is none to write with.
            traceback.clear_frames(error.__traceback__)
            self._log.write("".join(traceback.format_exception(error)).encode())
            os._exit(1)
        except Exception as error:  # whatever a scene or a library raises costs this sample and no other
            return self._broken(sample, error)
        if entry.failure is None:
            mark = f"{sample.key}.json"
            # By an earlier run; on a store every look is a request.
            if isinstance(self._folder, Path) or mark in self._set_aside:
                for left in (mark, f"logs/{sample.key}.log"):
                    remove(self._folder / QUARANTINE / left)
            return entry
        log = "".join(f"attempt {r.attempt}: {r.gate}: {r.reason}\n" for r in entry.rejects)
        set_aside(self._folder, _quarantined(self._folder, sample, "rejected", entry.reason), log)
        return entry

    def _broken(self, sample: SampleId, error: Exception) -> Entry:
        # The message may hold paths and addresses of this machine; the place in the code does not.
        frame = traceback.extract_tb(error.__traceback__)[-1]
        reason = f"{type(error).__name__} in {frame.name} of {Path(frame.filename).name}, line {frame.lineno}"
        text = "".join(traceback.format_exception(error))
        detail = f"{type(error).__name__}: {error}" if not isinstance(error, SimgenError) else str(error)
        mark = _quarantined(self._folder, sample, "error", reason, detail, self._drawn)
        set_aside(self._folder, mark, text + self._log_text())
        # What the exception left behind in the maker must not reach the next sample.
        self._maker = None
        return Entry(planned=sample, failure="error", reason=reason)

    def _log_text(self) -> str:
        return _tail(progress_folder(self._folder) / f"{self._name}.log")

    @contextlib.contextmanager
    def _watchdog(self, seconds: float) -> Iterator[None]:
        """End the process, stacks in its log, when the block takes longer; C code that never returns is no excuse. A
        block in it has a time of its own, and the outer one's starts again after it."""
        outer, self._watched_s = self._watched_s, seconds
        self._watch()
        try:
            yield
        finally:
            self._watched_s = outer
            self._watch()

    def _watch(self) -> None:
        assert self._log is not None
        if self._watched_s is None:
            faulthandler.cancel_dump_traceback_later()
        else:
            faulthandler.dump_traceback_later(self._watched_s, exit=True, file=self._log)


def _entry(sample: SampleId, outcome: Outcome) -> Entry:
    """The encoded sample, or the hole of one whose attempts were all rejected."""
    if outcome.sample is not None:
        return sample_entry(sample, outcome.sample, rejects=outcome.rejects, cost=outcome.cost)
    gates = sorted(Counter(reject.gate for reject in outcome.rejects).items())
    reason = f"all {len(outcome.rejects)} attempts were rejected: " + ", ".join(f"{gate} {n}" for gate, n in gates)
    return Entry(planned=sample, failure="rejected", reason=reason, rejects=outcome.rejects, cost=outcome.cost)


def resident_bytes() -> int:
    """Memory that this process has now."""
    statm = Path("/proc/self/statm")
    if statm.exists():
        return int(statm.read_text().split()[1]) * resource.getpagesize()
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss


# The driver: which worker makes which shard, and what follows when one dies.


@dataclass(slots=True)
class _Hand:
    """A worker as the driver sees it."""

    name: str
    actor: Any
    shards: int = 0
    hired_s: float = field(default_factory=time.monotonic)
    came: bool = False
    """Has been seen at work."""


@dataclass(slots=True)
class _Driver:
    plan: Plan
    folder: AnyPath
    maker: MakerFactory
    limits: Limits
    waiting: deque[tuple[Split, int]]
    alive: Callable[[], bool]
    """Whether Ray is."""
    moved: Mapping[str, str] = field(default_factory=dict)
    """What was shipped to the nodes, and where it lies there."""
    busy: dict[Any, tuple[_Hand, ShardPlan]] = field(default_factory=dict)
    idle: list[_Hand] = field(default_factory=list)
    holes: dict[str, Quarantined] = field(default_factory=dict)
    strikes: Counter[str] = field(default_factory=Counter)
    """Of every sample the workers that died over it, in parts: see `PARTS`."""
    failed_starts: int = 0
    """Likewise since a shard was last made."""
    hired: int = 0
    token: str = field(default_factory=lambda: f"run-{os.getpid()}-{time.time_ns()}")

    def run(self, workers: int, watch: Callable[[], object]) -> None:
        try:
            self._run(workers, watch)
        except RaySystemError as error:
            raise EnvironmentProblem(
                f"Ray has died under the run ({inline(error)}); run the same command again"
            ) from error
        except BaseException:
            self._send_home()
            raise

    def _run(self, workers: int, watch: Callable[[], object]) -> None:
        (progress_folder(self.folder) / self.token).touch()
        # Found by an earlier run that was stopped: it has cost enough workers. What is rejected or raises is found
        # again, and with it the figures that belong into the shard.
        accidents = ("crash", "timeout", "oom")
        self.holes = {q.key: q for q in read_quarantine(self.folder) if q.failure in accidents}
        looked_s = 0.0
        while self.waiting or self.busy:
            while self.waiting and len(self.busy) < workers:
                self._assign(self.plan.shard(*self.waiting.popleft()))
            if not self.waiting:
                # Their cores may be wanted: on a machine lost to the cluster there were some more.
                while self.idle:
                    ray.kill(self.idle.pop().actor)
            ready, _ = ray.wait(list(self.busy), num_returns=1, timeout=0.5)
            if not self.alive():
                raise EnvironmentProblem("Ray has died under the run; run the same command again")
            for reference in ready:
                self._take(reference)
            # With a thousand workers something is ready all the time, and both look at a file for each of them.
            if time.monotonic() - looked_s >= 0.5:
                looked_s = time.monotonic()
                self._miss()
                watch()

    def _send_home(self) -> None:
        """Nobody goes on writing once the run has ended, not even who is in the middle of a picture."""
        # A second Ctrl-C leaves this and no more undone.
        with contextlib.suppress(Exception):
            for hand in [*self.idle, *(hand for hand, _ in self.busy.values())]:
                ray.kill(hand.actor)
            if self.busy and self.alive():
                ray.wait(list(self.busy), num_returns=len(self.busy), timeout=self.limits.farewell_s)

    def _assign(self, shard: ShardPlan) -> None:
        hand = self.idle.pop() if self.idle else self._hire()
        holes = {s.key: self.holes[s.key] for s in shard.samples if s.key in self.holes}
        self.busy[hand.actor.make_shard.remote(shard, holes)] = (hand, shard)

    def _hire(self) -> _Hand:
        name = f"worker-{os.getpid()}-{self.hired}"
        self.hired += 1
        actor = ray.remote(Worker).options(num_cpus=1, max_restarts=0, scheduling_strategy="SPREAD")
        run = (progress_folder(self.folder) / RUN).read_text()
        # A worker's current folder is that of the Ray that started it.
        given = (name, self.folder.absolute(), self.plan, self.maker, self.limits, self.token, run, self.moved)
        return _Hand(name, actor.remote(*given))

    def _take(self, reference: Any) -> None:
        hand, shard = self.busy.pop(reference)
        try:
            result = ray.get(reference)
        except RuntimeEnvSetupError as error:
            raise EnvironmentProblem(f"a node could not take simgen's code along: {_last_line(error)}") from error
        except (RayActorError, OutOfMemoryError) as error:
            self._lost(hand, shard, error)
            return
        if isinstance(result, Refused):
            raise _as_error(result)
        hand.shards += 1
        self.failed_starts = 0
        if hand.shards >= self.limits.shards_per_worker or result.resident_bytes > self.limits.resident_bytes:
            ray.kill(hand.actor)
        else:
            self.idle.append(hand)

    def _miss(self) -> None:
        """Give up on workers that never came, unless others have the cores that they wait for."""
        absent = {reference: hand for reference, (hand, _) in self.busy.items() if not hand.came}
        for hand in absent.values():
            hand.came = (progress_folder(self.folder) / f"{hand.name}.log").exists()
        absent = {reference: hand for reference, hand in absent.items() if not hand.came}
        if len(absent) < len(self.busy) or any(
            time.monotonic() - h.hired_s < self.limits.hire_s for h in absent.values()
        ):
            return
        for reference, hand in absent.items():
            _, shard = self.busy.pop(reference)
            self._lost(hand, shard, TimeoutError(f"Ray gave no process within {self.limits.hire_s:.0f} s"))

    def _lost(self, hand: _Hand, shard: ShardPlan, error: Exception) -> None:
        """A worker has died over a shard: who is to blame, and is it the last time?"""
        ray.kill(hand.actor)
        log = _tail(progress_folder(self.folder) / f"{hand.name}.log")
        failure = _classify(error, log)
        notebook = Notebook(self.folder, hand.name)
        key = notebook.last()
        sample = next((s for s in shard.samples if s.key == key), None)
        parts = 1 if failure == "crash" and _out_of_reach(error) else PARTS
        if sample is None or sample.key in self.holes:
            # Nothing is made of a hole: what dies there dies of something else, and would for ever.
            self.failed_starts += parts
            if self.failed_starts >= PARTS * self.limits.strikes:
                last = log.strip().splitlines()[-1:] or [str(error).splitlines()[0]]
                raise EnvironmentProblem(
                    f"workers die before their first sample or between two, the last with {failure}: {last[0]}; "
                    f"run `simgen doctor` to see what is wrong with this machine"
                )
        else:
            self.strikes[sample.key] += parts
            enough = self.limits.timeouts if failure == "timeout" else self.limits.strikes
            if self.strikes[sample.key] >= PARTS * enough:
                reason = f"{_REASONS[failure]}, the last of {enough} times"
                # A family is made at once: whoever asks for another member dies of the same.
                for one in (s for s in shard.samples if s.family == sample.family):
                    mark = _quarantined(self.folder, one, failure, reason, assets=notebook.drawn())
                    set_aside(self.folder, mark, log or str(error))
                    self.holes[one.key] = mark
        self.waiting.appendleft((shard.split, shard.number))


_REASONS: dict[Failure, str] = {
    "crash": "its process died over it",
    "timeout": "it took too long",
    "oom": "it took too much memory",
}


def _out_of_reach(error: Exception) -> bool:
    """Whether it may be the worker's machine that is gone, and not the worker alone."""
    return isinstance(error, ActorUnavailableError) or "node has died" in str(error)


def _classify(error: Exception, log: str) -> Failure:
    """Why a worker died, from what it left behind."""
    if "Timeout (" in log:
        return "timeout"
    if isinstance(error, OutOfMemoryError) or "MemoryError" in log or "bad_alloc" in log:
        return "oom"
    return "crash"


def _as_error(refused: Refused) -> SimgenError:
    kinds = {cls.__name__: cls for cls in (EnvironmentProblem, OutputError)}
    return kinds.get(refused.kind, SimgenError)(refused.message)


def _last_line(error: Exception) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[-1]


def _tail(path: Path, size: int = 64_000) -> str:
    """The end of a log."""
    try:
        return path.read_bytes()[-size:].decode(errors="replace")
    except FileNotFoundError:
        return ""
