"""What README and CONTRIBUTING show is what is there."""

import re
from pathlib import Path

from simgen.core.taxonomy import TRANSITIONS
from simgen.language import sentences
from simgen.plan.recipe import load_recipe, load_scenes
from simgen.scene import registry

ROOT = Path(__file__).parents[2]


def python_in(name: str) -> list[str]:
    return re.findall(r"```python\n(.*?)```", (ROOT / name).read_text(), flags=re.DOTALL)


def test_the_whole_scene_in_contributing_is_the_file() -> None:
    assert (ROOT / "scenes" / "topple.py").read_text() in python_in("CONTRIBUTING.md")


def test_the_scene_in_contributing_loads_and_can_say_what_it_shows(tmp_path: Path) -> None:
    example = python_in("CONTRIBUTING.md")[0]
    (tmp_path / "let_go.py").write_text(example)
    load_scenes([str(tmp_path)])
    shown = registry.build("let_go", {"height_m": 0.2})
    assert shown.height_m == (0.2, 0.2)  # type: ignore[attr-defined]
    assert sentences.check_phrases(shown.phrases, shown.claims, where="let_go") == []
    assert len(example.splitlines()) < 40


def test_the_page_of_scenes_says_of_each_what_it_is() -> None:
    """`make docs` writes it from the registry; a scene that has changed since, or gone, is wrong here."""
    load_scenes()
    chapters = dict(re.findall(r"^### (\w+)\n(.*?)(?=^##|\Z)", (ROOT / "docs/scenes.md").read_text(), re.M | re.S))
    assert chapters
    for name, chapter in chapters.items():
        cls = registry.scenes()[name]
        assert f"- law: {cls.law}\n" in chapter
        for number in cls.types:
            assert f"{TRANSITIONS[number].name} ({number})" in chapter
        assert (ROOT / "docs/scenes" / f"{name}.jpg").is_file()


def test_the_recipe_of_the_scene_gallery_has_every_scene_in_equal_parts() -> None:
    choices = load_recipe("scene_gallery").scenes
    assert {choice.name for choice in choices} == set(registry.scenes())
    assert len({choice.weight for choice in choices}) == 1
