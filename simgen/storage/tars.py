"""tarfile for untrusted archives: a header cannot make it read gigabytes into memory."""

import tarfile
from typing import Self

MAX_HEADER_BYTES = 64 << 10
"""Limit on a long name or a list of attributes, which tarfile reads into memory whole."""

DAMAGED = (tarfile.TarError, EOFError, ValueError, OverflowError, LookupError, RecursionError)
"""What tarfile raises for damaged archives: its arithmetic fails on some headers, and nested ones recurse."""

_FILES = (tarfile.REGTYPE, tarfile.AREGTYPE, tarfile.CONTTYPE)


class Header(tarfile.TarInfo):
    """A tar header with a limited size and no sparse files; give this class to `tarfile.open` as `tarinfo`."""

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
        """Overrides a method that reads a list of holes of any length into memory."""
        raise tarfile.TarError("a file with holes")
