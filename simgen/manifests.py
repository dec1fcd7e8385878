"""A Kubric-format manifest → its entries, checked, with every archive's address resolved."""

import copy
import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from simgen import archives
from simgen.archives import Cache
from simgen.errors import AssetError, UnknownName
from simgen.resources import folder as content_folder

ASSET_TYPES = ("FileBasedObject", "Surface", "Texture")
"""Kubric's two, and ours for what a stage is made of. A Texture is an environment map, as in HDRI_haven."""

ASSET_DIR = "{asset_dir}"
LABEL_KEYS = ("label", "kind", "substance", "mass_kg", "indoor")


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """A public collection that is known by name."""

    name: str
    """Name inside the manifest."""
    address: str
    author: str
    license: str
    url: str
    """Page of one asset, with `{id}`."""


KNOWN_SOURCES: Mapping[str, Source] = {
    "gso": Source(
        name="GSO",
        address="gs://kubric-public/assets/GSO/GSO.json",
        author="Google Research (Google Scanned Objects)",
        license="CC BY 4.0",
        url="https://app.gazebosim.org/GoogleResearch/fuel/models/{id}",
    ),
    "hdri_haven": Source(
        name="HDRI_haven",
        address="gs://kubric-public/assets/HDRI_haven/HDRI_haven.json",
        author="Poly Haven",
        license="CC0 1.0",
        url="https://polyhaven.com/a/{id}",
    ),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One asset as its manifest states it."""

    id: str
    asset_type: str
    archive: str
    """Path or address; empty where the files lie loose in `data_dir`."""
    data_dir: str
    sha256: str
    """Of the archive, where the manifest states it."""
    license: str
    kwargs: Mapping[str, Any]
    metadata: Mapping[str, Any]

    def arguments(self, asset_dir: Path) -> dict[str, Any]:
        """Kubric's keyword arguments, a copy of one's own, with `{asset_dir}` filled in at every depth."""
        filled = _substitute(copy.deepcopy(dict(self.kwargs)), str(asset_dir))
        assert isinstance(filled, dict), "a mapping stays one"
        return filled


@dataclass(frozen=True, slots=True, kw_only=True)
class Manifest:
    """A named collection of assets."""

    name: str
    address: str
    entries: tuple[Entry, ...]
    """Sorted by id."""
    labels: Mapping[str, Mapping[str, Any]]
    """From the labels file beside it: id → label, kind, substance, mass_kg."""


def read_manifest(source: str, cache: Cache, *, refresh: bool = False) -> Manifest:
    """Read a manifest from a path, an address (http, https, gs, s3) or the name of a known source."""
    address = _address(source)
    path = cache.fetch(address, refresh=refresh, command=f"simgen assets fetch {source}").path
    stem = address.removesuffix(".json")
    labels: Mapping[str, Mapping[str, Any]] = {}
    for suffix in (".labels.yaml", ".labels.json"):
        beside = cache.fetch_optional(stem + suffix, refresh=refresh)
        if beside is not None:
            labels = read_labels(beside)
            break
    return parse_manifest(_read_json(path, address), address, labels)


def parse_manifest(data: Any, address: str, labels: Mapping[str, Mapping[str, Any]]) -> Manifest:
    """Check a manifest's content; relative names are seen from `address`."""
    if not isinstance(data, dict) or not isinstance(data.get("assets"), dict):
        raise AssetError(f"{address}: not an asset manifest: it needs an object 'assets' of id to entry")
    name = data.get("name") or Path(address).name.removesuffix(".json")
    if not isinstance(name, str) or ":" in name:
        raise AssetError(f"{address}: 'name' must be a text without a colon; got {name!r}")
    data_dir = data.get("data_dir") or "."
    if not isinstance(data_dir, str):
        raise AssetError(f"{address}: 'data_dir' must be a text; got {data_dir!r}")
    data_dir = archives.join(archives.parent(address), data_dir)
    if not data["assets"]:
        raise AssetError(f"{address}: the manifest holds no assets")
    entries = tuple(_entry(key, data["assets"][key], address, data_dir) for key in sorted(data["assets"]))
    for key in labels:
        if key not in data["assets"]:
            raise UnknownName("asset", key, data["assets"], where=f"labels beside {address}")
    return Manifest(name=name, address=address, entries=entries, labels=labels)


def read_labels(path: Path) -> dict[str, dict[str, Any]]:
    """A labels file: id → label, or id → {label, kind, substance, mass_kg}, any of them."""
    try:
        data = yaml.load(path.read_bytes(), Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader))
    except (OSError, yaml.YAMLError, UnicodeDecodeError) as error:
        raise AssetError(f"{path}: cannot be read as YAML or JSON: {' '.join(str(error).split())}") from error
    if not isinstance(data, dict):
        raise AssetError(f"{path}: a labels file maps asset ids to labels; got {type(data).__name__}")
    labels = {}
    for key, value in data.items():
        facts = {"label": value} if isinstance(value, str) else value
        if not isinstance(facts, dict) or not all(isinstance(k, str) for k in facts):
            raise AssetError(f"{path}: {key}: must be a label or {{label, kind, substance, mass_kg}}; got {value!r}")
        for name, fact in facts.items():
            if name not in ("label", "kind", "substance", "mass_kg", "indoor"):
                raise UnknownName(
                    "key", name, ("label", "kind", "substance", "mass_kg", "indoor"), where=f"{path}: {key}"
                )
            if name == "mass_kg" and (isinstance(fact, bool) or not isinstance(fact, int | float) or not fact > 0):
                raise AssetError(f"{path}: {key}: mass_kg must be a number above 0; got {fact!r}")
            if name in ("label", "kind", "substance") and not (isinstance(fact, str) and fact.strip()):
                raise AssetError(f"{path}: {key}: {name} must be a text; got {fact!r}")
        labels[str(key)] = dict(facts)
    return labels


def bundled_labels(source: str) -> dict[str, dict[str, Any]]:
    """What simgen itself knows about the assets of a collection by its name; empty for an unknown one."""
    path = content_folder("assets") / "labels" / f"{source.lower()}.yaml"
    return read_labels(path) if path.is_file() else {}


def _address(source: str) -> str:
    if archives.is_remote(source) or archives.local_path(source).is_file():
        return source if archives.is_remote(source) else str(archives.local_path(source))
    if source in KNOWN_SOURCES:
        return KNOWN_SOURCES[source].address
    if source.endswith(".json") or "/" in source:
        raise AssetError(f"{archives.local_path(source)}: no such manifest; check the path")
    raise AssetError(str(UnknownName("manifest or known source", source, KNOWN_SOURCES)))


def _read_json(path: Path, address: str) -> Any:
    try:
        return json.loads(path.read_bytes())
    except OSError as error:
        raise AssetError(f"{address}: cannot be read: {error.strerror}") from error
    except ValueError as error:
        raise AssetError(f"{address}: not JSON ({error}); give an asset manifest such as GSO.json") from error


def _entry(key: str, data: Any, address: str, data_dir: str) -> Entry:
    where = f"{address}: {key}"
    if not isinstance(data, dict):
        raise AssetError(f"{where}: an entry must be an object; got {data!r}")
    asset_type = data.get("asset_type")
    if asset_type not in ASSET_TYPES:
        raise AssetError(f"{where}: unknown asset_type {asset_type!r}; simgen knows {', '.join(ASSET_TYPES)}")
    kwargs, metadata = data.get("kwargs", {}), data.get("metadata") or {}
    if not isinstance(kwargs, dict) or not isinstance(metadata, dict):
        raise AssetError(f"{where}: 'kwargs' and 'metadata' must be objects")
    needed = {"FileBasedObject": ("render_filename", "simulation_filename"), "Texture": ("filename",), "Surface": ()}
    for name in needed[asset_type]:
        if not isinstance(kwargs.get(name), str):
            raise AssetError(f"{where}: kwargs.{name} must be the name of a file; got {kwargs.get(name)!r}")
        if ".." in kwargs[name].split("/"):
            raise AssetError(f"{where}: kwargs.{name} leads out of the asset's folder: {kwargs[name]!r}")
    if asset_type == "FileBasedObject":
        if not kwargs["render_filename"].lower().endswith(".obj"):
            raise AssetError(
                f"{where}: {kwargs['render_filename']!r} is not an OBJ mesh; convert it: simgen assets pack"
            )
        _check_bounds(kwargs.get("bounds"), where)
    path, sha256 = data.get("path", ""), data.get("sha256") or ""
    if not isinstance(path, str | None):
        raise AssetError(f"{where}: 'path' must be a text or null; got {path!r}")
    if not isinstance(sha256, str) or (sha256 and len(sha256) != 64):
        raise AssetError(f"{where}: 'sha256' must be 64 hexadecimal digits; got {sha256!r}")
    if path is None and archives.is_remote(data_dir):
        raise AssetError(f"{where}: has no archive (path null), and loose files are read from this machine only")
    return Entry(
        id=key,
        asset_type=asset_type,
        archive="" if path is None else _archive(path or f"{key}.tar.gz", address, data_dir),
        data_dir=data_dir,
        sha256=sha256.lower(),
        license=str(data.get("license") or ""),
        kwargs=kwargs,
        metadata=metadata,
    )


def _archive(name: str, address: str, data_dir: str) -> str:
    """An archive that lies beside a copied manifest is taken from there, wherever the manifest says it came from."""
    beside = archives.join(archives.parent(address), name)
    if not archives.is_remote(beside) and archives.local_path(beside).is_file():
        return beside
    return archives.join(data_dir, name)


def _check_bounds(bounds: Any, where: str) -> None:
    try:
        (x0, y0, z0), (x1, y1, z1) = bounds
        numbers = [float(v) for v in (x0, y0, z0, x1, y1, z1)]
    except (TypeError, ValueError):
        raise AssetError(f"{where}: kwargs.bounds must be [[x, y, z], [x, y, z]] in metres; got {bounds!r}") from None
    if not all(map(math.isfinite, numbers)) or any(a >= b for a, b in zip(numbers[:3], numbers[3:], strict=True)):
        raise AssetError(f"{where}: kwargs.bounds must be finite, the low corner first; got {bounds!r}")


def _substitute(value: Any, asset_dir: str) -> Any:
    if isinstance(value, str):
        return value.replace(ASSET_DIR, asset_dir)
    if isinstance(value, dict):
        return {key: _substitute(item, asset_dir) for key, item in value.items()}
    return [_substitute(item, asset_dir) for item in value] if isinstance(value, list) else value
