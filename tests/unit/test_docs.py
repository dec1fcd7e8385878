"""What README and CONTRIBUTING show is what is there, and what texts say of packages is what works."""

import ast
import importlib.metadata
import importlib.util
import os
import re
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from simgen.core.taxonomy import TRANSITIONS
from simgen.language import sentences
from simgen.plan.recipe import load_recipe, load_scenes
from simgen.scene import registry
from simgen.storage.resources import KUBRIC

ROOT = Path(__file__).parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]


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


def texts() -> Iterator[tuple[str, str]]:
    """Every text file of the project that a person reads, runs or is shown."""
    folders = ("simgen", "scenes", "assets", "pipelines", "docs", "docker", "tests", ".ci")
    paths = [path for folder in folders for path in sorted((ROOT / folder).rglob("*")) if path.is_file()]
    for path in [*paths, *(ROOT / name for name in ("README.md", "CONTRIBUTING.md", "Makefile", "pyproject.toml"))]:
        if path.suffix in {".py", ".md", ".sh", ".yaml", ".toml", ".Dockerfile", ""} and path != Path(__file__):
            yield str(path.relative_to(ROOT)), path.read_text("utf-8")


def test_nobody_is_told_to_install_a_stranger_s_package() -> None:
    """On the package index `simgen` is a molecule generator. No hint, command or look-up of a version names it."""
    wrong = re.compile(
        r"""\b(pip|pipx|uv|conda)3?\s+(\w+\s+)?(install|download|add|run)\s+(-\S+\s+)*['"]?simgen\b(?!-pairs)"""
        r"""|['"`]simgen\[|['"]simgen[=<>~]=|(version|distribution|metadata|requires)\(\s*['"]simgen['"]"""
    )
    assert wrong.search("pip install -q 'simgen[s3]'") and wrong.search("metadata.version('simgen')")
    found = [f"{name}: {match[0]}" for name, text in texts() for match in wrong.finditer(text)]
    assert found == []
    assert PROJECT["name"] == "simgen-pairs" and PROJECT["scripts"] == {"simgen": "simgen.cli:main"}


def test_no_text_names_the_host_of_a_package_registry() -> None:
    hosts = re.compile(
        r"pypi\.|pythonhosted|download\.pytorch|anaconda\.org|npmjs|index-url\s*=?\s*https?:", re.IGNORECASE
    )
    assert [name for name, text in texts() if hosts.search(text)] == []


def test_every_extra_that_a_text_names_is_there() -> None:
    named = {
        (name, extra)
        for name, text in texts()
        for match in re.finditer(r"'\.\[([a-z0-9, ]+)\]'", text)
        for extra in match[1].split(",")
    }
    assert {extra for _, extra in named} >= {"generate", "train", "s3", "gs", "bench"}
    assert [(name, extra) for name, extra in sorted(named) if extra not in PROJECT["optional-dependencies"]] == []


def test_kubric_is_named_in_one_version_and_never_with_its_own_list_of_packages() -> None:
    (tested,) = re.findall(r"^kubric-nightly==\S+$", (ROOT / "constraints.txt").read_text(), re.MULTILINE)
    assert tested == KUBRIC
    assert not any("kubric" in line for extra in PROJECT["optional-dependencies"].values() for line in extra)
    for name, text in texts():
        for match in re.finditer(r"pip install[^\n`]*?kubric-nightly\S*", text):
            assert "--no-deps" in match[0], f"{name}: {match[0]}"
        for version in re.findall(r"kubric-nightly==\d[\w.]*\d", text):
            assert version == KUBRIC, name
    assert f"pip install -e '.[generate]' && pip install --no-deps {KUBRIC}" in (ROOT / "README.md").read_text()


def closure(requirement: Requirement, found: set[str]) -> set[str]:
    """The names of a package and of everything that it needs here."""
    name = canonicalize_name(requirement.name)
    if name not in found:
        found.add(name)
        for line in importlib.metadata.requires(name) or ():
            needed = Requirement(line)
            if any(not needed.marker or needed.marker.evaluate({"extra": e}) for e in ("", *requirement.extras)):
                closure(needed, found)
    return found


def test_without_an_extra_a_data_set_can_be_looked_at_and_the_right_extra_is_named(tmp_path: Path) -> None:
    """A folder of packages that holds what `pip install .` brings, and nothing else. Takes 8 s of CPU."""
    base: set[str] = set()
    for line in PROJECT["dependencies"]:
        closure(Requirement(line), base)
    site = tmp_path / "site-packages"
    site.mkdir()
    for name in base:
        package = importlib.metadata.distribution(name)
        for top in {path.parts[0] for path in package.files or () if path.parts[0] not in ("..", "__pycache__")}:
            (site / top).symlink_to(package.locate_file(top))  # type: ignore[arg-type]
    assert (site / "pyarrow").exists() and not (site / "ray").exists()
    shutil.copytree(ROOT / "tests/fixtures/dataset_v1", tmp_path / "data")
    commands: list[tuple[str, int, str]] = [
        ("doctor python packages", 1, "pip install -e '.[generate]'"),
        ("scenes", 0, "topple"),
        ("status data", 0, "8 of 8"),
        ("verify data", 0, "sound"),
        ("report data", 0, "index.html"),
        ("generate drop --n 1 --out new", 1, f"run: pip install -e '.[generate]' && pip install --no-deps {KUBRIC}"),
        ("train --data data --base tiny:qwen --out run", 1, "run: pip install -e '.[train]'"),
    ]
    for command, code, words in commands:
        run = subprocess.run(
            # Without `site`, so without the packages of this environment.
            [sys.executable, "-S", "-c", "from simgen.cli import main; main()", *command.split()],
            capture_output=True,
            text=True,
            cwd=tmp_path,
            env={**os.environ, "PYTHONPATH": f"{ROOT}:{site}"},
        )
        assert (run.returncode, words in run.stdout + run.stderr) == (code, True), f"{command}: {run}"
        assert "Traceback" not in run.stderr


def test_what_the_benchmarks_take_from_simgen_is_there() -> None:
    """No test runs them, so their imports are compared with the files of the modules."""
    wrong = []
    for path in sorted((ROOT / "tests/bench").glob("*.py")):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("simgen"):
                place = ROOT / (node.module or "").replace(".", "/")
                source = place.with_suffix(".py") if place.with_suffix(".py").is_file() else place / "__init__.py"
                words = set(re.findall(r"\w+", source.read_text())) if source.is_file() else set()
                there = words | {file.stem for file in place.glob("*")}
                wrong += [f"{path.name}: {node.module}.{name.name}" for name in node.names if name.name not in there]
    assert wrong == []
