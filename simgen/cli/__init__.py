"""The command line."""

from simgen.cli.app import cli, main

__all__ = ["cli", "main"]
