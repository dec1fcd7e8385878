"""A folder of OBJ, GLB and PLY meshes → a Kubric-format manifest with archives that simgen, and Kubric, can use.

Each mesh is brought to metres with Z up and its centre of mass at the origin, cut into convex parts for the
physics, and given a mass from its volume and substance. The same meshes give the same bytes.

A mesh that cannot be packed is left out with a sentence, and the others are packed. What is written has been read by
`catalog.Catalog` before: the reader refuses nothing that the writer makes.
"""

import hashlib
import json
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import trimesh

from simgen.catalog.catalog import Catalog
from simgen.catalog.convex import NotCut, Part, convex_parts
from simgen.catalog.labels import ascii_name, guess_object, plain
from simgen.catalog.manifests import MAX_EXTENT_M, MAX_LETTERS, read_labels
from simgen.catalog.mesh_pictures import is_hidden
from simgen.catalog.mesh_repair import crease_normals, repaired
from simgen.catalog.mesh_sources import SUFFIXES, MeshPart, Source, read_source
from simgen.catalog.upright import TO_Z_UP, Axis, Upright, falls_over, guess_up
from simgen.core.errors import AssetError, UnknownName, UsageError
from simgen.core.geometry import argmax_of_columns, fibonacci_sphere
from simgen.core.substances import SUBSTANCES
from simgen.core.vectors import Floats
from simgen.procedural import asset_archive
from simgen.solvers import shells

UNITS = {"mm": 0.001, "cm": 0.01, "m": 1.0}

LARGEST_M, SMALLEST_M = 5.0, 0.005
"""What is larger or smaller has likely another unit."""
LEAST_M = 0.0005
"""What is smaller is refused: files state micrometres, and Bullet's contacts are a millimetre deep."""
TIME_LIMIT_S = 120.0
_CONVEX = 0.999
"""What fills so much of its hull is convex."""
_DIRECTIONS = np.concatenate([fibonacci_sphere(250), np.eye(3), -np.eye(3)])
_TWICE = 0.002
"""A share of the volume that shells may count twice without a word."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Terms:
    """What holds for all meshes of a folder."""

    substance: str = ""
    """Empty: guessed from each name."""
    unit: str = "m"
    license: str = "not stated"
    author: str = "not stated"
    labels: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    """By id, or by the name of the file without its suffix."""
    up: str = "auto"
    """`y`, `z`, or `auto`: Y in glTF, a guess in the others."""
    textures: tuple[Path, ...] = ()
    """Folders beside that of the meshes from which pictures may be taken."""
    time_limit_s: float = TIME_LIMIT_S
    """For the convex parts of one mesh; after that it gets its hull."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Packed:
    """One mesh that has become an asset."""

    id: str
    label: str
    mass_kg: float
    size_m: tuple[float, float, float]
    num_parts: int
    up: Upright
    warnings: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class LeftOut:
    """One mesh that could not be packed, and the sentence that says why."""

    path: Path
    reason: str


Progress = Callable[[int, int, Path], None]
"""Is told before each mesh: its number from 1, how many there are, its file."""


def pack_folder(
    folder: Path, out: Path, terms: Terms, progress: Progress = lambda number, count, path: None
) -> Iterator[Packed | LeftOut]:
    """Pack every mesh of a folder into `out`; the manifest is there once the last one has been taken.

    Raises an AssetError where there is none, or none could be packed, and a UsageError where the terms are wrong.
    """
    paths, refused = _meshes(folder)
    labels = _labels(paths, terms)
    yield from refused
    entries: dict[str, Any] = {}
    failed = len(refused)
    name = _manifest_name(out)
    try:
        out.mkdir(parents=True, exist_ok=True)
        for number, (asset_id, path) in enumerate(paths.items(), start=1):
            progress(number, len(paths), path)
            try:
                entry, archive, packed = _pack(asset_id, path, folder, terms, labels.get(asset_id, {}))
                entry["sha256"] = hashlib.sha256(archive).hexdigest()
                _check(name, asset_id, entry, archive, path)
            except AssetError as error:
                failed += 1
                yield LeftOut(path=path, reason=str(error))
                continue
            _write(out / f"{asset_id}.tar.gz", archive)
            entries[asset_id] = entry
            yield packed
        if not entries:
            raise AssetError(f"{folder}: none of its {failed} meshes could be packed; mend one of them")
        # Without `data_dir`: Kubric takes "." for the working directory, and the manifest's folder where it is missing.
        manifest = {"name": name, "version": "1.0", "assets": entries}
        _write(manifest_path(out), (json.dumps(manifest, indent=1, sort_keys=True) + "\n").encode())
    except OSError as error:
        raise AssetError(f"{out}: cannot be written: {error.strerror or error}") from error


def manifest_path(out: Path) -> Path:
    return out / f"{_manifest_name(out)}.json"


def _manifest_name(out: Path) -> str:
    """The name of the folder as a manifest can have it."""
    name = "".join(c for c in out.resolve().name if c.isprintable()).replace(":", "_")
    return name[:MAX_LETTERS] or "packed"


def folder_labels(folder: Path, named: Path | None) -> dict[str, dict[str, Any]]:
    """The labels file that was named, or `labels.yaml` in the folder of meshes, or nothing."""
    path = named if named is not None else folder / "labels.yaml"
    if path.exists() and not path.is_file():
        raise UsageError(f"{path}: is not a regular file; give a YAML file of labels")
    return read_labels(path) if named is not None or path.is_file() else {}


def _meshes(folder: Path) -> tuple[dict[str, Path], list[LeftOut]]:
    """The meshes of a folder by their ids, and those that cannot be one."""
    if not folder.is_dir():
        raise AssetError(f"{folder}: no such folder of meshes")
    paths: dict[str, Path] = {}
    refused: list[LeftOut] = []
    below = 0
    try:
        found = sorted(folder.iterdir())
    except OSError as error:
        raise AssetError(f"{folder}: cannot be read: {error.strerror or error}") from error
    for path in found:
        if is_hidden(path.name):
            continue
        if path.suffix.lower() not in SUFFIXES:
            below += path.is_dir() and any(some.suffix.lower() in SUFFIXES for some in path.iterdir())
            continue
        # A pipe would never answer, and a device never end.
        if not path.is_file():
            why = "is a link that leads nowhere" if path.is_symlink() and not path.exists() else "is not a regular file"
            refused.append(LeftOut(path=path, reason=f"{path}: {why}; put a mesh in its place, or remove it"))
            continue
        asset_id = _asset_id(path.stem)
        if asset_id in paths:
            reason = f"{path}: gives the same id {asset_id!r} as {paths[asset_id].name}; rename one of them"
            refused.append(LeftOut(path=path, reason=reason))
            continue
        paths[asset_id] = path
    if not paths and not refused:
        inside = f"; {below} of its folders hold some: give one of these" if below else ""
        raise AssetError(f"{folder}: holds no mesh ({', '.join(SUFFIXES)}){inside}")
    return paths, refused


def _asset_id(stem: str) -> str:
    """A name in plain letters; what has none gets a number that depends on the name alone."""
    name = ascii_name(stem)[:100]
    return name or f"mesh_{hashlib.sha256(stem.encode('utf-8', 'surrogateescape')).hexdigest()[:6]}"


def _labels(paths: Mapping[str, Path], terms: Terms) -> dict[str, Mapping[str, Any]]:
    """What the labels file says, by id; all mistakes in the terms are found before any work."""
    stems = {path.stem: asset_id for asset_id, path in paths.items()}
    labels: dict[str, Mapping[str, Any]] = {}
    for key, facts in terms.labels.items():
        asset_id = key if key in paths else stems.get(key)
        if asset_id is None:
            raise UnknownName("mesh", key, [*paths, *stems], where="labels")
        labels[asset_id] = facts
    for where, substance in (
        ("--substance", terms.substance),
        *((f"labels: {key}", str(facts.get("substance", ""))) for key, facts in labels.items()),
    ):
        if substance and substance not in SUBSTANCES:
            raise UnknownName("substance", substance, SUBSTANCES, where=where)
    for textures in terms.textures:
        if not textures.is_dir():
            raise UsageError(f"--textures {textures}: no such folder of pictures")
    return labels


def _pack(
    asset_id: str, path: Path, folder: Path, terms: Terms, facts: Mapping[str, Any]
) -> tuple[dict[str, Any], bytes, Packed]:
    label = plain(str(facts.get("label") or guess_object(path.stem).label))
    named = guess_object(label)
    substance = str(facts.get("substance") or terms.substance or named.substance)
    matter = SUBSTANCES[substance]
    warnings = []
    if label == "object" and not facts.get("label"):
        said = f"{path}: its name has no word that a sentence can use, so its label is 'object'"
        warnings.append(f"{said}; give it one in a labels file: {path.stem}: LABEL")

    source = read_source(path, UNITS[terms.unit], (folder, *terms.textures))
    warnings += [f"{path}: {note}" for note in source.notes]
    up = _up(path, source, label, str(facts.get("up") or terms.up))
    if not up.sure:
        warnings.append(f"{path}: which way is up is a guess: {up.axis} ({up.reason}); --up y or --up z says it")
    pieces = [_turned(piece, up.axis) for piece in source.parts]
    _check_size(pieces, path, terms.unit)
    whole = repaired(pieces, path)
    # A closed mesh shows the matter itself; a torn one only its outside, as a scan does.
    closed = shells.matter(np.asarray(whole.vertices), np.asarray(whole.faces)) if whole.is_watertight else None
    solid = closed is not None and closed.volume_m3 > 0
    parts, trouble = _convex(whole, closed.volume_m3 if closed is not None else 0.0, terms.time_limit_s)
    if trouble:
        warnings.append(f"{path}: {trouble}")
    if not parts:
        raise AssetError(f"{path}: it has no convex part; close the mesh, or give it thickness")
    body = _body(closed if solid else None, whole, parts)
    if closed is not None and closed.twice_m3 > _TWICE * closed.volume_m3:
        share = 100 * closed.twice_m3 / closed.volume_m3
        warnings.append(f"{path}: its shells overlap by {share:.2g} % of the volume; what they share is weighed once")
    volume_m3 = float(body.volume)
    center = np.asarray(body.center_mass, dtype=np.float64)
    density = matter.density_kgpm3 if solid else matter.scanned_density_kgpm3
    mass_kg = float(facts.get("mass_kg") or max(density * volume_m3, 0.001))
    inertia = np.diag(np.asarray(body.moment_inertia)) * (mass_kg / volume_m3)

    vertices = whole.vertices - center
    low, high = vertices.min(axis=0), vertices.max(axis=0)
    if up.sure and up.reason == _BY_FORMAT and falls_over(vertices, np.zeros(3), "z"):
        warnings.append(f"{path}: glTF has Y up, and so it falls over; if it lies on its side, give --up z")
    materials, files = _materials(pieces)
    metadata = {
        "label": label,
        "description": path.stem,
        "category": str(facts.get("kind") or named.kind),
        "kind": str(facts.get("kind") or named.kind),
        "substance": substance,
        "mass_kg": round(mass_kg, 6),
        "volume": round(volume_m3, 13),
        "surface_area": round(float(whole.area), 8),
        "friction": matter.friction,
        "restitution": matter.restitution,
        "nr_vertices": len(whole.vertices),
        "nr_faces": len(whole.faces),
        "author": terms.author,
        "materials": materials,
    }
    entry = {
        "id": asset_id,
        "asset_type": "FileBasedObject",
        "kwargs": {
            "bounds": [asset_archive.rounded(low), asset_archive.rounded(high)],
            "mass": round(mass_kg, 6),
            # Kubric would set its own 0.5 in the place of what the URDF says.
            "friction": matter.friction,
            "restitution": matter.restitution,
            "render_filename": "{asset_dir}/visual_geometry.obj",
            "simulation_filename": "{asset_dir}/object.urdf",
        },
        "license": terms.license,
        "metadata": metadata,
    }
    files |= {
        "visual_geometry.obj": _visual_obj(pieces, center),
        "visual_geometry.mtl": _mtl(materials),
        "collision_geometry.obj": _collision_obj(parts, center),
        "object.urdf": asset_archive.urdf(
            asset_id,
            mass_kg=mass_kg,
            moments_kgm2=inertia,
            friction=matter.friction,
            restitution=matter.restitution,
        ),
        "data.json": json.dumps(entry, indent=1, sort_keys=True).encode(),
    }
    size = tuple(float(edge) for edge in high - low)
    packed = Packed(
        id=asset_id,
        label=label,
        mass_kg=mass_kg,
        size_m=(size[0], size[1], size[2]),
        num_parts=len(parts),
        up=up,
        warnings=(*warnings, *_warnings(path, max(size), solid, terms.unit)),
    )
    return entry, asset_archive.archive(files), packed


def _warnings(path: Path, largest_m: float, solid: bool, unit: str) -> Iterator[str]:
    if largest_m > LARGEST_M:
        yield f"{path}: {largest_m:.3g} m across, more than {LARGEST_M:g} m; is its unit {unit!r}? try --unit mm or cm"
    if largest_m < SMALLEST_M:
        yield f"{path}: {largest_m * 1000:.3g} mm across, smaller than {SMALLEST_M * 1000:g} mm; is its unit {unit!r}?"
    if not solid:
        yield f"{path}: the mesh is not closed; volume and centre of mass are those of its convex parts"


def _check_size(pieces: Sequence[MeshPart], path: Path, unit: str) -> None:
    """Refuse at once, and in the user's words, what the reader would refuse at the end."""
    points = np.concatenate([piece.vertices for piece in pieces])
    extents = np.ptp(points, axis=0)
    largest = float(extents.max())
    if not LEAST_M <= largest <= MAX_EXTENT_M:
        raise AssetError(
            f"{path}: {largest:.3g} m across, and simgen takes {LEAST_M:g} to {MAX_EXTENT_M:g} m; is its unit "
            f"{unit!r}? try another --unit"
        )


_BY_FORMAT = "by the file format"


def _up(path: Path, source: Source, label: str, wanted: str) -> Upright:
    if wanted in ("y", "z"):
        axis: Axis = "y" if wanted == "y" else "z"
        return Upright(axis=axis, reason="as you say", sure=True)
    if path.suffix.lower() in (".glb", ".gltf"):
        return Upright(axis="y", reason=_BY_FORMAT, sure=True)
    vertices = np.concatenate([piece.vertices for piece in source.parts])
    corners = np.concatenate([piece.vertices[piece.faces] for piece in source.parts])
    # Of the surface, which is near enough to that of the matter, and known for a torn mesh too.
    areas = np.linalg.norm(np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0]), axis=1)
    if not areas.sum() > 0 or not np.ptp(vertices, axis=0).min() > 0:
        return Upright(axis="z", reason="the mesh is flat", sure=True)
    center = (corners.mean(axis=1) * areas[:, None]).sum(axis=0) / areas.sum()
    return guess_up(vertices, center, label, source.comments)


def _turned(piece: MeshPart, up: Axis) -> MeshPart:
    return replace(piece, vertices=piece.vertices @ TO_Z_UP[up].T)


def _convex(whole: Any, volume_m3: float, time_limit_s: float) -> tuple[list[Any], str]:
    """The convex parts of a surface, and a sentence where these are only its hull."""
    hull = _outward(shells.hull(np.asarray(whole.vertices)))
    if len(hull.faces) and volume_m3 > _CONVEX * float(hull.volume):
        return [_coarse(hull)], ""
    trouble = ""
    try:
        found = convex_parts(np.asarray(whole.vertices), np.asarray(whole.faces), time_limit_s=time_limit_s)
        parts = [part for part in map(_outward, found) if float(part.volume) > 0]
    except NotCut as error:
        trouble = f"cutting it into convex parts {error}"
        parts = []
    if not parts:
        parts = [_coarse(hull)] if len(hull.faces) and float(hull.volume) > 0 else []
        trouble = trouble or "CoACD finds no convex part in it"
        trouble += "; for the physics it is its convex hull, and its hollows are filled"
    return parts, trouble


def _coarse(hull: Any) -> Any:
    """A hull with no more corners than Bullet takes quickly: those that reach furthest in some direction."""
    points = np.asarray(hull.vertices)
    if len(points) <= len(_DIRECTIONS):
        return hull
    return _outward(shells.hull(points[np.unique(argmax_of_columns(points @ _DIRECTIONS.T))]))


def _outward(part: Part) -> Any:
    """A convex part with every triangle turned away from its middle."""
    vertices, faces = part
    corners = vertices[faces]
    normals = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    inward = (normals * (corners.mean(axis=1) - vertices.mean(axis=0))).sum(axis=1) < 0
    return trimesh.Trimesh(vertices, np.where(inward[:, None], faces[:, ::-1], faces), process=False)


def _body(closed: shells.Matter | None, whole: Any, parts: Sequence[Any]) -> Any:
    """What is weighed: the matter of a closed mesh, the convex parts of another, each place once."""
    if closed is not None:
        return trimesh.Trimesh(closed.vertices_m, closed.faces, process=False) if closed.twice_m3 else whole
    joined = trimesh.util.concatenate(parts)
    union = shells.matter(np.asarray(joined.vertices), np.asarray(joined.faces))
    return joined if union is None else trimesh.Trimesh(union.vertices_m, union.faces, process=False)


def _check(name: str, asset_id: str, entry: Mapping[str, Any], archive: bytes, path: Path) -> None:
    """Read what is about to be written as `generate` and `verify` will; an AssetError by the name of the mesh."""
    with tempfile.TemporaryDirectory(prefix="simgen-pack-") as folder:
        place = Path(folder)
        (place / f"{asset_id}.tar.gz").write_bytes(archive)
        (place / "check.json").write_text(json.dumps({"name": name, "assets": {asset_id: entry}}))
        try:
            catalog = Catalog((str(place / "check.json"),), (), False, True, place / "cache")
            fault = catalog.verify(f"{name}:{asset_id}")
        except AssetError as error:
            fault = str(error)
    if fault is not None:
        raise AssetError(f"{path}: simgen could not read what it would be packed as: {fault.replace(folder, '')}")


def _materials(pieces: Sequence[MeshPart]) -> tuple[dict[str, dict[str, Any]], dict[str, bytes]]:
    materials, files = {}, {}
    for piece in pieces:
        look = piece.look
        material: dict[str, Any] = {
            "base_color": asset_archive.rounded(look.color),
            "roughness": round(look.roughness, 4),
            "metallic": round(look.metallic, 4),
        }
        if look.transmission:
            material |= {"transmission": round(look.transmission, 4), "ior": round(look.ior, 4)}
        if any(look.emission):
            material["emission"] = asset_archive.rounded(look.emission)
        if piece.colors is not None:
            material["color_field"] = COLOR_FIELD
        for key, data, suffix in (
            ("color_map", look.color_map, ""),
            ("roughness_map", look.roughness_map, "_roughness"),
            ("normal_map", look.normal_map, "_normal"),
        ):
            if data:
                material[key] = f"{piece.slot}{suffix}.png"
                files[material[key]] = data
        materials[piece.slot] = material
    return materials, files


COLOR_FIELD = "Color"
"""What Blender calls the colours of the points of an OBJ."""


def _visual_obj(pieces: Sequence[MeshPart], center: Floats) -> bytes:
    lines = ["mtllib visual_geometry.mtl"]
    first, first_uv, first_normal = 1, 1, 1
    # Blender gives colours to all points of a file or to none.
    colored = any(piece.colors is not None for piece in pieces)
    for piece in pieces:
        normals, corners = crease_normals(piece)
        lines += [f"o {piece.slot}", f"usemtl {piece.slot}"]
        points = piece.vertices - center
        if colored:
            colors = piece.colors if piece.colors is not None else np.ones_like(points)
            rows = np.concatenate([points, colors], axis=1)
            lines += ["v {:.6f} {:.6f} {:.6f} {:.4f} {:.4f} {:.4f}".format(*row) for row in rows]
        else:
            lines += ["v {:.6f} {:.6f} {:.6f}".format(*point) for point in points]
        lines += ["vn {:.4f} {:.4f} {:.4f}".format(*normal) for normal in normals]
        if piece.uv is not None:
            lines += ["vt {:.6f} {:.6f}".format(*point) for point in piece.uv]
        for face, turned in zip(piece.faces, corners, strict=True):
            names = (
                f"{p + first}/{'' if piece.uv is None else p + first_uv}/{n + first_normal}"
                for p, n in zip(face, turned, strict=True)
            )
            lines.append("f " + " ".join(names))
        first, first_normal = first + len(piece.vertices), first_normal + len(normals)
        first_uv += 0 if piece.uv is None else len(piece.uv)
    return ("\n".join(lines) + "\n").encode()


def _mtl(materials: Mapping[str, Mapping[str, Any]]) -> bytes:
    blocks = []
    for slot, material in materials.items():
        lines = [f"newmtl {slot}", "Kd {:.4f} {:.4f} {:.4f}".format(*material["base_color"])]
        lines += ["Ke {:.4f} {:.4f} {:.4f}".format(*material["emission"])] if "emission" in material else []
        lines += [f"Pr {material['roughness']}", f"Pm {material['metallic']}"]
        lines += [f"map_Kd {material['color_map']}"] if "color_map" in material else []
        blocks.append("\n".join(lines) + "\n")
    return "\n".join(blocks).encode()


def _collision_obj(parts: list[Any], center: Floats) -> bytes:
    lines, first = [], 1
    for number, part in enumerate(parts):
        lines.append(f"o part_{number}")
        lines += ["v {:.6f} {:.6f} {:.6f}".format(*point) for point in np.asarray(part.vertices) - center]
        lines += ["f {} {} {}".format(*(face + first)) for face in np.asarray(part.faces)]
        first += len(part.vertices)
    return ("\n".join(lines) + "\n").encode()


def _write(path: Path, data: bytes) -> None:
    """The file appears under its name only when it is complete."""
    part = path.with_name(f".{path.name}.part")
    part.write_bytes(data)
    part.replace(path)
