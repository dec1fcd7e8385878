"""An exception → one sentence for the user and an exit code."""

import contextlib
import errno
import os
import sys
import tempfile
import time
import traceback
from contextvars import ContextVar
from pathlib import Path
from typing import TYPE_CHECKING

import click

from simgen.core.errors import DISK_TROUBLE, SimgenError, disk_trouble, shown
from simgen.storage.resources import KUBRIC, how_to_install
from simgen.storage.urls import scrub

if TYPE_CHECKING:
    from simgen.storage.paths import AnyPath

traceback_folder: ContextVar["AnyPath | None"] = ContextVar("traceback_folder", default=None)
"""Where the traceback of a bug is kept; a command sets it once it has a folder of its own."""
WITHOUT_KUBRIC = f"the extra `generate` does not bring it, so run: pip install --no-deps {KUBRIC}"
_TRAINING = {"torch", "diffusers", "transformers", "peft", "safetensors", "tensorboard", "huggingface_hub"}


def explain(error: Exception) -> tuple[str, int]:
    """The sentence and the exit code for an error. The traceback of a bug goes into a file that the sentence names."""
    sentence, code = _explain(error)
    return scrub(sentence), code


def _explain(error: Exception) -> tuple[str, int]:
    if isinstance(error, SimgenError):
        return str(error), error.exit_code
    if isinstance(error, click.ClickException):
        help_for = f"; see {error.ctx.command_path} --help" if isinstance(error, click.UsageError) and error.ctx else ""
        # On one line, whatever stood in the arguments.
        words = " ".join(error.format_message().split())
        said = "".join(c if c.isprintable() else ascii(c)[1:-1] for c in words)
        return said.rstrip(".") + help_for, error.exit_code
    if isinstance(error, OSError) and error.errno in DISK_TROUBLE:
        return disk_trouble(error, "the disk"), 1
    if isinstance(error, OSError) and error.errno == errno.ENAMETOOLONG:
        return f"{shown(str(error.filename))}: is too long for the name of a file; give a shorter one", 2
    if isinstance(error, ModuleNotFoundError) and not (error.name or "simgen").startswith("simgen"):
        if error.name == "kubric":
            return f"Kubric is not installed; {WITHOUT_KUBRIC}", 1
        extra = "train" if (error.name or "").partition(".")[0] in _TRAINING else "generate"
        return f"{error.name} is not installed; to install all that is needed, {how_to_install(extra)}", 1
    first_line = (str(error).strip().splitlines() or ["no message"])[0]
    kept = _keep_traceback(error)
    return f"unexpected {type(error).__name__}: {first_line}; the traceback is in {kept}", 1


def _keep_traceback(error: Exception) -> Path:
    name = f"simgen-{time.strftime('%Y%m%d-%H%M%S')}-{os.getpid()}.log"
    text = scrub("".join(traceback.format_exception(error)))
    for folder in (traceback_folder.get(), Path(tempfile.gettempdir())):
        # Writing to a store could fail for the same reason as the command.
        if isinstance(folder, Path):
            with contextlib.suppress(OSError):
                folder.mkdir(parents=True, exist_ok=True)
                # A new file: under its name others may have laid a link into a folder that all write to.
                with (folder / name).open("x") as file:
                    file.write(text)
                return folder / name
    print(text, file=sys.stderr)
    return Path("the lines above")
