"""A Hub id, a folder or `tiny:NAME` -> the pipeline that is trained, its family, and what it is called."""

import hashlib
import json
import re
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import diffusers
import torch
import transformers
import yaml
from huggingface_hub import hf_hub_download
from huggingface_hub.errors import (
    EntryNotFoundError,
    GatedRepoError,
    HFValidationError,
    LocalEntryNotFoundError,
    RepositoryNotFoundError,
)
from safetensors import SafetensorError

from simgen.core.errors import EnvironmentProblem, SimgenError, UsageError
from simgen.train.families import tiny
from simgen.train.families.base import Family, Pipeline, family_of

_FRONT_MATTER = re.compile(r"---[ \t]*\n(.*?\n)---[ \t]*(?:\n|\Z)", re.DOTALL)
_LIMITED = re.compile(r"non-?commercial|\bnc\b|\bresearch\b|\bkommunity\b")
"""In the names of licences that do not let everybody sell what comes out."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Base:
    name: str
    """As it was asked for."""
    family: Family
    pipeline: Pipeline
    license: str
    identity: str
    """Of the architecture and the weights, wherever they lie."""
    area_px: int
    """Pixels of the pictures that it likes."""
    dtype: torch.dtype
    """Of what goes into the transformer; its own property walks all weights at every call."""

    @property
    def is_tiny(self) -> bool:
        return self.name.startswith(tiny.PREFIX)


def load_base(name: str, *, dtype: torch.dtype, device: torch.device, offload: bool = False) -> Base:
    """The pipeline in `dtype` on `device`, nothing of it trainable; any way in which that can fail is a sentence."""
    if name.startswith(tiny.PREFIX):
        pipeline = tiny.tiny_pipeline(name).to(dtype=dtype)
        # Threads cost more than they bring at this size, and one sums in the same order on every machine.
        torch.set_num_threads(1)
        license, area_px = tiny.LICENSE, tiny.AREA_PX
        family = family_of(type(pipeline).__name__, where=f"--base {name}")
    else:
        index = read_index(name)
        family = family_of(str(index.get("_class_name")), where=f"--base {name}")
        license, area_px = license_of(name), family.area_px
        pipeline = _load(name, index, family, dtype)
    identity = _identity(pipeline)
    for module in pipeline.components.values():
        if isinstance(module, torch.nn.Module):
            module.eval().requires_grad_(False)
    try:
        # With `offload` text encoder and VAE wait on the CPU until they are wanted.
        (pipeline.transformer if offload else pipeline).to(device)
    except torch.OutOfMemoryError as error:
        raise EnvironmentProblem(
            f"--base {name}: does not fit into the memory of {device}; take a smaller base or a larger GPU"
        ) from error
    pipeline.set_progress_bar_config(disable=True)
    family.patch_pipeline(pipeline)
    return Base(
        name=name,
        family=family,
        pipeline=pipeline,
        license=license,
        identity=identity,
        area_px=area_px,
        dtype=dtype,
    )


def device_of(name: str | None) -> torch.device:
    """The device that `--device` names; where it names none, a GPU if there is one."""
    kind = name or ("cuda" if torch.cuda.is_available() else "cpu")
    try:
        device = torch.device(kind)
    except RuntimeError as error:
        raise UsageError(f"--device {kind}: torch knows no such device; use cpu or cuda") from error
    if device.type not in ("cpu", "cuda"):
        raise UsageError(f"--device {kind}: simgen does not work on such a device; use cpu or cuda")
    if device.type == "cuda" and (device.index or 0) >= torch.cuda.device_count():
        raise UsageError(f"--device {kind}: torch finds no such device here; leave it out to use what is there")
    return device


def read_index(name: str, file: str = "model_index.json") -> dict[str, Any]:
    """A small JSON file of a base; by default the one that says which classes it is made of."""
    path = _file(name, file)
    try:
        index = json.loads(path.read_bytes())
    except (OSError, ValueError) as error:
        raise UsageError(f"--base {name}: its {file} is damaged: {error}") from error
    if not isinstance(index, dict):
        raise UsageError(f"--base {name}: its {file} must hold an object")
    return index


def license_of(name: str) -> str:
    """As the model card says it, with a plain word where it forbids what people expect to be allowed."""
    try:
        text = _file(name, "README.md").read_text(encoding="utf-8", errors="replace")
    except (SimgenError, OSError):
        text = ""
    front = _FRONT_MATTER.match(text)
    try:
        card = yaml.safe_load(front[1]) if front else {}
    except yaml.YAMLError:
        card = {}
    if not isinstance(card, dict) or not card.get("license"):
        return "not stated; look it up before you use what comes out"
    said = str(card.get("license_name") or card["license"])
    link = f", {card['license_link']}" if card.get("license_link") else ""
    limited = _LIMITED.search(said.lower())
    return f"{said}{link}{' (not for commercial use)' if limited else ''}"


def _file(name: str, file: str) -> Path:
    """A small file of a base, from its folder or from the Hub."""
    folder = Path(name).expanduser()
    if folder.is_dir():
        if not (folder / file).is_file():
            raise UsageError(f"--base {name}: holds no {file}; give a folder that a diffusers pipeline was saved in")
        return folder / file
    if name.startswith((".", "/", "~")) or name.count("/") != 1:
        raise UsageError(
            f"--base {name}: no such folder; give one, a Hub id as in Qwen/Qwen-Image-Edit-2511, "
            f"or one of {', '.join(tiny.tiny_names())}"
        )
    try:
        return Path(hf_hub_download(name, file))
    except Exception as error:
        raise _hub_problem(name, error) from error


def _hub_problem(name: str, error: Exception) -> SimgenError:
    """What the Hub's client says, as a sentence about the base."""
    if isinstance(error, GatedRepoError):
        return EnvironmentProblem(
            f"--base {name}: is gated; accept its licence at huggingface.co/{name}, then run `hf auth login`"
        )
    # A repository that is hidden from strangers answers as one that does not exist.
    if isinstance(error, RepositoryNotFoundError):
        return UsageError(
            f"--base {name}: the Hub has no such model, or it is private; check the spelling, or run `hf auth login`"
        )
    if isinstance(error, HFValidationError):
        return UsageError(f"--base {name}: is no Hub id; it must look like Qwen/Qwen-Image-Edit-2511")
    if isinstance(error, EntryNotFoundError) and not isinstance(error, LocalEntryNotFoundError):
        return UsageError(f"--base {name}: holds no diffusers pipeline ({str(error).splitlines()[0]})")
    reason = "" if isinstance(error, LocalEntryNotFoundError) else f" ({_first_sentence(error)})"
    return EnvironmentProblem(
        f"--base {name}: is not on this machine and the Hub cannot be reached{reason}; "
        f"fetch it where there is a network with `hf download {name}`, or give a folder"
    )


def _first_sentence(error: Exception) -> str:
    """The libraries go on with advice to those who call them."""
    first = (str(error).strip().splitlines() or [type(error).__name__])[0]
    return first.partition(". ")[0].rstrip(".")


def _load(name: str, index: dict[str, Any], family: Family, dtype: torch.dtype) -> Pipeline:
    """The stock pipeline, whole, or a sentence that says what is wrong with the base."""
    place = str(Path(name).expanduser()) if Path(name).expanduser().is_dir() else name
    missing = [part for part, of in index.items() if isinstance(of, list) and of[:1] != [None]]
    missing = [part for part in missing if Path(place).is_dir() and not (Path(place) / part).is_dir()]
    if missing:
        raise EnvironmentProblem(f"--base {name}: lacks its folder {missing[0]}/; fetch it again, whole")
    if not sys.stderr.isatty():
        # In a file, bars are a thousand lines.
        for library in (diffusers, transformers):
            library.utils.logging.disable_progress_bar()
    try:
        pipeline = family.load(str(index["_class_name"]), place, dtype=dtype, use_safetensors=True)
    except (GatedRepoError, RepositoryNotFoundError, LocalEntryNotFoundError) as error:
        raise _hub_problem(name, error) from error
    except (OSError, ValueError, LookupError, TypeError, AttributeError, RuntimeError, SafetensorError) as error:
        raise EnvironmentProblem(
            f"--base {name}: cannot be loaded ({_first_sentence(error)}); fetch it again, whole"
        ) from error
    _check_whole(name, pipeline)
    return pipeline


def _check_whole(name: str, pipeline: Pipeline) -> None:
    """What the libraries pass over without a word: layers without weights, and tokenizers without a vocabulary."""
    for part, module in pipeline.components.items():
        if isinstance(module, torch.nn.Module):
            empty = [layer for layer, parameter in module.named_parameters() if parameter.is_meta]
            if empty:
                raise EnvironmentProblem(
                    f"--base {name}: no file in its folder {part}/ holds {empty[0]}; fetch it again, whole"
                )
        tokenizer = getattr(module, "tokenizer", module if "tokenizer" in part else None)
        if tokenizer is not None and tokenizer("a").input_ids == tokenizer("b").input_ids:
            raise EnvironmentProblem(
                f"--base {name}: the tokenizer in its folder {part}/ knows no letters; fetch it again, whole"
            )


def _identity(pipeline: Pipeline) -> str:
    """A digest of the classes, of the configuration of each, and of a few numbers of each weight."""
    digest = hashlib.sha256(type(pipeline).__name__.encode())
    for part_name, part in sorted(pipeline.components.items()):
        stated = getattr(part, "config", None)
        config = {k: v for k, v in stated.items() if not k.startswith("_")} if isinstance(stated, Mapping) else {}
        digest.update(json.dumps([part_name, config], sort_keys=True, default=str).encode())
        for name, weight in part.state_dict().items() if isinstance(part, torch.nn.Module) else ():
            digest.update(name.encode())
            flat = weight.detach().flatten()
            # Rounded: the same weights in another precision are the same base.
            few = flat[:: max(1, len(flat) // 16)][:16].to("cpu", torch.bfloat16).view(torch.int16)
            digest.update(few.numpy().tobytes())
    return digest.hexdigest()[:16]
