"""Options and types of arguments that several commands share."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import click

from simgen.core.errors import UsageError

if TYPE_CHECKING:
    from simgen.storage.paths import AnyPath


class _PlaceType(click.ParamType):  # type: ignore[type-arg]  # a generic from click 8.4 on
    """A folder, or an address of an object store."""

    name = "place"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> "AnyPath":
        from simgen.storage.paths import as_path

        return as_path(value)


PLACE = _PlaceType()


def recipe_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """The options of every command that makes samples of a recipe."""
    return _with_options(
        command,
        click.option("--set", "overrides", multiple=True, metavar="A.B=V", help="Change one value of the recipe."),
        click.option("--assets", multiple=True, metavar="MANIFEST", help="Objects: a path, an address or a name."),
        click.option("--hdri", multiple=True, metavar="MANIFEST", help="Environment maps, likewise."),
        click.option("--scenes", "scene_folders", multiple=True, metavar="DIR", help="A folder of further scenes."),
        click.option("--device", metavar="NAME", help="cpu, cuda, optix or auto: short for --set render.device=NAME."),
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
        click.option("--workers", type=int, callback=_at_least_1, help="Processes.  [default: one for each core]"),
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
