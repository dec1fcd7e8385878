"""Families: every scene can let several things happen to the same start."""

from collections import Counter

import pytest

from simgen.core.errors import UsageError
from simgen.core.sample import Reject
from simgen.make.clock import Clock
from simgen.make.family import possible_events
from simgen.make.maker import Maker
from simgen.make.phases import Event
from simgen.plan.plan import make_plan, sample_id
from simgen.plan.recipe import load_recipe, load_scenes
from simgen.scene.registry import scenes

load_scenes()
SIZE = 3


@pytest.mark.parametrize("name", sorted(name for name, scene in scenes().items() if scene.families))
def test_another_event_leaves_the_start_as_it_is(name: str) -> None:
    maker = Maker(load_recipe(name, overrides=[f"family={SIZE}"]), seed=2)
    first, rejects = sample_id(maker.recipe, seed=2, index=0), Counter[str]()
    for attempt in range(8):
        members: list[Event] = []
        for found in possible_events(maker, first, attempt, clock=Clock(), notice=lambda assets: None):
            if isinstance(found, Reject):
                rejects[found.gate] += 1
                continue
            members.append(found)
            if len(members) == SIZE:
                break
        if len(members) == SIZE:
            break
    assert len(members) == SIZE, f"no family of {SIZE} in 8 attempts: {rejects}"
    assert rejects["family_start"] == 0
    told = {repr((m.rollout.spec.events, m.rollout.spec.inputs)) for m in members}
    assert len(told) == SIZE


def test_a_scene_of_one_event_is_refused_a_family() -> None:
    with pytest.raises(UsageError, match=r"pisa_fall has one event only.*family to 1"):
        load_recipe("pisa_fall", overrides=["family=2"])
    names = {choice.name for choice in load_recipe("all", overrides=["family=2"]).scenes}
    assert names == set(scenes()) - {"pisa_fall"}
    assert load_recipe("rigid", overrides=["family=2", "scenes.pisa_fall.weight=0"]).family == 2


def test_a_family_is_of_one_scene_and_one_split_and_in_one_shard() -> None:
    recipe = load_recipe("optical", overrides=["family=4"])
    plan = make_plan(recipe, n=120, seed=1)
    for shard in plan.shards:
        counts = Counter(sample.family for sample in shard.samples)
        assert set(counts.values()) == {4}
        assert len({(s.family, s.scene, s.split) for s in shard.samples}) == len(counts)
    alone = make_plan(load_recipe("optical"), n=30, seed=1)
    wanted = {s.index: (s.scene, s.split) for shard in alone.shards for s in shard.samples}
    assert {s.family: (s.scene, s.split) for shard in plan.shards for s in shard.samples} == wanted
