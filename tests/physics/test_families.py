"""Families: every scene can let several things happen to the same start."""

from collections import Counter
from collections.abc import Callable

import pytest

from simgen.core.errors import UsageError
from simgen.core.rollout import Rollout
from simgen.core.sample import Reject
from simgen.core.spec import SceneSpec
from simgen.make import family
from simgen.make.clock import Clock
from simgen.make.maker import Maker
from simgen.make.phases import Event
from simgen.plan.plan import SampleId, make_plan
from simgen.plan.recipe import load_recipe, load_scenes
from simgen.scene.registry import scenes

load_scenes()
SEED = 7


@pytest.mark.parametrize("size", [2, pytest.param(3, marks=pytest.mark.slow)])
@pytest.mark.parametrize("name", sorted(name for name, scene in scenes().items() if scene.families))
def test_another_event_leaves_the_start_as_it_is(
    name: str,
    size: int,
    develop_spec: Callable[[SceneSpec], Rollout],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    # The first members of these families are among the rollouts that all tests of the scene share.
    maker = Maker(load_recipe(name, overrides=[f"family={size}"]), seed=SEED)
    monkeypatch.setattr(family, "simulate_event", lambda kit, scene, spec: develop_spec(spec))
    rejects = Counter[str]()
    for index in range(8):
        first = SampleId(
            index=index * size, key=f"{name.replace('_', '-')}-{index}", scene=name, split="train", family_size=size
        )
        members: list[Event] = []
        for found in family.possible_events(maker, first, 0, clock=Clock(), notice=lambda assets: None):
            if isinstance(found, Reject):
                rejects[found.gate] += 1
                continue
            members.append(found)
            if len(members) == size:
                break
        if len(members) == size:
            break
    assert len(members) == size, f"no family of {size} in 8 attempts: {rejects}"
    assert rejects["family_start"] == 0
    told = {repr((m.rollout.spec.events, m.rollout.spec.inputs)) for m in members}
    assert len(told) == size


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
