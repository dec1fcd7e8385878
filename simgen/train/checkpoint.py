"""The folder of a run: what it is of, how it stands, and what comes out.

RUN/pytorch_lora_weights.safetensors   the averaged adapter, as `load_lora_weights` of diffusers takes it
RUN/README.md                          the model card
RUN/run.json                           what the run is of; another base, data set or setting is refused
RUN/config.yaml                        all settings
RUN/log.jsonl                          a line a step, and one a validation
RUN/checkpoints/00000250.safetensors   everything that going on needs
RUN/validation/00000250.png            held-out pairs: start, truth, edit, mask
RUN/tensorboard/
"""

import fcntl
import json
import re
import shutil
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TextIO

import safetensors.torch
from safetensors import SafetensorError, safe_open
from torch import Tensor

from simgen.core.errors import ConflictError, OutputError
from simgen.storage.files import TEMPORARY_NAME, read_json, write_file
from simgen.storage.yaml_files import write_yaml
from simgen.train.adapter import Adapter
from simgen.train.base import Base
from simgen.train.config import TrainConfig

WEIGHTS = "pytorch_lora_weights.safetensors"
CHECKPOINTS, LOG, RUN, CONFIG, CARD = "checkpoints", "log.jsonl", "run.json", "config.yaml", "README.md"


_LOCK = ".lock"
_TRACE = re.compile(rf"simgen-.*\.log|{re.escape(_LOCK)}")
"""What a failed start may leave."""


@dataclass(frozen=True, slots=True, kw_only=True)
class State:
    """How a run stands after `step` steps."""

    step: int
    skipped: int
    """Steps whose gradients were not finite, and which changed nothing."""
    tensors: Mapping[str, Tensor]
    """Flat: `master`, `ema`, `exp_avg`, `exp_avg_sq`; and `rng`, the state of torch's own generator."""


def lock(folder: Path) -> TextIO:
    """Keep a second run out of the folder as long as the file that is returned is open; also removes what a killed
    one left half."""
    if (
        folder.is_dir()
        and not (folder / RUN).is_file()
        and any(not (_TRACE.fullmatch(p.name) or TEMPORARY_NAME.fullmatch(p.name)) for p in folder.iterdir())
    ):
        raise ConflictError(f"{folder}: is not empty and holds no run; give another --out")
    try:
        folder.mkdir(parents=True, exist_ok=True)
        file = (folder / _LOCK).open("w")
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        raise ConflictError(f"{folder}: another run is at work there; wait for it, or give another --out") from error
    except OSError as error:
        raise OutputError(f"{folder}: cannot be written ({error.strerror}); choose another folder") from error
    for path in folder.glob(".weights.*"):
        shutil.rmtree(path, ignore_errors=True)
    for path in folder.rglob(".*.tmp"):
        if TEMPORARY_NAME.fullmatch(path.name):
            path.unlink(missing_ok=True)
    return file


def claim(folder: Path, identity: Mapping[str, Any], config: TrainConfig) -> None:
    """Make the folder the one of this run; refuse where it is of another one, saying what differs."""
    path = folder / RUN
    if path.is_file():
        there = read_json(path)
        differs_in_weights = there.get("base_identity") != identity.get("base_identity")
        differs = [
            f"{key} {there.get(key)!r} there, {identity.get(key)!r} now"
            for key in sorted({*there, *identity})
            # The same base may lie in another folder today; its identity tells.
            if there.get(key) != identity.get(key) and (key != "base" or differs_in_weights)
        ]
        if differs:
            raise ConflictError(
                f"{folder}: holds a run of other settings ({'; '.join(differs[:4])}); give another --out"
            )
    else:
        write_file(path, (json.dumps(dict(identity), indent=1) + "\n").encode())
    write_file(folder / CONFIG, write_yaml(config.as_data()).encode())


def save(folder: Path, state: State, *, keep: int) -> None:
    """Write a checkpoint whole, then let go of the oldest beyond `keep`."""
    metadata = {"step": str(state.step), "skipped": str(state.skipped)}
    tensors = {name: tensor.detach().cpu().contiguous() for name, tensor in state.tensors.items()}
    write_file(_path(folder, state.step), safetensors.torch.save(tensors, metadata=metadata))
    for step in steps(folder)[:-keep]:
        _path(folder, step).unlink(missing_ok=True)


def steps(folder: Path) -> list[int]:
    """Of the checkpoints that are there."""
    names = (path.name for path in (folder / CHECKPOINTS).glob("*.safetensors"))
    return sorted(int(match[1]) for name in names if (match := re.fullmatch(r"(\d+)\.safetensors", name)))


def latest(folder: Path) -> State | None:
    """The newest checkpoint that can be read; None where there is none. A damaged one is an error where no older
    one is left."""
    damaged = None
    for step in reversed(steps(folder)):
        path = _path(folder, step)
        try:
            with safe_open(path, framework="pt") as file:
                metadata = file.metadata()
                tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
            return State(step=int(metadata["step"]), skipped=int(metadata["skipped"]), tensors=tensors)
        except (OSError, SafetensorError, KeyError, TypeError) as error:
            damaged = OutputError(f"{path}: the checkpoint is damaged ({error}); remove it to begin again")
    if damaged is not None:
        raise damaged
    return None


def write_weights(folder: Path, adapter: Adapter, base: Base) -> Path:
    """Write what the graph shows as the file that diffusers loads."""
    try:
        with tempfile.TemporaryDirectory(dir=folder, prefix=".weights.") as draft:
            type(base.pipeline).save_lora_weights(
                draft,
                transformer_lora_layers=adapter.state(),
                # Rank and alpha, without which the file means nothing: the name is diffusers'.
                transformer_lora_adapter_metadata=base.pipeline.transformer.peft_config["default"].to_dict(),
            )
            data = (Path(draft) / WEIGHTS).read_bytes()
    except (OSError, SafetensorError) as error:
        raise OutputError(f"{folder}: the weights cannot be written ({error}); make room and go on") from error
    write_file(folder / WEIGHTS, data)
    return folder / WEIGHTS


def trim_log(folder: Path, step: int) -> None:
    """Drop the lines of steps after a checkpoint: they are taken again."""
    path = folder / LOG
    if path.is_file():
        kept = [line for line in path.read_bytes().splitlines(keepends=True) if _step_of(line) <= step]
        write_file(path, b"".join(kept))


def _step_of(line: bytes) -> float:
    try:
        return float(json.loads(line)["step"])
    except (ValueError, KeyError, TypeError):
        return float("inf")  # half a line of a killed run


def _path(folder: Path, step: int) -> Path:
    return folder / CHECKPOINTS / f"{step:08d}.safetensors"
