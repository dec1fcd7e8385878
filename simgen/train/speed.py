"""What makes a step fast and small: kept activations, compiled blocks, attention kernels, and the measure of it."""

import functools
import time
from typing import Any

import torch
from torch.utils.checkpoint import checkpoint

from simgen.errors import UsageError

ATTENTION = ("_flash_3", "_native_cudnn", "native")
"""Kernels in the order of their speed on Hopper cards; the first that the machine has is taken."""


def blocks(transformer: Any) -> list[torch.nn.Module]:
    """The repeated blocks, where nearly all work and memory is."""
    return [m for m in transformer.modules() if type(m).__name__ in transformer._repeated_blocks]


def recompute(transformer: Any, count: int) -> None:
    """Keep no activations of so many blocks, evenly spread: they are made again in the backward pass."""
    found = blocks(transformer)
    chosen = {id(found[i * len(found) // count]) for i in range(count)} if count else set()

    def run(block: torch.nn.Module, *arguments: Any) -> Any:
        if id(block) in chosen:
            return checkpoint(block, *arguments, use_reentrant=False)
        return block(*arguments)

    if count:
        transformer.enable_gradient_checkpointing(run)
    else:
        transformer.disable_gradient_checkpointing()


def least_recompute(transformer: Any, trial: Any) -> int:
    """How few blocks must be made again for `trial`, a forward and backward pass of the largest batch, to fit."""
    total = len(blocks(transformer))
    tried = sorted({round(total * share / 8) for share in range(9)})
    for count in tried:
        recompute(transformer, count)
        try:
            trial()
            return count
        except torch.OutOfMemoryError:
            if count == total:
                raise
        torch.cuda.empty_cache()
    return total


def compile_blocks(transformer: Any, *, backend: str = "inductor") -> None:
    """Compile the repeated blocks, one graph for all of a kind, for any number of tokens."""
    transformer.compile_repeated_blocks(fullgraph=True, dynamic=True, backend=backend)


def choose_attention(transformer: Any, wanted: str) -> str:
    """Set the attention kernel; returns its name."""
    if wanted == "auto" and transformer.device.type != "cuda":
        return "native"
    problem: Exception | None = None
    for name in ATTENTION if wanted == "auto" else (wanted,):
        try:
            transformer.set_attention_backend(name)
            return name
        except (ValueError, RuntimeError, ImportError, AttributeError) as error:
            problem = error
    first = (str(problem).strip().splitlines() or ["not there"])[0]
    raise UsageError(f"attention: {wanted!r} cannot be used here ({first}); leave it at auto")


@functools.cache
def matmul_peak(device: torch.device, dtype: torch.dtype) -> float:
    """FLOP/s of a large matrix product here and now: what a step is measured against."""
    size = 8192 if device.type == "cuda" else 768
    a, b = (torch.randn(size, size, device=device, dtype=dtype) for _ in range(2))
    best = 0.0
    for _ in range(8):
        began = time.perf_counter()
        a @ b
        if device.type == "cuda":
            torch.cuda.synchronize(device)
        best = max(best, 2 * size**3 / (time.perf_counter() - began))
    return best


def peak_memory_bytes(device: torch.device) -> int:
    """Of the device since the start; nothing on the CPU, where it would be the process's."""
    return torch.cuda.max_memory_allocated(device) if device.type == "cuda" else 0
