"""The checks of `simgen doctor`: each function tries one thing that simgen needs, and names a remedy.

What can crash a process (Blender, Bullet, Ray) is tried in a process of its own.
"""

import importlib.metadata
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass
from pathlib import Path

from simgen.cli.errors import WITHOUT_KUBRIC
from simgen.core.errors import UnknownName
from simgen.dataset.progress import byte_size
from simgen.run.machine import (
    WORKER_BYTES,
    available_bytes,
    cores,
    default_workers,
    fitting_workers,
    shared_memory_is_writable,
)
from simgen.storage.cache import default_cache
from simgen.storage.resources import PACKAGE, how_to_install

PACKAGES = ("bpy", "kubric-nightly", "pybullet", "ray", "numpy", "opencv-python-headless", "pyarrow", "webdataset")
_EXTRA = how_to_install("generate")
_TRAIN_EXTRA = how_to_install("train")
_LIBRARIES = "on Debian or Ubuntu: apt-get install libx11-6 libxi6 libxfixes3 libxrender1 libxkbcommon0 libsm6 libgl1"


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckResult:
    """What one check found; `remedy` says what to do where it is not `ok`."""

    name: str
    ok: bool
    detail: str
    remedy: str = ""


_PHYSICS = """
import math
from simgen.catalog.catalog import open_catalog
from simgen.engine.physics import simulate
from simgen.core.assets import Material
from simgen.core.spec import Body, Camera, Environment, Release, SceneSpec, Stage
ball = Body(id=1, shape="ball", size_m=(0.1,) * 3, label="ball", role="actor", position_m=(0, 0, 0.55), mass_kg=0.5,
            friction=0.5, restitution=0.0, material=Material())
spec = SceneSpec(scene="doctor", bodies=(ball,), stage=Stage(kind="floor"), lights=(), environment=Environment(),
                 camera=Camera(position_m=(2, 0, 1), look_at_m=(0, 0, 0)), events=(Release(time_s=0.0, body=1),))
rollout = simulate(spec, open_catalog(builtin=False))
landed = next(c for c in rollout.contacts if {c.a, c.b} == {0, 1} and c.first_s > 0.1).first_s
expected = math.sqrt(2 * 0.5 / 9.81)
assert abs(landed - expected) <= 1.5 / spec.step_rate_hz, f"a ball falls 0.5 m in {landed:.3f} s, not {expected:.3f} s"
print(f"a ball falls 0.5 m in {landed:.3f} s, sqrt(2h/g) is {expected:.3f} s")
"""
# A renderer tries itself out when it is made: a picture whose colours, depths, normals and ids are known beforehand.
_RENDER = """
import time, bpy
from simgen.catalog.catalog import open_catalog
from simgen.engine.renderer import Renderer
began = time.perf_counter()
Renderer(open_catalog(builtin=False), width=64, height=64, quality="fast")
print(f"Blender {bpy.app.version_string} gives the colours, depths, normals and ids that it should, "
      f"{time.perf_counter() - began:.1f} s")
"""
_RAY = """
import time
from simgen.run.ray_session import local_ray
import ray
began = time.perf_counter()
with local_ray(1):
    assert ray.get(ray.remote(lambda: 2 + 2).remote()) == 4
    took = time.perf_counter() - began
print(f"Ray {ray.__version__} started and ran a task, {took:.1f} s")
"""


_TRAIN = """
import time
began = time.perf_counter()
import numpy as np, torch, diffusers
from simgen.train.base import device_of, load_base
from simgen.train.edit import edit
device = device_of(None)
base = load_base("tiny:qwen", dtype=torch.float32, device=device)
grey = np.full((64, 64, 3), 128, np.uint8)
assert edit(base, grey, "Drop the mug.", steps=2, generator=torch.Generator().manual_seed(0)).shape == grey.shape
print(f"torch {torch.__version__} and diffusers {diffusers.__version__} edit a picture on {device}, "
      f"{time.perf_counter() - began:.1f} s")
"""


def _run_code(name: str, code: str, *, remedy: str, extra: str = _EXTRA, seconds: float = 180.0) -> CheckResult:
    """Run a few lines in a process of their own; the last line they print is the detail of the result.

    `extra` says how to install a package that is missing; `remedy` is for all other failures.
    """
    own = [str(PACKAGE.parent)]
    try:
        run = subprocess.run(
            # Nothing from the folder that the user is in: a file there may have the name of a library.
            [sys.executable, "-P", "-c", f"import sys; sys.path += {own!r}\n{code}"],
            capture_output=True,
            text=True,
            timeout=seconds,
            stdin=subprocess.DEVNULL,
        )
    except subprocess.TimeoutExpired:
        return CheckResult(name=name, ok=False, detail=f"no answer within {seconds:.0f} s", remedy=remedy)
    lines = (run.stdout if run.returncode == 0 else run.stderr).strip().splitlines()
    detail = lines[-1] if lines else f"ended with code {run.returncode} and not a word"
    if "No module named 'kubric'" in detail:
        remedy = WITHOUT_KUBRIC
    elif "No module named" in detail:
        remedy = extra
    elif "cannot open shared object file" in detail:
        remedy = _LIBRARIES
    return CheckResult(name=name, ok=run.returncode == 0, detail=detail, remedy=remedy)


def _python() -> CheckResult:
    version = ".".join(map(str, sys.version_info[:3]))
    ok = sys.version_info[:2] == (3, 11)
    return CheckResult(name="python", ok=ok, detail=version, remedy="bpy 4.5 exists for Python 3.11 only: install that")


def _packages() -> CheckResult:
    found, missing = [], []
    for name in PACKAGES:
        try:
            found.append(f"{name} {importlib.metadata.version(name)}")
        except importlib.metadata.PackageNotFoundError:
            missing.append(name)
    detail = f"missing: {', '.join(missing)}" if missing else ", ".join(found)
    remedy = WITHOUT_KUBRIC if missing == ["kubric-nightly"] else _EXTRA
    return CheckResult(name="packages", ok=not missing, detail=detail, remedy=remedy)


def _cores() -> CheckResult:
    here, workers = cores(), default_workers()
    as_many = "as many" if workers == here else f"{workers}, since memory is enough for no more,"
    detail = f"{here}: {as_many} workers unless told otherwise"
    return CheckResult(name="cores", ok=True, detail=detail)


def _memory() -> CheckResult:
    """Enough for one worker at least, with what Ray takes."""
    free, each = available_bytes(), byte_size(WORKER_BYTES)
    if free is None:
        return CheckResult(name="memory", ok=True, detail=f"unknown on this system; a worker takes up to {each}")
    fit = fitting_workers(free)
    detail = f"{byte_size(free)} free, enough for {fit} workers of up to {each}; pictures above 512 x 512 take more"
    remedy = "close other programs, or give the container more; fewer --workers than one there cannot be"
    return CheckResult(name="memory", ok=fit > 0, detail=detail, remedy=remedy)


def _shared_memory() -> CheckResult:
    folder = Path("/dev/shm")
    if not folder.is_dir():
        return CheckResult(name="shm", ok=True, detail="no /dev/shm here; Ray does without")
    free = shutil.disk_usage(folder).free
    if not shared_memory_is_writable():
        return CheckResult(name="shm", ok=True, detail="/dev/shm cannot be written; Ray takes a file in place of it")
    detail = f"{byte_size(free)} free in /dev/shm, 105 MB wanted"
    return CheckResult(name="shm", ok=free > 100 << 20, detail=detail, remedy="in Docker: --shm-size 256m")


def _disk() -> CheckResult:
    free = shutil.disk_usage(Path.cwd()).free
    detail = f"{byte_size(free)} free here, 10 000 samples of 512 x 512 take about 7 GB"
    return CheckResult(name="disk", ok=free > 1e9, detail=detail, remedy="make room, or give --out on another disk")


def _cache() -> CheckResult:
    folder = default_cache()
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError as error:
        detail = f"{folder} cannot be written: {error.strerror}"
        return CheckResult(
            name="cache", ok=False, detail=detail, remedy="set SIMGEN_CACHE to a folder that can be written"
        )
    return CheckResult(name="cache", ok=True, detail=f"{folder} can be written")


def _uv() -> CheckResult:
    """Under `uv run` Ray would start every worker through uv; simgen turns that off before Ray is imported."""
    inside = "UV" in os.environ or "UV_RUN_RECURSION_DEPTH" in os.environ
    return CheckResult(
        name="uv", ok=True, detail="run by uv; Ray's hook for that is off" if inside else "not run by uv"
    )


CHECKS: dict[str, Callable[[], CheckResult]] = {
    "python": _python,
    "packages": _packages,
    "cores": _cores,
    "memory": _memory,
    "shm": _shared_memory,
    "disk": _disk,
    "cache": _cache,
    "uv": _uv,
    "physics": lambda: _run_code("physics", _PHYSICS, remedy="Kubric and Bullet must load and simulate a fall"),
    "render": lambda: _run_code("render", _RENDER, remedy="Blender must load and render a picture that is known"),
    "ray": lambda: _run_code("ray", _RAY, remedy="Ray must start on this machine; is something blocking local ports?"),
    "train": lambda: _run_code(
        "train", _TRAIN, remedy="torch and diffusers must load and edit a picture", extra=_TRAIN_EXTRA
    ),
}
"""By name, the cheap ones first."""
GENERATE_CHECKS = tuple(name for name in CHECKS if name != "train")


def run_checks(names: Collection[str] = GENERATE_CHECKS) -> Iterator[CheckResult]:
    """Run the named checks one after the other. An unknown name raises UnknownName before any is run."""
    for name in names:
        if name not in CHECKS:
            raise UnknownName("check", name, CHECKS)
    for name in names:
        yield CHECKS[name]()
