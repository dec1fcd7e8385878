"""`simgen scenes`: what can be made."""

import click

from simgen.cli.completion import complete_scene, one_of
from simgen.cli.options import SCENES

SECTION = "See what can be made"
DOMAINS = ("mechanical", "optical", "thermal", "material", "biological")


@click.command()
@click.argument("name", required=False, metavar="[SCENE]", shell_complete=complete_scene)
@click.option(
    "--domain",
    metavar="NAME",
    shell_complete=one_of(*DOMAINS),
    help="Only mechanical, optical, thermal, material or biological ones.",
)
@click.option("--json", "as_json", is_flag=True, help="As JSON: names, transition types, laws, parameters.")
@SCENES
def scenes(name: str | None, domain: str | None, as_json: bool, scene_folders: tuple[str, ...]) -> int:
    """List scenes, or the parameters of one."""
    from simgen.dataset.scene_list import all_scenes, one_scene, scenes_json

    if as_json:
        click.echo(scenes_json(name, domain, scene_folders))
    else:
        click.echo(one_scene(name, scene_folders) if name else all_scenes(domain, scene_folders))
    return 0
