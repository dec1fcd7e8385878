"""SceneSpec → `kb.Scene`: the one place where plain data becomes Kubric objects."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import traitlets

from simgen.catalog.catalog import Catalog
from simgen.core.errors import UsageError
from simgen.core.geometry import argmax_of_columns, box_corners, fibonacci_sphere
from simgen.core.mesh import Mesh
from simgen.core.spec import STAGE_ID, Body, Camera, Light, SceneSpec
from simgen.core.vectors import Floats
from simgen.engine.kubric_import import kb
from simgen.procedural import models

STAGE_THICKNESS_M = 0.5
"""Of the collision box under z = 0: thick enough that nothing tunnels through it."""


class Generated(kb.core.PhysicalObject):  # type: ignore[misc]
    """A Kubric object whose mesh is in memory instead of in a file."""

    mesh = traitlets.Any()


class ScaledFiles(kb.FileBasedObject):  # type: ignore[misc]
    """A Kubric object whose files are in another size than the object: their lengths are multiplied at reading, so that
    `scale` is that of the body, as with all others."""

    file_scale = traitlets.Float(1.0)


@dataclass(frozen=True, slots=True, kw_only=True)
class World:
    """A spec with its Kubric scene. `assets` are the bodies by instance id; 0 is the stage."""

    spec: SceneSpec
    catalog: Catalog
    scene: Any
    assets: dict[int, Any]


def build_world(spec: SceneSpec, catalog: Catalog, *, width: int = 512, height: int = 512) -> World:
    """A fresh Kubric scene; nothing of it is shared with another world."""
    if len(spec.bodies) > 255:
        raise UsageError(f"scene {spec.scene!r}: {len(spec.bodies)} bodies; at most 255 have an instance id")
    if len({body.id for body in spec.bodies}) != len(spec.bodies) or any(b.id == STAGE_ID for b in spec.bodies):
        raise UsageError(f"scene {spec.scene!r}: body ids must be different and from 1 to 255")
    scene = kb.Scene(
        frame_rate=spec.frame_rate_hz,
        step_rate=spec.step_rate_hz,
        gravity=spec.gravity_mps2,
        resolution=(width, height),
    )
    assets = {STAGE_ID: _stage(spec), **{body.id: _body(body, catalog) for body in spec.bodies}}
    scene.add(list(assets.values()))
    scene.add([_light(light) for light in spec.lights])
    if isinstance(spec.camera, Camera):
        scene.camera = kb.PerspectiveCamera(
            position=spec.camera.position_m,
            look_at=spec.camera.look_at_m,
            focal_length=spec.camera.focal_length_mm,
            sensor_width=spec.camera.sensor_width_mm,
        )
    return World(spec=spec, catalog=catalog, scene=scene, assets=assets)


def _stage(spec: SceneSpec) -> Any:
    width, depth = spec.stage.size_m
    return kb.Cube(
        name="stage",
        scale=(width / 2, depth / 2, STAGE_THICKNESS_M / 2),
        position=(0.0, 0.0, -STAGE_THICKNESS_M / 2),
        static=True,
        background=True,
        friction=spec.stage.friction,
        restitution=spec.stage.restitution,
        segmentation_id=STAGE_ID,
    )


def _body(body: Body, catalog: Catalog) -> Any:
    common = dict(
        name=f"body{body.id}",
        position=body.position_m,
        quaternion=body.quaternion,
        static=body.static,
        mass=body.mass_kg,
        friction=body.friction,
        restitution=body.restitution,
        segmentation_id=body.id,
    )
    half = tuple(extent / 2 for extent in body.size_m)
    if body.shape == "box":
        return kb.Cube(scale=half, **common)
    if body.shape == "ball":
        return kb.Sphere(scale=half, **common)
    if body.model is not None:
        return Generated(mesh=models.build(body.model), scale=(body.scale,) * 3, **common)
    asset = catalog.object(body.asset)
    made, scaled = (kb.FileBasedObject, {}) if asset.scale == 1.0 else (ScaledFiles, {"file_scale": asset.scale})
    return made(
        **scaled,
        asset_id=body.asset,
        scale=(body.scale,) * 3,
        bounds=asset.bounds_m,
        render_filename=str(catalog.mesh_path(body.asset)),
        simulation_filename=str(catalog.urdf_path(body.asset)),
        **common,
    )


def convex_parts(mesh: Mesh) -> tuple[Floats, ...]:
    """The pieces that collide, [K, 3] each: those of the mesh, else the hull of all its points."""
    if mesh.parts:
        return mesh.parts
    # A hull of all vertices of a fine mesh would be slow, and its flat faces are what matters.
    points = mesh.vertices_m
    directions = np.concatenate([fibonacci_sphere(250), box_corners((1.0, 1.0, 1.0)), np.eye(3), -np.eye(3)])
    return (points[np.unique(argmax_of_columns(points @ directions.T))],)


def _light(light: Light) -> Any:
    # A colour of Kubric's goes up to 1; what is more is power.
    peak = max(*light.color, 1e-6)
    common = dict(name=light.name, position=light.position_m, look_at=light.look_at_m, intensity=light.power * peak)
    color = kb.Color(*(value / peak for value in light.color))
    if light.kind == "sun":
        return kb.DirectionalLight(color=color, shadow_softness=light.angle_rad, **common)
    if light.kind == "area":
        return kb.RectAreaLight(color=color, width=light.size_m, height=light.size_m, **common)
    return kb.PointLight(color=color, **common)
