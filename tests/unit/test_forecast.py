"""What a plan will take: a table, and probes that set it right."""

import re
from pathlib import Path

import numpy as np
import pytest

from simgen.dataset.forecast import START_SECONDS, Probe, forecast, longest_s, sample_bytes, sample_s
from simgen.plan.plan import Plan, count_scenes, make_plan
from simgen.plan.recipe import Recipe, Render, SceneChoice, load_scenes
from simgen.scene.registry import scenes
from simgen.storage.resources import folder
from simgen.storage.settings import read_yaml

SMALL = Render(quality="fast")


def plan(n: int, render: Render = SMALL, names: tuple[str, ...] = ("drop", "condensation")) -> Plan:
    choices = tuple(SceneChoice(name=name, weight=1.0, parameters={}) for name in names)
    return make_plan(Recipe(name="r", scenes=choices, render=render), n=n, seed=0)


def test_the_table_is_what_the_scenes_took_at_512_pixels() -> None:
    costs = read_yaml(folder("assets") / "costs.yaml")
    assert sample_s("drop", SMALL) == pytest.approx(costs["drop"])
    told = forecast(plan(100), start_s=0.0)
    mix = count_scenes(plan(100))
    assert told.core_s.middle == pytest.approx(sum(count * costs[name] for name, count in mix.items()))
    assert (told.core_s.low, told.core_s.high) == (told.core_s.middle / 2, told.core_s.middle * 2)


def test_the_table_says_what_the_page_of_scenes_says() -> None:
    page = (Path(__file__).parents[2] / "docs" / "scenes.md").read_text()
    told = re.findall(r"^### (\w+)\n.*?^- cost: (\d+) core-seconds", page, re.MULTILINE | re.DOTALL)
    costs = read_yaml(folder("assets") / "costs.yaml")
    # The page has whole seconds, the table tenths.
    assert told and all(abs(costs[name] - int(cost)) <= 0.55 for name, cost in told)
    load_scenes()
    assert set(costs) <= set(scenes())


def test_a_scene_that_is_not_in_the_table_takes_what_scenes_take() -> None:
    costs = read_yaml(folder("assets") / "costs.yaml").values()
    assert min(costs) < sample_s("of_a_stranger", SMALL) < max(costs)


def test_more_pixels_and_more_light_take_longer() -> None:
    fast = sample_s("drop", SMALL)
    assert sample_s("drop", Render(quality="fast", width=1024)) > 1.5 * fast
    assert fast < sample_s("drop", Render(quality="standard")) < sample_s("drop", Render(quality="high"))
    assert sample_bytes(Render(passes=("depth",))) > sample_bytes(Render()) + 8 * 512**2 - 1


def test_every_worker_has_a_start_but_no_more_of_them_than_shards() -> None:
    assert len(plan(20).shards) == 6
    few, many = forecast(plan(20), workers=1), forecast(plan(20), workers=64)
    assert many.core_s.middle - few.core_s.middle == pytest.approx(5 * START_SECONDS)


def test_probes_set_the_table_right() -> None:
    """On a machine three times as slow every probe takes three times what the table says of its scene."""
    slow = [
        Probe(scene=name, core_s=3 * sample_s(name, SMALL), bytes=2 * sample_bytes(SMALL)) for name in ("drop", "x")
    ]
    table, told = forecast(plan(1000), start_s=0.0), forecast(plan(1000), slow, start_s=0.0)
    assert told.core_s.middle == pytest.approx(3 * table.core_s.middle)
    assert told.bytes.middle == pytest.approx(2 * table.bytes.middle)
    assert told.core_s.low < told.core_s.middle < told.core_s.high
    assert told.probes == 2


def test_more_probes_know_better_and_a_short_run_is_less_certain() -> None:
    def width(probes: int, n: int) -> float:
        made = [Probe(scene="drop", core_s=10.0, bytes=100_000)] * probes
        told = forecast(plan(n), made).core_s
        return told.high / told.low

    assert width(2, 1000) > width(6, 1000) > width(24, 1000) > 1.2
    assert width(6, 4) > width(6, 1000)


@pytest.mark.parametrize("spread", [0.2, 0.6])
def test_nineteen_runs_in_twenty_end_within_the_bounds(spread: float) -> None:
    """Samples whose cost scatters around the table's; six probes; runs of thirty."""
    rng = np.random.default_rng([5])
    of = plan(30, names=("drop",))
    inside = 0
    for _ in range(400):
        costs = sample_s("drop", SMALL) * np.exp(rng.normal(0.0, spread, size=36))
        told = forecast(of, [Probe(scene="drop", core_s=c, bytes=1) for c in costs[:6]], start_s=0.0).core_s
        inside += told.low <= costs[6:].sum() <= told.high
    assert inside >= 380


def test_a_probe_that_came_to_nothing_costs_and_takes_no_room() -> None:
    told = forecast(plan(100), [Probe(scene="drop", core_s=5.0, bytes=0)])
    assert told.probes == 1 and told.bytes == forecast(plan(100)).bytes


def test_a_sample_is_given_up_only_after_many_times_what_it_takes() -> None:
    assert longest_s(plan(10)) > 10 * sample_s("condensation", SMALL)
    assert longest_s(plan(10, Render(width=4096, height=4096, quality="high"))) > 10_000
