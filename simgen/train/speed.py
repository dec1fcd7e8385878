"""What makes a step fast and small: kept activations, compiled blocks, attention kernels, and the measure of it."""

import functools
import time
from collections.abc import Callable
from typing import Any

import torch
from diffusers.models.attention_dispatch import AttentionBackendName, dispatch_attention_fn
from torch.utils.checkpoint import checkpoint

from simgen.core.errors import UsageError

ATTENTION = ("_flash_3", "_native_cudnn", "native")
"""Kernels in the order of their speed on Hopper cards; the first that trains on the machine is taken."""
_GRAPHS = 64
"""Dynamo gives up on a block after eight graphs by default. Training takes three of them (the first block, whose input
needs no gradient, the last, which has fewer adapters, and all others), and fp8 as many again."""


def blocks(transformer: Any) -> list[torch.nn.Module]:
    """The repeated blocks, where nearly all work and memory is."""
    return [m for m in transformer.modules() if type(m).__name__ in transformer._repeated_blocks]


def checkpoint_blocks(transformer: Any, count: int) -> None:
    """Activation checkpointing of so many blocks, evenly spread: they keep no activations and are computed again in the
    backward pass."""
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


def fewest_checkpointed(transformer: Any, trial: Callable[[], None], *, reserve_bytes: int) -> int:
    """The fewest blocks to checkpoint for `trial`, a forward and backward pass of the largest batch, to fit beside
    what is still to come."""
    total = len(blocks(transformer))
    for count in sorted({round(total * share / 8) for share in range(9)}):
        checkpoint_blocks(transformer, count)
        reserved = None
        try:
            reserved = torch.empty(reserve_bytes, dtype=torch.uint8, device=transformer.device)
            trial()
            return count
        except torch.OutOfMemoryError:
            if count == total:
                raise
        finally:
            del reserved
        torch.cuda.empty_cache()
    return total


def compile_blocks(transformer: Any, *, backend: str = "inductor") -> None:
    """Compile the repeated blocks, one graph for all of a kind, for any number of tokens. Validation should run them
    as they were: it would ask for further graphs, and under `fullgraph` too many are an error."""
    torch._dynamo.config.recompile_limit = max(torch._dynamo.config.recompile_limit, _GRAPHS)
    transformer.compile_repeated_blocks(fullgraph=True, dynamic=True, backend=backend)


def choose_attention(transformer: Any, wanted: str, *, masked: bool = False) -> str:
    """Set the attention kernel; returns its name. One counts as there when a small product has gone forward and back
    through it: some have no gradient, some take no mask, some are wrappers of what is not installed."""
    if wanted == "auto" and transformer.device.type != "cuda":
        return "native"
    problem: Exception | None = None
    for name in ATTENTION if wanted == "auto" else (wanted,):
        try:
            _try_attention(transformer, name, masked=masked)
            transformer.set_attention_backend(name)
            return name
        except Exception as error:  # each of them fails in a way of its own
            problem = error
    first = (str(problem).strip().splitlines() or [type(problem).__name__])[0]
    raise UsageError(f"attention: {wanted!r} cannot be used here ({first}); leave it at auto")


def _try_attention(transformer: Any, name: str, *, masked: bool) -> None:
    config, tokens = transformer.config, 128
    shape = (1, tokens, config["num_attention_heads"], config["attention_head_dim"])
    dtype = next(transformer.parameters()).dtype
    dtype = dtype if dtype.itemsize > 1 else torch.bfloat16
    q, k, v = (torch.randn(shape, device=transformer.device, dtype=dtype, requires_grad=True) for _ in range(3))
    mask = torch.ones(1, 1, 1, tokens, device=transformer.device, dtype=torch.bool) if masked else None
    out = dispatch_attention_fn(q, k, v, attn_mask=mask, backend=AttentionBackendName(name))
    out.float().sum().backward()
    if q.grad is None or not bool(q.grad.isfinite().all()):
        raise ValueError("no gradient comes back through it")


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
