"""Every sample has its place: one shard, whatever the length of the data set."""

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from simgen.errors import ConflictError, OutputError, UsageError
from simgen.plan import RESOLVED, check_same, make_plan, read_plan, read_run, sample_id
from simgen.recipe import Recipe, Render, SceneChoice

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
        ("run: {n: 5000000, seed: 0, shard_size: 1}", "--shard-size must be at least 50 for"),
        ("run: {n: 5, seed: 99999999999999999999, shard_size: 4}", "--seed must be below"),
    ],
)
def test_a_plan_of_a_stranger_is_checked_before_it_is_made(tmp_path: Path, run: str, said: str) -> None:
    (tmp_path / RESOLVED).write_text(recipe([1.0]).to_yaml() + run + "\n")
    with pytest.raises((UsageError, OutputError), match=said):
        read_plan(tmp_path)


@pytest.mark.parametrize(
    ("scene", "said"), [("../../x", "is no name of a scene"), ("when", "must be a mapping"), ("a b", "is no name")]
)
def test_a_scene_that_may_be_gone_still_has_a_name(tmp_path: Path, scene: str, said: str) -> None:
    text = recipe([1.0]).to_yaml().replace("s_0:", f"{scene}:" if scene != "when" else "s_0: 3\n  x:")
    (tmp_path / RESOLVED).write_text(text + "run: {n: 5, seed: 0, shard_size: 4}\n")
    with pytest.raises(UsageError, match=said):
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


def test_a_pin_that_looks_like_a_number_comes_back_as_the_text_it_is(tmp_path: Path) -> None:
    """One hash in two hundred is digits around one e, which the reader takes for a number unless it is quoted."""
    plan = make_plan(recipe([1.0, 2.0]), n=4, seed=0, pins={"scene slide": "2188175329e8", "bpy": "4.5", "x": "1e3"})
    (tmp_path / RESOLVED).write_text(plan.to_yaml())
    assert read_plan(tmp_path) == plan
    check_same(tmp_path, plan)
