"""The command line. What starts the program imports this first, so that nothing here takes time to import."""

import os
import sys

TYPE_CHECKING = False
"""As in `typing`, which takes time to import."""
if TYPE_CHECKING:
    from collections.abc import Sequence

    from simgen.cli.app import cli

__all__ = ["cli", "main"]


def __getattr__(name: str) -> object:
    if name == "cli":
        from simgen.cli.app import cli

        return cli
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def main(arguments: "Sequence[str] | None" = None) -> None:
    """Run the `simgen` program and exit."""
    try:
        _forget_working_folder()
        from simgen.cli import app

        app.main(arguments)
    except KeyboardInterrupt:
        # While the program was being imported, when there is nothing yet to clean up.
        os.write(2, b"simgen: error: interrupted\n")
        sys.exit(130)


def _forget_working_folder() -> None:
    """`python -m` looks for modules in the current folder before all others, where a file of the user's may have the
    name of a library."""
    own = os.path.dirname(os.path.dirname(os.path.dirname(__file__)))  # noqa: PTH120 pathlib takes time to import
    if not sys.flags.safe_path and sys.path and sys.path[0] in ("", os.getcwd()) and os.getcwd() != own:  # noqa: PTH109
        del sys.path[0]
