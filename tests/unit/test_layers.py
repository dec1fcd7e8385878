"""The order of the modules, read off their imports: who may know whom, and who owns which heavy library."""

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from simgen import resources

PACKAGE = Path(resources.__file__).parent
ROOT = PACKAGE.parent

# From the bottom to the top: a module imports from its own line and from those above it.
LAYERS = [
    {"__init__", "types", "errors", "geometry", "substances", "resources", "taxonomy", "places", "machine"},
    {
        "scene",
        "archives",
        "tars",
        "labels",
        "manifests",
        "meshes",
        "facts",
        "pack",
        "bundles",
        "builtin",
        "masks",
        "motion",
        "claims",
        "words",
        "settings",
        "models",
        "solvers",
        "colour",
        "palette",
        "fields",
    },
    {"recipe", "plan", "store", "record", "assets", "sampling", "lamps", "greenhouse", "framing", "language", "judge"},
    {
        *(
            "shards",
            "dataset",
            "status",
            "suspects",
            "card",
            "report",
            "preview",
            "_report",
            "forecast",
            "describe",
            "progress",
        ),
        "catalogue",
    },
    {"engine", "train"},
    {"make"},
    {"shipping"},
    {"ray_session"},
    {"reproduce", "cluster", "doctor"},
    {"assets_cli", "cli"},
]
OWNERS = {
    "ray": {"ray_session", "cluster"},
    "bpy": {"engine"},
    "mathutils": {"engine"},
    "kubric": {"engine"},
    "pybullet": {"engine"},
    "pybullet_utils": {"engine"},
    "pyarrow": {"shards"},
    "webdataset": {"shards", "train"},
    "fsspec": {"archives", "assets", "shards", "train"},
    "coacd": {"pack", "meshes"},
    "manifold3d": {"solvers"},
    "warp": {"solvers"},
    "rich": {"progress", "cli", "train"},
    "click": {"cli", "assets_cli"},
    "torch": {"train"},
    "diffusers": {"train"},
    "transformers": {"train"},
    "peft": {"train"},
    "safetensors": {"train"},
    "huggingface_hub": {"train"},
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


def unit(path: Path) -> str:
    """The module of the package that a file belongs to, whole folders counting as one."""
    return path.relative_to(PACKAGE).with_suffix("").parts[0]


def imports(tree: ast.AST) -> Iterator[tuple[str, ast.stmt]]:
    """Every module that is named in an import, in full."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from ((alias.name, node) for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module is not None:
            if node.module == "simgen":
                yield from ((f"simgen.{alias.name}", node) for alias in node.names)
            else:
                yield node.module, node


def for_types_only(tree: ast.Module) -> set[ast.stmt]:
    """What stands below `if TYPE_CHECKING`, and is never run."""
    blocks = [n for n in ast.walk(tree) if isinstance(n, ast.If) and ast.unparse(n.test) == "TYPE_CHECKING"]
    return {node for block in blocks for node in ast.walk(block) if isinstance(node, ast.stmt)}


def inside_functions(tree: ast.Module) -> set[ast.stmt]:
    functions = [n for n in ast.walk(tree) if isinstance(n, (ast.FunctionDef, ast.AsyncFunctionDef))]
    return {node for function in functions for node in ast.walk(function) if isinstance(node, ast.stmt)}


def rank(name: str) -> int | None:
    return next((i for i, layer in enumerate(LAYERS) if name in layer), None)


def own(module: str) -> str | None:
    """`simgen.engine.world` → `engine`; None for a foreign module or a plain name of the package itself."""
    parts = module.split(".")
    if parts[0] != "simgen" or len(parts) < 2:
        return None
    known = (PACKAGE / f"{parts[1]}.py").exists() or (PACKAGE / parts[1]).is_dir()
    return parts[1] if known else None


@pytest.mark.parametrize("path", MODULES, ids=lambda p: str(p.relative_to(PACKAGE)))
def test_a_module_imports_only_from_its_layer_and_those_below(path: Path) -> None:
    tree = ast.parse(path.read_text())
    here = rank(unit(path))
    assert here is not None, f"{unit(path)} has no layer: give it one in this file"
    skipped = for_types_only(tree)
    # `__init__` hands out `open` when it is asked for; the command line is the top.
    if unit(path) == "__init__":
        skipped |= inside_functions(tree)
    for module, node in imports(tree):
        name = own(module)
        if name is not None and node not in skipped:
            there = rank(name)
            assert there is not None and there <= here, f"line {node.lineno}: {unit(path)} must not know {name}"


@pytest.mark.parametrize("path", MODULES, ids=lambda p: str(p.relative_to(PACKAGE)))
def test_a_heavy_library_has_one_owner(path: Path) -> None:
    tree = ast.parse(path.read_text())
    for module, node in imports(tree):
        owners = OWNERS.get(module.split(".")[0])
        assert owners is None or unit(path) in owners, f"line {node.lineno}: {module} belongs to {sorted(owners or ())}"


@pytest.mark.parametrize("path", MODULES, ids=lambda p: str(p.relative_to(PACKAGE)))
def test_only_the_command_line_and_the_seam_of_make_import_inside_functions(path: Path) -> None:
    if unit(path) in ("cli", "assets_cli", "__init__", "doctor"):
        return
    tree = ast.parse(path.read_text())
    inside, types_only = inside_functions(tree), for_types_only(tree)
    found = [module for module, node in imports(tree) if node in inside and node not in types_only]
    allowed = [module for module in found if unit(path) == "make" and module.startswith("simgen.engine")]
    assert sorted(found) == sorted(allowed)


def test_nothing_imports_in_a_circle() -> None:
    edges: dict[str, set[str]] = {}
    for path in MODULES:
        if unit(path) in ("__init__",):
            continue
        tree = ast.parse(path.read_text())
        skipped = for_types_only(tree) | inside_functions(tree)
        names = {own(module) for module, node in imports(tree) if node not in skipped}
        edges.setdefault(unit(path), set()).update(name for name in names if name is not None and name != unit(path))
    while leaves := {name for name, known in edges.items() if not known & set(edges)}:
        edges = {name: known for name, known in edges.items() if name not in leaves}
    assert not edges


def loaded_by(statement: str) -> tuple[set[str], float]:
    """Top-level modules that a fresh Python has after a statement, and the best of five times it took."""
    code = (
        f"import sys, time; began = time.perf_counter(); {statement}; took = time.perf_counter() - began; "
        f"print(took, *{{name.split('.')[0] for name in sys.modules}})"
    )
    runs = []
    for _ in range(5):
        run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT)
        runs.append(run.stdout.splitlines()[-1].split())
    return set(runs[0][1:]), min(float(run[0]) for run in runs)


def test_importing_simgen_is_quick_and_brings_nothing_heavy() -> None:
    modules, seconds = loaded_by("import simgen")
    assert not modules & (HEAVY | {"numpy", "yaml"})
    assert seconds < 0.3


def test_the_command_line_is_quick_and_brings_nothing_heavy() -> None:
    modules, seconds = loaded_by("import simgen.cli; simgen.cli.cli.main(['--help'], standalone_mode=False)")
    assert not {name for name in modules if name in HEAVY | {"numpy", "yaml"}}
    assert seconds < 0.5


@pytest.mark.parametrize("module", ["status", "dataset", "recipe", "card", "preview"])
def test_looking_at_a_data_set_needs_neither_ray_nor_blender(module: str) -> None:
    code = f"import simgen.{module}, sys; print(*sys.modules)"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT)
    assert not {"ray", "bpy", "torch", "kubric", "pybullet", "webdataset"} & set(run.stdout.split())


def test_training_needs_neither_blender_nor_ray() -> None:
    code = "import simgen.train.loop, simgen.train.edit, sys; print(*sys.modules)"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT)
    loaded = set(run.stdout.split())
    assert not {"ray", "bpy", "kubric", "pybullet", "pyarrow", "trimesh"} & loaded
    assert not {name for name in loaded if name.startswith(("simgen.engine", "simgen.make", "simgen.cluster"))}


SCENE_CODE = sorted({*(ROOT / "scenes").glob("*.py"), *resources.folder("scenes").glob("*.py")})
# Every name through which chance or the clock could come in beside the generator that is handed in.
UNCONTROLLED = {"random", "secrets", "uuid", "time", "datetime", "os"}


@pytest.mark.parametrize(
    "path",
    [*SCENE_CODE, PACKAGE / "sampling.py", PACKAGE / "framing.py", PACKAGE / "language.py"],
    ids=lambda p: p.stem,
)
def test_the_only_source_of_chance_is_the_generator_that_is_handed_in(path: Path) -> None:
    tree = ast.parse(path.read_text())
    assert not {module.split(".")[0] for module, _ in imports(tree)} & UNCONTROLLED
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
        names = {module for module, _ in imports(ast.parse(path.read_text()))}
        assert not {name for name in names if name.split(".")[0] in OWNERS or name.startswith("simgen.engine")}, path
