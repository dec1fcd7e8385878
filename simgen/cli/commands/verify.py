"""`simgen verify`: what is wrong with a data set."""

import json
from typing import TYPE_CHECKING

import click

from simgen.cli.options import PLACE

if TYPE_CHECKING:
    from simgen.storage.paths import AnyPath

SECTION = "Look at a data set"


@click.command()
@click.argument("folder", type=PLACE)
@click.option("--json", "as_json", is_flag=True, help="As one JSON object.")
def verify(folder: "AnyPath", as_json: bool) -> int:
    """Say what is wrong with a data set.

    Reads every byte of it; exit code 1 where anything is wrong.
    """
    from simgen.dataset.status import read_status
    from simgen.dataset.verify import verify as find_problems

    problems, found = find_problems(folder), read_status(folder)
    if as_json:
        data = {"sound": not problems, "samples": found.samples, "findings": [p.as_data() for p in problems]}
        click.echo(json.dumps(data))
    else:
        for problem in problems:
            click.echo(problem)
        holes = f", {found.quarantined} quarantined" if found.quarantined else ""
        verdict = f"{len(problems)} findings" if problems else "sound"
        click.echo(f"{folder}: {verdict}; {found.samples} of {found.planned} samples{holes}")
    return 1 if problems else 0
