"""`simgen assets`: what there is, fetching it, checking it, packing one's own meshes."""

import dataclasses
import json
import sys
from collections.abc import Iterable, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from simgen.cli.completion import file_or
from simgen.cli.groups import HelpfulGroup

if TYPE_CHECKING:
    from simgen.catalog.catalog import Catalog
    from simgen.core.assets import EnvironmentAsset, ObjectAsset, SurfaceAsset

SECTION = "See what can be made"
T = TypeVar("T")
KNOWN = file_or("gso", "hdri_haven")


@click.group(cls=HelpfulGroup, short_help="List, fetch, verify and pack assets.")
def assets() -> None:
    """List, fetch, verify and pack objects, surfaces and environment maps.

    SOURCE is the path or address (https, gs, s3) of a Kubric manifest, or a known name: gso, hdri_haven.
    """


@assets.command("list", short_help="Show the assets of each SOURCE.")
@click.argument("sources", nargs=-1, metavar="[SOURCE]...", shell_complete=KNOWN)
@click.option("--json", "as_json", is_flag=True, help="Every fact of every asset, as JSON.")
@click.option(
    "--fits",
    "recipes",
    multiple=True,
    metavar="NAME",
    help="Show which scenes of this recipe, or whether this scene, can use each object; may be repeated.",
)
def list_assets(sources: tuple[str, ...], as_json: bool, recipes: tuple[str, ...]) -> int:
    """Show the assets of each SOURCE; the built-in ones where none is named."""
    if recipes:
        return _list_fits(sources, recipes, as_json)
    bad: dict[str, str] = {}
    catalog = _catalog(sources, bad=bad)
    for fault in bad.values():
        click.echo(f"warning: cannot be used: {fault}", err=True)
    if as_json:
        click.echo(json.dumps([_as_json(asset) for asset in catalog.all], indent=1))
        return 1 if bad else 0
    rows = [("asset", "label", "size", "mass", "split", "license"), *map(_row, catalog.all)]
    widths = [max(len(row[k]) for row in rows) for k in range(len(rows[0]))]
    for row in rows:
        click.echo("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())
    return 1 if bad else 0


def _list_fits(sources: tuple[str, ...], recipes: tuple[str, ...], as_json: bool) -> int:
    """Say of each object of one's own which scenes it can be in, and of each scene whether any fits."""
    from simgen.catalog.catalog import open_catalog
    from simgen.core.errors import UsageError
    from simgen.make.fits import find_fits
    from simgen.plan.recipe import load_recipe
    from simgen.scene import registry

    if not sources:
        raise UsageError("--fits is about objects of your own; name their manifest as SOURCE")
    chosen = {choice.name: choice for name in recipes for choice in load_recipe(name).scenes}
    scenes = {name: registry.build(name, choice.parameters) for name, choice in chosen.items()}
    # With the built-in objects: without a second thing many scenes draw nothing.
    catalog = open_catalog(objects=sources)
    fits = find_fits(scenes, catalog)
    if as_json:
        told = {asset: {"event": fits.of(asset), "beside": fits.beside(asset)} for asset in fits.objects}
        click.echo(json.dumps({"objects": told, "without": fits.without, "broken": dict(fits.broken)}, indent=1))
        return 0
    for asset in fits.objects:
        about, beside = ", ".join(fits.of(asset)), [name for name in fits.beside(asset) if name not in fits.of(asset)]
        size = _size(catalog.object(asset).size_m)
        if asset in fits.broken:
            click.echo(f"{asset} ({size}): cannot be used: {fits.broken[asset]}")
            continue
        also = f"; can stand beside in {', '.join(beside)}" if beside else ""
        click.echo(f"{asset} ({size}): {f'fits {about}' if about else 'fits no event'}{also}")
    if fits.without:
        click.echo(f"no object fits {', '.join(fits.without)}")
    return 0


@assets.command(short_help="Bring a SOURCE into the cache.")
@click.argument("source", metavar="SOURCE", shell_complete=KNOWN)
@click.option("--only", multiple=True, metavar="ID", help="This asset alone; may be repeated.")
def fetch(source: str, only: tuple[str, ...]) -> int:
    """Bring a SOURCE and its archives into the cache, so that it needs no network again.

    Run it again after an interruption: what is there is not fetched twice.
    """
    from simgen.catalog.manifests import read_manifest
    from simgen.core.errors import AssetError, UnknownName
    from simgen.storage.cache import Cache, default_cache

    manifest = read_manifest(source, Cache(root=default_cache()), refresh=True)
    catalog = _catalog((source,))
    ids = [entry.id for entry in manifest.entries]
    for asset_id in only:
        if asset_id not in ids:
            raise UnknownName("asset", asset_id, ids, where=manifest.address)
    failures = []
    with _progress(only or ids, manifest.name) as wanted:
        for asset_id in wanted:
            try:
                catalog.folder(f"{manifest.name}:{asset_id}")
            except AssetError as error:
                failures.append(str(error))
    for failure in failures:
        click.echo(f"warning: {failure}", err=True)
    total = sum(catalog.size_bytes(f"{manifest.name}:{asset_id}") for asset_id in only or ids)
    click.echo(
        f"{len(only or ids) - len(failures)} assets of {manifest.name}, {total / 1e6:.1f} MB, {catalog.cache.root}"
    )
    return 1 if failures else 0


@assets.command(short_help="Look for damage in each SOURCE.")
@click.argument("sources", nargs=-1, metavar="[SOURCE]...", shell_complete=KNOWN)
def verify(sources: tuple[str, ...]) -> int:
    """Read the archives and meshes of each SOURCE afresh and report what is wrong with them.

    The built-in ones where none is named. What has not been fetched is not.
    """
    from simgen.catalog.catalog import ref

    faults: list[str] = []
    bad: dict[str, str] = {}
    catalog = _catalog(sources, bad=bad)
    there = [asset for asset in catalog.all if catalog.is_here(ref(asset))]
    faults += bad.values()
    with _progress(there, "verify") as wanted:
        for asset in wanted:
            fault = catalog.verify(ref(asset))
            if fault is not None:
                faults.append(f"{ref(asset)}: {fault}")
    for fault in faults:
        click.echo(fault)
    if faults:
        click.echo(f"{len(faults)} of {len(there) + len(bad)} assets are damaged", err=True)
        return 1
    absent = len(catalog.all) - len(there)
    click.echo(f"{len(there)} assets are sound" + (f", {absent} have not been fetched" if absent else ""))
    return 0


@assets.command(short_help="Turn your own meshes into a manifest.")
@click.argument("folder", type=click.Path(path_type=Path))
@click.argument("out", type=click.Path(path_type=Path))
@click.option("--substance", default="", metavar="NAME", help="What all are made of; guessed from the names otherwise.")
@click.option(
    "--unit", type=click.Choice(["mm", "cm", "m"]), default="m", show_default=True, help="Unit of the meshes."
)
@click.option(
    "--up",
    type=click.Choice(["auto", "y", "z"]),
    default="auto",
    show_default=True,
    help="The axis that points up. auto: Y in GLB, and a guess that is printed in OBJ and PLY.",
)
@click.option(
    "--textures",
    type=click.Path(path_type=Path),
    multiple=True,
    metavar="DIR",
    help="A folder outside FOLDER that pictures may be taken from; may be repeated.",
)
@click.option("--labels", type=click.Path(path_type=Path), help="YAML of id to label; FOLDER/labels.yaml otherwise.")
@click.option("--license", "license_name", default="not stated", metavar="TEXT", help="Goes with every asset.")
@click.option("--author", default="not stated", metavar="TEXT", help="Goes with every asset.")
@click.option(
    "--time-limit",
    type=click.FloatRange(min=1.0),
    default=120.0,
    show_default=True,
    metavar="SECONDS",
    help="For the convex parts of one mesh; after that it gets its convex hull.",
)
@click.option(
    "--preview", type=click.Path(path_type=Path), metavar="SHEET", help="Also render what was packed into this picture."
)
def pack(
    folder: Path,
    out: Path,
    substance: str,
    unit: str,
    up: str,
    textures: tuple[Path, ...],
    labels: Path | None,
    license_name: str,
    author: str,
    time_limit: float,
    preview: Path | None,
) -> int:
    """Turn a FOLDER of OBJ, GLB and PLY meshes into a manifest with archives in OUT.

    Each mesh gets convex parts, a centre of mass and a mass, and its file name becomes its label. What cannot be packed
    is left out and named: exit code 3, or 1 where nothing is left.
    """
    from simgen.catalog.pack import LeftOut, Terms, folder_labels, manifest_path, pack_folder

    terms = Terms(
        substance=substance,
        unit=unit,
        license=license_name,
        author=author,
        labels=folder_labels(folder, labels),
        up=up,
        textures=textures,
        time_limit_s=time_limit,
    )
    done, left_out = [], 0
    for packed in pack_folder(folder, out, terms, _packing):
        if isinstance(packed, LeftOut):
            left_out += 1
            click.echo(f"left out: {packed.reason}", err=True)
            continue
        for warning in packed.warnings:
            click.echo(f"warning: {warning}", err=True)
        parts = f"{packed.num_parts} convex part{'' if packed.num_parts == 1 else 's'}"
        facts = f"{packed.label}, {_size(packed.size_m)}, {_mass(packed.mass_kg)}, {parts}"
        click.echo(f"{packed.id}: {facts}, up is {packed.up.axis} ({packed.up.reason})")
        done.append(packed)
    click.echo(f"{manifest_path(out)}: use it with simgen generate --assets {manifest_path(out)}")
    if left_out:
        click.echo(f"{left_out} of {left_out + len(done)} meshes are left out; the reasons are above", err=True)
    if preview is not None:
        click.echo(_sheet(manifest_path(out), [(one.id, one.up.axis) for one in done], preview))
    return 3 if left_out else 0


def _packing(number: int, count: int, path: Path) -> None:
    """The mesh that is being packed: it may take minutes."""
    click.echo(f"packing {number} of {count}: {path.name}", err=True)


def _sheet(manifest: Path, packed: Sequence[tuple[str, str]], path: Path) -> Path:
    """A picture of every packed asset, standing as it was packed."""
    from simgen.catalog.catalog import open_catalog
    from simgen.dataset.contact_sheet import asset_sheet
    from simgen.engine.portraits import portraits

    catalog = open_catalog(objects=[str(manifest)], builtin=False)
    source = catalog.objects[0].source
    assets = [catalog.object(f"{source}:{asset_id}") for asset_id, _ in packed]
    captions = [
        (asset.id, f"{asset.label}, {_size(asset.size_m)}, {_mass(asset.mass_kg)}, up is {axis}")
        for asset, (_, axis) in zip(assets, packed, strict=True)
    ]
    with _progress(assets, "preview") as wanted:
        pictures = list(portraits(catalog, wanted))
    return asset_sheet(list(zip(captions, pictures, strict=True)), path)


def _progress(items: Sequence[T], label: str) -> AbstractContextManager[Iterable[T]]:
    """A bar for whoever watches, nothing in a log."""
    return click.progressbar(items, label=label, file=sys.stderr, show_pos=True, hidden=not sys.stderr.isatty())


def _catalog(sources: tuple[str, ...], *, bad: dict[str, str] | None = None) -> "Catalog":
    """Sources of either kind, each handed to the side it belongs to.

    Entries that cannot be used are put into `bad`, where it is given, with a sentence each; what manifests say and
    simgen does not do is printed.
    """
    from simgen.catalog.catalog import open_catalog
    from simgen.catalog.manifests import BadEntries, read_manifest
    from simgen.storage.cache import Cache, default_cache

    objects: list[str] = []
    environments: list[str] = []
    for source in dict.fromkeys(sources):
        entries = read_manifest(source, Cache(root=default_cache()), lenient=True).entries
        maps_only = bool(entries) and all(entry.asset_type == "Texture" for entry in entries)
        (environments if maps_only else objects).append(source)
    while True:
        try:
            catalog = open_catalog(
                objects=objects, environments=environments, builtin=not sources, exclude=tuple(bad or ())
            )
        except BadEntries as error:
            if bad is None:
                raise
            bad |= error.bad
            continue
        for note in catalog.notes:
            click.echo(f"note: {note}", err=True)
        return catalog


def _as_json(asset: "ObjectAsset | SurfaceAsset | EnvironmentAsset") -> dict[str, Any]:
    kind = {"ObjectAsset": "object", "SurfaceAsset": "surface", "EnvironmentAsset": "environment"}
    return {"type": kind[type(asset).__name__], **dataclasses.asdict(asset)}


def _row(asset: "ObjectAsset | SurfaceAsset | EnvironmentAsset") -> tuple[str, ...]:
    from simgen.core.assets import ObjectAsset, SurfaceAsset

    name = f"{asset.source}:{asset.id}"
    size, mass = "", ""
    if isinstance(asset, ObjectAsset):
        size, mass = _size(asset.size_m), _mass(asset.mass_kg)
    split = "both" if isinstance(asset, SurfaceAsset) else asset.split
    return (name, asset.label, size, mass, split, asset.credit.license)


def _size(size_m: tuple[float, float, float]) -> str:
    return " x ".join(f"{edge * 100:.3g}" for edge in size_m) + " cm"


def _mass(mass_kg: float) -> str:
    return f"{mass_kg * 1000:.3g} g" if mass_kg < 1 else f"{mass_kg:.3g} kg"
