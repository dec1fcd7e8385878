"""Kubric's own Blender renderer on Blender 4.5, for comparison: every setting as Kubric has it, and only what fails
mended.

It needs what Kubric's renderer imports: `pip install -e '.[bench]'`, beside what `make` installs.

Mended from outside: sockets of the Principled shader that Blender renamed, the OBJ importer that is gone, the names of
the cryptomatte's channels. Left as they are, since they cost no time: the flow's first channel and the object
coordinates, which come out wrong.
"""

import sys
import types
from pathlib import Path
from typing import Any

import bpy
import numpy as np

from simgen.engine.kubric_import import kb


def _with_tensorflow() -> Any:
    """Kubric's renderer, imported past its one use of TensorFlow, which is to copy a file that is not saved here."""
    stand_in: Any = types.ModuleType("tensorflow")
    sys.modules.setdefault("tensorflow", stand_in)
    try:
        from kubric.renderer import blender
    finally:
        if sys.modules["tensorflow"] is stand_in:
            del sys.modules["tensorflow"]
    return blender


blender = _with_tensorflow()
utils = blender.blender_utils

RENAMED = {
    "color": "Base Color",
    "roughness": "Roughness",
    "metallic": "Metallic",
    "specular": "Specular IOR Level",
    "ior": "IOR",
    "transmission": "Transmission Weight",
    "emission": "Emission Color",
}


def _file_based(self: Any, asset: Any) -> Any:
    with utils.RedirectStream(stream=sys.stdout, disabled=False):
        bpy.ops.wm.obj_import(filepath=asset.render_filename, forward_axis="Y", up_axis="Z", use_split_objects=False)
    thing = bpy.context.selected_objects[0]
    blender.register_object3d_setters(asset, thing)
    asset.observe(blender.AttributeSetter(thing, "scale"), "scale")
    return thing


def _principled(self: Any, asset: Any) -> Any:
    material = bpy.data.materials.new(asset.uid)
    material.use_nodes = True
    shader = material.node_tree.nodes["Principled BSDF"]
    for trait, socket in RENAMED.items():
        asset.observe(blender.AttributeSetter(shader.inputs[socket], "default_value"), trait)
    return material


_read = utils.read_channels_from_exr


def _read_any_case(exr: Any, names: Any) -> Any:
    there = {name.lower(): name for name in exr.header()["channels"]}
    turned = str.maketrans("RGBA", "XYZW")
    found = []
    for name in names:
        layer, _, channel = name.partition(".")
        key = name if name.lower() in there else f"{layer}.{channel.translate(turned)}"
        found.append(there[key.lower()])
    return _read(exr, found)


_add = blender.Blender.__dict__["add_asset"]
_add.register(kb.core.FileBasedObject, utils.prepare_blender_object(_file_based))
_add.register(kb.core.PrincipledBSDFMaterial, utils.prepare_blender_object(_principled))
utils.read_channels_from_exr = _read_any_case


def renderer(scene: Any, scratch: Path, *, samples: int = 64) -> Any:
    """Kubric's view of a scene, as Kubric's examples make it: 64 samples per pixel, denoised."""
    return blender.Blender(scene, scratch_dir=str(scratch), samples_per_pixel=samples)


def linear(scratch: Path, frame: int) -> np.ndarray[Any, np.dtype[np.float32]]:
    """Linear RGB [H, W, 3] of a frame that was rendered."""
    layers = utils.get_render_layers_from_exr(scratch / "exr" / f"frame_{frame:04d}.exr")
    return np.ascontiguousarray(layers["linear_rgba"][..., :3], dtype=np.float32)
