"""What bodies stand on and what is seen behind them: table, floor with walls, sweep, dome, and the light all around.

Everything here has instance id 0. Walls and backdrops are there to be seen and let the light of lamps, sun and
environment map through: a wall that happened to stand before the sun would leave the scene in the dark.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from simgen.catalog.catalog import Catalog
from simgen.core.assets import Material
from simgen.core.colour import LUMINANCE
from simgen.core.geometry import direction, vec3
from simgen.core.spec import STAGE_ID, Camera, Environment, Light, SceneSpec, Stage
from simgen.core.vectors import Floats, Vec3
from simgen.engine.blender import bpy
from simgen.engine.materials import build_material, emission

TABLE_THICKNESS_M = 0.035
TABLE_EDGE_M = 0.006
FLOOR_REACH_M = 14.0
"""How far a floor goes on: beyond every wall."""
FLOOR_DIP_RAD = np.radians(3.0)
"""Below the horizon, where the edge of a floor is seen from three quarters of a metre above it."""
WALL_HEIGHT_M = 3.0
SKIRTING_M = (0.09, 0.014)
"""Height and thickness."""
FILLET_M = 0.9
"""Radius of the curve where a sweep turns from floor to backdrop."""
DOME_RADIUS_M = 15.0
DOME_EYE_M = 1.0
"""Height above the floor of the point that a dome's picture is projected from."""

BLUR_RAD = 0.045
"""Diameter of the disc that a point of the background is blurred to: a lens focused on things a metre away."""
BACKGROUND_LIMIT = 6.0
"""Brightest radiance of the background as the camera sees it, times the mean of the map."""
PICTURE_WIDTH = 1024
"""Pixels around an environment map as it is seen."""
LIGHT_WIDTH = 256
"""Pixels around an environment map as it lights a scene, 1.4 degrees each: every path looks it up, and a map that fits
into the processor's cache takes 5 % off the time of a picture."""
SAMPLING_WIDTH = 2 * LIGHT_WIDTH
"""Of the table by which directions are drawn from it. Finer than the map, it follows the map between its pixels: in a
hall with small bright windows a picture takes half the samples that it takes with a table half as wide as the map."""
SUN_PIXELS = 3.0
"""A sun is drawn into the map where it is at least so many of its pixels wide: at 512, from 2.1 degrees."""
SUN_MAP_WIDTHS = (LIGHT_WIDTH, SAMPLING_WIDTH)
SUN_GRID = 8
"""Points across a pixel at which it is asked how much of it a sun fills."""

WALL_PAINTS: tuple[Vec3, ...] = (
    (0.78, 0.76, 0.71),
    (0.70, 0.71, 0.70),
    (0.62, 0.60, 0.56),
    (0.45, 0.52, 0.50),
    (0.36, 0.44, 0.52),
    (0.56, 0.50, 0.40),
    (0.60, 0.44, 0.36),
    (0.38, 0.42, 0.34),
    (0.30, 0.31, 0.34),
)
PAPERS: tuple[Vec3, ...] = (
    (0.76, 0.76, 0.75),
    (0.58, 0.58, 0.58),
    (0.30, 0.31, 0.32),
    (0.62, 0.56, 0.47),
    (0.33, 0.45, 0.55),
    (0.52, 0.60, 0.50),
    (0.66, 0.45, 0.40),
    (0.70, 0.62, 0.40),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Probe:
    """An environment map in two forms, both of mean radiance 1 over the sphere; [H, W, 3], row 0 at the top."""

    light: NDArray[np.float32]
    """Small: what lights the scene and is seen in reflections."""
    sharp: NDArray[np.float32]
    """What a dome's floor shows."""
    background: NDArray[np.float32]
    """Out of focus: what the camera sees."""


def build_stage(
    spec: SceneSpec, catalog: Catalog, camera: Camera, probe: Probe | None, draw: np.random.Generator
) -> None:
    """The stage of a spec, as it is best seen by this camera; colours of walls and paper come from `draw`."""
    stage = spec.stage
    if stage.kind == "dome" and probe is not None:
        _dome(probe, spec.environment)
    elif stage.kind == "sweep":
        _sweep(stage, catalog, camera, draw)
    elif stage.kind == "table":
        _table(stage, catalog)
    else:
        _floor(stage, catalog, camera, draw)


def _surface(stage: Stage, catalog: Catalog, rotation_rad: float, plain: Vec3) -> Any:
    """The Blender material of a stage's surface, in metres; `plain` where it has none."""
    if not stage.surface:
        return build_material(Material(base_color=plain, roughness=0.7), None)
    material = catalog.surface(stage.surface).material

    def map_file(name: str) -> Path:
        return catalog.map_path(stage.surface, name)

    return build_material(material, map_file, coordinates="metres", rotation_rad=rotation_rad)


def _table(stage: Stage, catalog: Catalog) -> None:
    """A board with a rounded edge. Its pattern follows the edges, as a joiner would have it."""
    quarter = round(stage.rotation_rad / (np.pi / 2)) * np.pi / 2
    board = rounded_box((*stage.size_m, TABLE_THICKNESS_M), TABLE_EDGE_M, 4)
    table = add_mesh("table", board, _surface(stage, catalog, quarter, (0.55, 0.42, 0.30)))
    table.location = (0.0, 0.0, -TABLE_THICKNESS_M / 2)


def _floor(stage: Stage, catalog: Catalog, camera: Camera, draw: np.random.Generator) -> None:
    """A floor in the corner of a room whose walls follow the floor's pattern."""
    surface = _surface(stage, catalog, stage.rotation_rad, (0.5, 0.48, 0.45))
    add_mesh("floor", _rectangle((-FLOOR_REACH_M,) * 2, (FLOOR_REACH_M,) * 2), surface)
    aim, distance_m = np.array(camera.look_at_m), _look_distance_m(camera)
    away = aim - camera.position_m
    half = float(np.clip(1.0 + 2.0 * distance_m + draw.uniform(0.0, 1.0), 1.8, 6.0))
    drawn = WALL_PAINTS[int(draw.integers(len(WALL_PAINTS)))]
    paint = build_material(Material(base_color=vec3(stage.color or drawn), roughness=0.85), None)
    white = build_material(Material(base_color=(0.75, 0.74, 0.72), roughness=0.4), None)
    height, thickness = SKIRTING_M
    for quarter in range(4):
        angle = stage.rotation_rad + quarter * np.pi / 2
        outward = direction(angle)
        if outward @ away <= 0:
            continue
        side = direction(angle + np.pi / 2)
        # Beyond the corner with a wall that stands there a wall would only poke out; to the open side it goes on.
        left = half if side @ away > 0 else 3 * half
        right = half if side @ away < 0 else 3 * half
        foot = [aim[0], aim[1], 0.0] + outward * half
        wall = _panel(foot - side * right, foot + side * left, 0.0, WALL_HEIGHT_M)
        board = foot - outward * thickness
        skirting = _panel(board - side * right, board + side * left, 0.0, height)
        lift = np.array([0.0, 0.0, height])
        ledge = _quad(
            [
                board - side * right + lift,
                board + side * left + lift,
                foot + side * left + lift,
                foot - side * right + lift,
            ]
        )
        for name, mesh, material in (("wall", wall, paint), ("skirting", skirting, white), ("ledge", ledge, white)):
            _see_through(add_mesh(name, mesh, material))


def _sweep(stage: Stage, catalog: Catalog, camera: Camera, draw: np.random.Generator) -> None:
    """A studio's seamless background: the floor goes over into a backdrop across the line of sight."""
    drawn = PAPERS[int(draw.integers(len(PAPERS)))]
    surface = _surface(stage, catalog, stage.rotation_rad, vec3(stage.color or drawn))
    aim, distance_m = np.array(camera.look_at_m), _look_distance_m(camera)
    away = aim[:2] - np.array(camera.position_m)[:2]
    turn = float(np.arctan2(away[1], away[0])) + float(draw.uniform(-0.2, 0.2))
    straight = max(0.9, 1.5 * distance_m)
    angles = np.linspace(0.0, np.pi / 2, 33)
    arc = np.stack([straight + FILLET_M * np.sin(angles), FILLET_M * (1 - np.cos(angles))], axis=1)
    profile = np.concatenate([arc, [[straight + FILLET_M, 6.0]]])
    lengths = straight + np.concatenate([FILLET_M * angles, [FILLET_M * np.pi / 2 + 6.0 - FILLET_M]])
    normals = np.stack([-np.sin(angles), np.cos(angles)], axis=1)
    normals = np.concatenate([normals, [[-1.0, 0.0]]])
    half = 7.0
    floor = _rectangle((-half, -half), (straight, half))
    backdrop = _extrusion(profile, normals, lengths, half)
    for part in (add_mesh("floor", floor, surface), _see_through(add_mesh("backdrop", backdrop, surface))):
        part.location = (aim[0], aim[1], 0.0)
        part.rotation_quaternion = (np.cos(turn / 2), 0.0, 0.0, np.sin(turn / 2))


def _see_through(thing: Any) -> Any:
    """Let light from behind pass as if the thing were not there; only the camera sees it.

    Its shadow alone would count light twice: once through it, once bounced off it. So would its reflection, and how
    much depends on the sampling: a polished floor before a wall got up to 10 % brighter with fewer lamps.
    """
    thing.visible_shadow = thing.visible_diffuse = thing.visible_glossy = False
    return thing


def _dome(probe: Probe, environment: Environment) -> None:
    """The environment map as a place to stand in, as Kubric and PISA do it: its lower half projected on the floor.

    The floor's colour is what the map shows there, divided by the light that falls on it, so that the lit floor looks
    like the map and takes shadows; the wall shows the map itself.
    """
    height, width, _ = probe.sharp.shape
    up = np.cos(np.pi * (np.arange(height) + 0.5) / height)
    weights = np.clip(up, 0.0, None) * np.sqrt(1 - up**2) * (np.pi / height) ** 2
    irradiance = (probe.sharp * weights[:, None, None]).sum(axis=(0, 1)) * (2 * height / width)
    # Grey rather than coloured light: dividing by its colour would take the sunset out of the sand.
    albedo = np.clip(np.pi * probe.sharp / float(irradiance @ LUMINANCE), 0.01, 0.85).astype(np.float32)

    ground = bpy.data.materials.new("ground")
    ground.use_nodes = True
    tree = ground.node_tree
    shader = tree.nodes["Principled BSDF"]
    shader.inputs["Roughness"].default_value = 0.9
    picture = _projected(tree, "ground", albedo, environment.rotation_rad)
    tree.links.new(picture, shader.inputs["Base Color"])
    add_mesh("ground", _disc(DOME_RADIUS_M, 64), ground)

    sky = emission((1.0, 1.0, 1.0), environment.strength)
    picture = _projected(sky.node_tree, "sky", probe.background, environment.rotation_rad)
    sky.node_tree.links.new(picture, sky.node_tree.nodes["Emission"].inputs["Color"])
    wall = add_mesh("sky", _bowl(DOME_RADIUS_M, 64), sky)
    _see_through(wall)
    wall.visible_transmission = False


def _projected(tree: Any, name: str, pixels: NDArray[np.float32], rotation_rad: float) -> Any:
    """The colour of an environment map as seen from the dome's eye, on whatever surface it hits."""
    position = tree.nodes.new("ShaderNodeNewGeometry").outputs["Position"]
    mapping = tree.nodes.new("ShaderNodeMapping")
    mapping.vector_type = "TEXTURE"
    mapping.inputs["Location"].default_value = (0.0, 0.0, DOME_EYE_M)
    mapping.inputs["Rotation"].default_value = (0.0, 0.0, rotation_rad)
    texture = tree.nodes.new("ShaderNodeTexEnvironment")
    texture.image = add_image(name, pixels)
    tree.links.new(position, mapping.inputs["Vector"])
    tree.links.new(mapping.outputs["Vector"], texture.inputs["Vector"])
    return texture.outputs["Color"]


# Light from all around


def read_probe(path: Path) -> Probe:
    """An environment map from disk, scaled to mean radiance 1."""
    image = bpy.data.images.load(str(path))
    width, height = image.size
    pixels = np.empty(width * height * image.channels, np.float32)
    image.pixels.foreach_get(pixels)
    bpy.data.images.remove(image)
    raw = pixels.reshape(height, width, -1)[::-1, :, :3]
    raw = np.maximum(np.nan_to_num(raw, posinf=0.0), 0.0)
    sharp = _shrunk(raw, PICTURE_WIDTH)
    height, width, _ = sharp.shape
    weights = np.sin(np.pi * (np.arange(height) + 0.5) / height)
    mean = float((sharp @ LUMINANCE * weights[:, None]).sum() / (weights.sum() * width))
    sharp /= max(mean, 1e-6)
    return Probe(light=_shrunk(sharp, LIGHT_WIDTH), sharp=sharp, background=_out_of_focus(sharp))


def _shrunk(picture: NDArray[np.float32], width: int) -> NDArray[np.float32]:
    """An environment map at most this wide."""
    width = min(width, picture.shape[1])
    return np.ascontiguousarray(cv2.resize(picture, (width, width // 2), interpolation=cv2.INTER_AREA), np.float32)


def _out_of_focus(light: NDArray[np.float32]) -> NDArray[np.float32]:
    width = light.shape[1]
    radius = BLUR_RAD / 2 * width / (2 * np.pi)
    reach = int(np.ceil(radius))
    offsets = np.arange(-reach, reach + 1)
    disc = np.clip(radius + 0.5 - np.hypot(offsets[:, None], offsets[None, :]), 0.0, 1.0).astype(np.float32)
    wrapped = np.concatenate([light[:, -reach:], light, light[:, :reach]], axis=1) if reach else light
    wrapped = np.minimum(wrapped, 4 * BACKGROUND_LIMIT)
    blurred = cv2.filter2D(wrapped, -1, disc / disc.sum(), borderType=cv2.BORDER_REPLICATE)
    blurred = cv2.GaussianBlur(blurred, (0, 0), max(0.4 * radius, 0.5), borderType=cv2.BORDER_REPLICATE)
    return np.ascontiguousarray(np.minimum(blurred[:, reach : reach + width], BACKGROUND_LIMIT))


def build_environment(world: Any, spec: SceneSpec, probe: Probe | None, suns: Sequence[Light] = ()) -> "WorldNodes":
    """Kubric's two backgrounds: one lights the scene, the other is what the camera sees.

    `suns` shine from the map; see `fits_map`. At every point Cycles asks one light, chosen blindly among map and
    lamps: with two lamps, pictures had up to twenty times the variance of the three lights' own pictures together.
    """
    nodes = world_nodes(world)
    environment = spec.environment
    seen: tuple[NDArray[np.float32] | None, ...] = (None, None)
    if probe is not None:
        lit = probe.light if spec.stage.kind == "table" else _above(probe.light)
        seen = (with_suns(lit, suns, environment), probe.background)
    shine(nodes, environment)
    for node, pixels in zip((nodes.ambient, nodes.background), seen, strict=True):
        if pixels is None:
            continue
        coordinates = nodes.tree.nodes.new("ShaderNodeTexCoord")
        mapping = nodes.tree.nodes.new("ShaderNodeMapping")
        mapping.vector_type = "TEXTURE"
        mapping.inputs["Rotation"].default_value = (0.0, 0.0, environment.rotation_rad)
        texture = nodes.tree.nodes.new("ShaderNodeTexEnvironment")
        texture.image = add_image("environment", pixels)
        nodes.tree.links.new(coordinates.outputs["Generated"], mapping.inputs["Vector"])
        nodes.tree.links.new(mapping.outputs["Vector"], texture.inputs["Vector"])
        nodes.tree.links.new(texture.outputs["Color"], node.inputs["Color"])
    return nodes


def _above(light: NDArray[np.float32]) -> NDArray[np.float32]:
    """The map without what a floor hides. No picture changes but for its noise: between a fifth and a half of all
    samples of the light would otherwise be of what nobody can see."""
    above = light.copy()
    above[round(len(light) * (0.5 + FLOOR_DIP_RAD / np.pi)) :] = 0.0
    return above


def fits_map(light: Light) -> bool:
    """Whether a lamp can as well shine from the environment map: it is far away, and no smaller than its pixels."""
    return light.kind == "sun" and light.angle_rad >= SUN_PIXELS * 2 * np.pi / SUN_MAP_WIDTHS[-1]


def with_suns(light: NDArray[np.float32], suns: Sequence[Light], environment: Environment) -> NDArray[np.float32]:
    """An environment map [H, W, 3] with suns in it: discs of even radiance that give `power` to what faces them."""
    if not suns:
        return light
    least = min(sun.angle_rad for sun in suns)
    width = max(light.shape[1], next(w for w in SUN_MAP_WIDTHS if least >= SUN_PIXELS * 2 * np.pi / w))
    rows = width // 2
    drawn = np.asarray(cv2.resize(light, (width, rows), interpolation=cv2.INTER_LINEAR), np.float32).copy()
    step_rad = 2 * np.pi / (SUN_GRID * width)
    azimuth = np.pi - step_rad * (np.arange(SUN_GRID * width) + 0.5)
    for sun in suns:
        toward = np.array(sun.position_m) - sun.look_at_m
        toward /= np.linalg.norm(toward)
        turned = np.arctan2(toward[1], toward[0]) - environment.rotation_rad
        # Only the rows that it reaches: the grid of a whole map takes half a second.
        middle = (0.5 - np.arcsin(toward[2]) / np.pi) * rows
        reach = sun.angle_rad / 2 / np.pi * rows
        top, bottom = max(0, int(middle - reach)), min(rows, int(middle + reach) + 1)
        height = np.pi / 2 - step_rad * (np.arange(SUN_GRID * top, SUN_GRID * bottom) + 0.5)
        facing = np.outer(np.cos(height), np.cos(azimuth - turned)) * np.hypot(*toward[:2])
        facing += np.sin(height)[:, None] * toward[2]
        inside = facing >= np.cos(sun.angle_rad / 2)
        given = float((inside * facing * np.cos(height)[:, None]).sum()) * step_rad**2
        share = cv2.resize(inside.astype(np.float32), (width, bottom - top), interpolation=cv2.INTER_AREA)
        lit = np.multiply.outer(share, sun.color).astype(np.float32)
        drawn[top:bottom] += lit * (sun.power / given / environment.strength)
    return drawn


def shine(nodes: "WorldNodes", environment: Environment) -> None:
    """How strong the light from all around is, and its colour where it has no map."""
    for node in (nodes.ambient, nodes.background):
        node.inputs["Strength"].default_value = environment.strength
        node.inputs["Color"].default_value = (*environment.color, 1.0)


@dataclass(frozen=True, slots=True)
class WorldNodes:
    """The two background shaders of a Blender world."""

    tree: Any
    ambient: Any
    background: Any


def world_nodes(world: Any) -> WorldNodes:
    """Empty the world and give it an ambient and a background shader, black both."""
    world.use_nodes = True
    tree = world.node_tree
    tree.nodes.clear()
    output = tree.nodes.new("ShaderNodeOutputWorld")
    mix = tree.nodes.new("ShaderNodeMixShader")
    path = tree.nodes.new("ShaderNodeLightPath")
    ambient, background = (tree.nodes.new("ShaderNodeBackground") for _ in range(2))
    for node in (ambient, background):
        node.inputs["Color"].default_value = (0.0, 0.0, 0.0, 1.0)
    tree.links.new(path.outputs["Is Camera Ray"], mix.inputs[0])
    tree.links.new(ambient.outputs[0], mix.inputs[1])
    tree.links.new(background.outputs[0], mix.inputs[2])
    tree.links.new(mix.outputs[0], output.inputs["Surface"])
    return WorldNodes(tree, ambient, background)


def add_image(name: str, pixels: NDArray[np.float32]) -> Any:
    """A Blender image of linear float pixels [H, W, 3], row 0 at the top."""
    height, width, _ = pixels.shape
    image = bpy.data.images.new(name, width, height, alpha=False, float_buffer=True)
    image.colorspace_settings.name = "Linear Rec.709"
    flat = np.ones((height, width, 4), np.float32)
    flat[..., :3] = pixels[::-1]
    image.pixels.foreach_set(flat.ravel())
    image.update()
    return image


# Meshes


@dataclass(frozen=True, slots=True, kw_only=True)
class MeshData:
    """Quads or polygons with a normal and a texture coordinate in metres at every vertex."""

    vertices: Floats
    faces: Sequence[Sequence[int]]
    normals: Floats
    uv: Floats


def add_mesh(name: str, data: MeshData, material: Any) -> Any:
    """An object of the current scene with instance id 0."""
    thing = bpy.data.objects.new(name, new_mesh(name, data))
    thing.data.materials.append(material)
    thing.rotation_mode = "QUATERNION"
    thing.pass_index = STAGE_ID
    bpy.context.scene.collection.objects.link(thing)
    return thing


def new_mesh(name: str, data: MeshData) -> Any:
    mesh = bpy.data.meshes.new(name)
    mesh.from_pydata(data.vertices.tolist(), [], [list(face) for face in data.faces])
    corners = np.concatenate([np.asarray(face) for face in data.faces])
    layer = mesh.uv_layers.new(name="UVMap")
    layer.data.foreach_set("uv", data.uv[corners].astype(np.float32).ravel())
    mesh.shade_smooth()
    mesh.normals_split_custom_set_from_vertices(data.normals.tolist())
    return mesh


def rounded_box(size_m: Vec3, radius_m: float, segments: int) -> MeshData:
    """A box whose edges and corners are rounded (radius 0 with 0 segments: sharp).

    Texture coordinates run along the longer side of every face.
    """
    half = np.asarray(size_m, dtype=float) / 2
    radius = min(radius_m, 0.98 * float(half.min()))
    core = half - radius
    arc = radius * np.tan(np.linspace(0.0, np.pi / 4, segments + 1))
    vertices, faces, normals, uv = [], [], [], []
    count = 0
    for axis in range(3):
        u, v = sorted({0, 1, 2} - {axis}, key=lambda k: -half[k])
        first, second = (np.concatenate([-core[k] - arc[::-1], core[k] + arc]) for k in (u, v))
        across, up = (grid.ravel() for grid in np.meshgrid(first, second))
        columns, rows = len(first), len(second)
        corner = np.arange(rows * columns).reshape(rows, columns)
        quads = np.stack([corner[:-1, :-1], corner[:-1, 1:], corner[1:, 1:], corner[1:, :-1]], axis=-1).reshape(-1, 4)
        for sign in (-1.0, 1.0):
            points = np.zeros((rows * columns, 3))
            points[:, u], points[:, v], points[:, axis] = across, up, sign * half[axis]
            inner = np.clip(points, -core, core)
            outward = points - inner if radius > 0 else np.tile(sign * np.eye(3)[axis], (len(points), 1))
            normal = outward / np.linalg.norm(outward, axis=1, keepdims=True)
            handed = np.cross(np.eye(3)[u], np.eye(3)[v])[axis] * sign
            vertices.append(inner + radius * normal)
            normals.append(normal)
            uv.append(np.stack([across, up], axis=1))
            faces.extend((quads if handed > 0 else quads[:, ::-1]) + count)
            count += rows * columns
    return MeshData(
        vertices=np.concatenate(vertices), faces=faces, normals=np.concatenate(normals), uv=np.concatenate(uv)
    )


def _rectangle(low: tuple[float, float], high: tuple[float, float]) -> MeshData:
    corners = np.array([[low[0], low[1]], [high[0], low[1]], [high[0], high[1]], [low[0], high[1]]])
    return MeshData(
        vertices=np.column_stack([corners, np.zeros(4)]),
        faces=[(0, 1, 2, 3)],
        normals=np.tile([0.0, 0.0, 1.0], (4, 1)),
        uv=corners,
    )


def _panel(start: Floats, end: Floats, low: float, high: float) -> MeshData:
    bottom, top = np.array([0.0, 0.0, low]), np.array([0.0, 0.0, high])
    return _quad([start + bottom, end + bottom, end + top, start + top])


def _quad(corners: Sequence[Floats]) -> MeshData:
    points = np.array(corners)
    along, up = points[1] - points[0], points[3] - points[0]
    normal = np.cross(along, up)
    normal = normal / np.linalg.norm(normal)
    uv = np.array([[0.0, 0.0], [1.0, 0.0], [1.0, 1.0], [0.0, 1.0]]) * [np.linalg.norm(along), np.linalg.norm(up)]
    return MeshData(vertices=points, faces=[(0, 1, 2, 3)], normals=np.tile(normal, (4, 1)), uv=uv)


def _extrusion(profile: Floats, normals: Floats, lengths: Floats, half_width: float) -> MeshData:
    """A curve (x, z) drawn out along y; `lengths` is the way along it, for the texture."""
    count = len(profile)
    sides = np.repeat([-half_width, half_width], count)
    vertices = np.column_stack([np.tile(profile[:, 0], 2), sides, np.tile(profile[:, 1], 2)])
    directions = np.column_stack([np.tile(normals[:, 0], 2), np.zeros(2 * count), np.tile(normals[:, 1], 2)])
    faces = [(k, k + 1, count + k + 1, count + k) for k in range(count - 1)]
    return MeshData(
        vertices=vertices, faces=faces, normals=directions, uv=np.column_stack([np.tile(lengths, 2), sides])
    )


def _disc(radius: float, segments: int) -> MeshData:
    angles = np.linspace(0, 2 * np.pi, segments, endpoint=False)
    rim = radius * np.stack([np.cos(angles), np.sin(angles)], axis=1)
    return MeshData(
        vertices=np.column_stack([rim, np.zeros(segments)]),
        faces=[tuple(range(segments))],
        normals=np.tile([0.0, 0.0, 1.0], (segments, 1)),
        uv=rim,
    )


def _bowl(radius: float, segments: int) -> MeshData:
    """The upper half of a ball, seen from inside."""
    rings = segments // 4
    heights = np.linspace(0.0, np.pi / 2, rings + 1)
    around = np.linspace(0.0, 2 * np.pi, segments, endpoint=False)
    grid = [direction(azimuth, elevation) for elevation in heights for azimuth in around]
    faces = [
        (
            ring * segments + k,
            (ring + 1) * segments + k,
            (ring + 1) * segments + (k + 1) % segments,
            ring * segments + (k + 1) % segments,
        )
        for ring in range(rings)
        for k in range(segments)
    ]
    points = np.array(grid)
    return MeshData(vertices=radius * points, faces=faces, normals=-points, uv=points[:, :2])


def _look_distance_m(camera: Camera) -> float:
    return float(np.linalg.norm(np.array(camera.look_at_m) - camera.position_m))
