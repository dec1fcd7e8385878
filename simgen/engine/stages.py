"""What bodies stand on and what is seen behind them: table, floor with walls, sweep, dome, and the light all around.

Everything here has instance id 0. Walls and backdrops are there to be seen and let the light of lamps, sun and
environment map through: a wall that happened to stand before the sun would leave the scene in the dark.
"""

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from simgen.catalog.catalog import Catalog
from simgen.core.assets import Material
from simgen.core.colour import LUMINANCE
from simgen.core.geometry import direction, vec3
from simgen.core.spec import Camera, Environment, SceneSpec, Stage
from simgen.core.vectors import Vec3
from simgen.engine.blender import bpy
from simgen.engine.environment import EnvironmentMap, add_image
from simgen.engine.materials import build_material, emission
from simgen.engine.shapes import add_mesh, bowl, disc, extrusion, panel, quad, rectangle, rounded_box

TABLE_THICKNESS_M = 0.035
TABLE_EDGE_M = 0.006
FLOOR_REACH_M = 14.0
"""How far a floor goes on: beyond every wall."""
WALL_HEIGHT_M = 3.0
SKIRTING_M = (0.09, 0.014)
"""Height and thickness."""
FILLET_M = 0.9
"""Radius of the curve where a sweep turns from floor to backdrop."""
DOME_RADIUS_M = 15.0
DOME_EYE_M = 1.0
"""Height above the floor of the point that a dome's picture is projected from."""


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


def build_stage(
    spec: SceneSpec, catalog: Catalog, camera: Camera, probe: EnvironmentMap | None, draw: np.random.Generator
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
    add_mesh("floor", rectangle((-FLOOR_REACH_M,) * 2, (FLOOR_REACH_M,) * 2), surface)
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
        wall = panel(foot - side * right, foot + side * left, 0.0, WALL_HEIGHT_M)
        board = foot - outward * thickness
        skirting = panel(board - side * right, board + side * left, 0.0, height)
        lift = np.array([0.0, 0.0, height])
        ledge = quad(
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
    floor = rectangle((-half, -half), (straight, half))
    backdrop = extrusion(profile, normals, lengths, half)
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


def _dome(probe: EnvironmentMap, environment: Environment) -> None:
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
    add_mesh("ground", disc(DOME_RADIUS_M, 64), ground)

    sky = emission((1.0, 1.0, 1.0), environment.strength)
    picture = _projected(sky.node_tree, "sky", probe.background, environment.rotation_rad)
    sky.node_tree.links.new(picture, sky.node_tree.nodes["Emission"].inputs["Color"])
    wall = add_mesh("sky", bowl(DOME_RADIUS_M, 64), sky)
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


# Meshes


def _look_distance_m(camera: Camera) -> float:
    return float(np.linalg.norm(np.array(camera.look_at_m) - camera.position_m))
