"""What a base model brings: its `Family`, in a file of its own in this package, which is found by being there.

A family turns pictures and words into what its transformer reads, exactly as its stock diffusers pipeline does when
it edits (a test compares the two, argument by argument), says which linear layers get an adapter, how to edit, how
many rows each layer multiplies, and which tiny random bases stand for it in tests.
"""

import bisect
import contextlib
import functools
import re
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, TypeAlias

import diffusers
import torch
from diffusers import DiffusionPipeline
from diffusers.pipelines.qwenimage import pipeline_qwenimage_edit_plus as edit_plus
from PIL import Image
from torch import Tensor

from simgen.core.errors import UsageError
from simgen.core.registry import subclasses_in

Pipeline: TypeAlias = Any
"""A diffusers pipeline; they share no type that would name their parts."""
Grid: TypeAlias = tuple[int, int]
"""Height and width of a picture in tokens."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Condition:
    """What a transformer is given for a batch beside the noisy picture."""

    reference: Tensor
    """[B, tokens, channels], the picture that is edited."""
    text: Mapping[str, Tensor]
    """As `Family.encode_text` gives it, with a batch dimension in front."""
    grid: Grid
    """The size of target and reference, which is the same."""
    guidance: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Adapters:
    """Which linear layers get an adapter: patterns of full names in the transformer."""

    attention: str
    mlp: str
    unused: str = ""
    """Layers that never get a gradient, because nothing reads their output; `{last}` stands for the last block."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Tokens:
    """One sample, in tokens of the transformer. Text is what is neither picture: the slots that Qwen-Image-2.1's
    text encoder keeps for the reference are counted from the reference, four tokens a slot."""

    target: int
    """The picture that is denoised."""
    reference: int
    """The picture that is edited."""
    text: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Stream:
    """Which rows a linear layer multiplies."""

    rows: Callable[[Tokens, Mapping[str, Any]], int]
    """Their number, from a sample and the configuration of the transformer."""
    has_input_gradient: bool = True
    """False for what is computed once a sample from the noise level: nothing trainable lies before it."""


IMAGE = Stream(rows=lambda tokens, config: tokens.target + tokens.reference)
TEXT = Stream(rows=lambda tokens, config: tokens.text)
JOINT = Stream(rows=lambda tokens, config: tokens.target + tokens.reference + tokens.text)
SAMPLE = Stream(rows=lambda tokens, config: 1, has_input_gradient=False)


def all_pairs(tokens: Tokens) -> int:
    """Query-key pairs of attention in which every token sees every other."""
    return (tokens.target + tokens.reference + tokens.text) ** 2


@dataclass(frozen=True, slots=True, kw_only=True)
class Layout:
    """What FLOPs are counted from: which rows pass through which layers of a transformer."""

    streams: Mapping[str, Stream]
    """Pattern of a whole layer name → the rows it multiplies."""
    pairs: Callable[[Tokens], int] = all_pairs
    """Query-key pairs that one block's attention computes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Released:
    """What decides memory and FLOPs of a released model, so that an estimate of it needs no network."""

    transformer: str
    """Class of diffusers."""
    config: Mapping[str, Any]
    """What differs from the defaults of that class, in the fields that decide the sizes of its layers."""
    license: str
    """As `train.base.license_of` tells it."""


class Family(ABC):
    """One way to lay out pictures and words for a transformer."""

    name: ClassVar[str]
    pipelines: ClassVar[tuple[str, ...]]
    """Classes of diffusers that work this way."""
    released: ClassVar[Mapping[str, Released]] = {}
    """Hub id → what is known of that model."""
    tiny: ClassVar[Mapping[str, Callable[[], DiffusionPipeline]]]
    """NAME of `tiny:NAME` → what builds that small random base."""
    layouts: ClassVar[Mapping[str, Layout]]
    """Transformer class → its layout."""
    adapters: ClassVar[Adapters]
    size_multiple_px: ClassVar[int] = 32
    """Width and height of a picture are multiples of this: what the pipelines round sizes to."""
    token_px: ClassVar[int] = 16
    """Side of the square of pixels that one token stands for."""
    area_px: ClassVar[int] = 1024 * 1024
    """Pixels of the pictures that the released models were trained on."""
    edit_steps: ClassVar[int]
    edit_guidance: ClassVar[float]
    """What the stock pipeline, or its model card, edits with."""
    batches: ClassVar[bool] = True
    """False where texts of different length cannot stand in one batch."""
    typical_text_tokens: ClassVar[int]
    """Text tokens of an ordinary instruction, for estimates."""
    text_limit: ClassVar[int]
    """Tokens of an instruction, as `count_text` counts them, that the pipeline reads; what is more it cuts off without
    a word, or fails."""
    empty_prompt: ClassVar[str]
    """What the pipeline takes for an empty instruction when it edits with guidance."""

    def encode_pictures(self, pipeline: Pipeline, pictures: Tensor) -> Tensor:
        """Packed, normalised latents [B, tokens, channels] of pictures [B, 3, H, W] in -1 to 1."""
        vae = pipeline.vae
        latents = pipeline._encode_vae_image(self.vae_input(pictures.to(vae.device, vae.dtype)), None)
        return self.pack(pipeline, latents)

    def vae_input(self, pictures: Tensor) -> Tensor:
        """The pictures as the VAE of this family takes them."""
        return pictures

    @abstractmethod
    def pack(self, pipeline: Pipeline, latents: Tensor) -> Tensor:
        """Latents of the VAE as tokens [B, tokens, channels]."""

    @abstractmethod
    def encode_text(self, pipeline: Pipeline, instruction: str, start: Image.Image) -> dict[str, Tensor]:
        """What the text encoder makes of an instruction and the picture it is about, without a batch dimension."""

    @abstractmethod
    def count_text(self, pipeline: Pipeline, instruction: str) -> int:
        """Tokens that an instruction takes, with the template around it where that shares the limit."""

    def fit_text(self, pipeline: Pipeline, instruction: str) -> tuple[str, str]:
        """An instruction as far as the pipeline reads it, in whole words, and the words that it does not read."""
        if self.count_text(pipeline, instruction) <= self.text_limit:
            return instruction, ""
        words = [word.end() for word in re.finditer(r"\S+", instruction)]
        for ends in (words, range(1, len(instruction))):  # within its only word, where that alone is too long
            kept = bisect.bisect_right(
                ends, self.text_limit, key=lambda end: self.count_text(pipeline, instruction[:end])
            )
            if kept:
                return instruction[: ends[kept - 1]], instruction[ends[kept - 1] :].strip()
        # The template alone is too long for a tokenizer of single letters: the pipeline does what it does.
        return instruction, ""

    @abstractmethod
    def arguments(self, transformer: Any, noisy: Tensor, sigma: Tensor, condition: Condition) -> dict[str, Any]:
        """Keyword arguments of the transformer; `noisy` is [B, tokens, channels], `sigma` [B] in 0 to 1."""

    @abstractmethod
    def edit_arguments(self, pipeline: Pipeline, size: tuple[int, int], steps: int, guidance: float) -> dict[str, Any]:
        """Arguments with which the stock pipeline edits a picture of this size (width, height) without resizing."""

    def velocity(self, transformer: Any, noisy: Tensor, sigma: Tensor, condition: Condition) -> Tensor:
        """The velocity that the transformer predicts, noise minus picture: [B, tokens, channels]."""
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

    def load(self, pipeline_class: str, place: str, **options: Any) -> Pipeline:
        """The stock pipeline from a folder or the Hub. A family whose stock processor needs torchvision gives it
        another one where that is missing."""
        return getattr(diffusers, pipeline_class).from_pretrained(place, **options)

    def patch_pipeline(self, pipeline: Pipeline) -> None:  # noqa: B027
        """Put right what the stock pipeline gets wrong, for training and editing alike."""

    @contextlib.contextmanager
    def native_size(self, size: tuple[int, int]) -> Iterator[None]:
        """While this is open the stock pipeline leaves pictures of this size as they are."""
        yield

    def collate(self, texts: Sequence[Mapping[str, Tensor]]) -> dict[str, Tensor]:
        """Texts as one batch."""
        return {name: torch.stack([text[name] for text in texts]) for name in texts[0]}


@functools.cache
def families() -> tuple[Family, ...]:
    """One of each family that a file of this package defines."""
    return tuple(found() for found in subclasses_in(__package__, Family))  # type: ignore[type-abstract]


def family_of(pipeline_class: str, *, where: str) -> Family:
    """The family of a class of diffusers."""
    for family in families():
        if pipeline_class in family.pipelines:
            return family
    known = ", ".join(name for family in families() for name in family.pipelines)
    raise UsageError(f"{where}: is a {pipeline_class}, which simgen cannot train; it trains {known}")


def released_base(name: str) -> tuple[Family, Released] | None:
    """A released model and its family, by its Hub id; None for any other name."""
    return next(((family, family.released[name]) for family in families() if name in family.released), None)


def guidance_input(transformer: Any, condition: Condition, noisy: Tensor) -> Tensor | None:
    """One value a sample for models that take the guidance as an input; None for the others."""
    if not transformer.config.guidance_embeds:
        return None
    return torch.full([len(noisy)], condition.guidance, device=noisy.device, dtype=torch.float32)
