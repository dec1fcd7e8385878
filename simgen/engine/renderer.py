"""Pictures: a `kb.Scene` and what a SceneSpec says on top of it, path-traced by Cycles on Blender 4.5.

`CyclesView` is Kubric's interface of a renderer: it shows the assets of a Kubric scene. `Renderer` is what a worker
keeps: it fits a World with stage, light and materials, and returns frames of a rollout. Kubric's own Blender view fails
on 4.5 in five places and is silently wrong in two.

Same scene, same bytes: one thread, a fixed seed, no adaptive sampling, nothing left over from the scene before.
"""

import ctypes
import gc
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, ClassVar, Literal

import numpy as np
from numpy.typing import NDArray

from simgen.catalog.catalog import Catalog
from simgen.core.errors import EnvironmentProblem, RenderError, UnknownName
from simgen.core.geometry import look_at, quat, quat_from_matrix
from simgen.core.masks import goes_on, grown
from simgen.core.rollout import Rollout
from simgen.core.sample import Box, Frame
from simgen.core.spec import STAGE_ID, Body, Camera, Light, SceneSpec
from simgen.core.tracks import Instant
from simgen.engine import devices, passes, tracks
from simgen.engine.appearance import Appearances
from simgen.engine.blender import bpy
from simgen.engine.environment import (
    EnvironmentMap,
    WorldNodes,
    build_environment,
    fits_map,
    read_environment_map,
    set_strength,
    world_nodes,
)
from simgen.engine.kubric_import import kb
from simgen.engine.materials import CLEAR, emission
from simgen.engine.pass_reader import PASSES, Capture, PassReader, register_engine, render_in_memory, render_to_files
from simgen.engine.passes import Image
from simgen.engine.shapes import add_mesh, rounded_box
from simgen.engine.stages import build_stage
from simgen.engine.view import CyclesView
from simgen.engine.world import World
from simgen.plan.recipe import Device

Quality = Literal["preview", "fast", "standard", "high"]


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
SURVEY_WIDTH = 128
"""Pixels across the picture that light and sizes are measured in."""
SURVEY = Sampling(2, "FAST", "NONE")
TUNE_WIDTH = 40
TUNE = Sampling(4, "NONE")
"""Small pictures that tell which way of lighting a world has less noise."""
IDS_ONLY = Sampling(1, "FAST", "NONE")
FEW_LIGHTS = 2
"""Up to so many lamps, choosing among them well takes longer than it saves: 8 % of a picture's time."""
BORDER_MARGIN_PX = 24
"""Around the rectangle that is asked for: context for the denoiser, and room to blend into."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LinearFrame:
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
        self._probes: dict[str, EnvironmentMap] = {}
        self._things: dict[int, Any] = {}
        self._lamps: dict[str, Any] = {}
        self._appearances = Appearances(catalog)
        self._sky: WorldNodes | None = None
        self._suns: tuple[Light, ...] = ()
        """The lamps that shine from the environment map instead."""
        self._suns_fit: bool | None = None
        """Whether the loaded world has less noise that way."""
        self._loaded: Camera | None = None
        self._panes: dict[int, Any] = {}
        """Bodies that one looks through: what is behind them is what is there."""
        register_engine()
        self._capture: Capture = render_in_memory
        problem = self._self_test()
        if problem is not None:
            self._capture = render_to_files
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
        self._appearances = Appearances(self.catalog)
        for body in spec.bodies:
            self._appearances.build(body, self._things[body.id])
        probe = self._probe(spec.environment.asset)
        self._sky, self._suns = build_environment(scene.world, spec, probe), ()
        build_stage(spec, self.catalog, camera, probe, np.random.default_rng([spec.render_seed, 1]))
        self._shine(spec, spec.lights, ())
        _set_bounces(scene.cycles, clear=self._appearances.clear)
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
        return self.look().frame(exposure_ev)

    def look(self) -> LinearFrame:
        """The same before its exposure is chosen."""
        return self._take(self.width, self.height, self.sampling)

    def render_survey(self, rollout: Rollout, instant: Instant) -> LinearFrame:
        """What the camera sees at one instant of the rollout, small and rough."""
        self._place(rollout, instant)
        width = min(SURVEY_WIDTH, self.width)
        height = max(1, round(self.height * width / self.width))
        return self._take(width, height, SURVEY)

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
        shown = tracks.at(rollout, instant, self._things)
        for body in rollout.spec.bodies:
            thing = self._things[body.id]
            thing.location, thing.rotation_quaternion = shown.poses[body.id]
            thing.hide_render = body.id in shown.hidden
            self._appearances.change(body, thing, shown.meshes.get(body.id), shown.materials.get(body.id, {}))
        suns = self._still_suns(rollout)
        lights = [shown.lights[light.name] for light in rollout.spec.lights]
        if suns and self._suns_fit is None:
            self._suns_fit = self._noise(rollout.spec, lights, suns) < self._noise(rollout.spec, lights, ())
        self._shine(rollout.spec, lights, suns if self._suns_fit else ())
        assert self._sky is not None
        set_strength(self._sky, shown.environment)

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

    def _take(self, width: int, height: int, sampling: Sampling, box: Box | None = None) -> LinearFrame:
        """One render of the picture, or of a box in it."""
        taken = self._passes(width, height, sampling, box)
        ids = np.rint(taken["IndexOB"][..., 0]).astype(np.uint8)
        if np.isin(ids, list(self._panes)).any():
            ids = self._seen_through(ids, width, height, box)
        depth = taken["Depth"][..., 0]
        # Cycles writes 1e10 where a ray meets nothing.
        depth = np.where(depth < 1e9, depth, np.inf).astype(np.float32)
        return LinearFrame(
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
        # Cycles cuts fractions, in 32-bit floats, off to whole pixels: the middle of a pixel is that pixel at any size.
        scene.render.border_min_x, scene.render.border_max_x = ((x + 0.5) / width for x in (left, right))
        scene.render.border_min_y, scene.render.border_max_y = ((height - y + 0.5) / height for y in (bottom, top))
        taken = self._capture()
        for name in PASSES:
            if name not in taken or taken[name].shape[:2] != (bottom - top, right - left):
                got = taken[name].shape if name in taken else "nothing"
                raise RenderError(
                    f"Cycles was asked for {bottom - top} x {right - left} pixels of {name} and gave {got}"
                )
        return taken

    def _probe(self, ref: str) -> EnvironmentMap | None:
        if not ref:
            return None
        if ref not in self._probes:
            if len(self._probes) >= 2:
                del self._probes[next(iter(self._probes))]
            self._probes[ref] = read_environment_map(self.catalog.environment_path(ref))
        return self._probes[ref]

    def _reset(self) -> None:
        """An empty Blender with our settings."""
        _remove_everything()
        # Kubric's scenes and their observers hold each other, and with them what the last scene was made of.
        gc.collect()
        ctypes.CDLL(None).malloc_trim(0)
        scene = bpy.context.scene
        render = scene.render
        render.engine = PassReader.bl_idname if self._capture is render_in_memory else "CYCLES"
        render.resolution_percentage = 100
        render.use_crop_to_border = True
        render.use_persistent_data = True
        render.use_sequencer = False
        render.use_compositing = self._capture is render_to_files
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
        except RenderError as error:
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
