"""A folder of OBJ, GLB and PLY meshes → a Kubric-format manifest with archives that simgen, and Kubric, can use.

Each mesh is brought to metres with Z up and its centre of mass at the origin, cut into convex parts for the
physics, and given a mass from its volume and substance. The same meshes give the same bytes.
"""

import hashlib
import io
import itertools
import json
import math
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import coacd
import numpy as np
import trimesh
from numpy.typing import NDArray

from simgen.catalog.labels import guess_object, plain
from simgen.catalog.manifests import read_labels
from simgen.core.errors import AssetError, UnknownName
from simgen.core.substances import SUBSTANCES
from simgen.core.vectors import Floats
from simgen.procedural import asset_archive

SUFFIXES = (".obj", ".glb", ".gltf", ".ply")
UNITS = {"mm": 0.001, "cm": 0.01, "m": 1.0}

LARGEST_M, SMALLEST_M = 5.0, 0.005
MAX_PARTS = 32
CONCAVITY = 0.05
"""Of CoACD: deeper hollows than this share of the size stay open."""
_SEARCH = {"mcts_nodes": 10, "mcts_iterations": 60, "mcts_max_depth": 2, "preprocess_resolution": 20}
"""A fifth of CoACD's default search: parts of a bowl as good as the default's in a fifth of the time."""
_SMALL_HOLE = 0.5
"""A hole whose rim is shorter than this share of the mesh's diagonal is damage; a longer one may be meant."""

_Y_UP = np.array([[1.0, 0.0, 0.0], [0.0, 0.0, -1.0], [0.0, 1.0, 0.0]])
"""glTF's axes to ours."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Terms:
    """What holds for all meshes of a folder."""

    substance: str = ""
    """Empty: guessed from each name."""
    unit: str = "m"
    license: str = "not stated"
    author: str = "not stated"
    labels: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Packed:
    """One mesh that has become an asset."""

    id: str
    label: str
    mass_kg: float
    size_m: tuple[float, float, float]
    num_parts: int
    warnings: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class _MeshPart:
    """Triangles of one material, in metres; corners carry texture coordinates where there is a picture."""

    slot: str
    vertices: Floats
    faces: NDArray[np.int64]
    uv: Floats | None
    color: tuple[float, float, float]
    """Linear RGB."""
    roughness: float
    metallic: float
    picture: bytes
    """PNG; empty where there is none."""


def pack_folder(folder: Path, out: Path, terms: Terms) -> Iterator[Packed]:
    """Pack every mesh of a folder into `out`; the manifest is there once the last one has been taken."""
    paths = _meshes(folder)
    for asset_id in terms.labels:
        if asset_id not in paths:
            raise UnknownName("mesh", asset_id, paths, where="labels")
    try:
        out.mkdir(parents=True, exist_ok=True)
        manifest: dict[str, Any] = {"name": out.resolve().name, "data_dir": ".", "version": "1.0", "assets": {}}
        for asset_id, path in paths.items():
            entry, archive, packed = _pack(asset_id, path, terms)
            _write(out / f"{asset_id}.tar.gz", archive)
            manifest["assets"][asset_id] = entry | {"sha256": hashlib.sha256(archive).hexdigest()}
            yield packed
        _write(manifest_path(out), (json.dumps(manifest, indent=1, sort_keys=True) + "\n").encode())
    except OSError as error:
        raise AssetError(f"{out}: cannot be written: {error.strerror or error}") from error


def manifest_path(out: Path) -> Path:
    return out / f"{out.resolve().name}.json"


def folder_labels(folder: Path, named: Path | None) -> dict[str, dict[str, Any]]:
    """The labels file that was named, or `labels.yaml` in the folder of meshes, or nothing."""
    path = named if named is not None else folder / "labels.yaml"
    return read_labels(path) if named is not None or path.is_file() else {}


def _meshes(folder: Path) -> dict[str, Path]:
    if not folder.is_dir():
        raise AssetError(f"{folder}: no such folder of meshes")
    paths: dict[str, Path] = {}
    for path in sorted(folder.iterdir()):
        if path.suffix.lower() not in SUFFIXES:
            continue
        asset_id = re.sub(r"[^A-Za-z0-9_-]+", "_", path.stem).strip("_") or "mesh"
        if asset_id in paths:
            raise AssetError(f"{path}: gives the same id {asset_id!r} as {paths[asset_id].name}; rename one of them")
        paths[asset_id] = path
    if not paths:
        raise AssetError(f"{folder}: holds no mesh ({', '.join(SUFFIXES)})")
    return paths


def _pack(asset_id: str, path: Path, terms: Terms) -> tuple[dict[str, Any], bytes, Packed]:
    facts = terms.labels.get(asset_id, {})
    label = plain(str(facts.get("label") or guess_object(asset_id).label))
    guess = guess_object(label)
    substance = str(facts.get("substance") or terms.substance or guess.substance)
    if substance not in SUBSTANCES:
        raise UnknownName("substance", substance, SUBSTANCES, where=asset_id)
    matter = SUBSTANCES[substance]

    pieces = _load(path, UNITS[terms.unit])
    whole = _repaired(pieces, path)
    parts = _convex_parts(whole)
    if not parts:
        raise AssetError(f"{path}: CoACD finds no convex part in it; close the mesh, or give it thickness")
    # A closed mesh shows the matter itself; a torn one only its outside, as a scan does.
    solid = bool(whole.is_watertight) and float(whole.volume) > 0
    body = whole if solid else trimesh.util.concatenate(parts)
    volume_m3 = float(body.volume)
    center = np.asarray(body.center_mass, dtype=np.float64)
    density = matter.density_kgpm3 if solid else matter.scanned_density_kgpm3
    mass_kg = float(facts.get("mass_kg") or max(density * volume_m3, 0.001))
    inertia = np.diag(np.asarray(body.moment_inertia)) * (mass_kg / volume_m3)

    vertices = whole.vertices - center
    low, high = vertices.min(axis=0), vertices.max(axis=0)
    materials, files = _materials(pieces)
    metadata = {
        "label": label,
        "description": path.stem,
        "category": str(facts.get("kind") or guess.kind),
        "kind": str(facts.get("kind") or guess.kind),
        "substance": substance,
        "mass_kg": round(mass_kg, 6),
        "volume": round(volume_m3, 10),
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
        warnings=tuple(_warnings(path, max(size), solid, terms.unit)),
    )
    return entry, asset_archive.archive(files), packed


def _warnings(path: Path, largest_m: float, solid: bool, unit: str) -> Iterator[str]:
    if largest_m > LARGEST_M:
        yield f"{path}: {largest_m:.3g} m across, more than {LARGEST_M:g} m; is its unit {unit!r}? try --unit mm or cm"
    if largest_m < SMALLEST_M:
        yield f"{path}: {largest_m * 1000:.3g} mm across, smaller than {SMALLEST_M * 1000:g} mm; is its unit {unit!r}?"
    if not solid:
        yield f"{path}: the mesh is not closed; volume and centre of mass are those of its convex parts"


def _load(path: Path, unit_m: float) -> list[_MeshPart]:
    try:
        scene = trimesh.load_scene(path, process=False)
        meshes = [mesh for mesh in scene.dump(concatenate=False) if isinstance(mesh, trimesh.Trimesh)]
    except Exception as error:  # every reader of trimesh raises exceptions of its own
        raise AssetError(f"{path}: cannot be read as a mesh ({type(error).__name__}: {error})") from error
    if not any(len(mesh.faces) for mesh in meshes):
        raise AssetError(f"{path}: the mesh is empty; simgen packs surfaces of triangles")
    turn = _Y_UP if path.suffix.lower() in (".glb", ".gltf") else np.eye(3)
    pieces: list[_MeshPart] = []
    for mesh in meshes:
        if not len(mesh.faces):
            continue
        if not np.isfinite(mesh.vertices).all():
            bad = int((~np.isfinite(mesh.vertices)).any(axis=1).sum())
            raise AssetError(f"{path}: {bad} of {len(mesh.vertices)} points are not finite numbers; repair the mesh")
        mesh.remove_unreferenced_vertices()
        vertices = np.asarray(mesh.vertices, dtype=np.float64) @ turn.T * unit_m
        pieces.append(_piece(mesh, vertices, f"material_{len(pieces)}", linear=path.suffix.lower() != ".ply"))
    return pieces


def _piece(mesh: Any, vertices: Floats, slot: str, *, linear: bool) -> _MeshPart:
    visual, uv, picture = mesh.visual, None, b""
    color, roughness, metallic = np.array([0.6, 0.6, 0.6]), 0.5, 0.0
    if visual.kind == "texture":
        material = visual.material
        if getattr(material, "roughnessFactor", None) is not None:
            roughness = float(material.roughnessFactor)
        if getattr(material, "metallicFactor", None) is not None:
            metallic = float(material.metallicFactor)
        color = np.asarray(material.main_color[:3]) / 255.0
        image = getattr(material, "image", None) or getattr(material, "baseColorTexture", None)
        if image is not None and visual.uv is not None and len(visual.uv) == len(vertices):
            uv, picture = np.asarray(visual.uv, dtype=np.float64), _png(image)
    elif visual.kind in ("vertex", "face"):
        # One colour for all of it: the renderer knows materials and pictures, not colours of points.
        color = np.asarray(visual.face_colors[:, :3]).mean(axis=0) / 255.0
    if not linear:
        color = np.where(color <= 0.04045, color / 12.92, ((color + 0.055) / 1.055) ** 2.4)
    return _MeshPart(
        slot=slot,
        vertices=vertices,
        faces=np.asarray(mesh.faces, dtype=np.int64),
        uv=uv,
        color=(float(color[0]), float(color[1]), float(color[2])),
        roughness=roughness,
        metallic=metallic,
        picture=picture,
    )


def _png(image: Any) -> bytes:
    stream = io.BytesIO()
    image.convert("RGB").save(stream, format="PNG", compress_level=6)
    return stream.getvalue()


def _repaired(pieces: list[_MeshPart], path: Path) -> Any:
    """All triangles as one surface: same points merged, slivers and doubles dropped, normals outward."""
    offsets = np.cumsum([0, *(len(piece.vertices) for piece in pieces)])
    whole = trimesh.Trimesh(
        vertices=np.concatenate([piece.vertices for piece in pieces]),
        faces=np.concatenate([piece.faces + start for piece, start in zip(pieces, offsets, strict=False)]),
        process=False,
    )
    spread = np.linalg.svd(whole.vertices - whole.vertices.mean(axis=0), compute_uv=False)
    if spread[-1] < 1e-4 * spread[0]:
        raise AssetError(f"{path}: is flat, without a volume that physics could use; give it thickness")
    whole.merge_vertices(merge_tex=True, merge_norm=True)
    whole.update_faces(whole.unique_faces() & whole.nondegenerate_faces())
    whole.remove_unreferenced_vertices()
    if not (whole.is_winding_consistent and whole.volume > 0):
        whole.faces = _wound_outward(np.asarray(whole.vertices), np.asarray(whole.faces))
    if whole.is_watertight:
        return whole
    points, triangles = _without_small_holes(np.asarray(whole.vertices), np.asarray(whole.faces))
    return trimesh.Trimesh(points, triangles, process=False)


def _wound_outward(vertices: Floats, faces: NDArray[np.int64]) -> NDArray[np.int64]:
    """Turn triangles so that neighbours agree, and every connected piece so that it holds a positive volume."""
    sharing: dict[tuple[int, int], list[tuple[int, bool]]] = {}
    for number, (a, b, c) in enumerate(faces.tolist()):
        for u, v in ((a, b), (b, c), (c, a)):
            sharing.setdefault((min(u, v), max(u, v)), []).append((number, u < v))
    neighbours: list[list[tuple[int, bool]]] = [[] for _ in faces]
    for pair in sharing.values():
        if len(pair) == 2:
            (one, forward), (two, backward) = pair
            neighbours[one].append((two, forward == backward))
            neighbours[two].append((one, forward == backward))
    corners = vertices[faces]
    volumes = np.einsum("ij,ij->i", corners[:, 0], np.cross(corners[:, 1], corners[:, 2]))
    turned = np.zeros(len(faces), dtype=bool)
    seen = np.zeros(len(faces), dtype=bool)
    for seed in range(len(faces)):
        if seen[seed]:
            continue
        seen[seed] = True
        piece, at = [seed], 0
        while at < len(piece):
            for other, against in neighbours[piece[at]]:
                if not seen[other]:
                    seen[other] = True
                    turned[other] = turned[piece[at]] ^ against
                    piece.append(other)
            at += 1
        members = np.array(piece)
        if (np.where(turned[members], -1.0, 1.0) * volumes[members]).sum() < 0:
            turned[members] ^= True
    return np.where(turned[:, None], faces[:, ::-1], faces)


def _without_small_holes(vertices: Floats, faces: NDArray[np.int64]) -> tuple[Floats, NDArray[np.int64]]:
    """Close every short rim with a fan around its middle; faces must be wound alike."""
    edges = faces[:, [0, 1, 1, 2, 2, 0]].reshape(-1, 2)
    there = set(map(tuple, edges.tolist()))
    follows: dict[int, list[int]] = {}
    for a, b in sorted(there):
        if (b, a) not in there:
            follows.setdefault(b, []).append(a)
    limit = _SMALL_HOLE * float(np.linalg.norm(np.ptp(vertices, axis=0)))
    middles: list[Floats] = []
    fans: list[list[int]] = []
    for start in sorted(follows):
        walk = [start]
        while follows.get(walk[-1]):
            corner = follows[walk[-1]].pop()
            if corner not in walk:
                walk.append(corner)
                continue
            # Holes that touch at a corner are closed one by one.
            rim = walk[walk.index(corner) :]
            del walk[walk.index(corner) + 1 :]
            ring = vertices[rim]
            if float(np.linalg.norm(ring - np.roll(ring, 1, axis=0), axis=1).sum()) <= limit:
                middle = len(vertices) + len(middles)
                middles.append(ring.mean(axis=0))
                fans += [[a, b, middle] for a, b in itertools.pairwise([*rim, corner])]
    if not middles:
        return vertices, faces
    return np.concatenate([vertices, middles]), np.concatenate([faces, np.array(fans, dtype=np.int64)])


def _convex_parts(whole: Any) -> list[Any]:
    coacd.set_log_level("error")
    source = coacd.Mesh(np.ascontiguousarray(whole.vertices), np.ascontiguousarray(whole.faces))
    found = coacd.run_coacd(source, threshold=CONCAVITY, max_convex_hull=MAX_PARTS, max_ch_vertex=64, seed=0, **_SEARCH)
    parts = [_outward(np.asarray(vertices), np.asarray(faces)) for vertices, faces in found]
    return [part for part in parts if float(part.volume) > 0]


def _outward(vertices: Floats, faces: NDArray[np.int64]) -> Any:
    """A convex part with every triangle turned away from its middle."""
    corners = vertices[faces]
    normals = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    inward = (normals * (corners.mean(axis=1) - vertices.mean(axis=0))).sum(axis=1) < 0
    return trimesh.Trimesh(vertices, np.where(inward[:, None], faces[:, ::-1], faces), process=False)


def _materials(pieces: list[_MeshPart]) -> tuple[dict[str, dict[str, Any]], dict[str, bytes]]:
    materials, files = {}, {}
    for piece in pieces:
        material: dict[str, Any] = {
            "base_color": asset_archive.rounded(piece.color),
            "roughness": round(piece.roughness, 4),
            "metallic": round(piece.metallic, 4),
        }
        if piece.picture:
            material["color_map"] = f"{piece.slot}.png"
            files[f"{piece.slot}.png"] = piece.picture
        materials[piece.slot] = material
    return materials, files


def _visual_obj(pieces: list[_MeshPart], center: Floats) -> bytes:
    lines = ["mtllib visual_geometry.mtl"]
    first, first_uv, first_normal = 1, 1, 1
    for piece in pieces:
        normals, corners = _crease_normals(piece)
        lines += [f"o {piece.slot}", f"usemtl {piece.slot}"]
        lines += ["v {:.6f} {:.6f} {:.6f}".format(*point) for point in piece.vertices - center]
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


def _crease_normals(piece: _MeshPart, crease_rad: float = math.radians(40.0)) -> tuple[Floats, NDArray[np.int64]]:
    """A normal [N, 3] for every corner [M, 3] of the triangles: smooth over gentle bends, split at sharp edges."""
    corners = piece.vertices[piece.faces]
    area = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    unit = area / np.maximum(np.linalg.norm(area, axis=1, keepdims=True), 1e-30)
    # Points are told apart by place: a seam of the texture is no edge of the surface.
    _, place = np.unique(np.round(piece.vertices, 7), axis=0, return_inverse=True)
    at = place.reshape(-1)[piece.faces].reshape(-1)
    order = np.argsort(at, kind="stable")
    starts = np.flatnonzero(np.r_[True, np.diff(at[order]) > 0])
    counts = np.diff(np.r_[starts, len(order)])
    # Every pair of corners that meet at one place: those whose triangles bend gently share their normals.
    own = np.repeat(order, np.repeat(counts, counts))
    block = np.repeat(starts, counts**2)
    within = np.arange(len(own)) - np.repeat(np.cumsum(np.r_[0, counts[:-1] ** 2]), counts**2)
    other = order[block + within % np.repeat(counts, counts**2)]
    gentle = (unit[own // 3] * unit[other // 3]).sum(axis=1) > math.cos(crease_rad)
    summed = np.zeros((len(at), 3))
    np.add.at(summed, own[gentle], area[other[gentle] // 3])
    summed /= np.maximum(np.linalg.norm(summed, axis=1, keepdims=True), 1e-30)
    normals, index = np.unique(np.round(summed, 4) + 0.0, axis=0, return_inverse=True)
    return normals, index.reshape(-1, 3)


def _mtl(materials: Mapping[str, Mapping[str, Any]]) -> bytes:
    blocks = []
    for slot, material in materials.items():
        lines = [f"newmtl {slot}", "Kd {:.4f} {:.4f} {:.4f}".format(*material["base_color"])]
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
