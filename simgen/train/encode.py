"""Pixels and words -> what the transformer is trained on, encoded once and kept under a digest of the content.

What belongs together is decided by content alone: a cache that is filled in one order and read in another cannot
pair a picture with the words of another one.
"""

import contextlib
import hashlib
import secrets
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import safetensors.torch
import torch
from numpy.typing import NDArray
from PIL import Image
from safetensors import SafetensorError
from torch import Tensor

from simgen.core.errors import OutputError
from simgen.train.base import Base
from simgen.train.data.examples import Example
from simgen.train.families.base import Grid

_LAYOUT = "1"
"""Of what is kept; another number makes every older file a miss."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Encoded:
    """One example as the transformer reads it."""

    pictures: dict[str, Tensor]
    """`start`, `end` and those that a method asks for: [tokens, channels]."""
    changed: Tensor
    """[tokens], float32: the share of a token's pixels that changed."""
    text: dict[str, Tensor]
    grid: Grid


class Encoder:
    """VAE and text encoder of a base, with a cache."""

    def __init__(self, base: Base, *, device: torch.device, offload: bool = False, cache: Path | None = None) -> None:
        self._base = base
        self._device = device
        self._offload = offload and device.type != "cpu"
        self._cache = cache
        self.cut_short: dict[str, str] = {}
        """Words that the text encoder has no room for, by the key of their sample."""

    @torch.no_grad()
    def encode(self, examples: Sequence[Example], *, drop_caption: Sequence[bool]) -> list[Encoded]:
        """On the device, in the order given. Each by itself: what comes out does not depend on its neighbours."""
        names = [self._name(e, dropped) for e, dropped in zip(examples, drop_caption, strict=True)]
        found: dict[str, Encoded] = {}
        for name in names:
            if (kept := self._kept(name)) is not None:
                found[name] = kept
        missing = [i for i, name in enumerate(names) if name not in found]
        if missing:
            with self.at_work():
                for i in missing:
                    if names[i] not in found:
                        found[names[i]] = self._encode(examples[i], caption=not drop_caption[i])
                        self._keep(names[i], found[names[i]])
        return [found[name] for name in names]

    def _encode(self, example: Example, *, caption: bool) -> Encoded:
        base = self._base
        # One at a time, as when it edits: two in a batch differ from that in the last bits.
        pictures = {
            name: base.family.encode_pictures(base.pipeline, _tensor(picture).to(self._device))[0]
            for name, picture in {"start": example.start, "end": example.end, **example.others}.items()
        }
        instruction = base.family.empty_prompt
        if caption:
            # As when it edits: the end of what is too long is left out in whole words.
            instruction, unread = base.family.fit_text(base.pipeline, example.instruction)
            if unread:
                self.cut_short[example.key] = unread
        height, width = example.mask.shape
        grid = base.family.grid(base.pipeline, width, height)
        return Encoded(
            pictures=pictures,
            changed=token_shares(example.mask, grid).to(self._device),
            text=base.family.encode_text(base.pipeline, instruction, Image.fromarray(example.start)),
            grid=grid,
        )

    @contextlib.contextmanager
    def at_work(self) -> Iterator[None]:
        """The encoders are on the device while this is open; they may be elsewhere otherwise. The pipeline edits only
        then: it takes the device of its first part for that of all."""
        pipeline = self._base.pipeline
        parts = [
            part
            for name, part in pipeline.components.items()
            if isinstance(part, torch.nn.Module) and name != "transformer"
        ]
        if not self._offload:
            yield
            return
        for part in parts:
            part.to(self._device)
        try:
            yield
        finally:
            for part in parts:
                part.to("cpu")
            torch.cuda.empty_cache()

    def _name(self, example: Example, dropped: bool) -> str:
        said = "\0".join(
            [_LAYOUT, self._base.identity, str(self._base.dtype), "bare" if dropped else "", example.digest]
        )
        return hashlib.sha256(said.encode()).hexdigest()

    def _path(self, name: str) -> Path | None:
        return self._cache / name[:2] / f"{name}.safetensors" if self._cache is not None else None

    def _kept(self, name: str) -> Encoded | None:
        path = self._path(name)
        if path is None or not path.is_file():
            return None
        try:
            tensors = safetensors.torch.load_file(path, device=str(self._device))
        except (OSError, SafetensorError):
            return None  # half a file of a killed run, or a damaged one: it is encoded again
        grid = tensors.pop("grid").tolist()
        parts: dict[str, dict[str, Tensor]] = {"pictures": {}, "text": {}}
        changed = tensors.pop("changed")
        for key, tensor in tensors.items():
            part, _, rest = key.partition(".")
            parts[part][rest] = tensor
        return Encoded(pictures=parts["pictures"], text=parts["text"], changed=changed, grid=(grid[0], grid[1]))

    def _keep(self, name: str, encoded: Encoded) -> None:
        path = self._path(name)
        if path is None:
            return
        tensors = {f"pictures.{key}": value for key, value in encoded.pictures.items()}
        tensors |= {f"text.{key}": value for key, value in encoded.text.items()}
        tensors |= {"changed": encoded.changed, "grid": torch.tensor(encoded.grid)}
        draft = path.with_name(f".{name}.{secrets.token_hex(4)}.tmp")
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            safetensors.torch.save_file({key: value.contiguous().cpu() for key, value in tensors.items()}, draft)
            draft.replace(path)
        except (OSError, SafetensorError) as error:
            with contextlib.suppress(OSError):
                draft.unlink(missing_ok=True)
            raise OutputError(
                f"{self._cache}: encoded samples cannot be kept ({error}); make room or leave `cache` out"
            ) from error


def token_shares(mask: NDArray[np.uint8], grid: Grid) -> Tensor:
    """The mean of a mask [H, W] of 0 to 255 over the pixels of each token, row by row, from 0 to 1."""
    height, width = grid
    shares = cv2.resize(mask.astype(np.float32) / 255, (width, height), interpolation=cv2.INTER_AREA)
    return torch.from_numpy(shares.reshape(-1))


def _tensor(picture: NDArray[np.uint8]) -> Tensor:
    """[H, W, 3] of 0 to 255 → [1, 3, H, W] of -1 to 1, in the arithmetic and the memory layout of diffusers' image
    processors: a convolution of another layout differs in the last bits."""
    return 2.0 * torch.from_numpy(picture[None].astype(np.float32) / 255.0).permute(0, 3, 1, 2) - 1.0
