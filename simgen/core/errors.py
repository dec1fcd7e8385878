"""What can go wrong, as a user meets it: one sentence that says what, where, what was got, what to do.

SimgenError            exit 1   a run could not go on, or `verify` found damage
├── UsageError         exit 2   the command line, a recipe, a scene's parameters
│   └── UnknownName    exit 2   a name that nothing answers to, with the nearest that does
├── AssetError         exit 1   a manifest, an archive, a mesh
├── OutputError        exit 1   a folder that cannot be written, a full disk, a damaged shard
├── EnvironmentProblem exit 1   Blender, Bullet or Ray is missing or does not answer
└── ConflictError      exit 4   a folder that holds a data set of another recipe
"""

import difflib
import errno
import reprlib
from collections.abc import Iterable

_LONGEST, _MOST = 200, 200
"""Characters of a name that are compared, and names that a message lists."""


class SimgenError(Exception):
    """Base of every error that a user can mend; its text is the whole message."""

    exit_code = 1


class UsageError(SimgenError):
    """The command line, a recipe or a scene parameter is wrong."""

    exit_code = 2


class UnknownName(UsageError):
    """A name that nothing answers to."""

    def __init__(self, what: str, name: str, known: Iterable[str], *, where: str = "") -> None:
        known = sorted(known)
        # The comparison takes time with the square of the length; no name that was meant is that long.
        near = difflib.get_close_matches(name[:_LONGEST], known, n=1, cutoff=0.5)
        some = ", ".join(known[:_MOST]) + (f" and {len(known) - _MOST} more" if len(known) > _MOST else "")
        hint = f"did you mean {near[0]!r}?" if near else f"known: {some or 'none'}"
        super().__init__(f"{where + ': ' if where else ''}no {what} {shown(name)}; {hint}")


class AssetError(SimgenError):
    """A manifest, an archive or a mesh cannot be used."""

    asset: str | None = None
    """The asset whose files were being read, as `source:id`, where the catalogue knows it."""


class OutputError(SimgenError):
    """The data set cannot be written or is damaged."""


DISK_TROUBLE = frozenset(
    (errno.EIO, errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EACCES, errno.EPERM, errno.ESTALE, errno.ENOTCONN,
     errno.ETIMEDOUT, errno.EMFILE, errno.ENFILE)
)  # fmt: skip
"""What a disk or a machine answers to a program that has done nothing wrong."""


def disk_trouble(error: OSError, where: object) -> str:
    """The sentence for an answer of the disk that nobody else has put in words."""
    return (
        f"{error.filename or where}: cannot be read or written ({error.strerror or error}); mend that and run the same "
        "command again"
    )


class EnvironmentProblem(SimgenError):
    """A program or library that the command needs is missing or does not answer."""


class RenderError(SimgenError):
    """Blender gave another picture than it was asked for: the fault of one sample, which ends no run."""


class ConflictError(SimgenError):
    """The folder holds a data set made from another recipe."""

    exit_code = 4


class _Short(reprlib.Repr):
    """Half a dozen items of each of three levels, however much a stranger's file holds."""

    def __init__(self) -> None:
        super().__init__()
        self.maxlevel, self.maxdict, self.maxlist, self.maxtuple = 3, 6, 8, 8
        self.maxstring = self.maxother = 200

    def repr_int(self, x: int, level: int) -> str:
        # Python refuses to write out an integer of more than 4300 digits.
        return f"a whole number of {x.bit_length()} bits" if x.bit_length() > 256 else repr(x)


def shown(value: object) -> str:
    """What was got, as it stands in a message: one line, cut short."""
    return _Short().repr(value)


def inline(text: object) -> str:
    """The same without quotation marks, for words of others in the middle of a sentence."""
    words = " ".join(str(text)[: 4 * _LONGEST].split())
    plain = "".join(c if c.isprintable() else ascii(c)[1:-1] for c in words)
    return plain if len(plain) <= _LONGEST else plain[:_LONGEST] + "…"
