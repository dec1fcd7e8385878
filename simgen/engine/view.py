"""A Kubric scene in Blender: its assets, lights and camera. Kubric's own view fails on Blender 4.5 in five places and
is silently wrong in two."""

from collections.abc import Callable
from functools import singledispatchmethod
from pathlib import Path
from typing import Any

import numpy as np

from simgen.core.errors import UnknownName, UsageError
from simgen.core.spec import STAGE_ID
from simgen.engine.appearance import blender_mesh, set_materials
from simgen.engine.blender import bmesh, bpy
from simgen.engine.environment import SAMPLING_WIDTH, world_nodes
from simgen.engine.kubric_import import kb
from simgen.engine.pass_reader import quiet
from simgen.engine.pictures import check_image
from simgen.engine.shapes import new_mesh, rounded_box
from simgen.engine.world import Generated, ScaledFiles

SMOOTH_BELOW_RAD = np.radians(40.0)
"""Edges of a mesh without normals are smooth up to this angle between their faces."""


class CyclesView(kb.core.View):  # type: ignore[misc]
    """Shows a Kubric scene in the current, empty Blender scene.

    Instance ids are the assets' `segmentation_id`; where that is not set, 0 for background assets and 1, 2, …
    for the others in the order in which they were added.
    """

    def __init__(self, scene: Any) -> None:
        self.blender = bpy.context.scene
        self.blender.world = bpy.data.worlds.new("world")
        self.blender.world.cycles.sampling_method = "MANUAL"
        self.blender.world.cycles.sample_map_resolution = SAMPLING_WIDTH
        self.nodes = world_nodes(self.blender.world)
        self.meshes: dict[str, Any] = {}
        self.num_foreground = 0
        super().__init__(
            scene,
            scene_observers={
                "camera": [self._set_camera],
                "ambient_illumination": [lambda change: _set_color(self.nodes.ambient, change.new)],
                "background": [lambda change: _set_color(self.nodes.background, change.new)],
            },
        )

    @singledispatchmethod
    def add_asset(self, asset: Any) -> Any:
        raise UnknownName("kind of Kubric asset that can be rendered", type(asset).__name__, _RENDERED)

    def remove_asset(self, asset: Any) -> None:
        thing = asset.linked_objects.get(self)
        if isinstance(thing, bpy.types.Object):
            bpy.data.objects.remove(thing, do_unlink=True)
        elif isinstance(thing, bpy.types.Material):
            bpy.data.materials.remove(thing, do_unlink=True)

    @add_asset.register
    def _(self, asset: kb.FileBasedObject) -> Any:
        name = asset.render_filename
        if name not in self.meshes:
            self.meshes[name] = import_mesh(Path(name))
        return self._physical(asset, self.meshes[name])

    @add_asset.register
    def _(self, asset: ScaledFiles) -> Any:
        name = f"{asset.render_filename} x {asset.file_scale!r}"
        if name not in self.meshes:
            self.meshes[name] = _scaled(import_mesh(Path(asset.render_filename)), asset.file_scale)
        return self._physical(asset, self.meshes[name])

    @add_asset.register
    def _(self, asset: kb.Cube) -> Any:
        return self._physical(asset, new_mesh("cube", rounded_box((2.0, 2.0, 2.0), 0.0, 0)))

    @add_asset.register
    def _(self, asset: kb.Sphere) -> Any:
        if "sphere" not in self.meshes:
            self.meshes["sphere"] = _sphere_mesh()
        return self._physical(asset, self.meshes["sphere"])

    @add_asset.register
    def _(self, asset: Generated) -> Any:
        return self._physical(asset, blender_mesh(asset.mesh))

    @add_asset.register
    def _(self, asset: kb.DirectionalLight) -> Any:
        def soften(lamp: Any, angle_rad: float) -> None:
            lamp.angle = angle_rad

        return self._light(asset, "SUN", shadow_softness=soften)

    @add_asset.register
    def _(self, asset: kb.RectAreaLight) -> Any:
        thing = self._light(asset, "AREA", width=_setter("size"), height=_setter("size_y"))
        thing.data.shape = "RECTANGLE"
        return thing

    @add_asset.register
    def _(self, asset: kb.PointLight) -> Any:
        return self._light(asset, "POINT")

    @add_asset.register
    def _(self, asset: kb.PerspectiveCamera) -> Any:
        lens = bpy.data.cameras.new(asset.uid)
        lens.sensor_fit = "HORIZONTAL"
        thing = self._link(asset, lens)
        for trait, attribute in (
            ("focal_length", "lens"),
            ("sensor_width", "sensor_width"),
            ("min_render_distance", "clip_start"),
            ("max_render_distance", "clip_end"),
            ("shift_x", "shift_x"),
            ("shift_y", "shift_y"),
        ):
            _follow(asset, trait, lens, _setter(attribute))
        return thing

    @add_asset.register
    def _(self, asset: kb.PrincipledBSDFMaterial) -> Any:
        material = bpy.data.materials.new(asset.uid)
        material.use_nodes = True
        shader = material.node_tree.nodes["Principled BSDF"]
        shader.inputs["Emission Strength"].default_value = 1.0
        # Blender 4 renamed the sockets; `transmission_roughness` is no more.
        for trait, socket in (
            ("color", "Base Color"),
            ("metallic", "Metallic"),
            ("specular", "Specular IOR Level"),
            ("roughness", "Roughness"),
            ("ior", "IOR"),
            ("transmission", "Transmission Weight"),
            ("emission", "Emission Color"),
        ):
            _follow(asset, trait, shader.inputs[socket], _setter("default_value"))
        return material

    def _physical(self, asset: Any, mesh: Any) -> Any:
        thing = self._link(asset, mesh)
        if asset.segmentation_id is None and not asset.background:
            self.num_foreground += 1
            thing.pass_index = self.num_foreground
        else:
            thing.pass_index = asset.segmentation_id or STAGE_ID
        _follow(asset, "scale", thing, _setter("scale"))
        _follow(asset, "material", thing, self._set_material)
        return thing

    def _light(self, asset: Any, kind: str, **setters: Callable[[Any, Any], None]) -> Any:
        lamp = bpy.data.lights.new(asset.uid, kind)
        for trait, setter in {"color": _setter("color"), "intensity": _setter("energy"), **setters}.items():
            _follow(asset, trait, lamp, setter)
        thing = self._link(asset, lamp)
        # A lamp lights the picture and is not in it.
        thing.visible_camera = False
        return thing

    def _link(self, asset: Any, data: Any) -> Any:
        thing = bpy.data.objects.new(asset.uid, data)
        thing.rotation_mode = "QUATERNION"
        self.blender.collection.objects.link(thing)
        _follow(asset, "position", thing, _setter("location"))
        _follow(asset, "quaternion", thing, _setter("rotation_quaternion"))
        return thing

    def _set_material(self, thing: Any, material: Any) -> None:
        if self in material.linked_objects:
            set_materials(thing, material.linked_objects[self])

    def _set_camera(self, change: Any) -> None:
        if self in change.new.linked_objects:
            self.blender.camera = change.new.linked_objects[self]


_RENDERED = ("FileBasedObject", "Cube", "Sphere", "Generated", "DirectionalLight", "RectAreaLight", "PointLight")


def _follow(asset: Any, trait: str, target: Any, setter: Callable[[Any, Any], None]) -> None:
    asset.observe(lambda change: setter(target, change.new), trait)


def _setter(attribute: str) -> Callable[[Any, Any], None]:
    return lambda target, value: setattr(target, attribute, value)


def _set_color(node: Any, color: Any) -> None:
    node.inputs["Color"].default_value = color


def import_mesh(path: Path) -> Any:
    """The mesh of a file in the file's own axes, smooth where it has no normals, with the materials it names."""
    before, pictures = set(bpy.data.objects), set(bpy.data.images)
    with quiet():
        if path.suffix == ".obj":
            # Identity axes: raw coordinates are those of the URDF.
            bpy.ops.wm.obj_import(filepath=str(path), forward_axis="Y", up_axis="Z", use_split_objects=False)
        elif path.suffix == ".ply":
            bpy.ops.wm.ply_import(filepath=str(path), forward_axis="Y", up_axis="Z")
        elif path.suffix in (".glb", ".gltf"):
            bpy.ops.import_scene.gltf(filepath=str(path))
        else:
            raise UsageError(f"{path}: {path.suffix!r} is not a mesh that can be rendered; use .obj, .ply or .glb")
    for image in set(bpy.data.images) - pictures:
        check_image(image, path)
    things = [thing for thing in bpy.data.objects if thing not in before]
    meshes = [thing for thing in things if thing.type == "MESH"]
    if len(meshes) != 1:
        raise UsageError(f"{path}: holds {len(meshes)} meshes; one is needed")
    mesh = meshes[0].data
    if not mesh.has_custom_normals:
        _smooth(mesh)
    for thing in things:
        bpy.data.objects.remove(thing)
    return mesh


def _scaled(mesh: Any, scale: float) -> Any:
    points = np.empty(3 * len(mesh.vertices), dtype=np.float32)
    mesh.vertices.foreach_get("co", points)
    mesh.vertices.foreach_set("co", points * np.float32(scale))
    mesh.update()
    return mesh


def _smooth(mesh: Any) -> None:
    """Join what scans cut along the seams of their texture, so that normals run across."""
    work = bmesh.new()
    work.from_mesh(mesh)
    bmesh.ops.remove_doubles(work, verts=work.verts, dist=1e-6)
    work.to_mesh(mesh)
    work.free()
    mesh.shade_smooth()
    mesh.set_sharp_from_angle(angle=SMOOTH_BELOW_RAD)


def _sphere_mesh() -> Any:
    """A ball of radius 1."""
    work = bmesh.new()
    bmesh.ops.create_icosphere(work, subdivisions=5, radius=1.0)
    mesh = bpy.data.meshes.new("sphere")
    work.to_mesh(mesh)
    work.free()
    mesh.shade_smooth()
    mesh.normals_split_custom_set_from_vertices([tuple(v.co) for v in mesh.vertices])
    return mesh
