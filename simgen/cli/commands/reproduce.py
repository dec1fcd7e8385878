"""`simgen reproduce`: make one sample of a data set again and compare."""

from typing import TYPE_CHECKING

import click

from simgen.cli.options import PLACE, SCENES

if TYPE_CHECKING:
    from simgen.storage.paths import AnyPath

SECTION = "Look at a data set"


@click.command()
@click.argument("folder", type=PLACE)
@click.argument("key")
@SCENES
def reproduce(folder: "AnyPath", key: str, scene_folders: tuple[str, ...]) -> int:
    """Make one sample again and compare.

    Says how much is the same: bytes, pixels, or the state of the world at the end.
    """
    from simgen.run.reproduce import compare

    verdict = compare(folder, key, scene_folders=scene_folders)
    for note in verdict.notes:
        click.echo(f"note: {note}", err=True)
    click.echo(verdict.text)
    return 0 if verdict.same else 1
