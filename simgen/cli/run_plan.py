"""Run a plan into its folder, show how far it is, and say at the end what was made: for `generate` and `retry`."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import click

from simgen.cli.errors import traceback_folder

if TYPE_CHECKING:
    from simgen.make.fits import Fits
    from simgen.plan.plan import Plan
    from simgen.run.quarantine import Quarantined
    from simgen.run.run import Summary
    from simgen.storage.paths import AnyPath

QUARANTINED = 3
"""Exit code of a run that finished without some of its samples."""


def run_plan(
    plan: "Plan",
    folder: "AnyPath",
    *,
    workers: int | None,
    address: str | None,
    sample_timeout: float | None,
    fits: "Fits | None" = None,
) -> int:
    """Make what the plan still lacks in the folder; returns the exit code. `fits` is what is known of the user's own
    objects."""
    from rich.console import Console

    from simgen.dataset import cost
    from simgen.dataset.card import write_card
    from simgen.dataset.own_objects import OwnObjects, read_own_objects, write_own_objects
    from simgen.dataset.progress import Progress
    from simgen.plan.plan import RESOLVED
    from simgen.run.folder import finished, open_folder
    from simgen.run.limits import Limits
    from simgen.run.quarantine import QUARANTINE
    from simgen.run.run import run

    with open_folder(folder, plan, sample_bytes=cost.sample_bytes(plan.recipe.render)):
        traceback_folder.set(folder / QUARANTINE / "logs")
        if fits is not None:
            write_own_objects(
                folder,
                OwnObjects(objects=fits.objects, unused=fits.unused, without=fits.without, used={}, own=0, builtin=0),
            )
        done = finished(plan, folder)
        if done:
            click.echo(f"{folder}: {done} of {plan.n} samples are there, going on", err=True)
        limits = Limits(sample_s=sample_timeout or cost.sample_limit_s(plan))
        with Progress(folder, planned=plan.n, done=done, console=Console(stderr=True)) as progress:
            summary = run(plan, folder, workers=workers, address=address, limits=limits, watch=progress.update)
        write_card(folder, command=f"simgen generate {RESOLVED} --out DIR")
    if (own := read_own_objects(folder)) is not None:
        for line in own.in_words():
            click.echo(line)
    _print_summary(folder, summary)
    return QUARANTINED if summary.quarantined else 0


def _print_summary(folder: "AnyPath", summary: "Summary") -> None:
    """What was made, what was not, where it is, and what to do next."""
    from simgen.dataset.progress import counts, duration

    status = summary.status
    rate = f" at {summary.made / summary.seconds * 3600:.0f} per hour" if summary.made else ""
    click.echo(f"{status.samples} samples in {folder}; {summary.made} made in {duration(summary.seconds)}{rate}")
    rejected = sum(status.rejects.values())
    if rejected:
        click.echo(f"rejected {rejected} of {status.attempts} attempts: {counts(status.rejects)}")
    if summary.quarantined:
        _print_quarantined(summary.quarantined)
    if any(one.failure != "rejected" for one in summary.quarantined):
        click.echo(f"next: simgen retry {folder}, once the cause is mended")
    else:
        click.echo(f"next: simgen verify {folder}")


def _print_quarantined(quarantined: Sequence["Quarantined"], most: int = 5) -> None:
    click.echo(f"quarantined {len(quarantined)}:")
    for one in quarantined[:most]:
        click.echo(f"  {one.key} ({one.failure}): {one.detail or one.reason}; see it with: {one.reproduce}")
    if len(quarantined) > most:
        click.echo(f"  and {len(quarantined) - most} more")
