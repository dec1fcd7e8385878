"""Runs `simgen` many times a second, each time in a process of its own with bounded time and memory.

A server imports simgen once and forks for every command, so that a crash, a hang or a gigabyte costs that process and
nobody else: what the caller sees is a real exit code and what really stands on stdout and stderr.
"""

import contextlib
import faulthandler
import importlib
import json
import os
import pkgutil
import resource
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Self

CPU_S, WALL_S = 240, 1200
"""Of one command; `assets pack` takes up to a minute for a mesh that lacks a triangle, all others a few seconds."""
MEMORY_BYTES = 2 << 30
"""On top of what the process has when it begins."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Ended:
    """What came of a command."""

    arguments: tuple[str, ...]
    code: int
    """Negative: the signal that ended it."""
    out: str
    err: str
    traceback: str
    """The one that simgen keeps of a bug; empty where there was none."""
    seconds: float
    peak_bytes: int

    @property
    def fault(self) -> str:
        """What is wrong with the way in which it ended; empty where it succeeded or said one sentence."""
        what = f"{self.arguments} ended with {self.code}: {self.err[-1500:]!r} {self.traceback[-3000:]}"
        if self.code == -signal.SIGXCPU or self.code == -signal.SIGKILL:
            return f"took more than {CPU_S} s of a processor or {WALL_S} s: {what}"
        if self.code not in (0, 1, 2, 3, 4):
            return f"died: {what}"
        if self.traceback or "Traceback" in self.err or "error: unexpected" in self.err:
            return f"a bug: {what}"
        lines = [line for line in self.err.splitlines() if not line.startswith("warning: ")]
        # A command that reports what it has found ends with 1 and says so on stdout.
        sentences = [line for line in lines if line.startswith("simgen: error: ")]
        reported = self.code == 1 and bool(self.out.strip())
        if self.code and len(sentences) != 1 and not reported:
            return f"said {len(sentences)} sentences: {what}"
        if lines != sentences:
            return f"said other things on stderr: {what}"
        if any(len(line) > 4000 or not line.isprintable() for line in sentences):
            return f"not one plain sentence: {what}"
        return ""


class Server:
    """The process that forks; `torch` says whether what edits pictures is loaded beforehand as well."""

    def __init__(self, *, torch: bool = False) -> None:
        command = [sys.executable, __file__, "torch" if torch else ""]
        environment = {**os.environ, "OMP_NUM_THREADS": "1", "COLUMNS": "200"}
        self._process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment
        )

    def run(self, arguments: Sequence[str], folder: Path, said: Path) -> Ended:
        """Run `simgen ARGUMENTS` in a folder. What it says, and its temporary files, go into `said`."""
        said.mkdir(exist_ok=True)
        assert self._process.stdin is not None and self._process.stdout is not None
        job = {"arguments": list(arguments), "folder": str(folder), "said": str(said)}
        self._process.stdin.write(json.dumps(job) + "\n")
        self._process.stdin.flush()
        ended = json.loads(self._process.stdout.readline())
        texts = {name: (said / name).read_text(errors="replace") for name in ("out", "err")}
        kept = "".join(path.read_text(errors="replace") for path in said.glob("simgen-*.log"))
        shutil.rmtree(said)
        return Ended(arguments=tuple(arguments), traceback=kept, **texts, **ended)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self._process.stdin is not None
        self._process.stdin.close()
        self._process.wait(20)


def main() -> None:
    from simgen.cli import app, commands

    for module in pkgutil.iter_modules(commands.__path__):
        importlib.import_module(f"{commands.__name__}.{module.name}")
    # What the commands load when they begin, as far as it is simgen's own and starts no thread.
    for name in ("catalog.pack", "catalog.catalog", "dataset.verify", "dataset.status", "dataset.report.write"):
        importlib.import_module(f"simgen.{name}")
    if sys.argv[1] == "torch":
        import torch

        from simgen.train.base import load_base
        from simgen.train.edit import edit_all  # noqa: F401

        torch.set_num_threads(1)
        load_base("tiny:qwen", dtype=torch.float32, device=torch.device("cpu"))
    for line in sys.stdin:
        job = json.loads(line)
        began = time.monotonic()
        pid = os.fork()
        if not pid:
            _be(app.main, job)
        print(json.dumps(_wait(pid, began)), flush=True)


def _wait(pid: int, began: float) -> dict[str, Any]:
    late = began + WALL_S
    while True:
        found, status, used = os.wait4(pid, os.WNOHANG)
        if found:
            break
        if time.monotonic() > late:
            os.killpg(pid, signal.SIGKILL)
        time.sleep(0.002)
    seconds = time.monotonic() - began
    return {"code": os.waitstatus_to_exitcode(status), "seconds": seconds, "peak_bytes": used.ru_maxrss << 10}


def _be(command: Any, job: dict[str, Any]) -> None:
    """Be the process of one command; does not return."""
    code = 99
    try:
        os.setpgid(0, 0)
        for number, name in ((0, os.devnull), (1, f"{job['said']}/out"), (2, f"{job['said']}/err")):
            handle = os.open(name, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o644)
            os.dup2(handle, number)
            os.close(handle)
        faulthandler.enable()
        os.environ["TMPDIR"] = job["said"]
        os.environ["SIMGEN_CACHE"] = f"{job['said']}/cache"
        os.chdir(job["folder"])
        pages = int(Path("/proc/self/statm").read_text().split()[0])
        most = pages * resource.getpagesize() + MEMORY_BYTES
        for limit, value in ((resource.RLIMIT_AS, most), (resource.RLIMIT_CPU, CPU_S), (resource.RLIMIT_CORE, 0)):
            resource.setrlimit(limit, (value, value))
        command(job["arguments"])
    except SystemExit as done:
        code = done.code if isinstance(done.code, int) else 1
    except BaseException:
        import traceback

        traceback.print_exc()
    with contextlib.suppress(Exception):
        sys.stdout.flush()
        sys.stderr.flush()
    os._exit(code)


if __name__ == "__main__":
    main()
