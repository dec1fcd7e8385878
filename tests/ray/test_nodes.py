"""A cluster of several nodes on this machine: each has a Ray of its own with its own folders, every library, and
nothing of simgen. `pytest -m cluster` runs them; they take minutes."""

import io
import json
import os
import site
import socket
import subprocess
import sys
import tarfile
import time
import venv
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest

from simgen.dataset.lock import PROGRESS_FOLDER
from simgen.dataset.reader import open_dataset
from simgen.dataset.shards import dataset_digest
from simgen.dataset.verify import verify

pytestmark = [pytest.mark.cluster, pytest.mark.ray, pytest.mark.render, pytest.mark.timeout(1800)]

SMALL = ["--set", "render.width=64", "--set", "render.height=64", "--set", "render.quality=fast"]


class Node:
    """A Ray, started as one does by hand on another machine, in a folder of its own."""

    def __init__(self, python: Path, place: Path, *arguments: str, **environment: str) -> None:
        place.mkdir(parents=True)
        self.temporary = place / "t"
        command = [python, "-m", "ray.scripts.scripts", "start", *arguments, "--num-cpus=1", "--disable-usage-stats"]
        command += ["--object-store-memory=100000000", f"--temp-dir={self.temporary}"]
        # Nothing of this checkout must come in by the way.
        kept = {name: value for name, value in os.environ.items() if not name.startswith(("PYTHON", "RAY_"))}
        subprocess.run(command, cwd=place, env={**kept, **environment}, check=True, timeout=600)

    def processes(self) -> list[psutil.Process]:
        """Whatever names the node's folder, and what it has started."""
        own = []
        for process in psutil.process_iter():
            try:
                if any(str(self.temporary) in word for word in process.cmdline()):
                    own += [process, *process.children(recursive=True)]
            except psutil.Error:
                continue
        return list(dict.fromkeys(own))

    def kill(self) -> None:
        """As if its power went: nobody says goodbye."""
        for process in self.processes():
            try:
                process.kill()
            except psutil.NoSuchProcess:
                continue


@pytest.fixture(scope="module")
def python(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A Python with every library that this one has, and no simgen."""
    folder = tmp_path_factory.mktemp("node")
    venv.create(folder, symlinks=True)
    (there,) = folder.glob("lib/python3*/site-packages")
    # Named in a file, a folder's own files of that kind, an editable simgen among them, are not read.
    (there / "libraries.pth").write_text("\n".join(site.getsitepackages()) + "\n")
    code = "import ray, bpy; from importlib.util import find_spec; print(find_spec('simgen.core'))"
    found = subprocess.run([folder / "bin/python", "-c", code], capture_output=True, text=True, cwd=folder)
    if found.stdout.strip() != "None" and "No module named 'simgen'" not in found.stderr:
        pytest.skip("simgen itself is installed where its libraries are")
    return folder / "bin" / "python"


@pytest.fixture
def cluster(python: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[..., tuple[str, list[Node]]]]:
    """`cluster(2)`: the address of a head, and its nodes, the head first. Paths of sockets must be short."""
    started: list[Node] = []
    place = tmp_path_factory.mktemp("n")

    def start(number: int, **environment: str) -> tuple[str, list[Node]]:
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        started.append(
            Node(python, place / "0", "--head", f"--port={port}", "--include-dashboard=false", **environment)
        )
        for k in range(1, number):
            started.append(Node(python, place / str(k), f"--address=127.0.0.1:{port}", **environment))
        return f"127.0.0.1:{port}", started

    yield start
    for node in started:
        node.kill()


def simgen(*arguments: object, **environment: str) -> subprocess.Popen[str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith("RAY_")}
    command = [sys.executable, "-m", "simgen.cli", *map(str, arguments)]
    pipe = subprocess.PIPE
    return subprocess.Popen(command, stdout=pipe, stderr=pipe, text=True, env={**kept, **environment})


def wait_for(what: Callable[[], object], run: subprocess.Popen[str], seconds: float = 900.0) -> None:
    end = time.monotonic() + seconds
    while not what():
        assert run.poll() is None, f"ended before: {run.communicate()}"
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.1)


@pytest.fixture
def mine(tmp_path: Path, plop: Path) -> list[object]:
    """What a user has on his own machine alone: a folder of scenes, and a manifest with the archive beside it."""
    corners = [(x, y, z) for x in (-0.05, 0.05) for y in (-0.04, 0.04) for z in (-0.03, 0.03)]
    faces = ("1 2 4 3", "5 7 8 6", "1 5 6 2", "3 4 8 7", "1 3 7 5", "2 6 8 4")
    box = "o box\n" + "".join("v {} {} {}\n".format(*c) for c in corners) + "".join(f"f {f}\n" for f in faces)
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w:gz") as archive:
        for name, text in (("visual.obj", box), ("collision.obj", box), ("object.urdf", URDF)):
            member = tarfile.TarInfo(name)
            member.size = len(text)
            archive.addfile(member, io.BytesIO(text.encode()))
    (tmp_path / "brick.tar.gz").write_bytes(stream.getvalue())
    kwargs = {
        "bounds": [[-0.05, -0.04, -0.03], [0.05, 0.04, 0.03]],
        "mass": 0.48,
        "render_filename": "{asset_dir}/visual.obj",
        "simulation_filename": "{asset_dir}/object.urdf",
    }
    brick = {
        "asset_type": "FileBasedObject",
        "kwargs": kwargs,
        "license": "CC0",
        "metadata": {"description": "A brick"},
    }
    (tmp_path / "Bricks.json").write_text(json.dumps({"name": "Bricks", "assets": {"brick": brick}}))
    return ["plop", "--scenes", plop, "--assets", tmp_path / "Bricks.json"]


def test_a_node_that_dies_changes_nothing_and_no_node_needs_simgen(cluster, mine, tmp_path: Path) -> None:
    """Scenes, manifest and code go with the run. One of two nodes is killed while it is at a sample."""
    alone = simgen("generate", *mine, *SMALL, "--n", 8, "--shard-size", 2, "--out", tmp_path / "a", "--workers", 1)
    told = alone.communicate()[1]
    assert alone.returncode in (0, 3), told

    address, nodes = cluster(2, RAY_AUTH_MODE="disabled")
    folder = tmp_path / "b"
    arguments = ["generate", *mine, *SMALL, "--n", 8, "--shard-size", 2, "--out", folder, "--address", address]
    run = simgen(*arguments, RAY_AUTH_TOKEN="a" * 64)  # for which nobody asks, as for one that lies in a home folder
    notes = folder / PROGRESS_FOLDER
    wait_for(lambda: len([p for p in notes.glob("worker-*.jsonl") if p.stat().st_size]) == 2, run)
    assert [one for one in nodes[1].processes() if "make_shard" in " ".join(one.cmdline())]
    nodes[1].kill()
    told = run.communicate(timeout=1500)[1]
    assert run.returncode in (0, 3), told
    assert dataset_digest(folder) == dataset_digest(tmp_path / "a")
    assert verify(folder) == []
    assert {sample.record["scene"] for sample in open_dataset(folder)} == {"plop"}


def test_a_cluster_that_asks_for_a_token_is_joined_with_it_and_refuses_others_in_words(cluster, tmp_path: Path) -> None:
    """`ray start` asks for a token where one lies in the home folder, as any local run of Ray leaves one."""
    homes = {name: tmp_path / name for name in ("theirs", "none", "other")}
    for name, home in homes.items():
        (home / ".ray").mkdir(parents=True)
        if name != "none":
            (home / ".ray" / "auth_token").write_text(("a" if name == "theirs" else "b") * 64)
    address, _ = cluster(1, HOME=str(homes["theirs"]))
    one = ["generate", "smoke", "--n", 1, *SMALL, "--address", address]
    for name in ("none", "other"):
        run = simgen(*one, "--out", tmp_path / "x", HOME=str(homes[name]))
        told = run.communicate(timeout=600)[1]
        assert run.returncode == 1
        assert "asks for a token, and there is none here, or another; copy ~/.ray/auth_token" in told
        assert "gcs_client" not in told
    run = simgen(*one, "--out", tmp_path / "y", HOME=str(homes["theirs"]))
    told = run.communicate(timeout=1200)[1]
    assert run.returncode == 0, told


URDF = """<?xml version="1.0"?>
<robot name="brick"><link name="base">
  <inertial><mass value="0.48"/><origin xyz="0 0 0"/>
    <inertia ixx="0.0004" ixy="0" ixz="0" iyy="0.0005" iyz="0" izz="0.0007"/></inertial>
  <visual><geometry><mesh filename="visual.obj" scale="1 1 1"/></geometry></visual>
  <collision><geometry><mesh filename="collision.obj" scale="1 1 1"/></geometry></collision>
</link></robot>
"""
