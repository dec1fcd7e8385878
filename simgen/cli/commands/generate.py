"""`simgen generate`: make a data set, or say what it would take."""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import click

from simgen.cli.completion import complete_recipe
from simgen.cli.options import PLACE, accept_code_option, device_override, recipe_options, run_options
from simgen.core.errors import UsageError

if TYPE_CHECKING:
    from simgen.dataset.cost import CostEstimate
    from simgen.make.fits import Fits
    from simgen.plan.plan import Plan
    from simgen.storage.paths import AnyPath

SECTION = "Make data"


@click.command()
@click.argument("recipe", required=False, shell_complete=complete_recipe)
@click.option("--n", type=int, help="How many samples.")
@click.option(
    "--out",
    type=PLACE,
    metavar="PLACE",
    help="Where the data set goes: a folder, s3://BUCKET/NAME, gs://BUCKET/NAME or hf://datasets/ORG/NAME.  "
    "[default: out/NAME]",
)
@click.option("--seed", type=int, help="Another seed makes other samples.  [default: 0]")
@recipe_options
@click.option("--shard-size", type=int, help="Samples in a shard.  [default: by n]")
@run_options
@accept_code_option
@click.option("--dry-run", is_flag=True, help="Say what would be made, and what it would take.")
@click.option("--probes", type=int, help="Samples that --dry-run makes for that.  [default: what half a minute allows]")
@click.option("--print-config", is_flag=True, help="Print the resolved recipe.")
def generate(
    recipe: str | None,
    n: int | None,
    out: "AnyPath | None",
    seed: int | None,
    overrides: tuple[str, ...],
    assets: tuple[str, ...],
    hdri: tuple[str, ...],
    scene_folders: tuple[str, ...],
    device: str | None,
    shard_size: int | None,
    workers: int | None,
    address: str | None,
    sample_timeout: float | None,
    accept_code: bool,
    dry_run: bool,
    probes: int | None,
    print_config: bool,
) -> int:
    """Make a data set.

    RECIPE is the name of a scene or of a recipe (`simgen scenes` lists both), or a YAML file. The same command again
    goes on where it was stopped.

    \b
      simgen generate drop --n 100
      simgen generate --n 10000 --dry-run
    """
    from simgen.make.planning import catalog_of, pinned_plan, resolve_device
    from simgen.plan.plan import read_run
    from simgen.plan.recipe import load_recipe

    overrides = (*overrides, *device_override(device))
    chosen = load_recipe(recipe, overrides=overrides, assets=assets, hdri=hdri, scene_folders=scene_folders)
    chosen = resolve_device(chosen)
    if print_config:
        click.echo(chosen.to_yaml(), nl=False)
        return 0
    # The resolved recipe in a data set's folder knows how it was run.
    run = read_run(Path(recipe)) if recipe is not None and Path(recipe).suffix in (".yaml", ".yml") else {}
    n = run.get("n") if n is None else n
    if n is None:
        raise UsageError("--n is missing: say how many samples, as in --n 100")
    seed = run.get("seed", 0) if seed is None else seed
    shard_size = run.get("shard_size") if shard_size is None else shard_size
    folder = out or Path("out") / chosen.name
    # Path takes the second slash of an address away.
    if isinstance(folder, Path) and re.match(r"\w+:/", str(folder)):
        raise UsageError(f"--out must be a folder or an address such as s3://BUCKET/NAME; got {folder}")
    plan = pinned_plan(chosen, n=n, seed=seed, shard_size=shard_size)
    if scene_folders:
        _print_changed_scenes(plan, run.get("pins", {}))
    if probes is not None and (probes < 0 or not dry_run):
        raise UsageError(f"--probes must be at least 0 and stand beside --dry-run; got {probes}")
    for note in catalog_of(chosen).notes if chosen.assets.objects else ():
        click.echo(f"note: {note}", err=True)
    fits = _own_objects(plan)
    if dry_run:
        return _dry_run(plan, folder, workers, probes)

    from simgen.cli.run_plan import run_plan

    return run_plan(
        plan,
        folder,
        workers=workers,
        address=address,
        sample_timeout=sample_timeout,
        accept_code=accept_code,
        fits=fits,
    )


def _print_changed_scenes(plan: "Plan", pins: Mapping[str, str]) -> None:
    """Say where the user's own scenes are other code than those of the data set that the recipe is from."""
    from dataclasses import replace

    from simgen.plan.fingerprint import changed_scenes

    for changed in changed_scenes(replace(plan, pins=pins), *(choice.name for choice in plan.recipe.scenes)):
        click.echo(f"note: {changed}", err=True)


def _own_objects(plan: "Plan") -> "Fits | None":
    """What of the user's own objects fits the recipe, said before anything is made; None where it names none."""
    recipe = plan.recipe
    if not recipe.assets.objects:
        return None
    from simgen.make.fits import find_fits, in_words, refusal
    from simgen.make.planning import catalog_of
    from simgen.scene import registry

    scenes = {c.name: registry.build(c.name, c.parameters, where=recipe.name) for c in recipe.scenes}
    fits = find_fits(scenes, catalog_of(recipe))
    if not fits.objects:
        return None
    for line in in_words(fits, strict=recipe.assets.strict):
        click.echo(f"note: {line}", err=True)
    if recipe.assets.strict and (reason := refusal(fits)):
        raise UsageError(reason)
    return fits


def _dry_run(plan: "Plan", folder: "AnyPath", workers: int | None, probes: int | None) -> int:
    """Estimate what the plan takes, from `probes` samples that are made now, and print it."""
    from simgen.dataset.cost import estimate_cost
    from simgen.run.machine import default_workers, worker_bytes

    workers = workers or default_workers(worker_bytes(plan.recipe.render.width, plan.recipe.render.height))
    if probes == 0:
        estimate = estimate_cost(plan, workers=workers)
    else:
        from simgen.run.cost_samples import make_cost_samples

        made = make_cost_samples(plan, most=probes, report=lambda line: click.echo(line, err=True))
        estimate = estimate_cost(plan, made.samples, workers=workers, start_s=made.start_s)
    _print_estimate(plan, folder, workers, estimate)
    return 0


def _print_estimate(plan: "Plan", folder: "AnyPath", workers: int, estimate: "CostEstimate") -> None:
    from simgen.cli.text import two_digits
    from simgen.dataset.cost import count_mix
    from simgen.dataset.layout import committed
    from simgen.dataset.progress import byte_size, counts, duration
    from simgen.run.machine import available_bytes, fitting_workers, worker_bytes

    recipe = plan.recipe
    scenes, splits = count_mix(plan)
    there = sum(len(committed(folder / split)) for split in ("train", "test"))
    each_s = estimate.core_s.middle / plan.n
    source = (
        f"from {estimate.num_samples} samples made just now, {each_s:.1f} core-seconds each"
        if estimate.num_samples
        else "from a table, half or double is possible; without --probes 0 a few samples are made to know better"
    )
    each_bytes, free = worker_bytes(recipe.render.width, recipe.render.height), available_bytes()
    here = "" if free is None else f"; {byte_size(free)} are free here, enough for {fitting_workers(free, each_bytes)}"
    rows = {
        "recipe": f"{recipe.name}, fingerprint {plan.fingerprint}",
        "samples": f"{plan.n} ({counts(splits)}) in {len(plan.shards)} shards of {plan.shard_size}",
        "mix": counts(scenes, 99),
        "pictures": f"{recipe.render.width} x {recipe.render.height}, quality {recipe.render.quality}",
        "disk": estimate.bytes.in_words(byte_size),
        "work": f"{estimate.core_s.scaled(1 / 3600).in_words(two_digits, unit=' core-hours')}, {source}",
        "time": f"{estimate.core_s.scaled(1 / workers).in_words(duration)} with {workers} workers",
        "memory": f"a worker takes up to {byte_size(each_bytes)}{here}",
        "folder": f"{folder}: {there} shards are there",
    }
    for name, value in rows.items():
        click.echo(f"{name:<9} {value}")
