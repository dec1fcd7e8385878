"""A file that lies in a package is found there, and nothing has to name it."""

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from simgen.core.registry import load_modules, subclasses_in

BASE = "from abc import ABC, abstractmethod\nclass Animal(ABC):\n    @abstractmethod\n    def call(self): ...\n"
CAT = "from zoo.base import Animal\nclass Cat(Animal):\n    def call(self): return 'meow'\n"
DOGS = (
    "from zoo.base import Animal\nfrom zoo.cat import Cat\n"
    "class Dog(Animal):\n    def call(self): return 'woof'\nclass Beagle(Dog): ...\nclass Kennel: ...\n"
)


@pytest.fixture
def zoo(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A package with a base class and files that build on it."""
    folder = tmp_path / "zoo"
    folder.mkdir()
    for name, text in {"__init__": "", "base": BASE, "dogs": DOGS, "cat": CAT}.items():
        (folder / f"{name}.py").write_text(text)
    monkeypatch.syspath_prepend(tmp_path)
    yield folder
    for name in [name for name in sys.modules if name.partition(".")[0] == "zoo"]:
        del sys.modules[name]


def test_every_module_of_a_package_is_imported_in_the_order_of_names(zoo: Path) -> None:
    assert [module.__name__ for module in load_modules("zoo")] == ["zoo.base", "zoo.cat", "zoo.dogs"]


def test_concrete_classes_are_found_where_they_are_defined(zoo: Path) -> None:
    base = next(module for module in load_modules("zoo") if module.__name__ == "zoo.base")
    assert [found.__name__ for found in subclasses_in("zoo", base.Animal)] == ["Cat", "Dog", "Beagle"]


def test_a_new_file_is_a_new_entry(zoo: Path) -> None:
    (zoo / "fox.py").write_text(CAT.replace("Cat", "Fox"))
    base = next(module for module in load_modules("zoo") if module.__name__ == "zoo.base")
    assert "Fox" in {found.__name__ for found in subclasses_in("zoo", base.Animal)}


def test_a_file_that_cannot_be_imported_is_not_passed_over(zoo: Path) -> None:
    (zoo / "broken.py").write_text("import no_such_library_of_mine\n")
    with pytest.raises(ModuleNotFoundError, match="no_such_library_of_mine"):
        load_modules("zoo")
