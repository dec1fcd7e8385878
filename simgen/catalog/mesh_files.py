"""OBJ, URDF and environment files as far as simgen must know them: plain numpy, no mesh library."""

import itertools
import math
import xml.etree.ElementTree as ElementTree
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from simgen.core.errors import AssetError, inline, shown
from simgen.core.vectors import Floats, Vec3

MAX_OBJ_BYTES = 256 << 20
"""Of an OBJ file: some eight million points, ten times the largest scan that is known."""
MAX_URDF_BYTES = 1 << 20


@dataclass(frozen=True, slots=True, kw_only=True)
class ObjFile:
    """An OBJ file: its points, and for every object or group of it the points that its faces use."""

    vertices: Floats
    """[N, 3]"""
    groups: tuple[NDArray[np.int64], ...]
    """Triangles [M, 3] of each group that has faces."""


def read_obj(path: Path) -> ObjFile:
    """Read the geometry of an OBJ file; an AssetError where it is empty or holds a number that is none."""
    try:
        lines = _bytes(path, MAX_OBJ_BYTES).split(b"\n")
    except OSError as error:
        raise AssetError(f"{path}: cannot be read: {error.strerror}") from error
    points: list[list[bytes]] = []
    groups: list[list[list[int]]] = [[]]
    try:
        for line in lines:
            if line.startswith(b"v "):
                points.append(line.split()[1:4])
            elif line.startswith(b"f "):
                corners = [int(corner.split(b"/", 1)[0]) for corner in line.split()[1:]]
                if len(corners) < 3 or 0 in corners:
                    raise ValueError(f"a face of {len(corners)} corners, or of point 0")
                # Negative indices count back from the latest point.
                corners = [c - 1 if c > 0 else len(points) + c for c in corners]
                groups[-1].extend([corners[0], b, c] for b, c in itertools.pairwise(corners[1:]))
            elif line.startswith((b"o ", b"g ")) and groups[-1]:
                groups.append([])
        if any(len(point) != 3 for point in points):
            raise ValueError("a point of fewer than three numbers")
        vertices = np.array(points, dtype=np.float64).reshape(-1, 3)
        triangles = tuple(np.array(group, dtype=np.int64) for group in groups if group)
    except (ValueError, OverflowError) as error:
        raise AssetError(f"{path}: not a readable OBJ mesh ({inline(error)})") from error
    if not len(vertices) or not triangles:
        raise AssetError(f"{path}: the mesh is empty ({len(vertices)} points, {sum(map(len, triangles))} faces)")
    if not np.isfinite(vertices).all():
        bad = int((~np.isfinite(vertices)).any(axis=1).sum())
        raise AssetError(f"{path}: {bad} of {len(vertices)} points are not finite numbers; repair the mesh")
    if min(int(t.min()) for t in triangles) < 0 or max(int(t.max()) for t in triangles) >= len(vertices):
        raise AssetError(f"{path}: a face names a point that is not there")
    return ObjFile(vertices=vertices, groups=triangles)


@dataclass(frozen=True, slots=True, kw_only=True)
class Urdf:
    """What a one-link URDF says of a body's collision shape and mass."""

    collision: Path | None
    """The mesh of convex parts; None where the shape is a sphere."""
    scale: Vec3
    offset_m: Vec3
    radius_m: float
    """Of the sphere."""
    mass_kg: float


def read_urdf(path: Path) -> Urdf:
    """Read a URDF with one link and one collision shape, a mesh or a sphere."""
    root = parse_urdf(path)
    links, collisions = root.findall("link"), root.findall("link/collision")
    if len(links) != 1 or len(collisions) != 1:
        raise AssetError(
            f"{path}: {len(links)} links with {len(collisions)} collision elements; a rigid asset has one of each"
        )
    mesh, sphere = collisions[0].find("geometry/mesh"), collisions[0].find("geometry/sphere")
    filename = mesh.get("filename", "") if mesh is not None else ""
    if sphere is None and (not filename or ".." in filename.split("/") or filename.startswith("/") or "\0" in filename):
        raise AssetError(f"{path}: the collision geometry must be a sphere or a mesh file beside the URDF")
    if any(abs(angle) > 1e-6 for angle in _numbers(path, _attribute(collisions[0], "origin", "rpy", "0 0 0"))):
        raise AssetError(f"{path}: the collision shape is turned against the link; write it in the link's own axes")
    scale = _numbers(path, _attribute(collisions[0], "geometry/mesh", "scale", "1 1 1"))
    radius_m = _numbers(path, _attribute(collisions[0], "geometry/sphere", "radius", "0") + " 0 0")[0]
    if not all(scale) or (sphere is not None and radius_m <= 0):
        raise AssetError(f"{path}: the collision shape has no extent; give it a scale, or a radius, above 0")
    return Urdf(
        collision=path.parent / filename if sphere is None else None,
        scale=scale,
        offset_m=_numbers(path, _attribute(collisions[0], "origin", "xyz", "0 0 0")),
        radius_m=radius_m,
        mass_kg=_numbers(path, _attribute(links[0], "inertial/mass", "value", "0") + " 0 0")[0],
    )


class _NoDoctype(ElementTree.TreeBuilder):
    """XML without a document type: what that declares can expand without end, or name other files."""

    def doctype(self, name: str, pubid: str | None, system: str | None) -> None:
        raise ValueError("it declares a document type")


def parse_urdf(path: Path) -> ElementTree.Element:
    """The XML of a URDF; an AssetError where it is none, or none that a stranger should be trusted with."""
    try:
        parser = ElementTree.XMLParser(target=_NoDoctype())
        return ElementTree.fromstring(_bytes(path, MAX_URDF_BYTES), parser=parser)
    except OSError as error:
        raise AssetError(f"{path}: the URDF cannot be read: {error.strerror}") from error
    except (ElementTree.ParseError, ValueError, LookupError) as error:
        raise AssetError(f"{path}: the URDF is not XML ({inline(error)})") from error


def read_parts(urdf: Urdf) -> tuple[Floats, ...]:
    """The convex parts of a collision shape in the body's axes, in metres."""
    offset = np.array(urdf.offset_m)
    if urdf.collision is None:
        return (urdf.radius_m * _sphere_points() + offset,)
    mesh = read_obj(urdf.collision)
    points = mesh.vertices * np.array(urdf.scale) + offset
    return tuple(points[np.unique(group)] for group in mesh.groups)


def check_environment(path: Path) -> None:
    """An AssetError where a file is not a Radiance or OpenEXR picture."""
    try:
        with path.open("rb") as stream:
            head = stream.read(16)
    except OSError as error:
        raise AssetError(f"{path}: the environment map cannot be read: {error.strerror}") from error
    if not head.startswith((b"#?RADIANCE", b"#?RGBE", b"\x76\x2f\x31\x01")):
        raise AssetError(f"{path}: not a Radiance HDR or OpenEXR picture")


def _bytes(path: Path, most: int) -> bytes:
    with path.open("rb") as file:
        data = file.read(most + 1)
    if len(data) > most:
        raise AssetError(f"{path}: has more than {most >> 20} MiB, which no asset needs; make it smaller")
    return data


def _sphere_points(count: int = 2000) -> Floats:
    """Points spread evenly over the unit sphere, its six poles among them."""
    k = np.arange(count)
    z = 1 - 2 * (k + 0.5) / count
    angle = np.pi * (3.0 - np.sqrt(5.0)) * k
    ring = np.sqrt(1 - z**2)
    spiral = np.stack([ring * np.cos(angle), ring * np.sin(angle), z], axis=1)
    return np.concatenate([spiral, np.eye(3), -np.eye(3)])


def _attribute(element: ElementTree.Element, path: str, name: str, otherwise: str) -> str:
    found = element.find(path)
    return otherwise if found is None else found.get(name, otherwise)


def _numbers(path: Path, text: str) -> Vec3:
    try:
        x, y, z = (float(word) for word in text.split())
    except ValueError:
        raise AssetError(f"{path}: expected three numbers, got {shown(text)}") from None
    if not all(map(math.isfinite, (x, y, z))):
        raise AssetError(f"{path}: expected finite numbers, got {shown(text)}")
    return (x, y, z)
