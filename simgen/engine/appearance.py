"""What bodies look like: the geometry and the materials of each, as they are at an instant."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from simgen.catalog.catalog import Catalog
from simgen.core.assets import Material, ObjectAsset
from simgen.core.errors import UsageError
from simgen.core.mesh import Field, Mesh, MeshSurface
from simgen.core.spec import Body
from simgen.core.vectors import Floats
from simgen.engine.blender import bmesh, bpy
from simgen.engine.materials import SCAN_ROUGHNESS, build_material, is_clear, layered_over
from simgen.engine.shapes import MeshData, new_mesh, rounded_box
from simgen.procedural import models
from simgen.procedural.fields import field_values

BOX_EDGE = 0.03
"""Radius of a box's edges as a share of its thinnest side, at most `BOX_EDGE_M`."""
BOX_EDGE_M = 0.003
OWN = "own"
"""Template of a material that is what the body has anyway, with layers on it."""


class Appearances:
    """Meshes and materials of the bodies of one world; each is built once and kept while the world is shown."""

    def __init__(self, catalog: Catalog) -> None:
        self.catalog = catalog
        self.clear = False
        """Light goes through something."""
        self._meshes: dict[int, tuple[Mesh, Any]] = {}
        self._materials: dict[tuple[int, Any], Any] = {}
        self._own: dict[int, list[Any]] = {}
        self._geometry: dict[int, Any] = {}
        """Of each body, as the spec has it; like `_own`, its materials."""
        self._changed: set[int] = set()

    def build(self, body: Body, thing: Any) -> None:
        """Give a body its geometry and its materials as the spec has them."""
        self._build(body, thing)
        self._own[body.id] = [slot.material for slot in thing.material_slots]
        self._geometry[body.id] = thing.data

    def _build(self, body: Body, thing: Any) -> None:
        if body.model is not None:
            self._build_model(body, thing, models.build(body.model), {})
            return
        if body.shape == "box":
            thing.data = _box_mesh(body)
        asset = self.catalog.object(body.asset) if body.asset else None
        if body.material is not None:
            set_materials(thing, self._built(body, body.material))
        elif asset is None:
            raise UsageError(f"body {body.id} ({body.label}): a {body.shape} needs a material")
        elif asset.materials:
            set_materials(thing, *(self._built(body, m) for m in _asset_materials(asset, thing)))
        else:
            for slot in thing.material_slots:
                _finish_scan(slot.material, SCAN_ROUGHNESS.get(asset.substance, 0.55))
        if body.fields:
            thing.data = thing.data.copy()
            add_fields(thing.data, body.fields)

    def change(self, body: Body, thing: Any, mesh: Mesh | None, materials: Mapping[str, Material]) -> None:
        """The geometry and the materials that change, as they are now; those of the spec where none does."""
        if mesh is None and not materials:
            # In another member of a family it did.
            if body.id in self._changed:
                thing.data = self._geometry[body.id]
                set_materials(thing, *self._own[body.id])
                self._changed.remove(body.id)
            return
        self._changed.add(body.id)
        if body.model is not None:
            self._build_model(body, thing, mesh or models.build(body.model), materials)
            return
        changed = materials[""]
        asset = self.catalog.object(body.asset) if body.asset else None
        if changed.template != OWN:
            set_materials(thing, self._built(body, changed))
        elif asset is not None and asset.materials:
            own = _asset_materials(asset, thing)
            set_materials(thing, *(self._built(body, replace(m, layers=(*m.layers, *changed.layers))) for m in own))
        else:
            set_materials(thing, *(self._over(body, built, changed) for built in self._own[body.id]))

    def _build_model(self, body: Body, thing: Any, mesh: Mesh, changed: Mapping[str, Material]) -> None:
        thing.data = self._mesh(body, mesh)
        table = dict(body.materials) | {slot: material for slot, material in changed.items() if slot}
        rest = changed.get("", body.material)
        wanted = []
        for slot in slots_of(mesh):
            material = changed[""] if "" in changed and not slot else table.get(slot, rest)
            if material is None:
                known = ", ".join(sorted(table)) or "none"
                raise UsageError(f"body {body.id} ({body.label}): no material for its slot {slot!r}; it names {known}")
            wanted.append(self._built(body, material))
        set_materials(thing, *wanted)

    def _mesh(self, body: Body, mesh: Mesh) -> Any:
        kept = self._meshes.get(id(mesh))
        if kept is None:
            built = blender_mesh(mesh)
            add_fields(built, body.fields, mesh)
            # The mesh is kept with it: its number must not go to another one.
            kept = self._meshes[id(mesh)] = (mesh, built)
        return kept[1]

    def _built(self, body: Body, material: Material) -> Any:
        key = (body.id, material)
        if key not in self._materials:
            owner = body.surface or body.asset
            layout: Any = {"box": "metres", "ball": "solid", "model": "solid"}.get(
                body.shape, "metres" if body.surface else "uv"
            )
            self._materials[key] = build_material(
                material,
                (lambda name: self.catalog.map_path(owner, name)) if owner else None,
                coordinates=layout,
                # Two boards of one wood are not cut from the same place.
                offset_m=(0.37 * body.id % 1.0, 0.61 * body.id % 1.0, 0.0),
            )
        self.clear = self.clear or is_clear(material)
        return self._materials[key]

    def _over(self, body: Body, built: Any, changed: Material) -> Any:
        if not changed.layers:
            return built
        key = (body.id, (built.name, changed))
        if key not in self._materials:
            self._materials[key] = layered_over(built, changed.layers)
        return self._materials[key]


def slots_of(mesh: Mesh) -> tuple[str, ...]:
    """The material slots of a mesh, in order."""
    return tuple(dict.fromkeys(surface.slot for surface in mesh.surfaces))


def blender_mesh(mesh: Mesh) -> Any:
    """A Blender mesh with the surfaces' slots, texture coordinates, attributes and sharp edges.

    What surfaces share along a border is joined, so that light runs across it.
    """
    built = bpy.data.meshes.new("model")
    names = slots_of(mesh)
    offsets = np.cumsum([0, *(len(surface.vertices_m) for surface in mesh.surfaces)])
    faces = [np.asarray(surface.faces) + offset for surface, offset in zip(mesh.surfaces, offsets, strict=False)]
    _add_faces(built, mesh.vertices_m, faces)
    slots = [np.full(len(s.faces), names.index(s.slot), np.int32) for s in mesh.surfaces]
    built.polygons.foreach_set("material_index", np.concatenate(slots))
    built.update()
    for name in dict.fromkeys(name for surface in mesh.surfaces for name in surface.attributes):
        given = next(s.attributes[name] for s in mesh.surfaces if name in s.attributes)
        rest = [np.zeros((len(s.vertices_m), *given.shape[1:])) for s in mesh.surfaces]
        values = [s.attributes.get(name, zeros) for s, zeros in zip(mesh.surfaces, rest, strict=True)]
        _add_attribute(built, name, np.concatenate(values))
    if any(surface.uv is not None for surface in mesh.surfaces):
        points = [s.uv if s.uv is not None else np.zeros((len(s.vertices_m), 2)) for s in mesh.surfaces]
        corners = np.empty(len(built.loops), np.int32)
        built.loops.foreach_get("vertex_index", corners)
        layer = built.uv_layers.new(name="UVMap")
        layer.data.foreach_set("uv", np.concatenate(points)[corners].astype(np.float32).ravel())
    if len(names) > 1:
        work = bmesh.new()
        work.from_mesh(built)
        bmesh.ops.remove_doubles(work, verts=work.verts, dist=1e-7)
        work.to_mesh(built)
        work.free()
    built.shade_smooth()
    # One angle for a mesh: the sharpest that a surface asks for.
    sharpest = min(surface.sharp_deg for surface in mesh.surfaces if len(surface.faces))
    if sharpest < 180.0:
        built.set_sharp_from_angle(angle=float(np.radians(sharpest)))
    for _ in names:
        built.materials.append(None)
    return built


def _add_faces(built: Any, vertices_m: Floats, faces: Sequence[NDArray[np.int64]]) -> None:
    """What Blender's `from_pydata` does with lists of lists, with arrays: `faces` are [N, corners], of one surface
    each."""
    sides = np.concatenate([np.full(len(rows), rows.shape[1], np.int32) for rows in faces])
    built.vertices.add(len(vertices_m))
    built.loops.add(int(sides.sum()))
    built.polygons.add(len(sides))
    built.vertices.foreach_set("co", vertices_m.astype(np.float32).ravel())
    built.polygons.foreach_set("loop_start", (np.cumsum(sides) - sides).astype(np.int32))
    built.polygons.foreach_set("vertices", np.concatenate([rows.ravel() for rows in faces]).astype(np.int32))
    built.update(calc_edges=True)


def _add_attribute(built: Any, name: str, values: Floats) -> None:
    if values.ndim == 1:
        built.attributes.new(name, "FLOAT", "POINT").data.foreach_set("value", values.astype(np.float32))
    else:
        layer = built.attributes.new(name, "FLOAT_VECTOR", "POINT")
        layer.data.foreach_set("vector", values.astype(np.float32).ravel())


def add_fields(built: Any, fields: tuple[Field, ...], mesh: Mesh | None = None) -> None:
    """The fields of a body as attributes of its Blender mesh; `mesh` where it is made of one."""
    if not fields:
        return
    if mesh is None or len(mesh.vertices_m) != len(built.vertices):
        mesh = _read_back(built)
    for field in fields:
        _add_attribute(built, field.name, field_values(field, mesh))


def _read_back(built: Any) -> Mesh:
    co = np.empty(3 * len(built.vertices), np.float32)
    built.vertices.foreach_get("co", co)
    built.calc_loop_triangles()
    corners = np.empty(3 * len(built.loop_triangles), np.int32)
    built.loop_triangles.foreach_get("vertices", corners)
    surface = MeshSurface(vertices_m=co.reshape(-1, 3).astype(float), faces=corners.reshape(-1, 3).astype(np.int64))
    return Mesh(surfaces=(surface,))


def set_materials(thing: Any, *materials: Any) -> None:
    """Give an object its own materials, one per slot of its mesh; the last one also fills the slots left over."""
    if not thing.material_slots:
        thing.data.materials.append(materials[0])
    for index, slot in enumerate(thing.material_slots):
        # On the object, not on the mesh: bodies that share a mesh may differ in material.
        slot.link = "OBJECT"
        slot.material = materials[min(index, len(materials) - 1)]


def _asset_materials(asset: ObjectAsset, thing: Any) -> list[Material]:
    """The asset's materials in the order of its mesh's slots."""
    table = dict(asset.materials)
    fallback = asset.materials[0][1]
    return [table.get(_slot_name(material), fallback) for material in thing.data.materials] or [fallback]


def _slot_name(material: Any) -> str:
    """The name as the mesh file has it: a second import of the same name gets .001 appended."""
    name: str = material.name if material is not None else ""
    stem, dot, number = name.rpartition(".")
    return stem if dot and number.isdigit() and len(number) == 3 else name


def _finish_scan(material: Any, roughness: float) -> None:
    """A scan's file has colours only: set what it does not say."""
    shader = next((n for n in material.node_tree.nodes if n.type == "BSDF_PRINCIPLED"), None)
    if shader is not None and not shader.inputs["Roughness"].is_linked:
        shader.inputs["Roughness"].default_value = roughness


def _box_mesh(body: Body) -> Any:
    """A box with rounded edges, shrunk by its scale so that the object's own scale brings it back to size."""
    radius = min(BOX_EDGE * min(body.size_m), BOX_EDGE_M)
    box = rounded_box(body.size_m, radius, 3)
    half = np.asarray(body.size_m) / 2
    # Normals are carried through the object's scale, so they are set in its squeezed axes.
    normals = box.normals * half
    normals = normals / np.linalg.norm(normals, axis=1, keepdims=True)
    return new_mesh("box", MeshData(vertices=box.vertices / half, faces=box.faces, normals=normals, uv=box.uv))
