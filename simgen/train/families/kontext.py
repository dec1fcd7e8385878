"""FLUX.1 Kontext."""

import string
from collections.abc import Iterable
from typing import Any, ClassVar

import torch
from diffusers import (
    AutoencoderKL,
    DiffusionPipeline,
    FlowMatchEulerDiscreteScheduler,
    FluxKontextPipeline,
    FluxTransformer2DModel,
)
from PIL import Image
from tokenizers.pre_tokenizers import ByteLevel
from torch import Tensor
from transformers import CLIPTextConfig, CLIPTextModel, CLIPTokenizer, T5Config, T5EncoderModel, T5Tokenizer

from simgen.train.families.base import (
    IMAGE,
    JOINT,
    SAMPLE,
    TEXT,
    Adapters,
    Condition,
    Family,
    Grid,
    Layout,
    Pipeline,
    Released,
    guidance_input,
)
from simgen.train.families.tiny import random_picture


def _tiny_kontext() -> DiffusionPipeline:
    clip_tokenizer, t5_tokenizer = _clip_tokenizer(), _t5_tokenizer()
    vae = AutoencoderKL(
        down_block_types=("DownEncoderBlock2D",) * 4,
        up_block_types=("UpDecoderBlock2D",) * 4,
        block_out_channels=(8, 8, 8, 8),
        layers_per_block=1,
        latent_channels=4,
        norm_num_groups=4,
        mid_block_add_attention=False,
        use_quant_conv=False,
        use_post_quant_conv=False,
        scaling_factor=1.0,
        shift_factor=0.0,
    )
    latents = vae.encode(random_picture(3)).latent_dist.mode()
    vae.register_to_config(shift_factor=float(latents.mean()), scaling_factor=1 / float(latents.std()))
    return FluxKontextPipeline(
        scheduler=FlowMatchEulerDiscreteScheduler(
            use_dynamic_shifting=True, base_shift=0.5, max_shift=1.15, base_image_seq_len=256, max_image_seq_len=4096
        ),
        vae=vae,
        text_encoder=CLIPTextModel(
            CLIPTextConfig(
                vocab_size=len(clip_tokenizer),
                bos_token_id=0,
                eos_token_id=1,
                pad_token_id=1,
                hidden_size=32,
                intermediate_size=32,
                num_attention_heads=4,
                num_hidden_layers=2,
                projection_dim=32,
            )
        ),
        text_encoder_2=T5EncoderModel(
            T5Config(
                vocab_size=len(t5_tokenizer),
                d_model=32,
                d_kv=8,
                d_ff=32,
                num_layers=2,
                num_heads=4,
                feed_forward_proj="gated-gelu",
            )
        ),
        tokenizer=clip_tokenizer,
        tokenizer_2=t5_tokenizer,
        transformer=FluxTransformer2DModel(
            patch_size=1,
            in_channels=16,
            num_layers=2,
            num_single_layers=2,
            attention_head_dim=16,
            num_attention_heads=3,
            joint_attention_dim=32,
            pooled_projection_dim=32,
            axes_dims_rope=(4, 4, 8),
            guidance_embeds=True,
        ),
    )


def _clip_tokenizer() -> CLIPTokenizer:
    """One token a byte, and one for each byte that ends a word."""
    letters = sorted(ByteLevel.alphabet())
    tokens: Iterable[str] = ["<|startoftext|>", "<|endoftext|>", *letters, *(letter + "</w>" for letter in letters)]
    return CLIPTokenizer(vocab={token: i for i, token in enumerate(tokens)}, merges=[], model_max_length=77)


def _t5_tokenizer() -> T5Tokenizer:
    """One token a printable letter."""
    pieces = [("<pad>", 0.0), ("</s>", 0.0), ("<unk>", 0.0), ("▁", -2.0)]
    pieces += [(letter, -3.0) for letter in string.printable if not letter.isspace()]
    return T5Tokenizer(vocab=pieces, extra_ids=0, model_max_length=512)


_LAYOUT = Layout(
    streams={
        r"x_embedder|proj_out|transformer_blocks\.\d+\.(ff\..*|attn\.to_([qkv]|out\.0))": IMAGE,
        r"context_embedder|transformer_blocks\.\d+\.(ff_context\..*|attn\.(add_[qkv]_proj|to_add_out))": TEXT,
        r"single_transformer_blocks\.\d+\.(proj_mlp|proj_out|attn\.to_[qkv])": JOINT,
        r"time_text_embed\..*|norm_out\.linear": SAMPLE,
        r"transformer_blocks\.\d+\.norm1(_context)?\.linear|single_transformer_blocks\.\d+\.norm\.linear": SAMPLE,
    },
)


class Kontext(Family):
    """FLUX.1 Kontext: target, then reference with a one in the first position axis; the text sees no picture."""

    name = "kontext"
    pipelines = ("FluxKontextPipeline",)
    released: ClassVar = {
        "black-forest-labs/FLUX.1-Kontext-dev": Released(
            transformer="FluxTransformer2DModel",
            config={"guidance_embeds": True},
            license="flux-1-dev-non-commercial-license (not for commercial use)",
        )
    }
    tiny: ClassVar = {"kontext": _tiny_kontext}
    layouts: ClassVar = {"FluxTransformer2DModel": _LAYOUT}
    adapters = Adapters(
        attention=(
            r"(single_)?transformer_blocks\.\d+\.attn\.(to_[qkv]|to_out\.0|add_[qkv]_proj|to_add_out)"
            r"|single_transformer_blocks\.\d+\.proj_out"
        ),
        mlp=(r"transformer_blocks\.\d+\.(ff|ff_context)\.net\.(0\.proj|2)|single_transformer_blocks\.\d+\.proj_mlp"),
    )
    edit_steps, edit_guidance, empty_prompt = 28, 2.5, ""
    typical_text_tokens = 512
    text_limit = 512

    def pack(self, pipeline: Pipeline, latents: Tensor) -> Tensor:
        packed: Tensor = pipeline._pack_latents(latents, *latents.shape)
        return packed

    def encode_text(self, pipeline: Pipeline, instruction: str, start: Image.Image) -> dict[str, Tensor]:
        embeds, pooled, _ = pipeline.encode_prompt(
            prompt=instruction, prompt_2=None, device=pipeline.text_encoder.device
        )
        return {"embeds": embeds[0], "pooled": pooled[0]}

    def count_text(self, pipeline: Pipeline, instruction: str) -> int:
        # Of T5, which reads the words; CLIP sums up the first 77 tokens in one vector.
        return len(pipeline.tokenizer_2(instruction, verbose=False).input_ids)

    def arguments(self, transformer: Any, noisy: Tensor, sigma: Tensor, condition: Condition) -> dict[str, Any]:
        embeds = condition.text["embeds"]
        ids = torch.cat([_positions(condition.grid, first, noisy) for first in (0, 1)])
        return {
            "hidden_states": torch.cat([noisy, condition.reference], dim=1),
            "timestep": sigma,
            "guidance": guidance_input(transformer, condition, noisy),
            "pooled_projections": condition.text["pooled"],
            "encoder_hidden_states": embeds,
            "txt_ids": embeds.new_zeros(embeds.shape[1], 3),
            "img_ids": ids,
        }

    def edit_arguments(self, pipeline: Pipeline, size: tuple[int, int], steps: int, guidance: float) -> dict[str, Any]:
        width, height = size
        return {
            "width": width,
            "height": height,
            # Its rounding down must not lose a pixel row to the last bit of a square root.
            "max_area": width * height + 1,
            "_auto_resize": False,
            "num_inference_steps": steps,
            "guidance_scale": guidance,
        }


def _positions(grid: Grid, first: int, like: Tensor) -> Tensor:
    """(first, row, column) of every token, [tokens, 3]."""
    rows, columns = torch.meshgrid(*(torch.arange(n) for n in grid), indexing="ij")
    stacked = torch.stack([torch.full_like(rows, first), rows, columns], dim=-1)
    return stacked.reshape(-1, 3).to(like.device, like.dtype)
