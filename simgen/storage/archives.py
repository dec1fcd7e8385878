"""Unpack tar archives that nobody vouches for, safely."""

import gzip
import io
import os
import shutil
import tarfile
import zlib
from pathlib import Path, PurePosixPath

from simgen.core.errors import AssetError, inline, shown
from simgen.storage.tars import DAMAGED, Header

MAX_MEMBER_BYTES = 2 << 30
MAX_ARCHIVE_BYTES = 4 << 30
MAX_MEMBERS = 10_000
MAX_PADDING_BYTES = 64 << 20
"""Bytes after the last member, where some writers fill up a block."""
MAX_NAME_BYTES, MAX_PATH_BYTES = 255, 1024

_CHUNK_BYTES = 1 << 20


def extract(archive: Path, folder: Path) -> None:
    """Write the regular files of a tar, gzipped or not, below `folder`; an AssetError for anything else in it.

    Stricter than tarfile's "data" filter, and independent of the Python version that brings it: no links at all,
    so that no member can be written through another.
    """
    count = total = 0
    try:
        with _plain_stream(archive) as stream, tarfile.open(fileobj=stream, mode="r|", tarinfo=Header) as tar:
            for member in tar:
                target = folder / _safe_name(archive, member)
                count, total = count + 1, total + member.size
                if member.size < 0:
                    raise tarfile.TarError(f"a member of {member.size} bytes")
                if member.size > MAX_MEMBER_BYTES or total > MAX_ARCHIVE_BYTES or count > MAX_MEMBERS:
                    raise AssetError(
                        f"{archive}: {shown(member.name)} makes the archive unpack to more than simgen takes "
                        f"({MAX_ARCHIVE_BYTES >> 30} GiB, {MAX_MEMBERS} files); pack it smaller"
                    )
                if member.isdir():
                    target.mkdir(parents=True, exist_ok=True)
                    continue
                target.parent.mkdir(parents=True, exist_ok=True)
                source = tar.extractfile(member)
                assert source is not None, "a regular file has content"
                with target.open("xb") as out:
                    shutil.copyfileobj(source, out, _CHUNK_BYTES)
            # The checksum of a gzip file stands at its end: a file cut off after the last member shows only here.
            padding = 0
            while block := stream.read(_CHUNK_BYTES):
                padding += len(block)
                if padding > MAX_PADDING_BYTES:
                    raise AssetError(
                        f"{archive}: more than {MAX_PADDING_BYTES >> 20} MiB follow the last member; pack it again"
                    )
    except (*DAMAGED, zlib.error, gzip.BadGzipFile) as error:
        raise AssetError(
            f"{archive}: truncated or not a tar archive ({inline(error)}); copy or fetch it again"
        ) from error
    except (FileExistsError, NotADirectoryError, IsADirectoryError) as error:
        raise AssetError(f"{archive}: two members of the archive have one name, {inline(error.filename)}") from error
    if count == 0:
        raise AssetError(f"{archive}: the archive is empty")


def _plain_stream(archive: Path) -> gzip.GzipFile | io.BufferedReader:
    with archive.open("rb") as stream:
        zipped = stream.read(2) == b"\x1f\x8b"
    return gzip.open(archive, "rb") if zipped else archive.open("rb")


def _safe_name(archive: Path, member: tarfile.TarInfo) -> PurePosixPath:
    """The member's path below the folder; an AssetError where it is a link, a device or leads out."""
    quoted = shown(member.name)
    if not (member.isreg() or member.isdir()) or member.sparse is not None:
        raise AssetError(f"{archive}: {quoted} is a link or a device; an asset archive holds plain files only")
    name = PurePosixPath(member.name)
    if name.is_absolute() or ".." in name.parts or "\\" in member.name or "\0" in member.name:
        raise AssetError(f"{archive}: {quoted} would be written outside the asset's folder; do not trust this archive")
    if max(map(len, map(os.fsencode, ("", *name.parts)))) > MAX_NAME_BYTES or len(os.fsencode(name)) > MAX_PATH_BYTES:
        raise AssetError(f"{archive}: the name {quoted} is too long for a disk; pack it with shorter ones")
    return name
