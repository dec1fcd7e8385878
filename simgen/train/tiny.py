"""Editors of the real classes, a few thousand weights each, made in memory: what `--base tiny:NAME` stands for.

They cannot edit. Everything that is not a weight is as in the real ones: latents, tokens, positions, text templates,
schedule, adapters. Nothing is downloaded: a byte-level tokenizer without merges reads any text.
"""

import string
from collections.abc import Callable, Iterable
from typing import Any

import torch
from diffusers import (
    AutoencoderKL,
    AutoencoderKLFlux2,
    AutoencoderKLQwenImage,
    AutoencoderKLQwenImage21,
    DiffusionPipeline,
    FlowMatchEulerDiscreteScheduler,
    Flux2KleinPipeline,
    Flux2Pipeline,
    Flux2Transformer2DModel,
    FluxKontextPipeline,
    FluxTransformer2DModel,
    QwenImage21Pipeline,
    QwenImage21Transformer2DModel,
    QwenImageEditPlusPipeline,
    QwenImageTransformer2DModel,
)
from tokenizers.pre_tokenizers import ByteLevel
from transformers import (
    CLIPTextConfig,
    CLIPTextModel,
    CLIPTokenizer,
    Mistral3Config,
    Mistral3ForConditionalGeneration,
    Qwen2_5_VLConfig,
    Qwen2_5_VLForConditionalGeneration,
    Qwen2Tokenizer,
    Qwen3Config,
    Qwen3ForCausalLM,
    Qwen3VLConfig,
    Qwen3VLForConditionalGeneration,
    T5Config,
    T5EncoderModel,
    T5Tokenizer,
)
from transformers.models.qwen2_vl.image_processing_pil_qwen2_vl import Qwen2VLImageProcessorPil

from simgen.core.errors import UnknownName
from simgen.train.processors import ImageOnlyQwen2VLProcessor, ImageOnlyQwen3VLProcessor, TextOnlyPixtralProcessor

PREFIX = "tiny:"
AREA_PX = 128 * 128
"""Pixels of a picture that these models like: what two cores train in a fraction of a second."""

_SPECIAL = [
    *("<|im_start|>", "<|im_end|>", "<|vision_start|>", "<|vision_end|>", "<|vision_pad|>"),
    *("<|image_pad|>", "<|video_pad|>"),
]
_VISION = {"depth": 2, "hidden_size": 16, "intermediate_size": 16, "num_heads": 2, "out_hidden_size": 16}
_CHAT = (
    "{% for m in messages %}<|im_start|>{{ m['role'] }}\n"
    "{% if m['content'] is string %}{{ m['content'] }}{% else %}{% for c in m['content'] %}{{ c['text'] }}{% endfor %}"
    "{% endif %}<|im_end|>\n{% endfor %}{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)
_MISTRAL_SPECIAL = ["<s>", "</s>", "[SYSTEM_PROMPT]", "[/SYSTEM_PROMPT]", "[INST]", "[/INST]"]
_MISTRAL_CHAT = (
    "<s>{% for m in messages %}{% set mark = 'SYSTEM_PROMPT' if m['role'] == 'system' else 'INST' %}"
    "[{{ mark }}]{% for c in m['content'] %}{{ c['text'] }}{% endfor %}[/{{ mark }}]{% endfor %}"
)


def tiny_pipeline(base: str, *, seed: int = 0) -> DiffusionPipeline:
    """The pipeline that `tiny:NAME` names, in float32 on the CPU; the same seed gives the same weights."""
    name = base.removeprefix(PREFIX)
    if name not in _BUILDERS:
        raise UnknownName("tiny base", name, _BUILDERS, where=f"--base {base}")
    # The global generator is what the models' constructors draw from; it is left as it was found.
    with torch.random.fork_rng(devices=[]), torch.no_grad():
        torch.manual_seed(seed)
        pipeline = _BUILDERS[name]()
        # After the last normalisation a feature is of size one; small random weights could not make a velocity of it.
        torch.nn.init.orthogonal_(pipeline.transformer.proj_out.weight)
    for module in pipeline.components.values():
        if isinstance(module, torch.nn.Module):
            # Models that are made from a configuration come in training mode, and T5 has dropout.
            module.eval().requires_grad_(False)
    pipeline.set_progress_bar_config(disable=True)
    return pipeline


def tiny_names() -> tuple[str, ...]:
    return tuple(PREFIX + name for name in _BUILDERS)


def _qwen() -> DiffusionPipeline:
    tokenizer = _qwen_tokenizer()
    ids = _special_ids(tokenizer)
    vae = AutoencoderKLQwenImage(
        base_dim=8,
        z_dim=4,
        dim_mult=[1, 1, 1, 1],
        num_res_blocks=1,
        temperal_downsample=[False, True, True],
        latents_mean=[0.0] * 4,
        latents_std=[1.0] * 4,
    )
    _normalise(vae, vae.encode(_picture(3)[:, :, None]).latent_dist.mode())
    return QwenImageEditPlusPipeline(
        scheduler=_qwen_scheduler(),
        vae=vae,
        text_encoder=Qwen2_5_VLForConditionalGeneration(
            Qwen2_5_VLConfig(
                text_config=_language(len(tokenizer), layers=2, mrope_section=[1, 1, 2]),
                vision_config=_VISION,
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


def _qwen21() -> DiffusionPipeline:
    tokenizer = _qwen_tokenizer()
    ids = _special_ids(tokenizer)
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
    _normalise(vae, vae.encode(_picture(4)[:, :, None]).latent_dist.mode())
    processor = ImageOnlyQwen3VLProcessor(Qwen2VLImageProcessorPil(patch_size=16), tokenizer, chat_template=_CHAT)
    return QwenImage21Pipeline(
        scheduler=_qwen_scheduler(),
        vae=vae,
        text_encoder=Qwen3VLForConditionalGeneration(
            Qwen3VLConfig(
                text_config=_language(len(tokenizer), layers=2, head_dim=8, mrope_section=[2, 1, 1]),
                vision_config={**_VISION, "deepstack_visual_indexes": [0], "num_position_embeddings": 64},
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


def _kontext() -> DiffusionPipeline:
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
    latents = vae.encode(_picture(3)).latent_dist.mode()
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


def _flux2() -> DiffusionPipeline:
    tokenizer = _qwen_tokenizer(chat_template=_CHAT)
    return Flux2KleinPipeline(
        scheduler=FlowMatchEulerDiscreteScheduler(use_dynamic_shifting=True),
        vae=_flux2_vae(),
        # The pipeline reads the states after layers 9, 18 and 27.
        text_encoder=Qwen3ForCausalLM(Qwen3Config(**_language(len(tokenizer), layers=27, head_dim=8))),
        tokenizer=tokenizer,
        transformer=_flux2_transformer(heads=3, single_layers=2, guidance_embeds=False),
    )


def _flux2_dev() -> DiffusionPipeline:
    tokenizer = _mistral_tokenizer()
    language = _language(len(tokenizer), layers=31, head_dim=8)
    return Flux2Pipeline(
        scheduler=FlowMatchEulerDiscreteScheduler(use_dynamic_shifting=True),
        vae=_flux2_vae(),
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
        transformer=_flux2_transformer(heads=4, single_layers=3, guidance_embeds=True),
    )


def _flux2_vae() -> AutoencoderKLFlux2:
    vae = AutoencoderKLFlux2(
        block_out_channels=(8, 8, 8, 8),
        layers_per_block=1,
        latent_channels=4,
        norm_num_groups=4,
        mid_block_add_attention=False,
    )
    patches = Flux2Pipeline._patchify_latents(vae.encode(_picture(3)).latent_dist.mode())
    vae.bn.running_mean.copy_(patches.mean(dim=(0, 2, 3)))
    vae.bn.running_var.copy_(patches.var(dim=(0, 2, 3)))
    return vae


def _flux2_transformer(*, heads: int, single_layers: int, guidance_embeds: bool) -> Flux2Transformer2DModel:
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


_BUILDERS: dict[str, Callable[[], DiffusionPipeline]] = {
    "qwen": _qwen,
    "kontext": _kontext,
    "flux2": _flux2,
    "flux2dev": _flux2_dev,
    "qwen21": _qwen21,
}


def _qwen_scheduler() -> FlowMatchEulerDiscreteScheduler:
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


def _language(
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


def _qwen_tokenizer(**options: object) -> Qwen2Tokenizer:
    """One token a byte, and the special ones."""
    vocabulary = {letter: i for i, letter in enumerate(sorted(ByteLevel.alphabet()))}
    return Qwen2Tokenizer(vocab=vocabulary, merges=[], additional_special_tokens=_SPECIAL, **options)


def _mistral_tokenizer() -> Qwen2Tokenizer:
    """Likewise, with Mistral's special tokens and its padding in front of the text."""
    vocabulary = {letter: i for i, letter in enumerate(sorted(ByteLevel.alphabet()))}
    return Qwen2Tokenizer(
        vocab=vocabulary,
        merges=[],
        pad_token="<pad>",
        additional_special_tokens=[*_MISTRAL_SPECIAL, "[IMG]", "[IMG_BREAK]", "[IMG_END]"],
        padding_side="left",
        chat_template=_MISTRAL_CHAT,
    )


def _special_ids(tokenizer: Qwen2Tokenizer) -> dict[str, int]:
    names = {
        "image_token_id": "<|image_pad|>",
        "video_token_id": "<|video_pad|>",
        "vision_start_token_id": "<|vision_start|>",
        "vision_end_token_id": "<|vision_end|>",
    }
    return {name: tokenizer.convert_tokens_to_ids(token) for name, token in names.items()}


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


def _picture(channels: int) -> torch.Tensor:
    """Soft blobs with a little noise, [1, channels, 64, 64] in -1 to 1: as flat as a photograph."""
    blobs = torch.nn.functional.interpolate(torch.randn(1, channels, 6, 6), size=64, mode="bicubic")
    return (0.5 * blobs + 0.03 * torch.randn(1, channels, 64, 64)).clamp(-1, 1)


def _normalise(vae: AutoencoderKLQwenImage | AutoencoderKLQwenImage21, latents: torch.Tensor) -> None:
    """Give a random encoder the mean and deviation that its latents really have: training then sees a signal of the
    usual size."""
    vae.register_to_config(
        latents_mean=latents.mean(dim=(0, 2, 3, 4)).tolist(), latents_std=latents.std(dim=(0, 2, 3, 4)).tolist()
    )
