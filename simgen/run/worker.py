"""One process with one maker: makes whole shards and writes them itself; only plain words travel back.

A worker may die at any moment, of its own or because it hangs. Its notes say what it was at.
"""

import contextlib
import faulthandler
import os
import resource
import socket
import sys
import traceback
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import IO, Protocol

from simgen.core.errors import EnvironmentProblem, OutputError, SimgenError, disk_trouble
from simgen.dataset.entry import Entry, sample_entry
from simgen.dataset.lock import progress_folder
from simgen.dataset.shards import Clocks, write_shard
from simgen.make.maker import Maker, Outcome
from simgen.plan.plan import Plan, SampleId, ShardPlan
from simgen.plan.recipe import Recipe
from simgen.run import shipping
from simgen.run.limits import Limits
from simgen.run.machine import lower_limit
from simgen.run.notes import WorkerNotes, tail
from simgen.run.quarantine import QUARANTINE, Quarantined, make_mark, set_aside
from simgen.run.spool import Spool
from simgen.storage import urls
from simgen.storage.files import list_names, remove
from simgen.storage.paths import AnyPath


class MakesSamples(Protocol):
    """What a worker keeps: `make.Maker`, or what a test puts in its place."""

    def make(self, sample_id: SampleId, *, notice: Callable[[Sequence[str]], None]) -> Outcome:
        """`notice` is called with the assets of what is to be simulated next."""


MakerFactory = Callable[[Recipe, int], MakesSamples]


@dataclass(frozen=True, slots=True, kw_only=True)
class Done:
    """A shard has been committed."""

    resident_bytes: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Refused:
    """The run cannot go on, in words for the user: exceptions of ours do not survive the way through Ray."""

    kind: str
    message: str

    def as_error(self) -> SimgenError:
        kinds = {cls.__name__: cls for cls in (EnvironmentProblem, OutputError)}
        return kinds.get(self.kind, SimgenError)(self.message)


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """What every worker of a run is told."""

    folder: AnyPath
    plan: Plan
    maker: MakerFactory
    limits: Limits
    run_id: str
    """The token by which a store knows the run, see `dataset.lock.lock_dataset`."""
    marker: str
    """Name of a file among the driver's notes, by which a worker sees that it shares them."""
    shipped_paths: Mapping[str, str]
    """See `shipping.ShippedPackage`."""
    addresses: Mapping[str, str] = field(default_factory=dict, repr=False)
    """The secrets of addresses, see `storage.urls.admitted`. They reach workers in this way alone."""


class Worker:
    """An actor that makes shards, one after the other, and dies rather than hang."""

    def __init__(self, name: str, job: Job) -> None:
        self._name, self._folder, self._limits, self._job = name, job.folder, job.limits, job
        urls.remember(job.addresses)
        self._plan = replace(job.plan, recipe=shipping.localize_recipe(job.plan.recipe, job.shipped_paths))
        self._notes = WorkerNotes(job.folder, name)
        self._maker: MakesSamples | None = None
        self._assets: Sequence[str] = ()
        """Those of the attempt that is being made."""
        self._watched_s: float | None = None
        self._known_marks: set[str] = set()
        if sys.platform == "linux":
            lower_limit(resource.RLIMIT_DATA, job.limits.memory_bytes)
        self._log: IO[bytes] | None = None

    def make_shard(self, shard: ShardPlan, holes: Mapping[str, Quarantined]) -> Done | Refused:
        """Make all samples of a shard, then write it whole. `holes` are samples known to kill, which are left out."""
        try:
            self._open_log()
            # One look for all samples of the shard: on a store each would be a request.
            self._known_marks = set(list_names(self._folder / QUARANTINE))
            began = Clocks()
            with self._watchdog(self._limits.write_s), Spool() as finished:
                if self._maker is None:
                    # Before the first note: no sample is to blame for a start that fails.
                    self._maker = self._start_maker()
                for sample in shard.samples:
                    finished.add(self._finish(sample, holes.get(sample.key)))
                write_shard(
                    self._folder,
                    shard,
                    finished,
                    fingerprint=self._plan.fingerprint,
                    machine={"host": socket.gethostname(), "worker": self._name},
                    run=self._job.run_id,
                    began=began,
                )
        except SimgenError as error:
            return Refused(kind=type(error).__name__, message=urls.scrub(str(error)))
        except OSError as error:
            # Of notes, logs and marks; whatever a sample does to a disk has become its own failure.
            return Refused(kind="OutputError", message=disk_trouble(error, self._folder))
        return Done(resident_bytes=resident_bytes())

    def _open_log(self) -> None:
        """Everything that this process says, from Python or below, goes into its log."""
        if self._log is not None:
            return
        if not (progress_folder(self._folder) / self._job.marker).exists():
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

    def _start_maker(self) -> MakesSamples:
        recipe, pinned, host = self._plan.recipe, self._plan.pins, socket.gethostname()
        with self._watchdog(self._limits.maker_start_s):
            shipping.check_node(recipe, pinned, host=host)
            maker = self._job.maker(recipe, self._plan.seed)
            if isinstance(maker, Maker) and pinned:
                shipping.check_pins(maker.pins(), pinned, host=host, complete=False)
        return maker

    def _finish(self, sample: SampleId, hole: Quarantined | None) -> Entry:
        """The entry of a sample, with notes of its beginning and its end."""
        self._notes.write({"at": sample.key})
        if hole is None:
            entry = self._attempt(sample)
        else:
            entry = Entry(planned=sample, failure=hole.failure, reason=hole.reason)
        rejects = Counter(reject.gate for reject in entry.rejects)
        self._notes.write({"key": sample.key, "failure": entry.failure, "rejects": rejects})
        return entry

    def _attempt(self, sample: SampleId) -> Entry:
        """The encoded sample, or why it cannot be had; an accident of the process does not return."""
        assert self._log is not None
        self._log.truncate(0)
        if self._maker is None:
            self._maker = self._start_maker()
        self._assets = ()
        try:
            with self._watchdog(self._limits.sample_s):
                entry = _entry(sample, self._maker.make(sample, notice=self._note_assets))
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
            return self._failed(sample, error)
        if entry.failure is None:
            mark = f"{sample.key}.json"
            # By an earlier run; on a store every look is a request.
            if isinstance(self._folder, Path) or mark in self._known_marks:
                for left in (mark, f"logs/{sample.key}.log"):
                    remove(self._folder / QUARANTINE / left)
            return entry
        log = "".join(f"attempt {r.attempt}: {r.gate}: {r.reason}\n" for r in entry.rejects)
        set_aside(self._folder, make_mark(self._folder, sample, "rejected", entry.reason), log)
        return entry

    def _note_assets(self, assets: Sequence[str]) -> None:
        """Before anything is done with them: what they do to this process is known from the notes alone."""
        self._assets = assets
        self._notes.write({"assets": list(assets)})

    def _failed(self, sample: SampleId, error: Exception) -> Entry:
        # The message may hold paths and addresses of this machine; the place in the code does not.
        frame = traceback.extract_tb(error.__traceback__)[-1]
        reason = f"{type(error).__name__} in {frame.name} of {Path(frame.filename).name}, line {frame.lineno}"
        text = "".join(traceback.format_exception(error))
        detail = f"{type(error).__name__}: {error}" if not isinstance(error, SimgenError) else str(error)
        mark = make_mark(self._folder, sample, "error", reason, detail, self._assets)
        set_aside(self._folder, mark, text + tail(progress_folder(self._folder) / f"{self._name}.log"))
        # What the exception left behind in the maker must not reach the next sample.
        self._maker = None
        return Entry(planned=sample, failure="error", reason=reason)

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
