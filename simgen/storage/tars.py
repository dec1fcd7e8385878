"""tarfile, for archives that strangers wrote: a header may not ask for gigabytes before anyone has looked at it."""

import tarfile
from typing import Self

MAX_HEADER_BYTES = 64 << 10
"""Of a long name or a list of attributes, which tarfile reads into memory whole, however long it says it is."""

DAMAGED = (tarfile.TarError, EOFError, ValueError, OverflowError, LookupError, RecursionError)
"""tarfile stumbles over some headers with whatever its arithmetic raises, and nests with every header of a header."""

_FILES = (tarfile.REGTYPE, tarfile.AREGTYPE, tarfile.CONTTYPE)


class Header(tarfile.TarInfo):
    """A header that asks for no more than an archive of plain files needs; give it to `tarfile.open` as `tarinfo`."""

    @classmethod
    def frombuf(cls, buf: bytes | bytearray, encoding: str, errors: str) -> Self:
        header = super().frombuf(buf, encoding, errors)
        if header.size < 0:
            raise tarfile.TarError(f"a member of {header.size} bytes")
        if header.type not in _FILES and header.size > MAX_HEADER_BYTES:
            raise tarfile.TarError(f"a header of {header.size} bytes")
        if header.type == tarfile.GNUTYPE_SPARSE:
            raise tarfile.TarError("a file with holes")
        return header

    def _proc_gnusparse_10(self, *ignored: object) -> None:
        """tarfile's own reads a list of holes of any length into memory, before anyone is asked."""
        raise tarfile.TarError("a file with holes")
