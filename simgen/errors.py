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
from collections.abc import Iterable


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
        near = difflib.get_close_matches(name, known, n=1, cutoff=0.5)
        hint = f"did you mean {near[0]!r}?" if near else f"known: {', '.join(known) or 'none'}"
        super().__init__(f"{where + ': ' if where else ''}no {what} {name!r}; {hint}")


class AssetError(SimgenError):
    """A manifest, an archive or a mesh cannot be used."""


class OutputError(SimgenError):
    """The data set cannot be written or is damaged."""


class EnvironmentProblem(SimgenError):
    """A program or library that the command needs is missing or does not answer."""


class ConflictError(SimgenError):
    """The folder holds a data set made from another recipe."""

    exit_code = 4
