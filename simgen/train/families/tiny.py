"""Editors of the real classes, a few thousand weights each, made in memory: what `--base tiny:NAME` stands for.

They cannot edit. Everything that is not a weight is as in the real ones: latents, tokens, positions, text templates,
schedule, adapters. Nothing is downloaded: a byte-level tokenizer without merges reads any text. Each family builds its
own, from the parts here that several of them share.
"""

from typing import Any

import torch
from diffusers import DiffusionPipeline, FlowMatchEulerDiscreteScheduler
from tokenizers.pre_tokenizers import ByteLevel
from transformers import Qwen2Tokenizer
from transformers.processing_utils import ProcessorMixin

from simgen.core.errors import UnknownName
from simgen.train.families.base import families

PREFIX = "tiny:"
LICENSE = "made by simgen, Apache-2.0"
AREA_PX = 128 * 128
"""Pixels of a picture that these models like: what two cores train in a fraction of a second."""

_QWEN_SPECIAL = [
    *("<|im_start|>", "<|im_end|>", "<|vision_start|>", "<|vision_end|>", "<|vision_pad|>"),
    *("<|image_pad|>", "<|video_pad|>"),
]
QWEN_VISION = {"depth": 2, "hidden_size": 16, "intermediate_size": 16, "num_heads": 2, "out_hidden_size": 16}
QWEN_CHAT = (
    "{% for m in messages %}<|im_start|>{{ m['role'] }}\n"
    "{% if m['content'] is string %}{{ m['content'] }}{% else %}{% for c in m['content'] %}{{ c['text'] }}{% endfor %}"
    "{% endif %}<|im_end|>\n{% endfor %}{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)


def tiny_pipeline(base: str, *, seed: int = 0) -> DiffusionPipeline:
    """The pipeline that `tiny:NAME` names, in float32 on the CPU; the same seed gives the same weights."""
    name = base.removeprefix(PREFIX)
    builders = {tiny: build for family in families() for tiny, build in family.tiny.items()}
    if name not in builders:
        raise UnknownName("tiny base", name, builders, where=f"--base {base}")
    # The global generator is what the models' constructors draw from; it is left as it was found.
    with torch.random.fork_rng(devices=[]), torch.no_grad():
        torch.manual_seed(seed)
        pipeline = builders[name]()
        # After the last normalisation a feature is of size one; small random weights could not make a velocity of it.
        torch.nn.init.orthogonal_(pipeline.transformer.proj_out.weight)
    for module in pipeline.components.values():
        if isinstance(module, torch.nn.Module):
            # Models that are made from a configuration come in training mode, and T5 has dropout.
            module.eval().requires_grad_(False)
    pipeline.set_progress_bar_config(disable=True)
    return pipeline


def tiny_names() -> tuple[str, ...]:
    return tuple(PREFIX + name for family in families() for name in family.tiny)


def qwen_scheduler() -> FlowMatchEulerDiscreteScheduler:
    """With the constants of the released models."""
    return FlowMatchEulerDiscreteScheduler(
        use_dynamic_shifting=True,
        base_shift=0.5,
        max_shift=0.9,
        base_image_seq_len=256,
        max_image_seq_len=8192,
        shift_terminal=0.02,
        time_shift_type="exponential",
    )


def language_config(
    vocabulary: int, *, layers: int, head_dim: int | None = None, mrope_section: list[int] | None = None
) -> dict[str, Any]:
    rope = {"rope_type": "default", "rope_theta": 1e6}
    return {
        "vocab_size": vocabulary,
        "hidden_size": 16,
        "intermediate_size": 16,
        "num_hidden_layers": layers,
        "num_attention_heads": 2,
        "num_key_value_heads": 2,
        "max_position_embeddings": 4096,
        "rope_parameters": rope | ({"mrope_section": mrope_section} if mrope_section else {}),
        **({"head_dim": head_dim} if head_dim else {}),
    }


def qwen_tokenizer(**options: object) -> Qwen2Tokenizer:
    """One token a byte, and the special ones."""
    vocabulary = {letter: i for i, letter in enumerate(sorted(ByteLevel.alphabet()))}
    return Qwen2Tokenizer(vocab=vocabulary, merges=[], additional_special_tokens=_QWEN_SPECIAL, **options)


def special_token_ids(tokenizer: Qwen2Tokenizer) -> dict[str, int]:
    names = {
        "image_token_id": "<|image_pad|>",
        "video_token_id": "<|video_pad|>",
        "vision_start_token_id": "<|vision_start|>",
        "vision_end_token_id": "<|vision_end|>",
    }
    return {name: tokenizer.convert_tokens_to_ids(token) for name, token in names.items()}


def prepare_image_only(processor: Any, image_processor: Any, tokenizer: Any, chat_template: str | None) -> None:
    """What the constructor of a processor of Qwen-VL does, without the part for videos."""
    processor.image_token, processor.video_token = "<|image_pad|>", "<|video_pad|>"
    processor.vision_start_token, processor.vision_end_token = "<|vision_start|>", "<|vision_end|>"
    for name in ("image_token", "video_token", "vision_start_token", "vision_end_token"):
        setattr(processor, f"{name}_id", tokenizer.convert_tokens_to_ids(getattr(processor, name)))
    ProcessorMixin.__init__(processor, image_processor, tokenizer, chat_template=chat_template)


def random_picture(channels: int) -> torch.Tensor:
    """Soft blobs with a little noise, [1, channels, 64, 64] in -1 to 1: as flat as a photograph."""
    blobs = torch.nn.functional.interpolate(torch.randn(1, channels, 6, 6), size=64, mode="bicubic")
    return (0.5 * blobs + 0.03 * torch.randn(1, channels, 64, 64)).clamp(-1, 1)


def normalise_latents(vae: Any, latents: torch.Tensor) -> None:
    """Give a random encoder the mean and deviation that its latents really have: training then sees a signal of the
    usual size."""
    vae.register_to_config(
        latents_mean=latents.mean(dim=(0, 2, 3, 4)).tolist(), latents_std=latents.std(dim=(0, 2, 3, 4)).tolist()
    )
