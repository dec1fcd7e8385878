"""What decides the bytes of a data set beside its recipe: simgen's own code, its engines, the files of the scenes."""

import ast
import contextlib
import hashlib
import importlib.metadata
import inspect
import json
import subprocess
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path

from simgen import __version__
from simgen.core.errors import SimgenError
from simgen.plan.plan import Plan
from simgen.plan.recipe import Recipe
from simgen.scene import registry
from simgen.storage import resources
from simgen.storage.cache import default_cache
from simgen.storage.files import read_json, write_file

DECIDES_BYTES = (
    *("core", "solvers", "procedural", "catalog", "scene", "language", "record", "plan", "engine", "make"),
)
"""Packages that a sample passes through. A change to any other leaves a data set that has been begun as it is."""
_ENGINES = ("bpy", "pybullet", "manifold3d", "warp-lang")


def pins(recipe: Recipe) -> dict[str, str]:
    """Name → version or hash of each of them. Assets and card are not among them: see `simgen.make.planning`."""
    found = {name: importlib.metadata.version(name) for name in _ENGINES if _installed(name)}
    own = "".join(f"{digest}  {name}\n" for name, digest in file_digests().items())
    found["simgen"] = f"{__version__}+{hashlib.sha256(own.encode()).hexdigest()[:12]}"
    files = {
        choice.name: Path(inspect.getfile(registry.scene_class(choice.name, where=recipe.name)))
        for choice in recipe.scenes
    }
    for name, digest in zip(files, _digests(files.values()), strict=True):
        found[f"scene {name}"] = digest
    return found


def changed_scenes(plan: Plan, *names: str) -> list[str]:
    """A sentence for each of these scenes whose file is another one than when the plan was begun."""
    changed = []
    for name in names:
        then = plan.pins.get(f"scene {name}")
        file = Path(inspect.getfile(registry.scene_class(name, where=plan.recipe.name)))
        (now,) = _digests([file])
        if then not in (None, now):
            changed.append(f"scene {name!r} was made by other code than that of {file} ({then} then, {now} now)")
    return changed


def file_digests() -> dict[str, str]:
    """Each file of simgen's own code that decides bytes → a digest of what it does, see `code_digest`."""
    paths = [path for package in DECIDES_BYTES for path in sorted((resources.PACKAGE / package).rglob("*.py"))]
    names = [f"simgen/{path.relative_to(resources.PACKAGE).as_posix()}" for path in paths]
    return dict(zip(names, _digests(paths), strict=True))


def code_digest(source: bytes) -> str:
    """A digest of what Python code does: comments, docstrings and the way it is laid out do not count."""
    try:
        tree = ast.parse(source)
    except (SyntaxError, ValueError):
        return hashlib.sha256(source).hexdigest()[:12]
    for node in ast.walk(tree):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            node.body = [statement for statement in node.body if not _is_text(statement)] or [ast.Pass()]
    return hashlib.sha256(ast.dump(tree).encode(errors="surrogatepass")).hexdigest()[:12]


def git_commit() -> tuple[str, bool]:
    """The commit of the checkout that simgen runs from, and whether its files have been changed since; ("", False)
    where simgen was installed without one."""
    root = resources.PACKAGE.parent
    if not (root / ".git").exists():
        return "", False
    with contextlib.suppress(OSError, subprocess.SubprocessError):
        commit = _git(root, "rev-parse", "--short=12", "HEAD")
        return commit, bool(_git(root, "status", "--porcelain", "--", "simgen", "scenes"))
    return "", False


def _git(folder: Path, *arguments: str) -> str:
    command = ["git", "-C", str(folder), *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=10, check=True).stdout.strip()


def _is_text(statement: ast.stmt) -> bool:
    return (
        isinstance(statement, ast.Expr)
        and isinstance(statement.value, ast.Constant)
        and isinstance(statement.value.value, str)
    )


def _digests(paths: Iterable[Path]) -> list[str]:
    """The digest of each file. Those that were met before, on this machine, come from the cache: to parse all of
    simgen takes a second, which every worker would spend at its start."""
    sources = [path.read_bytes() for path in paths]
    raw = [hashlib.sha256(source).hexdigest() for source in sources]
    known = _known_digests()
    new = {name: code_digest(source) for name, source in zip(raw, sources, strict=True) if name not in known}
    if new:
        # A cache that cannot be written costs a second at the next start, nothing else.
        with contextlib.suppress(SimgenError, OSError, RuntimeError):
            kept = dict(list({**known, **new}.items())[-_MOST_KEPT:])
            write_file(_kept_path(), json.dumps(kept).encode())
    return [known.get(name) or new[name] for name in raw]


_MOST_KEPT = 2000
"""Digests that the cache holds: those of a dozen versions of simgen."""


def _kept_path() -> Path:
    # Another Python has another syntax tree for the same code.
    return default_cache() / "code" / f"digests-{sys.version_info.major}.{sys.version_info.minor}.json"


def _known_digests() -> Mapping[str, str]:
    with contextlib.suppress(SimgenError, OSError, RuntimeError):
        if _kept_path().is_file():
            found = read_json(_kept_path())
            return {name: digest for name, digest in found.items() if isinstance(digest, str) and len(digest) == 12}
    return {}


def _installed(distribution: str) -> bool:
    try:
        importlib.metadata.version(distribution)
    except importlib.metadata.PackageNotFoundError:
        return False
    return True
