"""`simgen edit`: edit pictures with a trained editor."""

from pathlib import Path

import click

from simgen.core.errors import UsageError

SECTION = "Use a data set"
SOME_FAILED = 3
"""Exit code where some pictures of a folder could not be edited."""


@click.command()
@click.argument("picture", type=click.Path(path_type=Path))
@click.argument("instruction")
@click.option("--lora", type=click.Path(path_type=Path), help="A run of `simgen train`, or a safetensors file.")
@click.option("--base", metavar="MODEL", help="Editor.  [default: what the run was trained on]")
@click.option("--out", type=click.Path(path_type=Path), help="Where it goes.  [default: PICTURE-edit.png]")
@click.option("--seed", type=int, default=0, show_default=True, help="Of the noise.")
@click.option("--steps", type=click.IntRange(min=2), help="Steps of the sampler.  [default: as the editor's card says]")
@click.option("--guidance", type=float, help="How closely to follow the words.  [default: as the editor's card says]")
@click.option("--device", metavar="NAME", help="cpu or cuda.  [default: cuda where there is one]")
def edit(
    picture: Path,
    instruction: str,
    lora: Path | None,
    base: str | None,
    out: Path | None,
    seed: int,
    steps: int | None,
    guidance: float | None,
    device: str | None,
) -> int:
    """Edit a picture, or a folder of them.

    With --lora the editor uses what a run of `simgen train` has learnt; without it, it edits as it was released. Size
    and place of things stay. Colours become sRGB. A picture that is transparent in parts is edited on white, and stays
    transparent where the edit puts nothing.

    Hidden files of a folder are left out. Exit code 3: some pictures of the folder could not be read, 1: none could.

    \b
      simgen edit photo.jpg "knock over the mug" --lora runs/qwen
    """
    if not instruction.strip():
        raise UsageError('the instruction is empty; say what happens, as in "knock over the mug"')
    from simgen.train.edit import edit_all, jobs

    done = failed = 0
    for one in edit_all(
        jobs(picture, out),
        instruction,
        base_name=base,
        lora=lora,
        seed=seed,
        steps=steps,
        guidance=guidance,
        device=device,
        say=lambda line: click.echo(f"note: {line}", err=True),
    ):
        for note in one.notes:
            click.echo(f"note: {one.source}: {note}", err=True)
        if one.target is None:
            failed += 1
            click.echo(one.failure, err=True)
        else:
            done += 1
            click.echo(one.target)
    if failed:
        click.echo(f"edited {done} of {done + failed} pictures; {failed} could not be read", err=True)
    return 0 if not failed else SOME_FAILED if done else 1
