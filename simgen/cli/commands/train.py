"""`simgen train`: train an image editor on data sets."""

import os
from pathlib import Path

import click

from simgen.cli.completion import complete_training, folder
from simgen.cli.errors import traceback_folder
from simgen.core.errors import UsageError

SECTION = "Use a data set"


@click.command()
@click.argument("recipe", required=False, shell_complete=complete_training)
@click.option(
    "--data",
    multiple=True,
    metavar="DIR",
    shell_complete=folder,
    help="A data set: folder or address; may be repeated.",
)
@click.option("--base", metavar="MODEL", help="Editor to train: a Hub id, a folder, or tiny:qwen.")
@click.option("--out", type=click.Path(path_type=Path), help="Folder of the run.")
@click.option("--steps", type=int, help="Steps of the whole run, with those already made.")
@click.option("--seed", type=int, help="Of the order and the noise.  [default: 0]")
@click.option("--set", "overrides", multiple=True, metavar="KEY=V", help="Change one setting; --settings lists them.")
@click.option("--device", metavar="NAME", help="cpu or cuda.  [default: cuda where there is one]")
@click.option("--stream", is_flag=True, help="Read the shards as they come, without keeping them.")
@click.option("--dry-run", is_flag=True, help="Say what it would take, and train nothing.")
@click.option("--settings", is_flag=True, help="List all settings as they would be, with what they mean.")
def train(
    recipe: str | None,
    data: tuple[str, ...],
    base: str | None,
    out: Path | None,
    steps: int | None,
    seed: int | None,
    overrides: tuple[str, ...],
    device: str | None,
    stream: bool,
    dry_run: bool,
    settings: bool,
) -> int:
    """Train an image editor on a data set.

    Trains a LoRA for an open image editor; docs/training.md lists those that work. RECIPE is a YAML file, or
    train_smoke, train_qwen or train_klein. The same command again goes on where it was stopped. On several GPUs write
    `torchrun --nproc-per-node 8 -m simgen train …`.

    \b
      simgen train --data out/demo --base tiny:qwen --steps 30 --out runs/first
    """
    # Before torch is loaded, which the settings of the methods bring along.
    if not data and not settings:
        raise UsageError("--data is missing: name the folder of a data set, as in --data out/demo")
    from simgen.train.config import load_config

    config = load_config(recipe, overrides=overrides, given={"base": base, "steps": steps, "seed": seed})
    if settings:
        for name, value, meaning in config.explained():
            click.echo(f"{name:<24} {value:<26} {meaning}")
        return 0
    if dry_run:
        from simgen.train.estimate import estimate

        for name, value in estimate(config, data=data, device=device).items():
            click.echo(f"{name:<12} {value}")
        return 0
    if out is None:
        raise UsageError("--out is missing: name the folder of the run, as in --out runs/first")
    from rich.console import Console

    from simgen.dataset.progress import duration
    from simgen.train.loop import train as run

    traceback_folder.set(out)
    done = run(config, data=data, out=out, console=Console(stderr=True), device=device, stream=stream)
    if os.environ.get("RANK", "0") == "0":
        lost = f", {done.skipped} of them skipped" if done.skipped else ""
        click.echo(f"{out}: {done.step} steps{lost}, {duration(done.seconds)} for those of this time")
        click.echo(f'next: simgen edit PICTURE "what happens" --lora {out}')
    return 0
