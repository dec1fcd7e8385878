"""What one training step computes, by formula: a speed without its share of the machine's peak hides a slow step.

A multiplication of an adapter-free, frozen base costs once in the forward pass and once in the backward pass, which
needs gradients with respect to inputs and none with respect to weights. How many rows a linear layer multiplies
follows from its name: its family has a table that says which tokens pass through which layers. Everything that is
no matrix multiplication is left out, as in every published figure.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from torch import nn

from simgen.core.errors import UnknownName, UsageError
from simgen.train.families.base import Layout, Stream, Tokens, families
from simgen.train.methods.base import Forwards

# Queries times keys, then weights times values; going back, flash attention computes the weights again and then
# the gradients of weights, values, queries and keys: five multiplications for two.
_ATTENTION_FORWARD = 4.0
_ATTENTION_BACKWARD = 2.5


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """FLOPs of one sample. Recomputing k blocks in the backward pass adds k * block."""

    forward: float
    backward: float
    """Gradients with respect to inputs, and those of the adapters."""
    block: float
    """The forward pass of a repeated block, on average."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Matmul:
    name: str
    stream: Stream
    adapter: Literal["", "A", "B"]
    flops: float


# What PEFT puts between the name of a layer and its parts.
_PEFT = re.compile(r"\.(?:base_layer|lora_(?P<adapter>[AB])\..+)$")


def step_total(step: Step, forwards: Forwards) -> float:
    """FLOPs of one sample under a training method, without what is computed twice to save memory."""
    return forwards.trained * (step.forward + step.backward) + forwards.frozen * step.forward


def step_flops(transformer: nn.Module, tokens: Tokens) -> Step:
    """FLOPs of one sample's forward and backward pass, the adapters that are in the tree included.

    No gradient is counted for what lies before every adapter: input embedders, conditioning that is computed once a
    sample, blocks before the first that has an adapter. A tree without adapters counts as one that is adapted from
    the first block on. Counted although autograd skips them: the input gradients of the first adapted block's
    projections, and the last block's text branch where nothing reads it; together under half a percent of a
    full-size model.
    """
    kind = type(transformer).__name__
    layouts = {name: layout for family in families() for name, layout in family.layouts.items()}
    if kind not in layouts:
        raise UnknownName("transformer", kind, layouts, where="FLOPs of a step")
    layout, config = layouts[kind], _config(transformer)

    attention = _ATTENTION_FORWARD * layout.pairs(tokens) * config["num_attention_heads"] * config["attention_head_dim"]
    matmuls = list(_matmuls(transformer, layout, tokens, config))
    blocks = _repeated_blocks(transformer)
    adapted = {matmul.name for matmul in matmuls if matmul.adapter}
    first = min((i for i, block in enumerate(blocks) if any(name.startswith(block) for name in adapted)), default=0)

    # The output projection is the one layer outside the blocks that gradients pass through.
    passed = ("proj_out", *blocks[first:])
    backward = sum(_backward(matmul, carries=matmul.name.startswith(passed)) for matmul in matmuls)
    in_blocks = sum(matmul.flops for matmul in matmuls if matmul.name.startswith(blocks)) + attention * len(blocks)
    return Step(
        forward=sum(matmul.flops for matmul in matmuls) + attention * len(blocks),
        backward=backward + _ATTENTION_BACKWARD * attention * len(blocks[first:]),
        block=in_blocks / len(blocks),
    )


def _config(transformer: nn.Module) -> Mapping[str, Any]:
    config: Any = transformer.config
    return dict(config)


def _matmuls(transformer: nn.Module, layout: Layout, tokens: Tokens, config: Mapping[str, Any]) -> Iterator[_Matmul]:
    for path, module in transformer.named_modules():
        if not isinstance(module, nn.Linear):
            continue
        part = _PEFT.search(path)
        name = path[: part.start()] if part else path
        stream = next((stream for pattern, stream in layout.streams.items() if re.fullmatch(pattern, name)), None)
        if stream is None:
            raise UsageError(
                f"FLOPs of a step: {type(transformer).__name__} has a layer {name!r} that its table does not know; "
                "say in the `layouts` of its family (simgen/train/families/) which tokens it sees"
            )
        adapter: Any = part and part["adapter"]
        flops = 2.0 * module.in_features * module.out_features * stream.rows(tokens, config)
        yield _Matmul(name=name, stream=stream, adapter=adapter or "", flops=flops)


def _repeated_blocks(transformer: nn.Module) -> tuple[str, ...]:
    """Names of the blocks with a closing point, in the order in which they run."""
    kinds: Any = transformer._repeated_blocks
    return tuple(f"{name}." for name, module in transformer.named_modules() if type(module).__name__ in kinds)


def _backward(matmul: _Matmul, *, carries: bool) -> float:
    """The gradient of its input, where one is needed, and that of its weight, where it trains."""
    input_needed = matmul.adapter == "B" or (carries and matmul.stream.has_input_gradient)
    return matmul.flops * (input_needed + (matmul.adapter != ""))
