"""A surface → convex parts, by CoACD in a process of its own: its library answers neither Ctrl-C nor a time limit.

`python -m simgen.catalog.convex SOURCE TARGET` is that process: arrays in, arrays out, and gone as soon as its standard
input closes.
"""

import os
import signal
import subprocess
import sys
import tempfile
import threading
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import coacd
import numpy as np
from numpy.typing import NDArray

from simgen.core.vectors import Floats
from simgen.storage.resources import PACKAGE

MAX_PARTS = 32
CONCAVITY = 0.05
"""Of CoACD: deeper hollows than this share of the size stay open."""
SEARCH: Mapping[str, int] = {
    "mcts_nodes": 10,
    "mcts_iterations": 60,
    "mcts_max_depth": 2,
    "preprocess_resolution": 20,
}
"""A fifth of CoACD's default search: parts of a bowl as good as the default's in a fifth of the time."""

Part = tuple[Floats, NDArray[np.int64]]


class NotCut(Exception):
    """CoACD has not cut a surface into parts; its text says why, as the end of a sentence."""


def convex_parts(
    vertices: Floats, faces: NDArray[np.int64], *, time_limit_s: float, search: Mapping[str, int] = SEARCH
) -> list[Part]:
    """Corners and triangles of every convex part. Raises NotCut where that takes too long, or the process dies."""
    with tempfile.TemporaryDirectory(prefix="simgen-convex-") as folder:
        source, target = Path(folder) / "surface.npz", Path(folder) / "parts.npz"
        np.savez(source, vertices=vertices, faces=faces, names=list(search), numbers=list(search.values()))
        # Without the working directory: a file numpy.py in it must not be imported. The package is found as it is here.
        places = [str(PACKAGE.parent), os.environ.get("PYTHONPATH", "")]
        process = subprocess.Popen(
            [sys.executable, "-P", "-m", "simgen.catalog.convex", str(source), str(target)],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, places))},
        )
        try:
            code = process.wait(timeout=time_limit_s)
        except subprocess.TimeoutExpired:
            raise NotCut(f"takes more than {time_limit_s:g} s") from None
        finally:
            process.kill()
            process.wait()
            assert process.stdin is not None, "it was asked for"
            process.stdin.close()
        if code:
            raise NotCut("was killed, perhaps for want of memory" if code == -signal.SIGKILL else "failed")
        with np.load(target, allow_pickle=False) as found:
            return [(found[f"vertices{k}"], found[f"faces{k}"]) for k in range(int(found["count"]))]


def _main(source: str, target: str) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_end_with_parent, daemon=True).start()
    coacd.set_log_level("error")
    with np.load(source, allow_pickle=False) as given:
        mesh = coacd.Mesh(np.ascontiguousarray(given["vertices"]), np.ascontiguousarray(given["faces"]))
        search = {str(name): int(number) for name, number in zip(given["names"], given["numbers"], strict=True)}
    found = coacd.run_coacd(mesh, threshold=CONCAVITY, max_convex_hull=MAX_PARTS, max_ch_vertex=64, seed=0, **search)
    arrays: dict[str, Any] = {}
    for k, (vertices, faces) in enumerate(found):
        arrays |= {f"vertices{k}": np.asarray(vertices), f"faces{k}": np.asarray(faces, dtype=np.int64)}
    np.savez(target, count=len(found), **arrays)


def _end_with_parent() -> None:
    """Nothing is ever written to the standard input: it closes when the process that holds it ends."""
    os.read(0, 1)
    os._exit(1)


if __name__ == "__main__":
    _main(*sys.argv[1:])
