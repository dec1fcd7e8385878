"""Manifests → a catalogue of objects, surfaces and environment maps, and the files behind them.

catalog = open_catalog(objects=["gso"], environments=["maps/HDRI_haven.json"])
catalog.object("GSO:Room_Essentials_Mug_White_Yellow").label     white mug with a yellow handle
catalog.mesh_path("GSO:Room_Essentials_Mug_White_Yellow")        fetched and unpacked by now
"""

import dataclasses
import hashlib
import importlib.util
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any, TypeVar

import numpy as np

from simgen.catalog.entries import credit_of, environment_asset, not_honoured, object_asset, surface_asset
from simgen.catalog.labels import guess_environment
from simgen.catalog.manifests import (
    ASSET_DIR,
    KNOWN_SOURCES,
    BadEntries,
    Entry,
    Manifest,
    bundled_labels,
    leads_out,
    read_manifest,
)
from simgen.catalog.mesh_files import Urdf, check_environment, read_obj, read_parts, read_urdf
from simgen.catalog.pictures import check_picture, mtl_pictures
from simgen.core.assets import Credit, EnvironmentAsset, ObjectAsset, SurfaceAsset
from simgen.core.errors import AssetError, UnknownName, shown
from simgen.core.geometry import Shape, vec3
from simgen.core.mesh import Mesh, MeshSurface
from simgen.core.spec import Body
from simgen.procedural import models
from simgen.procedural.builtin import build_builtin, builtin_fingerprint
from simgen.procedural.models import forms
from simgen.storage import urls
from simgen.storage.cache import Cache, Fetched, default_cache

BUILTIN = "builtin"

AnyAsset = ObjectAsset | SurfaceAsset | EnvironmentAsset
Asset = TypeVar("Asset", ObjectAsset, SurfaceAsset, EnvironmentAsset)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Place:
    """Where an asset's files come from: an entry of a manifest, or one file that is simply there."""

    entry: Entry | None = None
    file: Path | None = None


def open_catalog(
    *,
    objects: Sequence[str] = (),
    environments: Sequence[str] = (),
    builtin: bool = True,
    exclude: Sequence[str] = (),
    offline: bool = False,
    cache: Path | None = None,
) -> "Catalog":
    """Everything that the named manifests hold, and the built-in assets, without those that `exclude` names as
    `source:id`. No archive is unpacked yet."""
    named = (tuple(map(_absolute, objects)), tuple(map(_absolute, environments)))
    return Catalog(*named, builtin, offline, cache, tuple(exclude))


class Catalog:
    """Assets by `source:id`, and their files on demand. Pickled as its arguments, and opened anew elsewhere."""

    def __init__(
        self,
        objects: tuple[str, ...],
        environments: tuple[str, ...],
        builtin: bool,
        offline: bool,
        cache: Path | None,
        exclude: tuple[str, ...] = (),
    ) -> None:
        self._arguments = (objects, environments, builtin, offline, cache, exclude)
        self.cache = Cache(root=(cache or default_cache()).absolute(), offline=offline)
        named = [self._read(source, ("FileBasedObject", "Surface"), "objects", "--hdri") for source in objects]
        named += [self._read(source, ("Texture",), "environment maps", "--assets") for source in environments]
        manifests = {manifest.address: manifest for manifest in named}
        self.given = frozenset(manifest.name for manifest in manifests.values())
        self.given_here = frozenset(
            manifest.name
            for manifest in manifests.values()
            if not any(urls.is_remote(entry.archive) for entry in manifest.entries)
        )
        """Those of which no archive has to be fetched."""
        if builtin:
            folder = self.cache.build(BUILTIN, builtin_fingerprint(), build_builtin)
            own = read_manifest(str(folder / "builtin.json"), self.cache)
            manifests[own.address] = own
        names: dict[str, str] = {}
        for manifest in manifests.values():
            if names.setdefault(manifest.name, manifest.address) != manifest.address:
                raise AssetError(
                    f"{manifest.address}: its name {manifest.name!r} is also that of {names[manifest.name]}; "
                    "change 'name' in one of them"
                )
        self._places: dict[str, _Place] = {}
        self._folders: dict[str, Path] = {}
        self._shapes: dict[str, Shape] = {}
        self._exclude = frozenset(exclude)
        self._unusable: dict[str, str] = {
            f"{manifest.name}:{key}": kind for manifest in manifests.values() for key, kind in manifest.unusable.items()
        }
        """asset_type of what is left out and could not be used."""
        found: list[AnyAsset] = []
        for manifest in manifests.values():
            found += self._assets(manifest)
        if builtin:
            found += self._studio_lights()
        found.sort(key=ref)
        known = {ref(asset) for asset in found} | set(self._unusable)
        for name in exclude:
            if name not in known:
                raise UnknownName("asset", name, known, where="assets.exclude")
        self.objects = tuple(a for a in found if isinstance(a, ObjectAsset) and ref(a) not in exclude)
        self.surfaces = tuple(a for a in found if isinstance(a, SurfaceAsset) and ref(a) not in exclude)
        environment_maps = [asset for asset in found if isinstance(asset, EnvironmentAsset)]
        # Blender's lights share the source's name with whatever maps the built-in manifest holds.
        # What is left out changes the split of no other.
        gone = [name for name, kind in self._unusable.items() if kind == "Texture"]
        self.environments = tuple(a for a in _with_split(environment_maps, gone) if ref(a) not in exclude)
        self.all: tuple[AnyAsset, ...] = self.objects + self.surfaces + self.environments
        self._by_ref = {ref(asset): asset for asset in self.all}
        self.notes = tuple(note for manifest in manifests.values() for note in _notes(manifest))
        """What the manifests say and simgen does not do, a sentence each."""

    def __reduce__(self) -> tuple[Any, ...]:
        return (Catalog, self._arguments)

    def object(self, ref: str) -> ObjectAsset:
        return self._asset(ref, ObjectAsset, "object")

    def surface(self, ref: str) -> SurfaceAsset:
        return self._asset(ref, SurfaceAsset, "surface")

    def environment(self, ref: str) -> EnvironmentAsset:
        return self._asset(ref, EnvironmentAsset, "environment map")

    def folder(self, ref: str) -> Path:
        """The folder of an asset's files, fetched and unpacked where that has not happened yet."""
        if ref not in self._folders:
            try:
                self._folders[ref] = self._unpack(ref)
            except AssetError as error:
                error.asset = ref
                raise
        return self._folders[ref]

    def mesh_path(self, ref: str) -> Path:
        """The OBJ that is rendered."""
        return self._file(ref, self._kwargs(ref, "object")["render_filename"])

    def urdf_path(self, ref: str) -> Path:
        """The URDF that is simulated."""
        return self._file(ref, self._kwargs(ref, "object")["simulation_filename"])

    def environment_path(self, ref: str) -> Path:
        self.environment(ref)
        place = self._places[ref]
        return place.file if place.file is not None else self._file(ref, self._kwargs(ref, "map")["filename"])

    def map_path(self, ref: str, name: str) -> Path:
        """A picture that a material names, beside its asset."""
        return self._file(ref, name)

    def arguments(self, ref: str) -> dict[str, Any]:
        """The manifest's `kwargs` for Kubric, with the folder filled in: a copy of the caller's own."""
        entry = self._places[ref].entry if ref in self._places else None
        if entry is None:
            raise UnknownName("asset with Kubric arguments", ref, self._by_ref)
        return entry.arguments(self.folder(ref))

    def shape(self, ref: str) -> Shape:
        """The collision shape of an object, around its centre of mass; an AssetError with its name where the files
        cannot be used."""
        if ref not in self._shapes:
            try:
                parts, scale = read_parts(read_urdf(self.urdf_path(ref))), self.object(ref).scale
                self._shapes[ref] = Shape.from_parts(parts if scale == 1.0 else tuple(scale * part for part in parts))
            except AssetError as error:
                error.asset = ref
                raise
        return self._shapes[ref]

    def mesh(self, body: Body) -> Mesh:
        """The geometry of a body in its own axes, unscaled: of its model, its asset's file, or its shape."""
        if body.model is not None:
            return models.build(body.model)
        if body.shape == "box":
            return forms.mesh(forms.box(body.size_m, radius_m=0.002))
        if body.shape == "ball":
            return forms.mesh(forms.ball(vec3(np.array(body.size_m) / 2)))
        return _mesh(self.mesh_path(body.asset), self.object(body.asset).scale)

    def fingerprint(self) -> str:
        """The same wherever the same assets come out, fetched or not."""
        assets = [dataclasses.asdict(asset) for asset in self.all]
        for facts in assets:
            if facts.get("scale") == 1.0:
                # Data sets that were begun before there was a scale go on.
                del facts["scale"]
        return hashlib.sha256(json.dumps(assets, sort_keys=True).encode()).hexdigest()[:16]

    def verify(self, ref: str) -> str | None:
        """What is wrong with an asset's files, read afresh, or None."""
        place = self._places[ref]
        asset = self._by_ref[ref]
        try:
            folder = self.folder(ref)
            if place.entry is None:
                assert place.file is not None, "an asset has an entry or a file"
                check_environment(place.file)
                check_picture(place.file)
                return None
            if place.entry.archive:
                self.cache.verify(self._archive(ref, place.entry), folder)
            _check_files(place.entry, folder)
            if isinstance(asset, ObjectAsset):
                return _check_object(asset, self.mesh_path(ref), read_urdf(self.urdf_path(ref)))
        except AssetError as error:
            return str(error)
        return None

    def is_here(self, ref: str) -> bool:
        """Whether an asset's files are on this machine already."""
        entry = self._places[ref].entry
        if entry is None or not entry.archive:
            return True
        return self.cache.path(entry.archive, entry.sha256) is not None

    def size_bytes(self, ref: str) -> int:
        """What an asset's files take: packed as they are fetched, 0 where that is not known yet."""
        place = self._places[ref]
        if place.file is not None:
            return place.file.stat().st_size
        assert place.entry is not None, "an asset has an entry or a file"
        path = self.cache.path(place.entry.archive, place.entry.sha256) if place.entry.archive else None
        return path.stat().st_size if path is not None else 0

    def _asset(self, ref: str, cls: type[Asset], what: str) -> Asset:
        asset = self._by_ref.get(ref)
        if not isinstance(asset, cls):
            raise UnknownName(what, ref, [r for r, a in self._by_ref.items() if isinstance(a, cls)])
        if not asset.sha256:
            # Known once it has been fetched, which whoever renders or records an asset has done.
            entry = self._places[ref].entry
            known = self.cache.known(entry.archive) if entry is not None and entry.archive else None
            return dataclasses.replace(asset, sha256=known or "")
        return asset

    def _kwargs(self, ref: str, what: str) -> Mapping[str, Any]:
        self._asset(ref, ObjectAsset, what) if what == "object" else self._asset(ref, EnvironmentAsset, what)
        entry = self._places[ref].entry
        assert entry is not None, "only environment maps are single files"
        return entry.kwargs

    def _file(self, ref: str, name: str) -> Path:
        return _inside(self.folder(ref), name)

    def _archive(self, ref: str, entry: Entry) -> Fetched:
        source = next((name for name, known in KNOWN_SOURCES.items() if known.name == self._by_ref[ref].source), "")
        command = f"simgen assets fetch {source or 'MANIFEST'} --only {entry.id}"
        # With the hash from when the catalogue was opened: what has changed since is another asset.
        return self.cache.fetch(entry.archive, sha256=self._by_ref[ref].sha256, command=command)

    def _unpack(self, ref: str) -> Path:
        place = self._places.get(ref)
        if place is None:
            raise UnknownName("asset", ref, self._by_ref)
        if place.file is not None:
            return place.file.parent
        entry = place.entry
        assert entry is not None, "an asset has an entry or a file"
        if not entry.archive:
            _check_pictures(entry, Path(entry.data_dir))
            return Path(entry.data_dir)
        archive = self._archive(ref, entry)
        return self.cache.unpack(archive, check=lambda folder: _check_archive(entry, folder), rules=_rules(entry))

    def _read(self, source: str, wanted: tuple[str, ...], what: str, other: str) -> Manifest:
        manifest = read_manifest(source, self.cache, exclude=self._arguments[-1])
        if not any(entry.asset_type in wanted for entry in manifest.entries):
            raise AssetError(f"{manifest.address}: holds no {what}; give it with {other}")
        return manifest

    def _assets(self, manifest: Manifest) -> list[AnyAsset]:
        bundled = bundled_labels(manifest.name)
        hashes = self._hashes(manifest)
        objects = [e.id for e in manifest.entries if e.asset_type == "FileBasedObject"]
        objects += [key for key, kind in manifest.unusable.items() if kind == "FileBasedObject"]
        test = _test_ids(manifest.name, objects)
        assets: list[AnyAsset] = []
        bad: dict[str, str] = {}
        for entry in manifest.entries:
            where = f"{manifest.address}: {entry.id}"
            # From the least to the most particular; a label decides what is guessed.
            facts = {**bundled.get(entry.id, {}), **entry.metadata, **manifest.labels.get(entry.id, {})}
            common = {
                "id": entry.id,
                "source": manifest.name,
                "credit": credit_of(manifest.name, entry),
                "sha256": hashes[entry.id],
            }
            name = f"{manifest.name}:{entry.id}"
            try:
                if entry.asset_type == "Texture":
                    assets.append(environment_asset(entry, facts, common))
                elif entry.asset_type == "Surface":
                    assets.append(surface_asset(entry, facts, common, where))
                else:
                    assets.append(object_asset(entry, facts, common, "test" if entry.id in test else "train", where))
            except AssetError as error:
                if name in self._exclude:
                    self._unusable[name] = entry.asset_type
                else:
                    bad[name] = str(error)
            self._places[name] = _Place(entry=entry)
        if bad:
            raise BadEntries(bad)
        return assets

    def _hashes(self, manifest: Manifest) -> dict[str, str]:
        """sha256 of every entry's archive or loose files; empty for what lies elsewhere and states none."""
        local: dict[str, list[Path]] = {}
        for entry in manifest.entries:
            if not entry.archive:
                names = [v for v in entry.kwargs.values() if isinstance(v, str)]
                local[entry.id] = [_inside(Path(entry.data_dir), name) for name in names]
            elif not entry.sha256 and not urls.is_remote(entry.archive):
                local[entry.id] = [urls.local_path(entry.archive)]
        needed = [(entry.id, path) for entry in manifest.entries for path in _local_files(entry, local)]
        missing = [(key, path) for key, path in needed if not urls.is_file(path)]
        # What is left out may be missing.
        away = {key for key, _ in missing if f"{manifest.name}:{key}" in self._exclude}
        missing = [(key, path) for key, path in missing if key not in away]
        local = {key: paths for key, paths in local.items() if key not in away}
        if missing:
            key, path = missing[0]
            raise AssetError(
                f"{manifest.address}: {len(missing)} of {len(needed)} files are missing, first {path} of {key!r}; "
                "put the archives beside the manifest, or correct its 'data_dir'"
            )
        hashes = self.cache.hash_files(path for paths in local.values() for path in paths)
        result = {entry.id: entry.sha256 for entry in manifest.entries}
        for key, paths in local.items():
            joined = "".join(hashes[path] for path in paths)
            result[key] = hashes[paths[0]] if len(paths) == 1 else hashlib.sha256(joined.encode()).hexdigest()
        return result

    def _studio_lights(self) -> list[EnvironmentAsset]:
        """Environment maps that come with Blender, where it is installed and says that they are CC0."""
        spec = importlib.util.find_spec("bpy")
        homes = [Path(home) for home in (spec.submodule_search_locations or [])] if spec is not None else []
        lights = sorted(path for home in homes for path in home.glob("*/datafiles/studiolights/world/*.exr"))
        if not lights or not (notice := lights[0].parent / "license.txt").is_file():
            return []
        text = notice.read_text(encoding="utf-8")
        if "CC0" not in text:
            return []
        pages = {name.lower(): url for name, url in re.findall(r"^- (\w+):.*?(https://\S+)", text, re.MULTILINE)}
        labels, hashes = bundled_labels("blender"), self.cache.hash_files(lights)
        assets = []
        for path in lights:
            guessed, indoor = guess_environment(path.stem)
            facts = labels.get(path.stem, {})
            credit = Credit(
                title=f"Blender studio light {path.stem}",
                author="Greg Zaal (Poly Haven)",
                license="CC0 1.0",
                url=pages.get(path.stem, "https://polyhaven.com"),
            )
            assets.append(
                EnvironmentAsset(
                    id=path.stem,
                    source=BUILTIN,
                    label=facts.get("label", guessed),
                    indoor=bool(facts.get("indoor", indoor)),
                    split="train",
                    credit=credit,
                    sha256=hashes[path],
                )
            )
            self._places[f"{BUILTIN}:{path.stem}"] = _Place(file=path)
        return assets


@lru_cache(maxsize=32)
def _mesh(path: Path, scale: float) -> Mesh:
    found = read_obj(path)
    points = found.vertices if scale == 1.0 else found.vertices * scale
    return Mesh(surfaces=(MeshSurface(vertices_m=points, faces=np.concatenate(found.groups)),))


def _notes(manifest: Manifest) -> list[str]:
    """A sentence for every argument of Kubric that entries state and simgen does not use."""
    using: dict[str, list[str]] = {}
    for entry in manifest.entries:
        for name in not_honoured(entry):
            using.setdefault(name, []).append(entry.id)
    notes = []
    for name, ids in sorted(using.items()):
        some = ", ".join(ids[:3]) + (f" and {len(ids) - 3} more" if len(ids) > 3 else "")
        notes.append(
            f"{manifest.address}: kwargs.{name} of {some} is not used: scenes say where things are and how they move, "
            "and meshes are read with Z up"
        )
    return notes


def ref(asset: AnyAsset) -> str:
    """The name of an asset everywhere: `source:id`."""
    return f"{asset.source}:{asset.id}"


def _absolute(source: str) -> str:
    """A path that holds wherever the catalogue is opened; an address or a known name as it stands."""
    path = urls.local_path(source)
    return str(path) if not urls.is_remote(source) and path.is_file() else urls.admit(source)


def _test_ids(source: str, ids: Sequence[str]) -> frozenset[str]:
    """One id in ten, by a ranking that depends on the ids alone; at least one of three or more."""
    ranked = sorted(ids, key=lambda key: hashlib.sha256(f"{source}:{key}".encode()).hexdigest())
    count = max((len(ids) + 5) // 10, 1) if len(ids) >= 3 else 0
    return frozenset(ranked[:count])


def _with_split(environments: Sequence[EnvironmentAsset], gone: Sequence[str]) -> list[EnvironmentAsset]:
    """`gone` are refs of maps that cannot be used: they take part in the ranking."""
    ids: dict[str, list[str]] = {}
    for asset in environments:
        ids.setdefault(asset.source, []).append(asset.id)
    for name in gone:
        source, _, key = name.partition(":")
        ids.setdefault(source, []).append(key)
    test = {source: _test_ids(source, found) for source, found in ids.items()}
    return [dataclasses.replace(a, split="test" if a.id in test[a.source] else "train") for a in environments]


def _inside(folder: Path, name: str) -> Path:
    if leads_out(name):
        raise AssetError(f"{folder}: {shown(name)} leads out of the asset's folder; do not trust this asset")
    return folder / name.replace(ASSET_DIR + "/", "").replace(ASSET_DIR, "")


def _local_files(entry: Entry, local: Mapping[str, list[Path]]) -> list[Path]:
    if entry.id in local:
        return local[entry.id]
    return [] if urls.is_remote(entry.archive) else [urls.local_path(entry.archive)]


def _check_archive(entry: Entry, folder: Path) -> None:
    """Refuse an unpacked archive that cannot be used, by the archive's name rather than the folder's."""
    try:
        _check_files(entry, folder)
    except AssetError as error:
        raise AssetError(str(error).replace(str(folder), entry.archive)) from error


def _rules(entry: Entry) -> str:
    """What the files of an archive are checked against. Another number has every archive checked again that was
    unpacked before it, once."""
    return json.dumps([2, entry.asset_type, entry.kwargs, _material_data(entry)], sort_keys=True)


def _check_files(entry: Entry, folder: Path) -> None:
    kwargs = entry.kwargs
    if entry.asset_type == "Texture":
        check_environment(_inside(folder, kwargs["filename"]))
    elif entry.asset_type == "FileBasedObject":
        read_obj(_inside(folder, kwargs["render_filename"]))
        read_parts(read_urdf(_inside(folder, kwargs["simulation_filename"])))
    _check_pictures(entry, folder)


def _check_pictures(entry: Entry, folder: Path) -> None:
    """Decode every picture that an asset shows: the maps of its materials, those of its mesh, an environment map."""
    pictures: list[Path] = []
    if entry.asset_type == "Texture":
        pictures.append(_inside(folder, entry.kwargs["filename"]))
    for material in _material_data(entry):
        named = (material.get(name) for name in ("color_map", "roughness_map", "normal_map"))
        pictures += [_inside(folder, name) for name in named if name]
    if entry.asset_type == "FileBasedObject":
        pictures += mtl_pictures(_inside(folder, entry.kwargs["render_filename"]))
    for picture in dict.fromkeys(pictures):
        try:
            check_picture(picture)
        except AssetError as error:
            raise AssetError(f"{error}, or leave {entry.id!r} out with assets.exclude") from error


def _material_data(entry: Entry) -> list[Mapping[str, Any]]:
    """The materials of an entry as they stand in it; their types were checked when the catalogue was opened."""
    if entry.asset_type == "Surface":
        return [entry.metadata.get("material", {})]
    return list(entry.metadata.get("materials", {}).values()) if entry.asset_type == "FileBasedObject" else []


def _check_object(asset: ObjectAsset, mesh: Path, urdf: Urdf) -> str | None:
    vertices = read_obj(mesh).vertices * asset.scale
    low, high = vertices.min(axis=0), vertices.max(axis=0)
    off = max(abs(float(a - b)) for a, b in zip([*low, *high], [*asset.bounds_m[0], *asset.bounds_m[1]], strict=True))
    if off > 0.002 + 0.02 * max(asset.size_m):
        return f"{mesh}: the mesh is {off * 1000:.0f} mm off the manifest's bounds; correct kwargs.bounds, or the mesh"
    if urdf.mass_kg <= 0:
        return f"{mesh.parent}: the URDF states no mass above 0"
    return None
