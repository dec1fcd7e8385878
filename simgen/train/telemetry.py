"""What a run says: a line at the terminal, `log.jsonl`, TensorBoard, and Weights & Biases where asked."""

import importlib
import importlib.util
import json
import math
import secrets
from collections import deque
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from rich.console import Console
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from torch.utils.tensorboard import SummaryWriter

from simgen.core.errors import EnvironmentProblem, OutputError
from simgen.dataset.progress import duration
from simgen.storage.files import write_file
from simgen.train.checkpoint import LOG
from simgen.train.validate import finite_mean


class Telemetry:
    """The figures of one run, from the step where it begins or goes on."""

    def __init__(
        self, folder: Path, *, step: int, steps: int, console: Console, settings: Mapping[str, Any], wandb: str | None
    ) -> None:
        self._steps = steps
        self._console = console
        self._log = (folder / LOG).open("a")
        self._board = SummaryWriter(str(folder / "tensorboard"), purge_step=step + 1)
        self._wandb = _open_wandb(wandb, folder, settings) if wandb else None
        self._recent: deque[Mapping[str, float]] = deque(maxlen=50)
        self._live = Live(console=console, transient=True, auto_refresh=False) if console.is_terminal else None
        if self._live is not None:
            self._live.start()

    def step(self, step: int, figures: Mapping[str, float]) -> None:
        """The figures of the step that has just ended; `step` counts those that are done."""
        self._recent.append(figures)
        self._write(step, figures, prefix="train")
        if self._live is not None:
            table = Table.grid(padding=(0, 1))
            table.add_row(ProgressBar(total=self._steps, completed=step, width=24), self._line(step))
            self._live.update(table, refresh=True)
        elif step == self._steps or step % max(1, self._steps // 20) == 0:
            self._console.print(self._line(step), highlight=False, soft_wrap=True)

    def validation(self, step: int, figures: Mapping[str, float], sheet: NDArray[np.uint8] | None) -> None:
        """The figures of a validation, and its pictures in one [H, W, 3]."""
        self._write(step, figures, prefix="validation")
        if sheet is not None:
            self._board.add_image("validation/pictures", sheet, step, dataformats="HWC")
            if self._wandb is not None:
                picture = importlib.import_module("wandb").Image(sheet)
                self._tell_wandb(lambda run: run.log({"validation/pictures": picture}, step=step))
        text = ", ".join(f"{name} {value:.4g}" for name, value in figures.items() if math.isfinite(value))
        self._console.print(f"step {step}: validation {text}", highlight=False, soft_wrap=True)

    def say(self, sentence: str) -> None:
        self._console.print(sentence, highlight=False, soft_wrap=True)

    def close(self) -> None:
        if self._live is not None:
            self._live.stop()
        self._log.close()
        self._board.close()
        self._tell_wandb(lambda run: run.finish())

    def _write(self, step: int, figures: Mapping[str, float], *, prefix: str) -> None:
        # JSON knows no NaN: what could not be measured is left out.
        finite = {name: value for name, value in figures.items() if math.isfinite(value)}
        line = {"step": step, **(finite if prefix == "train" else {prefix: finite})}
        try:
            self._log.write(json.dumps(line) + "\n")
            self._log.flush()
        except OSError as error:
            raise OutputError(f"{self._log.name}: cannot be written ({error.strerror}); make room and go on") from error
        for name, value in finite.items():
            self._board.add_scalar(f"{prefix}/{name}", value, step)
        self._tell_wandb(lambda run: run.log({f"{prefix}/{name}": value for name, value in finite.items()}, step=step))

    def _tell_wandb(self, tell: Callable[[Any], object]) -> None:
        if self._wandb is None:
            return
        try:
            tell(self._wandb)
        except Exception as error:  # whatever its process died of: a run of days does not end for a second log
            self._wandb = None
            self.say(f"wandb: has stopped ({type(error).__name__}); the run goes on, {LOG} has its figures")

    def _line(self, step: int) -> str:
        last, recent = self._recent[-1], list(self._recent)[-20:]
        loss = finite_mean([f["loss"] for f in recent])
        seconds = finite_mean([f["seconds"] for f in recent])
        parts = [f"step {step}/{self._steps}", f"loss {loss:.4f}", f"{seconds:.2f} s/step"]
        parts.append(f"{last['tflops']:.3g} TFLOP/s, {100 * last['peak_share']:.0f} % of peak")
        if last.get("memory_gb"):
            parts.append(f"{last['memory_gb']:.1f} GB")
        if last.get("skipped"):
            parts.append(f"{last['skipped']:.0f} skipped")
        if step < self._steps and math.isfinite(seconds):
            parts.append(f"{duration((self._steps - step) * seconds)} left")
        return ", ".join(parts)


def check_wandb() -> None:
    """Before a base is loaded, which takes minutes."""
    found = importlib.util.find_spec("wandb")
    # Without an origin it is a mere folder of that name, as wandb makes them where it is used.
    if found is None or found.origin is None:
        raise EnvironmentProblem("wandb: is not installed; pip install wandb, or leave `wandb` out")


def _open_wandb(project: str, folder: Path, settings: Mapping[str, Any]) -> Any:
    # Slow to import, and seldom there.
    wandb = importlib.import_module("wandb")
    try:
        return wandb.init(
            project=project,
            name=folder.resolve().name,
            id=_run_id(folder),
            resume="allow",
            dir=str(folder),
            config=dict(settings),
        )
    except wandb.errors.Error as error:
        said = (str(error).strip().splitlines() or [type(error).__name__])[0].rstrip(".")
        raise EnvironmentProblem(
            f"wandb: cannot report to {project!r} ({said}); "
            f"WANDB_MODE=offline keeps it for `wandb sync`, or leave `wandb` out"
        ) from error


def _run_id(folder: Path) -> str:
    """The same when a run goes on; another one for a run of that name elsewhere, or for a new one in that place."""
    path = folder / "wandb" / "id"
    if not path.is_file():
        write_file(path, secrets.token_hex(8).encode())
    return path.read_text()
