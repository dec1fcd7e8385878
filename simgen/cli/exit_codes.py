"""The exit codes of `simgen`, for the program, for `simgen --help` and for docs/cli.md."""

from collections.abc import Mapping

DONE, FAILED, USAGE, QUARANTINED, DIFFERS = 0, 1, 2, 3, 4
HUNG_UP, INTERRUPTED, TERMINATED = 129, 130, 143

EXIT_CODES: Mapping[int, str] = {
    DONE: "done",
    FAILED: "failed, or something is wrong with what was looked at",
    USAGE: "the command line or a recipe is wrong",
    QUARANTINED: "finished, but some samples, meshes or pictures had to be left out",
    DIFFERS: "the folder holds a data set of another recipe, seed or version",
    HUNG_UP: "stopped because its terminal was closed (SIGHUP)",
    INTERRUPTED: "stopped with Ctrl-C",
    TERMINATED: "stopped by SIGTERM",
}


def help_table() -> str:
    """The lines for `simgen --help`."""
    return "\n".join(f"  {code:<4} {meaning}" for code, meaning in EXIT_CODES.items())


def markdown_table() -> str:
    """The table of docs/cli.md; a test holds it."""
    rows = "".join(f"| {code} | {meaning} |\n" for code, meaning in EXIT_CODES.items())
    return f"| exit code | meaning |\n|---|---|\n{rows}"
