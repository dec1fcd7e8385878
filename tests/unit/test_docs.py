"""What README and CONTRIBUTING show is what is there."""

import inspect
import re
from collections import Counter
from pathlib import Path

from simgen.core.taxonomy import TRANSITIONS
from simgen.language import sentences
from simgen.plan.recipe import load_scenes
from simgen.scene import registry
from simgen.storage.yaml_files import read_yaml

ROOT = Path(__file__).parents[2]


def python_in(name: str) -> list[str]:
    return re.findall(r"```python\n(.*?)```", (ROOT / name).read_text(), flags=re.DOTALL)


def test_the_scene_in_the_readme_is_the_file() -> None:
    assert (ROOT / "scenes" / "topple.py").read_text() in python_in("README.md")


def test_the_scene_in_contributing_loads_and_can_say_what_it_shows(tmp_path: Path) -> None:
    example = python_in("CONTRIBUTING.md")[0]
    (tmp_path / "let_go.py").write_text(example)
    load_scenes([str(tmp_path)])
    shown = registry.build("let_go", {"height_m": 0.2})
    assert shown.height_m == (0.2, 0.2)  # type: ignore[attr-defined]
    assert sentences.check_phrases(shown.phrases, shown.claims, where="let_go") == []
    assert len(example.splitlines()) < 40


def test_the_page_of_scenes_has_every_scene_with_its_types_and_law() -> None:
    """`make docs` writes it; a scene that has come or changed since is missing here."""
    load_scenes()
    chapters = dict(re.findall(r"^### (\w+)\n(.*?)(?=^##|\Z)", (ROOT / "docs/scenes.md").read_text(), re.M | re.S))
    for name, cls in registry.scenes().items():
        if not Path(inspect.getfile(cls)).is_relative_to(ROOT / "scenes"):
            continue
        assert f"- law: {cls.law}\n" in chapters[name]
        for number in cls.types:
            assert f"{TRANSITIONS[number].name} ({number})" in chapters[name]
        assert (ROOT / "docs/scenes" / f"{name}.jpg").is_file()


def test_the_readme_counts_scenes_and_transitions() -> None:
    load_scenes()
    own = [c for c in registry.scenes().values() if Path(inspect.getfile(c)).is_relative_to(ROOT / "scenes")]
    covered = {number for cls in own for number in cls.types}
    assert f"{len(own)} scenes show {len(covered)} of the {len(TRANSITIONS)}" in (ROOT / "README.md").read_text()


def test_the_recipe_of_the_scene_gallery_has_every_scene_in_equal_parts() -> None:
    load_scenes()
    own = [c for c in registry.scenes().values() if Path(inspect.getfile(c)).is_relative_to(ROOT / "scenes")]
    given = read_yaml(ROOT / "pipelines" / "scene_gallery.yaml")["scenes"]
    assert {key: group["weight"] for key, group in given.items()} == Counter(f"domain:{c.domain}" for c in own)
