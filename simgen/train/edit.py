"""A picture and an instruction -> the edited picture, of the same size and in the same place."""

import io
import math
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image, ImageOps
from safetensors import SafetensorError, safe_open

from simgen.core.errors import EnvironmentProblem, OutputError, UsageError
from simgen.storage.files import list_names, read_json, write_file
from simgen.train.adapter import attach
from simgen.train.base import Base, device_of, load_base
from simgen.train.checkpoint import RUN, WEIGHTS

Picture = NDArray[np.uint8]
_FORMATS = {".png": "PNG", ".jpg": "JPEG", ".jpeg": "JPEG", ".webp": "WEBP"}
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
    resampled to the nearest one, and the edit back.
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
    with family.native_size(size):
        found = pipeline(image=start, prompt=instruction, generator=generator, **arguments).images[0]
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
class Job:
    """A picture to edit, and where the edit goes."""

    source: Path
    target: Path


def jobs(place: Path, out: Path | None) -> list[Job]:
    """One picture, or all of a folder; the edits go beside it under `-edit` names, or to `out`. No edit takes the
    place of a picture, or of another edit."""
    if place.is_dir():
        sources = [place / name for name in list_names(place) if Path(name).suffix.lower() in _FORMATS]
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
            raise UsageError(f"--out {out}: no picture format goes by that name; end it in {', '.join(_FORMATS)}")
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
) -> Iterator[Path]:
    """Edit pictures one after another; gives the path of each as it is written. The seed makes an edit repeatable,
    the same for every picture."""
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
    for job in found:
        drawn = torch.Generator().manual_seed(seed)
        try:
            made = edit(base, _read(job.source), instruction, steps=steps, guidance=guidance, generator=drawn)
        except torch.OutOfMemoryError as error:
            raise EnvironmentProblem(
                f"{job.source}: out of memory on {chosen}; give a smaller picture, or a GPU with more"
            ) from error
        yield _write(job.target, made)


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


def _read(path: Path) -> Picture:
    try:
        with Image.open(path) as image:
            if image.mode.startswith(("I", "F")):
                raise UsageError(f"{path}: has more than 8 bits a pixel and channel; convert it to 8 first")
            # A photo of a telephone lies on its side, and says so beside the pixels: the edit would not.
            return np.asarray(ImageOps.exif_transpose(image).convert("RGB"))
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
        raise UsageError(f"{path}: is not a picture that can be read ({error})") from error


def _write(path: Path, picture: Picture) -> Path:
    buffer = io.BytesIO()
    kind = _FORMATS[path.suffix.lower()]
    Image.fromarray(picture).save(buffer, kind, **({"quality": 95} if kind != "PNG" else {}))
    write_file(path, buffer.getvalue())
    return path
