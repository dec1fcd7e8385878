"""What README and CONTRIBUTING show is what is there."""

import re
from pathlib import Path

from simgen import language, scene
from simgen.recipe import load_scenes

ROOT = Path(__file__).parents[2]


def python_in(name: str) -> list[str]:
    return re.findall(r"```python\n(.*?)```", (ROOT / name).read_text(), flags=re.DOTALL)


def test_the_scene_in_the_readme_is_the_file() -> None:
    assert (ROOT / "scenes" / "topple.py").read_text() in python_in("README.md")


def test_the_scene_in_contributing_loads_and_can_say_what_it_shows(tmp_path: Path) -> None:
    example = python_in("CONTRIBUTING.md")[0]
    (tmp_path / "let_go.py").write_text(example)
    load_scenes([str(tmp_path)])
    shown = scene.build("let_go", {"height_m": 0.2})
    assert shown.height_m == (0.2, 0.2)  # type: ignore[attr-defined]
    assert language.check_phrases(shown.phrases, shown.claims, where="let_go") == []
    assert len(example.splitlines()) < 40
