"""FLUX.2 dev and klein."""

from typing import Any, ClassVar

import torch
from diffusers import (
    AutoencoderKLFlux2,
    DiffusionPipeline,
    FlowMatchEulerDiscreteScheduler,
    Flux2KleinPipeline,
    Flux2Pipeline,
    Flux2Transformer2DModel,
)
from diffusers.pipelines.flux2.pipeline_flux2 import format_input
from diffusers.pipelines.flux2.pipeline_flux2_klein import compute_empirical_mu
from PIL import Image
from tokenizers.pre_tokenizers import ByteLevel
from torch import Tensor
from transformers import (
    AutoTokenizer,
    Mistral3Config,
    Mistral3ForConditionalGeneration,
    Qwen2Tokenizer,
    Qwen3Config,
    Qwen3ForCausalLM,
)
from transformers.processing_utils import ProcessorMixin
from transformers.utils import is_torchvision_available

from simgen.train.families.base import (
    IMAGE,
    JOINT,
    SAMPLE,
    TEXT,
    Adapters,
    Condition,
    Family,
    Layout,
    Pipeline,
    Released,
    guidance_input,
)
from simgen.train.families.tiny import QWEN_CHAT, language_config, qwen_tokenizer, random_picture

_MISTRAL_SPECIAL = ["<s>", "</s>", "[SYSTEM_PROMPT]", "[/SYSTEM_PROMPT]", "[INST]", "[/INST]"]
_MISTRAL_CHAT = (
    "<s>{% for m in messages %}{% set mark = 'SYSTEM_PROMPT' if m['role'] == 'system' else 'INST' %}"
    "[{{ mark }}]{% for c in m['content'] %}{{ c['text'] }}{% endfor %}[/{{ mark }}]{% endfor %}"
)


class TextOnlyPixtralProcessor(ProcessorMixin):  # type: ignore[misc]
    """The stock processor without the part for pictures, which needs torchvision; the pipeline shows its text encoder
    none. Template and tokens are made by the mixin, as in the stock one."""

    def __init__(self, tokenizer: Any = None, chat_template: str | None = None, **_: Any) -> None:
        super().__init__(tokenizer, chat_template=chat_template)


def _tiny_klein() -> DiffusionPipeline:
    tokenizer = qwen_tokenizer(chat_template=QWEN_CHAT)
    return Flux2KleinPipeline(
        scheduler=FlowMatchEulerDiscreteScheduler(use_dynamic_shifting=True),
        vae=_tiny_vae(),
        # The pipeline reads the states after layers 9, 18 and 27.
        text_encoder=Qwen3ForCausalLM(Qwen3Config(**language_config(len(tokenizer), layers=27, head_dim=8))),
        tokenizer=tokenizer,
        transformer=_tiny_transformer(heads=3, single_layers=2, guidance_embeds=False),
    )


def _tiny_dev() -> DiffusionPipeline:
    tokenizer = _mistral_tokenizer()
    language = language_config(len(tokenizer), layers=31, head_dim=8)
    return Flux2Pipeline(
        scheduler=FlowMatchEulerDiscreteScheduler(use_dynamic_shifting=True),
        vae=_tiny_vae(),
        # The pipeline reads the states after layers 10, 20 and 30, in the real one long before the last, which is
        # normalised.
        text_encoder=Mistral3ForConditionalGeneration(
            Mistral3Config(
                text_config={"model_type": "mistral", "sliding_window": None, **language},
                vision_config={
                    "model_type": "pixtral",
                    "hidden_size": 16,
                    "intermediate_size": 16,
                    "num_hidden_layers": 1,
                    "num_attention_heads": 2,
                },
                image_token_index=tokenizer.convert_tokens_to_ids("[IMG]"),
            )
        ),
        tokenizer=TextOnlyPixtralProcessor(tokenizer, chat_template=tokenizer.chat_template),
        # Wider and deeper than klein, as the real ones: an adapter for one must not fit the other.
        transformer=_tiny_transformer(heads=4, single_layers=3, guidance_embeds=True),
    )


def _tiny_vae() -> AutoencoderKLFlux2:
    vae = AutoencoderKLFlux2(
        block_out_channels=(8, 8, 8, 8),
        layers_per_block=1,
        latent_channels=4,
        norm_num_groups=4,
        mid_block_add_attention=False,
    )
    patches = Flux2Pipeline._patchify_latents(vae.encode(random_picture(3)).latent_dist.mode())
    vae.bn.running_mean.copy_(patches.mean(dim=(0, 2, 3)))
    vae.bn.running_var.copy_(patches.var(dim=(0, 2, 3)))
    return vae


def _tiny_transformer(*, heads: int, single_layers: int, guidance_embeds: bool) -> Flux2Transformer2DModel:
    return Flux2Transformer2DModel(
        in_channels=16,
        num_layers=2,
        num_single_layers=single_layers,
        attention_head_dim=16,
        num_attention_heads=heads,
        joint_attention_dim=48,
        timestep_guidance_channels=32,
        axes_dims_rope=(4, 4, 4, 4),
        guidance_embeds=guidance_embeds,
    )


def _mistral_tokenizer() -> Qwen2Tokenizer:
    """One token a byte, with Mistral's special tokens and its padding in front of the text."""
    vocabulary = {letter: i for i, letter in enumerate(sorted(ByteLevel.alphabet()))}
    return Qwen2Tokenizer(
        vocab=vocabulary,
        merges=[],
        pad_token="<pad>",
        additional_special_tokens=[*_MISTRAL_SPECIAL, "[IMG]", "[IMG_BREAK]", "[IMG_END]"],
        padding_side="left",
        chat_template=_MISTRAL_CHAT,
    )


_LAYOUT = Layout(
    streams={
        r"x_embedder|proj_out|transformer_blocks\.\d+\.(ff\..*|attn\.to_([qkv]|out\.0))": IMAGE,
        r"context_embedder|transformer_blocks\.\d+\.(ff_context\..*|attn\.(add_[qkv]_proj|to_add_out))": TEXT,
        r"single_transformer_blocks\.\d+\.attn\.(to_qkv_mlp_proj|to_out)": JOINT,
        r"time_guidance_embed\..*|(double|single)_stream_modulation.*|norm_out\.linear": SAMPLE,
    },
)


class Flux2(Family):
    """FLUX.2 dev and klein: positions of four axes, latents normalised by statistics of the VAE."""

    name = "flux2"
    pipelines = ("Flux2KleinPipeline", "Flux2Pipeline")
    released: ClassVar = {
        "black-forest-labs/FLUX.2-klein-base-4B": Released(
            transformer="Flux2Transformer2DModel",
            config={
                "num_layers": 5,
                "num_single_layers": 20,
                "num_attention_heads": 24,
                "joint_attention_dim": 7680,
                "guidance_embeds": False,
            },
            license="apache-2.0",
        ),
        "black-forest-labs/FLUX.2-dev": Released(
            transformer="Flux2Transformer2DModel",
            config={},
            license="flux-dev-non-commercial-license (not for commercial use)",
        ),
    }
    tiny: ClassVar = {"flux2": _tiny_klein, "flux2dev": _tiny_dev}
    layouts: ClassVar = {"Flux2Transformer2DModel": _LAYOUT}
    adapters = Adapters(
        attention=(
            r"single_transformer_blocks\.\d+\.attn\.(to_qkv_mlp_proj|to_out)"
            r"|transformer_blocks\.\d+\.attn\.(to_[qkv]|to_out\.0|add_[qkv]_proj|to_add_out)"
        ),
        mlp=r"transformer_blocks\.\d+\.(ff|ff_context)\.linear_(in|out)",
    )
    edit_steps, edit_guidance, empty_prompt = 50, 4.0, ""
    typical_text_tokens = 512
    text_limit = 512

    def pack(self, pipeline: Pipeline, latents: Tensor) -> Tensor:
        packed: Tensor = pipeline._pack_latents(latents)
        return packed

    def encode_text(self, pipeline: Pipeline, instruction: str, start: Image.Image) -> dict[str, Tensor]:
        embeds, _ = pipeline.encode_prompt(prompt=instruction, device=pipeline.text_encoder.device)
        return {"embeds": embeds[0]}

    def count_text(self, pipeline: Pipeline, instruction: str) -> int:
        if isinstance(pipeline, Flux2Pipeline):
            messages = format_input([instruction], system_message=pipeline.system_message)
            said = pipeline.tokenizer.apply_chat_template(messages, tokenize=True, return_dict=True)
            return len(said["input_ids"][0])
        messages = [{"role": "user", "content": instruction}]
        options = {"add_generation_prompt": True, "enable_thinking": False}
        text = pipeline.tokenizer.apply_chat_template(messages, tokenize=False, **options)
        return len(pipeline.tokenizer(text, verbose=False).input_ids)

    def arguments(self, transformer: Any, noisy: Tensor, sigma: Tensor, condition: Condition) -> dict[str, Any]:
        embeds, device = condition.text["embeds"], noisy.device
        batch, words = embeds.shape[:2]
        height, width = condition.grid
        # The first reference stands ten steps away on the first axis, as in the pipelines.
        axes = [torch.arange(n, device=device) for n in (height, width, 1)]
        pictures = torch.cat([torch.cartesian_prod(torch.tensor([t], device=device), *axes) for t in (0, 10)])
        letters = torch.zeros(words, 4, dtype=torch.long, device=device)
        letters[:, 3] = torch.arange(words, device=device)
        return {
            "hidden_states": torch.cat([noisy, condition.reference], dim=1),
            "timestep": sigma,
            "guidance": guidance_input(transformer, condition, noisy),
            "encoder_hidden_states": embeds,
            "txt_ids": letters.expand(batch, -1, -1),
            "img_ids": pictures.expand(batch, -1, -1),
        }

    def edit_arguments(self, pipeline: Pipeline, size: tuple[int, int], steps: int, guidance: float) -> dict[str, Any]:
        width, height = size
        return {"width": width, "height": height, "num_inference_steps": steps, "guidance_scale": guidance}

    def shift(self, pipeline: Pipeline, tokens: int, steps: int) -> float:
        return float(compute_empirical_mu(image_seq_len=tokens, num_steps=steps))

    def load(self, pipeline_class: str, place: str, **options: Any) -> Pipeline:
        if is_torchvision_available() or pipeline_class != "Flux2Pipeline":
            return super().load(pipeline_class, place, **options)
        # diffusers would compare ours with the stock class, of which only a placeholder is there.
        pipeline = super().load(pipeline_class, place, tokenizer=None, **options)
        tokenizer = AutoTokenizer.from_pretrained(place, subfolder="tokenizer")
        pipeline.register_modules(tokenizer=TextOnlyPixtralProcessor(tokenizer, chat_template=tokenizer.chat_template))
        return pipeline
