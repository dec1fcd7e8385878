"""A plan → what a few of its samples cost, made here and now and thrown away."""

import time
from collections.abc import Callable
from dataclasses import dataclass

from simgen.dataset.cost import CostSample
from simgen.dataset.shards import tar_bytes
from simgen.make.maker import Maker
from simgen.plan.plan import Plan, sample_id

_FEW_FAMILIES = 12
"""Made where no number is given and the time allows."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CostSamples:
    """Samples that were made to see what they take."""

    samples: tuple[CostSample, ...]
    start_s: float
    """Core-seconds that the start of a worker takes."""


def make_cost_samples(
    plan: Plan, *, most: int | None, report: Callable[[str], object], seconds: float = 30.0
) -> CostSamples:
    """Make the first samples of a plan, which are spread evenly over its mix: `most` of them, or with None as many as
    fit into `seconds`. `report` gets a line before each."""
    began, cpu_began = time.monotonic(), time.process_time()
    maker = Maker(plan.recipe, plan.seed)
    assert maker.renderer is not None
    start_s = time.process_time() - cpu_began
    found: list[CostSample] = []
    family = plan.recipe.family
    # A family is made at once: its cost is that of all its members.
    for first in range(0, plan.n, family):
        late = most is None and found and time.monotonic() - began > seconds
        if late or len(found) >= (most or _FEW_FAMILIES * family):
            break
        planned = sample_id(plan.recipe, seed=plan.seed, index=first)
        report(f"making {planned.key} to see what it takes")
        cpu_began = time.process_time()
        made = [maker.make(planned.at(first + member)).sample for member in range(family)]
        core_s = (time.process_time() - cpu_began) / family
        found += [CostSample(scene=planned.scene, core_s=core_s, bytes=tar_bytes(one) if one else 0) for one in made]
    return CostSamples(samples=tuple(found), start_s=start_s)
