"""A plan -> committed shards, by as many processes as there are cores: the only file that knows Ray.

A worker is an actor, one process, that makes whole shards and writes them itself; only plain words travel back. It
can die at any moment, of its own or because it hangs. What it was at stands in its notes: the shard is made again by
a fresh worker, and a sample that keeps killing workers is set aside with its log, as a hole in its shard.
"""

import contextlib
import faulthandler
import json
import logging
import os
import resource
import shutil
import signal
import socket
import sys
import tempfile
import time
import traceback
from collections import Counter, deque
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import IO, Any, Protocol

# Ray reads these while it is imported. Under `uv run` it would start every worker through uv again.
os.environ["RAY_ENABLE_UV_RUN_RUNTIME_ENV"] = "0"
os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
os.environ["RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO"] = "0"
# Every word that Ray would print about a dead worker; what happened to it is told here.
os.environ["RAY_DEDUP_LOGS_SKIP_REGEX"] = "."

import ray
from ray.exceptions import OutOfMemoryError, RayActorError

from simgen.errors import EnvironmentProblem, OutputError, SimgenError
from simgen.make import Maker, Outcome
from simgen.places import Place, each
from simgen.plan import RESOLVED, Plan, SampleId, ShardPlan, check_same
from simgen.progress import Notebook
from simgen.recipe import Recipe
from simgen.shards import Entry, Failure, write_shard
from simgen.status import Status, read_stats, read_status
from simgen.store import NOTES as NOTES
from simgen.store import SPLITS, committed, names, notes, own, part_path, put, read_json, remove, seal, sweep

QUARANTINE = "quarantine"
RUN = "run"
"""The note with the word by which a store knows this run."""
ONE_THREAD = {
    **dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "OPENCV_FOR_THREADS_NUM"), "1"),
    # Ray's two dozen threads would each keep freed memory to themselves.
    "MALLOC_ARENA_MAX": "1",
}


class MakesSamples(Protocol):
    """What a worker keeps: `make.Maker`, or what a test puts in its place."""

    def make(self, sample_id: SampleId) -> Outcome: ...


MakerFactory = Callable[[Recipe, int], MakesSamples]


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """When a worker has had enough."""

    hire_s: float = 180.0
    """For a process to appear once Ray has been asked for it and nobody else is at work."""
    start_s: float = 900.0
    """For its first start, which may have to fetch or build assets."""
    sample_s: float = 600.0
    strikes: int = 3
    """A sample that has taken so many workers with it is set aside."""
    timeouts: int = 2
    """Likewise, when it was always the clock that ended them: what hangs once hangs again, and costs the most."""
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
    folder: Place,
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
    waiting = deque(unmade(plan, folder))
    before = read_status(folder).samples
    if waiting:
        with _ray(address, workers) as hands:
            _Driver(plan, folder, maker, limits, waiting).run(hands, watch)
    status, quarantined = read_status(folder), tuple(read_quarantine(folder))
    if not status.samples:
        first = quarantined[0]
        raise SimgenError(
            f"{folder}: none of the {plan.n} samples could be made; the first one, {first.key}: "
            f"{first.detail or first.reason}; its log is {folder / first.log}"
        )
    seconds = time.monotonic() - began
    return Summary(status=status, quarantined=quarantined, made=status.samples - before, seconds=seconds)


def unmade(plan: Plan, folder: Place) -> list[ShardPlan]:
    """The shards that are not committed yet, in the plan's order."""
    there = {split: set(committed(folder / split)) for split in SPLITS}
    return [shard for shard in plan.shards if shard.number not in there[shard.split]]


@contextlib.contextmanager
def open_folder(folder: Place, plan: Plan, *, sample_bytes: int) -> Iterator[None]:
    """Own a data set's folder for one run: writable, ours or empty, room on the disk, nobody else at it."""
    if isinstance(folder, Path):
        _check_disk(folder, sample_bytes * sum(len(shard.samples) for shard in unmade(plan, folder)))
    if (folder / RESOLVED).is_file():
        check_same(folder, plan)
    elif found := [name for name in names(folder) if name not in (NOTES, QUARANTINE)]:
        raise OutputError(
            f"{folder}: is not empty and holds no simgen data set (found {found[0]!r}); choose another --out"
        )
    with own(folder) as run:
        sweep(folder)
        (notes(folder) / RUN).write_text(run)
        put(folder / RESOLVED, plan.to_yaml().encode())
        seal(folder, RESOLVED)
        try:
            yield
        except BaseException:
            # What workers left that were killed over a shard; why the run ended is what counts.
            with contextlib.suppress(SimgenError):
                sweep(folder)
            raise
        sweep(folder)


def _check_disk(folder: Path, needed: int) -> None:
    """Find out at once what would end the run later."""
    try:
        there = next(place for place in (folder, *folder.absolute().parents) if place.exists())
        if not there.is_dir():
            raise OutputError(f"{there}: is a file; --out must name a folder")
        if not os.access(there, os.W_OK):
            raise OutputError(f"{folder}: cannot be written (no permission on {there}); choose another --out")
        free = shutil.disk_usage(there).free
        if free < needed:
            raise OutputError(
                f"{folder}: needs about {needed / 1e9:.1f} GB and the disk has {free / 1e9:.1f} GB free; "
                f"make room or choose another --out"
            )
    except OSError as error:
        raise OutputError(f"{folder}: cannot be written ({error.strerror}); choose another --out") from error


def finished(folder: Place) -> set[str]:
    """Keys of the planned samples whose shards are committed, holes included."""
    keys: set[str] = set()
    for split in SPLITS:
        for number in committed(folder / split):
            stats = read_stats(folder / split, number)
            keys |= {*stats["keys"], *(hole["key"] for hole in stats["holes"])}
    return keys


def read_quarantine(folder: Place) -> list[Quarantined]:
    """Every sample that was set aside, by key."""
    paths = [folder / QUARANTINE / name for name in names(folder / QUARANTINE) if name.endswith(".json")]
    return list(each(folder, _read_mark, paths))


def _read_mark(path: Place) -> Quarantined:
    try:
        return Quarantined(**read_json(path))
    except TypeError as error:
        raise OutputError(f"{path}: is no mark of a sample that was set aside; remove it") from error


def retry(folder: Place, failures: tuple[Failure, ...] = ("crash", "timeout", "oom", "error")) -> list[str]:
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


def set_aside(folder: Place, quarantined: Quarantined, log: str) -> None:
    """Keep the log and the mark of a sample that could not be made."""
    put(folder / quarantined.log, log.encode())
    mark = json.dumps(asdict(quarantined), indent=1) + "\n"
    put(folder / QUARANTINE / f"{quarantined.key}.json", mark.encode())


def _quarantined(folder: Place, sample: SampleId, failure: Failure, reason: str, detail: str = "") -> Quarantined:
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
    )


# The worker: one process, one maker.


class Worker:
    """An actor that makes shards, one after the other, and dies rather than hang."""

    def __init__(
        self, name: str, folder: Place, plan: Plan, maker: MakerFactory, limits: Limits, token: str, run: str
    ) -> None:
        self._folder, self._plan, self._factory, self._limits = folder, plan, maker, limits
        self._notebook = Notebook(folder, name)
        self._maker: MakesSamples | None = None
        self._token, self._run = token, run
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
            self._set_aside = set(names(self._folder / QUARANTINE))
            write_shard(
                self._folder,
                shard,
                self._entries(shard, holes),
                fingerprint=self._plan.fingerprint,
                machine={"host": socket.gethostname(), "worker": self._name},
                run=self._run,
            )
        except SimgenError as error:
            return Refused(kind=type(error).__name__, message=str(error))
        return Done(resident_bytes=resident_bytes())

    def _open_log(self) -> None:
        """Everything that this process says, from Python or below, goes into its log."""
        if self._log is not None:
            return
        if not (notes(self._folder) / self._token).exists():
            host = socket.gethostname()
            if isinstance(self._folder, Path):
                raise OutputError(
                    f"{self._folder}: is another folder on {host} than on the machine that started the run; --out must "
                    f"be on a disk that all machines share"
                )
            raise OutputError(
                f"{notes(self._folder)}: is not on {host}, and on the machine that started the run holds the notes of "
                f"its workers; set TMPDIR to a disk that all machines share, or use one machine"
            )
        self._log = (notes(self._folder) / f"{self._name}.log").open("ab", buffering=0)
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
        with self._watchdog(self._limits.start_s):
            return self._factory(self._plan.recipe, self._plan.seed)

    def _entry(self, sample: SampleId) -> Entry:
        """The sample, or why it cannot be had; an accident of the process does not return."""
        assert self._log is not None
        self._log.truncate(0)
        if self._maker is None:
            self._maker = self._start()
        try:
            with self._watchdog(self._limits.sample_s):
                outcome = self._maker.make(sample)
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
        if outcome.sample is not None:
            mark = f"{sample.key}.json"
            if mark in self._set_aside:
                remove(self._folder / QUARANTINE / mark)
            return Entry(planned=sample, sample=outcome.sample, rejects=outcome.rejects, cost=outcome.cost)
        reason = f"all {len(outcome.rejects)} attempts were rejected: " + ", ".join(
            f"{gate} {number}" for gate, number in sorted(Counter(r.gate for r in outcome.rejects).items())
        )
        log = "".join(f"attempt {r.attempt}: {r.gate}: {r.reason}\n" for r in outcome.rejects)
        set_aside(self._folder, _quarantined(self._folder, sample, "rejected", reason), log)
        return Entry(planned=sample, failure="rejected", reason=reason, rejects=outcome.rejects, cost=outcome.cost)

    def _broken(self, sample: SampleId, error: Exception) -> Entry:
        # The message may hold paths and addresses of this machine; the place in the code does not.
        frame = traceback.extract_tb(error.__traceback__)[-1]
        reason = f"{type(error).__name__} in {frame.name} of {Path(frame.filename).name}, line {frame.lineno}"
        text = "".join(traceback.format_exception(error))
        detail = f"{type(error).__name__}: {error}" if not isinstance(error, SimgenError) else str(error)
        mark = _quarantined(self._folder, sample, "error", reason, detail)
        set_aside(self._folder, mark, text + self._log_text())
        # What the exception left behind in the maker must not reach the next sample.
        self._maker = None
        return Entry(planned=sample, failure="error", reason=reason)

    def _log_text(self) -> str:
        return _tail(notes(self._folder) / f"{self._name}.log")

    @contextlib.contextmanager
    def _watchdog(self, seconds: float) -> Iterator[None]:
        """End the process, stacks in its log, when the block takes longer; C code that never returns is no excuse."""
        assert self._log is not None
        faulthandler.dump_traceback_later(seconds, exit=True, file=self._log)
        try:
            yield
        finally:
            faulthandler.cancel_dump_traceback_later()


def cores() -> int:
    """Processor cores that this process may use."""
    return len(os.sched_getaffinity(0)) if sys.platform == "linux" else os.cpu_count() or 1


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


@dataclass(slots=True)
class _Driver:
    plan: Plan
    folder: Place
    maker: MakerFactory
    limits: Limits
    waiting: deque[ShardPlan]
    busy: dict[Any, tuple[_Hand, ShardPlan]] = field(default_factory=dict)
    idle: list[_Hand] = field(default_factory=list)
    holes: dict[str, Quarantined] = field(default_factory=dict)
    strikes: Counter[str] = field(default_factory=Counter)
    failed_starts: int = 0
    hired: int = 0
    token: str = field(default_factory=lambda: f"run-{os.getpid()}-{time.time_ns()}")

    def run(self, workers: int, watch: Callable[[], object]) -> None:
        (notes(self.folder) / self.token).touch()
        # Found by an earlier run that was stopped: it has cost enough workers. What is rejected or raises is found
        # again, and with it the figures that belong into the shard.
        accidents = ("crash", "timeout", "oom")
        self.holes = {q.key: q for q in read_quarantine(self.folder) if q.failure in accidents}
        while self.waiting or self.busy:
            while self.waiting and len(self.busy) < workers:
                self._assign(self.waiting.popleft())
            if not self.waiting:
                # Their cores may be wanted: on a machine lost to the cluster there were some more.
                while self.idle:
                    ray.kill(self.idle.pop().actor)
            ready, _ = ray.wait(list(self.busy), num_returns=1, timeout=0.5)
            for reference in ready:
                self._take(reference)
            self._miss()
            watch()

    def _assign(self, shard: ShardPlan) -> None:
        hand = self.idle.pop() if self.idle else self._hire()
        holes = {s.key: self.holes[s.key] for s in shard.samples if s.key in self.holes}
        self.busy[hand.actor.make_shard.remote(shard, holes)] = (hand, shard)

    def _hire(self) -> _Hand:
        name = f"worker-{os.getpid()}-{self.hired}"
        self.hired += 1
        actor = ray.remote(Worker).options(num_cpus=1, max_restarts=0, scheduling_strategy="SPREAD")
        run = (notes(self.folder) / RUN).read_text()
        return _Hand(name, actor.remote(name, self.folder, self.plan, self.maker, self.limits, self.token, run))

    def _take(self, reference: Any) -> None:
        hand, shard = self.busy.pop(reference)
        try:
            result = ray.get(reference)
        except (RayActorError, OutOfMemoryError) as error:
            self._lost(hand, shard, error)
            return
        if isinstance(result, Refused):
            raise _as_error(result)
        hand.shards += 1
        if hand.shards >= self.limits.shards_per_worker or result.resident_bytes > self.limits.resident_bytes:
            ray.kill(hand.actor)
        else:
            self.idle.append(hand)

    def _miss(self) -> None:
        """Give up on workers that never came, unless others have the cores that they wait for."""
        hands = {reference: hand for reference, (hand, _) in self.busy.items()}
        absent = {r: h for r, h in hands.items() if not (notes(self.folder) / f"{h.name}.log").exists()}
        if len(absent) < len(hands) or any(time.monotonic() - h.hired_s < self.limits.hire_s for h in absent.values()):
            return
        for reference, hand in absent.items():
            _, shard = self.busy.pop(reference)
            self._lost(hand, shard, TimeoutError(f"Ray gave no process within {self.limits.hire_s:.0f} s"))

    def _lost(self, hand: _Hand, shard: ShardPlan, error: Exception) -> None:
        """A worker has died over a shard: who is to blame, and is it the last time?"""
        ray.kill(hand.actor)
        log = _tail(notes(self.folder) / f"{hand.name}.log")
        failure = _classify(error, log)
        key = Notebook(self.folder, hand.name).last()
        sample = next((s for s in shard.samples if s.key == key), None)
        if sample is None:
            self.failed_starts += 1
            if self.failed_starts >= self.limits.strikes:
                last = log.strip().splitlines()[-1:] or [str(error).splitlines()[0]]
                raise EnvironmentProblem(
                    f"{self.failed_starts} workers died before their first sample ({failure}: {last[0]}); "
                    f"run `simgen doctor` to see what is wrong with this machine"
                )
        else:
            self.strikes[sample.key] += 1
            enough = self.limits.timeouts if failure == "timeout" else self.limits.strikes
            if self.strikes[sample.key] >= enough:
                reason = f"{_REASONS[failure]}, the last of {enough} times"
                # A family is made at once: whoever asks for another member dies of the same.
                for one in (s for s in shard.samples if s.family == sample.family):
                    mark = _quarantined(self.folder, one, failure, reason)
                    set_aside(self.folder, mark, log or str(error))
                    self.holes[one.key] = mark
        self.waiting.appendleft(shard)


_REASONS: dict[Failure, str] = {
    "crash": "its process died over it",
    "timeout": "it took too long",
    "oom": "it took too much memory",
}


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


def _tail(path: Path, size: int = 64_000) -> str:
    """The end of a log."""
    try:
        return path.read_bytes()[-size:].decode(errors="replace")
    except FileNotFoundError:
        return ""


# Ray itself.


@contextlib.contextmanager
def local_ray(num_cpus: int) -> Iterator[None]:
    """Ray on this machine alone: small, quiet, and gone afterwards."""
    place = _temporary_folder()
    try:
        with _joined(
            address="local",
            num_cpus=num_cpus,
            num_gpus=0,
            include_dashboard=False,
            # Nothing of size travels through it.
            object_store_memory=100 << 20,
            _temp_dir=str(place),
        ):
            yield
    finally:
        shutil.rmtree(place, ignore_errors=True)


@contextlib.contextmanager
def _ray(address: str | None, workers: int | None) -> Iterator[int]:
    """Ray, started here or joined; yields how many workers it can take."""
    if address is None:
        workers = workers or cores()
        with local_ray(workers):
            yield workers
        return
    _check_address(address)
    with _joined(address=address):
        yield workers or max(int(ray.cluster_resources().get("CPU", 1)), 1)


@contextlib.contextmanager
def _joined(address: str, **options: Any) -> Iterator[None]:
    # Ray puts handlers of its own in their place.
    handlers = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        ray.init(
            address=address,
            log_to_driver=False,
            logging_level=logging.CRITICAL,
            runtime_env={"env_vars": ONE_THREAD},
            **options,
        )
    except (ConnectionError, RuntimeError, TimeoutError, OSError, ValueError) as error:
        where = "on this machine" if address == "local" else f"at {address}"
        first = (str(error).strip().splitlines() or [type(error).__name__])[0]
        raise EnvironmentProblem(f"Ray did not start {where}: {first}; run `simgen doctor`") from error
    try:
        for number, handler in handlers.items():
            signal.signal(number, handler)
        yield
    finally:
        ray.shutdown()


def _check_address(address: str) -> None:
    """Say at once that nobody answers, where Ray would try for long."""
    if address == "auto":
        return
    host, _, port = address.removeprefix("ray://").rpartition(":")
    if not host or not port.isdigit():
        raise EnvironmentProblem(f"--address must be HOST:PORT of a Ray head, or auto; got {address!r}")
    try:
        socket.create_connection((host, int(port)), timeout=5).close()
    except OSError as error:
        raise EnvironmentProblem(
            f"no Ray answers at {address} ({error}); start one with `ray start --head`, or leave --address away"
        ) from error


def _temporary_folder() -> Path:
    """A folder for Ray's sockets, whose paths may not be longer than about 100 characters."""
    parent = Path("/tmp") if os.access("/tmp", os.W_OK) else Path(tempfile.gettempdir())
    for left in parent.glob("simgen-ray-*-*"):
        # Left by runs that were killed.
        try:
            os.kill(int(left.name.split("-")[2]), 0)
        except ProcessLookupError:
            shutil.rmtree(left, ignore_errors=True)
        except (PermissionError, ValueError):
            continue
    return Path(tempfile.mkdtemp(prefix=f"simgen-ray-{os.getpid()}-", dir=parent))
