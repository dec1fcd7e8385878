"""What Cycles renders on: the processor, or a graphics card by CUDA or OptiX.

Another device gives other bytes, so it stands in the recipe (`render.device`), and the card's name among the pins.
"""

import os
from typing import Any

from simgen.core.errors import EnvironmentProblem
from simgen.engine.blender import bpy
from simgen.plan.recipe import Device

_BY_PREFERENCE: tuple[Device, ...] = ("optix", "cuda")
"""What `auto` takes, before it takes the processor: OptiX traces on the cores that a card has for it."""


def choose(device: Device) -> Device:
    """The device that `auto` means on this machine; any other as it stands, or a sentence where there is none."""
    if device == "auto":
        return next((kind for kind in _BY_PREFERENCE if cards(kind)), "cpu")
    if device != "cpu" and not cards(device):
        there = [kind for kind in _BY_PREFERENCE if cards(kind)]
        raise EnvironmentProblem(
            f"render.device is {device}, and Blender finds no card for {device.upper()} on this machine "
            f"({'there is one for ' + ' and '.join(there) if there else 'nor for anything else'}); install NVIDIA's "
            f"driver, or take {there[0] if there else 'cpu'} or auto"
        )
    return device


def name(device: Device) -> str:
    """Of the card; empty for the processor."""
    return cards(device)[0].name if device != "cpu" else ""


def cards(device: Device) -> list[Any]:
    """The graphics cards that can be driven that way, in Blender's order."""
    return [] if device == "cpu" else [d for d in _settings().get_devices_for_type(device.upper()) if d.type != "CPU"]


def use(device: Device) -> None:
    """Make Cycles render on it, and on one card only where there are several: on which one, the process id decides."""
    scene = bpy.context.scene
    scene.cycles.device = "CPU" if device == "cpu" else "GPU"
    scene.cycles.denoising_use_gpu = device != "cpu"
    if device == "cpu":
        return
    settings = _settings()
    settings.compute_device_type = choose(device).upper()
    found = cards(device)
    for number, card in enumerate(found):
        card.use = number == os.getpid() % len(found)
    for other in settings.devices:
        if other.type == "CPU":
            other.use = False


def _settings() -> Any:
    return bpy.context.preferences.addons["cycles"].preferences
