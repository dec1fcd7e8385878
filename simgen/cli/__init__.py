"""The command line."""

import sys

import simgen

if sys.argv[:1] == ["-m"]:
    # `python -m simgen.cli`, which imports this before its own file.
    simgen._leave_current_folder()

from simgen.cli.app import cli, main

__all__ = ["cli", "main"]
