"""`simgen retry`: make the quarantined samples of a data set again."""

from typing import TYPE_CHECKING

import click

from simgen.cli.options import PLACE, accept_code_option, run_options

if TYPE_CHECKING:
    from simgen.storage.paths import AnyPath

SECTION = "Make data"


@click.command()
@click.argument("folder", type=PLACE)
@run_options
@accept_code_option
def retry(
    folder: "AnyPath", workers: int | None, address: str | None, sample_timeout: float | None, accept_code: bool
) -> int:
    """Make the quarantined samples again.

    And whatever else is missing in the data set. What was rejected stays out: its attempts would end the same way.
    """
    import simgen.run.run  # noqa: F401  Ray may be missing: better seen before a shard is opened again.
    from simgen.cli.run_plan import run_plan
    from simgen.make.planning import pinned_plan
    from simgen.plan.plan import check_same, read_plan
    from simgen.plan.recipe import load_scenes
    from simgen.run import quarantine

    there = read_plan(folder)
    load_scenes(there.recipe.scene_folders)
    plan = pinned_plan(there.recipe, n=there.n, seed=there.seed, shard_size=there.shard_size)
    check_same(folder, plan, accept_code=accept_code)
    opened = quarantine.retry(folder)
    click.echo(f"{folder}: trying {len(opened)} quarantined samples again", err=True)
    return run_plan(
        plan, folder, workers=workers, address=address, sample_timeout=sample_timeout, accept_code=accept_code
    )
