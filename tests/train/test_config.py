"""A setting is what was meant, or one sentence that says which one is wrong and what was got."""

import dataclasses
from pathlib import Path
from typing import Any

import pytest
import yaml

from simgen.core.errors import UnknownName, UsageError
from simgen.plan.recipe import load_recipe
from simgen.plan.recipe import recipe_names as generating
from simgen.storage.yaml_files import read_yaml
from simgen.train.config import PREFIX, RENAMED, TrainConfig, load_config, parse_config, recipe_names, recipe_path
from simgen.train.methods.base import methods
from simgen.train.methods.sft import SFTSettings
from simgen.train.settings import is_setting

FIELDS = {
    field.name: field
    for cls in (TrainConfig, *(method.settings_class for method in methods().values()))
    for field in dataclasses.fields(cls)
    if is_setting(field)
}


def complaint(**data: Any) -> str:
    """The one sentence about these settings."""
    with pytest.raises(UsageError) as raised:
        parse_config(data, where="here")
    said = str(raised.value)
    assert "\n" not in said
    return said


@pytest.mark.parametrize(
    ("key", "value", "said"),
    [
        ("base", 3, "must be a text; got 3"),
        ("base", "", "must be a text; got ''"),
        ("base", None, "must be a text; got None"),
        ("steps", 0, "must be at least 1; got 0"),
        ("steps", 2.0, "must be a whole number; got 2.0"),
        ("steps", "10", "must be a whole number; got '10'"),
        ("steps", True, "must be a whole number; got True"),
        ("steps", None, "must be a whole number; got None"),
        ("steps", [10], "must be a whole number; got [10]"),
        ("steps", {"x": 1}, "must be a whole number; got {'x': 1}"),
        ("seed", -1, "must be from 0 to 9223372036854775807; got -1"),
        ("seed", 2**64, f"must be from 0 to 9223372036854775807; got {2**64}"),
        ("rank", 2000, "must be from 1 to 1024; got 2000"),
        ("alpha", 0, "must be at least 0.01; got 0"),
        ("alpha", "half", "must be a number; got 'half'"),
        ("layers", "mlp", "must be attention or all; got 'mlp'"),
        ("learning_rate", -1e-4, "must be at least 0; got -0.0001"),
        ("learning_rate", float("nan"), "must be at least 0; got nan"),
        ("learning_rate", float("inf"), "must be at least 0; got inf"),
        ("ema_decay", 1.0, "must be from 0 to 0.99999; got 1.0"),
        ("crop_px", 16, "must be at least 32; got 16"),
        ("crop_share", 1.5, "must be from 0 to 1; got 1.5"),
        ("tiers", [1, 2], "must be 3 numbers; got [1, 2]"),
        ("tiers", [1, 2, "3"], "must be 3 numbers; got [1, 2, '3']"),
        ("tiers", [1, True, 1], "must be 3 numbers; got [1, True, 1]"),
        ("tiers", [1, 1, float("inf")], "must be 3 numbers; got [1, 1, inf]"),
        ("tiers", 1, "must be 3 numbers; got 1"),
        ("tiers", [0, 0, 0], "must be three weights of at least 0, one above; got [0.0, 0.0, 0.0]"),
        ("tiers", [-1, 3, 0], "must be three weights of at least 0, one above; got [-1.0, 3.0, 0.0]"),
        ("dtype", "float16", "must be auto or bfloat16 or float32; got 'float16'"),
        ("fp8", "yes", "must be true or false; got 'yes'"),
        ("fp8", 1, "must be true or false; got 1"),
        ("activation_checkpointing", "some", "must be auto or all or none, or a whole number; got 'some'"),
        ("activation_checkpointing", -1, "must be at least 0; got -1"),
        ("activation_checkpointing", True, "must be auto or all or none, or a whole number; got True"),
        ("compile", "maybe", "must be auto or on or off; got 'maybe'"),
        ("compile", 1, "must be auto or on or off; got 1"),
        ("encoders", True, "must be resident or offload; got True"),
        ("cache", 3, "must be a text; got 3"),
        ("validate_steps", 1, "must be at least 2; got 1"),
        ("wandb", [], "must be a text; got []"),
    ],
)
def test_a_wrong_value_is_one_sentence_with_the_key_and_what_was_got(key: str, value: Any, said: str) -> None:
    assert complaint(**{key: value}) == f"here: {key} {said}"


@pytest.mark.parametrize("key", sorted(FIELDS))
def test_no_setting_takes_a_mapping_or_a_lonely_list(key: str) -> None:
    for value in ({"a": 1}, [None]):
        assert complaint(**{key: value}).startswith(f"here: {key} must be ")


@pytest.mark.parametrize(
    "key", sorted(name for name, field in FIELDS.items() if isinstance(field.default, (int, float)))
)
def test_a_number_that_no_float_holds_is_no_number(key: str) -> None:
    for value in (10**400, -(10**400), float("nan"), float("inf")):
        assert complaint(**{key: value}).startswith(f"here: {key} must be ")


def test_a_batch_must_divide() -> None:
    assert complaint(batch=4, micro_batch=3) == (
        "here: batch must be a multiple of micro_batch; got batch 4, micro_batch 3"
    )


@pytest.mark.parametrize(("key", "near"), [("rnk", "rank"), ("learning-rate", "learning_rate"), ("step", "steps")])
def test_an_unknown_key_suggests_the_nearest(key: str, near: str) -> None:
    with pytest.raises(UnknownName) as raised:
        parse_config({key: 1}, where="here")
    assert str(raised.value) == f"here: no key {key!r}; did you mean {near!r}?"


@pytest.mark.parametrize(("old", "new"), RENAMED.items())
def test_an_old_name_of_a_setting_is_a_sentence_with_the_new_one(old: str, new: str, tmp_path: Path) -> None:
    assert old not in FIELDS
    assert new in FIELDS
    assert complaint(**{old: 1}) == f"here: {old} is called {new} now; write that instead, with the same value"
    (tmp_path / "mine.yaml").write_text(f"{old}: 1\n")
    options: tuple[tuple[str | None, list[str]], ...] = ((str(tmp_path / "mine.yaml"), []), (None, [f"{old}=1"]))
    for recipe, overrides in options:
        with pytest.raises(UsageError, match=f"{old} is called {new} now"):
            load_config(recipe, overrides=overrides)


def test_a_method_that_there_is_not_is_refused() -> None:
    assert complaint(method="stf") == "here: no training method 'stf'; did you mean 'sft'?"


def test_the_settings_of_a_method_stand_beside_the_others() -> None:
    config = parse_config({"mask_weight": 7, "rank": 3}, where="here")
    assert config.method_settings == SFTSettings(mask_weight=7.0)
    assert config.as_data()["mask_weight"] == config.decisive()["mask_weight"] == 7.0
    assert ("mask_weight", "7.0", "what a changed token weighs on top of one") in config.explained()
    assert complaint(mask_weight=-1) == "here: mask_weight must be at least 0; got -1"


def test_a_key_that_is_like_none_lists_them_all() -> None:
    assert all(name in complaint(qqqqqq=1) for name in FIELDS)


def test_whole_numbers_are_numbers_too() -> None:
    config = parse_config({"learning_rate": 1, "tiers": [1, 0, 2], "alpha": 8}, where="here")
    assert (config.learning_rate, config.tiers, config.alpha) == (1.0, (1.0, 0.0, 2.0), 8.0)
    assert isinstance(config.learning_rate, float)
    assert isinstance(config.alpha, float)


@pytest.mark.parametrize(("text", "meant"), [("on", "on"), ("off", "off"), ("auto", "auto"), ("'on'", "on")])
def test_compile_is_on_or_off_as_typed(text: str, meant: str) -> None:
    assert load_config(None, overrides=[f"compile={text}"]).compile == meant


@pytest.mark.parametrize(
    ("text", "key", "value"),
    [
        ("learning_rate=1e-3", "learning_rate", 1e-3),
        ("tiers=[1, 0, 0]", "tiers", (1.0, 0.0, 0.0)),
        ("activation_checkpointing=5", "activation_checkpointing", 5),
        ("activation_checkpointing=none", "activation_checkpointing", "none"),
        ("crop_px=null", "crop_px", None),
        ("fp8=true", "fp8", True),
        ("cache=/tmp/kept", "cache", "/tmp/kept"),
    ],
)
def test_set_changes_one_value(text: str, key: str, value: Any) -> None:
    changed = load_config(None, overrides=[text]).as_data()
    assert parse_config(changed, where="here") == dataclasses.replace(TrainConfig(), **{key: value})


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("steps", "must be KEY=VALUE"),
        ("=3", "must be KEY=VALUE"),
        ("stepz=3", "training options: no key 'stepz'; did you mean 'steps'?"),
        ("steps.x=3", "training options: steps must be a whole number; got {'x': 3}"),
        ("tiers=[1,", "is not YAML"),
    ],
)
def test_a_wrong_override_is_one_sentence(text: str, said: str) -> None:
    with pytest.raises(UsageError) as raised:
        load_config(None, overrides=[text])
    assert said in str(raised.value)
    assert "\n" not in str(raised.value)


def test_options_win_over_overrides_and_overrides_over_the_file(tmp_path: Path) -> None:
    path = tmp_path / "mine.yaml"
    path.write_text("steps: 10\nseed: 1\nrank: 4\n")
    config = load_config(str(path), overrides=["steps=20", "seed=2"], given={"steps": 30, "base": None, "seed": None})
    assert (config.steps, config.seed, config.rank, config.base) == (30, 2, 4, TrainConfig().base)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("steps: ten\n", "mine.yaml: steps must be a whole number; got 'ten'"),
        ("steps: 1\nsteps: 2\n", "mine.yaml: line 2 is not YAML: the key 'steps' stands twice"),
        ("- steps\n", "mine.yaml must be a mapping of keys to values; got ['steps']"),
        ("", "mine.yaml must be a mapping of keys to values; got None"),
        ("scenes: {drop: {}}\n", "mine.yaml: is a recipe for making data; use it with `simgen generate "),
    ],
)
def test_a_file_that_is_wrong_is_named(text: str, said: str, tmp_path: Path) -> None:
    path = tmp_path / "mine.yaml"
    path.write_text(text)
    with pytest.raises(UsageError) as raised:
        load_config(str(path))
    assert said in str(raised.value)


def test_a_file_that_is_not_there_is_named() -> None:
    with pytest.raises(UsageError, match=r"^nowhere/mine\.yaml: no such recipe file; training recipes by name: "):
        load_config("nowhere/mine.yaml")


def test_a_name_that_stands_for_nothing_is_refused() -> None:
    with pytest.raises(UnknownName, match="no training recipe 'nonsense-of-mine'"):
        load_config("nonsense-of-mine")


def test_a_recipe_for_making_data_is_sent_to_generate() -> None:
    for name in generating():
        if name not in {known.removeprefix(PREFIX) for known in recipe_names()}:
            with pytest.raises(UsageError, match=f"use it with `simgen generate {name}`"):
                load_config(name)


def test_every_training_recipe_loads_by_either_name_and_says_what_it_is_for() -> None:
    for name in recipe_names():
        assert name.startswith(PREFIX)
        assert recipe_path(name) == recipe_path(name.removeprefix(PREFIX))
        assert load_config(name).base
        assert recipe_path(name).read_text().startswith("#")


def test_a_training_recipe_is_not_for_generating() -> None:
    assert not set(recipe_names()) & set(generating())
    for name in recipe_names():
        with pytest.raises(UsageError, match=f"use it with `simgen train {name}`"):
            load_recipe(name)


CHANGED: tuple[dict[str, Any], ...] = (
    {},
    {"tiers": [0.0, 1.0, 2.5], "compile": "on", "activation_checkpointing": "none"},
    {"compile": "off", "activation_checkpointing": 7, "alpha": 16.0, "crop_px": 256, "cache": "~/kept", "wandb": "on"},
    {"learning_rate": 1e-5, "weight_decay": 1e-30, "ema_decay": 0.0, "fp8": True, "seed": 2**63 - 1},
    {"base": "null", "guidance": 0.0, "validate_every": 0, "attention": "3"},
)


@pytest.mark.parametrize("changed", CHANGED)
def test_a_configuration_survives_yaml(changed: dict[str, Any], tmp_path: Path) -> None:
    config = parse_config(changed, where="here")
    path = tmp_path / "config.yaml"
    path.write_text(yaml.safe_dump(config.as_data(), sort_keys=False, default_flow_style=None))
    assert parse_config(read_yaml(path), where="here") == config
    assert load_config(str(path)) == config


@pytest.mark.parametrize(
    "key", ["steps", "micro_batch", "activation_checkpointing", "compile", "save_every", "cache", "wandb", "keep"]
)
def test_what_may_differ_is_not_decisive(key: str) -> None:
    other = {"activation_checkpointing": "all", "compile": "on", "cache": "there", "wandb": "mine"}.get(key, 2)
    config = parse_config({key: other}, where="here")
    assert config != TrainConfig()
    assert config.decisive() == TrainConfig().decisive()


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("base", "tiny:qwen"),
        ("seed", 1),
        ("batch", 8),
        ("rank", 8),
        ("alpha", 8),
        ("layers", "attention"),
        ("learning_rate", 1e-3),
        ("warmup_steps", 1),
        ("ema_decay", 0.9),
        ("tiers", [1, 0, 0]),
        ("crop_px", 256),
        ("mask_weight", 0),
        ("caption_dropout", 0),
        ("dtype", "float32"),
        ("fp8", True),
    ],
)
def test_what_makes_another_run_is_decisive(key: str, value: Any) -> None:
    assert parse_config({key: value}, where="here").decisive() != TrainConfig().decisive()


def test_every_setting_says_what_it_means() -> None:
    assert all(field.metadata["meaning"] for field in FIELDS.values())


def test_every_default_is_a_value_that_may_be_given() -> None:
    assert parse_config(TrainConfig().as_data(), where="here") == TrainConfig()
