"""Qwen-Image-Edit-2509 and -2511."""

import contextlib
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, ClassVar

import torch
from diffusers import (
    AutoencoderKLQwenImage,
    DiffusionPipeline,
    QwenImageEditPlusPipeline,
    QwenImageTransformer2DModel,
)
from diffusers.pipelines.qwenimage import pipeline_qwenimage_edit_plus as edit_plus
from PIL import Image
from torch import Tensor
from transformers import Qwen2_5_VLConfig, Qwen2_5_VLForConditionalGeneration, Qwen2TokenizerFast, Qwen2VLProcessor
from transformers.models.qwen2_vl.image_processing_pil_qwen2_vl import Qwen2VLImageProcessorPil
from transformers.utils import is_torchvision_available

from simgen.train.families.base import (
    IMAGE,
    SAMPLE,
    TEXT,
    Adapters,
    Condition,
    Family,
    Layout,
    Pipeline,
    Released,
    Stream,
    guidance_input,
)
from simgen.train.families.tiny import (
    QWEN_VISION,
    language_config,
    normalise_latents,
    prepare_image_only,
    qwen_scheduler,
    qwen_tokenizer,
    random_picture,
    special_token_ids,
)


class ImageOnlyQwen2VLProcessor(Qwen2VLProcessor):  # type: ignore[misc]
    """The stock processor without the part for videos, which needs torchvision."""

    def __init__(
        self, image_processor: Any = None, tokenizer: Any = None, chat_template: str | None = None, **_: Any
    ) -> None:
        prepare_image_only(self, image_processor, tokenizer, chat_template)


def _tiny_qwen() -> DiffusionPipeline:
    tokenizer = qwen_tokenizer()
    ids = special_token_ids(tokenizer)
    vae = AutoencoderKLQwenImage(
        base_dim=8,
        z_dim=4,
        dim_mult=[1, 1, 1, 1],
        num_res_blocks=1,
        temperal_downsample=[False, True, True],
        latents_mean=[0.0] * 4,
        latents_std=[1.0] * 4,
    )
    normalise_latents(vae, vae.encode(random_picture(3)[:, :, None]).latent_dist.mode())
    return QwenImageEditPlusPipeline(
        scheduler=qwen_scheduler(),
        vae=vae,
        text_encoder=Qwen2_5_VLForConditionalGeneration(
            Qwen2_5_VLConfig(
                text_config=language_config(len(tokenizer), layers=2, mrope_section=[1, 1, 2]),
                vision_config=QWEN_VISION,
                **ids,
            )
        ),
        tokenizer=tokenizer,
        processor=ImageOnlyQwen2VLProcessor(Qwen2VLImageProcessorPil(), tokenizer),
        transformer=QwenImageTransformer2DModel(
            patch_size=2,
            in_channels=16,
            out_channels=4,
            num_layers=2,
            attention_head_dim=16,
            num_attention_heads=3,
            joint_attention_dim=16,
            guidance_embeds=False,
            axes_dims_rope=(8, 4, 4),
        ),
    )


# With `zero_cond_t`, a field of the transformer's configuration, text and reference are conditioned on t = 0 as well.
_TIMES = Stream(rows=lambda tokens, config: 2 if config.get("zero_cond_t") else 1, has_input_gradient=False)
_LAYOUT = Layout(
    streams={
        r"img_in|proj_out|transformer_blocks\.\d+\.(img_mlp\..*|attn\.to_([qkv]|out\.0))": IMAGE,
        r"txt_in|transformer_blocks\.\d+\.(txt_mlp\..*|attn\.(add_[qkv]_proj|to_add_out))": TEXT,
        r"time_text_embed\..*|transformer_blocks\.\d+\.img_mod\.1": _TIMES,
        r"norm_out\.linear|transformer_blocks\.\d+\.txt_mod\.1": SAMPLE,
    },
)


class QwenEdit(Family):
    """Qwen-Image-Edit-2509 and -2511, and models of their layout: target, then reference; text that has seen the
    reference. `zero_cond_t` of 2511 is a field of the transformer's configuration and its own business."""

    name = "qwen"
    pipelines = ("QwenImageEditPlusPipeline",)
    released: ClassVar = dict.fromkeys(
        ("Qwen/Qwen-Image-Edit-2509", "Qwen/Qwen-Image-Edit-2511"),
        Released(transformer="QwenImageTransformer2DModel", config={}, license="apache-2.0"),
    )
    tiny: ClassVar = {"qwen": _tiny_qwen}
    layouts: ClassVar = {"QwenImageTransformer2DModel": _LAYOUT}
    adapters = Adapters(
        attention=r"transformer_blocks\.\d+\.attn\.(to_[qkv]|to_out\.0|add_[qkv]_proj|to_add_out)",
        mlp=r"transformer_blocks\.\d+\.(img|txt)_mlp\.net\.(0\.proj|2)",
        # The text stream ends in the last block: only its keys and values are read.
        unused=r"transformer_blocks\.{last}\.(attn\.(add_q_proj|to_add_out)|txt_mlp\..*)",
    )
    edit_steps, edit_guidance, empty_prompt = 40, 4.0, " "
    typical_text_tokens = 256
    # What the pipeline states and does not check: from about 3900 on it fails.
    text_limit = 1024

    def vae_input(self, pictures: Tensor) -> Tensor:
        return pictures.unsqueeze(2)

    def pack(self, pipeline: Pipeline, latents: Tensor) -> Tensor:
        batch, channels, _, height, width = latents.shape
        packed: Tensor = pipeline._pack_latents(latents, batch, channels, height, width)
        return packed

    def encode_text(self, pipeline: Pipeline, instruction: str, start: Image.Image) -> dict[str, Tensor]:
        width, height = edit_plus.calculate_dimensions(edit_plus.CONDITION_IMAGE_SIZE, start.width / start.height)
        seen = [pipeline.image_processor.resize(start, height, width)]
        embeds, _ = pipeline.encode_prompt(image=seen, prompt=instruction, device=pipeline.text_encoder.device)
        return {"embeds": embeds[0]}

    def count_text(self, pipeline: Pipeline, instruction: str) -> int:
        return len(pipeline.tokenizer(instruction, verbose=False).input_ids)

    def collate(self, texts: Sequence[Mapping[str, Tensor]]) -> dict[str, Tensor]:
        lengths = [len(text["embeds"]) for text in texts]
        embeds = torch.nn.utils.rnn.pad_sequence([text["embeds"] for text in texts], batch_first=True)
        if len(set(lengths)) == 1:
            # A mask that masks nothing would still cost the fast attention kernels.
            return {"embeds": embeds}
        valid = torch.arange(max(lengths))[None, :] < torch.tensor(lengths)[:, None]
        return {"embeds": embeds, "valid": valid.long().to(embeds.device)}

    def arguments(self, transformer: Any, noisy: Tensor, sigma: Tensor, condition: Condition) -> dict[str, Any]:
        return {
            "hidden_states": torch.cat([noisy, condition.reference], dim=1),
            "timestep": sigma,
            "guidance": guidance_input(transformer, condition, noisy),
            "encoder_hidden_states": condition.text["embeds"],
            "encoder_hidden_states_mask": condition.text.get("valid"),
            "img_shapes": [[(1, *condition.grid), (1, *condition.grid)]] * len(noisy),
        }

    def edit_arguments(self, pipeline: Pipeline, size: tuple[int, int], steps: int, guidance: float) -> dict[str, Any]:
        width, height = size
        uses_cfg = {"true_cfg_scale": guidance, "negative_prompt": " "} if guidance > 1 else {"true_cfg_scale": 1.0}
        return {"width": width, "height": height, "num_inference_steps": steps, **uses_cfg}

    def patch_pipeline(self, pipeline: Pipeline) -> None:
        """diffusers 0.42.1 does not tell the text encoder which tokens are pictures, and transformers 5 then counts
        positions along the line instead of across the picture, without a word (diffusers issue 14194)."""

        def mark_pictures(
            module: Any, arguments: tuple[Any, ...], kwargs: dict[str, Any]
        ) -> tuple[Any, dict[str, Any]]:
            if kwargs.get("mm_token_type_ids") is None and kwargs.get("image_grid_thw") is not None:
                ids = kwargs["input_ids"]
                kwargs["mm_token_type_ids"] = (ids == module.config.image_token_id).to(ids.dtype)
            return arguments, kwargs

        pipeline.text_encoder.register_forward_pre_hook(mark_pictures, with_kwargs=True)

    @contextlib.contextmanager
    def native_size(self, size: tuple[int, int]) -> Iterator[None]:
        # The pipeline resizes every reference to this many pixels; it reads the constant when it is called.
        before = edit_plus.VAE_IMAGE_SIZE
        edit_plus.VAE_IMAGE_SIZE = size[0] * size[1]
        try:
            yield
        finally:
            edit_plus.VAE_IMAGE_SIZE = before

    def load(self, pipeline_class: str, place: str, **options: Any) -> Pipeline:
        if not is_torchvision_available():
            tokenizer = Qwen2TokenizerFast.from_pretrained(place, subfolder="processor")
            pictures = Qwen2VLImageProcessorPil.from_pretrained(place, subfolder="processor")
            template = tokenizer.chat_template
            options["processor"] = ImageOnlyQwen2VLProcessor(pictures, tokenizer, chat_template=template)
        return super().load(pipeline_class, place, **options)
