"""`simgen assets`: what there is, fetching it, checking it, packing one's own meshes."""

import dataclasses
import json
import sys
from collections.abc import Iterable, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

if TYPE_CHECKING:
    from simgen.catalog.catalog import Catalog
    from simgen.core.assets import EnvironmentAsset, ObjectAsset, SurfaceAsset

SECTION = "See what can be made"
T = TypeVar("T")


@click.group(short_help="List, fetch, verify and pack assets.")
def assets() -> None:
    """List, fetch, verify and pack objects, surfaces and environment maps.

    SOURCE is the path or address (https, gs, s3) of a Kubric manifest, or a known name: gso, hdri_haven.
    """


@assets.command("list")
@click.argument("sources", nargs=-1, metavar="[SOURCE]...")
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
    catalog = _catalog(sources)
    if as_json:
        click.echo(json.dumps([_as_json(asset) for asset in catalog.all], indent=1))
        return 0
    rows = [("asset", "label", "size", "mass", "split", "license"), *map(_row, catalog.all)]
    widths = [max(len(row[k]) for row in rows) for k in range(len(rows[0]))]
    for row in rows:
        click.echo("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())
    return 0


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


@assets.command()
@click.argument("source", metavar="SOURCE")
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
        click.echo(failure, err=True)
    total = sum(catalog.size_bytes(f"{manifest.name}:{asset_id}") for asset_id in only or ids)
    click.echo(
        f"{len(only or ids) - len(failures)} assets of {manifest.name}, {total / 1e6:.1f} MB, {catalog.cache.root}"
    )
    return 1 if failures else 0


@assets.command()
@click.argument("sources", nargs=-1, metavar="[SOURCE]...")
def verify(sources: tuple[str, ...]) -> int:
    """Read the archives and meshes of each SOURCE afresh and report what is wrong with them.

    The built-in ones where none is named. What has not been fetched is not.
    """
    from simgen.catalog.catalog import ref

    catalog = _catalog(sources)
    there = [asset for asset in catalog.all if catalog.is_here(ref(asset))]
    faults = []
    with _progress(there, "verify") as wanted:
        for asset in wanted:
            fault = catalog.verify(ref(asset))
            if fault is not None:
                faults.append(f"{ref(asset)}: {fault}")
    for fault in faults:
        click.echo(fault)
    if faults:
        click.echo(f"{len(faults)} of {len(there)} assets are damaged", err=True)
        return 1
    absent = len(catalog.all) - len(there)
    click.echo(f"{len(there)} assets are sound" + (f", {absent} have not been fetched" if absent else ""))
    return 0


@assets.command()
@click.argument("folder", type=click.Path(path_type=Path))
@click.argument("out", type=click.Path(path_type=Path))
@click.option("--substance", default="", metavar="NAME", help="What all are made of; guessed from the names otherwise.")
@click.option(
    "--unit", type=click.Choice(["mm", "cm", "m"]), default="m", show_default=True, help="Unit of the meshes."
)
@click.option("--labels", type=click.Path(path_type=Path), help="YAML of id to label; FOLDER/labels.yaml otherwise.")
@click.option("--license", "license_name", default="not stated", metavar="TEXT", help="Goes with every asset.")
@click.option("--author", default="not stated", metavar="TEXT", help="Goes with every asset.")
def pack(
    folder: Path, out: Path, substance: str, unit: str, labels: Path | None, license_name: str, author: str
) -> int:
    """Turn a FOLDER of OBJ, GLB and PLY meshes into a manifest with archives in OUT.

    Each mesh gets convex parts, a centre of mass and a mass, and its file name becomes its label.
    """
    from simgen.catalog.pack import Terms, folder_labels, manifest_path, pack_folder

    terms = Terms(
        substance=substance, unit=unit, license=license_name, author=author, labels=folder_labels(folder, labels)
    )
    for packed in pack_folder(folder, out, terms):
        for warning in packed.warnings:
            click.echo(f"warning: {warning}", err=True)
        size = _size(packed.size_m)
        parts = f"{packed.num_parts} convex part{'' if packed.num_parts == 1 else 's'}"
        click.echo(f"{packed.id}: {packed.label}, {size}, {_mass(packed.mass_kg)}, {parts}")
    click.echo(f"{manifest_path(out)}: use it with simgen generate --assets {manifest_path(out)}")
    return 0


def _progress(items: Sequence[T], label: str) -> AbstractContextManager[Iterable[T]]:
    """A bar for whoever watches, nothing in a log."""
    return click.progressbar(items, label=label, file=sys.stderr, show_pos=True, hidden=not sys.stderr.isatty())


def _catalog(sources: tuple[str, ...]) -> "Catalog":
    """Sources of either kind, each handed to the side it belongs to."""
    from simgen.catalog.catalog import open_catalog
    from simgen.catalog.manifests import read_manifest
    from simgen.storage.cache import Cache, default_cache

    objects: list[str] = []
    environments: list[str] = []
    for source in dict.fromkeys(sources):
        entries = read_manifest(source, Cache(root=default_cache())).entries
        (environments if all(entry.asset_type == "Texture" for entry in entries) else objects).append(source)
    return open_catalog(objects=objects, environments=environments, builtin=not sources)


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
