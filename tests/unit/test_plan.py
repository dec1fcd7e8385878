"""Every sample has its place: one shard, whatever the length of the data set."""

import hashlib
import pickle
from collections import Counter
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from simgen.core.errors import ConflictError, OutputError, UsageError
from simgen.dataset.layout import parse_name
from simgen.plan.plan import (
    RESOLVED,
    PlanDamaged,
    SampleId,
    ShardPlan,
    check_same,
    count_scenes,
    make_plan,
    read_plan,
    read_run,
    sample_id,
)
from simgen.plan.recipe import Recipe, Render, SceneChoice

WEIGHTS = st.lists(st.floats(0.05, 20), min_size=1, max_size=9)


def recipe(weights: list[float], **rest: object) -> Recipe:
    scenes = tuple(SceneChoice(name=f"s_{i}", weight=w, parameters={}) for i, w in enumerate(weights))
    return Recipe(name="r", scenes=scenes, **rest)  # type: ignore[arg-type]


@given(weights=WEIGHTS, n=st.integers(1, 700), seed=st.integers(0, 2**40), size=st.none() | st.integers(1, 50))
@settings(max_examples=40, deadline=None)
def test_every_index_is_in_exactly_one_shard(weights: list[float], n: int, seed: int, size: int | None) -> None:
    plan = make_plan(recipe(weights), n=n, seed=seed, shard_size=size)
    samples = [sample for shard in plan.shards for sample in shard.samples]
    assert sorted(s.index for s in samples) == list(range(n))
    assert len({s.key for s in samples}) == n
    assert all(s.split == shard.split for shard in plan.shards for s in shard.samples)
    for split in ("train", "test"):
        own = [shard for shard in plan.shards if shard.split == split]
        assert [shard.number for shard in own] == list(range(len(own)))
        assert all(len(shard.samples) == plan.shard_size for shard in own[:-1])
        assert [s.index for shard in own for s in shard.samples] == sorted(
            s.index for shard in own for s in shard.samples
        )


def listed(of: Recipe, n: int, seed: int, size: int) -> list[tuple[str, int, list[SampleId]]]:
    """Every shard of a plan as one writes it down: all samples in a row, by split, cut."""
    samples = [sample_id(of, seed=seed, index=index) for index in range(n)]
    rows = {split: [s for s in samples if s.split == split] for split in ("train", "test")}
    return [
        (split, first // size, row[first : first + size])
        for split, row in rows.items()
        for first in range(0, len(row), size)
    ]


@given(
    weights=WEIGHTS,
    n=st.integers(1, 900),
    seed=st.integers(0, 2**62),
    family=st.sampled_from([1, 1, 2, 3, 7, 64]),
    size=st.none() | st.integers(1, 50),
)
@settings(max_examples=60, deadline=None)
def test_what_is_in_a_shard_is_found_without_a_list_of_all_samples(
    weights: list[float], n: int, seed: int, family: int, size: int | None
) -> None:
    plan = make_plan(recipe(weights, family=family), n=n, seed=seed, shard_size=size)
    there = listed(plan.recipe, n, seed, plan.shard_size)
    assert [(s.split, s.number, list(s.samples)) for s in plan.shards] == there
    assert list(plan.shards.names()) == [(split, number) for split, number, _ in there]
    assert [plan.shard_samples(split, number) for split, number, _ in there] == [len(row) for _, _, row in there]
    assert count_scenes(plan) == Counter(sample.scene for _, _, row in there for sample in row)
    for split, number, row in there:
        assert all(plan.place(sample) == (split, number) and plan.sample(sample.key) == sample for sample in row)


@pytest.mark.parametrize(
    ("n", "seed", "family", "size", "digest", "fingerprint"),
    [
        (1, 0, 1, None, "61742db09ed31ff9", "958948ec03ad4fd9"),
        (4321, 7, 1, None, "6bdddc602335cc8b", "1379a18fb36130f8"),
        (1003, 11, 4, 10, "0262d0b5319e4d2a", "49aab7fdcaa5abdb"),
    ],
)
def test_plans_are_those_of_the_first_version(n, seed, family, size, digest, fingerprint) -> None:
    plan = make_plan(recipe([1.0, 2.5, 0.3], family=family), n=n, seed=seed, shard_size=size)
    told = "".join(f"{shard.name} {s.index} {s.key} {s.scene}\n" for shard in plan.shards for s in shard.samples)
    assert (hashlib.sha256(told.encode()).hexdigest()[:16], plan.fingerprint) == (digest, fingerprint)


def test_a_plan_of_a_hundred_million_samples_holds_none_of_them() -> None:
    plan = make_plan(recipe([1.0, 3.0]), n=100_000_000, seed=3)
    assert len(pickle.dumps(plan)) < 2000
    assert len(plan.shards) == 781_250
    assert plan.shards[-1].samples[-1].key == "s-1-99999996"
    assert plan.shards[-1].name == "test/78124"
    assert sum(count_scenes(make_plan(plan.recipe, n=10_000_000, seed=3)).values()) == 10_000_000


@pytest.mark.parametrize("key", ["", "s-0-", "s-0-000900", "s-1-000003", "s-0-0000030", "s-0-٠٠٠٠٠٣", "x-000003"])
def test_a_name_that_the_plan_does_not_have_is_no_sample(key: str) -> None:
    plan = make_plan(recipe([1.0]), n=900, seed=3)
    assert plan.sample("s-0-000003") is not None
    assert plan.sample(key) is None


def test_more_than_a_hundred_thousand_shards_have_names_of_six_digits() -> None:
    plan = make_plan(recipe([1.0]), n=1_000_000, seed=0, shard_size=1)
    assert [plan.shards[at].name for at in (99_999, 100_000)] == ["train/99999", "train/100000"]
    assert [parse_name(f"{name}.tar") for name in ("99999", "100000", "00100000", "0012", "012345")] == [
        (99_999, ".tar"), (100_000, ".tar"), None, None, None
    ]  # fmt: skip


@given(weights=WEIGHTS, n=st.integers(1, 300), more=st.integers(1, 3000), seed=st.integers(0, 99))
@settings(max_examples=30, deadline=None)
def test_a_sample_is_the_same_in_a_longer_data_set(weights: list[float], n: int, more: int, seed: int) -> None:
    short, long = (make_plan(recipe(weights), n=k, seed=seed) for k in (n, n + more))
    in_long = {s.index: s for shard in long.shards for s in shard.samples}
    assert all(in_long[s.index] == s for shard in short.shards for s in shard.samples)


@given(weights=WEIGHTS, seed=st.integers(0, 2**40))
@settings(max_examples=40, deadline=None)
def test_every_beginning_of_a_data_set_has_the_mix_of_the_whole(weights: list[float], seed: int) -> None:
    of = recipe(weights)
    counts = dict.fromkeys((c.name for c in of.scenes), 0)
    for index in range(400):
        counts[sample_id(of, seed=seed, index=index).scene] += 1
        for choice in of.scenes:
            share = choice.weight / sum(weights)
            assert abs(counts[choice.name] - (index + 1) * share) < 4


@given(seed=st.integers(0, 2**40), block=st.integers(0, 10**9))
@settings(max_examples=60, deadline=None)
def test_one_sample_in_every_ten_is_held_out(seed: int, block: int) -> None:
    splits = [sample_id(recipe([1.0]), seed=seed, index=10 * block + i).split for i in range(10)]
    assert splits.count("test") == 1


def test_the_held_out_place_is_not_always_the_same() -> None:
    tests = [i % 10 for i in range(1000) if sample_id(recipe([1.0]), seed=0, index=i).split == "test"]
    assert len(set(tests)) == 10


def test_a_key_has_dashes_and_six_digits() -> None:
    assert sample_id(recipe([1.0]), seed=0, index=42).key == "s-0-000042"


@pytest.mark.parametrize(("n", "size"), [(1, 4), (48, 4), (4001, 5), (10_000, 10), (1_000_000, 128)])
def test_the_shard_size_follows_n(n: int, size: int) -> None:
    assert make_plan(recipe([1.0]), n=n, seed=0).shard_size == size


def test_a_plan_is_read_back_from_its_folder(tmp_path: Path) -> None:
    plan = make_plan(recipe([1.0, 2.0]), n=25, seed=3, pins={"simgen": "0.1.0"})
    (tmp_path / RESOLVED).write_text(plan.to_yaml())
    assert read_plan(tmp_path) == plan
    assert read_run(tmp_path / RESOLVED)["n"] == 25
    check_same(tmp_path, plan)


@pytest.mark.parametrize(
    ("other", "difference"),
    [
        ({"n": 26}, "n: 25 there, 26 here"),
        ({"seed": 4}, "seed: 3 there, 4 here"),
        ({"shard_size": 9}, "shard_size: 4 there, 9 here"),
        ({"pins": {"simgen": "0.2.0"}}, "simgen: 0.1.0 there, 0.2.0 here"),
    ],
)
def test_another_plan_in_the_same_folder_is_refused_with_the_difference(tmp_path: Path, other, difference) -> None:
    given = {"n": 25, "seed": 3, "pins": {"simgen": "0.1.0"}}
    (tmp_path / RESOLVED).write_text(make_plan(recipe([1.0]), **given).to_yaml())
    with pytest.raises(ConflictError, match=difference):
        check_same(tmp_path, make_plan(recipe([1.0]), **{**given, **other}))


def test_another_recipe_in_the_same_folder_is_refused_with_the_difference(tmp_path: Path) -> None:
    (tmp_path / RESOLVED).write_text(make_plan(recipe([1.0]), n=5, seed=0).to_yaml())
    changed = make_plan(recipe([1.0], render=Render(width=256)), n=5, seed=0)
    with pytest.raises(ConflictError, match=r"render\.width: 512 there, 256 here"):
        check_same(tmp_path, changed)
    with pytest.raises(ConflictError, match=r"scenes\.s_1\.weight: nothing there, 1\.0 here"):
        check_same(tmp_path, make_plan(recipe([1.0, 1.0]), n=5, seed=0))


@pytest.mark.parametrize(
    ("run", "said"),
    [
        ("", "holds no 'run'"),
        ("run: []", "holds no 'run'"),
        ("run: {}", "holds no 'run'"),
        ("run: 3", "run must hold the whole numbers"),
        ("run: {n: true, seed: 0, shard_size: 4}", "run must hold the whole numbers"),
        ("run: {n: 5, seed: 0, shard_size: 4, pins: [a]}", "run.pins must be names with their versions"),
        ("run: {n: 5, seed: 0, shard_size: 4, pins: {a: 1}}", "run.pins must be names with their versions"),
        ("run: {n: 1000000000000, seed: 0, shard_size: 4}", "--n must be at most"),
        ("run: {n: 5000000, seed: 0, shard_size: 1}", "--shard-size must be at least 5 for"),
        ("run: {n: 5, seed: 99999999999999999999, shard_size: 4}", "--seed must be below"),
    ],
)
def test_a_plan_of_a_stranger_is_checked_before_it_is_made(tmp_path: Path, run: str, said: str) -> None:
    (tmp_path / RESOLVED).write_text(recipe([1.0]).to_yaml() + run + "\n")
    with pytest.raises(PlanDamaged, match=said):
        read_plan(tmp_path)


@pytest.mark.parametrize(
    ("scene", "said"),
    [("../../x", "is not a scene name"), ("when", "must be a mapping"), ("a b", "is not a scene name")],
)
def test_a_scene_that_may_be_gone_still_has_a_name(tmp_path: Path, scene: str, said: str) -> None:
    text = recipe([1.0]).to_yaml().replace("s_0:", f"{scene}:" if scene != "when" else "s_0: 3\n  x:")
    (tmp_path / RESOLVED).write_text(text + "run: {n: 5, seed: 0, shard_size: 4}\n")
    with pytest.raises(PlanDamaged, match=said):
        read_plan(tmp_path)


def test_a_date_among_the_parameters_is_the_text_that_it_looks_like(tmp_path: Path) -> None:
    text = recipe([1.0]).to_yaml().replace("weight: 1.0", "weight: 1.0, when: 2024-01-02")
    (tmp_path / RESOLVED).write_text(text + "run: {n: 5, seed: 0, shard_size: 4}\n")
    plan = read_plan(tmp_path)
    assert plan.recipe.scenes[0].parameters == {"when": "2024-01-02"} and plan.fingerprint
    (tmp_path / RESOLVED).write_text(plan.to_yaml())
    assert read_plan(tmp_path) == plan


def test_a_folder_without_a_plan_is_no_data_set(tmp_path: Path) -> None:
    with pytest.raises(OutputError, match="holds no simgen data set"):
        read_plan(tmp_path)


@pytest.mark.parametrize("wrong", [{"n": 0}, {"n": -3}, {"seed": -1}, {"shard_size": 0}])
def test_a_plan_of_nothing_is_refused(wrong: dict[str, int]) -> None:
    with pytest.raises(UsageError, match="must be at least"):
        make_plan(recipe([1.0]), **{"n": 4, "seed": 0, **wrong})


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"n": 0}, "--n must be at least 1; got 0"),
        ({"n": 10**12}, "--n must be at most"),
        ({"seed": 1 << 63}, "--seed must be below"),
        ({"shard_size": -3}, "--shard-size must be at least 1; got -3"),
        ({"shard_size": 5}, "--shard-size must be a multiple of the recipe's family, 2; got 5"),
        ({"n": 5_000_000, "shard_size": 2}, "--shard-size must be at least 5 for"),
    ],
)
def test_no_unsound_plan_exists_however_it_is_made(wrong: dict[str, int], said: str) -> None:
    plan = make_plan(recipe([1.0], family=2), n=4, seed=0)
    with pytest.raises(UsageError, match=said):
        replace(plan, **wrong)


def test_a_shard_holds_samples_of_its_split_each_once_in_order() -> None:
    one, two = (SampleId(index=i, key=f"s-0-{i:06d}", scene="s_0", split="train") for i in (1, 2))
    ShardPlan(split="train", number=0, samples=(one, two))
    for split, samples in (("test", (one, two)), ("train", (two, one)), ("train", (one, one))):
        with pytest.raises(ValueError, match="00000: a shard holds samples of its split"):
            ShardPlan(split=split, number=0, samples=samples)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="is no sample"):
        replace(one, key="../x")


def test_a_pin_that_looks_like_a_number_comes_back_as_the_text_it_is(tmp_path: Path) -> None:
    """One hash in two hundred is digits around one e, which the reader takes for a number unless it is quoted."""
    plan = make_plan(recipe([1.0, 2.0]), n=4, seed=0, pins={"scene slide": "2188175329e8", "bpy": "4.5", "x": "1e3"})
    (tmp_path / RESOLVED).write_text(plan.to_yaml())
    assert read_plan(tmp_path) == plan
    check_same(tmp_path, plan)
