"""Qwen-Image-2.1."""

import math
from collections.abc import Mapping
from typing import Any, ClassVar

import torch
from diffusers import (
    AutoencoderKLQwenImage21,
    DiffusionPipeline,
    QwenImage21Pipeline,
    QwenImage21Transformer2DModel,
)
from PIL import Image
from torch import Tensor
from transformers import Qwen2TokenizerFast, Qwen3VLConfig, Qwen3VLForConditionalGeneration, Qwen3VLProcessor
from transformers.models.qwen2_vl.image_processing_pil_qwen2_vl import Qwen2VLImageProcessorPil
from transformers.utils import is_torchvision_available

from simgen.train.families.base import (
    IMAGE,
    JOINT,
    Adapters,
    Condition,
    Family,
    Grid,
    Layout,
    Pipeline,
    Released,
    Stream,
    Tokens,
)
from simgen.train.families.tiny import (
    QWEN_CHAT,
    QWEN_VISION,
    language_config,
    normalise_latents,
    prepare_image_only,
    qwen_scheduler,
    qwen_tokenizer,
    random_picture,
    special_token_ids,
)


class ImageOnlyQwen3VLProcessor(Qwen3VLProcessor):  # type: ignore[misc]
    """The stock processor without the part for videos, which needs torchvision."""

    def __init__(
        self, image_processor: Any = None, tokenizer: Any = None, chat_template: str | None = None, **_: Any
    ) -> None:
        prepare_image_only(self, image_processor, tokenizer, chat_template)


def _tiny_qwen21() -> DiffusionPipeline:
    tokenizer = qwen_tokenizer()
    ids = special_token_ids(tokenizer)
    vae = AutoencoderKLQwenImage21(
        base_dim=8,
        decoder_base_dim=8,
        z_dim=8,
        dim_mult=[1, 1, 1, 1, 1],
        num_res_blocks=1,
        temperal_downsample=[False, True, True, True],
        latents_mean=[0.0] * 8,
        latents_std=[1.0] * 8,
    )
    normalise_latents(vae, vae.encode(random_picture(4)[:, :, None]).latent_dist.mode())
    processor = ImageOnlyQwen3VLProcessor(Qwen2VLImageProcessorPil(patch_size=16), tokenizer, chat_template=QWEN_CHAT)
    return QwenImage21Pipeline(
        scheduler=qwen_scheduler(),
        vae=vae,
        text_encoder=Qwen3VLForConditionalGeneration(
            Qwen3VLConfig(
                text_config=language_config(len(tokenizer), layers=2, head_dim=8, mrope_section=[2, 1, 1]),
                vision_config={**QWEN_VISION, "deepstack_visual_indexes": [0], "num_position_embeddings": 64},
                **ids,
            )
        ),
        processor=processor,
        transformer=QwenImage21Transformer2DModel(
            in_channels=8,
            out_channels=8,
            num_layers=2,
            attention_head_dim=16,
            num_attention_heads=3,
            context_in_dim=16,
            mlp_ratio=2,
            axes_dims_rope=(8, 4, 4),
        ),
    )


def _block_causal_pairs(tokens: Tokens) -> int:
    """What `QwenImage21AttnProcessor`, the default, computes: one call a segment, over all keys up to its end.

    The reference sees itself, the text behind it both, the target everything; the rectangle of the text is computed
    whole, although half of it is masked. Text before the reference, some eight tokens of template, is counted as if
    it stood behind: too much by the product of both lengths, under one part in ten thousand.
    """
    reference_and_text = tokens.reference + tokens.text
    return tokens.reference**2 + tokens.text * reference_and_text + tokens.target * (reference_and_text + tokens.target)


# Text and the four-token slots of the reference: what the text encoder returned.
_ENCODED = Stream(rows=lambda tokens, config: tokens.text + tokens.reference // 4)
# With causal conditions, text and reference are conditioned on t = 0 as well.
_TIMES = Stream(rows=lambda tokens, config: 2 if config.get("causal_condition") else 1, has_input_gradient=False)
_LAYOUT = Layout(
    streams={
        r"img_in": IMAGE,
        r"txt_in\..*": _ENCODED,
        r"proj_out|transformer_blocks\.\d+\..*": JOINT,
        r"time_text_embed\..*|modulation\.1|norm_out\.linear": _TIMES,
    },
    pairs=_block_causal_pairs,
)


class Qwen21(Family):
    """Qwen-Image-2.1: one sequence in which the reference stands inside the text and the target comes last; pictures
    carry alpha; text and reference do not depend on the noise."""

    name = "qwen21"
    pipelines = ("QwenImage21Pipeline",)
    released: ClassVar = {
        "Qwen/Qwen-Image-2.1": Released(
            transformer="QwenImage21Transformer2DModel",
            config={},
            license="Qwen Research License (not for commercial use)",
        )
    }
    tiny: ClassVar = {"qwen21": _tiny_qwen21}
    layouts: ClassVar = {"QwenImage21Transformer2DModel": _LAYOUT}
    adapters = Adapters(
        attention=r"transformer_blocks\.\d+\.attn\.(to_[qkv]|to_out\.0)",
        mlp=r"transformer_blocks\.\d+\.img_mlp\.(proj|gate_layer|out)",
    )
    edit_steps, edit_guidance, empty_prompt = 40, 1.0, " "
    typical_text_tokens = 64
    # Half of the positions that the transformer knows; the reference takes of the others.
    text_limit = 4096
    batches = False

    def vae_input(self, pictures: Tensor) -> Tensor:
        return torch.cat([pictures, torch.ones_like(pictures[:, :1])], dim=1).unsqueeze(2)

    def pack(self, pipeline: Pipeline, latents: Tensor) -> Tensor:
        batch, channels, _, height, width = latents.shape
        packed: Tensor = pipeline._pack_latents(latents, batch, channels, height, width)
        return packed

    def encode_text(self, pipeline: Pipeline, instruction: str, start: Image.Image) -> dict[str, Tensor]:
        embeds, _, slots = pipeline.encode_prompt(
            prompt=instruction, image=[start.convert("RGBA")], device=pipeline.text_encoder.device
        )
        return {"embeds": embeds[0], "slots": slots[0]}

    def count_text(self, pipeline: Pipeline, instruction: str) -> int:
        return len(pipeline.processor.tokenizer(instruction, verbose=False).input_ids)

    def arguments(self, transformer: Any, noisy: Tensor, sigma: Tensor, condition: Condition) -> dict[str, Any]:
        slots = condition.text["slots"]
        # One slot stands for two by two tokens.
        target = slots.new_ones(len(slots), noisy.shape[1] // 4)
        return {
            "hidden_states": torch.cat([condition.reference, noisy], dim=1),
            "timestep": sigma,
            "encoder_hidden_states": condition.text["embeds"],
            "encoder_hidden_states_mask": None,
            "img_shapes": [[(1, *condition.grid), (1, *condition.grid)]] * len(noisy),
            "img_mask": torch.cat([slots, target], dim=1),
        }

    def velocity(self, transformer: Any, noisy: Tensor, sigma: Tensor, condition: Condition) -> Tensor:
        out: Tensor = transformer(**self.arguments(transformer, noisy, sigma, condition), return_dict=False)[0]
        return out[:, -noisy.shape[1] :]

    def text_tokens(self, text: Mapping[str, Tensor]) -> int:
        return int((~text["slots"]).sum())

    def grid(self, pipeline: Pipeline, width: int, height: int) -> Grid:
        return height // pipeline.vae_scale_factor, width // pipeline.vae_scale_factor

    def edit_arguments(self, pipeline: Pipeline, size: tuple[int, int], steps: int, guidance: float) -> dict[str, Any]:
        width, height = size
        uses_cfg = {"true_cfg_scale": guidance, "negative_prompt": " "} if guidance > 1 else {"true_cfg_scale": 1.0}
        return {
            "width": width,
            "height": height,
            "output_resolution": math.sqrt(width * height),
            "num_inference_steps": steps,
            **uses_cfg,
        }

    def load(self, pipeline_class: str, place: str, **options: Any) -> Pipeline:
        if not is_torchvision_available():
            tokenizer = Qwen2TokenizerFast.from_pretrained(place, subfolder="processor")
            pictures = Qwen2VLImageProcessorPil.from_pretrained(place, subfolder="processor")
            template = tokenizer.chat_template
            options["processor"] = ImageOnlyQwen3VLProcessor(pictures, tokenizer, chat_template=template)
        return super().load(pipeline_class, place, **options)
