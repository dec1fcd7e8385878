"""What the editors have in common, and where they differ: four layouts cover the open ones.

A family turns pictures and words into what its transformer reads, exactly as its stock diffusers pipeline does when
it edits (a test compares the two, argument by argument), says which linear layers get an adapter, and how to edit.
"""

import contextlib
import math
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, TypeAlias

import torch
from diffusers.pipelines.flux2.pipeline_flux2_klein import compute_empirical_mu
from diffusers.pipelines.qwenimage import pipeline_qwenimage_edit_plus as edit_plus
from PIL import Image
from torch import Tensor

from simgen.core.errors import UsageError

Pipeline: TypeAlias = Any
"""A diffusers pipeline; they share no type that would name their parts."""
Grid: TypeAlias = tuple[int, int]
"""Height and width of a picture in tokens."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Condition:
    """What a transformer is told of a batch beside the noisy picture."""

    reference: Tensor
    """[B, tokens, channels], the picture that is edited."""
    text: Mapping[str, Tensor]
    """As `Family.words` gives it, with a batch in front."""
    grid: Grid
    """Of target and reference, which have one size."""
    guidance: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Adapters:
    """Which linear layers get an adapter: patterns of full names in the transformer."""

    attention: str
    mlp: str
    idle: str = ""
    """Of these no gradient ever comes, `{last}` being the last block: what they make is not used any more."""


class Family(ABC):
    """One way to lay out pictures and words for a transformer."""

    name: ClassVar[str]
    pipelines: ClassVar[tuple[str, ...]]
    """Classes of diffusers that work this way."""
    adapters: ClassVar[Adapters]
    grain_px: ClassVar[int] = 32
    """Width and height of a picture are multiples of this: what the pipelines round sizes to."""
    area_px: ClassVar[int] = 1024 * 1024
    """Pixels of the pictures that the released models were trained on."""
    edit_steps: ClassVar[int]
    edit_guidance: ClassVar[float]
    """What the stock pipeline, or its model card, edits with."""
    batches: ClassVar[bool] = True
    """False where texts of different length cannot stand in one batch."""
    usual_words: ClassVar[int]
    """Text tokens of an ordinary instruction, for estimates."""
    no_words: ClassVar[str]
    """What the pipeline takes for an empty instruction when it edits with guidance."""

    def encode_pictures(self, pipeline: Pipeline, pictures: Tensor) -> Tensor:
        """Packed, normalised latents [B, tokens, channels] of pictures [B, 3, H, W] in -1 to 1."""
        vae = pipeline.vae
        latents = pipeline._encode_vae_image(self.shaped(pictures.to(vae.device, vae.dtype)), None)
        return self.pack(pipeline, latents)

    def shaped(self, pictures: Tensor) -> Tensor:
        """The pictures as the VAE of this family takes them."""
        return pictures

    @abstractmethod
    def pack(self, pipeline: Pipeline, latents: Tensor) -> Tensor: ...

    @abstractmethod
    def words(self, pipeline: Pipeline, instruction: str, start: Image.Image) -> dict[str, Tensor]:
        """What the text encoder makes of an instruction and the picture it is about, without a batch dimension."""

    @abstractmethod
    def arguments(self, transformer: Any, noisy: Tensor, sigma: Tensor, condition: Condition) -> dict[str, Any]:
        """Keyword arguments of the transformer; `noisy` is [B, tokens, channels], `sigma` [B] in 0 to 1."""

    @abstractmethod
    def edit_arguments(self, pipeline: Pipeline, size: tuple[int, int], steps: int, guidance: float) -> dict[str, Any]:
        """Arguments with which the stock pipeline edits a picture of this size (width, height) without resizing."""

    def velocity(self, transformer: Any, noisy: Tensor, sigma: Tensor, condition: Condition) -> Tensor:
        """What the transformer says of the noisy picture: [B, tokens, channels], noise minus picture."""
        out: Tensor = transformer(**self.arguments(transformer, noisy, sigma, condition), return_dict=False)[0]
        return out[:, : noisy.shape[1]]

    def shift(self, pipeline: Pipeline, tokens: int, steps: int) -> float:
        """`mu` of the timestep shift with which the stock pipeline edits a picture of so many tokens."""
        config = pipeline.scheduler.config
        return float(
            edit_plus.calculate_shift(
                tokens,
                config.get("base_image_seq_len", 256),
                config.get("max_image_seq_len", 4096),
                config.get("base_shift", 0.5),
                config.get("max_shift", 1.15),
            )
        )

    def text_tokens(self, text: Mapping[str, Tensor]) -> int:
        """How many tokens of a text the transformer sees, without pictures that stand in it."""
        return len(text["embeds"])

    def grid(self, pipeline: Pipeline, width: int, height: int) -> Grid:
        """Height and width in tokens of a picture."""
        token_px = pipeline.vae_scale_factor * 2
        return height // token_px, width // token_px

    def mend(self, pipeline: Pipeline) -> None:  # noqa: B027
        """Put right what the stock pipeline gets wrong, for training and editing alike."""

    @contextlib.contextmanager
    def native_size(self, size: tuple[int, int]) -> Iterator[None]:
        """While this is open the stock pipeline leaves pictures of this size as they are."""
        yield

    def collate(self, texts: Sequence[Mapping[str, Tensor]]) -> dict[str, Tensor]:
        """Texts as one batch."""
        return {name: torch.stack([text[name] for text in texts]) for name in texts[0]}


class QwenEdit(Family):
    """Qwen-Image-Edit-2509 and -2511, and models of their layout: target, then reference; text that has seen the
    reference. `zero_cond_t` of 2511 is a field of the transformer's configuration and its own business."""

    name = "qwen"
    pipelines = ("QwenImageEditPlusPipeline",)
    adapters = Adapters(
        attention=r"transformer_blocks\.\d+\.attn\.(to_[qkv]|to_out\.0|add_[qkv]_proj|to_add_out)",
        mlp=r"transformer_blocks\.\d+\.(img|txt)_mlp\.net\.(0\.proj|2)",
        # The text stream ends in the last block: only its keys and values are read.
        idle=r"transformer_blocks\.{last}\.(attn\.(add_q_proj|to_add_out)|txt_mlp\..*)",
    )
    edit_steps, edit_guidance, no_words = 40, 4.0, " "
    usual_words = 256

    def shaped(self, pictures: Tensor) -> Tensor:
        return pictures.unsqueeze(2)

    def pack(self, pipeline: Pipeline, latents: Tensor) -> Tensor:
        batch, channels, _, height, width = latents.shape
        packed: Tensor = pipeline._pack_latents(latents, batch, channels, height, width)
        return packed

    def words(self, pipeline: Pipeline, instruction: str, start: Image.Image) -> dict[str, Tensor]:
        width, height = edit_plus.calculate_dimensions(edit_plus.CONDITION_IMAGE_SIZE, start.width / start.height)
        seen = [pipeline.image_processor.resize(start, height, width)]
        embeds, _ = pipeline.encode_prompt(image=seen, prompt=instruction, device=pipeline.text_encoder.device)
        return {"embeds": embeds[0]}

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
            "guidance": _guidance(transformer, condition, noisy),
            "encoder_hidden_states": condition.text["embeds"],
            "encoder_hidden_states_mask": condition.text.get("valid"),
            "img_shapes": [[(1, *condition.grid), (1, *condition.grid)]] * len(noisy),
        }

    def edit_arguments(self, pipeline: Pipeline, size: tuple[int, int], steps: int, guidance: float) -> dict[str, Any]:
        width, height = size
        uses_cfg = {"true_cfg_scale": guidance, "negative_prompt": " "} if guidance > 1 else {"true_cfg_scale": 1.0}
        return {"width": width, "height": height, "num_inference_steps": steps, **uses_cfg}

    def mend(self, pipeline: Pipeline) -> None:
        """diffusers 0.42.1 does not tell the text encoder which tokens are pictures, and transformers 5 then counts
        positions along the line instead of across the picture, without a word (diffusers issue 14194)."""

        def told(module: Any, arguments: tuple[Any, ...], kwargs: dict[str, Any]) -> tuple[Any, dict[str, Any]]:
            if kwargs.get("mm_token_type_ids") is None and kwargs.get("image_grid_thw") is not None:
                ids = kwargs["input_ids"]
                kwargs["mm_token_type_ids"] = (ids == module.config.image_token_id).to(ids.dtype)
            return arguments, kwargs

        pipeline.text_encoder.register_forward_pre_hook(told, with_kwargs=True)

    @contextlib.contextmanager
    def native_size(self, size: tuple[int, int]) -> Iterator[None]:
        # The pipeline resizes every reference to this many pixels; it reads the constant when it is called.
        before = edit_plus.VAE_IMAGE_SIZE
        edit_plus.VAE_IMAGE_SIZE = size[0] * size[1]
        try:
            yield
        finally:
            edit_plus.VAE_IMAGE_SIZE = before


class Kontext(Family):
    """FLUX.1 Kontext: target, then reference with a one in the first position axis; the text sees no picture."""

    name = "kontext"
    pipelines = ("FluxKontextPipeline",)
    adapters = Adapters(
        attention=(
            r"(single_)?transformer_blocks\.\d+\.attn\.(to_[qkv]|to_out\.0|add_[qkv]_proj|to_add_out)"
            r"|single_transformer_blocks\.\d+\.proj_out"
        ),
        mlp=(r"transformer_blocks\.\d+\.(ff|ff_context)\.net\.(0\.proj|2)|single_transformer_blocks\.\d+\.proj_mlp"),
    )
    edit_steps, edit_guidance, no_words = 28, 2.5, ""
    usual_words = 512

    def pack(self, pipeline: Pipeline, latents: Tensor) -> Tensor:
        packed: Tensor = pipeline._pack_latents(latents, *latents.shape)
        return packed

    def words(self, pipeline: Pipeline, instruction: str, start: Image.Image) -> dict[str, Tensor]:
        embeds, pooled, _ = pipeline.encode_prompt(
            prompt=instruction, prompt_2=None, device=pipeline.text_encoder.device
        )
        return {"embeds": embeds[0], "pooled": pooled[0]}

    def arguments(self, transformer: Any, noisy: Tensor, sigma: Tensor, condition: Condition) -> dict[str, Any]:
        embeds = condition.text["embeds"]
        ids = torch.cat([_positions(condition.grid, first, noisy) for first in (0, 1)])
        return {
            "hidden_states": torch.cat([noisy, condition.reference], dim=1),
            "timestep": sigma,
            "guidance": _guidance(transformer, condition, noisy),
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


class Flux2(Family):
    """FLUX.2 dev and klein: positions of four axes, latents normalised by statistics of the VAE."""

    name = "flux2"
    pipelines = ("Flux2KleinPipeline", "Flux2Pipeline")
    adapters = Adapters(
        attention=(
            r"single_transformer_blocks\.\d+\.attn\.(to_qkv_mlp_proj|to_out)"
            r"|transformer_blocks\.\d+\.attn\.(to_[qkv]|to_out\.0|add_[qkv]_proj|to_add_out)"
        ),
        mlp=r"transformer_blocks\.\d+\.(ff|ff_context)\.linear_(in|out)",
    )
    edit_steps, edit_guidance, no_words = 50, 4.0, ""
    usual_words = 512

    def pack(self, pipeline: Pipeline, latents: Tensor) -> Tensor:
        packed: Tensor = pipeline._pack_latents(latents)
        return packed

    def words(self, pipeline: Pipeline, instruction: str, start: Image.Image) -> dict[str, Tensor]:
        embeds, _ = pipeline.encode_prompt(prompt=instruction, device=pipeline.text_encoder.device)
        return {"embeds": embeds[0]}

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
            "guidance": _guidance(transformer, condition, noisy),
            "encoder_hidden_states": embeds,
            "txt_ids": letters.expand(batch, -1, -1),
            "img_ids": pictures.expand(batch, -1, -1),
        }

    def edit_arguments(self, pipeline: Pipeline, size: tuple[int, int], steps: int, guidance: float) -> dict[str, Any]:
        width, height = size
        return {"width": width, "height": height, "num_inference_steps": steps, "guidance_scale": guidance}

    def shift(self, pipeline: Pipeline, tokens: int, steps: int) -> float:
        return float(compute_empirical_mu(image_seq_len=tokens, num_steps=steps))


class Qwen21(Family):
    """Qwen-Image-2.1: one sequence in which the reference stands inside the text and the target comes last; pictures
    carry alpha; text and reference do not depend on the noise."""

    name = "qwen21"
    pipelines = ("QwenImage21Pipeline",)
    adapters = Adapters(
        attention=r"transformer_blocks\.\d+\.attn\.(to_[qkv]|to_out\.0)",
        mlp=r"transformer_blocks\.\d+\.img_mlp\.(proj|gate_layer|out)",
    )
    edit_steps, edit_guidance, no_words = 40, 1.0, " "
    usual_words = 64
    batches = False

    def shaped(self, pictures: Tensor) -> Tensor:
        return torch.cat([pictures, torch.ones_like(pictures[:, :1])], dim=1).unsqueeze(2)

    def pack(self, pipeline: Pipeline, latents: Tensor) -> Tensor:
        batch, channels, _, height, width = latents.shape
        packed: Tensor = pipeline._pack_latents(latents, batch, channels, height, width)
        return packed

    def words(self, pipeline: Pipeline, instruction: str, start: Image.Image) -> dict[str, Tensor]:
        embeds, _, slots = pipeline.encode_prompt(
            prompt=instruction, image=[start.convert("RGBA")], device=pipeline.text_encoder.device
        )
        return {"embeds": embeds[0], "slots": slots[0]}

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


FAMILIES: tuple[Family, ...] = (QwenEdit(), Kontext(), Flux2(), Qwen21())


def family_of(pipeline_class: str, *, where: str) -> Family:
    """The family of a class of diffusers."""
    for family in FAMILIES:
        if pipeline_class in family.pipelines:
            return family
    known = ", ".join(name for family in FAMILIES for name in family.pipelines)
    raise UsageError(f"{where}: is a {pipeline_class}, which simgen cannot train; it trains {known}")


def _guidance(transformer: Any, condition: Condition, noisy: Tensor) -> Tensor | None:
    """For models that are told how strongly to follow: one value a sample."""
    if not transformer.config.guidance_embeds:
        return None
    return torch.full([len(noisy)], condition.guidance, device=noisy.device, dtype=torch.float32)


def _positions(grid: Grid, first: int, like: Tensor) -> Tensor:
    """(first, row, column) of every token, [tokens, 3]."""
    rows, columns = torch.meshgrid(*(torch.arange(n) for n in grid), indexing="ij")
    stacked = torch.stack([torch.full_like(rows, first), rows, columns], dim=-1)
    return stacked.reshape(-1, 3).to(like.device, like.dtype)
