"""The `simgen` program: it finds its commands, runs one, and ends with an exit code."""

import contextlib
import importlib
import os
import pkgutil
import signal
import sys
from collections.abc import Sequence
from typing import Never

import click

from simgen import __version__
from simgen.cli import commands
from simgen.cli.errors import explain, traceback_folder
from simgen.cli.exit_codes import HUNG_UP, INTERRUPTED, TERMINATED, help_table
from simgen.cli.groups import HelpfulGroup
from simgen.core.errors import UnknownName

STOPPED = {
    signal.SIGHUP: (HUNG_UP, "stopped when its terminal was closed"),
    signal.SIGTERM: (TERMINATED, "terminated"),
}
"""What other signals than Ctrl-C end the program in order, each with its exit code and in words."""
SECTIONS = ("Make data", "See what can be made", "Look at a data set", "Use a data set")
"""The headings of `simgen --help` in their order. A command may name another one, which then comes after these."""


class CommandFolder(HelpfulGroup):
    """The group of all commands of `simgen.cli.commands`. A command's module is imported when it is asked for."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return sorted(module.name.replace("_", "-") for module in pkgutil.iter_modules(commands.__path__))

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in self.list_commands(ctx):
            return None
        name = cmd_name.replace("-", "_")
        command = getattr(importlib.import_module(f"{commands.__name__}.{name}"), name)
        assert isinstance(command, click.Command), f"{commands.__name__}.{name} defines no command {name!r}"
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """The command that was named; a misspelt one is an error that suggests the nearest."""
        if args and self.get_command(ctx, args[0]) is None and not args[0].startswith("-"):
            raise UnknownName("command", args[0], self.list_commands(ctx))
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """The commands by section, in the order of `SECTIONS`, and alphabetically within one."""
        names = self.list_commands(ctx)
        width = formatter.width - 6 - max(map(len, names))
        sections: dict[str, list[tuple[str, str]]] = {section: [] for section in SECTIONS}
        for name in names:
            command = self.get_command(ctx, name)
            if command is not None and not command.hidden:
                module = sys.modules[f"{commands.__name__}.{name.replace('-', '_')}"]
                rows = sections.setdefault(module.SECTION, [])
                rows.append((name, command.get_short_help_str(width)))
        for section, rows in sections.items():
            if rows:
                with formatter.section(section):
                    formatter.write_dl(rows, col_max=width)


_EPILOG = f"""\b
Examples:
  simgen generate topple --n 100     100 pairs of one scene, in out/topple
  simgen report out/topple           a page to look at them
  simgen COMMAND -h                  the options of a command

\b
Exit codes:
{help_table()}

docs/cli.md says how the shell completes commands, scenes and recipes.
"""


@click.group(
    cls=CommandFolder,
    epilog=_EPILOG,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110},
)
@click.version_option(__version__, prog_name="simgen")
def cli() -> None:
    """Before/after image pairs of physical events, simulated and path-traced, with full ground truth."""


def main(arguments: Sequence[str] | None = None) -> Never:
    """Run a command and exit; whatever goes wrong is one sentence on stderr and an exit code that says what."""
    traceback_folder.set(None)
    _received.clear()
    # What whoever started the program ignores, as `nohup` does, stays ignored.
    before = {n: handler for n in STOPPED if (handler := signal.getsignal(n)) not in (None, signal.SIG_IGN)}
    for number in before:
        signal.signal(number, _interrupt)
    try:
        code = cli.main(args=arguments, prog_name="simgen", standalone_mode=False)
    except (click.Abort, KeyboardInterrupt):
        code = _print_stopped()
    except BrokenPipeError:
        # Whoever read our output has seen enough; nothing is left to flush to.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        code = 0
    except Exception as error:
        if _received and isinstance(error, OSError):
            # The terminal that is gone takes no last line of the display.
            code = _print_stopped()
        else:
            sentence, code = explain(error)
            _print_error(sentence)
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
    sys.exit(code or 0)


_received: list[int] = []
"""Signals that were received."""


def _interrupt(number: int, frame: object) -> Never:
    # Not SystemExit: Ray, waiting below, would make an exit code of its own of it.
    _received.append(number)
    # A second signal must not stop the cleaning up after the first.
    for other in STOPPED:
        signal.signal(other, signal.SIG_IGN)
    raise KeyboardInterrupt


def _print_stopped() -> int:
    """Say which signal ended the program; returns the exit code."""
    code, how = STOPPED[signal.Signals(_received[0])] if _received else (INTERRUPTED, "interrupted")
    goes_on = "; the same command goes on from here" if traceback_folder.get() is not None else ""
    _print_error(f"{how}{goes_on}")
    return code


def _print_error(sentence: str) -> None:
    # The terminal may be gone.
    with contextlib.suppress(OSError):
        click.echo(f"simgen: error: {sentence}", err=True)
