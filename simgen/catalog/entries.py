"""An entry of a manifest and the labels around it → the asset as scenes see it: words, mass, contact, credit."""

import dataclasses
import math
from collections.abc import Iterable, Mapping
from typing import Any, get_type_hints

from simgen.catalog.labels import guess_environment, guess_object, plain
from simgen.catalog.manifests import KNOWN_SOURCES, MAX_EXTENT_M, Entry, is_positive, leads_out
from simgen.core.assets import Credit, EnvironmentAsset, Material, ObjectAsset, Split, SurfaceAsset
from simgen.core.errors import AssetError, UnknownName, shown
from simgen.core.substances import SUBSTANCES
from simgen.core.vectors import Vec3
from simgen.storage.urls import scrub, without_secrets

LIGHTEST_KG, HEAVIEST_KG = 0.002, 40.0
"""Bounds of an estimated mass: below, Bullet's contacts turn stiff; above, the volume of the scan was wrong."""


def object_asset(
    entry: Entry, facts: Mapping[str, Any], common: Mapping[str, Any], split: Split, where: str
) -> ObjectAsset:
    guess = guess_object(str(facts.get("label") or entry.id), str(facts.get("category") or ""))
    substance = _substance(facts.get("substance", guess.substance), where)
    scale = _scale(entry.kwargs.get("scale", 1.0), where)
    low, high = (_vec3(scale * float(value) for value in corner) for corner in entry.kwargs["bounds"])
    if max(map(abs, (*low, *high))) > MAX_EXTENT_M:
        raise AssetError(f"{where}: with its scale of {scale:g} it reaches further than {MAX_EXTENT_M:g} m")
    box_m3 = math.prod(b - a for a, b in zip(low, high, strict=True))
    stated = _positive(entry.kwargs.get("mass"))
    # A scan's volume can be that of a torn mesh; nothing is thinner than a fiftieth of its box, or larger.
    stated_m3 = _positive(facts.get("volume")) * scale**3 or stated
    volume = min(max(stated_m3 or 0.3 * box_m3, 0.02 * box_m3), box_m3)
    density = _positive(facts.get("density_kgpm3")) or (guess.density_kgpm3 if substance == guess.substance else 0.0)
    mass = min(max((density or SUBSTANCES[substance].scanned_density_kgpm3) * volume, LIGHTEST_KG), HEAVIEST_KG)
    if 20 < stated / volume < 22_000:
        # Kubric's manifests say volume times one; a figure that makes a believable density was meant.
        mass = stated
    return ObjectAsset(
        label=plain(str(facts.get("label") or "")) or guess.label,
        kind=one_line(facts.get("kind", guess.kind)),
        bounds_m=(low, high),
        volume_m3=volume,
        mass_kg=_positive(facts.get("mass_kg")) or mass,
        manifest_mass_kg=stated,
        substance=substance,
        friction=_contact(entry, "friction", _positive(facts.get("friction")) or SUBSTANCES[substance].friction, where),
        restitution=_contact(
            entry, "restitution", _fraction(facts.get("restitution"), SUBSTANCES[substance].restitution), where
        ),
        split=split,
        materials=_materials(facts.get("materials", {}), where),
        scale=scale,
        **common,
    )


def surface_asset(entry: Entry, facts: Mapping[str, Any], common: Mapping[str, Any], where: str) -> SurfaceAsset:
    guess = guess_object(str(facts.get("label") or entry.id))
    substance = _substance(facts.get("substance", guess.substance), where)
    return SurfaceAsset(
        label=plain(str(facts.get("label") or "")) or guess.label,
        substance=substance,
        material=_material(facts.get("material", {}), where),
        friction=_positive(facts.get("friction")) or SUBSTANCES[substance].friction,
        restitution=_fraction(facts.get("restitution"), SUBSTANCES[substance].restitution),
        **common,
    )


def environment_asset(entry: Entry, facts: Mapping[str, Any], common: Mapping[str, Any]) -> EnvironmentAsset:
    tags = [str(facts.get(key) or "")[:1000] for key in ("categories", "tags")]
    label, indoor = guess_environment(entry.id, tags)
    return EnvironmentAsset(
        label=plain(str(facts.get("label") or "")) or label,
        indoor=bool(facts.get("indoor", indoor)),
        split="train",
        **common,
    )


def credit_of(source: str, entry: Entry) -> Credit:
    known = next((known for known in KNOWN_SOURCES.values() if known.name == source), None)
    authors = entry.metadata.get("author") or entry.metadata.get("authors") or (known.author if known else "")
    if isinstance(authors, dict | list | tuple):
        authors = ", ".join(str(author) for author in list(authors)[:100])
    url = entry.metadata.get("url") or (known.url.format(id=entry.id) if known else "")
    return Credit(
        title=one_line(scrub(str(entry.metadata.get("description") or entry.id).split("\n")[0])) or entry.id,
        author=one_line(scrub(str(authors or "not stated"))),
        license=one_line(scrub(entry.license)) or (known.license if known else "not stated"),
        url=one_line(without_secrets(str(url))),
    )


_HONOURED = frozenset(
    ("bounds", "mass", "render_filename", "simulation_filename", "scale", "friction", "restitution", "asset_id", "name")
)
_AS_IT_IS: Mapping[str, tuple[Any, ...]] = {
    "render_import_kwargs": ({}, {"axis_forward": "Y", "axis_up": "Z"}),
    "static": (False,),
    "background": (False,),
    "segmentation_id": (None,),
}
"""Values that mean what simgen does anyway."""


def not_honoured(entry: Entry) -> list[str]:
    """Kubric's arguments in an entry that simgen has no use for: its scenes say where things are and how they move."""
    if entry.asset_type != "FileBasedObject":
        return []
    rest = sorted(set(entry.kwargs) - _HONOURED)
    return [name for name in rest if not any(entry.kwargs[name] == usual for usual in _AS_IT_IS.get(name, ()))]


def _scale(value: Any, where: str) -> float:
    """One factor for all axes, as a number or three times."""
    values = value if isinstance(value, list | tuple) else [value]
    if len(values) not in (1, 3) or not all(map(is_positive, values)):
        raise AssetError(f"{where}: kwargs.scale must be a number above 0, or three; got {shown(value)}")
    if max(values) > min(values):
        raise AssetError(
            f"{where}: kwargs.scale differs from axis to axis, which neither Bullet nor Kubric can simulate: "
            f"{shown(value)}; scale the mesh itself"
        )
    return float(values[0])


def _contact(entry: Entry, name: str, otherwise: float, where: str) -> float:
    """What Kubric would give to Bullet, where the manifest says so."""
    value = entry.kwargs.get(name)
    if value is None:
        return otherwise
    if not isinstance(value, int | float) or isinstance(value, bool) or not 0 <= value <= 1:
        raise AssetError(f"{where}: kwargs.{name} must be a number from 0 to 1; got {shown(value)}")
    return float(value)


def one_line(value: Any) -> str:
    """A stranger's words as they may stand in a record: on one line, without what steers a terminal or turns the order
    of letters round, and not a book."""
    words = " ".join(str(value)[:10_000].split())
    return "".join(c for c in words if c.isprintable())[:500].strip()


def _materials(data: Any, where: str) -> tuple[tuple[str, Material], ...]:
    if not isinstance(data, dict):
        raise AssetError(f"{where}: metadata.materials must map slots to materials; got {shown(data)}")
    return tuple((slot, _material(data[slot], where)) for slot in sorted(data))


def _material(data: Any, where: str) -> Material:
    fields = {field.name for field in dataclasses.fields(Material)}
    if not isinstance(data, dict):
        raise AssetError(f"{where}: a material must be an object; got {shown(data)}")
    for key in data:
        if key not in fields:
            raise AssetError(str(UnknownName("material field", key, fields, where=where)))
    return Material(**{key: _material_value(key, value, f"{where}: material.{key}") for key, value in data.items()})


def _material_value(name: str, value: Any, where: str) -> Any:
    hint = _MATERIAL[name]
    if hint is str:
        if not isinstance(value, str) or not value.isprintable() or leads_out(value):
            raise AssetError(f"{where} must be the name of a file in the asset's folder; got {shown(value)}")
        return value
    numbers = value if isinstance(value, list | tuple) and hint == Vec3 else [value]
    if hint not in (float, Vec3) or len(numbers) != (3 if hint == Vec3 else 1) or not all(map(_is_number, numbers)):
        wanted = {float: "a number", Vec3: "three numbers"}.get(hint, "left to simgen's own models")
        raise AssetError(f"{where} must be {wanted}; got {shown(value)}")
    return tuple(numbers) if hint == Vec3 else value


_MATERIAL = get_type_hints(Material)


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and abs(value) < 1e9


def _substance(name: Any, where: str) -> str:
    if not isinstance(name, str) or name not in SUBSTANCES:
        raise AssetError(str(UnknownName("substance", str(name), SUBSTANCES, where=where)))
    return str(name)


def _positive(value: Any) -> float:
    """The number if it is a finite one above 0, else 0."""
    return float(value) if is_positive(value) else 0.0


def _fraction(value: Any, otherwise: float) -> float:
    return float(value) if isinstance(value, int | float) and 0 <= value <= 1 else otherwise


def _vec3(values: Iterable[Any]) -> Vec3:
    x, y, z = (float(value) for value in values)
    return (x, y, z)
