"""`simgen report`: a data set as one page."""

from typing import TYPE_CHECKING

import click

from simgen.cli.options import PLACE

if TYPE_CHECKING:
    from simgen.storage.paths import AnyPath

SECTION = "Look at a data set"


@click.command()
@click.argument("folder", type=PLACE)
@click.option(
    "--out",
    type=PLACE,
    metavar="PATH",
    help="Where the page goes: a file, or a folder for index.html.  [default: FOLDER/report/index.html]",
)
def report(folder: "AnyPath", out: "AnyPath | None") -> int:
    """Write one HTML page that shows a data set.

    The page holds its pictures and opens from disk. With --out nothing in the data set is changed:

    \b
      simgen report out/demo --out demo.html
    """
    from simgen.dataset.report.write import write_report

    click.echo(write_report(folder, out))
    return 0
