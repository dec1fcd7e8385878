"""An OBJ, GLB or PLY file of the user → its triangles and materials, and a sentence for all that cannot be carried.

What the file names is compared with what has been carried: a picture, a factor, a transparency that an asset of simgen
cannot hold is said, never dropped in silence.
"""

import io
import json
import re
import struct
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import trimesh
from numpy.typing import NDArray
from PIL import Image

from simgen.catalog.mesh_pictures import (
    Missing,
    Neighbours,
    channel,
    grey_png,
    picture,
    png,
    rgb,
    times,
    to_linear,
    to_srgb,
)
from simgen.core.errors import AssetError, inline, shown
from simgen.core.vectors import Floats, Vec3

SUFFIXES = (".obj", ".glb", ".gltf", ".ply")
GREY: Vec3 = (0.6, 0.6, 0.6)
"""Of what has no material."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Look:
    """The material of a part, as far as an asset can hold it. Colours are linear RGB, pictures PNG."""

    color: Vec3 = GREY
    roughness: float = 0.5
    metallic: float = 0.0
    transmission: float = 0.0
    ior: float = 1.45
    emission: Vec3 = (0.0, 0.0, 0.0)
    color_map: bytes = b""
    roughness_map: bytes = b""
    normal_map: bytes = b""


@dataclass(frozen=True, slots=True, kw_only=True)
class MeshPart:
    """Triangles of one material, in metres and the file's own axes."""

    slot: str
    vertices: Floats
    faces: NDArray[np.int64]
    uv: Floats | None = None
    """[N, 2], where there is a picture."""
    colors: Floats | None = None
    """sRGB [N, 3] of every point, in the place of the material's colour."""
    look: Look = field(default_factory=Look)


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """What a mesh file holds. `notes` are sentences about what is not carried."""

    parts: list[MeshPart]
    notes: tuple[str, ...]
    comments: str
    """Of the file: the program that wrote it may be named."""


def read_source(path: Path, unit_m: float, roots: Sequence[Path]) -> Source:
    """Read a mesh with its materials; files that it names are taken from the `roots` only."""
    notes: list[str] = []
    files = Neighbours(path, roots)
    reader = {".obj": _Obj, ".ply": _Ply}.get(path.suffix.lower(), _Gltf)
    try:
        data = path.read_bytes()
    except OSError as error:
        raise AssetError(f"{path}: cannot be read: {error.strerror or error}") from error
    source = reader(path, data, files, notes)
    try:
        with warnings.catch_warnings():
            # What numpy says of odd values in a file; they are looked at below.
            warnings.simplefilter("ignore")
            scene = trimesh.load_scene(
                io.BytesIO(source.data), file_type=path.suffix.lower()[1:], resolver=source.files, process=False
            )
        for geometry in scene.geometry.values():
            # A copy of a textured mesh loses the colours of its points.
            attributes = getattr(getattr(geometry, "visual", None), "vertex_attributes", None) or {}
            if "color" in attributes:
                geometry.vertex_attributes["color"] = attributes["color"]
        meshes = [mesh for mesh in scene.dump(concatenate=False) if isinstance(mesh, trimesh.Trimesh)]
    except Exception as error:  # every reader of trimesh raises exceptions of its own
        raise AssetError(f"{path}: cannot be read as a mesh ({type(error).__name__}: {inline(error)})") from error
    meshes = [mesh for mesh in meshes if len(mesh.faces)]
    if not meshes:
        raise AssetError(f"{path}: the mesh is empty; simgen packs surfaces of triangles")
    parts: list[MeshPart] = []
    for mesh in meshes:
        if mesh.vertices.ndim != 2 or mesh.vertices.shape[1] != 3:
            raise AssetError(f"{path}: its points must have three numbers each; got {mesh.vertices.shape[-1]}")
        if not np.isfinite(mesh.vertices).all():
            bad = int((~np.isfinite(mesh.vertices)).any(axis=1).sum())
            raise AssetError(f"{path}: {bad} of {len(mesh.vertices)} points are not finite numbers; repair the mesh")
        mesh.remove_unreferenced_vertices()
        parts.append(_part(mesh, source, f"material_{len(parts)}", unit_m))
    source.finish()
    for name, real in files.elsewhere.items():
        if not real.name.lower().endswith(".bin"):
            notes.append(f"{shown(name)} is not where the mesh says; {real} is taken")
    return Source(parts=parts, notes=tuple(dict.fromkeys(notes)), comments=source.comments)


def _part(mesh: Any, source: "_Reader", slot: str, unit_m: float) -> MeshPart:
    vertices = np.asarray(mesh.vertices, dtype=np.float64)
    faces = np.asarray(mesh.faces, dtype=np.int64)
    uv = getattr(mesh.visual, "uv", None)
    uv = np.asarray(uv, dtype=np.float64)[:, :2] if uv is not None and len(uv) == len(vertices) else None
    if uv is not None and not np.isfinite(uv).all():
        source.notes.append("some texture coordinates are not finite numbers; they are taken as 0")
        uv = np.nan_to_num(uv, nan=0.0, posinf=0.0, neginf=0.0)
    colors = source.colors(mesh, vertices)
    look, uv = source.look(mesh, uv)
    if mesh.visual.kind == "face" and colors is not None and len(colors) == len(faces):
        # Each triangle gets points of its own.
        vertices, colors = vertices[faces].reshape(-1, 3), np.repeat(colors, 3, axis=0)
        faces, uv = np.arange(len(vertices)).reshape(-1, 3), None
    if colors is not None and look.color_map:
        if np.ptp(colors, axis=0).max() > 0.02 or colors.min() < 0.98:
            source.notes.append("colours of its points are left out: the picture gives the colour there")
        colors = None
    if colors is not None:
        linear = to_linear(colors) * np.asarray(look.color if source.multiplies(mesh) else (1.0, 1.0, 1.0))
        # The same everywhere, it is the colour of the material.
        plain = bool((np.ptp(colors, axis=0) <= 0.01).all())
        look = replace(look, color=_vec(linear.mean(axis=0)))
        colors = None if plain else to_srgb(linear)
    return MeshPart(
        slot=slot,
        vertices=vertices * unit_m,
        faces=faces,
        uv=uv if look.color_map or look.roughness_map or look.normal_map else None,
        colors=colors,
        look=look,
    )


class _Reader:
    """What one file format knows of materials. `data` is what trimesh gets to read."""

    def __init__(self, path: Path, data: bytes, files: Neighbours, notes: list[str]) -> None:
        self.path, self.data, self.files, self.notes = path, data, files, notes
        self.comments = ""

    def look(self, mesh: Any, uv: Floats | None) -> tuple[Look, Floats | None]:
        """The material of a mesh and its texture coordinates."""
        return Look(), uv

    def colors(self, mesh: Any, vertices: Floats) -> Floats | None:
        """sRGB [N, 3] of the points, or of the triangles where the mesh colours these."""
        if mesh.visual.kind == "vertex":
            return np.asarray(mesh.visual.vertex_colors[:, :3], dtype=np.float64) / 255.0
        if mesh.visual.kind == "face":
            return np.asarray(mesh.visual.face_colors[:, :3], dtype=np.float64) / 255.0
        return None

    def multiplies(self, mesh: Any) -> bool:
        """Whether colours of points are factors of the material's colour."""
        return False

    def finish(self) -> None:
        """Say what has been named and is not there."""

    def opaque(self, what: str) -> None:
        self.notes.append(f"{what} is transparent in places; simgen shows it opaque")

    def carried(self, name: str) -> Image.Image | None:
        """A picture that the mesh names, decoded; a note where it cannot be had."""
        try:
            return picture(self.files.read(name))
        except Missing as error:
            self.notes.append(f"its picture {shown(name)} {error}; packed without it")
            return None


class _Ply(_Reader):
    def __init__(self, path: Path, data: bytes, files: Neighbours, notes: list[str]) -> None:
        super().__init__(path, data, files, notes)
        header = data[:65536].partition(b"end_header")[0].decode("utf-8", "replace")
        self.comments = "ply " + header
        named = [
            line.split(None, 2)[2].strip()
            for line in header.splitlines()
            if re.match(r"comment\s+TextureFile", line, re.I) and len(line.split(None, 2)) == 3
        ]
        self.named = named
        self.shown = False

    def look(self, mesh: Any, uv: Floats | None) -> tuple[Look, Floats | None]:
        if len(self.named) > 1:
            self.notes.append(f"names {len(self.named)} pictures; the first one is used")
        if not self.named:
            return Look(), uv
        image = self.carried(self.named[0])
        if image is not None and uv is None:
            self.notes.append(f"its picture {shown(self.named[0])} has no texture coordinates; packed without it")
        if image is None or uv is None:
            return Look(), uv
        plain, clear = rgb(image)
        if clear:
            self.opaque(f"its picture {shown(self.named[0])}")
        return Look(color=(1.0, 1.0, 1.0), color_map=png(plain)), uv


_MTL_OPTIONS = {
    **dict.fromkeys(("-blendu", "-blendv", "-cc", "-clamp", "-imfchan", "-texres", "-type", "-bm", "-boost"), (1, 1)),
    "-mm": (2, 2),
    **dict.fromkeys(("-o", "-s", "-t"), (1, 3)),
}
"""Options of a picture in an MTL file, and how many words follow them at least and at most."""
_MTL_MAPS = {
    "map_kd": "color",
    "map_pr": "roughness",
    "norm": "normal",
    "map_kn": "normal",
}
_MTL_LOST = {
    "map_d": "transparency",
    "map_tr": "transparency",
    "map_ke": "emission",
    "map_pm": "metallic",
    "map_ks": "specular",
    "map_ns": "shininess",
    "map_bump": "bump",
    "bump": "bump",
    "disp": "displacement",
    "decal": "decal",
    "refl": "reflection",
}


@dataclass(slots=True, kw_only=True)
class _Mtl:
    """One material of an MTL file."""

    numbers: dict[str, list[float]] = field(default_factory=dict)
    maps: dict[str, tuple[str, dict[str, list[str]]]] = field(default_factory=dict)
    """Name of the picture and its options, by keyword."""

    def number(self, key: str, otherwise: float) -> float:
        return self.numbers[key][0] if self.numbers.get(key) else otherwise

    def color(self, key: str) -> Vec3 | None:
        values = self.numbers.get(key, [])
        if not values:
            return None
        x, y, z = (values + values[:1] * 2)[:3] if len(values) < 3 else values[:3]
        return (min(max(x, 0.0), 1e3), min(max(y, 0.0), 1e3), min(max(z, 0.0), 1e3))


class _Obj(_Reader):
    def __init__(self, path: Path, data: bytes, files: Neighbours, notes: list[str]) -> None:
        super().__init__(path, data, files, notes)
        text = data.decode("utf-8", "replace").replace("\\\r\n", " ").replace("\\\n", " ")
        lines = [line.strip() for line in text.splitlines() if line.lstrip()[:1] in "#mu"]
        self.comments = " ".join(line for line in lines if line.startswith("#"))[:2000]
        used = [line.split(None, 1)[1].strip() for line in lines if re.match(r"usemtl\s+\S", line)]
        self.materials: dict[str, _Mtl] = {}
        for line in lines:
            if re.match(r"mtllib\s+\S", line):
                self._read_libraries(line.split(None, 1)[1].strip())
        for name in dict.fromkeys(used):
            if name not in self.materials and self.materials:
                self.notes.append(f"no library of materials states its material {shown(name)}; it is packed in grey")
        # trimesh groups the triangles by material; what the materials are is read here.
        self.library = "".join(f"newmtl {name}\nKd 0.6 0.6 0.6\n" for name in dict.fromkeys(used))
        self.files = _WithLibrary(files, self.library.encode()) if used else files
        self.point_colors = _point_colors(text)
        self.done: dict[str, tuple[Look, tuple[Floats, Floats] | None]] = {}
        names = b"" if any(re.match(r"mtllib\s", line) for line in lines) or not used else b"mtllib simgen.mtl\n"
        self.data = names + data

    def look(self, mesh: Any, uv: Floats | None) -> tuple[Look, Floats | None]:
        name = str(getattr(getattr(mesh.visual, "material", None), "name", "") or "")
        mtl = self.materials.get(name)
        if mtl is None:
            return Look(), uv
        if name not in self.done:
            self.done[name] = self._material(name, mtl, uv is not None)
        look, placed = self.done[name]
        if uv is None and (look.color_map or look.roughness_map or look.normal_map):
            self.notes.append(f"faces of its material {shown(name)} have no texture coordinates; no picture there")
            look = replace(look, color_map=b"", roughness_map=b"", normal_map=b"")
        if uv is not None and placed is not None:
            uv = uv * placed[0] + placed[1]
        return look, uv

    def colors(self, mesh: Any, vertices: Floats) -> Floats | None:
        """By place: trimesh has none where there is a material."""
        if self.point_colors is None:
            return None
        places, colors = self.point_colors
        rows = [places.get(tuple(point)) for point in np.round(vertices, 9).tolist()]
        if any(row is None for row in rows):
            self.notes.append("some of its points have no colour; the colours of points are left out")
            return None
        return colors[np.array(rows, dtype=np.int64)]

    def _read_libraries(self, names: str) -> None:
        """One name with spaces in it, or several names."""
        for name in [names] if len(names.split()) == 1 or self._there(names) else names.split():
            try:
                self.materials |= _parse_mtl(self.files.read(name).decode("utf-8", "replace"))
            except Missing as error:
                self.notes.append(f"its library of materials {shown(name)} {error}; packed in grey")

    def _there(self, name: str) -> bool:
        try:
            self.files.find(name)
        except Missing:
            return False
        return True

    def _material(self, name: str, mtl: _Mtl, has_uv: bool) -> tuple[Look, tuple[Floats, Floats] | None]:
        kd = mtl.color("kd")
        color = kd if kd is not None else GREY
        shininess = mtl.number("ns", -1.0)
        # As Blender reads it.
        shiny = 1.0 - np.sqrt(min(max(shininess, 0.0), 1000.0) / 1000.0) if shininess >= 0 else 0.5
        opacity = mtl.number("d", 1.0 - mtl.number("tr", 0.0))
        if opacity < 0.99:
            self.opaque(f"its material {shown(name)} (d {opacity:g})")
        look = Look(
            color=(min(color[0], 1.0), min(color[1], 1.0), min(color[2], 1.0)),
            roughness=float(np.clip(mtl.number("pr", float(shiny)), 0.0, 1.0)),
            metallic=float(np.clip(mtl.number("pm", 0.0), 0.0, 1.0)),
            emission=mtl.color("ke") or (0.0, 0.0, 0.0),
        )
        placed: tuple[Floats, Floats] | None = None
        pictures: dict[str, bytes] = {}
        for key, (file, options) in mtl.maps.items():
            if key in _MTL_LOST:
                self.notes.append(f"its material {shown(name)}: the {_MTL_LOST[key]} picture {shown(file)} is left out")
                continue
            image = self.carried(file)
            if image is None:
                continue
            plain, clear = rgb(image)
            if clear and key == "map_kd":
                self.opaque(f"its picture {shown(file)}")
            pictures[_MTL_MAPS[key]] = png(plain)
            odd = sorted(set(options) - {"-s", "-o", "-blendu", "-blendv", "-cc"})
            odd = [word for word in odd if not (word == "-clamp" and options[word] == ["off"])]
            odd = [word for word in odd if not (word in ("-bm", "-boost") and options[word] in (["1"], ["1.0"]))]
            if odd:
                self.notes.append(f"its picture {shown(file)}: {', '.join(odd)} is not applied")
            scale, offset = _two(options.get("-s"), 1.0), _two(options.get("-o"), 0.0)
            if placed is not None and not np.allclose(placed, (scale, offset)):
                self.notes.append(f"its material {shown(name)} lays its pictures out differently; as the first one")
            elif placed is None:
                placed = (scale, offset)
        if "color" in pictures and kd is not None and np.ptp(kd) > 0.02:
            # Most exporters leave there what the picture replaces, and Blender does not multiply.
            self.notes.append(f"its material {shown(name)}: Kd is not applied to the picture, as in Blender")
        return (
            replace(
                look,
                color_map=pictures.get("color", b""),
                roughness_map=pictures.get("roughness", b""),
                normal_map=pictures.get("normal", b""),
                color=(1.0, 1.0, 1.0) if "color" in pictures else look.color,
            ),
            placed,
        )


class _WithLibrary(Neighbours):
    """Gives trimesh one library of materials in the place of the file's own, and no picture."""

    def __init__(self, files: Neighbours, library: bytes) -> None:
        super().__init__(files.mesh, files.roots)
        self.failed, self.elsewhere = files.failed, files.elsewhere
        self.library = library

    def get(self, name: str) -> bytes:
        return self.library

    __getitem__ = get


def _parse_mtl(text: str) -> dict[str, _Mtl]:
    materials: dict[str, _Mtl] = {}
    current = _Mtl()
    for line in text.replace("\\\r\n", " ").replace("\\\n", " ").splitlines():
        key, _, rest = line.strip().partition(" ") if " " in line.strip() else line.strip().partition("\t")
        key, rest = key.lower(), rest.strip()
        if not rest or key.startswith("#"):
            continue
        if key == "newmtl":
            current = materials.setdefault(rest, _Mtl())
        elif key in _MTL_MAPS or key in _MTL_LOST:
            current.maps[key] = _named_picture(rest)
        elif key in ("kd", "ke", "ns", "pr", "pm", "d", "tr"):
            numbers = [_number(word) for word in rest.split()]
            current.numbers[key] = [number for number in numbers if number is not None]
    return materials


def _named_picture(text: str) -> tuple[str, dict[str, list[str]]]:
    """The file name, which may hold spaces, and the options before it."""
    options: dict[str, list[str]] = {}
    rest = text
    while (word := rest.split(None, 1)[0].lower() if rest.split() else "") in _MTL_OPTIONS:
        least, most = _MTL_OPTIONS[word]
        rest = rest.split(None, 1)[1] if len(rest.split(None, 1)) > 1 else ""
        values: list[str] = []
        while rest and len(values) < most:
            head = rest.split(None, 1)[0]
            if len(values) >= least and _number(head) is None:
                break
            values.append(head)
            rest = rest.split(None, 1)[1] if len(rest.split(None, 1)) > 1 else ""
        options[word] = values
    return rest.strip(), options


def _point_colors(text: str) -> tuple[dict[tuple[float, ...], int], Floats] | None:
    """Colours that stand behind the points of an OBJ, by place; None where there are none, or all are white."""
    if not re.search(r"^v(\s+\S+){6,7}\s*$", text, re.MULTILINE):
        return None
    places: dict[tuple[float, ...], int] = {}
    colors: list[list[float]] = []
    for line in text.splitlines():
        words = line.split()
        if words[:1] == ["v"] and len(words) in (7, 8):
            try:
                numbers = [float(word) for word in words[1:]]
            except ValueError:
                continue
            places[tuple(np.round(numbers[:3], 9).tolist())] = len(colors)
            colors.append(numbers[-3:])
    found = np.array(colors)
    if not len(found) or not np.isfinite(found).all():
        return None
    found = np.clip(found / (255.0 if found.max() > 1.0 else 1.0), 0.0, 1.0)
    return None if found.min() > 0.995 else (places, found)


class _Gltf(_Reader):
    """glTF: the header is read here as well, since trimesh rounds factors and does not say what it leaves out."""

    KNOWN = frozenset(
        ("KHR_materials_emissive_strength", "KHR_materials_transmission", "KHR_materials_ior", "KHR_materials_specular")
    )

    def __init__(self, path: Path, data: bytes, files: Neighbours, notes: list[str]) -> None:
        super().__init__(path, data, files, notes)
        binary = data[:4] == b"glTF"
        try:
            if binary:
                (length,) = struct.unpack("<I", data[12:16])
                text, rest = data[20 : 20 + length], data[20 + length :]
            else:
                text, rest = data, b""
            header = json.loads(text)
            if not isinstance(header, dict):
                raise ValueError("its header is no object")
        except (ValueError, RecursionError, struct.error) as error:
            raise AssetError(f"{path}: cannot be read as a mesh (glTF: {inline(error)})") from error
        self.header: dict[str, Any] = header
        self.comments = str(_get(header, "asset", "generator", otherwise=""))[:200]
        needed = [str(name) for name in _list(header, "extensionsRequired")]
        packed = [name for name in needed if "draco" in name.lower() or "meshopt" in name.lower()]
        if packed:
            raise AssetError(f"{path}: its points are compressed ({', '.join(packed)}); export it without compression")
        self.materials = _list(header, "materials")
        for number, material in enumerate(self.materials):
            if isinstance(material, dict):
                # The name leads back from trimesh's material to this one.
                self.materials[number] = {**material, "name": str(number)}
        changed = json.dumps({**header, "materials": self.materials} if self.materials else header).encode()
        changed += b" " * (-len(changed) % 4)
        if binary:
            head = struct.pack("<4sII", b"glTF", 2, 20 + len(changed) + len(rest))
            self.data = head + struct.pack("<I4s", len(changed), b"JSON") + changed + rest
        else:
            self.data = changed
        self.done: dict[str, Look] = {}
        for key, said in (("skins", "bones are"), ("animations", "an animation is")):
            if header.get(key):
                self.notes.append(f"{said} left out; the mesh is packed in the pose of the file")

    def multiplies(self, mesh: Any) -> bool:
        return bool(mesh.visual.kind == "texture")

    def colors(self, mesh: Any, vertices: Floats) -> Floats | None:
        """glTF's are linear."""
        if "color" in mesh.vertex_attributes:
            values = np.asarray(mesh.vertex_attributes["color"])
            whole = float(np.iinfo(values.dtype).max) if values.dtype.kind in "iu" else 1.0
            return to_srgb(np.asarray(values[:, :3], dtype=np.float64) / whole)
        found = super().colors(mesh, vertices)
        return to_srgb(found) if found is not None else None

    def look(self, mesh: Any, uv: Floats | None) -> tuple[Look, Floats | None]:
        name = str(getattr(getattr(mesh.visual, "material", None), "name", None))
        if mesh.visual.kind != "texture" or not name.isdigit() or int(name) >= len(self.materials):
            return Look(), uv
        if name not in self.done:
            self.done[name] = self._material(int(name), mesh.visual.material, uv is not None)
        return self.done[name], uv

    def _material(self, number: int, loaded: Any, has_uv: bool) -> Look:
        stated: dict[str, Any] = self.materials[number]
        original = _list(self.header, "materials")[number]
        what = f"its material {shown(original.get('name') or number)}"
        pbr = stated.get("pbrMetallicRoughness")
        pbr = pbr if isinstance(pbr, dict) else {}
        extensions = stated.get("extensions")
        extensions = extensions if isinstance(extensions, dict) else {}
        factor = _floats(pbr.get("baseColorFactor"), (1.0, 1.0, 1.0, 1.0))
        color = factor[:3]
        roughness, metallic = _float(pbr.get("roughnessFactor"), 1.0), _float(pbr.get("metallicFactor"), 1.0)
        emission = _floats(stated.get("emissiveFactor"), (0.0, 0.0, 0.0))
        emission = emission * _float(_get(extensions, "KHR_materials_emissive_strength", "emissiveStrength"), 1.0)
        look = Look(
            color=_vec(np.clip(color, 0.0, 1.0)),
            transmission=_float(_get(extensions, "KHR_materials_transmission", "transmissionFactor"), 0.0),
            ior=_float(_get(extensions, "KHR_materials_ior", "ior"), 1.45),
        )
        for extension in sorted(set(map(str, extensions)) - self.KNOWN):
            self.notes.append(f"{what}: {inline(extension)} is left out")
        faded = str(stated.get("alphaMode", "OPAQUE")) != "OPAQUE"
        if faded and factor[3] < 0.99:
            self.opaque(f"{what} (alpha {factor[3]:g})")
        base = self._picture(pbr.get("baseColorTexture"), loaded.baseColorTexture, f"{what}: the colour", has_uv)
        if base is not None:
            plain, clear = rgb(base)
            if clear and faded:
                self.opaque(f"{what}: its picture")
            look = replace(look, color_map=png(times(plain, color)), color=(1.0, 1.0, 1.0))
        mixed = self._picture(
            pbr.get("metallicRoughnessTexture"), loaded.metallicRoughnessTexture, f"{what}: the roughness", has_uv
        )
        if mixed is not None:
            rough, metal = channel(mixed, 1, roughness), channel(mixed, 2, metallic)
            look = replace(look, roughness_map=grey_png(rough))
            roughness, metallic = float(rough.mean()), float(metal.mean())
            if metal.std() > 0.1:
                self.notes.append(f"{what} is metal in places only; simgen takes the mean, {metallic:.2f}")
        normal = self._picture(stated.get("normalTexture"), loaded.normalTexture, f"{what}: the normal", has_uv)
        if normal is not None:
            look = replace(look, normal_map=png(rgb(normal)[0]))
            strength = _float(_get(stated, "normalTexture", "scale"), 1.0)
            if abs(strength - 1.0) > 0.01:
                self.notes.append(f"{what}: the normal picture's strength {strength:g} is taken as 1")
        # Only the picture is left out: a path tracer finds the occlusion itself.
        if stated.get("emissiveTexture") is not None and emission.any():
            self.notes.append(f"{what}: the emission picture is left out, and it does not shine")
            emission = np.zeros(3)
        return replace(
            look,
            roughness=float(np.clip(roughness, 0.0, 1.0)),
            metallic=float(np.clip(metallic, 0.0, 1.0)),
            emission=_vec(np.clip(emission, 0.0, 1e4)),
        )

    def _picture(self, stated: Any, loaded: Any, what: str, has_uv: bool) -> Image.Image | None:
        """A picture that the header names and trimesh has found."""
        if not isinstance(stated, dict):
            return None
        name = self._name(stated)
        said = f"{what} picture{f' {shown(name)}' if name else ''}"
        if not has_uv:
            self.notes.append(f"{said} has no texture coordinates; packed without it")
            return None
        if loaded is None:
            why = self.files.failed.get(name) if name else None
            self.notes.append(f"{said} {why or 'cannot be decoded; simgen reads PNG and JPEG'}; packed without it")
            return None
        try:
            loaded.load()
        except Exception as error:  # every decoder of Pillow raises exceptions of its own
            self.notes.append(f"{said} cannot be decoded ({inline(error)}); packed without it")
            return None
        if stated.get("texCoord"):
            self.notes.append(f"{said} uses a second set of texture coordinates; simgen takes the first")
        if _get(stated, "extensions", "KHR_texture_transform") is not None:
            self.notes.append(f"{said}: KHR_texture_transform is not applied")
        found: Image.Image = loaded
        return found

    def _name(self, stated: Mapping[str, Any]) -> str:
        """The file of a texture; empty for one in the file itself."""
        try:
            texture = _list(self.header, "textures")[int(stated["index"])]
            uri = str(_list(self.header, "images")[int(texture["source"])].get("uri", ""))
        except (KeyError, IndexError, TypeError, ValueError, AttributeError):
            return ""
        return "" if uri.startswith("data:") else uri


def _two(words: list[str] | None, otherwise: float) -> Floats:
    """The first two numbers of an option of MTL; what is not given is as it is without the option."""
    numbers = [number for word in words or [] if (number := _number(word)) is not None]
    return np.array((numbers + [otherwise] * 2)[:2])


def _number(word: str) -> float | None:
    try:
        value = float(word)
    except ValueError:
        return None
    return value if np.isfinite(value) else None


def _get(data: Any, *keys: str, otherwise: Any = None) -> Any:
    for key in keys:
        if not isinstance(data, Mapping):
            return otherwise
        data = data.get(key)
    return otherwise if data is None else data


def _list(data: Mapping[str, Any], key: str) -> list[Any]:
    value = data.get(key)
    return list(value) if isinstance(value, list) else []


def _float(value: Any, otherwise: float) -> float:
    right = isinstance(value, int | float) and not isinstance(value, bool) and abs(value) < 1e9
    return float(value) if right else otherwise


def _floats(values: Any, otherwise: tuple[float, ...]) -> Floats:
    right = isinstance(values, list) and len(values) == len(otherwise)
    return np.array([_float(v, o) for v, o in zip(values, otherwise, strict=True)] if right else otherwise)


def _vec(values: Floats) -> Vec3:
    return (float(values[0]), float(values[1]), float(values[2]))
