"""What a plan will cost: a table, and samples that correct it."""

import re
from pathlib import Path

import numpy as np
import pytest

from simgen.dataset.cost import START_SECONDS, CostSample, estimate_cost, sample_bytes, sample_core_s, sample_limit_s
from simgen.plan.plan import Plan, count_scenes, make_plan
from simgen.plan.recipe import Recipe, Render, SceneChoice, load_scenes
from simgen.scene.registry import scenes
from simgen.storage.resources import folder
from simgen.storage.yaml_files import read_yaml

SMALL = Render(quality="fast")


def plan(n: int, render: Render = SMALL, names: tuple[str, ...] = ("drop", "condensation")) -> Plan:
    choices = tuple(SceneChoice(name=name, weight=1.0, parameters={}) for name in names)
    return make_plan(Recipe(name="r", scenes=choices, render=render), n=n, seed=0)


def test_the_table_is_what_the_scenes_took_at_512_pixels() -> None:
    costs = read_yaml(folder("assets") / "costs.yaml")
    assert sample_core_s("drop", SMALL) == pytest.approx(costs["drop"])
    estimate = estimate_cost(plan(100), start_s=0.0)
    mix = count_scenes(plan(100))
    assert estimate.core_s.middle == pytest.approx(sum(count * costs[name] for name, count in mix.items()))
    assert (estimate.core_s.low, estimate.core_s.high) == (estimate.core_s.middle / 2, estimate.core_s.middle * 2)


def test_the_table_says_what_the_page_of_scenes_says() -> None:
    page = (Path(__file__).parents[2] / "docs" / "scenes.md").read_text()
    estimate = re.findall(r"^### (\w+)\n.*?^- cost: (\d+) core-seconds", page, re.MULTILINE | re.DOTALL)
    costs = read_yaml(folder("assets") / "costs.yaml")
    # The page has whole seconds, the table tenths.
    assert estimate and all(abs(costs[name] - int(cost)) <= 0.55 for name, cost in estimate)
    load_scenes()
    assert set(costs) <= set(scenes())


def test_a_scene_that_is_not_in_the_table_takes_what_scenes_take() -> None:
    costs = read_yaml(folder("assets") / "costs.yaml").values()
    assert min(costs) < sample_core_s("of_a_stranger", SMALL) < max(costs)


def test_more_pixels_and_more_light_take_longer() -> None:
    fast = sample_core_s("drop", SMALL)
    assert sample_core_s("drop", Render(quality="fast", width=1024)) > 1.5 * fast
    assert fast < sample_core_s("drop", Render(quality="standard")) < sample_core_s("drop", Render(quality="high"))
    assert sample_bytes(Render(passes=("depth",))) > sample_bytes(Render()) + 8 * 512**2 - 1


def test_every_worker_has_a_start_but_no_more_of_them_than_shards() -> None:
    assert len(plan(20).shards) == 6
    few, many = estimate_cost(plan(20), workers=1), estimate_cost(plan(20), workers=64)
    assert many.core_s.middle - few.core_s.middle == pytest.approx(5 * START_SECONDS)


def test_measured_samples_correct_the_table() -> None:
    """On a machine three times as slow every sample takes three times what the table says of its scene."""
    slow = [
        CostSample(scene=name, core_s=3 * sample_core_s(name, SMALL), bytes=2 * sample_bytes(SMALL))
        for name in ("drop", "x")
    ]
    table, estimate = estimate_cost(plan(1000), start_s=0.0), estimate_cost(plan(1000), slow, start_s=0.0)
    assert estimate.core_s.middle == pytest.approx(3 * table.core_s.middle)
    assert estimate.bytes.middle == pytest.approx(2 * table.bytes.middle)
    assert estimate.core_s.low < estimate.core_s.middle < estimate.core_s.high
    assert estimate.num_samples == 2


def test_more_samples_know_better_and_a_short_run_is_less_certain() -> None:
    def width(measured: int, n: int) -> float:
        made = [CostSample(scene="drop", core_s=10.0, bytes=100_000)] * measured
        estimate = estimate_cost(plan(n), made).core_s
        return estimate.high / estimate.low

    assert width(2, 1000) > width(6, 1000) > width(24, 1000) > 1.2
    assert width(6, 4) > width(6, 1000)


@pytest.mark.parametrize("spread", [0.2, 0.6])
def test_nineteen_runs_in_twenty_end_within_the_bounds(spread: float) -> None:
    """Samples whose cost scatters around the table's; six measured ones; runs of thirty."""
    rng = np.random.default_rng([5])
    of = plan(30, names=("drop",))
    inside = 0
    for _ in range(400):
        costs = sample_core_s("drop", SMALL) * np.exp(rng.normal(0.0, spread, size=36))
        estimate = estimate_cost(
            of, [CostSample(scene="drop", core_s=c, bytes=1) for c in costs[:6]], start_s=0.0
        ).core_s
        inside += estimate.low <= costs[6:].sum() <= estimate.high
    assert inside >= 380


def test_a_sample_that_came_to_nothing_costs_and_takes_no_room() -> None:
    estimate = estimate_cost(plan(100), [CostSample(scene="drop", core_s=5.0, bytes=0)])
    assert estimate.num_samples == 1 and estimate.bytes == estimate_cost(plan(100)).bytes


def test_a_sample_is_given_up_only_after_many_times_what_it_takes() -> None:
    assert sample_limit_s(plan(10)) > 10 * sample_core_s("condensation", SMALL)
    assert sample_limit_s(plan(10, Render(width=4096, height=4096, quality="high"))) > 10_000
