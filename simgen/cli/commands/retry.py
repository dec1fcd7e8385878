"""`simgen retry`: make the quarantined samples of a data set again."""

from typing import TYPE_CHECKING

import click

from simgen.cli.options import ADDRESSES, PLACE, SCENES, accept_code_option, admit_addresses, run_options

if TYPE_CHECKING:
    from simgen.storage.paths import AnyPath

SECTION = "Make data"


@click.command()
@click.argument("folder", type=PLACE)
@SCENES
@ADDRESSES
@run_options
@accept_code_option
def retry(
    folder: "AnyPath",
    scene_folders: tuple[str, ...],
    addresses: tuple[str, ...],
    workers: int | None,
    address: str | None,
    sample_timeout: float | None,
    accept_code: bool,
) -> int:
    """Make the quarantined samples again.

    Also makes whatever else is missing in the data set. Samples that were rejected stay out: all their attempts would
    be rejected again.
    """
    import simgen.run.run  # noqa: F401  Ray may be missing: better seen before a shard is opened again.
    from simgen.cli.run_plan import run_plan
    from simgen.make.planning import pinned_plan
    from simgen.plan.plan import check_same, read_plan_to_run
    from simgen.run import quarantine

    there = read_plan_to_run(folder, scene_folders)
    admit_addresses(addresses, there)
    plan = pinned_plan(there.recipe, n=there.n, seed=there.seed, shard_size=there.shard_size)
    check_same(folder, plan, accept_code=accept_code)
    opened = quarantine.retry(folder)
    click.echo(f"{folder}: trying {len(opened)} quarantined samples again", err=True)
    return run_plan(
        plan, folder, workers=workers, address=address, sample_timeout=sample_timeout, accept_code=accept_code
    )
