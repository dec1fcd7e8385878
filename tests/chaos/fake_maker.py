"""A maker that takes no time: hand-made samples, and for some of them the accidents of real ones. Part of the separate
process that `chaos.py` disturbs; it sees nothing of the disturbance but what it is told to do to itself."""

import ctypes
import functools
import os
import random
import resource
import signal
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
sys.path.insert(0, str(Path(__file__).resolve().parent))
import conftest as hand_made
import faults
from faults import install_disk, strike

from simgen.core.sample import Reject
from simgen.make.maker import Outcome
from simgen.plan.plan import SampleId
from simgen.plan.recipe import Recipe

DULL = 5
"""This sample is rejected at every attempt, in every run."""


class FakeMaker:
    """A maker as a worker knows it, without Bullet and Blender."""

    def __init__(self, recipe: Recipe, seed: int, *, told: Mapping[str, Any]) -> None:
        self._recipe, self._seed, self._told = recipe, seed, told
        if "clock" in told:
            turn_clock(**told["clock"])

    def make(self, sample_id: SampleId, *, notice: object) -> Outcome:
        time.sleep(self._told.get("pace_s", 0.02))
        for accident in self._told.get("accidents", ()):
            if accident["index"] == sample_id.index:
                _befall(**accident)
        if sample_id.index == DULL:
            return Outcome(sample=None, rejects=(Reject(gate="dull", reason="nothing moved"),) * 2, cost={})
        rejects = tuple(Reject(gate="at_rest", reason="still moving", attempt=i) for i in range(sample_id.index % 3))
        sample = hand_made.nudge_sample(sample_id, seed=self._seed, fingerprint=self._recipe.fingerprint)
        return Outcome(sample=sample, rejects=rejects, cost={"render": 0.1})


def _befall(*, index: int, what: str, log: str, disturbance: int, marker: str = "", seconds: float = 0.0) -> None:
    """An accident, the first time only where it has a marker."""
    if marker:
        try:
            Path(marker).touch(exist_ok=False)
        except FileExistsError:
            return
    strike(log, disturbance=disturbance, who="worker", event="render", part=f"sample {index}", how=what)
    if what == "abort":
        os.abort()
    elif what == "killed":
        os.kill(os.getpid(), signal.SIGKILL)
    elif what == "fail":
        raise ValueError(f"no such thing at {object()}")
    elif what == "slow":
        time.sleep(seconds)
    elif what == "hang":
        # Holds the interpreter's lock, as Blender does while it renders.
        ctypes.PyDLL(None).sleep(1000)
    elif what == "memory":
        pages = int(Path("/proc/self/statm").read_text().split()[5])
        limit = pages * resource.getpagesize() + (256 << 20)
        resource.setrlimit(resource.RLIMIT_DATA, (limit, resource.getrlimit(resource.RLIMIT_DATA)[1]))
        eaten = []
        while True:
            eaten.append(bytearray(16 << 20))
    else:
        raise AssertionError(what)


def turn_clock(seed: int, log: str, disturbance: int, who: str) -> None:
    """From now on the time of day jumps: by seconds, hours or years, forward and back."""
    real, rng = time.time, random.Random(seed)
    state = {"offset": 0.0}

    def jumpy() -> float:
        if rng.random() < 0.3:
            if not state["offset"]:
                strike(log, disturbance=disturbance, who=who, event="clock", part="", how="jumps")
            state["offset"] = rng.choice((-1, 1)) * 10 ** rng.uniform(0, 8.5)
        return real() + state["offset"]

    time.time = jumpy


class Factory:
    """Makes the maker of a worker; it brings the faults of the disk along, which the worker has before its first file
    is open."""

    def __init__(self, folder: str, told: Mapping[str, Any]) -> None:
        self._folder, self._told = folder, told

    def __call__(self, recipe: Recipe, seed: int) -> FakeMaker:
        return FakeMaker(recipe, seed, told=self._told)

    def __reduce__(self) -> Any:
        return _arrive, (self._folder, self._told)


def _arrive(folder: str, told: Mapping[str, Any]) -> Factory:
    if "disk" in told:
        install_disk(folder, told["disk"])
    return Factory(folder, told)


def run_simgen(arguments: Sequence[str], *, folder: str, driver: Mapping[str, Any], worker: Mapping[str, Any]) -> None:
    """`simgen ARGUMENTS`, the whole command, with a fake maker; does not return."""
    # Which tells Ray to be quiet before it is imported.
    from simgen.cli import app
    from simgen.run import driver as driver_module
    from simgen.run import limits
    from simgen.run import run as run_module

    for module in {hand_made, faults, sys.modules[__name__]}:
        # pytest takes it away again from where it has imported it.
        sys.modules.setdefault(module.__name__, module)
        driver_module.ray.cloudpickle.register_pickle_by_value(module)
    run_module.run = functools.partial(run_module.run, maker=Factory(folder, worker))
    limits.Limits = functools.partial(limits.Limits, write_s=60.0, worker_start_s=60.0)
    if "disk" in driver:
        install_disk(folder, driver["disk"])
    if "clock" in driver:
        turn_clock(**driver["clock"])
    app.main(list(arguments))
