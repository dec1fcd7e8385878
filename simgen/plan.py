"""Recipe + n + seed -> which sample goes into which shard.

Which scene a sample shows and which split it belongs to follow from (recipe, seed, index) alone, so the first
thousand samples of a large data set are the samples of a small one; only the cut into shards depends on n.
"""

import functools
import hashlib
import json
import math
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from simgen.errors import ConflictError, OutputError, UsageError, shown
from simgen.places import Place
from simgen.recipe import Recipe, parse_recipe
from simgen.settings import read_yaml, write_yaml
from simgen.types import Split

RESOLVED = "config.resolved.yaml"
"""The plan of a data set, in its folder; `generate` takes it as a recipe, too."""

# 2^64 divided by the golden ratio: its multiples modulo 2^64 fill the circle more evenly than any other walk.
_GOLDEN_STEP = 0x9E3779B97F4A7C15
_CIRCLE = 1 << 64


MOST_SAMPLES = 10_000_000
"""Of one data set: its plan is held in memory."""
MOST_SHARDS = 100_000
"""Their names have five digits."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SampleId:
    """What is known of a sample before it is made."""

    index: int
    key: str
    """Its name in the data set: letters, digits, dashes."""
    scene: str
    split: Split
    family_size: int = 1
    """So many samples, from a multiple of it on, begin with the same picture."""

    @property
    def family(self) -> int:
        """Number of its family."""
        return self.index // self.family_size

    @property
    def member(self) -> int:
        """Its place in the family."""
        return self.index % self.family_size

    def at(self, index: int) -> "SampleId":
        """Another member of the family, by its number."""
        return replace(self, index=index, key=_key(self.scene, index))


@dataclass(frozen=True, slots=True, kw_only=True)
class ShardPlan:
    """The samples of one shard, by rising index; every split numbers its own shards from 0."""

    split: Split
    number: int
    samples: tuple[SampleId, ...]

    @property
    def name(self) -> str:
        return f"{self.split}/{self.number:05d}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """A whole data set before it is made."""

    recipe: Recipe
    n: int
    seed: int
    shard_size: int
    pins: Mapping[str, str] = field(default_factory=dict)
    """What else decides the bytes: versions, scene files, the asset catalogue."""
    shards: tuple[ShardPlan, ...]

    @property
    def fingerprint(self) -> str:
        """Of everything that decides what is in which shard."""
        facts = [self.recipe.fingerprint, self.n, self.seed, self.shard_size, sorted(self.pins.items())]
        return hashlib.sha256(json.dumps(facts).encode()).hexdigest()[:16]

    def to_yaml(self) -> str:
        run = {"n": self.n, "seed": self.seed, "shard_size": self.shard_size, "pins": dict(self.pins)}
        data = {"run": {**run, "fingerprint": self.fingerprint}}
        return self.recipe.to_yaml() + write_yaml(data, flow=False)


def sample_id(recipe: Recipe, *, seed: int, index: int) -> SampleId:
    """What sample `index` is: O(1), and the same for every n. Scene and split are those of its family."""
    family = index // recipe.family
    at = (family * _GOLDEN_STEP + _walk_start(seed)) % _CIRCLE / _CIRCLE * sum(c.weight for c in recipe.scenes)
    reached = 0.0
    for choice in recipe.scenes:
        reached += choice.weight
        if at < reached:
            break
    scene = choice.name
    split: Split = "test" if family % 10 == _test_place(seed, family // 10) else "train"
    return SampleId(index=index, key=_key(scene, index), scene=scene, split=split, family_size=recipe.family)


def make_plan(
    recipe: Recipe, *, n: int, seed: int, shard_size: int | None = None, pins: Mapping[str, str] | None = None
) -> Plan:
    """The first n samples, cut into shards of their split."""
    if n < 1:
        raise UsageError(f"--n must be at least 1; got {shown(n)}")
    if n > MOST_SAMPLES:
        raise UsageError(f"--n must be at most {MOST_SAMPLES}; got {shown(n)}; make several data sets, with --seed")
    if seed < 0:
        raise UsageError(f"--seed must be at least 0; got {shown(seed)}")
    if seed >= 1 << 63:
        raise UsageError(f"--seed must be below 2^63, so that a record can hold it; got {shown(seed)}")
    if shard_size is not None and shard_size < 1:
        raise UsageError(f"--shard-size must be at least 1; got {shown(shard_size)}")
    # Two workers share even eight samples, ten thousand make a thousand jobs, a kill costs minutes.
    size = shard_size or min(max(math.ceil(n / 1000), 4), 128)
    # A family is made at once, so it goes into one shard.
    size = math.ceil(size / recipe.family) * recipe.family
    if n > MOST_SHARDS * size:
        raise UsageError(f"--shard-size must be at least {math.ceil(n / MOST_SHARDS)} for {n} samples; got {size}")
    by_split: dict[Split, list[SampleId]] = {"train": [], "test": []}
    for index in range(n):
        sample = sample_id(recipe, seed=seed, index=index)
        by_split[sample.split].append(sample)
    shards = [
        ShardPlan(split=split, number=first // size, samples=tuple(samples[first : first + size]))
        for split, samples in by_split.items()
        for first in range(0, len(samples), size)
    ]
    return Plan(recipe=recipe, n=n, seed=seed, shard_size=size, pins=pins or {}, shards=tuple(shards))


def read_plan(folder: Place) -> Plan:
    """The plan that a data set was started with."""
    path = folder / RESOLVED
    if not path.is_file():
        raise OutputError(f"{folder}: holds no simgen data set ({RESOLVED} is missing); check the folder's name")
    data = read_yaml(path)
    recipe = parse_recipe(data, where=str(path), check_scenes=False)
    run = read_run(path)
    if not run:
        raise OutputError(f"{path}: holds no 'run' and is not what simgen wrote; restore it, or take another folder")
    return make_plan(recipe, n=run["n"], seed=run["seed"], shard_size=run["shard_size"], pins=run.get("pins", {}))


def read_run(path: Place) -> dict[str, Any]:
    """How a resolved recipe was run: `n`, `seed`, `shard_size`, `pins`; empty for any other recipe file."""
    run = read_yaml(path).get("run") or {}
    if run and (not isinstance(run, dict) or not all(type(run.get(k)) is int for k in ("n", "seed", "shard_size"))):
        raise UsageError(f"{path}: run must hold the whole numbers n, seed and shard_size; got {shown(run)}")
    pins = run.get("pins", {})
    if not isinstance(pins, dict) or not all(isinstance(pin, str) for pin in pins.values()):
        raise UsageError(f"{path}: run.pins must be names with their versions; got {shown(pins)}")
    return dict(run)


def check_same(folder: Place, plan: Plan) -> None:
    """Refuse to go on with another plan's data set: its shards would mix two recipes."""
    there = read_plan(folder)
    if there.fingerprint == plan.fingerprint:
        return
    differences = "; ".join(
        f"{key}: {old} there, {new} here" for key, old, new in _differences(_facts(there), _facts(plan))
    )
    raise ConflictError(
        f"{folder} holds a data set of another plan ({differences}); choose another --out, "
        f"or give the same recipe, --n and --seed to go on with it"
    )


def _key(scene: str, index: int) -> str:
    return f"{scene.replace('_', '-')}-{index:06d}"


@functools.lru_cache(maxsize=64)
def _walk_start(seed: int) -> int:
    return int(np.random.default_rng([seed]).integers(0, _CIRCLE, dtype=np.uint64))


@functools.lru_cache(maxsize=64)
def _test_place(seed: int, block: int) -> int:
    """Which of the ten families of a block is held out."""
    return int(np.random.default_rng([seed, block]).integers(10))


def _facts(plan: Plan) -> dict[str, Any]:
    data = plan.recipe.as_data()
    del data["name"], data["scene_folders"]
    flat = _flat(data)
    for key in ("assets.objects", "assets.environments"):
        flat[key] = [Path(manifest).name for manifest in flat[key]]
    return {"n": plan.n, "seed": plan.seed, "shard_size": plan.shard_size, **flat, **plan.pins}


def _flat(data: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    flat: dict[str, Any] = {}
    for key, value in data.items():
        flat |= _flat(value, f"{prefix}{key}.") if isinstance(value, dict) else {f"{prefix}{key}": value}
    return flat


def _differences(old: Mapping[str, Any], new: Mapping[str, Any]) -> list[tuple[str, Any, Any]]:
    keys = [*old, *(key for key in new if key not in old)]
    return [(k, old.get(k, "nothing"), new.get(k, "nothing")) for k in keys if old.get(k) != new.get(k)]
