"""types.Material → Blender shader nodes. A scene names a template and its parameters, never a node graph."""

from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal

from simgen.engine.blender import bpy
from simgen.errors import UnknownName
from simgen.types import Material, Vec3

Coordinates = Literal["uv", "metres", "solid"]
"""`uv`: the mesh's own, 0 to 1. `metres`: the mesh's, in metres, repeated every `tile_m`. `solid`: from three sides of
the body's own axes, for shapes that have no good UVs."""

MapFile = Callable[[str], Path]

SCAN_ROUGHNESS = {
    "ceramic": 0.28,
    "glass": 0.2,
    "metal": 0.38,
    "plastic": 0.45,
    "wood": 0.6,
    "stone": 0.65,
    "rubber": 0.65,
    "paper": 0.6,
    "wax": 0.5,
    "soap": 0.5,
    "leather": 0.55,
    "foam": 0.85,
    "fabric": 0.9,
    "concrete": 0.85,
}
"""How rough a scanned object is that says nothing about it: its texture holds colours only."""


class _Nodes:
    """A shader's node tree under construction."""

    def __init__(self, material: Any) -> None:
        material.use_nodes = True
        self.tree = material.node_tree
        self.tree.nodes.clear()

    def add(self, kind: str, **inputs: Any) -> Any:
        """A node; a keyword sets the input of that name (underscores for spaces), linked if it is a socket."""
        node = self.tree.nodes.new(kind)
        for name, value in inputs.items():
            self.set(node.inputs[name.replace("_", " ")], value)
        return node

    def set(self, socket: Any, value: Any) -> None:
        if isinstance(value, bpy.types.NodeSocket):
            self.tree.links.new(value, socket)
        else:
            socket.default_value = value


def build_material(
    material: Material,
    map_file: MapFile | None,
    *,
    coordinates: Coordinates = "uv",
    rotation_rad: float = 0.0,
    offset_m: Vec3 = (0.0, 0.0, 0.0),
) -> Any:
    """A new Blender material; `map_file` finds the pictures that the material names."""
    templates = {"principled": _principled, "metal": _principled, "glass": _glass}
    if material.template not in templates:
        raise UnknownName("material template", material.template, templates)
    built = bpy.data.materials.new(material.template)
    nodes = _Nodes(built)
    picture = _Pictures(nodes, material, map_file, coordinates, rotation_rad, offset_m)
    shader = templates[material.template](nodes, material, picture)
    nodes.add("ShaderNodeOutputMaterial", Surface=shader)
    return built


def is_clear(material: Material) -> bool:
    """Light goes through it, so that paths must be longer."""
    return material.template == "glass" or material.transmission > 0


class _Pictures:
    """The maps of one material, all laid out the same way."""

    def __init__(
        self,
        nodes: _Nodes,
        material: Material,
        map_file: MapFile | None,
        coordinates: Coordinates,
        rotation_rad: float,
        offset_m: Vec3,
    ) -> None:
        self.nodes = nodes
        self.map_file = map_file
        self.coordinates = coordinates
        self.vector: Any = None
        self.rotation_rad = rotation_rad
        self.offset_m = offset_m
        self.repeat = 1.0 / material.tile_m if coordinates != "uv" else 1.0

    def color(self, name: str, *, data: bool) -> Any:
        """The colour output of a picture; `data` for what is not a colour."""
        assert self.map_file is not None, f"material names the map {name!r} but has no folder to find it in"
        node = self.nodes.add("ShaderNodeTexImage", Vector=self._coordinates())
        node.image = bpy.data.images.load(str(self.map_file(name)), check_existing=True)
        node.image.colorspace_settings.name = "Non-Color" if data else "sRGB"
        if self.coordinates == "solid":
            node.projection = "BOX"
            node.projection_blend = 0.25
        return node.outputs["Color"]

    def _coordinates(self) -> Any:
        if self.vector is None:
            source = self.nodes.add("ShaderNodeTexCoord")
            self.vector = source.outputs["Object" if self.coordinates == "solid" else "UV"]
            if self.coordinates != "uv":
                mapping = self.nodes.add("ShaderNodeMapping", Vector=self.vector)
                # Of a TEXTURE mapping the vector is moved, turned back and divided: the picture itself turns by +angle.
                mapping.vector_type = "TEXTURE"
                mapping.inputs["Location"].default_value = self.offset_m
                mapping.inputs["Rotation"].default_value = (0.0, 0.0, self.rotation_rad)
                mapping.inputs["Scale"].default_value = (1 / self.repeat,) * 3
                self.vector = mapping.outputs["Vector"]
        return self.vector


def _principled(nodes: _Nodes, material: Material, picture: _Pictures) -> Any:
    metal = material.template == "metal"
    shader = nodes.add(
        "ShaderNodeBsdfPrincipled",
        Base_Color=(*material.base_color, 1.0),
        Roughness=material.roughness,
        Metallic=1.0 if metal else material.metallic,
        IOR=material.ior,
        Transmission_Weight=material.transmission,
        Coat_Weight=material.coat,
        Coat_Roughness=0.08,
        Subsurface_Weight=material.subsurface,
        Subsurface_Scale=0.01,
    )
    if material.color_map:
        nodes.set(shader.inputs["Base Color"], picture.color(material.color_map, data=False))
    _relief(nodes, shader, material, picture)
    return shader.outputs["BSDF"]


def _glass(nodes: _Nodes, material: Material, picture: _Pictures) -> Any:
    """Refracting glass whose shadow is a pale one: caustics would need a hundred times the samples."""
    glass = nodes.add(
        "ShaderNodeBsdfPrincipled",
        Base_Color=(*material.base_color, 1.0),
        Roughness=material.roughness,
        IOR=material.ior,
        Transmission_Weight=1.0,
    )
    if material.color_map:
        nodes.set(glass.inputs["Base Color"], picture.color(material.color_map, data=False))
    _relief(nodes, glass, material, picture)
    through = nodes.add("ShaderNodeBsdfTransparent", Color=(*(0.94 * c for c in material.base_color), 1.0))
    path = nodes.add("ShaderNodeLightPath")
    indirect = nodes.add("ShaderNodeMath")
    indirect.operation = "MAXIMUM"
    nodes.set(indirect.inputs[0], path.outputs["Is Shadow Ray"])
    nodes.set(indirect.inputs[1], path.outputs["Is Diffuse Ray"])
    mix = nodes.add("ShaderNodeMixShader")
    nodes.set(mix.inputs[0], indirect.outputs["Value"])
    nodes.set(mix.inputs[1], glass.outputs["BSDF"])
    nodes.set(mix.inputs[2], through.outputs["BSDF"])
    return mix.outputs["Shader"]


def _relief(nodes: _Nodes, shader: Any, material: Material, picture: _Pictures) -> None:
    if material.roughness_map:
        nodes.set(shader.inputs["Roughness"], picture.color(material.roughness_map, data=True))
    # A tangent-space picture has no meaning on coordinates that come from three sides.
    if material.normal_map and picture.coordinates != "solid":
        bump = nodes.add("ShaderNodeNormalMap", Color=picture.color(material.normal_map, data=True))
        nodes.set(shader.inputs["Normal"], bump.outputs["Normal"])


def emission(color: Vec3, strength: float = 1.0) -> Any:
    """A material that only shines."""
    built = bpy.data.materials.new("emission")
    nodes = _Nodes(built)
    shine = nodes.add("ShaderNodeEmission", Color=(*color, 1.0), Strength=strength)
    nodes.add("ShaderNodeOutputMaterial", Surface=shine.outputs["Emission"])
    return built
