"""Nothing lost, shown: runs that are disturbed at random moments, and what is in their folders afterwards.

    python tests/chaos/chaos.py                      CHAOS_ROUNDS (300) rounds, several at once
    python tests/chaos/chaos.py --seed 1234          the round of that seed once more, all of it told
    python tests/chaos/chaos.py --kind "disk full" --rounds 5        rounds that are disturbed in this way and no other
    python tests/chaos/chaos.py --real --rounds 10   with Bullet and Blender

A round is one data set. One to three runs of `simgen generate`, each a process of its own, are disturbed; then it is
left in peace, `retry` included where samples were set aside, and must hold what an undisturbed run makes, byte for
byte. What a round does follows from its seed; when exactly it does it is up to the machine.

A fault counts once it has struck: each writes a line into a log at that moment, see `faults.py`. What was meant to
strike and came too late, or waited for a write that was never made, is counted apart.
"""

import argparse
import contextlib
import dataclasses
import faulthandler
import json
import multiprocessing
import os
import queue as queues
import random
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psutil

sys.path.insert(0, str(Path(__file__).resolve().parent))
import fake_maker
import faults
import rich.live  # noqa: F401 - as what follows: here once, and not in every run

import simgen.cli
import simgen.dataset.card
import simgen.run.run  # noqa: F401
from simgen.core.errors import SimgenError
from simgen.dataset.layout import CHECKSUMS, parse_name
from simgen.dataset.lock import PROGRESS_FOLDER
from simgen.dataset.shards import dataset_digest
from simgen.dataset.verify import verify
from simgen.storage.files import TEMPORARY_NAME

HERE = Path(__file__).resolve().parent
LONGEST_S = float(os.environ.get("CHAOS_PATIENCE_S", "240"))
"""For a run to end by itself."""
STOP_S = float(os.environ.get("CHAOS_STOP_S", "10"))
"""For a run that was told to end, and for what a killed one leaves to be gone."""
MARK = "SIMGEN_CHAOS_ROUND"

# What befalls a run, and how often. Some of it needs a Ray of its own, whose start takes ten processor seconds.
KINDS = {
    "driver killed": 5,
    "driver killed at the disk": 5,
    "driver killed in a write": 7,
    "worker killed": 5,
    "worker killed at the disk": 5,
    "worker killed in a write": 10,
    "torn writes": 7,
    "disk error in the driver": 4,
    "disk error in a worker": 4,
    "write error in the driver": 8,
    "write error in a worker": 14,
    "disk full": 14,
    "inodes run out": 3,
    "disk too small": 1,
    "read-only folder": 4,
    "SIGTERM": 5,
    "SIGINT": 4,
    "clock jumps": 4,
    "slow render": 1,
    "hanging render": 3,
    "memory runs out": 2,
    "crash in a render": 3,
    "second run at once": 3,
    "raylet killed": 2,
    "head killed": 1,
    "machine lost": 1,
}
# Into which files a fault of a write strikes, and up to which of the writes that a process makes to such files.
WORKER_FILES = {
    (".tar",): 12,
    (".parquet",): 3,
    (".idx.json",): 3,
    ("_stats.json",): 3,
    ("quarantine/",): 2,
    (".progress/",): 20,
    (): 50,
}
DRIVER_FILES = {
    ("config.resolved.yaml",): 1,
    ("SHA256SUMS",): 2,
    ("README.md", "ATTRIBUTION.csv"): 2,
    ("report/",): 2,
    (): 6,
}


@dataclass(slots=True)
class Ray:
    """A head that belongs to the rounds of one slot; started when it is first needed."""

    nodes: int = 1
    process: Any = None
    address: str = ""

    def __call__(self) -> str:
        # On a machine with much else to do, Ray gives its own parts up now and then while they start.
        for _ in range(5):
            if self.process is not None and self.process.poll() is None and self.address:
                return self.address
            self.stop()
            command = [sys.executable, str(HERE / "head.py"), "8", str(self.nodes)]
            quiet = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.DEVNULL}
            self.process = subprocess.Popen(command, text=True, **quiet)
            self.address = self.process.stdout.readline().strip()
        raise RuntimeError("Ray's head did not start five times over")

    def part(self, name: str) -> list[psutil.Process]:
        return [p for p in psutil.Process(self.process.pid).children() if _name(p) == name]

    def lose(self) -> None:
        self.process.stdin.write("lose\n")
        self.process.stdin.flush()
        self.process.stdout.readline()

    def stop(self) -> None:
        if self.process is None:
            return
        below = [self.process, *_below(self.process.pid)]
        self.process.stdin.close()
        with contextlib.suppress(subprocess.TimeoutExpired):
            self.process.wait(20)
        for process in below:
            with contextlib.suppress(psutil.NoSuchProcess):
                process.kill()
        self.process.wait()
        self.process = None


@dataclass(slots=True)
class Told:
    """What became of a round."""

    seed: int
    kinds: list[str] = field(default_factory=list)
    wrong: list[str] = field(default_factory=list)
    """Everything that should not be."""
    struck: list[dict[str, Any]] = field(default_factory=list)
    """The log of the faults; `disturbance` is the place of its kind in `kinds`."""
    story: list[str] = field(default_factory=list)
    seconds: float = 0.0


class Run:
    """One `simgen` that is at work, in a process of its own."""

    def __init__(self, round_: "Round", arguments: Sequence[str], *, driver: Any = None, worker: Any = None) -> None:
        self.round, self.began = round_, time.monotonic()
        self.said = round_.place / f"said-{len(list(round_.place.glob('said-*')))}.txt"
        # A thread of `verify` that Python has joined may be at its last: OpenCV then tidies up after it under a lock,
        # which a fork would copy as held and never free.
        time.sleep(0.1)
        self.pid = os.fork()
        if not self.pid:
            self._be(arguments, driver or {}, worker or {})
        self._status: int | None = None

    def _be(self, arguments: Sequence[str], driver: Any, worker: Any) -> None:
        try:
            os.setpgid(0, 0)
            # Until simgen itself is begun a signal ends this process as it would any program.
            signal.signal(signal.SIGINT, signal.SIG_DFL)
            out = os.open(self.said, os.O_CREAT | os.O_WRONLY | os.O_APPEND)
            os.dup2(out, 1)
            os.dup2(out, 2)
            # Says where it stands when it is asked, for what hangs.
            faulthandler.register(signal.SIGUSR1, all_threads=True)
            os.environ[MARK] = str(self.round.place)
            os.environ["TMPDIR"] = str(self.round.temporary)
            tempfile.tempdir = None
            if self.round.real:
                os.execv(sys.executable, [sys.executable, "-m", "simgen.cli", *arguments])
            signal.signal(signal.SIGINT, signal.default_int_handler)
            fake_maker.run_simgen(arguments, folder=str(self.round.folder), driver=driver, worker=worker)
        except SystemExit as done:
            code = done.code
            sys.stderr.flush()
            sys.stdout.flush()
            os._exit(code if isinstance(code, int) else 1)
        except BaseException:
            import traceback

            traceback.print_exc()
        sys.stderr.flush()
        os._exit(99)

    def poll(self) -> int | None:
        if self._status is None:
            pid, status = os.waitpid(self.pid, os.WNOHANG)
            if pid:
                self._status = os.waitstatus_to_exitcode(status)
        return self._status

    def wait(self, seconds: float) -> int | None:
        end = time.monotonic() + seconds
        while self.poll() is None and time.monotonic() < end:
            time.sleep(0.02)
        return self.poll()

    def kill(self, number: int) -> bool:
        """Whether it was there to be killed."""
        if alive := self.poll() is None:
            os.kill(self.pid, number)
        return alive

    @property
    def text(self) -> str:
        return self.said.read_text(errors="replace")


class Round:
    """One data set and everything that befalls it."""

    def __init__(
        self, seed: int, place: Path, clean: Path, ray: Ray, *, real: bool, loud: bool = False, kind: str = ""
    ) -> None:
        self.place, self.clean, self.ray, self.real, self.loud, self.kind = place, clean, ray, real, loud, kind
        self.rng = random.Random(seed)
        self.told = Told(seed)
        self.mountpoint = place / "disk"
        self.folder = self.mountpoint / "data"
        self.temporary = place / "tmp"
        for folder in (self.mountpoint, self.temporary):
            folder.mkdir(parents=True)
        self.pids: list[int] = []
        # Joined is what costs least; now and then a Ray of the run's own, as without --address.
        self.own_ray = real or self.rng.random() < 0.04
        self.mounted = False
        self.log = place / "struck.jsonl"

    @property
    def logged(self) -> dict[str, Any]:
        """What a fault must know to be logged."""
        return {"log": str(self.log), "disturbance": len(self.told.kinds) - 1}

    def strike(self, who: str, event: str, how: str, part: str = "") -> None:
        """A fault that comes from here has struck."""
        faults.strike(**self.logged, who=who, event=event, part=part, how=how)
        self.say(f"struck: {who}, {event} {part}, {how}")

    def disk(self, who: str, **fault: Any) -> dict[str, Any]:
        """For a process: the fault of its disk; with none, what the real disk answers is logged all the same."""
        if fault:
            self.say(f"{who}: {fault}")
        return {"disk": {**self.logged, "who": who, **fault}}

    def say(self, text: str) -> None:
        self.told.story.append(text)
        if self.loud:
            print(f"  {time.monotonic() % 1000:7.2f} {text}", flush=True)

    def wrong(self, text: str) -> None:
        self.told.wrong.append(text)
        self.say(f"WRONG: {text}")

    def start(self, *words: str, driver: Any = None, worker: Any = None, timeout_s: float = 20.0) -> Run:
        if words:
            arguments = list(words)
        elif self.real:
            arguments = ["generate", *REAL, "--out", str(self.folder)]
        else:
            arguments = ["generate", *SMALL, "--out", str(self.folder)]
        arguments += ["--workers", str(self.rng.choice((1, 1, 2)))]
        if not self.real:
            arguments += ["--sample-timeout", f"{timeout_s:g}"]
        if not self.own_ray:
            arguments += ["--address", self.ray()]
        run = Run(self, arguments, driver=driver, worker=worker)
        self.pids.append(run.pid)
        return run

    def go(self) -> Told:
        began = time.monotonic()
        try:
            for _ in range(self.rng.choice((1, 1, 2, 3)) if not self.real else 1):
                kinds = {k: w for k, w in KINDS.items() if not self.real or k in FOR_REAL}
                kinds = {k: w for k, w in kinds.items() if self.kind in ("", k)}
                self.disturb(self.rng.choices(list(kinds), list(kinds.values()))[0])
            self.in_peace()
        finally:
            self.end()
            self.told.struck = faults.read_log(self.log)
        self.told.seconds = time.monotonic() - began
        return self.told

    # What is done to a run.

    def disturb(self, kind: str) -> None:
        self.told.kinds.append(kind)
        self.say(f"run, {kind}")
        getattr(self, "_" + re.sub(r"\W", "_", kind.lower()))()
        self.look_at_what_is_there()

    def moment(self, run: Run) -> None:
        """Some moment of a run: any, or one at which something is being written."""
        how = self.rng.choice(("any", "sample", "sample", "commit", "commit"))
        wanted = self.rng.randint(1, 5)
        delay = self.rng.uniform(0, 4.0 if how == "any" else 0.15)
        end = time.monotonic() + LONGEST_S
        while how != "any" and run.poll() is None and time.monotonic() < end:
            if how == "sample":
                notes = self.notes()
                seen = sum(path.read_bytes().count(b'"key"') for path in notes if path.exists())
            else:
                seen = len(list(self.folder.glob("*/*_stats.json")))
            if seen >= wanted:
                break
            time.sleep(0.01)
        time.sleep(delay)
        self.say(f"moment: {how} {wanted} and {delay:.2f} s, {time.monotonic() - run.began:.2f} s after its start")

    def notes(self) -> list[Path]:
        try:
            return sorted((self.folder / PROGRESS_FOLDER).glob("worker-*.jsonl"))
        except OSError:
            return []

    def ended(self, run: Run, *codes: int, seconds: float = LONGEST_S) -> int | None:
        """Wait for a run's own end; anything but these exit codes, or a bug told as one, is wrong."""
        code = run.wait(seconds)
        if code is None:
            if not self.real:
                run.kill(signal.SIGUSR1)
                time.sleep(1.0)
            at_work = [(p.pid, _name(p), p.status()) for p in self.alive()]
            notes = {path.name: path.read_text()[-300:] for path in self.notes()}
            self.wrong(f"did not end within {seconds:.0f} s: {at_work}, {notes}, said {run.text[-6000:]}")
            run.kill(signal.SIGKILL)
            run.wait(10)
            return None
        text = run.text
        if code not in codes:
            self.wrong(f"ended with {code}, not with one of {codes}: {text[-600:]}")
        if re.search(r"Traceback|error: unexpected|\(raylet\)|\*\*\* SIG|StackTrace", text):
            self.wrong(f"told a bug: {text[-1500:]}")
        said = code in (1, 2, 4, 130, 143)
        complaints = _complaints(text)
        if said and not complaints:
            # Who says it where the run was ended in the middle is a process of its own.
            time.sleep(1.0)
            complaints = _complaints(run.text)
        if code == -signal.SIGKILL:
            complaints = [line for line in complaints if "or it was killed" not in line]
        if said != (len(complaints) == 1):
            self.wrong(f"ended with {code} and said {complaints}")
        self.say(f"ended with {code}{': ' + complaints[0] if complaints else ''}")
        return code

    def killed(self, run: Run) -> bool:
        """Kill the process of the driver; whether it was at work until then."""
        run.kill(signal.SIGKILL)
        if self.ended(run, -signal.SIGKILL, 0, 3) != -signal.SIGKILL:
            return False
        self.strike("driver", "SIGKILL", "at a moment")
        return True

    def write_fault(self, who: str, *, kill: bool) -> dict[str, Any]:
        """A fault inside a write, an fsync or a close of one kind of file."""
        files = WORKER_FILES if who == "worker" else DRIVER_FILES
        parts = self.rng.choice(list(files))
        event = self.rng.choice(("write", "write", "write", "fsync", "close"))
        # A file of this size is one write or a few; it is brought to the disk and closed once.
        at = self.rng.randint(1, files[parts] if event == "write" else max(1, files[parts] // 4))
        how = "kill" if kill else "EIO" if event != "write" else self.rng.choice(("short", "short", "EIO", "EDQUOT"))
        return self.disk(who, event=event, parts=parts, at=at, how=how, share=self.rng.random(), **self.once())

    def once(self) -> dict[str, str]:
        """For half of what befalls workers: to one of them only."""
        number, once = self.rng.randrange(1 << 30), self.rng.random() < 0.5
        return {"marker": str(self.place / f"once-{number}")} if once else {}

    def before(self, who: str, how: str, most: float) -> dict[str, Any]:
        """A fault that comes before something is done to the disk, at the `10 ** most`th time at the latest."""
        at = int(10 ** self.rng.uniform(0, most))
        return self.disk(who, event="before", at=at, how=how, **(self.once() if who == "worker" else {}))

    def _driver_killed(self) -> None:
        run = self.start()
        self.moment(run)
        self.killed(run)

    def _driver_killed_at_the_disk(self) -> None:
        self.ended(self.start(driver=self.before("driver", "kill", 2.3)), -signal.SIGKILL, 0, 3)

    def _driver_killed_in_a_write(self) -> None:
        self.ended(self.start(driver=self.write_fault("driver", kill=True)), -signal.SIGKILL, 0, 3)

    def _worker_killed(self) -> None:
        run = self.start(worker={"pace_s": self.rng.uniform(0.01, 0.2)})
        for _ in range(self.rng.randint(1, 4)):
            self.moment(run)
            for process in self.workers()[:1]:
                with contextlib.suppress(psutil.NoSuchProcess):
                    process.kill()
                    if run.poll() is None:
                        self.strike("worker", "SIGKILL", "at a moment")
        self.ended(run, 0, 3)

    def _worker_killed_at_the_disk(self) -> None:
        # Where every worker dies there, a first one that gets far makes it another one's second sample, and so on.
        self.ended(self.start(worker=self.before("worker", "kill", 2.0)), 0, 3, 1)

    def _worker_killed_in_a_write(self) -> None:
        self.ended(self.start(worker=self.write_fault("worker", kill=True)), 0, 3, 1)

    def _disk_error_in_the_driver(self) -> None:
        self.ended(self.start(driver=self.before("driver", "EIO", 2.3)), 0, 1, 3)

    def _disk_error_in_a_worker(self) -> None:
        self.ended(self.start(worker=self.before("worker", "EIO", 2.0)), 0, 1, 3)

    def _write_error_in_the_driver(self) -> None:
        self.ended(self.start(driver=self.write_fault("driver", kill=False)), 0, 1, 3)

    def _write_error_in_a_worker(self) -> None:
        self.ended(self.start(worker=self.write_fault("worker", kill=False)), 0, 1, 3)

    def _torn_writes(self) -> None:
        run = self.start(worker={"pace_s": 0.05})
        self.moment(run)
        if not self.killed(run):
            return
        self.gone()
        # What a power cut may leave of what was never committed: files that are short, empty or full of anything.
        for path in sorted(self.folder.rglob("*")):
            if path.is_file() and _loose(path) and self.rng.random() < 0.7:
                whole = path.read_bytes()
                cut = self.rng.randint(0, len(whole))
                rest = self.rng.choice((b"", bytes(len(whole) - cut), self.rng.randbytes(len(whole) - cut)))
                path.write_bytes(whole[:cut] + rest)
                self.strike("disk", "power cut", f"torn at {cut} of {len(whole)}", faults.part_of(str(path)))
        for split in ("train", "test"):
            if (self.folder / split).is_dir() and self.rng.random() < 0.5:
                place = self.folder / split
                there = {name[0] for path in place.glob("*_stats.json") if (name := parse_name(path.name))}
                free = next(k for k in range(99) if k not in there)
                for part in (".tar", ".parquet", ".idx.json")[: self.rng.randint(1, 3)]:
                    (place / f"{free:05d}{part}").write_bytes(self.rng.randbytes(self.rng.randint(0, 5000)))
                (place / f".{free:05d}_stats.json.0123abcd.tmp").write_bytes(b'{"schema')
                self.say(f"torn: parts of {split}/{free:05d}")
        for place in ("quarantine", "quarantine/logs", "."):
            if (self.folder / place).is_dir():
                (self.folder / place / f".{self.rng.choice(('README.md', 'x.json'))}.89abcdef.tmp").write_bytes(b"{")

    def begun(self, run: Run) -> bool:
        """Wait until a run has its folder and begins to hire workers; False where it ends before."""
        end = time.monotonic() + LONGEST_S
        while run.poll() is None and time.monotonic() < end:
            if list((self.folder / PROGRESS_FOLDER).glob(f"run-{run.pid}-*")):
                return True
            time.sleep(0.005)
        return False

    def watching(self, pace_s: float = 0.05) -> Run:
        """A run that logs what the real disk answers."""
        return self.start(driver=self.disk("driver"), worker={**self.disk("worker"), "pace_s": pace_s})

    def missing_bytes(self) -> int:
        """What the disk must still take until all is there, a file counted in whole pages."""
        sizes = {}
        for folder in (self.clean, self.folder):
            files = [path for path in folder.rglob("*") if path.is_file()] if folder.exists() else []
            sizes[folder] = {str(path.relative_to(folder)): -(-path.stat().st_size // PAGE) * PAGE for path in files}
        return sum(size for name, size in sizes[self.clean].items() if name not in sizes[self.folder])

    def _disk_full(self) -> None:
        """Fills up while the run is at work, as by another program: it looked first, and there was room."""
        self.mount(f"size={LARGE}")
        run = self.watching()
        share = self.rng.uniform(0.02, 0.98)
        if self.begun(run):
            for _ in range(50):
                room = shutil.disk_usage(self.mountpoint)
                size = room.used + int(share * self.missing_bytes())
                if self.remount(f"size={size}"):
                    self.say(f"{size - room.used} bytes are left, {share:.2f} of what is missing")
                    break
        self.ended(run, 0, 1, 3)
        assert self.remount(f"size={LARGE}")

    def _inodes_run_out(self) -> None:
        self.mount(f"size={LARGE}")
        run = self.watching()
        if self.begun(run):
            found = os.statvfs(self.mountpoint)
            left = self.rng.randint(1, 25)
            self.remount(f"nr_inodes={found.f_files - found.f_ffree + left}")
            self.say(f"{left} inodes are left")
        self.ended(run, 0, 1, 3)
        assert self.remount(f"size={LARGE},nr_inodes=100000")

    def _disk_too_small(self) -> None:
        """From the start: refused, as what is missing has no room."""
        self.mount(f"size={LARGE}")
        used = shutil.disk_usage(self.mountpoint).used
        self.remount(f"size={used + int(self.rng.uniform(0.1, 0.9) * self.missing_bytes()) + PAGE}")
        run = self.watching()
        if self.ended(run, 0, 1, 3) == 1 and "the disk has" in run.text:
            self.strike("driver", "start", "refused")
        assert self.remount(f"size={LARGE}")

    def _read_only_folder(self) -> None:
        self.mount(f"size={LARGE}")
        run = self.watching(pace_s=0.1)
        self.moment(run)
        read_only = False
        if run.poll() is None:
            # Refused as long as a file is open for writing, which one of a worker's is: of the mount only.
            subprocess.run(["mount", "--bind", self.mountpoint, self.mountpoint], check=True)
            read_only = subprocess.run(["mount", "-o", "remount,ro,bind", self.mountpoint]).returncode == 0
            self.say("read-only from now on" if read_only else "busy: not made read-only")
            subprocess.run(["umount", "--lazy", self.mountpoint], check=True) if not read_only else None
        self.ended(run, 0, 1, 3)
        if read_only:
            if self.ended(self.start(), 1) == 1:
                self.strike("driver", "start", "refused: read-only")
            subprocess.run(["umount", "--lazy", self.mountpoint], check=True)

    def _sigterm(self) -> None:
        self._signalled(signal.SIGTERM, 143)

    def _sigint(self) -> None:
        self._signalled(signal.SIGINT, 130)

    def _signalled(self, number: int, code: int) -> None:
        hang = self.rng.random() < 0.5
        accidents = [{"index": self.rng.randrange(4), "what": "hang", **self.logged}] if hang else []
        before = {path for path in self.folder.rglob("*") if TEMPORARY_NAME.fullmatch(path.name)}
        run = self.start(worker={"pace_s": 0.1, "accidents": accidents}, timeout_s=600.0)
        if hang and not self.real:
            end = time.monotonic() + LONGEST_S
            while not self.hanging(run, accidents[0]["index"]) and run.poll() is None and time.monotonic() < end:
                time.sleep(0.02)
            self.say("a worker hangs")
        else:
            self.moment(run)
        # Python has handlers from here on; before, a signal ends it as any program.
        early = time.monotonic() - run.began < 1.0
        began = time.monotonic()
        run.kill(number)
        got = self.ended(run, code, 0, 3, *((-number,) if early else ()), seconds=3 * STOP_S)
        if got in (code, -number):
            self.strike("driver", signal.Signals(number).name, "at a moment" if got == code else "as it starts")
        if got == code:
            took = time.monotonic() - began
            self.say(f"took {took:.1f} s")
            if took > STOP_S:
                self.wrong(f"took {took:.1f} s to end")
            self.gone()
            # What an earlier run left stays where this one was ended before it looked.
            temporary = {path for path in self.folder.rglob("*") if TEMPORARY_NAME.fullmatch(path.name)}
            if left := sorted(path.name for path in temporary - before):
                self.wrong(f"left temporary files: {left}")

    def _clock_jumps(self) -> None:
        seed = self.rng.randrange(1 << 30)
        clocks = {who: {"clock": {**self.logged, "seed": seed + k, "who": who}} for k, who in enumerate(WHO)}
        run = self.start(**clocks)
        run.wait(LONGEST_S)
        # Ray measures by the time of day how long it waits for its head; the same command goes on.
        self.ended(run, 0, 3, *((1,) if "Ray did not start" in run.text else ()))

    def accident(self, what: str, *, timeout_s: float = 20.0, **more: Any) -> None:
        marker = str(self.place / f"once-{self.rng.randrange(1 << 30)}") if self.rng.random() < 0.6 else ""
        told = {"index": self.rng.randrange(NUM), "what": what, "marker": marker, **self.logged, **more}
        self.say(f"{told}")
        self.ended(self.start(worker={"accidents": [told]}, timeout_s=timeout_s), 0, 3)

    def _slow_render(self) -> None:
        self.accident("slow", seconds=self.rng.uniform(0.5, 3.0))

    def _hanging_render(self) -> None:
        self.accident("hang", timeout_s=3.0)

    def _memory_runs_out(self) -> None:
        self.accident("memory")

    def _crash_in_a_render(self) -> None:
        self.accident(self.rng.choice(("abort", "killed", "fail")))

    def _second_run_at_once(self) -> None:
        first = self.start(worker={"pace_s": 0.2})
        self.moment(first)
        at_work = first.poll() is None
        second = self.start()
        codes = {self.ended(second, 0, 1, 3), self.ended(first, 0, 1, 3)}
        if at_work and 1 in codes:
            self.strike("driver", "start", "refused: another run is at work")
        if codes == {1}:
            self.wrong("both of two runs were refused")

    def _raylet_killed(self) -> None:
        self._ray_killed("raylet", 0, 1, 3)

    def _head_killed(self) -> None:
        self._ray_killed("gcs_server", 0, 1, 3)

    def _ray_killed(self, part: str, *codes: int) -> None:
        run = self.start(worker={"pace_s": 0.1})
        self.moment(run)
        found = self.ray.part(part) if not self.own_ray else [p for p in _below(run.pid) if _name(p) == part]
        for process in found:
            with contextlib.suppress(psutil.NoSuchProcess):
                process.kill()
                if run.poll() is None:
                    self.strike(part, "SIGKILL", "at a moment")
        self.ended(run, *codes)
        if not self.own_ray:
            self.ray.stop()

    def _machine_lost(self) -> None:
        two = Ray(nodes=2)
        own, mine, self.own_ray = self.own_ray, self.ray, False
        try:
            two()
            self.ray = two
            run = self.start(worker={"pace_s": 0.3})
            self.moment(run)
            two.lose()
            if run.poll() is None:
                self.strike("machine", "SIGKILL", "at a moment")
            self.ended(run, 0, 3)
        finally:
            self.own_ray, self.ray = own, mine
            two.stop()

    # What must hold.

    def look_at_what_is_there(self) -> None:
        """Whatever is there after a disturbance is explained: `verify` says each time what becomes of it."""
        if not (self.folder / "config.resolved.yaml").exists():
            return
        try:
            found = [str(finding) for finding in verify(self.folder, workers=1)]
        except SimgenError as error:
            return self.wrong(f"verify refuses: {error}")
        strange = [one for one in found if not re.search(EXPLAINED, one)]
        if strange:
            self.wrong(f"verify finds what no kill explains: {strange[:3]}")

    def in_peace(self) -> None:
        """The same command again, and again after `retry` if that is what it takes."""
        run = self.start(timeout_s=60.0)
        code = self.ended(run, 0, 3)
        if self.holes():
            self.say(f"set aside: {self.holes()}")
            self.gone()
            if found := [str(finding) for finding in verify(self.folder, workers=1)]:
                self.wrong(f"with holes, verify finds {found[:3]}")
            code = self.ended(self.start("retry", str(self.folder), timeout_s=60.0), 0, 3)
        self.gone()
        if code not in (0, 3):
            return
        if found := [str(finding) for finding in verify(self.folder, workers=1)]:
            self.wrong(f"verify finds {found[:5]}")
        if dataset_digest(self.folder) != dataset_digest(self.clean):
            self.wrong("is not byte for byte what an undisturbed run makes")
        ours, theirs = contents(self.folder), contents(self.clean)
        if ours != theirs:
            names = sorted(name for name in {*ours, *theirs} if ours.get(name) != theirs.get(name))
            self.wrong(f"other files beside the shards: {names}")
        if left := sorted(path.name for path in self.temporary.iterdir()):
            self.wrong(f"left in TMPDIR: {left}")
        for pid in self.pids:
            if left := [path.name for path in Path("/tmp").glob(f"simgen-ray-{pid}-*")]:
                self.wrong(f"left in /tmp: {left}")

    def holes(self) -> list[str]:
        found = []
        for path in self.folder.glob("*/*_stats.json"):
            found += [h["key"] for h in json.loads(path.read_text())["holes"] if h["class"] != "rejected"]
        return found

    def workers(self) -> list[psutil.Process]:
        return [p for p in self.alive() if p.name().startswith("ray::Worker")]

    def hanging(self, run: Run, index: int) -> bool:
        """Whether a worker of this run, not of one before it, is at the sample and at nothing after it."""
        for path in self.notes():
            if not path.name.startswith(f"worker-{run.pid}-"):
                continue
            lines = path.read_text().splitlines()
            if lines and re.search(rf'"at": "[a-z-]*{index:06d}"', lines[-1]):
                return True
        return False

    def alive(self) -> list[psutil.Process]:
        """Processes that run for this round: of its runs, or with a file of its folder open."""
        found = []
        for process in psutil.process_iter():
            try:
                if process.pid == os.getpid():
                    continue
                if process.environ().get(MARK) == str(self.place) or any(
                    opened.readlink().is_relative_to(self.mountpoint)
                    for opened in Path(f"/proc/{process.pid}/fd").iterdir()
                ):
                    found.append(process)
            except (psutil.Error, OSError):
                continue
        return found

    def gone(self) -> None:
        """Nobody works any more."""
        end = time.monotonic() + 3 * STOP_S
        while left := self.alive():
            if time.monotonic() > end:
                self.wrong(f"still there: {[(p.pid, _name(p), p.status()) for p in left]}")
                for process in left:
                    with contextlib.suppress(psutil.NoSuchProcess):
                        process.kill()
                return
            time.sleep(0.05)

    def mount(self, options: str) -> None:
        """Put the data set on a disk of its own, a real one in memory."""
        if not self.mounted:
            there = [(p, p.read_bytes()) for p in self.folder.rglob("*") if p.is_file()] if self.folder.exists() else []
            self.gone()
            subprocess.run(["mount", "-t", "tmpfs", "-o", options, "tmpfs", self.mountpoint], check=True)
            self.mounted = True
            for path, data in there:
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_bytes(data)

    def remount(self, options: str) -> bool:
        """Whether the disk could be made so; it cannot be made smaller than what is on it."""
        done = subprocess.run(["mount", "-o", f"remount,{options}", self.mountpoint], capture_output=True)
        return done.returncode == 0

    def end(self) -> None:
        for process in self.alive():
            with contextlib.suppress(psutil.NoSuchProcess):
                process.kill()
        while subprocess.run(["umount", "--lazy", self.mountpoint], capture_output=True).returncode == 0:
            pass


LARGE = 100 << 20
PAGE = 4096
WHO = ("driver", "worker")
EXPLAINED = (
    r"the next run|run the same `simgen generate` again|is left of a run that was killed|is missing; the next run|"
    r"samples are neither there nor quarantined"
)
NUM = 16
SIZE = ["--set", "render.width=64", "--set", "render.height=48"]
SMALL = ["topple", "--n", str(NUM), "--shard-size", "3", *SIZE]
REAL = ["rigid", "--n", "6", "--shard-size", "2", "--set", "scenes={topple: {}, drop: {}}"]
REAL += ["--set", "render.width=64", "--set", "render.height=64", "--set", "render.quality=fast"]
FOR_REAL = ("driver killed", "worker killed", "torn writes", "SIGTERM", "SIGINT", "raylet killed", "read-only folder")


def contents(folder: Path) -> dict[str, bytes]:
    """Files that are not a shard's, without where the folder lies."""
    found = {}
    for path in sorted(folder.rglob("*")):
        if path.is_file() and parse_name(path.name) is None:
            data = path.read_bytes().replace(str(folder).encode(), b"DIR")
            if path.name == CHECKSUMS:
                # A mark names its folder; that its sum fits is for `verify` to say.
                data = re.sub(rb"\w{64}(  quarantine/.*json)", rb"\1", data)
            found[str(path.relative_to(folder))] = data
    return found


def _loose(path: Path) -> bool:
    """Whether a file of a data set was never committed."""
    if TEMPORARY_NAME.fullmatch(path.name) or path.parent.name == PROGRESS_FOLDER:
        return True
    shard = parse_name(path.name)
    return shard is not None and not (path.parent / f"{shard[0]:05d}_stats.json").exists()


def _name(process: psutil.Process) -> str:
    try:
        return str(process.name())
    except psutil.NoSuchProcess:
        return ""


def _complaints(text: str) -> list[str]:
    return [line for line in text.splitlines() if line.startswith("simgen: error")]


def _below(pid: int) -> list[psutil.Process]:
    try:
        return list(psutil.Process(pid).children(recursive=True))
    except psutil.NoSuchProcess:
        return []


def make_clean(place: Path, ray: Ray, *, real: bool = False) -> Path:
    """What an undisturbed run makes."""
    undisturbed = Round(0, place, place, ray, real=real)
    undisturbed.own_ray = real
    run = undisturbed.start()
    assert run.wait(LONGEST_S) in (0, 3), run.text
    assert not undisturbed.told.wrong and verify(undisturbed.folder, workers=1) == [], verify(undisturbed.folder)
    return undisturbed.folder


def play(
    seeds: Sequence[int], place: Path, *, real: bool = False, loud: bool = False, kind: str = ""
) -> Iterator[Told]:
    """One round after the other, on one Ray."""
    ray = Ray()
    try:
        clean = make_clean(place / "clean", ray, real=real)
        for seed in seeds:
            folder = place / f"round-{seed}"
            yield Round(seed, folder, clean, ray, real=real, loud=loud, kind=kind).go()
            shutil.rmtree(folder, ignore_errors=True)
    finally:
        ray.stop()


def _slot(queue: Any, results: Any, place: Path, real: bool, kind: str) -> None:
    def seeds() -> Iterator[int]:
        while (seed := queue.get()) is not None:
            yield seed

    for told in play(seeds(), place, real=real, kind=kind):  # type: ignore[arg-type]
        results.put(told)
    results.put(None)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--rounds", type=int, default=int(os.environ.get("CHAOS_ROUNDS", "300")))
    parser.add_argument("--seed", type=int, default=os.environ.get("CHAOS_SEED"), help="Replay this one round.")
    parser.add_argument("--first", type=int, default=1000, help="Seed of the first round.")
    parser.add_argument("--jobs", type=int, default=int(os.environ.get("CHAOS_JOBS", "3")), help="Rounds at once.")
    parser.add_argument("--real", action="store_true", help="With Bullet and Blender.")
    parser.add_argument("--kind", choices=list(KINDS), default="", help="Disturb in this way and no other.")
    parser.add_argument("--log", type=Path, help="A line of JSON for every round.")
    parser.add_argument("--sum", type=Path, metavar="LOG", help="Play nothing; sum up what stands in a log.")
    asked = parser.parse_args()
    if asked.sum:
        told = [Told(**json.loads(line)) for line in asked.sum.read_text().splitlines()]
        _sum_up(told, sum(one.seconds for one in told))
        return 0
    place = Path(tempfile.mkdtemp(prefix="simgen-chaos-"))
    began = time.monotonic()
    try:
        if asked.seed is not None:
            told = list(play([int(asked.seed)], place, real=asked.real, loud=True, kind=asked.kind))
        else:
            told = list(_many(range(asked.first, asked.first + asked.rounds), place, asked))
    finally:
        shutil.rmtree(place, ignore_errors=True)
    _sum_up(told, time.monotonic() - began)
    return 1 if any(one.wrong for one in told) else 0


def _many(seeds: Sequence[int], place: Path, asked: Any) -> Iterator[Told]:
    context = multiprocessing.get_context("spawn")
    queue, results = context.Queue(), context.Queue()
    for seed in [*seeds, *[None] * asked.jobs]:
        queue.put(seed)
    slots = [
        context.Process(target=_slot, args=(queue, results, place / f"slot-{k}", asked.real, asked.kind))
        for k in range(asked.jobs)
    ]
    for slot in slots:
        slot.start()
    at_work = len(slots)
    while at_work:
        try:
            told = results.get(timeout=5)
        except queues.Empty:
            if not any(slot.is_alive() for slot in slots):
                raise RuntimeError("every slot has died; see what stands above") from None
            continue
        if told is None:
            at_work -= 1
            continue
        struck = f"{len(told.struck)} struck in {len(disturbed(told))} of {len(told.kinds)} runs"
        what = told.wrong or "as undisturbed"
        print(f"{told.seed}: {', '.join(told.kinds)}: {struck}: {what} ({told.seconds:.0f} s)", flush=True)
        if asked.log:
            with asked.log.open("a") as file:
                file.write(json.dumps(dataclasses.asdict(told)) + "\n")
        yield told
    for slot in slots:
        slot.join()


def disturbed(told: Told) -> set[int]:
    """Which of the runs that were to be disturbed something struck."""
    return {line["disturbance"] for line in told.struck}


def _sum_up(told: Sequence[Told], seconds: float) -> None:
    meant = Counter(kind for one in told for kind in one.kinds)
    hit = Counter(one.kinds[k] for one in told for k in disturbed(one))
    lines = Counter(one.kinds[line["disturbance"]] for one in told for line in one.struck)
    bad = Counter(kind for one in told if one.wrong for kind in set(one.kinds))
    print(
        f"\n{len(told)} rounds, {hit.total()} disturbed runs in which {lines.total()} faults struck, and "
        f"{meant.total() - hit.total()} that were to be disturbed and were not, {seconds / 60:.0f} min"
    )
    print("  struck of meant, faults")
    for kind, count in sorted(meant.items(), key=lambda item: -item[1]):
        wrong = f", {bad[kind]} in rounds with something wrong" if bad[kind] else ""
        print(f"  {hit[kind]:4d} of {count:3d} {lines[kind]:5d}  {kind}{wrong}")
    places = Counter(_place(line) for one in told for line in one.struck)
    print("faults by where they struck:")
    for place, count in sorted(places.items(), key=lambda item: (-item[1], item[0])):
        print(f"  {count:4d}  {place}")
    failed = [one.seed for one in told if one.wrong]
    print(
        f"wrong: {failed or 'none'}" + (f"; replay: python tests/chaos/chaos.py --seed {failed[0]}" if failed else "")
    )


def _place(line: dict[str, Any]) -> str:
    """Where a fault struck, in a few words: a driver's or a worker's write, and what came of it."""
    how = re.sub(r" \d+ of \d+", "", line["how"])
    if line["event"] == "write" and how in ("kill", "short"):
        how = {"kill": "a part, then SIGKILL", "short": "a part, then ENOSPC"}[how]
    how = {"kill": "SIGKILL"}.get(how, how) + (" from a full or read-only disk" if line.get("real") else "")
    shard = line["part"] in (".tar", ".parquet", ".idx.json", "_stats.json")
    of = "" if line["event"] == "render" or not line["part"] else " of a shard" if shard else " of another file"
    return f"{line['who']}, {line['event']}{of}: {how}"


if __name__ == "__main__":
    sys.exit(main())
