"""A Kubric-format manifest → its entries, checked, with every archive's address resolved."""

import copy
import json
import math
import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from simgen.core.errors import AssetError, UnknownName, UsageError, shown
from simgen.storage import urls
from simgen.storage.cache import Cache
from simgen.storage.resources import folder as content_folder
from simgen.storage.yaml_files import load_yaml

ASSET_TYPES = ("FileBasedObject", "Surface", "Texture")
"""Kubric's two, and ours for what a stage is made of. A Texture is an environment map, as in HDRI_haven."""

ASSET_DIR = "{asset_dir}"
LABEL_KEYS = ("label", "kind", "substance", "mass_kg", "indoor", "up")
MAX_BYTES = 256 << 20
"""Of a manifest or a file of labels; the largest that is known, of 50,000 models, has 60 MB."""
MAX_EXTENT_M = 1000.0
MAX_LETTERS = 200
"""Of a name or an id."""


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
    unusable: Mapping[str, str] = field(default_factory=dict)
    """Entries that cannot be used and that were named in `exclude`: id → asset_type, as far as they state one."""


class BadEntries(AssetError):
    """Some entries of a manifest cannot be used. `bad` has a sentence for each, by `source:id`."""

    def __init__(self, bad: Mapping[str, str]) -> None:
        self.bad = dict(bad)
        names = ", ".join(json.dumps(name, ensure_ascii=False) for name in list(bad)[:20])
        more = f", and {len(bad) - 1} more of its entries cannot be used" if len(bad) > 1 else ""
        rest = ", …" if len(bad) > 20 else ""
        first = next(iter(bad.values()))
        super().__init__(f"{first}{more}; mend it, or go on without: --set 'assets.exclude=[{names}{rest}]'")


def read_manifest(
    source: str, cache: Cache, *, refresh: bool = False, exclude: Collection[str] = (), lenient: bool = False
) -> Manifest:
    """Read a manifest from a path, an address (http, https, gs, s3) or the name of a known source.

    Entries that cannot be used are passed over where `exclude` names them as `source:id`, or all of them if `lenient`.
    """
    address = _address(source)
    path = cache.fetch(address, refresh=refresh, command=f"simgen assets fetch {urls.without_secrets(source)}").path
    labels: Mapping[str, Mapping[str, Any]] = {}
    for suffix in (".labels.yaml", ".labels.json"):
        name = urls.with_suffix(address, suffix, instead_of=".json")
        beside = cache.fetch_optional(urls.admit_beside(name, address), refresh=refresh)
        if beside is not None:
            labels = read_labels(beside)
            break
    return parse_manifest(_read_json(path, address), address, labels, exclude=exclude, lenient=lenient)


def parse_manifest(
    data: Any,
    address: str,
    labels: Mapping[str, Mapping[str, Any]],
    *,
    exclude: Collection[str] = (),
    lenient: bool = False,
) -> Manifest:
    """Check a manifest's content; relative names are seen from `address`."""
    if not isinstance(data, dict) or not isinstance(data.get("assets"), dict):
        raise AssetError(f"{address}: not an asset manifest: it needs an object 'assets' of id to entry")
    name = data.get("name") or urls.name_of(address).removesuffix(".json")
    if not _is_name(name) or ":" in name:
        raise AssetError(f"{address}: 'name' must be a text without a colon; got {shown(name)}")
    data_dir = data.get("data_dir") or "."
    if not _is_place(data_dir):
        raise AssetError(f"{address}: 'data_dir' must be a text; got {shown(data_dir)}")
    data_dir = urls.admit_beside(urls.join(urls.parent(address), data_dir), address)
    if not data["assets"]:
        raise AssetError(f"{address}: the manifest holds no assets")
    entries: list[Entry] = []
    bad: dict[str, str] = {}
    unusable: dict[str, str] = {}
    for key in sorted(data["assets"]):
        try:
            entries.append(_entry(key, data["assets"][key], address, data_dir))
        except AssetError as error:
            if lenient or f"{name}:{key}" in exclude:
                stated = data["assets"][key]
                unusable[key] = str(stated.get("asset_type")) if isinstance(stated, dict) else ""
            else:
                bad[f"{name}:{key}"] = str(error)
    if bad:
        raise BadEntries(bad)
    for key in labels:
        if key not in data["assets"]:
            raise UnknownName("asset", key, data["assets"], where=f"labels beside {address}")
    return Manifest(name=name, address=address, entries=tuple(entries), labels=labels, unusable=unusable)


def read_labels(path: Path) -> dict[str, dict[str, Any]]:
    """A labels file: id → label, or id → {label, kind, substance, mass_kg}, any of them."""
    try:
        data = load_yaml(path)
    except UsageError as error:
        raise AssetError(str(error)) from error
    if not isinstance(data, dict):
        raise AssetError(f"{path}: a labels file maps asset ids to labels; got {type(data).__name__}")
    labels = {}
    for key, value in data.items():
        facts = {"label": value} if isinstance(value, str) else value
        if not isinstance(key, str) or not isinstance(facts, dict) or not all(isinstance(k, str) for k in facts):
            raise AssetError(
                f"{path}: {shown(key)}: must be a label or {{label, kind, substance, mass_kg}}; got {shown(value)}"
            )
        for name, fact in facts.items():
            if name not in LABEL_KEYS:
                raise UnknownName("key", name, LABEL_KEYS, where=f"{path}: {shown(key)}")
            if name == "mass_kg" and not is_positive(fact):
                raise AssetError(f"{path}: {key}: mass_kg must be a number above 0; got {shown(fact)}")
            if name in ("label", "kind", "substance") and not (isinstance(fact, str) and fact.strip()):
                raise AssetError(f"{path}: {key}: {name} must be a text; got {shown(fact)}")
            if name == "up" and fact not in ("y", "z"):
                # YAML reads a bare y as the letter, some writers as true.
                raise AssetError(f"{path}: {key}: up must be 'y' or 'z', the axis that points up; got {shown(fact)}")
            if name == "indoor" and not isinstance(fact, bool):
                raise AssetError(f"{path}: {key}: indoor must be true or false; got {shown(fact)}")
        labels[key] = dict(facts)
    return labels


def bundled_labels(source: str) -> dict[str, dict[str, Any]]:
    """What simgen itself knows about the assets of a collection by its name; empty for an unknown one."""
    # Looked up among what is there: a stranger's manifest may be called anything.
    known = {path.stem: path for path in (content_folder("assets") / "labels").glob("*.yaml") if path.stem != "words"}
    return read_labels(known[source.lower()]) if source.lower() in known else {}


def _address(source: str) -> str:
    if urls.is_remote(source) or urls.is_file(urls.local_path(source)):
        return urls.admit(source) if urls.is_remote(source) else str(urls.local_path(source))
    if source in KNOWN_SOURCES:
        return KNOWN_SOURCES[source].address
    if source.endswith(".json") or "/" in source:
        raise AssetError(f"{urls.local_path(source)}: no such manifest; check the path")
    raise AssetError(str(UnknownName("manifest or known source", source, KNOWN_SOURCES)))


def _read_json(path: Path, address: str) -> Any:
    try:
        with path.open("rb") as file:
            data = file.read(MAX_BYTES + 1)
        if len(data) > MAX_BYTES:
            raise AssetError(
                f"{address}: has more than {MAX_BYTES >> 20} MiB, which no manifest has; check the address"
            )
        return json.loads(data)
    except OSError as error:
        raise AssetError(f"{address}: cannot be read: {error.strerror}") from error
    except (ValueError, RecursionError) as error:
        raise AssetError(f"{address}: not JSON ({error}); give an asset manifest such as GSO.json") from error


def is_positive(value: Any) -> bool:
    """Whether it is a finite number above 0; JSON and YAML know NaN, and integers that no float holds."""
    return isinstance(value, int | float) and not isinstance(value, bool) and 0 < value < 1e300


def _is_name(value: Any) -> bool:
    """Plain words on one line, without what turns the order of letters round or steers a terminal."""
    return isinstance(value, str) and 0 < len(value) <= MAX_LETTERS and value.isprintable()


def _is_place(value: Any) -> bool:
    return isinstance(value, str) and len(value) <= 1024 and value.isprintable()


def leads_out(name: str) -> bool:
    """Whether a file named in an asset lies outside the asset's folder, filled in or not."""
    inside = name.replace(ASSET_DIR + "/", "").replace(ASSET_DIR, "")
    return inside.startswith(("/", "~")) or ".." in inside.split("/") or ".." in name.split("/") or "\\" in inside


def _entry(key: str, data: Any, address: str, data_dir: str) -> Entry:
    if not _is_name(key) or ".." in key.split("/") or key.startswith("/"):
        raise AssetError(
            f"{address}: {shown(key)} cannot be the id of an asset; give it a short name of letters, digits and dashes"
        )
    where = f"{address}: {key}"
    if not isinstance(data, dict):
        raise AssetError(f"{where}: an entry must be an object; got {shown(data)}")
    asset_type = data.get("asset_type")
    if not isinstance(asset_type, str) or asset_type not in ASSET_TYPES:
        raise AssetError(f"{where}: unknown asset_type {shown(asset_type)}; simgen knows {', '.join(ASSET_TYPES)}")
    kwargs, metadata = data.get("kwargs", {}), data.get("metadata") or {}
    if not isinstance(kwargs, dict) or not isinstance(metadata, dict):
        raise AssetError(f"{where}: 'kwargs' and 'metadata' must be objects")
    needed = {"FileBasedObject": ("render_filename", "simulation_filename"), "Texture": ("filename",), "Surface": ()}
    for name in needed[asset_type]:
        if not _is_place(kwargs.get(name)):
            raise AssetError(f"{where}: kwargs.{name} must be the name of a file; got {shown(kwargs.get(name))}")
        if leads_out(kwargs[name]):
            raise AssetError(f"{where}: kwargs.{name} leads out of the asset's folder: {shown(kwargs[name])}")
    if asset_type == "FileBasedObject":
        if not kwargs["render_filename"].lower().endswith(".obj"):
            raise AssetError(
                f"{where}: {shown(kwargs['render_filename'])} is not an OBJ mesh; convert it: simgen assets pack"
            )
        _check_bounds(kwargs.get("bounds"), where)
    path, sha256 = data.get("path", ""), data.get("sha256") or ""
    if path is not None and not _is_place(path):
        raise AssetError(f"{where}: 'path' must be a text or null; got {shown(path)}")
    # It becomes the name of a file in the cache.
    if not isinstance(sha256, str) or not re.fullmatch(r"([0-9a-fA-F]{64})?", sha256):
        raise AssetError(f"{where}: 'sha256' must be 64 hexadecimal digits; got {shown(sha256)}")
    if urls.is_remote(address) and "://" in (path or "") and not urls.is_remote(path):
        raise AssetError(
            f"{where}: 'path' of a manifest from elsewhere names a file of this machine: {shown(urls.scrub(path))}"
        )
    if path is None and urls.is_remote(data_dir):
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
    beside = urls.join(urls.parent(address), name)
    if not urls.is_remote(beside) and urls.is_file(urls.local_path(beside)):
        return beside
    return urls.admit_beside(urls.join(data_dir, name), data_dir)


def _check_bounds(bounds: Any, where: str) -> None:
    try:
        (x0, y0, z0), (x1, y1, z1) = bounds
        corners = (x0, y0, z0, x1, y1, z1)
        if not all(isinstance(v, int | float) and not isinstance(v, bool) for v in corners):
            raise TypeError("not numbers")
        numbers = [float(v) for v in corners]
    except (TypeError, ValueError, OverflowError):
        raise AssetError(
            f"{where}: kwargs.bounds must be [[x, y, z], [x, y, z]] in metres; got {shown(bounds)}"
        ) from None
    if not all(map(math.isfinite, numbers)) or any(a >= b for a, b in zip(numbers[:3], numbers[3:], strict=True)):
        raise AssetError(f"{where}: kwargs.bounds must be finite, the low corner first; got {shown(bounds)}")
    if max(map(abs, numbers)) > MAX_EXTENT_M:
        raise AssetError(
            f"{where}: kwargs.bounds reach further than {MAX_EXTENT_M:g} m, are they in metres? got {shown(bounds)}"
        )


def _substitute(value: Any, asset_dir: str) -> Any:
    if isinstance(value, str):
        return value.replace(ASSET_DIR, asset_dir)
    if isinstance(value, dict):
        return {key: _substitute(item, asset_dir) for key, item in value.items()}
    return [_substitute(item, asset_dir) for item in value] if isinstance(value, list) else value
