"""tarfile for untrusted archives: a header cannot make it read gigabytes into memory."""

import tarfile

MAX_HEADER_BYTES = 64 << 10
"""Limit on a long name or a list of attributes, which tarfile reads into memory whole."""

DAMAGED = (tarfile.TarError, EOFError, ValueError, OverflowError, LookupError, RecursionError)
"""What tarfile raises for damaged archives: its arithmetic fails on some headers, and nested ones recurse."""

_FILES = (tarfile.REGTYPE, tarfile.AREGTYPE, tarfile.CONTTYPE)


class Header(tarfile.TarInfo):
    """A tar header with a limited size and no sparse files; give this class to `tarfile.open` as `tarinfo`."""

    def _proc_member(self, archive: tarfile.TarFile) -> tarfile.TarInfo:
        """Called for every header before anything behind it is read, by all versions of Python 3.11.

        `frombuf` is not: the tarfile of Debian 12, with its security fixes, reads headers without it.
        """
        if self.size < 0:
            raise tarfile.TarError(f"a member of {self.size} bytes")
        if self.type not in _FILES and self.size > MAX_HEADER_BYTES:
            raise tarfile.TarError(f"a header of {self.size} bytes")
        if self.type == tarfile.GNUTYPE_SPARSE:
            raise tarfile.TarError("a file with holes")
        member: tarfile.TarInfo = super()._proc_member(archive)  # type: ignore[misc]
        return member

    def _proc_gnusparse_10(self, *ignored: object) -> None:
        """Overrides a method that reads a list of holes of any length into memory."""
        raise tarfile.TarError("a file with holes")
