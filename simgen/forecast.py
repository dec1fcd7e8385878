"""What a plan will take, before anything is made: rough figures, measured on the machine of its authors."""

from collections import Counter
from collections.abc import Mapping

from simgen.plan import Plan, count_scenes
from simgen.recipe import Pass, Quality
from simgen.store import SPLITS

# Core seconds for one accepted sample of 512 x 512, rejected attempts included.
_SECONDS: Mapping[Quality, float] = {"fast": 11.0, "standard": 15.0, "high": 45.0}
# Of these the part that does not grow with the picture: physics, building the scene.
_FIXED_SECONDS = 2.0
# Two PNG pictures, three PNG masks, the JSON.
_BYTES_PER_PIXEL = 2.4
_FIXED_BYTES = 60_000
_PASS_BYTES: Mapping[Pass, float] = {"depth": 8.0, "normals": 24.0, "flow": 8.0}


def seconds(plan: Plan) -> float:
    """Core seconds for the whole plan."""
    render = plan.recipe.render
    share = render.width * render.height / 512**2
    return plan.n * (_FIXED_SECONDS + (_SECONDS[render.quality] - _FIXED_SECONDS) * share)


def longest_s(plan: Plan) -> float:
    """When a sample has taken so long that something must be wrong: many times what one takes, attempts and all."""
    return max(600.0, 60 * seconds(plan) / plan.n)


def size_bytes(plan: Plan) -> int:
    """Room on the disk for the whole plan."""
    render = plan.recipe.render
    per_pixel = _BYTES_PER_PIXEL + sum(_PASS_BYTES[name] for name in render.passes)
    return int(plan.n * (_FIXED_BYTES + per_pixel * render.width * render.height))


def mix(plan: Plan) -> tuple[Counter[str], Counter[str]]:
    """How many samples of each scene, and of each split."""
    splits = {split: plan.num_samples(split) for split in SPLITS}
    return count_scenes(plan), Counter({split: count for split, count in splits.items() if count})
