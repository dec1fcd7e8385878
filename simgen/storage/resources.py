"""The four content folders, in a checkout and in an installed wheel alike."""

from pathlib import Path
from typing import Literal

from simgen.core.errors import EnvironmentProblem

PACKAGE = Path(__file__).resolve().parents[1]
KUBRIC = "kubric-nightly==2023.12.27"
"""Installed by itself and with --no-deps: it declares TensorFlow and Beam, 4.3 GB that simgen never imports."""


def folder(name: Literal["scenes", "assets", "pipelines", "docker"]) -> Path:
    """Where a content folder lies: inside the package once installed, beside it in a checkout."""
    for path in (PACKAGE / "_bundled" / name, PACKAGE.parent / name):
        if path.is_dir():
            return path
    raise EnvironmentProblem(f"{PACKAGE}: the folder {name!r} that belongs to simgen is missing; install simgen again")


def how_to_install(extra: str) -> str:
    """The words that end a sentence about a missing library: where to type what. simgen is on no package index."""
    checkout = PACKAGE.parent if (PACKAGE.parent / "pyproject.toml").is_file() else "a checkout of simgen"
    kubric = f" && pip install --no-deps {KUBRIC}" if extra == "generate" else ""
    return f"in {checkout}, run: pip install -e '.[{extra}]'{kubric}"
