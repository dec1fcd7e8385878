"""Which changes to simgen leave a data set that has been begun as it is, and which do not."""

import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from simgen.core.errors import ConflictError
from simgen.plan.fingerprint import DECIDES_BYTES, changed_scenes, pins
from simgen.plan.plan import make_plan
from simgen.plan.recipe import Recipe, load_recipe
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
def go_on(recipe: Recipe, tmp_path: Path) -> Callable[[], None]:
    """Begin a data set, or go on with it, with the code as it is now."""

    def go() -> None:
        plan = make_plan(recipe, n=4, seed=0, pins=pins(recipe))
        with open_folder(tmp_path / "data", plan, sample_bytes=0):
            pass

    return go


def test_the_packages_that_decide_bytes_are_there() -> None:
    assert set(DECIDES_BYTES) < set(PACKAGES)


def test_a_new_file_where_no_bytes_are_decided_lets_a_begun_data_set_go_on(
    package: Path, go_on: Callable[[], None]
) -> None:
    go_on()
    (package / "eval").mkdir(exist_ok=True)
    for name in (*(name for name in PACKAGES if name not in DECIDES_BYTES), "eval", "."):
        (package / name / "new.py").write_text("x = 1\n")
        go_on()


@pytest.mark.parametrize("name", DECIDES_BYTES)
def test_a_new_file_where_bytes_are_decided_makes_another_data_set(
    name: str, package: Path, go_on: Callable[[], None]
) -> None:
    go_on()
    (package / name / "new.py").write_text("x = 1\n")
    with pytest.raises(ConflictError, match=r"simgen: .* there, .* here") as refused:
        go_on()
    assert refused.value.exit_code == 4
    (package / name / "new.py").unlink()
    go_on()


def test_the_text_of_a_scene_file_is_pinned(tmp_path: Path) -> None:
    path = tmp_path / "hop_once.py"
    path.write_text(HOP)
    recipe = load_recipe("hop_once", scene_folders=[str(tmp_path)])
    before = pins(recipe)
    path.write_text(HOP + "\n# another comment\n")
    after = pins(recipe)
    assert before["scene hop_once"] != after["scene hop_once"]
    assert before["simgen"] == after["simgen"]
    then = make_plan(recipe, n=4, seed=0, pins=before)
    said = changed_scenes(then, "hop_once")
    assert len(said) == 1 and f"was made by other code than that of {path}" in said[0]
    assert before["scene hop_once"] in said[0] and after["scene hop_once"] in said[0]
    assert changed_scenes(replace(then, pins=after), "hop_once") == []
