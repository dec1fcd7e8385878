"""Sample ↔ the members of a sample in a tar."""

import io
import json
import math
import re
import tokenize
from collections.abc import Mapping
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from simgen.core.errors import OutputError, inline, shown
from simgen.core.sample import Sample
from simgen.record import fields, schema
from simgen.record.check import check_record, complete_record, minor_of, other_major
from simgen.record.png import decode_png
from simgen.record.text import to_json

IMAGES = ("start.png", "end.png", "start_seg.png", "end_seg.png", "mask.png")
MEMBERS = (*IMAGES, "txt", "json")
"""What every sample consists of; arrays that a recipe asks for come on top, as `name.npy`."""

# Measured on a path-traced 512 × 512 picture with scanned textures: run-length matching 255 KiB in 14 ms,
# zlib level 6 261 KiB in 80 ms, level 9 251 KiB in 440 ms.
_PICTURE = (cv2.IMWRITE_PNG_COMPRESSION, 1, cv2.IMWRITE_PNG_STRATEGY, cv2.IMWRITE_PNG_STRATEGY_RLE)
_LABELS = (cv2.IMWRITE_PNG_COMPRESSION, 6, cv2.IMWRITE_PNG_STRATEGY, cv2.IMWRITE_PNG_STRATEGY_DEFAULT)


def encode(sample: Sample) -> dict[str, bytes]:
    """The members of a sample by name; the same sample gives the same bytes. A record that is not exactly of
    today's schema is a ValueError: nothing unsound reaches a tar."""
    problems = check_record(sample.record)
    if sample.record.get("key") != sample.key:
        problems.append(f"key is {sample.record.get('key')!r}, must be {sample.key!r}")
    if minor_of(sample.record) != schema.minor():
        problems.append(
            f"schema_minor is {minor_of(sample.record)}, must be {schema.minor()}; older records are only read"
        )
    if problems:
        raise ValueError(f"{sample.key}: {problems[0]}")
    height, width = sample.record["camera"]["height"], sample.record["camera"]["width"]
    members = {}
    for name in IMAGES:
        image = getattr(sample, name.removesuffix(".png"))
        shape = (height, width, 3) if name in ("start.png", "end.png") else (height, width)
        if image.shape != shape or image.dtype != np.uint8:
            raise ValueError(f"{sample.key}: {name} is {image.dtype} {image.shape}, must be uint8 {shape}")
        members[name] = _png(image)
    members["txt"] = sample.record["instructions"]["intermediate"].encode()
    members["json"] = (to_json(fields.ordered(sample.record, schema.SCHEMA), sample.key) + "\n").encode()
    for name, array in sample.arrays.items():
        if not re.fullmatch(r"[a-z][a-z0-9_]*", name):
            raise ValueError(f"{sample.key}: array {name!r} must be named in lower case letters, digits, underscores")
        buffer = io.BytesIO()
        np.save(buffer, np.ascontiguousarray(array), allow_pickle=False)
        members[f"{name}.npy"] = buffer.getvalue()
    return members


def decode(key: str, members: Mapping[str, bytes]) -> Sample:
    """The sample that `encode` made these members of; an OutputError names the member that is damaged."""
    missing = [name for name in MEMBERS if name not in members]
    if missing:
        raise OutputError(f"{key}: member {missing[0]} is missing")
    images = {name.removesuffix(".png"): _image(key, name, members[name]) for name in IMAGES}
    height, width = images["start"].shape[:2]
    for name, image in images.items():
        if image.shape[:2] != (height, width):
            raise OutputError(
                f"{key}: member {name}.png is damaged: has {image.shape[1]} × {image.shape[0]} pixels, "
                f"start.png {width} × {height}"
            )
    arrays = {
        name.removesuffix(".npy"): _array(key, name, data) for name, data in members.items() if name.endswith(".npy")
    }
    return Sample(key=key, record=decode_record(key, members["json"]), arrays=arrays, **images)


def decode_record(key: str, data: bytes) -> dict[str, Any]:
    """The record in a `json` member, with what an older minor version lacks; its fields are not checked. One of
    another major version is an OutputError."""
    try:
        record = json.loads(data)
    except (ValueError, RecursionError) as error:
        raise OutputError(f"{key}: member json is damaged: {error}") from error
    if not isinstance(record, dict):
        raise OutputError(f"{key}: member json must hold an object; got {fields.type_name(record)}")
    if reason := other_major(record):
        raise OutputError(f"{key}: {reason}")
    return complete_record(record)


def _png(image: NDArray[np.uint8]) -> bytes:
    color = image.ndim == 3
    # OpenCV's channel order is blue, green, red.
    written = cv2.cvtColor(image, cv2.COLOR_RGB2BGR) if color else np.ascontiguousarray(image)
    return bytes(cv2.imencode(".png", written, _PICTURE if color else _LABELS)[1])


def _image(key: str, name: str, data: bytes) -> NDArray[np.uint8]:
    image = decode_png(data)
    color = name in ("start.png", "end.png")
    if image is None or image.dtype != np.uint8 or image.shape[2:] != ((3,) if color else ()):
        raise OutputError(
            f"{key}: member {name} is damaged: not an 8-bit PNG of {'three channels' if color else 'one channel'}"
        )
    return image


def _array(key: str, name: str, data: bytes) -> NDArray[Any]:
    stream = io.BytesIO(data)
    try:
        # Only what `encode` writes. numpy.load would unzip an archive, and make room for whatever the head asks for.
        version = np.lib.format.read_magic(stream)  # type: ignore[no-untyped-call]
        if version != (1, 0):
            raise ValueError(f"npy version {version}")
        shape, by_column, dtype = np.lib.format.read_array_header_1_0(stream)  # type: ignore[no-untyped-call]
        left = len(data) - stream.tell()
        if (
            dtype.kind not in "biuf"
            or by_column
            or min(shape, default=0) < 0
            or math.prod(shape) * dtype.itemsize != left
        ):
            raise ValueError(f"an array {shown(shape)} of {dtype} in {left} bytes")
        array: NDArray[Any] = np.frombuffer(data, dtype, offset=stream.tell()).reshape(shape).copy()
    # numpy reads the head as Python's own literals.
    except (ValueError, SyntaxError, tokenize.TokenError, TypeError, OverflowError, RecursionError) as error:
        raise OutputError(f"{key}: member {name} is damaged: {inline(error)}") from error
    return array
