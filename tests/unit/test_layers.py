"""The order of the modules, read off their imports: who may know whom, and who owns which heavy library."""

import ast
import subprocess
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

from simgen.storage import resources

PACKAGE = resources.PACKAGE
ROOT = PACKAGE.parent

# From the bottom to the top: a package imports from itself and from those before it.
PACKAGES = (
    *("core", "storage", "solvers", "procedural", "catalog", "scene", "language", "record", "plan", "dataset"),
    *("engine", "make", "run", "export", "metrics", "train", "eval", "cli"),
)
# A machine with a graphics card needs neither Blender nor Ray, and a cluster of CPUs no torch.
APART = {name: {"engine", "make", "run"} for name in ("export", "metrics", "train", "eval")}
OWNERS = {
    "ray": {"run"},
    "bpy": {"engine"},
    "mathutils": {"engine"},
    "kubric": {"engine"},
    "pybullet": {"engine"},
    "pybullet_utils": {"engine"},
    "pyarrow": {"dataset"},
    "webdataset": {"dataset", "train"},
    "fsspec": {"storage"},
    "coacd": {"catalog"},
    "trimesh": {"catalog"},
    "manifold3d": {"solvers"},
    "warp": {"solvers"},
    "rich": {"dataset", "train", "cli"},
    "click": {"cli"},
    "torch": {"train"},
    "diffusers": {"train"},
    "transformers": {"train"},
    "peft": {"train"},
    "safetensors": {"train"},
    "huggingface_hub": {"storage", "train"},
}
HEAVY = {
    "ray",
    "bpy",
    "manifold3d",
    "warp",
    "torch",
    "kubric",
    "pybullet",
    "pyarrow",
    "webdataset",
    "fsspec",
    "cv2",
    "PIL",
    "trimesh",
    "rich",
    "diffusers",
    "transformers",
    "peft",
}
MODULES = sorted(PACKAGE.rglob("*.py"))


@cache
def tree_of(path: Path) -> ast.Module:
    return ast.parse(path.read_text())


def name_of(path: Path) -> str:
    """`simgen/core/errors.py` → `core.errors`, and the package itself for an `__init__.py`."""
    parts = path.relative_to(PACKAGE).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def package_of(path: Path) -> str:
    """The first folder below `simgen`; empty for `simgen/__init__.py` and `simgen/__main__.py`."""
    return name_of(path).partition(".")[0].removesuffix("__main__")


@cache
def imports_of(path: Path) -> tuple[tuple[str, ast.AST], ...]:
    return tuple(imports(tree_of(path)))


def imports(tree: ast.AST) -> Iterator[tuple[str, ast.AST]]:
    """Every module that is named in an import, in full, wherever it stands; also by importlib and `__import__`."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from ((alias.name, node) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert not node.level and node.module, f"line {node.lineno}: imports are absolute"
            yield node.module, node
            # A name may be a module of its own.
            yield from ((f"{node.module}.{alias.name}", node) for alias in node.names)
        elif isinstance(node, ast.Call) and ast.unparse(node.func).split(".")[-1] in ("import_module", "__import__"):
            named = node.args[0] if node.args else None
            if isinstance(named, ast.Constant):
                yield str(named.value), node


def for_types_only(tree: ast.Module) -> set[ast.AST]:
    """What stands below `if TYPE_CHECKING`, and is never run."""
    blocks = [n for n in ast.walk(tree) if isinstance(n, ast.If) and ast.unparse(n.test) == "TYPE_CHECKING"]
    return {node for block in blocks for node in ast.walk(block)}


def inside_functions(tree: ast.Module) -> set[ast.AST]:
    functions = [n for n in ast.walk(tree) if isinstance(n, (ast.FunctionDef, ast.AsyncFunctionDef))]
    return {node for function in functions for node in ast.walk(function) if node is not function}


@cache
def module_of(name: str) -> str | None:
    """`simgen.core.errors.UsageError` → `core.errors`; None for what is not a module of simgen."""
    parts = name.split(".")
    if parts[0] != "simgen":
        return None
    for length in range(len(parts), 1, -1):
        path = PACKAGE.joinpath(*parts[1:length])
        if path.with_suffix(".py").is_file() or (path / "__init__.py").is_file():
            return ".".join(parts[1:length])
    return None


def test_every_folder_is_a_package_of_the_plan() -> None:
    assert {package_of(path) for path in MODULES} - {""} <= set(PACKAGES)


@pytest.mark.parametrize("path", MODULES, ids=lambda p: str(p.relative_to(PACKAGE)))
def test_a_module_imports_only_from_its_package_and_those_before_it(path: Path) -> None:
    here = package_of(path)
    if not here:
        # `simgen/__init__.py` hands out names of the packages when they are asked for.
        return
    for name, node in imports_of(path):
        module = module_of(name)
        if module is None:
            continue
        there = module.partition(".")[0]
        line = getattr(node, "lineno", 0)
        assert PACKAGES.index(there) <= PACKAGES.index(here), f"line {line}: {here} must not know {there}"
        assert there not in APART.get(here, ()), f"line {line}: {here} must do without {there}"


@pytest.mark.parametrize("path", MODULES, ids=lambda p: str(p.relative_to(PACKAGE)))
def test_a_heavy_library_has_one_owner(path: Path) -> None:
    for name, node in imports_of(path):
        owners = OWNERS.get(name.split(".")[0])
        line = getattr(node, "lineno", 0)
        assert owners is None or package_of(path) in owners, f"line {line}: {name} belongs to {sorted(owners or ())}"


@pytest.mark.parametrize("path", MODULES, ids=lambda p: str(p.relative_to(PACKAGE)))
def test_only_the_command_line_and_the_seam_of_make_import_inside_functions(path: Path) -> None:
    if package_of(path) in ("cli", ""):
        return
    tree = tree_of(path)
    inside, types_only = inside_functions(tree), for_types_only(tree)
    found = {
        module
        for name, node in imports_of(path)
        if not isinstance(node, ast.Call) and node in inside and node not in types_only
        for module in [module_of(name) or name.split(".")[0]]
    }
    assert not {module for module in found if package_of(path) != "make" or not module.startswith("engine")}


def test_nothing_imports_in_a_circle() -> None:
    packages: dict[str, set[str]] = {}
    modules: dict[str, set[str]] = {}
    for path in MODULES:
        if not package_of(path):
            continue
        tree = tree_of(path)
        here, skipped = name_of(path), for_types_only(tree)
        known = {module for name, node in imports_of(path) if node not in skipped and (module := module_of(name))}
        known = {module for module in known if not here.startswith(module)}
        modules.setdefault(here, set()).update(known)
        packages.setdefault(package_of(path), set()).update(
            module.partition(".")[0] for module in known if module.partition(".")[0] != package_of(path)
        )
    for edges in (packages, modules):
        while leaves := {name for name, known in edges.items() if not known & set(edges)}:
            edges = {name: known for name, known in edges.items() if name not in leaves}
        assert not edges


def loaded_by(statement: str, *, seconds: float) -> tuple[set[str], float]:
    """Top-level modules that a fresh Python has after a statement, and what it took: the best of up to five times, of
    which one within `seconds` is enough."""
    code = (
        f"import sys, time; began = time.perf_counter(); {statement}; took = time.perf_counter() - began; "
        f"print(took, *{{name.split('.')[0] for name in sys.modules}})"
    )
    best = float("inf")
    for _ in range(5):
        run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT)
        took, *loaded = run.stdout.splitlines()[-1].split()
        best = min(best, float(took))
        if best < seconds:
            break
    return set(loaded), best


def test_importing_simgen_is_quick_and_brings_nothing_heavy() -> None:
    modules, seconds = loaded_by("import simgen", seconds=0.3)
    assert not modules & (HEAVY | {"numpy", "yaml"})
    assert seconds < 0.3


def test_the_command_line_is_quick_and_brings_nothing_heavy() -> None:
    statement = "import simgen.cli; simgen.cli.cli.main(['--help'], standalone_mode=False)"
    modules, seconds = loaded_by(statement, seconds=0.5)
    assert not {name for name in modules if name in HEAVY | {"numpy", "yaml"}}
    assert seconds < 0.5


def test_looking_at_a_data_set_needs_neither_ray_nor_blender() -> None:
    modules = ("dataset.status", "dataset.reader", "plan.recipe", "dataset.card", "dataset.contact_sheet")
    code = f"import {', '.join(f'simgen.{module}' for module in modules)}, sys; print(*sys.modules)"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT)
    assert not {"ray", "bpy", "torch", "kubric", "pybullet", "webdataset"} & set(run.stdout.split())


SCENE_CODE = sorted({*(ROOT / "scenes").glob("*.py"), *resources.folder("scenes").glob("*.py")})
# Every name through which chance or the clock could come in beside the generator that is handed in.
UNCONTROLLED = {"random", "secrets", "uuid", "time", "datetime", "os"}


@pytest.mark.parametrize(
    "path",
    [
        *SCENE_CODE,
        *(path for path in (PACKAGE / "scene").glob("*.py") if path.stem != "registry"),
        *(PACKAGE / "language").glob("*.py"),
    ],
    ids=lambda p: p.stem,
)
def test_the_only_source_of_chance_is_the_generator_that_is_handed_in(path: Path) -> None:
    tree = tree_of(path)
    assert not {module.split(".")[0] for module, _ in imports_of(path)} & UNCONTROLLED
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute):
            text = ast.unparse(node)
            assert (
                not text.startswith(("np.random", "numpy.random"))
                or text.endswith("random.Generator")
                or (text == "np.random")
            ), f"line {node.lineno}: {text}"
        if isinstance(node, ast.Call) and ast.unparse(node.func) in ("hash", "id", "set"):
            assert ast.unparse(node.func) == "set", f"line {node.lineno}: differs from process to process"


def test_scene_files_never_meet_the_engine() -> None:
    for path in SCENE_CODE:
        names = {module for module, _ in imports_of(path)}
        assert not {name for name in names if name.split(".")[0] in OWNERS or name.startswith("simgen.engine")}, path
