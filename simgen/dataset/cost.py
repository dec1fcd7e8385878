"""Plan → what it will cost in core-seconds and bytes, from a table of costs by scene and from samples made to measure.

The table was measured on the machine of its authors; half of it or double may be true of another. A few samples of the
plan, made here and now, correct it: each is compared with what the table says of its scene, and the spread of these
ratios says how far to trust their mean.
"""

import functools
import math
import statistics
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from simgen.dataset.layout import SPLITS
from simgen.plan.plan import Plan, count_scenes
from simgen.plan.recipe import Pass, Quality, Render
from simgen.storage.resources import folder
from simgen.storage.yaml_files import read_yaml

COSTS = "costs.yaml"
"""In `assets/`: scene → core-seconds for an accepted sample of 512 x 512 at quality fast, written by `make docs`."""
# Of these the part that does not grow with the picture: physics, building the scene.
_FIXED_SECONDS = 2.0
# What a frame takes beside one of quality fast, by tests/bench/render_quality.py.
_WORK: Mapping[Quality, float] = {"fast": 1.0, "standard": 3.0, "high": 9.7}
# For a worker to load Blender, the scenes and the assets.
START_SECONDS = 6.0
# Two PNG pictures, three PNG masks, the JSON.
_BYTES_PER_PIXEL = 2.4
_FIXED_BYTES = 60_000
_PASS_BYTES: Mapping[Pass, float] = {"depth": 8.0, "normals": 24.0, "flow": 8.0}

# How far a sample is from what the table says of its scene, as the standard deviation of a logarithm, and the number of
# measured samples that this assumption counts for: two or three measured ones say little about their spread.
_PRIOR_SPREAD, _PRIOR_WEIGHT = 0.5, 4
# How much the same machine differs from one hour to another.
_DRIFT = 0.15


@dataclass(frozen=True, slots=True, kw_only=True)
class Estimate:
    """A figure, and bounds between which it lies nineteen times in twenty."""

    middle: float
    low: float
    high: float

    def scaled(self, factor: float) -> "Estimate":
        return Estimate(middle=self.middle * factor, low=self.low * factor, high=self.high * factor)

    def in_words(self, write: Callable[[float], str], *, unit: str = "") -> str:
        """`about 12 GB (9 to 15)`, where `write` writes a figure without its unit."""
        return f"about {write(self.middle)}{unit} ({write(self.low)} to {write(self.high)})"


@dataclass(frozen=True, slots=True, kw_only=True)
class CostSample:
    """What one sample of the plan took that was made to measure."""

    scene: str
    core_s: float
    bytes: int
    """0 where all its attempts were rejected."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CostEstimate:
    """What a plan will cost."""

    core_s: Estimate
    bytes: Estimate
    num_samples: int
    """Samples that were made for it; 0 where it is from the table alone."""


def estimate_cost(
    plan: Plan, samples: Sequence[CostSample] = (), *, workers: int = 1, start_s: float = START_SECONDS
) -> CostEstimate:
    """Work and size of the whole plan. `start_s` is added for each worker that starts."""
    render = plan.recipe.render
    table = sum(count * sample_core_s(scene, render) for scene, count in count_scenes(plan).items())
    work = [sample.core_s / sample_core_s(sample.scene, render) for sample in samples]
    size = [sample.bytes / sample_bytes(render) for sample in samples if sample.bytes]
    core_s = _scaled(table, work, plan.n, drift=_DRIFT)
    starts = min(workers, len(plan.shards)) * start_s
    return CostEstimate(
        core_s=Estimate(middle=core_s.middle + starts, low=core_s.low + starts / 2, high=core_s.high + starts * 2),
        bytes=_scaled(plan.n * sample_bytes(render), size, plan.n, drift=0.0),
        num_samples=len(samples),
    )


def sample_core_s(scene: str, render: Render) -> float:
    """Core seconds for one planned sample, as the table has it; the mean of all scenes for one that it has not."""
    known = _costs()
    cost = known.get(scene) or statistics.mean(known.values())
    share = render.width * render.height / 512**2
    return _FIXED_SECONDS + (cost - _FIXED_SECONDS) * _WORK[render.quality] * share


def sample_bytes(render: Render) -> int:
    """Room on the disk for one sample, as the table has it."""
    per_pixel = _BYTES_PER_PIXEL + sum(_PASS_BYTES[name] for name in render.passes)
    return int(_FIXED_BYTES + per_pixel * render.width * render.height)


def sample_limit_s(plan: Plan) -> float:
    """Seconds after which something must be wrong with a sample: many times what one takes, all attempts included."""
    return max(600.0, 60 * max(sample_core_s(choice.name, plan.recipe.render) for choice in plan.recipe.scenes))


def count_mix(plan: Plan) -> tuple[Counter[str], Counter[str]]:
    """How many samples of each scene, and of each split."""
    splits = {split: plan.num_samples(split) for split in SPLITS}
    return count_scenes(plan), Counter({split: count for split, count in splits.items() if count})


def _scaled(table: float, ratios: Sequence[float], n: int, *, drift: float) -> Estimate:
    """The figure of the table, corrected by the ratios of measured to expected."""
    if not ratios:
        return Estimate(middle=table, low=table / 2, high=table * 2)
    logs = [math.log(ratio) for ratio in ratios]
    # The spread of the ratios and the assumed one, each with its weight.
    own = (len(logs) - 1) * (statistics.variance(logs) if len(logs) > 1 else 0.0)
    freedom = len(logs) - 1 + _PRIOR_WEIGHT
    spread = math.sqrt((own + _PRIOR_WEIGHT * _PRIOR_SPREAD**2) / freedom)
    # Both the measured samples and the run are samples of what the recipe makes. Student's t for 95 %, near enough.
    error = (1.96 + 2.5 / freedom) * spread * math.sqrt(1 / len(logs) + 1 / n) + drift
    middle = table * statistics.mean(ratios)
    return Estimate(middle=middle, low=middle * math.exp(-error), high=middle * math.exp(error))


@functools.cache
def _costs() -> dict[str, float]:
    return {str(scene): float(cost) for scene, cost in read_yaml(folder("assets") / COSTS).items()}
