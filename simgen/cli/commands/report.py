"""`simgen report`: a data set as one page."""

from typing import TYPE_CHECKING

import click

from simgen.cli.options import PLACE

if TYPE_CHECKING:
    from simgen.storage.paths import AnyPath

SECTION = "Look at a data set"


@click.command()
@click.argument("folder", type=PLACE)
def report(folder: "AnyPath") -> int:
    """Write a data set as one page to look at."""
    from simgen.dataset.report.write import write_report

    click.echo(write_report(folder))
    return 0
