"""Pictures: a `kb.Scene` and what a SceneSpec says on top of it, path-traced by Cycles on Blender 4.5.

`CyclesView` is Kubric's interface of a renderer: it shows the assets of a Kubric scene. `Renderer` is what a worker
keeps: it fits a World with stage, light and materials, and returns frames of a rollout. Kubric's own Blender view fails
on 4.5 in five places and is silently wrong in two.

Same scene, same bytes: one thread, a fixed seed, no adaptive sampling, nothing left over from the scene before.
"""

import atexit
import ctypes
import gc
import os
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import singledispatchmethod
from pathlib import Path
from typing import Any, ClassVar, Literal

import numpy as np
from numpy.typing import NDArray

from simgen.catalog.catalog import Catalog
from simgen.core.errors import AssetError, EnvironmentProblem, UnknownName, UsageError
from simgen.core.geometry import look_at, quat, quat_from_matrix
from simgen.core.masks import goes_on, grown
from simgen.core.rollout import Rollout
from simgen.core.sample import Box, Frame
from simgen.core.spec import STAGE_ID, Body, Camera, Light, SceneSpec
from simgen.core.tracks import Instant
from simgen.engine import devices, passes
from simgen.engine.appearance import Wardrobe, blender_mesh, set_materials
from simgen.engine.blender import bmesh, bpy, cycles
from simgen.engine.kubric_import import kb
from simgen.engine.materials import CLEAR, emission
from simgen.engine.stages import (
    SAMPLING_WIDTH,
    Probe,
    WorldNodes,
    add_mesh,
    build_environment,
    build_stage,
    fits_map,
    new_mesh,
    read_probe,
    rounded_box,
    shine,
    world_nodes,
)
from simgen.engine.world import Generated, World
from simgen.plan.recipe import Device

Quality = Literal["preview", "fast", "standard", "high"]
Image = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Sampling:
    """How much work goes into a picture: samples per pixel, the denoiser's network, and what becomes of its guides
    (albedo and normals, which textures and metal make noisy): cleaned before (ACCURATE) or with the picture (FAST)."""

    samples: int
    denoiser: Literal["NONE", "FAST", "BALANCED", "HIGH"] = "HIGH"
    prefilter: Literal["NONE", "FAST", "ACCURATE"] = "ACCURATE"


QUALITIES: dict[str, Sampling] = {
    "preview": Sampling(4, "FAST", "FAST"),
    "fast": Sampling(4, "BALANCED", "FAST"),
    "standard": Sampling(16, "BALANCED"),
    "high": Sampling(64),
}
METER_WIDTH = 128
"""Pixels across the picture that light and sizes are measured in."""
METER = Sampling(2, "FAST", "NONE")
TUNE_WIDTH = 40
TUNE = Sampling(4, "NONE")
"""Small pictures that tell which way of lighting a world has less noise."""
IDS_ONLY = Sampling(1, "FAST", "NONE")
FEW_LIGHTS = 2
"""Up to so many lamps, choosing among them well takes longer than it saves: 8 % of a picture's time."""
BORDER_MARGIN_PX = 24
"""Around the rectangle that is asked for: context for the denoiser, and room to blend into."""
SMOOTH_BELOW_RAD = np.radians(40.0)
"""Edges of a mesh without normals are smooth up to this angle between their faces."""
PASSES = ("Combined", "Depth", "Normal", "IndexOB")


@dataclass(frozen=True, slots=True, kw_only=True)
class Look:
    """A frame before its exposure is chosen."""

    light: Image
    """Linear RGB [h, w, 3]."""
    ids: NDArray[np.uint8]
    depth_m: Image
    normals: Image
    samples_per_pixel: int

    @property
    def luminance(self) -> Image:
        """Linear, before exposure [h, w]."""
        return passes.luminance(self.light)

    def frame(self, exposure_ev: float) -> Frame:
        """The frame at an exposure in stops."""
        return Frame(
            rgb=passes.display(self.light, exposure_ev),
            ids=self.ids,
            depth_m=self.depth_m,
            normals=self.normals,
            samples_per_pixel=self.samples_per_pixel,
        )


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
            self.meshes[name] = _import_mesh(Path(name))
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


def _import_mesh(path: Path) -> Any:
    """The mesh of a file in the file's own axes, smooth where it has no normals, with the materials it names."""
    before, pictures = set(bpy.data.objects), set(bpy.data.images)
    with _quiet():
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
        _check_picture(image, path)
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


def _check_picture(image: Any, mesh: Path) -> None:
    """Blender paints what a missing or empty picture covers in pink, and says nothing."""
    if image.source != "FILE" or image.packed_file is not None:
        return
    picture = Path(bpy.path.abspath(image.filepath))
    if not picture.is_file() or not picture.stat().st_size:
        what = "is empty" if picture.is_file() else "is not there"
        bpy.data.images.remove(image)
        raise AssetError(
            f"{mesh}: its picture {picture} {what}; repair the archive, or name the asset in assets.exclude"
        )


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


class Renderer:
    """Blender on a worker. One per process; load a world, take pictures of it, load the next."""

    margin_px: ClassVar[int] = BORDER_MARGIN_PX

    def __init__(
        self,
        catalog: Catalog,
        *,
        width: int,
        height: int,
        quality: Quality = "standard",
        device: Device = "cpu",
        threads: int = 1,
    ) -> None:
        if quality not in QUALITIES:
            raise UnknownName("quality", quality, QUALITIES)
        self.catalog = catalog
        self.width, self.height = width, height
        self.sampling = QUALITIES[quality]
        self.device = devices.choose(device)
        self.threads = threads
        _give_memory_back()
        self._probes: dict[str, Probe] = {}
        self._things: dict[int, Any] = {}
        self._lamps: dict[str, Any] = {}
        self._wardrobe = Wardrobe(catalog)
        self._sky: WorldNodes | None = None
        self._suns: tuple[Light, ...] = ()
        """The lamps that shine from the environment map instead."""
        self._suns_fit: bool | None = None
        """Whether the loaded world has less noise that way."""
        self._loaded: Camera | None = None
        self._panes: dict[int, Any] = {}
        """Bodies that one looks through: what is behind them is what is there."""
        _register_engine()
        self._shoot: Shoot = _shoot_in_memory
        problem = self._self_test()
        if problem is not None:
            self._shoot = _shoot_to_files
            second = self._self_test()
            if second is not None:
                raise EnvironmentProblem(
                    f"Blender {bpy.app.version_string} renders but its passes cannot be read. In memory {problem}; "
                    f"from files {second}; install bpy 4.5"
                )

    def load(self, world: World, camera: Camera) -> None:
        """Show this world from this camera; everything of the one before is gone."""
        self._reset()
        spec = world.spec
        scene = bpy.context.scene
        view = CyclesView(world.scene)
        self._things = {body_id: asset.linked_objects[view] for body_id, asset in world.assets.items()}
        self._things.pop(STAGE_ID).hide_render = True
        _aim(world.scene, camera)
        self._lamps = {light.name: thing for light, thing in zip(spec.lights, _lamps(world.scene, view), strict=True)}
        self._wardrobe = Wardrobe(self.catalog)
        for body in spec.bodies:
            self._wardrobe.dress(body, self._things[body.id])
        probe = self._probe(spec.environment.asset)
        self._sky, self._suns = build_environment(scene.world, spec, probe), ()
        build_stage(spec, self.catalog, camera, probe, np.random.default_rng([spec.render_seed, 1]))
        self._shine(spec, spec.lights, ())
        _set_bounces(scene.cycles, clear=self._wardrobe.clear)
        scene.cycles.seed = spec.render_seed % 2**31
        self._panes = {body.id: self._things[body.id] for body in spec.bodies if _is_pane(body)}
        self._loaded = replace(camera, exposure_ev=0.0)
        self._suns_fit = None

    def load_scene(self, scene: Any) -> None:
        """Show a Kubric scene as it stands, with nothing that a SceneSpec would add; see `snapshot`."""
        self._reset()
        CyclesView(scene)
        bpy.context.scene.cycles.use_light_tree = True
        _set_bounces(bpy.context.scene.cycles, clear=True)
        self._things, self._loaded, self._panes = {}, None, {}

    def snapshot(self, exposure_ev: float = 0.0) -> Frame:
        """The loaded scene with everything where it is now."""
        return self._take(self.width, self.height, self.sampling).frame(exposure_ev)

    def meter(self, rollout: Rollout, instant: Instant) -> Look:
        """What the camera sees at one instant of the rollout, small and rough."""
        self._place(rollout, instant)
        width = min(METER_WIDTH, self.width)
        height = max(1, round(self.height * width / self.width))
        return self._take(width, height, METER)

    def render(
        self,
        rollout: Rollout,
        camera: Camera,
        instant: Instant,
        *,
        borders: Sequence[Box] = (),
        under: Frame | None = None,
    ) -> Frame:
        """The frame at one instant of the rollout, at the camera's exposure.

        With `borders` only those rectangles are rendered (and a margin that blends) and all around them is that of the
        frame `under`: for an end frame where nothing outside has changed. Where a margin shows that something has, the
        whole frame is rendered.
        """
        assert replace(camera, exposure_ev=0.0) == self._loaded, "load the world with this camera first"
        self._place(rollout, instant)
        if under is None or not borders:
            return self._take(self.width, self.height, self.sampling).frame(camera.exposure_ev)
        end = under
        for border in borders:
            box = grown(border, BORDER_MARGIN_PX, self.width, self.height)
            inside = self._take(self.width, self.height, self.sampling, box).frame(camera.exposure_ev)
            if goes_on(inside, under, box, borders):
                return self._take(self.width, self.height, self.sampling).frame(camera.exposure_ev)
            end = _paste(inside, end, box)
        return end

    def flow(self, start: Frame, rollout: Rollout, camera: Camera) -> Image:
        """Forward flow from the rollout's start to its end; see `passes.flow`."""
        return passes.flow(start.depth_m, start.ids, rollout, camera, rollout.start, rollout.end)

    def _place(self, rollout: Rollout, instant: Instant) -> None:
        for body in rollout.spec.bodies:
            thing = self._things[body.id]
            thing.location, thing.rotation_quaternion = rollout.pose(body.id, instant)
            thing.hide_render = not rollout.visible(body.id, instant)
            self._wardrobe.change(body, thing, rollout.mesh(body.id, instant), rollout.materials(body.id, instant))
        suns = self._still_suns(rollout)
        lights = [rollout.light(light.name, instant) for light in rollout.spec.lights]
        if suns and self._suns_fit is None:
            self._suns_fit = self._noise(rollout.spec, lights, suns) < self._noise(rollout.spec, lights, ())
        self._shine(rollout.spec, lights, suns if self._suns_fit else ())
        assert self._sky is not None
        shine(self._sky, rollout.environment(instant))

    def _shine(self, spec: SceneSpec, lights: Sequence[Light], suns: tuple[Light, ...]) -> None:
        """Let these lamps shine from the environment map and all others by themselves.

        A lamp that shines from the map is dark, which Cycles leaves out of its sampling. It is not hidden: a lamp that
        has been hidden comes back at another place in Cycles' list, not always the same one, and takes its noise along.
        """
        scene = bpy.context.scene
        if suns != self._suns:
            probe = self._probe(spec.environment.asset)
            self._sky, self._suns = build_environment(scene.world, spec, probe, suns), suns
        for light in lights:
            _set_light(self._lamps[light.name], replace(light, power=0.0) if light in suns else light)
        scene.cycles.use_light_tree = len(lights) - len(suns) > FEW_LIGHTS

    def _noise(self, spec: SceneSpec, lights: Sequence[Light], suns: tuple[Light, ...]) -> float:
        """How much two small pictures with different seeds differ where these lamps shine from the map."""
        self._shine(spec, lights, suns)
        settings = bpy.context.scene.cycles
        seed, seen = settings.seed, []
        for settings.seed in (seed, seed ^ 1):
            light = self._passes(TUNE_WIDTH, TUNE_WIDTH, TUNE)["Combined"][..., :3]
            seen.append(light / (light + light.mean()))
        settings.seed = seed
        return float(np.square(seen[0] - seen[1]).mean())

    def _still_suns(self, rollout: Rollout) -> tuple[Light, ...]:
        """The lamps that can shine from the environment map, because there is one and nothing about either changes."""
        environment = rollout.spec.environment
        if not environment.asset or not environment.strength or rollout.relights:
            return ()
        return tuple(light for light in rollout.spec.lights if fits_map(light))

    def _take(self, width: int, height: int, sampling: Sampling, box: Box | None = None) -> Look:
        """One render of the picture, or of a box in it."""
        taken = self._passes(width, height, sampling, box)
        ids = np.rint(taken["IndexOB"][..., 0]).astype(np.uint8)
        if np.isin(ids, list(self._panes)).any():
            ids = self._seen_through(ids, width, height, box)
        depth = taken["Depth"][..., 0]
        # Cycles writes 1e10 where a ray meets nothing.
        depth = np.where(depth < 1e9, depth, np.inf).astype(np.float32)
        return Look(
            light=np.ascontiguousarray(taken["Combined"][..., :3]),
            ids=ids,
            depth_m=depth,
            normals=passes.unit_normals(taken["Normal"], depth),
            samples_per_pixel=sampling.samples,
        )

    def _seen_through(self, ids: NDArray[np.uint8], width: int, height: int, box: Box | None) -> NDArray[np.uint8]:
        """Instance ids with those of what stands behind clear glass or in clear water; the glass where nothing does."""
        shown = [thing for thing in self._panes.values() if not thing.hide_render]
        for thing in shown:
            thing.hide_render = True
        behind = np.rint(self._passes(width, height, IDS_ONLY, box)["IndexOB"][..., 0]).astype(np.uint8)
        for thing in shown:
            thing.hide_render = False
        return np.where(np.isin(ids, list(self._panes)) & (behind != STAGE_ID), behind, ids)

    def _passes(self, width: int, height: int, sampling: Sampling, box: Box | None = None) -> dict[str, Image]:
        """The passes of one render, [h, w, channels] of the box."""
        scene = bpy.context.scene
        _set_sampling(scene, sampling, self.threads)
        scene.render.resolution_x, scene.render.resolution_y = width, height
        left, top, right, bottom = box or (0, 0, width, height)
        scene.render.use_border = box is not None
        scene.render.border_min_x, scene.render.border_max_x = left / width, right / width
        scene.render.border_min_y, scene.render.border_max_y = 1 - bottom / height, 1 - top / height
        taken = self._shoot()
        for name in PASSES:
            if name not in taken or taken[name].shape[:2] != (bottom - top, right - left):
                got = taken[name].shape if name in taken else "nothing"
                raise EnvironmentProblem(
                    f"Cycles was asked for {bottom - top} x {right - left} pixels of {name} and gave {got}"
                )
        return taken

    def _probe(self, ref: str) -> Probe | None:
        if not ref:
            return None
        if ref not in self._probes:
            if len(self._probes) >= 2:
                del self._probes[next(iter(self._probes))]
            self._probes[ref] = read_probe(self.catalog.environment_path(ref))
        return self._probes[ref]

    def _reset(self) -> None:
        """An empty Blender with our settings."""
        _remove_everything()
        # Kubric's scenes and their observers hold each other, and with them what the last scene was made of.
        gc.collect()
        ctypes.CDLL(None).malloc_trim(0)
        scene = bpy.context.scene
        render = scene.render
        render.engine = PassReader.bl_idname if self._shoot is _shoot_in_memory else "CYCLES"
        render.resolution_percentage = 100
        render.use_crop_to_border = True
        render.use_persistent_data = True
        render.use_sequencer = False
        render.use_compositing = self._shoot is _shoot_to_files
        render.dither_intensity = 0.0
        devices.use(self.device)
        layer = scene.view_layers[0]
        layer.use_pass_z = layer.use_pass_normal = layer.use_pass_object_index = True
        _set_bounces(scene.cycles, clear=False)

    def _self_test(self) -> str | None:
        """Render a thing whose passes are known in advance; what is wrong with what comes back."""
        self._reset()
        scene = bpy.context.scene
        scene.world = bpy.data.worlds.new("world")
        world_nodes(scene.world)
        box = add_mesh("box", rounded_box((0.8, 0.8, 1.0), 0.0, 0), emission((0.25, 0.5, 0.75)))
        box.location = (-0.5, 0.5, 0.0)
        box.pass_index = 7
        lens = bpy.data.cameras.new("camera")
        lens.type, lens.ortho_scale = "ORTHO", 2.0
        scene.camera = bpy.data.objects.new("camera", lens)
        scene.camera.location = (0.0, 0.0, 3.0)
        scene.collection.objects.link(scene.camera)
        try:
            taken = self._passes(64, 64, Sampling(2))
        except EnvironmentProblem as error:
            return str(error)
        inside = (slice(12, 20), slice(12, 20))
        # The denoiser takes liberties with so small a picture.
        wanted = (
            ("Combined", (0.25, 0.5, 0.75), 0.15),
            ("Depth", (2.5,), 1e-4),
            ("Normal", (0.0, 0.0, 1.0), 1e-3),
            ("IndexOB", (7.0,), 0.0),
        )
        for name, values, tolerance in wanted:
            got = taken[name][inside][..., : len(values)]
            if np.abs(got - values).max() > tolerance:
                return f"{name} should be {values} and is {got.mean(axis=(0, 1)).tolist()}"
        ids = taken["IndexOB"][..., 0]
        if (ids[32:] != 0).any() or (ids[:, 32:] != 0).any():
            return "the picture is upside down"
        return None


Shoot = Callable[[], dict[str, Image]]


class PassReader(bpy.types.RenderEngine):  # type: ignore[misc]
    """Cycles that keeps a copy of every pass: in background mode there is no other way to its pixels in memory.

    It drives Cycles as Blender's own add-on does. A subclass of the add-on's engine would not do: to register one takes
    Cycles itself away.
    """

    bl_idname = "SIMGEN_CYCLES"
    bl_label = "Cycles, read by simgen"
    taken: ClassVar[dict[str, Image]] = {}

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.session = None

    def __del__(self) -> None:
        cycles.free(self)

    def update(self, data: Any, depsgraph: Any) -> None:
        if not self.session:
            cycles.create(self, data)
        cycles.reset(self, data, depsgraph)

    def update_render_passes(self, scene: Any, layer: Any) -> None:
        cycles.register_passes(self, scene, layer)

    def render_frame_finish(self) -> None:
        cycles.render_frame_finish(self)

    def render(self, depsgraph: Any) -> None:
        cycles.render(self, depsgraph)
        result = self.get_result()
        width, height = result.resolution_x, result.resolution_y
        for layer in result.layers:
            for one in layer.passes:
                pixels = np.empty(one.channels * width * height, np.float32)
                one.rect.foreach_get(pixels)
                self.taken[one.name] = pixels.reshape(height, width, one.channels)[::-1]


def _shoot_in_memory() -> dict[str, Image]:
    PassReader.taken.clear()
    with _quiet():
        bpy.ops.render.render()
    taken = dict(PassReader.taken)
    PassReader.taken.clear()
    return taken


def _shoot_to_files() -> dict[str, Image]:
    """The same passes by way of EXR files in memory-backed storage, should a Blender not let us read them."""
    scene = bpy.context.scene
    scene.use_nodes = True
    tree = scene.node_tree
    tree.nodes.clear()
    layers, output = tree.nodes.new("CompositorNodeRLayers"), tree.nodes.new("CompositorNodeOutputFile")
    output.format.file_format = "OPEN_EXR"
    output.format.color_depth = "32"
    output.format.exr_codec = "NONE"
    output.file_slots.clear()
    sockets = {"Combined": "Image"}
    for name in PASSES:
        output.file_slots.new(name)
        tree.links.new(layers.outputs[sockets.get(name, name)], output.inputs[name])
    shared = Path("/dev/shm")
    with tempfile.TemporaryDirectory(prefix="simgen-", dir=shared if shared.is_dir() else None) as folder:
        output.base_path = folder
        with _quiet():
            bpy.ops.render.render()
        return {name: _read_exr(path) for name in PASSES for path in Path(folder).glob(f"{name}*.exr")}


def _read_exr(path: Path) -> Image:
    image = bpy.data.images.load(str(path))
    image.colorspace_settings.name = "Non-Color"
    width, height = image.size
    pixels = np.empty(width * height * image.channels, np.float32)
    image.pixels.foreach_get(pixels)
    channels = image.channels
    bpy.data.images.remove(image)
    return pixels.reshape(height, width, channels)[::-1, :, :3]


def _register_engine() -> None:
    if PassReader.is_registered:
        return
    bpy.utils.register_class(PassReader)
    # Blender hangs at the end of the process where a render engine written in Python is still registered.
    atexit.register(bpy.utils.unregister_class, PassReader)


def _paste(inside: Frame, under: Frame, box: Box) -> Frame:
    """`inside` laid over `under`; its colours fade in over the margin, where the box does not end with the picture."""
    left, top, right, bottom = box
    height, width = under.ids.shape
    ramps = []
    for low, high, extent in ((top, bottom, height), (left, right, width)):
        place = np.arange(low, high) + 0.5
        from_low = (place - low) / BORDER_MARGIN_PX if low > 0 else np.ones(high - low)
        from_high = (high - place) / BORDER_MARGIN_PX if high < extent else np.ones(high - low)
        ramps.append(np.clip(np.minimum(from_low, from_high), 0.0, 1.0))
    weight = np.minimum(ramps[0][:, None], ramps[1][None, :])[..., None]
    patch = np.s_[top:bottom, left:right]
    rgb, ids, depth, normals = under.rgb.copy(), under.ids.copy(), under.depth_m.copy(), under.normals.copy()
    rgb[patch] = np.rint(rgb[patch] + weight * (inside.rgb.astype(float) - rgb[patch])).astype(np.uint8)
    ids[patch], depth[patch], normals[patch] = inside.ids, inside.depth_m, inside.normals
    return replace(under, rgb=rgb, ids=ids, depth_m=depth, normals=normals)


def _aim(scene: Any, camera: Camera) -> None:
    """Point the scene's camera, or a new one."""
    lens = scene.camera
    if not isinstance(lens, kb.PerspectiveCamera):
        lens = kb.PerspectiveCamera(name="camera")
        scene.camera = lens
    lens.position = camera.position_m
    lens.quaternion = quat(quat_from_matrix(look_at(camera.position_m, camera.look_at_m)))
    lens.focal_length = camera.focal_length_mm
    lens.sensor_width = camera.sensor_width_mm
    lens.min_render_distance = 0.01


def _set_light(thing: Any, light: Light) -> None:
    """Where a light is and what it gives."""
    thing.location = light.position_m
    thing.rotation_quaternion = quat(quat_from_matrix(look_at(light.position_m, light.look_at_m)))
    lamp = thing.data
    peak = max(*light.color, 1e-6)
    lamp.energy, lamp.color = light.power * peak, [value / peak for value in light.color]
    if light.kind == "sun":
        lamp.angle = light.angle_rad
    elif light.kind == "area":
        lamp.size = lamp.size_y = light.size_m
    else:
        lamp.shadow_soft_size = light.size_m / 2


def _lamps(scene: Any, view: CyclesView) -> list[Any]:
    lights = (kb.DirectionalLight, kb.RectAreaLight, kb.PointLight)
    return [asset.linked_objects[view] for asset in scene.assets if isinstance(asset, lights)]


def _is_pane(body: Body) -> bool:
    """Clear all over and not what the event acts upon."""
    worn = [material for _, material in body.materials] or ([body.material] if body.material else [])
    return body.role != "actor" and bool(worn) and all(m.template in CLEAR and m.roughness < 0.1 for m in worn)


def _set_sampling(scene: Any, sampling: Sampling, threads: int) -> None:
    settings = scene.cycles
    settings.samples = sampling.samples
    settings.use_adaptive_sampling = False
    settings.use_denoising = sampling.samples > 1 and sampling.denoiser != "NONE"
    settings.denoiser = "OPENIMAGEDENOISE"
    if sampling.denoiser != "NONE":
        settings.denoising_quality = sampling.denoiser
    settings.denoising_prefilter = sampling.prefilter
    settings.denoising_input_passes = "RGB_ALBEDO_NORMAL"
    settings.use_auto_tile = False
    scene.render.threads_mode = "FIXED"
    scene.render.threads = threads


def _set_bounces(settings: Any, *, clear: bool) -> None:
    """Light that reaches a diffuse thing over more than two others is too little to see; glass needs its many walls."""
    settings.max_bounces = 12 if clear else 4
    settings.diffuse_bounces = 2
    settings.glossy_bounces = 4
    settings.transmission_bounces = 12 if clear else 4
    settings.transparent_max_bounces = 12 if clear else 8
    # What polished boards and steel throw on the things around them: without it pictures are up to 3 dB from the true
    # ones, with it they take no longer. Glass lets light through by its pale shadow.
    settings.caustics_reflective, settings.caustics_refractive = True, False
    settings.sample_clamp_indirect = 6.0


def _give_memory_back() -> None:
    """Keep glibc from hoarding: by default the size above which memory goes back at once grows to 32 MB, and a worker
    whose pictures and meshes all lie below that swells to more than a gigabyte of holes."""
    arenas, threshold = -8, -3  # M_ARENA_MAX, M_MMAP_THRESHOLD of mallopt(3)
    ctypes.CDLL(None).mallopt(arenas, 2)
    ctypes.CDLL(None).mallopt(threshold, 256 * 1024)


def _remove_everything() -> None:
    """Every data-block but the scene itself: what stays behind would be memory, or a difference between two workers."""
    data = bpy.data
    kinds = (
        data.objects, data.meshes, data.materials, data.images, data.lights, data.cameras, data.worlds, data.node_groups
    )  # fmt: skip
    data.batch_remove([block for kind in kinds for block in kind])
    data.orphans_purge(do_recursive=True)


@contextmanager
def _quiet() -> Iterator[None]:
    """Without Blender's progress lines, which come from C and know no Python stream."""
    flush = ctypes.CDLL(None).fflush
    sys.stdout.flush()
    flush(None)
    kept = os.dup(1)
    with Path(os.devnull).open("wb") as nowhere:
        os.dup2(nowhere.fileno(), 1)
        try:
            yield
        finally:
            flush(None)
            os.dup2(kept, 1)
            os.close(kept)
