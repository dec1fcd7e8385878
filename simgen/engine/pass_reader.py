"""The passes of a render as arrays: read from Blender's memory, or by way of files where that does not work."""

import atexit
import ctypes
import os
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from simgen.engine.blender import bpy, cycles
from simgen.engine.passes import Image

PASSES = ("Combined", "Depth", "Normal", "IndexOB")

Capture = Callable[[], dict[str, Image]]


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


def render_in_memory() -> dict[str, Image]:
    PassReader.taken.clear()
    with quiet():
        bpy.ops.render.render()
    taken = dict(PassReader.taken)
    PassReader.taken.clear()
    return taken


def render_to_files() -> dict[str, Image]:
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
    with tempfile.TemporaryDirectory(prefix="simgen-", dir=shared if os.access(shared, os.W_OK) else None) as folder:
        output.base_path = folder
        with quiet():
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


def register_engine() -> None:
    if PassReader.is_registered:
        return
    bpy.utils.register_class(PassReader)
    # Blender hangs at the end of the process where a render engine written in Python is still registered.
    atexit.register(bpy.utils.unregister_class, PassReader)


@contextmanager
def quiet() -> Iterator[None]:
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
