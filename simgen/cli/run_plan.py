"""Run a plan into its folder, show how far it is, and say at the end what was made: for `generate` and `retry`."""

import shlex
from collections.abc import Sequence
from typing import TYPE_CHECKING

import click

from simgen.cli.errors import traceback_folder
from simgen.cli.exit_codes import QUARANTINED

if TYPE_CHECKING:
    from simgen.make.fits import Fits
    from simgen.plan.plan import Plan
    from simgen.run.quarantine import Quarantined
    from simgen.run.run import Summary
    from simgen.storage.paths import AnyPath


def run_plan(
    plan: "Plan",
    folder: "AnyPath",
    *,
    workers: int | None,
    address: str | None,
    sample_timeout: float | None,
    accept_code: bool = False,
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

    sample_bytes = cost.sample_bytes(plan.recipe.render)
    with open_folder(folder, plan, sample_bytes=sample_bytes, accept_code=accept_code):
        traceback_folder.set(folder / QUARANTINE / "logs")
        if fits is not None:
            write_own_objects(
                folder,
                OwnObjects(objects=fits.objects, unused=fits.unused, without=fits.without, used={}, own=0, builtin=0),
            )
        done = finished(plan, folder)
        if done:
            click.echo(f"{folder}: {done} of {plan.n} samples are there, going on", err=True)
        if address is None and done < plan.n:
            _weigh_memory(plan, workers)
        limits = Limits(sample_s=sample_timeout or cost.sample_limit_s(plan))
        with Progress(folder, planned=plan.n, done=done, console=Console(stderr=True)) as progress:
            summary = run(plan, folder, workers=workers, address=address, limits=limits, watch=progress.update)
        scenes = " --scenes FOLDER" if plan.recipe.scene_folders else ""
        write_card(folder, command=f"simgen generate {RESOLVED}{scenes} --out DIR")
    if (own := read_own_objects(folder)) is not None:
        for line in own.in_words():
            click.echo(line)
    _print_summary(folder, summary)
    return QUARANTINED if summary.quarantined else 0


def _weigh_memory(plan: "Plan", workers: int | None) -> None:
    """Say so where memory is enough for fewer workers than there are cores, or than were asked for."""
    from simgen.dataset.progress import byte_size
    from simgen.run.machine import available_bytes, cores, fitting_workers, worker_bytes

    each_bytes, free = worker_bytes(plan.recipe.render.width, plan.recipe.render.height), available_bytes()
    wanted = workers or cores()
    if free is None or (fit := fitting_workers(free, each_bytes)) >= wanted:
        return
    has = f"{byte_size(free)} of memory are free, and a worker takes up to {byte_size(each_bytes)}"
    if workers is None and fit > 0:
        click.echo(f"{has}: going on with {fit} of {wanted} workers", err=True)
    else:
        asked = f"{wanted} workers" if workers else "even one worker"
        click.echo(f"warning: {has}: {asked} may be killed for want of memory", err=True)


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
        _print_quarantined(folder, summary.quarantined)
    if any(one.failure != "rejected" for one in summary.quarantined):
        click.echo(f"next: simgen retry {folder}, once the cause is mended")
    else:
        click.echo(f"next: simgen verify {folder}")


def _print_quarantined(folder: "AnyPath", quarantined: Sequence["Quarantined"], most: int = 5) -> None:
    click.echo(f"quarantined {len(quarantined)}:")
    for one in quarantined[:most]:
        # Not the command that stands in the mark: it may be a stranger's.
        again = f"simgen reproduce {shlex.quote(str(folder))} {shlex.quote(one.key)}"
        click.echo(f"  {one.key} ({one.failure}): {one.detail or one.reason}; see it with: {again}")
    if len(quarantined) > most:
        click.echo(f"  and {len(quarantined) - most} more")
