"""What decides the bytes of a data set beside its recipe: simgen's own code, its engines, the files of the scenes."""

import hashlib
import importlib.metadata
import inspect
from pathlib import Path

from simgen import __version__
from simgen.plan.plan import Plan
from simgen.plan.recipe import Recipe
from simgen.scene import registry
from simgen.storage import resources

DECIDES_BYTES = (
    *("core", "solvers", "procedural", "catalog", "scene", "language", "record", "plan", "engine", "make"),
)
"""Packages that a sample passes through. A change to any other leaves a data set that has been begun as it is."""
_ENGINES = ("bpy", "pybullet", "manifold3d", "warp-lang")


def pins(recipe: Recipe) -> dict[str, str]:
    """Name → version or hash of each of them. Assets and card are not among them: see `simgen.make.planning`."""
    found = {name: importlib.metadata.version(name) for name in _ENGINES if _installed(name)}
    own = [path for package in DECIDES_BYTES for path in sorted((resources.PACKAGE / package).rglob("*.py"))]
    found["simgen"] = f"{__version__}+{_hash(*own)}"
    for choice in recipe.scenes:
        found[f"scene {choice.name}"] = _hash(
            Path(inspect.getfile(registry.scene_class(choice.name, where=recipe.name)))
        )
    return found


def changed_scenes(plan: Plan, *names: str) -> list[str]:
    """A sentence for each of these scenes whose file is another one than when the plan was begun."""
    changed = []
    for name in names:
        then = plan.pins.get(f"scene {name}")
        file = Path(inspect.getfile(registry.scene_class(name, where=plan.recipe.name)))
        now = _hash(file)
        if then not in (None, now):
            changed.append(f"scene {name!r} was made by other code than that of {file} ({then} then, {now} now)")
    return changed


def _hash(*paths: Path) -> str:
    return hashlib.sha256(b"\0".join(path.read_bytes() for path in paths)).hexdigest()[:12]


def _installed(distribution: str) -> bool:
    try:
        importlib.metadata.version(distribution)
    except importlib.metadata.PackageNotFoundError:
        return False
    return True
