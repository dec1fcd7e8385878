"""Which changes to simgen leave a data set that has been begun as it is, and which do not."""

import re
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from simgen.core.errors import ConflictError
from simgen.dataset.status import read_status
from simgen.dataset.verify import examine
from simgen.plan.fingerprint import DECIDES_BYTES, changed_scenes, code_digest, file_digests, pins
from simgen.plan.plan import RESOLVED, check_same, make_plan, read_plan
from simgen.plan.recipe import AssetChoice, Recipe, load_recipe
from simgen.run.folder import open_folder
from simgen.storage import resources

PACKAGES = sorted(path.parent.name for path in resources.PACKAGE.glob("*/__init__.py"))

HOP = """
from dataclasses import dataclass
from simgen.scene.registry import Phrases, Scene, register

@register("hop_once")
@dataclass(frozen=True, kw_only=True)
class HopOnce(Scene):
    "Something hops."
    law = "gravity"
    types = (21,)
    phrases = Phrases(superficial=("Let it hop.",), intermediate=("Let it hop.",), explicit=("Let it hop.",))
"""


@pytest.fixture(scope="module")
def recipe() -> Recipe:
    return load_recipe("drop")


@pytest.fixture
def package(recipe: Recipe, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of simgen's code, which is taken for its own."""
    copy = tmp_path / "simgen"
    for path in resources.PACKAGE.rglob("*.py"):
        target = copy / path.relative_to(resources.PACKAGE)
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(path, target)
    monkeypatch.setattr(resources, "PACKAGE", copy)
    return copy


@pytest.fixture
def go_on(recipe: Recipe, tmp_path: Path) -> Callable[..., None]:
    """Begin a data set, or go on with it, with the code as it is now."""

    def go(accept_code: bool = False) -> None:
        plan = make_plan(recipe, n=4, seed=0, pins=pins(recipe))
        plan = replace(plan, files=file_digests(), commit="0123456789ab")
        with open_folder(tmp_path / "data", plan, sample_bytes=0, accept_code=accept_code):
            pass

    return go


def test_the_packages_that_decide_bytes_are_there() -> None:
    assert set(DECIDES_BYTES) < set(PACKAGES)


def test_a_new_file_where_no_bytes_are_decided_lets_a_begun_data_set_go_on(
    package: Path, go_on: Callable[..., None]
) -> None:
    go_on()
    (package / "eval").mkdir(exist_ok=True)
    for name in (*(name for name in PACKAGES if name not in DECIDES_BYTES), "eval", "."):
        (package / name / "new.py").write_text("x = 1\n")
        go_on()


@pytest.mark.parametrize("name", DECIDES_BYTES)
def test_a_new_file_where_bytes_are_decided_makes_another_data_set(
    name: str, package: Path, go_on: Callable[..., None]
) -> None:
    go_on()
    (package / name / "new.py").write_text("x = 1\n")
    with pytest.raises(ConflictError, match=r"simgen: .* there, .* here") as refused:
        go_on()
    assert refused.value.exit_code == 4
    (package / name / "new.py").unlink()
    go_on()


def test_what_a_scene_file_does_is_pinned_and_not_its_text(tmp_path: Path) -> None:
    path = tmp_path / "hop_once.py"
    path.write_text(HOP)
    recipe = load_recipe("hop_once", scene_folders=[str(tmp_path)])
    before = pins(recipe)
    path.write_text(HOP.replace("Something hops.", "It hops.") + "\n# another comment\n")
    assert pins(recipe) == before
    path.write_text(HOP.replace("(21,)", "(22,)"))
    after = pins(recipe)
    assert before["scene hop_once"] != after["scene hop_once"]
    assert before["simgen"] == after["simgen"]
    then = make_plan(recipe, n=4, seed=0, pins=before)
    said = changed_scenes(then, "hop_once")
    assert len(said) == 1 and f"was made by other code than that of {path}" in said[0]
    assert before["scene hop_once"] in said[0] and after["scene hop_once"] in said[0]
    assert changed_scenes(replace(then, pins=after), "hop_once") == []


@pytest.mark.parametrize("text", ["# a comment\n", '"""More words."""\n', "\n\n\n"])
def test_a_comment_a_docstring_or_a_blank_line_lets_a_begun_data_set_go_on(
    text: str, package: Path, go_on: Callable[..., None]
) -> None:
    go_on()
    path = package / "core" / "masks.py"
    path.write_text(path.read_text() + text)
    go_on()


def test_the_digest_of_code_is_that_of_what_it_does() -> None:
    """Ten lines that say the same to Python, and some that do not."""
    code = 'def f(a):\n    "Doc."\n    return a + 1  # one more\n'
    same = [
        "def f(a):\n    return a + 1\n",
        "# head\ndef f( a ):\n\n    return (a + 1)\n",
        '"""Module."""\ndef f(a):\n    """Another."""\n    return a + 1\n',
    ]
    assert {code_digest(text.encode()) for text in (code, *same)} == {code_digest(code.encode())}
    other = [code.replace("1", "2"), code.replace("a +", "a -"), code + "x = 1\n", code.replace("return ", "")]
    assert len({code_digest(text.encode()) for text in (code, *other)}) == 5
    assert code_digest(b"def (") != code_digest(b"def )")


@pytest.mark.parametrize("word", ["__doc__", "getdoc(", "getsource", "co_firstlineno"])
def test_no_code_that_decides_bytes_reads_its_own_comments_and_docstrings(word: str) -> None:
    """They are left out of the fingerprint because nothing can depend on them."""
    folders = [*(resources.PACKAGE / name for name in DECIDES_BYTES), resources.folder("scenes")]
    paths = [path for folder in folders for path in folder.rglob("*.py")]
    # The fingerprint itself is about them.
    assert [path for path in paths if word in path.read_text() and path.name != "fingerprint.py"] == []


def test_other_code_is_named_with_its_files_and_how_to_get_the_old_one(
    package: Path, go_on: Callable[..., None], tmp_path: Path
) -> None:
    go_on()
    (package / "core" / "masks.py").write_text("x = 1\n")
    (package / "make" / "new.py").write_text("x = 1\n")
    with pytest.raises(ConflictError) as refused:
        go_on()
    said = str(refused.value)
    assert re.search(r"was begun with other code \(simgen: 0\.1\.0\+\w{12} there, 0\.1\.0\+\w{12} here, ", said)
    assert "2 files differ: simgen/core/masks.py, simgen/make/new.py)" in said
    assert "run `git checkout 0123456789ab` in your checkout of simgen" in said and "give --accept-code" in said
    assert "recipe" not in said and "\n" not in said


def test_code_that_is_accepted_goes_on_and_both_are_recorded(
    package: Path, go_on: Callable[..., None], tmp_path: Path
) -> None:
    go_on()
    old = read_plan(tmp_path / "data")
    whole = (package / "core" / "masks.py").read_text()
    (package / "core" / "masks.py").write_text(whole + "x = 1\n")
    with pytest.raises(ConflictError):
        go_on()
    go_on(accept_code=True)
    both = read_plan(tmp_path / "data")
    assert both.fingerprint == old.fingerprint and len(both.accepted) == 1
    assert both.accepted[0].pins == pins(both.recipe) != both.pins
    # Neither of the two needs the word again, and a third one does.
    go_on()
    (package / "core" / "masks.py").write_text(whole)
    go_on()
    (package / "core" / "masks.py").write_text(whole + "x = 2\n")
    with pytest.raises(ConflictError, match=r"1 file differs: simgen/core/masks\.py"):
        go_on()
    assert read_plan(tmp_path / "data") == both


def test_accepted_code_stands_in_status_card_and_verify(
    tmp_path: Path, make_dataset: Callable[..., Path], finish_dataset: Callable[..., None]
) -> None:
    folder = make_dataset(tmp_path / "data", n=12)
    plan = replace(read_plan(folder), pins={"simgen": "0.1.0+aaaaaaaaaaaa"})
    shutil.rmtree(folder)
    finish_dataset(folder, plan)
    (folder / "train" / "00001_stats.json").unlink()
    finish_dataset(folder, replace(plan, pins={"simgen": "0.1.0+bbbbbbbbbbbb"}), accept_code=True)
    found = examine(folder)
    assert found.problems == []
    assert "3 shards by simgen 0.1.0+aaaaaaaaaaaa; 1 shard by simgen 0.1.0+bbbbbbbbbbbb" in found.notes[0]
    assert [(code.code[-12:], code.shards) for code in read_status(folder).codes] == [("a" * 12, 3), ("b" * 12, 1)]
    card = (folder / "README.md").read_text()
    assert "by simgen 0.1.0+aaaaaaaaaaaa" in card and "by simgen 0.1.0+bbbbbbbbbbbb" in card


def test_a_data_set_that_is_older_than_the_list_of_files_gets_a_sentence_that_says_so(tmp_path: Path) -> None:
    folder = Path(shutil.copytree(Path(__file__).parents[1] / "fixtures" / "dataset_v1", tmp_path / "old"))
    there = read_plan(folder)
    here = replace(there, pins={**there.pins, "simgen": "0.2.0+aaaaaaaaaaaa", "scene drop": "aaaaaaaaaaaa"})
    with pytest.raises(ConflictError) as refused:
        check_same(folder, here)
    said = str(refused.value)
    assert "simgen: 0.1.0+7badcc65caf0 there, 0.2.0+aaaaaaaaaaaa here, which files differ is not known" in said
    assert "install the simgen 0.1.0 that began it;" in said and "scene" not in said
    assert check_same(folder, here, accept_code=True).fingerprints == {there.fingerprint, here.fingerprint}


def test_assets_and_recipe_are_not_accepted_as_code(tmp_path: Path) -> None:
    recipe = replace(load_recipe("drop"), assets=AssetChoice(objects=("/mugs.json",)))
    plan = make_plan(recipe, n=4, seed=0, pins={"simgen": "1", "assets": "a"})
    (tmp_path / RESOLVED).write_text(plan.to_yaml())
    for other, remedy in (
        (replace(plan, pins={"simgen": "2", "assets": "b"}), "put back the assets"),
        (replace(plan, seed=1), "give the same recipe, --n and --seed"),
    ):
        with pytest.raises(ConflictError, match=remedy):
            check_same(tmp_path, other, accept_code=True)
