"""Pictures of assets, decoded in full before anything is rendered with them.

Blender paints what a missing or unreadable picture covers in magenta, fills the lost half of a cut JPEG with grey, and
says nothing either way: whoever reads the pictures' labels would believe both.
"""

import os
import re
import struct
import warnings
from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np
from PIL import Image, UnidentifiedImageError

from simgen.catalog.manifests import leads_out
from simgen.core.errors import AssetError, inline, shown

# OpenCV reads OpenEXR where this says so; it looks once, when it first meets such a picture.
os.environ.setdefault("OPENCV_IO_ENABLE_OPENEXR", "1")

MAX_PIXELS = 1 << 27
"""Of one picture: 16384 x 8192, the largest environment maps that are published."""
FORMATS = ("PNG", "JPEG", "TGA", "BMP", "TIFF", "WEBP", "JPEG2000", "DDS", "SGI")
"""Those of Pillow that Blender reads too, beside Radiance HDR and OpenEXR."""
_MAX_BYTES = 1 << 30
_HDR, _EXR = (b"#?RADIANCE", b"#?RGBE"), b"\x76\x2f\x31\x01"
_KNOWN = (b"\x89PNG", b"\xff\xd8", b"RIFF", b"II*", b"MM\0*", b"BM", b"DDS ")
_MAX_MTL_BYTES = 4 << 20
_MAPS = re.compile(r"\s*(?:map_(?:kd|ks|ns|ke|d|bump|refl|pr|pm|ps)|bump|norm|refl)\s+(?P<rest>\S.*)", re.IGNORECASE)
_NUMBER = r"[-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?"
_OPTION = re.compile(
    rf"-(?:(?:blendu|blendv|clamp|cc|imfchan|type)\s+\S+|(?:bm|boost|texres)\s+{_NUMBER}|mm(?:\s+{_NUMBER}){{2}}"
    rf"|[ost](?:\s+{_NUMBER}){{1,3}})\s+",
    re.IGNORECASE,
)


def check_picture(path: Path) -> None:
    """Decode a picture in full; an AssetError that names it where that fails or where it is too large."""
    try:
        with path.open("rb") as file:
            head = file.read(16)
            size = path.stat().st_size
    except FileNotFoundError:
        raise AssetError(f"{path}: the picture is not there") from None
    except OSError as error:
        raise AssetError(f"{path}: the picture cannot be read: {error.strerror}") from error
    if not size:
        raise AssetError(f"{path}: the picture is empty (0 bytes)")
    if size > _MAX_BYTES:
        raise AssetError(f"{path}: the picture has more than {_MAX_BYTES >> 20} MiB; make it smaller")
    if head.startswith(_HDR) or head.startswith(_EXR):
        _check_radiance(path)
    else:
        _check_display(path, head)


def mtl_pictures(mesh: Path) -> Iterator[Path]:
    """The pictures that the materials of an OBJ mesh name, as far as its faces use them, whether they are there or
    not. An AssetError where one lies outside the folder of the mesh."""
    data = mesh.read_bytes()
    used = {name.strip() for name in re.findall(rb"^usemtl[ \t]+(.+)$", data, re.MULTILINE)}
    for name in re.findall(rb"^mtllib[ \t]+(.+)$", data, re.MULTILINE):
        # Blender draws plain grey where the library itself is missing: no picture is lost that anybody named.
        library = mesh.parent / os.fsdecode(name.strip())
        if leads_out(library.name) or not library.is_file() or library.stat().st_size > _MAX_MTL_BYTES:
            continue
        current = b""
        for line in library.read_bytes().split(b"\n"):
            if line.startswith(b"newmtl"):
                current = line[len(b"newmtl") :].strip()
            elif current in used and (found := _MAPS.match(line.decode("utf-8", errors="surrogateescape"))):
                yield _picture_file(library, found["rest"])


def _picture_file(library: Path, text: str) -> Path:
    """The file of a map statement: without its options, quotation marks and backslashes, as Blender finds it."""
    while option := _OPTION.match(text):
        text = text[option.end() :]
    name = text.strip().strip('"').replace("\\", "/")
    # Exporters write where the picture lay on their own machine; Blender then looks beside the mesh.
    beside = library.parent / Path(name).name
    if leads_out(name):
        if not beside.is_file():
            raise AssetError(f"{library}: names the picture {shown(name)} outside the asset's folder")
        return beside
    return library.parent / name if (library.parent / name).is_file() or not beside.is_file() else beside


def _check_display(path: Path, head: bytes) -> None:
    """A picture of 8 or 16 bits, read by Pillow, which refuses what is cut where Blender fills it up."""
    try:
        with warnings.catch_warnings():
            # Pillow's own limit is lower, and warns before it refuses; of damaged files it may warn first, too.
            warnings.simplefilter("ignore")
            with Image.open(path, formats=FORMATS) as picture:
                _check_size(path, *picture.size)
                kind = picture.format
                picture.load()
            if kind == "PNG":
                # The checksums of all of its parts, and its end.
                with Image.open(path, formats=("PNG",)) as picture:
                    picture.verify()
    except AssetError:
        raise
    except Image.DecompressionBombError:
        _check_size(path, MAX_PIXELS, MAX_PIXELS)
    except Exception as error:  # decoders raise whatever a damaged file makes them stumble over
        if not isinstance(error, UnidentifiedImageError):
            # Pillow's own words may name the file once more.
            reason = f"cannot be decoded ({inline(str(error).split(str(path))[0]) or type(error).__name__})"
        elif head.startswith(_KNOWN):
            reason = "cannot be decoded (it is cut off or damaged near its beginning)"
        else:
            reason = "is not a picture of a kind that Blender reads"
        raise AssetError(f"{path}: {reason}; save it again as PNG or JPEG") from error


def _check_radiance(path: Path) -> None:
    """A Radiance HDR or OpenEXR picture, read by OpenCV."""
    data = path.read_bytes()
    try:
        width, height = _exr_size(data) if data.startswith(_EXR) else _hdr_size(data)
    except (ValueError, struct.error, IndexError) as error:
        raise AssetError(f"{path}: cannot be decoded (its header is damaged); fetch it again") from error
    _check_size(path, width, height)
    level = cv2.getLogLevel()
    cv2.setLogLevel(0)
    try:
        pixels = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_UNCHANGED)
        reason = "its data end too early or are damaged"
    except cv2.error as error:
        pixels, reason = None, inline(error.err or error)
    finally:
        cv2.setLogLevel(level)
    if pixels is None:
        raise AssetError(f"{path}: cannot be decoded ({reason}); fetch it again")
    if not np.isfinite(pixels).any() or not float(np.nanmax(pixels)) > 0:
        raise AssetError(f"{path}: is black all over and gives no light; fetch it again")


def _check_size(path: Path, width: int, height: int) -> None:
    if width < 1 or height < 1 or width * height > MAX_PIXELS:
        raise AssetError(
            f"{path}: has more pixels than simgen takes for a picture ({MAX_PIXELS >> 20} million), or none; "
            "make it smaller"
        )


def _hdr_size(data: bytes) -> tuple[int, int]:
    """Width and height as the resolution line behind the header has them."""
    found = re.search(rb"\n\n[-+][XY] (\d{1,9}) [-+]([XY]) (\d{1,9})\n", data[: 1 << 16])
    if found is None:
        raise ValueError("no resolution line")
    first, second = int(found[1]), int(found[3])
    return (second, first) if found[2] == b"X" else (first, second)


def _exr_size(data: bytes) -> tuple[int, int]:
    """Width and height of the data window, an attribute of the header: name, type, length, value."""
    at = 8
    while data[at]:
        name_end = data.index(b"\0", at)
        type_end = data.index(b"\0", name_end + 1)
        (length,) = struct.unpack_from("<i", data, type_end + 1)
        at = type_end + 5
        if data[:name_end].endswith(b"dataWindow"):
            left, top, right, bottom = struct.unpack_from("<4i", data, at)
            return right - left + 1, bottom - top + 1
        if length < 0:
            raise ValueError("an attribute of negative length")
        at += length
    raise ValueError("no data window")
