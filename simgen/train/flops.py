"""What one training step computes, by formula: a speed without its share of the machine's peak hides a slow step.

A multiplication of an adapter-free, frozen base costs once in the forward pass and once in the backward pass, which
needs gradients with respect to inputs and none with respect to weights. How many rows a linear layer multiplies
follows from its name: a table for each transformer says which tokens pass through which layers. Everything that is
no matrix multiplication is left out, as in every published figure.
"""

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from torch import nn

from simgen.core.errors import UnknownName, UsageError

# Queries times keys, then weights times values; going back, flash attention computes the weights again and then
# the gradients of weights, values, queries and keys: five multiplications for two.
_ATTENTION_FORWARD = 4.0
_ATTENTION_BACKWARD = 2.5

# Which rows pass through a layer: those of both pictures, the text, all of them, what the text encoder returned,
# or one a sample. `times` is one for each time that conditions the sample: two where text and reference see t = 0.
_Stream = Literal["image", "text", "joint", "encoded", "sample", "times"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Tokens:
    """One sample, in tokens of the transformer. Text is what is neither picture: the slots that Qwen-Image-2.1's
    text encoder keeps for the reference are counted from the reference, four tokens a slot."""

    target: int
    """Of the picture that is denoised."""
    reference: int
    """Of the picture that is edited."""
    text: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """FLOPs of one sample. Recomputing k blocks in the backward pass adds k * block."""

    forward: float
    backward: float
    """Gradients with respect to inputs, and those of the adapters."""
    block: float
    """The forward pass of a repeated block, on average."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Layout:
    streams: Mapping[str, _Stream]
    """Pattern of a whole layer name -> the rows it sees."""
    pairs: Callable[[Tokens], int]
    """Query-key pairs that one block's attention computes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Matmul:
    name: str
    stream: _Stream
    adapter: Literal["", "A", "B"]
    flops: float


def _all_pairs(tokens: Tokens) -> int:
    return (tokens.target + tokens.reference + tokens.text) ** 2


def _block_causal_pairs(tokens: Tokens) -> int:
    """What `QwenImage21AttnProcessor`, the default, computes: one call a segment, over all keys up to its end.

    The reference sees itself, the text behind it both, the target everything; the rectangle of the text is computed
    whole, although half of it is masked. Text before the reference, some eight tokens of template, is counted as if
    it stood behind: too much by the product of both lengths, under one part in ten thousand.
    """
    reference_and_text = tokens.reference + tokens.text
    return tokens.reference**2 + tokens.text * reference_and_text + tokens.target * (reference_and_text + tokens.target)


_LAYOUTS = {
    "QwenImageTransformer2DModel": _Layout(
        streams={
            r"img_in|proj_out|transformer_blocks\.\d+\.(img_mlp\..*|attn\.to_([qkv]|out\.0))": "image",
            r"txt_in|transformer_blocks\.\d+\.(txt_mlp\..*|attn\.(add_[qkv]_proj|to_add_out))": "text",
            r"time_text_embed\..*|transformer_blocks\.\d+\.img_mod\.1": "times",
            r"norm_out\.linear|transformer_blocks\.\d+\.txt_mod\.1": "sample",
        },
        pairs=_all_pairs,
    ),
    "FluxTransformer2DModel": _Layout(
        streams={
            r"x_embedder|proj_out|transformer_blocks\.\d+\.(ff\..*|attn\.to_([qkv]|out\.0))": "image",
            r"context_embedder|transformer_blocks\.\d+\.(ff_context\..*|attn\.(add_[qkv]_proj|to_add_out))": "text",
            r"single_transformer_blocks\.\d+\.(proj_mlp|proj_out|attn\.to_[qkv])": "joint",
            r"time_text_embed\..*|norm_out\.linear": "sample",
            r"transformer_blocks\.\d+\.norm1(_context)?\.linear|single_transformer_blocks\.\d+\.norm\.linear": "sample",
        },
        pairs=_all_pairs,
    ),
    "Flux2Transformer2DModel": _Layout(
        streams={
            r"x_embedder|proj_out|transformer_blocks\.\d+\.(ff\..*|attn\.to_([qkv]|out\.0))": "image",
            r"context_embedder|transformer_blocks\.\d+\.(ff_context\..*|attn\.(add_[qkv]_proj|to_add_out))": "text",
            r"single_transformer_blocks\.\d+\.attn\.(to_qkv_mlp_proj|to_out)": "joint",
            r"time_guidance_embed\..*|(double|single)_stream_modulation.*|norm_out\.linear": "sample",
        },
        pairs=_all_pairs,
    ),
    "QwenImage21Transformer2DModel": _Layout(
        streams={
            r"img_in": "image",
            r"txt_in\..*": "encoded",
            r"proj_out|transformer_blocks\.\d+\..*": "joint",
            r"time_text_embed\..*|modulation\.1|norm_out\.linear": "times",
        },
        pairs=_block_causal_pairs,
    ),
}
# What PEFT puts between the name of a layer and its parts.
_PEFT = re.compile(r"\.(?:base_layer|lora_(?P<adapter>[AB])\..+)$")


def step_flops(transformer: nn.Module, tokens: Tokens) -> Step:
    """FLOPs of one sample's forward and backward pass, the adapters that are in the tree included.

    No gradient is counted for what lies before every adapter: input embedders, conditioning that is computed once a
    sample, blocks before the first that has an adapter. A tree without adapters counts as one that is adapted from
    the first block on. Counted although autograd skips them: the input gradients of the first adapted block's
    projections, and the last block's text branch where nothing reads it; together under half a percent of a
    full-size model.
    """
    kind = type(transformer).__name__
    if kind not in _LAYOUTS:
        raise UnknownName("transformer", kind, _LAYOUTS, where="FLOPs of a step")
    layout, config = _LAYOUTS[kind], _config(transformer)

    attention = _ATTENTION_FORWARD * layout.pairs(tokens) * config["num_attention_heads"] * config["attention_head_dim"]
    matmuls = list(_matmuls(transformer, layout, _rows(tokens, config)))
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


def _rows(tokens: Tokens, config: Mapping[str, Any]) -> dict[_Stream, int]:
    pictures = tokens.target + tokens.reference
    zero_time = config.get("zero_cond_t") or config.get("causal_condition")
    return {
        "image": pictures,
        "text": tokens.text,
        "joint": pictures + tokens.text,
        "encoded": tokens.text + tokens.reference // 4,
        "sample": 1,
        "times": 2 if zero_time else 1,
    }


def _matmuls(transformer: nn.Module, layout: _Layout, rows: Mapping[_Stream, int]) -> Iterator[_Matmul]:
    for path, module in transformer.named_modules():
        if not isinstance(module, nn.Linear):
            continue
        part = _PEFT.search(path)
        name = path[: part.start()] if part else path
        stream = next((stream for pattern, stream in layout.streams.items() if re.fullmatch(pattern, name)), None)
        if stream is None:
            raise UsageError(
                f"FLOPs of a step: {type(transformer).__name__} has a layer {name!r} that its table does not know; "
                "say in simgen/train/flops.py which tokens it sees"
            )
        adapter: Any = part and part["adapter"]
        flops = 2.0 * module.in_features * module.out_features * rows[stream]
        yield _Matmul(name=name, stream=stream, adapter=adapter or "", flops=flops)


def _repeated_blocks(transformer: nn.Module) -> tuple[str, ...]:
    """Names of the blocks with a closing point, in the order in which they run."""
    kinds: Any = transformer._repeated_blocks
    return tuple(f"{name}." for name, module in transformer.named_modules() if type(module).__name__ in kinds)


def _backward(matmul: _Matmul, *, carries: bool) -> float:
    """The gradient of its input, where one is needed, and that of its weight, where it trains."""
    input_needed = matmul.adapter == "B" or (carries and matmul.stream not in ("sample", "times"))
    return matmul.flops * (input_needed + (matmul.adapter != ""))
