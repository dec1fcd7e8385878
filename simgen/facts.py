"""An entry of a manifest and the labels around it → the asset as scenes see it: words, mass, contact, credit."""

import dataclasses
import math
from collections.abc import Iterable, Mapping
from typing import Any

from simgen.errors import AssetError, UnknownName
from simgen.labels import guess_environment, guess_object, plain
from simgen.manifests import KNOWN_SOURCES, Entry
from simgen.substances import SUBSTANCES
from simgen.types import Credit, EnvironmentAsset, Material, ObjectAsset, Split, SurfaceAsset, Vec3

LIGHTEST_KG, HEAVIEST_KG = 0.002, 40.0
"""Bounds of an estimated mass: below, Bullet's contacts turn stiff; above, the volume of the scan was wrong."""


def object_asset(
    entry: Entry, facts: Mapping[str, Any], common: Mapping[str, Any], split: Split, where: str
) -> ObjectAsset:
    guess = guess_object(str(facts.get("label") or entry.id), str(facts.get("category") or ""))
    substance = _substance(facts.get("substance", guess.substance), where)
    low, high = (_vec3(corner) for corner in entry.kwargs["bounds"])
    box_m3 = math.prod(b - a for a, b in zip(low, high, strict=True))
    stated = _positive(entry.kwargs.get("mass"))
    # A scan's volume can be that of a torn mesh; nothing is thinner than a fiftieth of its box, or larger.
    volume = min(max(_positive(facts.get("volume")) or stated or 0.3 * box_m3, 0.02 * box_m3), box_m3)
    density = _positive(facts.get("density_kgpm3")) or (guess.density_kgpm3 if substance == guess.substance else 0.0)
    mass = min(max((density or SUBSTANCES[substance].scanned_density_kgpm3) * volume, LIGHTEST_KG), HEAVIEST_KG)
    if 20 < stated / volume < 22_000:
        # Kubric's manifests say volume times one; a figure that makes a believable density was meant.
        mass = stated
    return ObjectAsset(
        label=plain(str(facts.get("label") or guess.label)),
        kind=str(facts.get("kind", guess.kind)),
        bounds_m=(low, high),
        volume_m3=volume,
        mass_kg=_positive(facts.get("mass_kg")) or mass,
        manifest_mass_kg=stated,
        substance=substance,
        friction=_positive(facts.get("friction")) or SUBSTANCES[substance].friction,
        restitution=_fraction(facts.get("restitution"), SUBSTANCES[substance].restitution),
        split=split,
        materials=_materials(facts.get("materials", {}), where),
        **common,
    )


def surface_asset(entry: Entry, facts: Mapping[str, Any], common: Mapping[str, Any], where: str) -> SurfaceAsset:
    guess = guess_object(str(facts.get("label") or entry.id))
    substance = _substance(facts.get("substance", guess.substance), where)
    return SurfaceAsset(
        label=plain(str(facts.get("label") or guess.label)),
        substance=substance,
        material=_material(facts.get("material", {}), where),
        friction=_positive(facts.get("friction")) or SUBSTANCES[substance].friction,
        restitution=_fraction(facts.get("restitution"), SUBSTANCES[substance].restitution),
        **common,
    )


def environment_asset(entry: Entry, facts: Mapping[str, Any], common: Mapping[str, Any]) -> EnvironmentAsset:
    tags = [str(facts.get(key) or "") for key in ("categories", "tags")]
    label, indoor = guess_environment(entry.id, tags)
    return EnvironmentAsset(
        label=plain(str(facts.get("label") or label)),
        indoor=bool(facts.get("indoor", indoor)),
        split="train",
        **common,
    )


def credit_of(source: str, entry: Entry) -> Credit:
    known = next((known for known in KNOWN_SOURCES.values() if known.name == source), None)
    authors = entry.metadata.get("author") or entry.metadata.get("authors") or (known.author if known else "")
    if isinstance(authors, dict | list | tuple):
        authors = ", ".join(str(author) for author in authors)
    url = entry.metadata.get("url") or (known.url.format(id=entry.id) if known else "")
    return Credit(
        title=str(entry.metadata.get("description") or entry.id).split("\n")[0],
        author=str(authors or "not stated"),
        license=entry.license or (known.license if known else "not stated"),
        url=str(url),
    )


def _materials(data: Any, where: str) -> tuple[tuple[str, Material], ...]:
    if not isinstance(data, dict):
        raise AssetError(f"{where}: metadata.materials must map slots to materials; got {data!r}")
    return tuple((slot, _material(data[slot], where)) for slot in sorted(data))


def _material(data: Any, where: str) -> Material:
    fields = {field.name for field in dataclasses.fields(Material)}
    if not isinstance(data, dict):
        raise AssetError(f"{where}: a material must be an object; got {data!r}")
    for key in data:
        if key not in fields:
            raise AssetError(str(UnknownName("material field", key, fields, where=where)))
    values: dict[str, Any] = {key: tuple(value) if isinstance(value, list) else value for key, value in data.items()}
    return Material(**values)


def _substance(name: Any, where: str) -> str:
    if name not in SUBSTANCES:
        raise AssetError(str(UnknownName("substance", str(name), SUBSTANCES, where=where)))
    return str(name)


def _positive(value: Any) -> float:
    """The number if it is a finite one above 0, else 0."""
    good = isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value) and value > 0
    return float(value) if good else 0.0


def _fraction(value: Any, otherwise: float) -> float:
    return float(value) if isinstance(value, int | float) and 0 <= value <= 1 else otherwise


def _vec3(values: Iterable[Any]) -> Vec3:
    x, y, z = (float(value) for value in values)
    return (x, y, z)
