"""The light from all around: environment maps, suns in them, and Blender's world."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from simgen.core.colour import LUMINANCE
from simgen.core.spec import Environment, Light, SceneSpec
from simgen.engine.blender import bpy
from simgen.engine.pictures import load_image

FLOOR_DIP_RAD = np.radians(3.0)
"""Below the horizon, where the edge of a floor is seen from three quarters of a metre above it."""

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


@dataclass(frozen=True, slots=True, kw_only=True)
class EnvironmentMap:
    """An environment map in three forms, each of mean radiance 1 over the sphere; [H, W, 3], row 0 at the top."""

    light: NDArray[np.float32]
    """Small: what lights the scene and is seen in reflections."""
    sharp: NDArray[np.float32]
    """What a dome's floor shows."""
    background: NDArray[np.float32]
    """Out of focus: what the camera sees."""


def read_environment_map(path: Path) -> EnvironmentMap:
    """An environment map from disk, scaled to mean radiance 1."""
    image = load_image(path, anew=True)
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
    return EnvironmentMap(light=_shrunk(sharp, LIGHT_WIDTH), sharp=sharp, background=_out_of_focus(sharp))


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


def build_environment(
    world: Any, spec: SceneSpec, probe: EnvironmentMap | None, suns: Sequence[Light] = ()
) -> "WorldNodes":
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
    set_strength(nodes, environment)
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


def set_strength(nodes: "WorldNodes", environment: Environment) -> None:
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
