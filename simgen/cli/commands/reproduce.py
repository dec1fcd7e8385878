"""`simgen reproduce`: make one sample of a data set again and compare."""

from typing import TYPE_CHECKING

import click

from simgen.cli.options import ADDRESSES, PLACE, SCENES, admit_addresses

if TYPE_CHECKING:
    from simgen.storage.paths import AnyPath

SECTION = "Look at a data set"


@click.command()
@click.argument("folder", type=PLACE)
@click.argument("key")
@SCENES
@ADDRESSES
def reproduce(folder: "AnyPath", key: str, scene_folders: tuple[str, ...], addresses: tuple[str, ...]) -> int:
    """Make one sample again and compare.

    KEY is the name of a sample, as `simgen report` shows it. Says how much is the same: bytes, pixels, or the state of
    the world at the end.

    \b
      simgen reproduce out/demo drop-000007
    """
    from simgen.plan.plan import read_plan
    from simgen.run.reproduce import compare

    if addresses:
        admit_addresses(addresses, read_plan(folder))
    verdict = compare(folder, key, scene_folders=scene_folders)
    for note in verdict.notes:
        click.echo(f"note: {note}", err=True)
    click.echo(verdict.text)
    return 0 if verdict.same else 1
