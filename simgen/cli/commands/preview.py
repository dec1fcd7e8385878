"""`simgen preview`: a contact sheet of a few samples, made in this process."""

from pathlib import Path

import click

from simgen.cli.completion import complete_recipe
from simgen.cli.options import device_override, recipe_options
from simgen.core.errors import SimgenError, UsageError

SECTION = "See what can be made"


@click.command()
@click.argument("scene", shell_complete=complete_recipe)
@click.option("--n", type=int, default=4, show_default=True, help="How many samples.")
@click.option("--seed", type=int, default=0, show_default=True, help="Another seed makes other samples.")
@click.option("--out", type=click.Path(path_type=Path), help="The picture.  [default: preview-SCENE.png]")
@recipe_options
def preview(
    scene: str,
    n: int,
    seed: int,
    out: Path | None,
    overrides: tuple[str, ...],
    assets: tuple[str, ...],
    hdri: tuple[str, ...],
    scene_folders: tuple[str, ...],
    device: str | None,
) -> int:
    """Make a contact sheet of a scene.

    A few samples of a scene or a recipe in one picture, at quality fast.

    \b
      simgen preview drop --n 4
    """
    from simgen.dataset.contact_sheet import contact_sheet
    from simgen.make.maker import Maker
    from simgen.make.planning import pinned_plan, resolve_device
    from simgen.plan.recipe import load_recipe

    overrides = ("render.quality=fast", *overrides, *device_override(device))
    chosen = load_recipe(scene, overrides=overrides, assets=assets, hdri=hdri, scene_folders=scene_folders)
    chosen = resolve_device(chosen)
    if n < 1:
        raise UsageError(f"--n must be at least 1; got {n}")
    plan = pinned_plan(chosen, n=n, seed=seed, shard_size=None)
    maker = Maker(chosen, seed)
    samples = []
    for planned in sorted((s for shard in plan.shards for s in shard.samples), key=lambda s: s.index):
        outcome = maker.make(planned)
        rejected = ", ".join(f"{r.gate}" for r in outcome.rejects)
        after = f" after {len(outcome.rejects)} rejected attempts ({rejected})" if rejected else ""
        click.echo(f"{planned.key}: {'made' if outcome.sample else 'not made'}{after}", err=True)
        if outcome.sample is not None:
            samples.append(outcome.sample)
    if not samples:
        raise SimgenError(f"{chosen.name}: every attempt at all {n} samples was rejected; loosen its parameters")
    click.echo(contact_sheet(samples, out or Path(f"preview-{chosen.name}.png")))
    return 0
