"""The command line. Heavy modules are imported inside the commands, so that `simgen --help` answers at once."""

import contextlib
import json
import os
import re
import signal
import sys
import tempfile
import time
import traceback
from collections.abc import Callable, Sequence
from contextvars import ContextVar
from pathlib import Path
from typing import TYPE_CHECKING, Any, Never

import click

from simgen import __version__
from simgen.core.errors import DISK_TROUBLE, AssetError, SimgenError, UnknownName, UsageError, disk_trouble
from simgen.run.machine import cores

if TYPE_CHECKING:
    from simgen.dataset.forecast import Probe
    from simgen.dataset.status import Status
    from simgen.plan.plan import Plan
    from simgen.plan.recipe import Recipe
    from simgen.run.cluster import Quarantined, Summary
    from simgen.storage.paths import Place

INTERRUPTED, TERMINATED, QUARANTINED = 130, 143, 3
_TRAINING = {"torch", "diffusers", "transformers", "peft", "safetensors", "tensorboard", "huggingface_hub"}

_log_folder: ContextVar["Place | None"] = ContextVar("log_folder", default=None)
"""Where the traceback of a bug goes once a command has a folder."""


class Commands(click.Group):
    """A group that answers a misspelt command with the nearest one."""

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        if args and self.get_command(ctx, args[0]) is None and not args[0].startswith("-"):
            raise UnknownName("command", args[0], self.list_commands(ctx))
        return super().resolve_command(ctx, args)


@click.group(cls=Commands, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110})
@click.version_option(__version__, prog_name="simgen")
def cli() -> None:
    """Before/after image pairs of physical events, simulated and path-traced, with full ground truth."""


def main(arguments: Sequence[str] | None = None) -> Never:
    """Run a command and exit; whatever goes wrong is one sentence on stderr and an exit code that says what."""
    signal.signal(signal.SIGTERM, _terminated)
    _log_folder.set(None)
    try:
        code = cli.main(args=arguments, prog_name="simgen", standalone_mode=False)
    except SimgenError as error:
        _complain(str(error))
        code = error.exit_code
    except click.ClickException as error:
        help_for = f"; see {error.ctx.command_path} --help" if isinstance(error, click.UsageError) and error.ctx else ""
        _complain(error.format_message().rstrip(".") + help_for)
        code = error.exit_code
    except (click.Abort, KeyboardInterrupt):
        code = TERMINATED if signal.SIGTERM in _signals else INTERRUPTED
        goes_on = "; the same command goes on from here" if _log_folder.get() is not None else ""
        _complain(f"{'terminated' if code == TERMINATED else 'interrupted'}{goes_on}")
    except BrokenPipeError:
        # Whoever read our output has seen enough; nothing is left to flush to.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        code = 0
    except OSError as error:
        code = 1
        if error.errno in DISK_TROUBLE:
            _complain(disk_trouble(error, "the disk"))
        else:
            _complain_of_a_bug(error)
    except Exception as error:  # a bug of ours: the user gets a sentence, the traceback goes into a file
        code = 1
        if isinstance(error, ModuleNotFoundError) and not (error.name or "simgen").startswith("simgen"):
            extra = "train" if (error.name or "").partition(".")[0] in _TRAINING else "generate"
            _complain(f"{error.name} is not installed; get everything with: pip install 'simgen[{extra}]'")
        else:
            _complain_of_a_bug(error)
    sys.exit(code or 0)


_signals: list[int] = []


def _terminated(number: int, frame: object) -> Never:
    # Not SystemExit: Ray, waiting below, would make an exit code of its own of it.
    _signals.append(number)
    # Whoever asks twice does not get it sooner: what is being put in order now would stay as it is.
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    raise KeyboardInterrupt


def _complain_of_a_bug(error: Exception) -> None:
    kept = _keep_traceback()
    _complain(f"unexpected {type(error).__name__}: {_first_line(error)}; the traceback is in {kept}")


def _complain(sentence: str) -> None:
    click.echo(f"simgen: error: {sentence}", err=True)


def _first_line(error: Exception) -> str:
    return (str(error).strip().splitlines() or ["no message"])[0]


def _keep_traceback() -> Path:
    name = f"simgen-{time.strftime('%Y%m%d-%H%M%S')}-{os.getpid()}.log"
    for folder in (_log_folder.get(), Path(tempfile.gettempdir())):
        # A log on a store would need what may just have failed.
        if isinstance(folder, Path):
            with contextlib.suppress(OSError):
                folder.mkdir(parents=True, exist_ok=True)
                (folder / name).write_text(traceback.format_exc())
                return folder / name
    traceback.print_exc()
    return Path("the lines above")


class _Where(click.ParamType):  # type: ignore[type-arg]  # a generic from click 8.4 on
    """A folder, or an address of an object store."""

    name = "place"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> "Place":
        from simgen.storage.paths import place

        return place(value)


WHERE = _Where()


def _recipe_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """What every command takes that makes samples of a recipe."""
    options = [
        click.option("--set", "overrides", multiple=True, metavar="A.B=V", help="Change one value of the recipe."),
        click.option("--assets", multiple=True, metavar="MANIFEST", help="Objects: a path, an address or a name."),
        click.option("--hdri", multiple=True, metavar="MANIFEST", help="Environment maps, likewise."),
        click.option("--scenes", "scene_folders", multiple=True, metavar="DIR", help="A folder of further scenes."),
        click.option("--device", metavar="NAME", help="cpu, cuda, optix or auto: short for --set render.device=NAME."),
    ]
    for option in reversed(options):
        command = option(command)
    return command


# Making data.


@cli.command()
@click.argument("recipe", required=False)
@click.option("--n", type=int, help="How many samples.")
@click.option(
    "--out",
    type=WHERE,
    metavar="PLACE",
    help="Where the data set goes: a folder, s3://BUCKET/NAME, gs://BUCKET/NAME or hf://datasets/ORG/NAME.  "
    "[default: out/NAME]",
)
@click.option("--seed", type=int, help="[default: 0]")
@_recipe_options
@click.option("--shard-size", type=int, help="Samples in a shard.  [default: by n]")
@click.option("--workers", type=int, help="Processes.  [default: one for each core]")
@click.option("--address", metavar="ADDR", help="Ray cluster to join.  [default: this machine alone]")
@click.option("--sample-timeout", type=float, help="Seconds for one sample.  [default: 600, more for large pictures]")
@click.option("--dry-run", is_flag=True, help="Say what would be made, and what it would take.")
@click.option("--probes", type=int, help="Samples that --dry-run makes for that.  [default: what half a minute allows]")
@click.option("--print-config", is_flag=True, help="Print the resolved recipe.")
def generate(
    recipe: str | None,
    n: int | None,
    out: "Place | None",
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
    dry_run: bool,
    probes: int | None,
    print_config: bool,
) -> int:
    """Make a data set.

    RECIPE is a YAML file, the name of a recipe, or the name of a scene; see `simgen scenes`. The same command again
    goes on where it was stopped.
    """
    from simgen.plan.plan import read_run
    from simgen.plan.recipe import load_recipe

    overrides = (*overrides, *_device(device))
    chosen = load_recipe(recipe, overrides=overrides, assets=assets, hdri=hdri, scene_folders=scene_folders)
    chosen = _on_this_machine(chosen)
    if print_config:
        click.echo(chosen.to_yaml(), nl=False)
        return 0
    # The resolved recipe in a data set's folder knows how it was run.
    run = read_run(Path(recipe)) if recipe is not None and Path(recipe).suffix in (".yaml", ".yml") else {}
    n = run.get("n") if n is None else n
    if n is None:
        raise UsageError("--n is missing: say how many samples, as in --n 100")
    if workers is not None and workers < 1:
        raise UsageError(f"--workers must be at least 1; got {workers}")
    if sample_timeout is not None and not sample_timeout > 0:
        raise UsageError(f"--sample-timeout must be above 0; got {sample_timeout:g}")
    seed = run.get("seed", 0) if seed is None else seed
    shard_size = run.get("shard_size") if shard_size is None else shard_size
    folder = out or Path("out") / chosen.name
    # Path takes the second slash of an address away.
    if isinstance(folder, Path) and re.match(r"\w+:/", str(folder)):
        raise UsageError(f"--out must be a folder or an address such as s3://BUCKET/NAME; got {folder}")
    plan = _plan(chosen, n=n, seed=seed, shard_size=shard_size)
    if probes is not None and (probes < 0 or not dry_run):
        raise UsageError(f"--probes must be at least 0 and stand beside --dry-run; got {probes}")
    if dry_run:
        return _forecast(plan, folder, workers, probes)
    return _make(plan, folder, workers=workers, address=address, sample_timeout=sample_timeout)


def _device(name: str | None) -> tuple[str, ...]:
    return () if name is None else (f"render.device={name}",)


def _on_this_machine(recipe: "Recipe") -> "Recipe":
    """The recipe with the device that `auto` finds here; a card that is not there is missed before anything begins."""
    if recipe.render.device == "cpu":
        return recipe
    from dataclasses import replace

    from simgen.engine.devices import choose

    return replace(recipe, render=replace(recipe.render, device=choose(recipe.render.device)))


def _plan(recipe: "Recipe", *, n: int, seed: int, shard_size: int | None) -> "Plan":
    """The plan, with everything pinned that decides the bytes; a manifest that cannot be used is found here."""
    from simgen.catalog.catalog import open_catalog
    from simgen.plan.plan import make_plan
    from simgen.plan.recipe import pins

    # First what costs nothing to check.
    make_plan(recipe, n=min(n, 1), seed=seed, shard_size=shard_size)
    chosen = recipe.assets
    catalog = open_catalog(
        objects=chosen.objects, environments=chosen.environments, builtin=chosen.builtin, exclude=chosen.exclude
    )
    for kind, assets in (("objects", catalog.objects), ("surfaces", catalog.surfaces)):
        if not assets:
            raise AssetError(
                f"{recipe.name}: its assets hold no {kind}; name a manifest that does, or set assets.builtin=true"
            )
    pinned = {**pins(recipe), "assets": catalog.fingerprint()}
    if recipe.render.device != "cpu":
        from simgen.engine import devices

        pinned["card"] = devices.name(recipe.render.device)
    return make_plan(recipe, n=n, seed=seed, shard_size=shard_size, pins=pinned)


def _forecast(plan: "Plan", folder: "Place", workers: int | None, most: int | None) -> int:
    """What would be made and what it would take, by `most` samples made now; by default what half a minute allows."""
    from simgen.dataset.forecast import START_SECONDS, forecast, mix
    from simgen.dataset.progress import counts, duration
    from simgen.dataset.store import committed

    recipe = plan.recipe
    scenes, splits = mix(plan)
    workers = workers or cores()
    there = sum(len(committed(folder / split)) for split in ("train", "test"))
    probes, start_s = _probes(plan, most) if most != 0 else ([], START_SECONDS)
    told = forecast(plan, probes, workers=workers, start_s=start_s)
    each_s = told.core_s.middle / plan.n
    source = (
        f"from {told.probes} samples made just now, {each_s:.1f} core-seconds each"
        if told.probes
        else "from a table, half or double is possible; without --probes 0 a few samples are made to know better"
    )
    rows = {
        "recipe": f"{recipe.name}, fingerprint {plan.fingerprint}",
        "samples": f"{plan.n} ({counts(splits)}) in {len(plan.shards)} shards of {plan.shard_size}",
        "mix": counts(scenes, 99),
        "pictures": f"{recipe.render.width} x {recipe.render.height}, quality {recipe.render.quality}",
        "disk": told.bytes.by(1e-9).told(_digits, unit=" GB"),
        "work": f"{told.core_s.by(1 / 3600).told(_digits, unit=' core-hours')}, {source}",
        "time": f"{told.core_s.by(1 / workers).told(duration)} with {workers} workers",
        "folder": f"{folder}: {there} shards are there",
    }
    for name, value in rows.items():
        click.echo(f"{name:<9} {value}")
    return 0


def _digits(value: float) -> str:
    return f"{value:.2g}" if value < 100 else f"{value:.0f}"


def _probes(plan: "Plan", most: int | None, *, seconds: float = 30.0) -> tuple[list["Probe"], float]:
    """Make the first samples of a plan, which are spread evenly over its mix, and throw them away. Also what the start
    of a worker takes."""
    from simgen.dataset.forecast import Probe
    from simgen.dataset.shards import tar_bytes
    from simgen.make.maker import Maker
    from simgen.plan.plan import sample_id

    began, cpu_began = time.monotonic(), time.process_time()
    maker = Maker(plan.recipe, plan.seed)
    assert maker.renderer is not None
    start_s = time.process_time() - cpu_began
    found: list[Probe] = []
    family = plan.recipe.family
    # A family is made at once: its cost is that of all its members.
    for first in range(0, plan.n, family):
        if len(found) >= (most or 12 * family) or (most is None and found and time.monotonic() - began > seconds):
            break
        planned = sample_id(plan.recipe, seed=plan.seed, index=first)
        click.echo(f"making {planned.key} to see what it takes", err=True)
        cpu_began = time.process_time()
        made = [maker.make(planned.at(first + member)).sample for member in range(family)]
        core_s = (time.process_time() - cpu_began) / family
        found += [Probe(scene=planned.scene, core_s=core_s, bytes=tar_bytes(one) if one else 0) for one in made]
    return found, start_s


def _make(
    plan: "Plan", folder: "Place", *, workers: int | None, address: str | None, sample_timeout: float | None
) -> int:
    """Run a plan into its folder, with the display and the last words."""
    from rich.console import Console

    from simgen.dataset import forecast
    from simgen.dataset.card import write_card
    from simgen.dataset.progress import Progress
    from simgen.plan.plan import RESOLVED
    from simgen.run import cluster

    with cluster.open_folder(folder, plan, sample_bytes=forecast.sample_bytes(plan.recipe.render)):
        _log_folder.set(folder / cluster.QUARANTINE / "logs")
        done = cluster.finished(plan, folder)
        if done:
            click.echo(f"{folder}: {done} of {plan.n} samples are there, going on", err=True)
        limits = cluster.Limits(sample_s=sample_timeout or forecast.longest_s(plan))
        with Progress(folder, planned=plan.n, done=done, console=Console(stderr=True)) as progress:
            summary = cluster.run(plan, folder, workers=workers, address=address, limits=limits, watch=progress.update)
        write_card(folder, command=f"simgen generate {RESOLVED} --out DIR")
    _conclude(folder, summary)
    return QUARANTINED if summary.quarantined else 0


def _conclude(folder: "Place", summary: "Summary") -> None:
    """What was made, what was not, where it is, and what to do next."""
    from simgen.dataset.progress import counts, duration

    status = summary.status
    rate = f" at {summary.made / summary.seconds * 3600:.0f} per hour" if summary.made else ""
    click.echo(f"{status.samples} samples in {folder}; {summary.made} made in {duration(summary.seconds)}{rate}")
    rejected = sum(status.rejects.values())
    if rejected:
        click.echo(f"rejected {rejected} of {status.attempts} attempts: {counts(status.rejects)}")
    if summary.quarantined:
        _say_quarantined(summary.quarantined)
    if any(one.failure != "rejected" for one in summary.quarantined):
        click.echo(f"next: simgen retry {folder}, once the cause is mended")
    else:
        click.echo(f"next: simgen verify {folder}")


def _say_quarantined(quarantined: Sequence["Quarantined"], most: int = 5) -> None:
    click.echo(f"quarantined {len(quarantined)}:")
    for one in quarantined[:most]:
        click.echo(f"  {one.key} ({one.failure}): {one.detail or one.reason}; see it with: {one.reproduce}")
    if len(quarantined) > most:
        click.echo(f"  and {len(quarantined) - most} more")


@cli.command()
@click.argument("folder", type=WHERE)
@click.option("--workers", type=int, help="Processes.  [default: one for each core]")
@click.option("--address", metavar="ADDR", help="Ray cluster to join.  [default: this machine alone]")
@click.option("--sample-timeout", type=float, help="Seconds for one sample.  [default: 600, more for large pictures]")
def retry(folder: "Place", workers: int | None, address: str | None, sample_timeout: float | None) -> int:
    """Make the quarantined samples again.

    And whatever else is missing in the data set. What was rejected stays out: its attempts would end the same way.
    """
    from simgen.plan.plan import check_same, read_plan
    from simgen.plan.recipe import load_scenes
    from simgen.run import cluster

    there = read_plan(folder)
    load_scenes(there.recipe.scene_folders)
    plan = _plan(there.recipe, n=there.n, seed=there.seed, shard_size=there.shard_size)
    check_same(folder, plan)
    opened = cluster.retry(folder)
    click.echo(f"{folder}: trying {len(opened)} quarantined samples again", err=True)
    return _make(plan, folder, workers=workers, address=address, sample_timeout=sample_timeout)


# Looking at what can be made.


@cli.command(
    short_help="List, fetch, verify and pack assets.",
    context_settings={"ignore_unknown_options": True, "help_option_names": []},
)
@click.argument("arguments", nargs=-1, type=click.UNPROCESSED)
def assets(arguments: tuple[str, ...]) -> int:
    """A group of its own, help and all, which is not imported before it is asked for."""
    from simgen.cli.assets import assets as group

    code: int | None = group.main(list(arguments), prog_name="simgen assets", standalone_mode=False)
    return code or 0


@cli.command()
@click.argument("name", required=False)
@click.option("--domain", metavar="NAME", help="Only mechanical, optical, thermal, material or biological ones.")
@click.option("--json", "as_json", is_flag=True, help="As JSON: names, transition types, laws, parameters.")
@click.option("--scenes", "scene_folders", multiple=True, metavar="DIR", help="A folder of further scenes.")
def scenes(name: str | None, domain: str | None, as_json: bool, scene_folders: tuple[str, ...]) -> int:
    """List scenes, or the parameters of one."""
    from simgen.plan.scene_list import all_scenes, one_scene, scenes_json

    if as_json:
        click.echo(scenes_json(name, domain, scene_folders))
    else:
        click.echo(one_scene(name, scene_folders) if name else all_scenes(domain, scene_folders))
    return 0


@cli.command()
@click.argument("scene")
@click.option("--n", type=int, default=4, show_default=True, help="How many samples.")
@click.option("--seed", type=int, default=0, show_default=True)
@click.option("--out", type=click.Path(path_type=Path), help="The picture.  [default: preview-SCENE.png]")
@_recipe_options
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

    A few samples of a scene or a recipe, at quality fast, in this process alone.
    """
    from simgen.dataset.contact_sheet import contact_sheet
    from simgen.make.maker import Maker
    from simgen.plan.recipe import load_recipe

    chosen = load_recipe(
        scene,
        overrides=["render.quality=fast", *overrides, *_device(device)],
        assets=assets,
        hdri=hdri,
        scene_folders=scene_folders,
    )
    chosen = _on_this_machine(chosen)
    if n < 1:
        raise UsageError(f"--n must be at least 1; got {n}")
    plan = _plan(chosen, n=n, seed=seed, shard_size=None)
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


@cli.command()
@click.argument("checks", nargs=-1, metavar="[CHECK]...")
def doctor(checks: tuple[str, ...]) -> int:
    """Check this machine.

    One line for each thing that `simgen generate` needs, with a remedy where it is missing; or for those named, such as
    render, which makes a picture that is known beforehand, or train.
    """
    from simgen.cli.doctor import GENERATE, examine

    failed = 0
    for finding in examine(checks or GENERATE):
        click.echo(f"{'ok  ' if finding.ok else 'FAIL'}  {finding.name:<10} {finding.detail}")
        if not finding.ok:
            failed += 1
            click.echo(f"      {'':<10} {finding.remedy}")
    return 1 if failed else 0


# Looking at what was made.


@cli.command()
@click.argument("folder", type=WHERE)
def report(folder: "Place") -> int:
    """Write a data set as one page to look at."""
    from simgen.dataset.report import write_report

    click.echo(write_report(folder))
    return 0


@cli.command()
@click.argument("folder", type=WHERE)
@click.option("--json", "as_json", is_flag=True, help="As one JSON object.")
@click.option("--watch", is_flag=True, help="Again every other second, until it is complete.")
def status(folder: "Place", as_json: bool, watch: bool) -> int:
    """Say how far a data set has come."""
    from simgen.dataset.status import read_status
    from simgen.dataset.suspects import exclusion, read_suspects

    while True:
        found, suspects = read_status(folder), read_suspects(folder)
        without = exclusion(folder, suspects) if suspects else ""
        if as_json:
            told = {**found.as_data(), "suspects": [s.as_data() for s in suspects], "without_suspects": without}
            click.echo(json.dumps(told))
        else:
            click.echo("\n".join([_in_words(found), *(f"  {s}" for s in suspects)]))
            if suspects:
                click.echo(f"without: {without}")
        if not watch or found.complete:
            return 0
        time.sleep(2)


def _in_words(found: "Status") -> str:
    from simgen.dataset.progress import counts, duration

    lines = [
        f"{found.folder}: {found.samples} of {found.planned} samples, {found.shards_committed} of "
        f"{found.shards_planned} shards, {found.bytes / 1e6:.1f} MB",
        f"recipe {found.recipe}, seed {found.seed}, fingerprint {found.fingerprint}",
    ]
    if found.samples_per_hour:
        left = f", {duration(found.left_s)} left" if found.left_s else ""
        lines.append(f"{found.samples_per_hour:.0f} samples per hour{left}")
    if found.samples and found.core_s:
        each = f"{found.core_s / found.samples:.1f} core-seconds per sample"
        whole_s = sum(found.stages_s.values()) or 1.0
        stages = sorted(((seconds / whole_s, name) for name, seconds in found.stages_s.items()), reverse=True)
        shares = f" ({', '.join(f'{name} {100 * share:.0f} %' for share, name in stages)})" if stages else ""
        lines.append(f"cost {_digits(found.core_s / 3600)} core-hours, {each}{shares}")
    width = max(len(scene.name) for scene in found.scenes)
    for scene in found.scenes:
        rejects = f"; rejects: {counts(scene.rejects, 4)}" if scene.rejects else ""
        holes = f", {scene.quarantined} quarantined" if scene.quarantined else ""
        lines.append(
            f"  {scene.name:<{width}}  {scene.samples} of {scene.planned}{holes}, {scene.attempts} attempts{rejects}"
        )
    lines += [f"  quarantined {hole.key} ({hole.failure}): {hole.reason}" for hole in found.holes]
    return "\n".join(lines)


@cli.command()
@click.argument("folder", type=WHERE)
@click.option("--json", "as_json", is_flag=True, help="As one JSON object.")
def verify(folder: "Place", as_json: bool) -> int:
    """Say what is wrong with a data set.

    Reads every byte of it; exit code 1 where anything is wrong.
    """
    from simgen.dataset.status import read_status
    from simgen.dataset.status import verify as find_faults

    findings, found = find_faults(folder), read_status(folder)
    if as_json:
        told = {"sound": not findings, "samples": found.samples, "findings": [f.as_data() for f in findings]}
        click.echo(json.dumps(told))
    else:
        for finding in findings:
            click.echo(finding)
        holes = f", {found.quarantined} quarantined" if found.quarantined else ""
        verdict = f"{len(findings)} findings" if findings else "sound"
        click.echo(f"{folder}: {verdict}; {found.samples} of {found.planned} samples{holes}")
    return 1 if findings else 0


@cli.command()
@click.argument("folder", type=WHERE)
@click.argument("key")
def reproduce(folder: "Place", key: str) -> int:
    """Make one sample again and compare.

    Says how much is the same: bytes, pixels, or the state of the world at the end.
    """
    from simgen.run.reproduce import compare

    verdict = compare(folder, key)
    click.echo(verdict.text)
    return 0 if verdict.same else 1


# Using what was made.


@cli.command()
@click.argument("recipe", required=False)
@click.option("--data", multiple=True, metavar="DIR", help="A data set: folder or address.  [may stand several times]")
@click.option("--base", metavar="MODEL", help="Editor to train: a Hub id, a folder, or tiny:qwen.")
@click.option("--out", type=click.Path(path_type=Path), help="Folder of the run.")
@click.option("--steps", type=int, help="Of the whole run, what is there included.")
@click.option("--seed", type=int, help="[default: 0]")
@click.option("--set", "overrides", multiple=True, metavar="KEY=V", help="Change one setting; --settings lists them.")
@click.option("--device", metavar="NAME", help="cpu or cuda.  [default: cuda where there is one]")
@click.option("--stream", is_flag=True, help="Read the shards as they come, without keeping them.")
@click.option("--dry-run", is_flag=True, help="Say what it would take: memory, FLOPs, time.")
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

    A LoRA for Qwen-Image-Edit, FLUX.1 Kontext, FLUX.2 or Qwen-Image-2.1. RECIPE is a YAML file, or train_smoke,
    train_qwen or train_klein. The same command again goes on where it was stopped. On several GPUs write
    `torchrun --nproc-per-node 8 -m simgen.cli train …`.
    """
    from simgen.train.config import load_config

    config = load_config(recipe, overrides=overrides, given={"base": base, "steps": steps, "seed": seed})
    if settings:
        for name, value, meaning in config.explained():
            click.echo(f"{name:<18} {value:<26} {meaning}")
        return 0
    if not data:
        raise UsageError("--data is missing: name the folder of a data set, as in --data out/demo")
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

    _log_folder.set(out)
    done = run(config, data=data, out=out, console=Console(stderr=True), device=device, stream=stream)
    if os.environ.get("RANK", "0") == "0":
        lost = f", {done.skipped} of them skipped" if done.skipped else ""
        click.echo(f"{out}: {done.step} steps{lost}, {duration(done.seconds)} for those of this time")
        click.echo(f'next: simgen edit PICTURE "what happens" --lora {out}')
    return 0


@cli.command()
@click.argument("picture", type=click.Path(path_type=Path))
@click.argument("instruction")
@click.option("--lora", type=click.Path(path_type=Path), help="A run of `simgen train`, or a safetensors file.")
@click.option("--base", metavar="MODEL", help="Editor.  [default: what the run was trained on]")
@click.option("--out", type=click.Path(path_type=Path), help="Where it goes.  [default: PICTURE-edit.png]")
@click.option("--seed", type=int, default=0, show_default=True)
@click.option("--steps", type=click.IntRange(min=2), help="Of the sampler.  [default: as the editor's card says]")
@click.option("--guidance", type=float, help="[default: as the editor's card says]")
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

    With what a run has learnt, or without --lora as the editor comes. Size and place of things stay.
    """
    if not instruction.strip():
        raise UsageError('the instruction is empty; say what happens, as in "knock over the mug"')
    from simgen.train.edit import edit_all, jobs

    for path in edit_all(
        jobs(picture, out),
        instruction,
        base_name=base,
        lora=lora,
        seed=seed,
        steps=steps,
        guidance=guidance,
        device=device,
    ):
        click.echo(path)
    return 0
