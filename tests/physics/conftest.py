"""Rollouts of every scene, made once for all tests of that scene."""

from collections.abc import Callable, Iterator
from contextlib import suppress
from functools import cache

import numpy as np
import pytest

from simgen.catalog.catalog import open_catalog
from simgen.core.assets import Split
from simgen.core.rollout import Rollout
from simgen.core.spec import SceneSpec
from simgen.engine.physics import simulate
from simgen.plan.recipe import load_scenes
from simgen.scene.draw import Draw, NothingFits
from simgen.scene.registry import build

load_scenes()
CATALOG = open_catalog()
SEED = 7


def drawn(name: str, index: int, split: Split = "train", aspect: float = 1.0) -> SceneSpec:
    """What a run with this seed draws for the first attempt at one sample; `aspect` is height over width."""
    number = [SEED, index, 0]
    draw = Draw(
        rng=np.random.default_rng(number),
        catalog=CATALOG,
        split=split,
        event_rng=np.random.default_rng([*number, 2, 0]),
        aspect=aspect,
    )
    return build(name).sample(draw)


@cache
def developed(spec: SceneSpec) -> Rollout:
    return build(spec.scene).develop(simulate(spec, CATALOG), CATALOG.mesh)


def attempts(name: str, number: int = 4, aspect: float = 1.0) -> Iterator[Rollout]:
    for index in range(number):
        with suppress(NothingFits):
            yield developed(drawn(name, index, "test" if index % 4 == 3 else "train", aspect))


@pytest.fixture(scope="session")
def rollouts_of() -> Callable[..., Iterator[Rollout]]:
    """`rollouts_of("drop", number=4)`: what comes of so many attempts at a scene, one in four of the test split. Each
    is made when it is asked for, once."""
    return attempts


@pytest.fixture(scope="session")
def rollout_of() -> Callable[[str], Rollout]:
    """`rollout_of("drop")`: the first attempt at a scene for which something fits, made once."""
    return lambda name: next(attempts(name, number=20))


@pytest.fixture(scope="session")
def draw_spec() -> Callable[..., SceneSpec]:
    """`draw_spec("drop", index, split="train")`: the spec of one attempt, of which `rollouts_of` made rollouts."""
    return drawn


@pytest.fixture(scope="session")
def develop_spec() -> Callable[[SceneSpec], Rollout]:
    """`develop_spec(spec)`: its rollout, made once."""
    return developed
