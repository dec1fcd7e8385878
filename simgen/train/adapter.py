"""Low-rank adapters: in the graph in the precision of the base, in the optimiser in float32.

PEFT would make adapters on a bfloat16 base float32 and cast every input to that: 37 GB more activations for a 20
billion base. And AdamW on bfloat16 weights at a rate of 1e-4 does nothing: the step is below their resolution. So
the graph has one flat tensor in its own precision, the optimiser another one in float32, and after each step the
second is copied into the first.
"""

import contextlib
import math
from collections.abc import Iterator
from typing import Any

import torch
from peft import LoraConfig
from peft.utils import get_peft_model_state_dict
from safetensors import SafetensorError
from torch import Tensor

from simgen.core.errors import OutputError, UsageError
from simgen.train.families.base import Family


class Adapter:
    """The trainable weights of a run; lives as long as the transformer that it was put into."""

    def __init__(
        self,
        transformer: Any,
        family: Family,
        *,
        rank: int,
        alpha: float | None = None,
        layers: str = "all",
        seed: int = 0,
        dtype: torch.dtype | None = None,
    ) -> None:
        """`dtype` is that of the graph; by default that of the base."""
        config = LoraConfig(
            r=rank,
            lora_alpha=alpha or rank,
            init_lora_weights="gaussian",
            target_modules=_pattern(family, layers, last=len(transformer.transformer_blocks) - 1),
        )
        with torch.random.fork_rng():
            torch.manual_seed(seed)
            transformer.add_adapter(config)
        self.transformer = transformer
        named = [(name, p) for name, p in transformer.named_parameters() if p.requires_grad]
        if not named:
            raise UsageError(f"{type(transformer).__name__}: no layer has a name of the family {family.name}")
        self.names = tuple(name for name, _ in named)
        self._parameters = [parameter for _, parameter in named]
        self.sizes = tuple(parameter.numel() for parameter in self._parameters)
        first = self._parameters[0]
        graph_dtype = dtype or (first.dtype if first.dtype.itemsize > 1 else torch.bfloat16)
        self.master = torch.cat([p.detach().float().flatten() for p in self._parameters])
        """Float32, flat: what the optimiser moves."""
        self._graph = torch.zeros_like(self.master, dtype=graph_dtype)
        self._graph_gradient = torch.zeros_like(self._graph)
        self.gradient = torch.zeros_like(self.master)
        """Float32, flat: the sum over the micro-batches of a step."""
        for parameter, values, gradients in zip(
            self._parameters,
            self._split(self._graph),
            self._split(self._graph_gradient),
            strict=True,
        ):
            parameter.data = values.view(parameter.shape)
            parameter.grad = gradients.view(parameter.shape)
        self.show(self.master)

    @property
    def dtype(self) -> torch.dtype:
        return self._graph.dtype

    def __len__(self) -> int:
        """How many numbers are trained."""
        return int(self.master.numel())

    def _split(self, flat: Tensor) -> tuple[Tensor, ...]:
        return torch.split(flat, list(self.sizes))

    def show(self, values: Tensor) -> None:
        """Give the graph these values, flat and in float32."""
        with torch.no_grad():
            self._graph.copy_(values)

    @contextlib.contextmanager
    def showing(self, values: Tensor) -> Iterator[None]:
        """The graph has these values while this is open."""
        self.show(values)
        try:
            yield
        finally:
            self.show(self.master)

    def start_step(self) -> None:
        self.gradient.zero_()
        self._graph_gradient.zero_()

    def gather(self) -> None:
        """Add what a micro-batch has left in the graph."""
        # bfloat16 sums of many small gradients lose the small ones.
        self.gradient.add_(self._graph_gradient)
        self._graph_gradient.zero_()

    def silent(self) -> tuple[str, ...]:
        """Names of the adapters that the last step left without any gradient."""
        parts = self._split(self.gradient)
        return tuple(name for name, part in zip(self.names, parts, strict=True) if not part.any())

    def state(self) -> dict[str, Tensor]:
        """As diffusers saves it, of what the graph shows now."""
        state = get_peft_model_state_dict(self.transformer)
        return {name: tensor.detach().clone().contiguous().cpu() for name, tensor in state.items()}


def _pattern(family: Family, layers: str, *, last: int) -> str:
    """Which layers get an adapter, as PEFT takes it: a pattern of whole names."""
    chosen = family.adapters
    unused = f"(?!{chosen.unused.replace('{last}', str(last))})" if chosen.unused else ""
    wanted = chosen.attention if layers == "attention" else f"{chosen.attention}|{chosen.mlp}"
    return f"{unused}({wanted})"


def attach(pipeline: Any, path: str) -> None:
    """Put a LoRA file or the folder of a run into a pipeline, with diffusers' own loader."""
    try:
        # Without that word diffusers goes on to pickled weights where it finds no others.
        pipeline.load_lora_weights(path, use_safetensors=True)
    except (OSError, ValueError, KeyError, RuntimeError, SafetensorError) as error:
        first = (str(error).strip().splitlines() or [type(error).__name__])[0]
        raise OutputError(f"--lora {path}: cannot be loaded into this base ({first})") from error


def average(ema: Tensor, master: Tensor, *, step: int, decay: float) -> None:
    """Move a running average on; it is short at first, so that the start is soon forgotten."""
    ema.lerp_(master, 1 - min(decay, (1 + step) / (10 + step)))


def rate(step: int, *, peak: float, warmup_steps: int) -> float:
    """Of the step with this number, from 0: a straight rise, then constant, whatever the length of the run."""
    return peak * min(1.0, (step + 1) / (warmup_steps + 1))


def norm(gradient: Tensor) -> float:
    """Of all gradients; not finite where any of them is not."""
    found = float(torch.linalg.vector_norm(gradient))
    return found if math.isfinite(found) else math.nan
