"""A picture and an instruction -> the edited picture, of the same size and in the same place."""

import io
import math
import re
import warnings
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image, ImageCms, ImageOps
from safetensors import SafetensorError, safe_open

from simgen.core.errors import EnvironmentProblem, OutputError, UsageError, inline
from simgen.storage.files import list_names, read_json, write_file
from simgen.train.adapter import attach
from simgen.train.base import Base, device_of, load_base
from simgen.train.checkpoint import RUN, WEIGHTS

Picture = NDArray[np.uint8]
_FORMATS = {".png": "PNG", ".jpg": "JPEG", ".jpeg": "JPEG", ".webp": "WEBP"}
_NOISE = 24
"""Levels by which an edit differs where it changes nothing."""
_LAYER = re.compile(r"transformer\.(.+)\.lora_([AB])\.weight")


def edit(
    base: Base,
    picture: Picture,
    instruction: str,
    *,
    steps: int | None = None,
    guidance: float | None = None,
    generator: torch.Generator,
) -> Picture:
    """The edit of a picture [H, W, 3] by the stock pipeline, [H, W, 3].

    The pipelines work in sizes of their own and hand out what came of that, a little larger or wider. Here start and
    edit share one size that the model can work in without resizing; only where the picture is not of such a size is it
    resampled to the nearest one, and the edit back. Of an instruction that is too long the model reads the beginning,
    see `Family.fit_text`.
    """
    family, pipeline = base.family, base.pipeline
    height, width = picture.shape[:2]
    size = working_size(width, height, size_multiple_px=family.size_multiple_px, max_area_px=base.area_px)
    start = Image.fromarray(picture)
    if size != (width, height):
        start = start.resize(size, Image.Resampling.LANCZOS)
    arguments = family.edit_arguments(
        pipeline, size, steps or family.edit_steps, family.edit_guidance if guidance is None else guidance
    )
    words, _ = family.fit_text(pipeline, instruction)
    with family.native_size(size):
        found = pipeline(image=start, prompt=words, generator=generator, **arguments).images[0]
    edited = found.convert("RGB")
    if edited.size != size:
        raise RuntimeError(f"{type(pipeline).__name__} made {edited.size} of {size}")
    if size != (width, height):
        edited = edited.resize((width, height), Image.Resampling.LANCZOS)
    return np.asarray(edited)


def working_size(width: int, height: int, *, size_multiple_px: int, max_area_px: int) -> tuple[int, int]:
    """The size nearest to a picture's own whose sides are multiples of the grain, at least two, and which is not above
    the area: FLUX.2's pipelines shrink what is."""
    scale = min(1.0, math.sqrt(max_area_px / (width * height)))
    across, down = (max(2, round(side * scale / size_multiple_px)) for side in (width, height))
    while across * down * size_multiple_px**2 > max_area_px and max(across, down) > 2:
        # The side that has been rounded up the most gives way.
        if down <= 2 or (across > 2 and across / width >= down / height):
            across -= 1
        else:
            down -= 1
    return across * size_multiple_px, down * size_multiple_px


@dataclass(frozen=True, slots=True, kw_only=True)
class Photo:
    """A picture as the model sees it: sRGB, upright, on white where it is transparent."""

    pixels: Picture
    """[H, W, 3]"""
    alpha: Picture | None
    """[H, W], 0 where it is transparent; None where it is nowhere."""
    notes: tuple[str, ...]
    """What a user should know of how it was read."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Edited:
    """What became of one picture."""

    source: Path
    target: Path | None
    """None where it could not be read, for the reason of `failure`."""
    failure: str = ""
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """A picture to edit, and where the edit goes."""

    source: Path
    target: Path


def jobs(place: Path, out: Path | None) -> list[Job]:
    """One picture, or all of a folder but its hidden files (`._photo.png` of a Mac is none); the edits go beside it
    under `-edit` names, or to `out`. No edit takes the place of a picture, or of another edit."""
    if place.is_dir():
        shown = [name for name in list_names(place) if not name.startswith(".")]
        sources = [place / name for name in shown if Path(name).suffix.lower() in _FORMATS and (place / name).is_file()]
        if not sources:
            raise UsageError(f"{place}: holds no pictures; they end in {', '.join(_FORMATS)}")
        # `.` has no name to put anything behind.
        named = place if place.name not in ("", "..") else place.resolve()
        folder = out or named.parent / f"{named.name}-edit"
        stems = [source.stem for source in sources]
        targets = [folder / f"{s.stem if stems.count(s.stem) == 1 else s.name}.png" for s in sources]
    elif place.is_file():
        sources, targets = [place], [out or place.with_name(f"{place.stem}-edit.png")]
        if targets[0].is_dir():
            targets = [targets[0] / f"{place.stem}-edit.png"]
        if targets[0].suffix.lower() not in _FORMATS:
            raise UsageError(f"--out {out}: this is not the name of a picture; end it in {', '.join(_FORMATS)}")
    else:
        raise UsageError(f"{place}: no such picture or folder")
    there = {source.resolve() for source in sources}
    for target in targets:
        if target.resolve() in there:
            raise UsageError(f"--out {out}: {target} is one of the pictures to edit; name another place")
    return [Job(source=source, target=target) for source, target in zip(sources, targets, strict=True)]


def edit_all(
    found: Sequence[Job],
    instruction: str,
    *,
    base_name: str | None,
    lora: Path | None,
    seed: int,
    steps: int | None,
    guidance: float | None,
    device: str | None,
    say: Callable[[str], object] = lambda line: None,
) -> Iterator[Edited]:
    """Edit pictures one after another; gives what became of each as it is done. The seed makes an edit repeatable,
    the same for every picture. One of several that cannot be read costs itself alone."""
    if not -(2**63) <= seed < 2**63:
        raise UsageError(f"--seed must fit into 64 bits; got {seed}")
    if guidance is not None and not 0 <= guidance < math.inf:
        raise UsageError(f"--guidance must be at least 0; got {guidance:g}")
    chosen = device_of(device)
    weights = weights_of(lora) if lora is not None else None
    dtype = torch.bfloat16 if chosen.type == "cuda" else torch.float32
    base = load_base(base_name or base_of(lora), dtype=dtype, device=chosen)
    if weights is not None:
        _check_fits(weights, base)
        attach(base.pipeline, str(weights))
    _, unread = base.family.fit_text(base.pipeline, instruction)
    if unread:
        say(
            f"the instruction has {base.family.count_text(base.pipeline, instruction)} tokens and {base.name} reads "
            f"{base.family.text_limit}; these words at its end are left out: {inline(unread)!r}"
        )
    for job in found:
        drawn = torch.Generator().manual_seed(seed)
        try:
            photo = read_photo(job.source)
        except UsageError as error:
            if len(found) == 1:
                raise
            yield Edited(source=job.source, target=None, failure=str(error))
            continue
        try:
            made = edit(base, photo.pixels, instruction, steps=steps, guidance=guidance, generator=drawn)
        except torch.OutOfMemoryError as error:
            raise EnvironmentProblem(
                f"{job.source}: out of memory on {chosen}; give a smaller picture, or a GPU with more"
            ) from error
        yield _write(job, made, photo)


def base_of(lora: Path | None) -> str:
    """What a run was trained on."""
    if lora is None:
        raise UsageError("--base is missing: name the editor, or give the --lora of a run")
    identity = read_json(lora / RUN) if (lora / RUN).is_file() else {}
    if not isinstance(identity.get("base"), str):
        raise UsageError(f"--lora {lora}: does not say what it was trained on; name that with --base")
    return str(identity["base"])


def weights_of(lora: Path) -> Path:
    """The weights of a run, or the file itself."""
    path = lora / WEIGHTS if lora.is_dir() else lora
    if not path.is_file():
        what = f"holds no {WEIGHTS}" if lora.is_dir() else "no such file or folder"
        raise UsageError(f"--lora {lora}: {what}; give the --out folder of `simgen train`, or a safetensors file")
    return path


def _check_fits(weights: Path, base: Base) -> None:
    """Whether the base has the layers that a LoRA is for: diffusers leaves out what it does not find, without a word,
    and lists every layer of another size."""
    try:
        with safe_open(weights, framework="pt") as file:
            there = file.keys()
            said = {name: file.get_slice(name).get_shape() for name in there}
    except (OSError, SafetensorError) as error:
        raise OutputError(f"--lora {weights}: is not a safetensors file, or is damaged ({error})") from error
    # Files of other trainers have names of their own; those diffusers knows, it translates.
    found = {match: shape for name, shape in said.items() if (match := _LAYER.fullmatch(name))}
    linear = {n: m for n, m in base.pipeline.transformer.named_modules() if isinstance(m, torch.nn.Linear)}
    strange = {match[1] for match, shape in found.items() if not _fits(linear.get(match[1]), match[2], shape)}
    if strange:
        raise UsageError(
            f"--lora {weights}: was made for another editor: {base.name} lacks {len(strange)} of its "
            f"{len({match[1] for match in found})} layers, or has them in another size, {min(strange)} first; "
            f"name the right one with --base"
        )


def _fits(layer: torch.nn.Linear | None, factor: str, shape: Sequence[int]) -> bool:
    """Whether a factor of a LoRA, A of [rank, in] or B of [out, rank], is of the size of the layer."""
    if layer is None:
        return False
    return layer.in_features == shape[-1] if factor == "A" else layer.out_features == shape[0]


def read_photo(path: Path) -> Photo:
    """A picture from disk; a UsageError where it cannot be read."""
    notes: list[str] = []
    try:
        with warnings.catch_warnings():
            # Of size: what is too large is refused, and the model works on a megapixel at most.
            warnings.simplefilter("ignore")
            with Image.open(path) as image:
                if image.mode.startswith(("I", "F")):
                    raise UsageError(f"{path}: has more than 8 bits a pixel and channel; convert it to 8 first")
                # A photo of a telephone lies on its side, and says so beside the pixels: the edit would not.
                upright = ImageOps.exif_transpose(image)
                alpha = np.asarray(upright.convert("RGBA"))[..., 3] if upright.has_transparency_data else None
                pixels = _as_srgb(upright, notes)
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
        raise UsageError(f"{path}: is not a picture that can be read ({error})") from error
    if alpha is None or (alpha == 255).all():
        return Photo(pixels=pixels, alpha=None, notes=tuple(notes))
    # What colour lies under transparent pixels is chance: cut-outs come on black, or with what was there before.
    share = alpha[..., None] / 255
    pixels = np.rint(pixels * share + 255 * (1 - share)).astype(np.uint8)
    return Photo(pixels=pixels, alpha=alpha, notes=tuple(notes))


def _as_srgb(image: Image.Image, notes: list[str]) -> Picture:
    """The colours of an image [H, W, 3] in sRGB: through its colour profile, where it has one."""
    # With its transparency in a channel of its own, which profiles know nothing of.
    if image.mode in ("P", "PA", "1"):
        plain = image.convert("RGBA").convert("RGB")
    elif image.mode in ("LA", "La"):
        plain = image.convert("LA").getchannel("L")
    else:
        plain = image if image.mode in ("L", "CMYK", "LAB") else image.convert("RGBA").convert("RGB")
    if profile := image.info.get("icc_profile"):
        try:
            own = ImageCms.ImageCmsProfile(io.BytesIO(profile))
            if "sRGB" not in ImageCms.getProfileDescription(own):
                srgb = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB"))
                try:
                    plain = ImageCms.profileToProfile(plain, own, srgb, outputMode="RGB") or plain
                except ImageCms.PyCMSError:
                    # A grey picture with a profile of three colours.
                    grey = plain.convert("RGB")
                    plain = ImageCms.profileToProfile(grey, own, srgb, outputMode="RGB") or grey
        except (ImageCms.PyCMSError, OSError, TypeError, ValueError):
            notes.append("its colour profile cannot be read, so its colours are taken for sRGB")
    return np.asarray(plain.convert("RGB"))


def with_alpha(edited: Picture, start: Picture, alpha: Picture) -> Picture:
    """An edit [H, W, 3] made on white, [H, W, 4]: as transparent as its start was, but for where the edit differs from
    that start by more than a model's noise. On white it looks as the edit does."""
    difference = np.abs(edited.astype(np.int16) - start).max(axis=-1)
    changed = np.clip((difference - _NOISE) / _NOISE, 0.0, 1.0)
    opaque = np.rint(255 * np.maximum(alpha / 255, changed))
    share = np.maximum(opaque, 1.0)[..., None] / 255
    colors = np.where(opaque[..., None] > 0, (edited - 255 * (1 - share)) / share, 255)
    made: Picture = np.concatenate([np.rint(np.clip(colors, 0, 255)), opaque[..., None]], axis=-1).astype(np.uint8)
    return made


def _write(job: Job, made: Picture, photo: Photo) -> Edited:
    kind, notes = _FORMATS[job.target.suffix.lower()], photo.notes
    if photo.alpha is not None:
        if kind == "JPEG":
            notes = (*notes, "is transparent in parts, which JPEG cannot be: the edit lies on white")
        else:
            made = with_alpha(made, photo.pixels, photo.alpha)
            notes = (
                *notes,
                "is transparent in parts: it was edited on white, and stays transparent where the edit put nothing",
            )
    buffer = io.BytesIO()
    Image.fromarray(made).save(buffer, kind, **({"quality": 95} if kind != "PNG" else {}))
    write_file(job.target, buffer.getvalue())
    return Edited(source=job.source, target=job.target, notes=notes)
