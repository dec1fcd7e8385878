"""Options and types of arguments that several commands share."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import click
from click.shell_completion import CompletionItem

from simgen.cli.completion import FOLDER, file_or, folder, one_of
from simgen.core.errors import UsageError

if TYPE_CHECKING:
    from simgen.plan.plan import Plan
    from simgen.storage.paths import AnyPath


class _PlaceType(click.ParamType):  # type: ignore[type-arg]  # a generic from click 8.4 on
    """A folder, or an address of an object store."""

    name = "place"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> "AnyPath":
        from simgen.storage.paths import as_path

        return as_path(value)

    def shell_complete(self, ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
        return [FOLDER]


PLACE = _PlaceType()
SCENES = click.option(
    "--scenes",
    "scene_folders",
    multiple=True,
    metavar="DIR",
    shell_complete=folder,
    help="A folder of your own scenes: its Python is run.",
)


ADDRESSES = click.option(
    "--assets",
    "addresses",
    multiple=True,
    metavar="ADDRESS",
    help="An address of the data set's assets again, with its password or token.",
)


def admit_addresses(addresses: tuple[str, ...], plan: "Plan") -> None:
    """Take the secrets of addresses that a data set was made from, and holds without them."""
    from simgen.storage.urls import admit

    known = (*plan.recipe.assets.objects, *plan.recipe.assets.environments)
    for address in addresses:
        if admit(address) not in known:
            raise UsageError(
                f"--assets {admit(address)}: the data set was not made from it; it names {known or 'none'}"
            )


def recipe_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """The options of every command that makes samples of a recipe."""
    return _with_options(
        command,
        click.option("--set", "overrides", multiple=True, metavar="A.B=V", help="Change one value of the recipe."),
        click.option(
            "--assets",
            multiple=True,
            metavar="MANIFEST",
            shell_complete=file_or("gso"),
            help="Objects: a path, an address or a name.",
        ),
        click.option(
            "--hdri",
            multiple=True,
            metavar="MANIFEST",
            shell_complete=file_or("hdri_haven"),
            help="Environment maps, likewise.",
        ),
        SCENES,
        click.option(
            "--device",
            metavar="NAME",
            shell_complete=one_of("cpu", "cuda", "optix", "auto"),
            help="cpu, cuda, optix or auto: short for --set render.device=NAME.",
        ),
    )


def accept_code_option(command: Callable[..., Any]) -> Callable[..., Any]:
    """The option of every command that goes on with a data set."""
    return _with_options(
        command,
        click.option(
            "--accept-code",
            is_flag=True,
            help="Go on with a data set that was begun with another version of simgen, its scenes or its libraries.",
        ),
    )


def run_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """The options of every command that runs a plan."""
    return _with_options(
        command,
        click.option("--workers", type=int, callback=_at_least_1, help="Processes.  [default: by cores and memory]"),
        click.option("--address", metavar="ADDR", help="Ray cluster to join.  [default: this machine alone]"),
        click.option(
            "--sample-timeout",
            type=float,
            callback=_above_0,
            help="Seconds for one sample.  [default: 600, more for large pictures]",
        ),
    )


def device_override(name: str | None) -> tuple[str, ...]:
    """`--device NAME` as an override of the recipe."""
    return () if name is None else (f"render.device={name}",)


def _with_options(command: Callable[..., Any], *options: Callable[..., Any]) -> Callable[..., Any]:
    for option in reversed(options):
        command = option(command)
    return command


def _at_least_1(ctx: click.Context, param: click.Parameter, value: int | None) -> int | None:
    if value is not None and value < 1:
        raise UsageError(f"{param.opts[0]} must be at least 1; got {value}")
    return value


def _above_0(ctx: click.Context, param: click.Parameter, value: float | None) -> float | None:
    # Written so that NaN is refused, too.
    if value is not None and not value > 0:
        raise UsageError(f"{param.opts[0]} must be above 0; got {value:g}")
    return value
