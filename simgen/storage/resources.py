"""The four content folders, in a checkout and in an installed wheel alike."""

from pathlib import Path
from typing import Literal

from simgen.core.errors import EnvironmentProblem

PACKAGE = Path(__file__).resolve().parents[1]


def folder(name: Literal["scenes", "assets", "pipelines", "docker"]) -> Path:
    """Where a content folder lies: inside the package once installed, beside it in a checkout."""
    for path in (PACKAGE / "_bundled" / name, PACKAGE.parent / name):
        if path.is_dir():
            return path
    raise EnvironmentProblem(f"{PACKAGE}: the folder {name!r} that belongs to simgen is missing; install simgen again")
