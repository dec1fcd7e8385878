"""One file, one thing: a package whose modules register themselves by being there.

    for family in subclasses_in("simgen.train.families", Family): ...

To add a family, a method, a gate or a command is to add a file to its package; nothing lists them.
"""

import functools
import importlib
import inspect
import pkgutil
from types import ModuleType
from typing import Protocol, TypeVar

T = TypeVar("T")


def load_modules(package: str) -> tuple[ModuleType, ...]:
    """Import every module and sub-package that lies in a package, in the order of their names."""
    names = sorted(module.name for module in pkgutil.iter_modules(importlib.import_module(package).__path__))
    return tuple(importlib.import_module(f"{package}.{name}") for name in names)


@functools.cache
def load_once(package: str) -> None:
    """The same for modules that register themselves as they are imported: the folder is looked at once a process."""
    load_modules(package)


def subclasses_in(package: str, base: type[T]) -> tuple[type[T], ...]:
    """The concrete classes below `base` that the modules of a package define: by module, then as they stand there."""
    return tuple(
        found
        for module in load_modules(package)
        for found in vars(module).values()
        if inspect.isclass(found)
        and issubclass(found, base)
        and not inspect.isabstract(found)
        and found is not base
        # What a module imports is not its own.
        and found.__module__ == module.__name__
    )


class _Named(Protocol):
    @property
    def name(self) -> str: ...


N = TypeVar("N", bound=_Named)


def objects_in(package: str, kind: type[N]) -> dict[str, N]:
    """The objects of a type that the modules of a package have at their top level, by the `name` of each."""
    found: dict[str, N] = {}
    for module in load_modules(package):
        for value in vars(module).values():
            if isinstance(value, kind) and found.setdefault(value.name, value) is not value:
                raise ValueError(f"{module.__file__}: the name {value.name!r} is taken by another file; choose another")
    return found
