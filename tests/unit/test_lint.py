"""What no module of simgen may do with a stranger's bytes: run them, unpickle them, or unpack them unseen."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

from simgen.storage import resources

PACKAGE = resources.PACKAGE
SCENES = resources.folder("scenes")
MODULES = [*sorted(PACKAGE.rglob("*.py")), *sorted(SCENES.glob("*.py"))]

FORBIDDEN_MODULES = {
    *("pickle", "cPickle", "_pickle", "cloudpickle", "dill", "joblib", "shelve", "marshal", "jsonpickle", "code"),
    *("xml.sax", "xml.dom", "xml.dom.minidom", "xml.dom.pulldom", "lxml", "xmlrpc", "telnetlib", "ctypes.util"),
}
FORBIDDEN_CALLS = {
    *("eval", "exec", "compile", "__import__", "builtins.eval", "builtins.exec", "os.system", "os.popen"),
    *("yaml.unsafe_load", "yaml.full_load", "yaml.load_all", "yaml.unsafe_load_all", "yaml.full_load_all"),
    *("torch.package.PackageImporter", "numpy.lib.format.read_array", "np.lib.format.read_array"),
    *("shutil.unpack_archive", "zipfile.ZipFile", "tempfile.mktemp", "input", "os.execv", "os.spawnv"),
    *("ElementTree.parse", "ElementTree.iterparse", "ElementTree.XML", "ast.literal_eval"),
}
EXCEPTIONS = {
    # Scene files are Python by design: a user names the folder, and runs what is in it.
    ("registry.py", "found.loader.exec_module"),
    # With a parser that refuses a document type; see tests/unit/test_assets.py.
    ("mesh_files.py", "ElementTree.fromstring"),
}
SAFE_LOADERS = {"_Loader", "yaml.SafeLoader", "getattr(yaml, 'CSafeLoader', yaml.SafeLoader)"}


def keyword(call: ast.Call, name: str) -> str:
    return next((ast.unparse(k.value) for k in call.keywords if k.arg == name), "")


def unsafe(path: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.Import | ast.ImportFrom):
            base = [node.module or ""] if isinstance(node, ast.ImportFrom) else []
            names = [*base, *(".".join([*base, alias.name]) for alias in node.names)]
            for name in names:
                if any(name == bad or name.startswith(bad + ".") for bad in FORBIDDEN_MODULES):
                    yield f"line {node.lineno}: imports {name}"
        if isinstance(node, ast.Attribute) and ast.unparse(node) in FORBIDDEN_CALLS:
            yield f"line {node.lineno}: uses {ast.unparse(node)}"
        if isinstance(node, ast.Call):
            called = ast.unparse(node.func)
            if (path.name, called) in EXCEPTIONS:
                continue
            last = called.rpartition(".")[2]
            if called in FORBIDDEN_CALLS or last in ("extractall", "exec_module", "run_path", "runpy"):
                yield f"line {node.lineno}: calls {called}"
            elif called == "ElementTree.fromstring":
                yield f"line {node.lineno}: parses XML without simgen's parser"
            elif called == "yaml.load" and keyword(node, "Loader") not in SAFE_LOADERS:
                yield f"line {node.lineno}: yaml.load with {keyword(node, 'Loader') or 'no loader'}"
            elif called == "torch.load" and keyword(node, "weights_only") != "True":
                yield f"line {node.lineno}: torch.load without weights_only=True"
            elif called in ("np.load", "numpy.load") and keyword(node, "allow_pickle") != "False":
                yield f"line {node.lineno}: numpy.load without allow_pickle=False"
            elif last in ("load_state_dict_from_url", "hub.load"):
                yield f"line {node.lineno}: calls {called}"
            elif keyword(node, "shell") not in ("", "False"):
                yield f"line {node.lineno}: {called} with a shell"
            elif keyword(node, "trust_remote_code") not in ("", "False"):
                yield f"line {node.lineno}: {called} runs code from the Hub"
            elif last == "from_pretrained" and keyword(node, "use_safetensors") == "False":
                yield f"line {node.lineno}: {called} takes pickled weights"


@pytest.mark.parametrize("path", MODULES, ids=lambda path: f"{path.parent.name}/{path.name}")
def test_a_module_neither_runs_nor_unpickles_what_it_reads(path: Path) -> None:
    assert list(unsafe(path)) == []


@pytest.mark.parametrize(
    "code",
    [
        "import pickle",
        "from cloudpickle import loads",
        "import marshal, shelve",
        "eval('1')",
        "exec(text)",
        "import yaml; yaml.load(text)",
        "import yaml; yaml.load(text, Loader=yaml.Loader)",
        "torch.load(path)",
        "torch.load(path, weights_only=False)",
        "np.load(path)",
        "np.load(path, allow_pickle=True)",
        "subprocess.run(text, shell=True)",
        "os.system(text)",
        "tar.extractall(folder)",
        "ElementTree.parse(path)",
        "ElementTree.fromstring(data)",
        "load = yaml.unsafe_load",
        "AutoModel.from_pretrained(name, trust_remote_code=True)",
    ],
)
def test_the_lint_sees_what_it_is_for(tmp_path: Path, code: str) -> None:
    path = tmp_path / "module.py"
    path.write_text(code)
    assert list(unsafe(path))
