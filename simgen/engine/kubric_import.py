"""`kubric`, imported without TensorFlow.

Kubric imports TensorFlow for two file functions. A stand-in offers these while kubric is being imported and is gone
afterwards: a permanent one makes `transformers` fail. Import kubric through this module only:

    from simgen.engine.kubric_import import kb, KubricPyBullet
"""

import shutil
import sys
import tempfile
import threading
import types
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any


@contextmanager
def _stand_in() -> Iterator[None]:
    """TensorFlow's two functions in `sys.modules`, and no temporary folders from Kubric's default arguments."""

    def copy(source: str, target: str, overwrite: bool = False) -> None:
        if Path(target).exists() and not overwrite:
            raise FileExistsError(target)
        shutil.copyfile(source, target)

    tensorflow: Any = types.ModuleType("tensorflow")
    tensorflow.io = types.SimpleNamespace(gfile=types.SimpleNamespace(GFile=open, copy=copy))
    before = sys.modules.get("tensorflow")
    mkdtemp = tempfile.mkdtemp
    sys.modules["tensorflow"] = tensorflow
    # Kubric's constructors have `scratch_dir=tempfile.mkdtemp()` as a default, made at import and never removed.
    tempfile.mkdtemp = lambda *_, **__: tempfile.gettempdir()  # type: ignore[assignment]
    try:
        yield
    finally:
        tempfile.mkdtemp = mkdtemp
        if before is None:
            del sys.modules["tensorflow"]
        else:
            sys.modules["tensorflow"] = before


with _stand_in():
    import kubric as kb
    from kubric.simulator.pybullet import PyBullet as KubricPyBullet
    from kubric.simulator.pybullet import register_physical_object_setters

# Kubric's own lock for counting names is one between processes, which needs a shared memory that can be written.
kb.utils.next_global_count.counter = defaultdict(int)
kb.utils.next_global_count.lock = threading.Lock()

__all__ = ["KubricPyBullet", "kb", "register_physical_object_setters"]
