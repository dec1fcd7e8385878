"""What a run would take, without loading a weight: from the base's configuration, on the meta device. That of the
released models is known here; only for another Hub id two small files are asked of the Hub."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import diffusers
import torch
from diffusers import DiffusionPipeline

from simgen.core.errors import UsageError
from simgen.dataset.progress import duration
from simgen.train import speed
from simgen.train.adapter import Adapter
from simgen.train.base import device_of, license_of, read_index
from simgen.train.config import TrainConfig
from simgen.train.data.examples import full_size
from simgen.train.data.pairs import open_pairs
from simgen.train.families import tiny
from simgen.train.families.base import Family, Tokens, family_of, released_base
from simgen.train.flops import Step, step_flops, step_total
from simgen.train.loop import example_config_of, precision
from simgen.train.methods.base import method_class

_EFFICIENCY = 0.5
"""Of the measured rate of a large matrix product: what a good training step reaches."""
_KEPT = 22
"""Vectors of the model's width that a block keeps of every token: 68.8 GB over 60 blocks of 3072 and 8448 tokens in
bfloat16, counted on Qwen-Image-Edit with adapters in attention and feed-forward layers."""
_BYTES_TRAINED = 4 * 5
"""A trained number in the optimiser: itself, gradient, two moments, average."""


def estimate(config: TrainConfig, *, data: Sequence[str], device: str | None) -> dict[str, str]:
    """Rows of name and text."""
    chosen = device_of(device)
    dtype = precision(config, chosen)
    transformer, family, license, area_px = skeleton(config.base, dtype)
    example_config = example_config_of(config, family, area_px=area_px, is_tiny=config.base.startswith(tiny.PREFIX))
    adapter = Adapter(
        transformer, family, rank=config.rank, alpha=config.alpha, layers=config.layers, seed=config.seed, dtype=dtype
    )
    pairs, held_out = (open_pairs(data, split=split) for split in ("train", "test"))
    widths, heights = pairs.sizes.max(axis=0)
    full = full_size(int(widths), int(heights), example_config)
    crop = (min(example_config.crop_px, full[0]), min(example_config.crop_px, full[1]))
    steps = {name: _step(transformer, family, size) for name, size in (("full", full), ("crop", crop))}
    share = {"full": 1 - config.crop_share, "crop": config.crop_share}
    forwards = method_class(config.method).forwards
    totals = {name: step_total(step, forwards) for name, step in steps.items()}
    flops = config.batch * sum(share[name] * total for name, total in totals.items())
    peak = speed.matmul_peak(chosen, dtype)
    frozen = sum(p.numel() for p in transformer.parameters()) - len(adapter)
    weights = frozen * (1 if config.fp8 else dtype.itemsize)
    trained = len(adapter) * (_BYTES_TRAINED + 2 * dtype.itemsize)
    kept = config.micro_batch * _kept_bytes(transformer, family, full, dtype)
    seconds = flops / (_EFFICIENCY * peak)
    return {
        "base": f"{config.base} ({family.name}), licence: {license}",
        "data": f"{len(pairs)} pairs to train on, {len(held_out)} held out; {config.batch * config.steps} seen, "
        f"{config.batch * config.steps / len(pairs):.3g} of each",
        "sizes": f"full {full[0]} x {full[1]} in {100 * share['full']:.0f} % of the steps, "
        f"crops {crop[0]} x {crop[1]} in the others",
        "parameters": f"{frozen / 1e9:.3g} B frozen, {len(adapter) / 1e6:.3g} M trained in "
        f"{len(adapter.names) // 2} layers",
        "memory": f"about {(weights + trained + kept) / 1e9:.3g} GB: base {weights / 1e9:.3g}, adapters and optimiser "
        f"{trained / 1e9:.3g}, activations {kept / 1e9:.3g} with no block recomputed; text encoder and VAE on top",
        "FLOPs": f"{flops / 1e12:.4g} T a step: full {totals['full'] / 1e12:.4g} T, crop "
        f"{totals['crop'] / 1e12:.4g} T a sample",
        "time": f"about {duration(seconds * config.steps)} for {config.steps} steps of {seconds:.2g} s, at half of "
        f"{peak / 1e12:.3g} TFLOP/s, which {chosen.type} reached just now",
    }


def skeleton(name: str, dtype: torch.dtype) -> tuple[torch.nn.Module, Family, str, int]:
    """The transformer of a base without its weights, its family, its licence, and the area that it likes."""
    where = f"--base {name}"
    if name.startswith(tiny.PREFIX):
        pipeline: DiffusionPipeline = tiny.tiny_pipeline(name).to(dtype=dtype)
        family = family_of(type(pipeline).__name__, where=where)
        return pipeline.transformer, family, tiny.LICENSE, tiny.AREA_PX
    if (known := released_base(name)) is not None and not Path(name).is_dir():
        family, base = known
        transformer = _on_meta(getattr(diffusers, base.transformer), base.config, dtype)
        return transformer, family, base.license, family.area_px
    index = read_index(name)
    family = family_of(str(index.get("_class_name")), where=where)
    try:
        made = getattr(diffusers, index["transformer"][1])
    except (KeyError, IndexError, TypeError, AttributeError) as error:
        raise UsageError(f"{where}: its model_index.json names no transformer that diffusers knows") from error
    transformer = _on_meta(made, read_index(name, "transformer/config.json"), dtype)
    return transformer, family, license_of(name), family.area_px


def _on_meta(made: Any, config: Mapping[str, Any], dtype: torch.dtype) -> torch.nn.Module:
    """A transformer of diffusers that has shapes and no numbers."""
    with torch.device("meta"):
        transformer: torch.nn.Module = made.from_config(dict(config)).to(dtype)
    return transformer.eval().requires_grad_(False)


def _step(transformer: torch.nn.Module, family: Family, size: tuple[int, int]) -> Step:
    tokens = _tokens(family, size)
    return step_flops(transformer, Tokens(target=tokens, reference=tokens, text=family.typical_text_tokens))


def _tokens(family: Family, size: tuple[int, int]) -> int:
    return (size[0] // family.token_px) * (size[1] // family.token_px)


def _kept_bytes(transformer: Any, family: Family, size: tuple[int, int], dtype: torch.dtype) -> int:
    """What one sample leaves in memory for the backward pass when every block keeps its activations."""
    config = transformer.config
    width = config["num_attention_heads"] * config["attention_head_dim"]
    tokens = 2 * _tokens(family, size) + family.typical_text_tokens
    return int(_KEPT * width * tokens * len(speed.blocks(transformer)) * dtype.itemsize)
