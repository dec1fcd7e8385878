"""types.Material → Blender shader nodes. A scene names a template and its parameters, never a node graph."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Literal

from simgen.core.assets import Layer, Material, Pattern
from simgen.core.errors import UnknownName
from simgen.core.vectors import Vec3
from simgen.engine.blender import bpy
from simgen.engine.pictures import load_image

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

    def __init__(self, material: Any, *, empty: bool = True) -> None:
        material.use_nodes = True
        self.tree = material.node_tree
        if empty:
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

    def math(self, operation: str, a: Any, b: Any) -> Any:
        """A number computed from two, each a socket or a plain number."""
        node = self.tree.nodes.new("ShaderNodeMath")
        node.operation = operation
        self.set(node.inputs[0], a)
        self.set(node.inputs[1], b)
        return node.outputs["Value"]

    def attribute(self, name: str) -> Any:
        """A colour at every point, as the mesh has it."""
        node = self.tree.nodes.new("ShaderNodeAttribute")
        node.attribute_name = name
        return node.outputs["Color"]

    def noise(self, scale_m: float, *, detail: float = 2.0, stretch: Vec3 = (1.0, 1.0, 1.0), seed: int = 0) -> Any:
        """Smooth noise about 0.5 with features of `scale_m` in the body's own axes."""
        node = self.add("ShaderNodeTexNoise", Vector=self._own(stretch, seed), Scale=0.6 / scale_m, Detail=detail)
        return node.outputs["Fac"]

    def _own(self, stretch: Vec3, seed: int) -> Any:
        """The body's own axes in metres, shortened along those in which a pattern is long; each seed elsewhere."""
        mapping = self.add(
            "ShaderNodeMapping",
            Vector=self.tree.nodes.new("ShaderNodeTexCoord").outputs["Object"],
            Location=tuple(float((seed * step) % 97) * 0.1 for step in (13, 29, 41)),
            Scale=tuple(1.0 / length for length in stretch),
        )
        return mapping.outputs["Vector"]

    def pattern(self, pattern: Pattern) -> Any:
        """A pattern as a number from 0 to 1."""
        if pattern.kind == "cells":
            node = self.add(
                "ShaderNodeTexVoronoi", Vector=self._own(pattern.stretch, pattern.seed), Scale=1.0 / pattern.scale_m
            )
            return node.outputs["Distance"]
        if pattern.kind in ("wood", "stripes"):
            node = self.add(
                "ShaderNodeTexWave",
                Vector=self._own(pattern.stretch, pattern.seed),
                Scale=0.32 / pattern.scale_m,
                Distortion=5.0 if pattern.kind == "wood" else 0.0,
                Detail=2.0,
                Detail_Scale=1.5,
            )
            node.bands_direction = "DIAGONAL" if pattern.kind == "wood" else "Z"
            return node.outputs["Fac"]
        fine = self.noise(pattern.scale_m, detail=4.0, stretch=pattern.stretch, seed=pattern.seed)
        ramp = self.add("ShaderNodeMapRange", Value=fine)
        low, high = (0.42, 0.58) if pattern.kind == "noise" else (0.48, 0.52)
        for name, number in (("From Min", low), ("From Max", high)):
            ramp.inputs[name].default_value = number
        return ramp.outputs["Result"]


def build_material(
    material: Material,
    map_file: MapFile | None,
    *,
    coordinates: Coordinates = "uv",
    rotation_rad: float = 0.0,
    offset_m: Vec3 = (0.0, 0.0, 0.0),
) -> Any:
    """A new Blender material; `map_file` finds the pictures that the material names."""
    if material.template not in TEMPLATES:
        raise UnknownName("material template", material.template, TEMPLATES)
    built = bpy.data.materials.new(material.template)
    nodes = _Nodes(built)
    picture = _Pictures(nodes, material, map_file, coordinates, rotation_rad, offset_m)
    nodes.add("ShaderNodeOutputMaterial", Surface=_layered(nodes, material, picture, None))
    return built


def layered_over(built: Any, layers: Sequence[Layer]) -> Any:
    """A copy of a Blender material with layers on it: for scans, whose file says what they are made of."""
    copy = built.copy()
    nodes = _Nodes(copy, empty=False)
    output = next(node for node in nodes.tree.nodes if node.type == "OUTPUT_MATERIAL" and node.is_active_output)
    shader = output.inputs["Surface"].links[0].from_socket
    for layer in layers:
        picture = _Pictures(nodes, layer.top, None, "solid", 0.0, (0.0, 0.0, 0.0))
        shader = _over(nodes, shader, layer, picture, None)
    nodes.set(output.inputs["Surface"], shader)
    return copy


CLEAR = ("glass", "liquid")
TEMPLATES = (
    *("principled", "metal", "plastic", "rubber", "ceramic", "wood", "stone", "concrete", "fabric", "paper", "wax"),
    *("soft", "skin", "bark", "soil", "frost", "rust", "emission", "leaf", *CLEAR),
)
"""What a material may be called; `glass`, `liquid` and `leaf` have shaders of their own."""


def is_clear(material: Material) -> bool:
    """Light goes through it, so that paths must be longer."""
    return (
        material.template in CLEAR or material.transmission > 0 or any(is_clear(layer.top) for layer in material.layers)
    )


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
        node.image = load_image(self.map_file(name))
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


def _layered(nodes: _Nodes, material: Material, picture: _Pictures, normal: Any) -> Any:
    """The shader of a material with its layers on it, from the inside to the outside."""
    if not material.layers:
        return _bare(nodes, material, picture, normal)
    # Relief at the border of the lowest layer is that of what lies below it too.
    edge = _edge(nodes, material.layers[0], normal)
    shader = _bare(nodes, material, picture, edge)
    for layer in material.layers:
        shader = _over(nodes, shader, layer, picture, normal)
    return shader


def _over(nodes: _Nodes, shader: Any, layer: Layer, picture: _Pictures, normal: Any) -> Any:
    """A shader with one more layer on it."""
    top = _layered(nodes, layer.top, picture, _edge(nodes, layer, normal))
    mix = nodes.add("ShaderNodeMixShader")
    for socket, value in zip(mix.inputs, (_covered(nodes, layer), shader, top), strict=True):
        nodes.set(socket, value)
    return mix.outputs["Shader"]


def _edge(nodes: _Nodes, layer: Layer, normal: Any) -> Any:
    """The normal at the border of a layer that has a thickness."""
    if not layer.thickness_m:
        return normal
    bump = nodes.add("ShaderNodeBump", Height=_covered(nodes, layer), Strength=1.0, Distance=abs(layer.thickness_m))
    bump.invert = layer.thickness_m < 0
    if normal is not None:
        nodes.set(bump.inputs["Normal"], normal)
    return bump.outputs["Normal"]


def _covered(nodes: _Nodes, layer: Layer) -> Any:
    """1 where a layer covers what is below, 0 where not, by its field."""
    field = nodes.add("ShaderNodeAttribute")
    field.attribute_name = layer.field
    value = field.outputs["Fac"]
    if layer.rough:
        stray = nodes.noise(layer.rough_m, detail=3.0)
        value = nodes.math("ADD", value, nodes.math("MULTIPLY", nodes.math("SUBTRACT", stray, 0.5), 2.0 * layer.rough))
    # Nothing at level 0, everything at level 1, whatever the width of the transition.
    low = layer.level * (1.0 + layer.softness + 2 * layer.rough) - layer.softness - layer.rough
    ramp = nodes.add("ShaderNodeMapRange", Value=value)
    ramp.interpolation_type = "SMOOTHSTEP"
    for name, number in (
        ("From Min", low),
        ("From Max", low + layer.softness + 1e-6),
        ("To Min", 1.0),
        ("To Max", 0.0),
    ):
        ramp.inputs[name].default_value = number
    return ramp.outputs["Result"]


def _bare(nodes: _Nodes, material: Material, picture: _Pictures, normal: Any) -> Any:
    """The shader of a material without its layers."""
    clear = material.template in CLEAR
    shader = nodes.add(
        "ShaderNodeBsdfPrincipled",
        Base_Color=(*material.base_color, 1.0),
        Roughness=material.roughness,
        Metallic=1.0 if material.template == "metal" else material.metallic,
        IOR=material.ior,
        Transmission_Weight=1.0 if clear else material.transmission,
        Coat_Weight=material.coat,
        Coat_Roughness=material.coat_roughness,
        Sheen_Weight=material.sheen,
        Subsurface_Weight=material.subsurface,
        Subsurface_Scale=material.subsurface_m,
    )
    color, roughness = None, None
    if material.color_field:
        color = nodes.attribute(material.color_field)
    if material.color_map:
        color = picture.color(material.color_map, data=False)
    if material.roughness_map:
        roughness = picture.color(material.roughness_map, data=True)
    # A tangent-space picture has no meaning on coordinates that come from three sides.
    if material.normal_map and picture.coordinates != "solid":
        normal = nodes.add("ShaderNodeNormalMap", Color=picture.color(material.normal_map, data=True)).outputs["Normal"]
    for pattern in material.patterns:
        height = nodes.pattern(pattern)
        if pattern.amount:
            mix = nodes.add("ShaderNodeMixRGB", Fac=nodes.math("MULTIPLY", height, pattern.amount))
            nodes.set(mix.inputs["Color1"], (*material.base_color, 1.0) if color is None else color)
            nodes.set(mix.inputs["Color2"], (*pattern.color, 1.0))
            color = mix.outputs["Color"]
        if pattern.roughness:
            added = nodes.math("MULTIPLY", height, pattern.roughness)
            roughness = nodes.math("ADD", material.roughness if roughness is None else roughness, added)
        if pattern.bump_m:
            bump = nodes.add("ShaderNodeBump", Height=height, Strength=1.0, Distance=pattern.bump_m)
            if normal is not None:
                nodes.set(bump.inputs["Normal"], normal)
            normal = bump.outputs["Normal"]
    for name, value in (("Base Color", color), ("Roughness", roughness), ("Normal", normal)):
        if value is not None:
            nodes.set(shader.inputs[name], value)
    if any(material.emission):
        _shine(nodes, shader, material)
    # An object's own glass, too, which goes by another name.
    if clear or material.transmission > 0.5:
        return _pale_shadow(nodes, shader, material)
    if material.template == "leaf":
        return _thin(nodes, shader, material, color)
    return shader.outputs["BSDF"]


def _shine(nodes: _Nodes, shader: Any, material: Material) -> None:
    peak = max(material.emission)
    hue = (*(value / peak for value in material.emission), 1.0)
    if material.emission_field:
        mix = nodes.add("ShaderNodeMixRGB", Fac=1.0, Color1=nodes.attribute(material.emission_field))
        mix.blend_type = "MULTIPLY"
        nodes.set(mix.inputs["Color2"], hue)
        nodes.set(shader.inputs["Emission Color"], mix.outputs["Color"])
    else:
        shader.inputs["Emission Color"].default_value = hue
    shader.inputs["Emission Strength"].default_value = peak


def _thin(nodes: _Nodes, shader: Any, material: Material, color: Any) -> Any:
    """A third of the light goes through a leaf and is spread."""
    through = nodes.add("ShaderNodeBsdfTranslucent", Color=(*material.base_color, 1.0) if color is None else color)
    mix = nodes.add("ShaderNodeMixShader")
    for socket, value in zip(mix.inputs, (0.35, shader.outputs["BSDF"], through.outputs["BSDF"]), strict=True):
        nodes.set(socket, value)
    return mix.outputs["Shader"]


def _pale_shadow(nodes: _Nodes, glass: Any, material: Material) -> Any:
    """Refracting glass whose shadow is a pale one: caustics would need a hundred times the samples."""
    through = nodes.add("ShaderNodeBsdfTransparent", Color=(*(0.94 * c for c in material.base_color), 1.0))
    path = nodes.add("ShaderNodeLightPath")
    indirect = nodes.math("MAXIMUM", path.outputs["Is Shadow Ray"], path.outputs["Is Diffuse Ray"])
    mix = nodes.add("ShaderNodeMixShader")
    for socket, value in zip(mix.inputs, (indirect, glass.outputs["BSDF"], through.outputs["BSDF"]), strict=True):
        nodes.set(socket, value)
    return mix.outputs["Shader"]


def emission(color: Vec3, strength: float = 1.0) -> Any:
    """A material that only shines."""
    built = bpy.data.materials.new("emission")
    nodes = _Nodes(built)
    shine = nodes.add("ShaderNodeEmission", Color=(*color, 1.0), Strength=strength)
    nodes.add("ShaderNodeOutputMaterial", Surface=shine.outputs["Emission"])
    return built
