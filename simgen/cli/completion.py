"""What the shell completes: names of scenes and recipes, found without importing any of them."""

import re
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TypeAlias

import click
from click.shell_completion import CompletionItem

from simgen.storage import resources

Completer: TypeAlias = Callable[[click.Context, click.Parameter, str], list[CompletionItem]]

_REGISTERED = re.compile(r"""^@register\(["']([a-z][a-z0-9_]*)["']\)""", re.MULTILINE)
_FOR_TRAINING = "train_"
_FILE = CompletionItem("", type="file")
"""The shell completes names of files."""
FOLDER = CompletionItem("", type="dir")


def scene_names(folders: Iterable[Path] = ()) -> list[str]:
    """The scenes in the files that come with simgen and in further folders, read as text: nothing is run."""
    names: set[str] = set()
    for folder in (resources.folder("scenes"), *folders):
        for path in folder.glob("*.py"):
            names.update(_REGISTERED.findall(path.read_text(encoding="utf-8", errors="replace")))
    return sorted(names)


def recipe_names(*, training: bool = False) -> list[str]:
    """The recipes that come with simgen, for making data or for training."""
    names = (path.stem for path in resources.folder("pipelines").glob("*.yaml"))
    return sorted(name for name in names if name.startswith(_FOR_TRAINING) == training)


def complete_scene(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
    return _beginning_with(scene_names(_own_folders(ctx)), incomplete)


def complete_recipe(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """Recipes, scenes, and files of one's own."""
    names = {*recipe_names(), *scene_names(_own_folders(ctx))}
    return _beginning_with(sorted(names), incomplete) or [_FILE]


def complete_training(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
    return _beginning_with(recipe_names(training=True), incomplete) or [_FILE]


def one_of(*names: str) -> Completer:
    """Completes one of a few names."""
    return lambda ctx, param, incomplete: _beginning_with(names, incomplete)


def file_or(*names: str) -> Completer:
    """Completes one of a few names, or a file."""
    return lambda ctx, param, incomplete: _beginning_with(names, incomplete) or [_FILE]


def folder(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """The shell completes names of folders."""
    return [FOLDER]


def _beginning_with(names: Iterable[str], start: str) -> list[CompletionItem]:
    return [CompletionItem(name) for name in names if name.startswith(start)]


def _own_folders(ctx: click.Context) -> list[Path]:
    """What --scenes has named so far on the line."""
    return [Path(name) for name in ctx.params.get("scene_folders") or () if Path(name).is_dir()]
