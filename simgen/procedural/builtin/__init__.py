"""The built-in assets: `assets/objects.yaml` and `assets/surfaces.yaml` → a Kubric manifest with its archives.

Everything is computed here with numpy, nothing is downloaded; the same code and catalogue give the same bytes.
An archive of an object holds what Kubric's do: visual_geometry.obj and .mtl with their maps, collision_geometry.obj
with one convex part per `o` group, object.urdf, data.json. A surface is its maps.
"""

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import yaml

from simgen.core import substances
from simgen.core.assets import Material
from simgen.core.errors import AssetError, UnknownName
from simgen.core.substances import SUBSTANCES, Substance
from simgen.procedural import asset_archive
from simgen.procedural.builtin.mesh import (
    MassProperties,
    WeldedMesh,
    collision_obj,
    mass_properties,
    model_mesh,
    surface_area,
    visual_obj,
)
from simgen.procedural.builtin.paint import arranged, painted, texture_size
from simgen.procedural.builtin.shapes import SHAPES
from simgen.procedural.builtin.surfaces import bake
from simgen.storage.resources import folder as content_folder

MANIFEST = "builtin.json"
LICENSE = "CC0 1.0"
AUTHOR = "simgen authors"

Entry = dict[str, Any]


def build_builtin(folder: Path) -> Path:
    """Write every built-in asset and, last, the manifest; returns the manifest's path."""
    folder.mkdir(parents=True, exist_ok=True)
    assets: dict[str, Entry] = {}
    for name, build in (("objects", _object), ("surfaces", _surface)):
        for asset_id, values in _catalogue(name).items():
            entry, files = build(asset_id, values)
            data = asset_archive.archive(files)
            (folder / f"{asset_id}.tar.gz").write_bytes(data)
            assets[asset_id] = entry | {"sha256": hashlib.sha256(data).hexdigest()}
    manifest = {"name": "builtin", "data_dir": ".", "version": "1.0", "assets": dict(sorted(assets.items()))}
    path = folder / MANIFEST
    path.write_text(_json(manifest), encoding="utf-8")
    return path


def builtin_fingerprint() -> str:
    """Hash of all that decides the bytes of the built-in assets: this code, the catalogue, the libraries' versions."""
    digest = hashlib.sha256(f"numpy {np.__version__} opencv {cv2.__version__}".encode())
    package = Path(__file__).parent
    sources = [*sorted(package.glob("*.py")), Path(substances.__file__), *_catalogue_paths()]
    for path in sources:
        digest.update(path.name.encode() + b"\0" + path.read_bytes() + b"\0")
    return digest.hexdigest()


def _catalogue_paths() -> list[Path]:
    return [content_folder("assets") / f"{name}.yaml" for name in ("objects", "surfaces")]


def _catalogue(name: str) -> dict[str, dict[str, Any]]:
    path = content_folder("assets") / f"{name}.yaml"
    data = yaml.safe_load(path.read_text(encoding="utf-8"))
    return {key: value for key, value in data.items() if not key.startswith("_")}


def _object(asset_id: str, values: Mapping[str, Any]) -> tuple[Entry, dict[str, bytes]]:
    where = f"objects.yaml: {asset_id}"
    substance = _substance(values, where)
    shape = dict(values["shape"])
    name = shape.pop("of", "")
    if name not in SHAPES:
        raise UnknownName("shape", name, SHAPES, where=where)
    shape.setdefault("density", substance.density_kgpm3)
    try:
        model = SHAPES[name](**shape)
    except TypeError as error:
        raise AssetError(f"{where}: shape {name!r}: {error}") from error

    slots = dict.fromkeys(p.slot for shell in model.shells if not shell.void for p in shell.patches)
    paints = {slot: values["materials"].get(slot, values["materials"].get("all", {})) for slot in slots}
    for slot in values["materials"]:
        if slot != "all" and slot not in slots:
            raise UnknownName("slot", slot, slots, where=where)
    sizes = {slot: size for slot, paint in paints.items() if (size := texture_size(paint))}
    model = arranged(model, sizes)

    files: dict[str, bytes] = {}
    materials: dict[str, Material] = {}
    for slot, paint in paints.items():
        # Neighbouring slots of one piece of wood are cut from the same trunk: one seed for the whole object.
        rng = np.random.default_rng([int(values.get("seed", 0)), *asset_id.encode()])
        materials[slot], maps = painted(model, slot, paint, rng, f"{where}: {slot}")
        files |= maps

    mass = mass_properties(model)
    mesh = model_mesh(model, mass.center_m)
    entry = _object_entry(asset_id, values, substance, mesh, mass, materials)
    files |= {
        "visual_geometry.obj": visual_obj(mesh).encode(),
        "visual_geometry.mtl": _mtl(materials).encode(),
        "collision_geometry.obj": collision_obj(model.parts, mass.center_m).encode(),
        "object.urdf": asset_archive.urdf(
            asset_id,
            mass_kg=mass.mass_kg,
            moments_kgm2=np.diag(mass.inertia_kgm2),
            friction=entry["metadata"]["friction"],
            restitution=entry["metadata"]["restitution"],
            ball_radius_m=model.ball_radius_m,
        ),
        "data.json": _json({"id": asset_id} | entry).encode(),
    }
    return entry, files


def _object_entry(
    asset_id: str,
    values: Mapping[str, Any],
    substance: Substance,
    mesh: WeldedMesh,
    mass: MassProperties,
    materials: Mapping[str, Material],
) -> Entry:
    low, high = mesh.vertices.min(axis=0), mesh.vertices.max(axis=0)
    return {
        "asset_type": "FileBasedObject",
        "kwargs": {
            "bounds": [asset_archive.rounded(low), asset_archive.rounded(high)],
            "mass": round(mass.mass_kg, 6),
            "render_filename": "{asset_dir}/visual_geometry.obj",
            "simulation_filename": "{asset_dir}/object.urdf",
        },
        "license": LICENSE,
        "metadata": {
            "label": values["label"],
            "description": values["label"],
            "kind": values["kind"],
            "category": values["kind"],
            "substance": values["substance"],
            "mass_kg": round(mass.mass_kg, 6),
            "density_kgpm3": round(mass.mass_kg / mass.volume_m3, 1),
            "volume": round(mass.volume_m3, 10),
            "surface_area": round(surface_area(mesh), 8),
            "inertia_kgm2": [asset_archive.rounded(row, 12) for row in mass.inertia_kgm2],
            "friction": values.get("friction", substance.friction),
            "restitution": values.get("restitution", substance.restitution),
            "nr_vertices": len(mesh.vertices),
            "nr_faces": len(mesh.faces),
            "author": AUTHOR,
            "url": "",
            "materials": {slot: _material(material) for slot, material in materials.items()},
        },
    }


def _surface(asset_id: str, values: Mapping[str, Any]) -> tuple[Entry, dict[str, bytes]]:
    where = f"surfaces.yaml: {asset_id}"
    substance = _substance(values, where)
    rng = np.random.default_rng([int(values.get("seed", 0)), *asset_id.encode()])
    material, files = bake(values["texture"], rng, where)
    entry = {
        "asset_type": "Surface",
        "kwargs": {},
        "license": LICENSE,
        "metadata": {
            "label": values["label"],
            "substance": values["substance"],
            "friction": values.get("friction", substance.friction),
            "restitution": values.get("restitution", substance.restitution),
            "author": AUTHOR,
            "url": "",
            "material": _material(material),
        },
    }
    return entry, files | {"data.json": _json({"id": asset_id} | entry).encode()}


def _substance(values: Mapping[str, Any], where: str) -> Substance:
    for needed in ("label", "substance"):
        if needed not in values:
            raise AssetError(f"{where}: needs {needed!r}")
    if values["substance"] not in SUBSTANCES:
        raise UnknownName("substance", values["substance"], SUBSTANCES, where=where)
    return SUBSTANCES[values["substance"]]


def _material(material: Material) -> dict[str, Any]:
    """Only what differs from the defaults: the rest is noise to whoever reads the manifest."""
    default = Material()
    names = [name for name in Material.__slots__ if getattr(material, name) != getattr(default, name)]
    return {name: list(value) if isinstance(value := getattr(material, name), tuple) else value for name in names}


def _mtl(materials: Mapping[str, Material]) -> str:
    """For whoever opens the OBJ elsewhere; simgen itself reads the manifest's materials."""
    blocks = []
    for slot, m in materials.items():
        tint = (1.0, 1.0, 1.0) if m.color_map else m.base_color
        specular = m.base_color if m.metallic else (0.5, 0.5, 0.5)
        lines = [
            f"newmtl {slot}",
            "Kd {:.4f} {:.4f} {:.4f}".format(*tint),
            "Ks {:.4f} {:.4f} {:.4f}".format(*specular),
            f"Ns {1000.0 * (1.0 - m.roughness) ** 2:.2f}",
            f"Ni {m.ior:.3f}",
            f"d {1.0 - 0.8 * m.transmission:.3f}",
            f"Pr {m.roughness:.3f}",
            f"Pm {m.metallic:.3f}",
            f"illum {7 if m.transmission else 2}",
        ]
        lines += [f"map_Kd {m.color_map}"] if m.color_map else []
        lines += [f"map_Pr {m.roughness_map}"] if m.roughness_map else []
        lines += [f"norm {m.normal_map}"] if m.normal_map else []
        blocks.append("\n".join(lines) + "\n")
    return "\n".join(blocks)


def _json(data: Any) -> str:
    return json.dumps(data, indent=1, sort_keys=True) + "\n"
