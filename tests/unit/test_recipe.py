"""A recipe is read strictly, and its mistakes are named with the nearest right word."""

import errno
import os
import re
import signal
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import yaml

from simgen.core.errors import OutputError, UnknownName, UsageError
from simgen.plan.recipe import (
    AssetChoice,
    Recipe,
    Render,
    SceneChoice,
    load_recipe,
    load_scenes,
    parse_recipe,
    recipe_names,
)
from simgen.scene import registry
from simgen.storage.urls import with_secrets
from simgen.storage.yaml_files import load_yaml

HOP_CHOICE = SceneChoice(name="hop", weight=1.0, parameters={})
HOP = '''
from dataclasses import dataclass
from typing import Literal
from simgen.scene.registry import Phrases, Range, Scene, register

@register("hop")
@dataclass(frozen=True, kw_only=True)
class Hop(Scene):
    """Something hops."""
    height_m: Range = (0.2, 0.5)
    hops: int = 3
    way: Literal["left", "right"] = "left"
    law = "gravity"
    types = (21,)
    phrases = Phrases(superficial=("Let it hop.",), intermediate=("Let it hop.",), explicit=("Let it hop.",))
'''


@pytest.fixture(scope="module")
def scenes(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("scenes")
    (folder / "hop.py").write_text(HOP)
    return folder


@pytest.fixture
def write(tmp_path: Path) -> Iterator[object]:
    def write_recipe(text: str) -> str:
        path = tmp_path / "mine.yaml"
        path.write_text(text)
        return str(path)

    yield write_recipe


def load(scenes: Path, name: str | None, *overrides: str, **rest: object) -> Recipe:
    return load_recipe(name, overrides=overrides, scene_folders=[str(scenes)], **rest)  # type: ignore[arg-type]


def test_a_scene_alone_is_a_recipe_with_every_parameter_written_out(scenes: Path) -> None:
    recipe = load(scenes, "hop")
    assert [c.name for c in recipe.scenes] == ["hop"]
    assert recipe.scenes[0].parameters == {"height_m": [0.2, 0.5], "hops": 3, "way": "left"}
    assert (recipe.render.width, recipe.render.height, recipe.render.quality) == (512, 512, "standard")


def test_assets_can_be_left_out_in_any_order_and_make_another_data_set(scenes: Path) -> None:
    one, two = (load(scenes, "hop", f"assets.exclude=[{names}]") for names in ("GSO:b, GSO:a", "GSO:a, GSO:b"))
    assert one.assets.exclude == two.assets.exclude == ("GSO:a", "GSO:b")
    assert one.fingerprint == two.fingerprint != load(scenes, "hop").fingerprint
    assert load(scenes, "hop", "assets.exclude=[]").fingerprint == load(scenes, "hop").fingerprint
    assert parse_recipe(yaml.safe_load(one.to_yaml()), where="again") == one
    with pytest.raises(UsageError, match=r"assets\.exclude must be a list of texts"):
        load(scenes, "hop", "assets.exclude=GSO:a")


def test_a_group_shares_its_weight_among_its_scenes_and_a_named_scene_comes_on_top(scenes: Path, write) -> None:
    recipe = load(scenes, write("scenes: {'law:gravity': {weight: 3}, hop: {weight: 2, hops: 5}}\n"))
    weights = {choice.name: choice.weight for choice in recipe.scenes}
    share = 3 / len(weights)
    assert "drop" in weights and weights["drop"] == pytest.approx(share)
    assert weights["hop"] == pytest.approx(2 + share)
    assert next(c for c in recipe.scenes if c.name == "hop").parameters["hops"] == 5
    by_type = load(scenes, write("scenes: ['type:light color change']\n"))
    assert [choice.name for choice in by_type.scenes] == ["light_color"]
    assert load(scenes, write("scenes: ['type:31']\n")).scenes == by_type.scenes


@pytest.mark.parametrize(
    ("group", "said"),
    [
        ("domain:optcal", "did you mean 'optical'"),
        ("lw:gravity", "did you mean 'law'"),
        ("type:99", "no type '99'"),
    ],
)
def test_a_wrong_group_names_the_nearest(scenes: Path, write, group: str, said: str) -> None:
    with pytest.raises(UnknownName, match=said):
        load(scenes, write(f"scenes: ['{group}']\n"))


def test_a_group_has_no_parameters(scenes: Path, write) -> None:
    with pytest.raises(UsageError, match="a group of scenes has a weight and no parameters"):
        load(scenes, write("scenes: {'domain:optical': {hops: 3}}\n"))


def test_a_file_is_named_after_itself_and_takes_plain_lists_of_scenes(scenes: Path, write) -> None:
    recipe = load(scenes, write("scenes: [hop]\n"))
    assert recipe.name == "mine"
    assert recipe.scenes[0].weight == 1.0


def test_what_is_written_is_read_back_as_the_same_recipe(scenes: Path, write) -> None:
    text = "scenes: {hop: {weight: 2, height_m: 1e-1}}\nrender: {passes: [normals, depth]}\nmax_attempts: 5\n"
    recipe = load(scenes, write(text))
    assert recipe.scenes[0].parameters["height_m"] == [0.1, 0.1]
    assert parse_recipe(yaml.safe_load(recipe.to_yaml()), where="again") == recipe


def test_overrides_reach_every_level(scenes: Path, write) -> None:
    overrides = ["scenes.hop.hops=7", "scenes.hop.weight=0.5", "render.width=64", "assets.builtin=false"]
    recipe = load(scenes, write("scenes: [hop]"), *overrides)
    assert (recipe.scenes[0].parameters["hops"], recipe.scenes[0].weight) == (7, 0.5)
    assert (recipe.render.width, recipe.assets.builtin) == (64, False)


def test_paths_in_a_recipe_are_relative_to_it_and_names_of_sources_stay(scenes: Path, write, tmp_path: Path) -> None:
    text = "scenes: [hop]\nassets: {objects: [sub/GSO.json, gso, 'https://example.org/a.json']}\n"
    recipe = load(scenes, write(text), assets=["here.json"])
    expected = (str(tmp_path / "sub/GSO.json"), "gso", "https://example.org/a.json", str(Path.cwd() / "here.json"))
    assert recipe.assets.objects == expected


def test_the_fingerprint_follows_the_samples_and_not_the_machine(scenes: Path, write, tmp_path: Path) -> None:
    one = load(scenes, "hop", assets=[str(tmp_path / "a" / "GSO.json")])
    elsewhere = load(scenes, "hop", "name=other", assets=[str(tmp_path / "b" / "GSO.json")])
    changed = load(scenes, "hop", "scenes.hop.hops=4", assets=[str(tmp_path / "a" / "GSO.json")])
    assert one.fingerprint == elsewhere.fingerprint != changed.fingerprint


def test_every_recipe_that_comes_with_simgen_can_be_read() -> None:
    names = recipe_names()
    assert {"all", "smoke", "demo", "drop", "pisa"} <= set(names)
    for name in names:
        assert load_recipe(name).name == name


def test_a_scene_with_weight_zero_is_left_out(scenes: Path) -> None:
    with pytest.raises(UsageError, match="at least one scene with a weight above 0"):
        load(scenes, "hop", "scenes.hop.weight=0")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("scenes: [hpo]", "no scene 'hpo'; did you mean 'hop'"),
        ("scene: [hop]", "no key 'scene'; did you mean 'scenes'"),
        ("render: {width: 64}", "needs 'scenes'"),
        ("scenes: [hop]\nrender: {widht: 64}", "render: no key 'widht'; did you mean 'width'"),
        ("scenes: [hop]\nrender: {width: 64.5}", "width must be whole pixels from 32 to 4096; got 64.5"),
        ("scenes: [hop]\nrender: {width: 0}", "width must be whole pixels"),
        ("scenes: [hop]\nrender: {quality: fats}", "no quality 'fats'; did you mean 'fast'"),
        ("scenes: [hop]\nrender: {passes: [dept]}", "no pass 'dept'; did you mean 'depth'"),
        ("scenes: [hop]\nrender: fast", "render must be a mapping"),
        ("scenes: [hop]\nassets: {objects: GSO.json}", "assets.objects must be a list of texts; got 'GSO.json'"),
        ("scenes: [hop]\nassets: {builtin: 1}", "builtin must be true or false; got 1"),
        ("scenes: [hop]\nmax_attempts: 0", "max_attempts must be a whole number from 1 to 1000; got 0"),
        ("scenes: {hop: {heigth_m: 1}}", "no parameter 'heigth_m'; did you mean 'height_m'"),
        ("scenes: {hop: {hops: many}}", "hops must be int; got 'many'"),
        ("scenes: {hop: {way: up}}", "way must be one of left, right; got 'up'"),
        ("scenes: {hop: {height_m: [2, 1]}}", r"height_m must be \[low, high\]"),
        ("scenes: {hop: {weight: -1}}", "weight must be a number of at least 0, at most 1e.09; got -1"),
        ("scenes: {hop: {weight: .nan}}", "weight must be a number of at least 0, at most 1e.09; got nan"),
        ("scenes: {hop: 3}", "scenes.hop must be a mapping of keys to values; got 3"),
        ("name: a.b\nscenes: [hop]", "name must be letters, digits"),
        ("scenes: [hop]\nscenes: [hop]", "line 2 is not YAML: the key 'scenes' stands twice"),
        ("scenes: [hop", "is not YAML"),
        ("scenes: {3: {}}", "the key 3 is not a text"),
        ("- hop", "must be a mapping of keys to values"),
        ("", "must be a mapping of keys to values"),
        ("scenes: [hop]\nscene_folders: [nowhere]", "no such folder of scenes"),
        # Found by tests/fuzz.
        ("x: &a [1]\nscenes: *a", r"line 2 is not YAML: the alias \*a"),
        ("[" * 3000, "is not YAML: it is nested more than 30 levels deep"),
        ("name: " + "9" * 5000, "is not YAML"),
        ("scenes: [hop]\nname: 0x" + "f" * 6000, "name must be letters, digits"),
        ("name: !!int x", "is not YAML"),
        ("name: !!binary '@'", "is not YAML"),
        ("name: !!python/object/apply:os.system [x]", "is not YAML"),
        ('name: "\\ud800"', "is not YAML"),
        ("name: a\x00", "is not YAML"),
        ("scenes: {hop: {weight: 1" + "0" * 400 + "}}", "weight must be a number of at least 0, at most"),
        ("scenes: {hop: {height_m: 1" + "0" * 400 + "}}", r"height_m must be a number below 1e\+15"),
        ("scenes: {hop: {height_m: [.nan, .nan]}}", "height_m must be a number below"),
        ("scenes: {hop: {height_m: [0, .inf]}}", "height_m must be a number below"),
        ("scenes: {hop: {hops: 1" + "0" * 30 + "}}", "hops must be a number below"),
        ("scenes: [hop]\nscene_folders: [" + "x" * 300 + "]", "no such folder of scenes"),
        ("scenes: [hop]\nassets: {objects: [~no-such-user/x]}", "is not a path"),
        ('scenes: [hop]\nassets: {objects: ["a/\\0"]}', "must be a list of texts"),
        ("scenes: {? " + "x" * 100_000 + " : {}}", "no scene"),
    ],
)
def test_a_mistake_in_a_recipe_is_named(scenes: Path, write, text: str, message: str) -> None:
    with pytest.raises(UsageError, match=message) as caught:
        load(scenes, write(text))
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Render(width=8), "render.width must be whole pixels from 32 to 4096; got 8"),
        (lambda: Render(quality="fats"), "render: no quality 'fats'; did you mean 'fast'"),
        (lambda: Render(passes=("dept",)), "render.passes: no pass 'dept'; did you mean 'depth'"),
        (lambda: AssetChoice(objects="GSO.json"), "assets.objects must be a list of texts; got 'GSO.json'"),
        (lambda: SceneChoice(name="../x", weight=1.0, parameters={}), "'../x' is not a scene name"),
        (lambda: SceneChoice(name="x", weight=0.0, parameters={}), "scenes.x.weight must be a number above 0; got 0.0"),
        (lambda: Recipe(name="a.b", scenes=(HOP_CHOICE,)), "name must be letters, digits"),
        (lambda: Recipe(name="a", scenes=()), "scenes must name at least one scene"),
        (lambda: Recipe(name="a", scenes=(HOP_CHOICE,), family=65), "family must be a whole number from 1 to 64"),
    ],
)
def test_no_unsound_recipe_exists_however_it_is_made(make: Callable[[], object], message: str) -> None:
    with pytest.raises(UsageError, match=f"^{re.escape(message)}"):
        make()


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("render.width", "must be KEY=VALUE"),
        ("=3", "must be KEY=VALUE"),
        ("render..width=3", "must be KEY=VALUE"),
        ("rendr.width=64", "no key 'rendr'; did you mean 'render'"),
        ("scenes.hpo.weight=1", "no scene 'hpo'; did you mean 'hop'"),
        ("name.first=x", "name is a value and has no keys"),
        ("assets=3", "assets must be a mapping"),
        ("assets.objects=x", "objects must be a list of texts; got 'x'"),
        ("scene_folders=x", "scene_folders must be a list of texts; got 'x'"),
        ("render.width=2024-13-45", "width must be whole pixels"),
        ("render.width=[1", "is not YAML"),
    ],
)
def test_a_mistake_in_an_override_is_named(scenes: Path, override: str, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        load(scenes, "hop", override)


def test_an_unknown_name_lists_recipes_and_scenes_alike(scenes: Path) -> None:
    with pytest.raises(UnknownName, match="no recipe or scene 'smoek'; did you mean 'smoke'"):
        load(scenes, "smoek")
    with pytest.raises(UsageError, match=r"gone\.yaml: no such recipe file"):
        load(scenes, "gone.yaml")


def test_a_device_that_is_not_the_processor_makes_another_data_set() -> None:
    cpu, card = load_recipe("drop"), load_recipe("drop", overrides=["render.device=cuda"])
    assert (cpu.render.device, card.render.device) == ("cpu", "cuda")
    assert card.fingerprint != cpu.fingerprint
    # A recipe of before there was a choice, and one that says what is the default.
    assert load_recipe("drop", overrides=["render.device=cpu"]).fingerprint == cpu.fingerprint


@pytest.mark.parametrize(("number", "kind"), [(errno.ENOENT, UsageError), (errno.EIO, OutputError)])
def test_a_disk_that_fails_is_no_mistake_of_the_user(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int, kind: type[Exception]
) -> None:
    def refused(path: Path, mode: str) -> object:
        raise OSError(number, "so it is")

    monkeypatch.setattr(Path, "open", refused)
    with pytest.raises(kind, match=r"cannot be read: .*so it is"):
        load_yaml(tmp_path / "mine.yaml")


def test_ctrl_c_waits_until_the_scenes_are_imported(monkeypatch: pytest.MonkeyPatch) -> None:
    """Raised inside manifold3d's import it ended the process by SIGABRT, with a Python traceback."""
    imported = []

    def load_folder(folder: Path) -> None:
        signal.raise_signal(signal.SIGINT)
        imported.append(folder)

    monkeypatch.setattr(registry, "load_folder", load_folder)
    # A process started in the background ignores it.
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        with pytest.raises(KeyboardInterrupt):
            load_scenes()
        assert len(imported) == 1
        assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
    finally:
        signal.signal(signal.SIGINT, before)


def test_a_recipe_holds_no_password_and_another_token_is_the_same_recipe() -> None:
    def chosen(token: str) -> Recipe:
        address = f"https://ann:pa55@host/M.json?token={token}&raw=1"
        return load_recipe("drop", assets=[address], overrides=[f"assets.environments=['{address}']"])

    one, other = chosen("s3cret"), chosen("n3w")
    assert one.assets.objects == one.assets.environments == ("https://host/M.json?raw=1",)
    assert one.fingerprint == other.fingerprint and one == other
    assert not [word for word in ("pa55", "s3cret", "n3w") if word in one.to_yaml() + repr(one)]
    assert with_secrets(one.assets.objects[0]).endswith("token=n3w&raw=1")


def test_two_manifests_that_differ_in_a_secret_only_are_refused_without_it() -> None:
    with pytest.raises(UsageError, match=r"names https://host/M\.json twice") as caught:
        load_recipe("drop", assets=["https://host/M.json?key=s3cret1", "https://host/M.json?key=s3cret2"])
    assert "s3cret" not in str(caught.value)


@pytest.mark.parametrize("value", ["{address}", "[{{a: {address}}}]", "[{address}"])
def test_a_mistake_with_an_address_is_told_without_its_secrets(value: str) -> None:
    for address in ("https://ann:pa55word@host/M.json?token=s3cret", "https://b.s3/" + "x" * 400 + "?Signature=s3cret"):
        with pytest.raises(UsageError) as caught:
            load_recipe("drop", overrides=["assets.objects=" + value.format(address=address)])
        assert "pa55" not in str(caught.value) and "s3cret" not in str(caught.value)


def test_a_scene_folder_with_a_pipe_or_a_macs_hidden_file_does_not_hang(tmp_path: Path) -> None:
    (tmp_path / "._drop.py").write_bytes(b"\0\5\x16\7")
    registry.load_folder(tmp_path)
    os.mkfifo(tmp_path / "pipe.py")
    with pytest.raises(UsageError, match=r"pipe\.py: is not a regular file"):
        registry.load_folder(tmp_path)
