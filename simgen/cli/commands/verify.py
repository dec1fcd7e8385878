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
@click.option(
    "--repair", "mend", is_flag=True, help="Remove what is bad, so that the same `simgen generate` makes it again."
)
def verify(folder: "AnyPath", as_json: bool, mend: bool) -> int:
    """Say what is wrong with a data set.

    Reads every byte of it; exit code 1 where anything is wrong, also where --repair has removed it.
    """
    from simgen.dataset.repair import repair
    from simgen.dataset.verify import examine

    removed: list[str] = []
    if mend:
        found, stays = repair(folder, removed.append)
    else:
        found, stays = examine(folder), []
    if as_json:
        data = {
            "sound": not found.problems,
            "samples": found.samples,
            "planned": found.planned,
            "quarantined": found.quarantined,
            "at_work": found.at_work,
            "findings": [problem.as_data() for problem in found.problems],
            "notes": found.notes,
        }
        if mend:
            data |= {"removed": removed, "stays": [problem.as_data() for problem in stays]}
        click.echo(json.dumps(data))
        return 1 if found.problems else 0
    for line in (*found.notes, *found.problems, *removed):
        click.echo(line)
    holes = f", {found.quarantined} quarantined" if found.quarantined else ""
    count = len(found.problems)
    verdict = f"{count} finding{'' if count == 1 else 's'}" if count else "sound"
    planned = "an unknown number of" if found.planned is None else found.planned
    click.echo(f"{folder}: {verdict}; {found.samples} of {planned} samples{holes}")
    if mend:
        for problem in stays:
            click.echo(f"stays, for you to look at: {problem.where}")
        if len(stays) < len(found.problems):
            click.echo("next: run the same `simgen generate` again")
    elif any(problem.bad_shard or problem.bad_file for problem in found.problems):
        click.echo(f"next: simgen verify --repair {folder}, then the same `simgen generate` again")
    return 1 if found.problems else 0
