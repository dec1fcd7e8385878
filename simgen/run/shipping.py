"""What the other machines of a cluster need of this one: simgen's own code, folders of scenes, manifests given by path.

A node of a cluster needs the libraries and nothing of simgen. Everything else goes with the run as one package, a copy
of `simgen` as it is here with the content folders inside, as in a wheel, and beside them in `_bundled/shipped`

    scenes/0/…                  a folder that --scenes names
    objects/0/GSO.json          a manifest that --assets or --hdri names, its labels, and
    objects/0/files/…           what it names itself: archives and loose files

What is too large to travel stays where it is, and has to be there under the same path on every node.
"""

import itertools
import json
import shutil
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from simgen.catalog.manifests import Manifest, read_manifest
from simgen.core.errors import EnvironmentProblem, UsageError
from simgen.plan.fingerprint import pins
from simgen.plan.recipe import Recipe, load_scenes
from simgen.storage import resources, urls
from simgen.storage.cache import Cache, default_cache

MOST_BYTES = 64 << 20
"""Of scenes and assets that travel with a run; Ray keeps them in the memory of its head."""
_SHIPPED = "shipped"


@dataclass(frozen=True, slots=True, kw_only=True)
class ShippedPackage:
    """simgen's code with what a recipe names, for the nodes of a cluster."""

    package: Path
    """A folder `simgen`, for Ray to put where Python finds it."""
    paths: Mapping[str, str]
    """Path on this machine → where it lies among what is shipped."""


def build_package(recipe: Recipe, place: Path) -> ShippedPackage:
    """Put what the nodes need into a folder of its own."""
    package = place / "simgen"
    unwanted = shutil.ignore_patterns("__pycache__", "_bundled", ".*")
    shutil.copytree(resources.PACKAGE, package, ignore=unwanted)
    for name in ("scenes", "assets", "pipelines"):
        shutil.copytree(resources.folder(name), package / "_bundled" / name, ignore=unwanted)
    room = MOST_BYTES
    paths: dict[str, str] = {}
    for number, folder in enumerate(dict.fromkeys(recipe.scene_folders)):
        room -= _size(Path(folder))
        if room < 0:
            raise UsageError(
                f"{folder}: a folder of scenes goes to every node of the cluster and may have {MOST_BYTES >> 20} MiB; "
                "move out what is no scene"
            )
        paths[folder] = f"scenes/{number}"
        shutil.copytree(folder, package / "_bundled" / _SHIPPED / paths[folder], ignore=unwanted)
    cache = Cache(root=default_cache().absolute())
    for kind, named in (("objects", recipe.assets.objects), ("environments", recipe.assets.environments)):
        for number, source in enumerate(dict.fromkeys(named)):
            if urls.is_remote(source) or not urls.is_file(urls.local_path(source)):
                continue
            manifest = read_manifest(source, cache, exclude=recipe.assets.exclude)
            # No further than it takes to see that it is too much: loose files may lie in a folder of everything.
            sizes = itertools.accumulate(path.stat().st_size for path in _local_files(manifest))
            size = 0
            for size in sizes:
                if size > room:
                    break
            if size > room:
                continue
            room -= size
            paths[source] = f"{kind}/{number}/{Path(source).name}"
            _copy_manifest(manifest, package / "_bundled" / _SHIPPED / paths[source])
    return ShippedPackage(package=package, paths=paths)


def localize_recipe(recipe: Recipe, paths: Mapping[str, str]) -> Recipe:
    """The recipe with the paths that a node has for what was shipped, see `ShippedPackage`."""

    def here(named: tuple[str, ...]) -> tuple[str, ...]:
        shipped = resources.PACKAGE / "_bundled" / _SHIPPED
        return tuple(str(shipped / paths[path]) if path in paths else path for path in named)

    chosen = recipe.assets
    assets = replace(chosen, objects=here(chosen.objects), environments=here(chosen.environments))
    return replace(recipe, assets=assets, scene_folders=here(recipe.scene_folders))


def check_node(recipe: Recipe, pinned: Mapping[str, str], *, host: str) -> None:
    """Refuse a node that would make other bytes: other versions, or without the files of a manifest."""
    for source in (*recipe.assets.objects, *recipe.assets.environments):
        if Path(source).is_absolute() and not urls.is_file(Path(source)):
            raise EnvironmentProblem(
                f"{source}: is not on {host}, and with what it names more than the {MOST_BYTES >> 20} MiB that are "
                "sent along; put it on a disk that all machines share, or give it as an address (https, gs, s3)"
            )
    if not pinned:
        return
    load_scenes(recipe.scene_folders)
    check_pins(pins(recipe), pinned, host=host)


def check_pins(there: Mapping[str, str], pinned: Mapping[str, str], *, host: str, complete: bool = True) -> None:
    """Refuse a node whose versions are not those that the data set was begun with; `complete` where `there` should have
    all of them but those of the assets and the card."""
    names = dict.fromkeys((*there, *(name for name in pinned if name not in ("assets", "card") and complete)))
    versions = {name: (there.get(name, "none"), pinned.get(name, "none")) for name in names}
    other = [f"{name} is {got} there and {wanted} here" for name, (got, wanted) in versions.items() if got != wanted]
    if other:
        raise EnvironmentProblem(
            f"{host}: would make other bytes than the machine that started the run: {'; '.join(other)}; install the "
            "same versions on every node"
        )


def _local_files(manifest: Manifest) -> Iterator[Path]:
    """A manifest on this machine, and what it names on this machine."""
    yield Path(manifest.address)
    for folder in {entry.data_dir for entry in manifest.entries if not entry.archive}:
        yield from (path for path in Path(folder).rglob("*") if path.is_file())
    for entry in manifest.entries:
        # What is left out by assets.exclude may be missing.
        if entry.archive and not urls.is_remote(entry.archive) and urls.is_file(urls.local_path(entry.archive)):
            yield urls.local_path(entry.archive)


def _copy_manifest(manifest: Manifest, to: Path) -> None:
    """A manifest with its files beside it; its assets have the names, hashes and order that they had."""
    files = to.parent / "files"
    files.mkdir(parents=True)
    data: dict[str, Any] = json.loads(Path(manifest.address).read_text(encoding="utf-8"))
    # What a manifest does not say itself it takes from its own address.
    data |= {"name": manifest.name, "data_dir": "files"}
    for folder in {entry.data_dir for entry in manifest.entries if not entry.archive}:
        shutil.copytree(folder, files, dirs_exist_ok=True)
    for number, entry in enumerate(manifest.entries):
        if not entry.archive:
            continue
        if urls.is_remote(entry.archive):
            data["assets"][entry.id]["path"] = entry.archive
        elif urls.is_file(urls.local_path(entry.archive)):
            data["assets"][entry.id]["path"] = f"{number}.tar.gz"
            shutil.copyfile(urls.local_path(entry.archive), files / f"{number}.tar.gz")
    to.write_text(json.dumps(_scrubbed(data)), encoding="utf-8")
    stem = manifest.address.removesuffix(".json")
    for suffix in (".labels.yaml", ".labels.json"):
        if Path(stem + suffix).is_file():
            shutil.copyfile(stem + suffix, str(to).removesuffix(".json") + suffix)


def _scrubbed(value: Any) -> Any:
    """A manifest without the secrets of addresses in it; workers have them from the driver."""
    if isinstance(value, dict):
        return {key: _scrubbed(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_scrubbed(item) for item in value]
    return urls.scrub(value) if isinstance(value, str) and "://" in value else value


def _size(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
