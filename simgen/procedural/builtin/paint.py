"""Material of a slot as the catalogue states it → a `Material` with its maps as image files."""

import dataclasses
from collections.abc import Mapping
from typing import Any

import cv2
import numpy as np

from simgen.core.assets import Material
from simgen.core.errors import AssetError, UnknownName
from simgen.core.geometry import vec3
from simgen.core.vectors import Floats, Vec3
from simgen.procedural.builtin.mesh import BuiltShape, GridPatch, Shell
from simgen.procedural.builtin.noise import linear, normal_map, rgb
from simgen.procedural.builtin.patterns import PATTERNS, Cell

PAD_PX = 4
"""Texels painted beyond the edge of a box's face, so that no neighbour shines through at the seam."""

JPEG_QUALITY = 92


def arranged(model: BuiltShape, sizes_px: Mapping[str, tuple[int, int]]) -> BuiltShape:
    """The model with the texture of every painted slot shared out among the box faces that carry it."""
    faces: dict[str, list[GridPatch]] = {}
    for patch in _patches(model):
        if patch.face:
            faces.setdefault(patch.slot, []).append(patch)

    def place(patch: GridPatch) -> GridPatch:
        mates = faces.get(patch.slot, [])
        if patch.slot not in sizes_px or len(mates) < 2 or not patch.face:
            return patch
        columns = int(np.ceil(np.sqrt(len(mates))))
        rows = -(-len(mates) // columns)
        number = next(k for k, mate in enumerate(mates) if mate is patch)
        column, row = number % columns, number // columns
        pad_u, pad_v = (PAD_PX / size for size in sizes_px[patch.slot])
        return dataclasses.replace(
            patch,
            cell=(
                column / columns + pad_u,
                row / rows + pad_v,
                (column + 1) / columns - pad_u,
                (row + 1) / rows - pad_v,
            ),
        )

    shells = [
        Shell(
            patches=tuple(place(patch) for patch in shell.patches),
            density_kgpm3=shell.density_kgpm3,
            void=shell.void,
        )
        for shell in model.shells
    ]
    return dataclasses.replace(model, shells=tuple(shells))


def _patches(model: BuiltShape) -> list[GridPatch]:
    return [patch for shell in model.shells if not shell.void for patch in shell.patches]


def texture_size(values: Mapping[str, Any]) -> tuple[int, int] | None:
    """Width and height of a slot's maps, None for a plain colour."""
    if "paint" not in values:
        return None
    width, height = values["paint"].get("size_px", (512, 512))
    return int(width), int(height)


def painted(
    model: BuiltShape, slot: str, values: Mapping[str, Any], rng: np.random.Generator, where: str
) -> tuple[Material, dict[str, bytes]]:
    """The material of one slot and its files; a `Material` field may be a number, and a colour `#rrggbb`."""
    fields = {field.name for field in dataclasses.fields(Material)}
    for name in values:
        if name not in fields | {"paint"}:
            raise UnknownName("field", name, fields | {"paint"}, where=where)
    plain = {name: value for name, value in values.items() if name != "paint"}
    if "base_color" in plain:
        plain["base_color"] = vec3(np.round(linear(rgb(plain["base_color"])), 4))
    size = texture_size(values)
    if size is None:
        return Material(**plain), {}

    parameters = {name: value for name, value in values["paint"].items() if name not in ("pattern", "size_px")}
    pattern = values["paint"].get("pattern", "")
    if pattern not in PATTERNS:
        raise UnknownName("pattern", pattern, PATTERNS, where=where)
    color = np.zeros((size[1], size[0], 3))
    rough, normal = np.zeros(size[::-1]), np.full((*size[::-1], 3), [0.5, 0.5, 1.0])
    varied, raised = False, False
    for patch in (p for p in _patches(model) if p.slot == slot):
        rows, columns, cell = _texels(patch, size)
        try:
            picture = PATTERNS[pattern](cell, rng, **parameters)
        except TypeError as error:
            raise AssetError(f"{where}: pattern {pattern!r}: {error}") from error
        color[rows, columns] = picture.color
        rough[rows, columns] = picture.roughness
        varied |= not isinstance(picture.roughness, float)
        if picture.height_m is not None:
            step = (cell.size_m[1] / cell.u.shape[0], cell.size_m[0] / cell.u.shape[1])
            normal[rows, columns] = normal_map(picture.height_m, step)
            raised = True
    maps = {"color_map": encoded(color)}
    plain.setdefault("base_color", mean_color(color))
    plain.setdefault("roughness", round(float(rough.mean()), 3))
    if varied:
        maps["roughness_map"] = encoded(rough)
    if raised:
        maps["normal_map"] = encoded(normal)
    names = {name: f"{slot}_{name.removesuffix('_map')}.jpg" for name in maps}
    return Material(**(plain | names)), {names[name]: data for name, data in maps.items()}


def mean_color(color: Floats) -> Vec3:
    """Linear mean of an sRGB image, from every eighth texel: for whoever cannot show the map."""
    return vec3(np.round(linear(np.clip(color[::8, ::8], 0, 1)).mean(axis=(0, 1)), 4))


def _texels(patch: GridPatch, size: tuple[int, int]) -> tuple[slice, slice, Cell]:
    """Rows and columns of the image that a patch fills, padding included, and where those texels lie."""
    u0, v0, u1, v1 = patch.cell
    padded = patch.cell != (0.0, 0.0, 1.0, 1.0)
    pad = PAD_PX if padded else 0
    left, right = round(u0 * size[0]) - pad, round(u1 * size[0]) + pad
    bottom, top = round(v0 * size[1]) - pad, round(v1 * size[1]) + pad
    left, bottom, right, top = max(left, 0), max(bottom, 0), min(right, size[0]), min(top, size[1])
    u = ((np.arange(left, right) + 0.5) / size[0] - u0) / (u1 - u0)
    v = ((np.arange(bottom, top) + 0.5) / size[1] - v0) / (v1 - v0)
    along, across = patch.shares
    points = _between(_between(patch.points, along, u).swapaxes(0, 1), across, v)
    cell = Cell(
        face=patch.face,
        points=points[::-1],
        u=np.broadcast_to(u, (len(v), len(u))),
        v=np.broadcast_to(v[::-1, None], (len(v), len(u))),
        size_m=patch.size_m,
    )
    return slice(size[1] - top, size[1] - bottom), slice(left, right), cell


def _between(points: Floats, shares: Floats, at: Floats) -> Floats:
    """Points [N, …] along the first axis at other shares of the way, held at both ends."""
    at = np.clip(at, 0.0, 1.0)
    low = np.clip(np.searchsorted(shares, at, side="right") - 1, 0, len(shares) - 2)
    t = ((at - shares[low]) / np.maximum(shares[low + 1] - shares[low], 1e-12))[:, None, None]
    result: Floats = points[low] * (1 - t) + points[low + 1] * t
    return result


def encoded(values: Floats) -> bytes:
    """A JPEG of shares [H, W] or [H, W, 3], at full colour resolution: halved it would blur prints and normals."""
    levels = np.clip(np.round(values * 255), 0, 255).astype(np.uint8)
    if levels.ndim == 3:
        levels = levels[..., ::-1]
    settings = [
        cv2.IMWRITE_JPEG_QUALITY,
        JPEG_QUALITY,
        cv2.IMWRITE_JPEG_SAMPLING_FACTOR,
        cv2.IMWRITE_JPEG_SAMPLING_FACTOR_444,
    ]
    done, data = cv2.imencode(".jpg", np.ascontiguousarray(levels), settings)
    assert done, "a map of bytes can be encoded"
    return data.tobytes()
