"""The Ray that a run starts for itself: who can reach it, and what it does in a place that is not made for it."""

import os
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

from simgen.run import ray_session

# isort: split
# After what makes its settings.
import ray
from ray.exceptions import OutOfMemoryError

from simgen.plan.plan import make_plan
from simgen.plan.recipe import Recipe, Render, SceneChoice
from simgen.run.driver import Driver
from simgen.run.folder import open_folder
from simgen.run.limits import Limits
from simgen.run.ray_session import Session, local_ray

pytestmark = [pytest.mark.ray, pytest.mark.timeout(240)]

ROOT = Path(__file__).parents[2]
SOMEBODY = ("setpriv", "--reuid", "54321", "--regid", "54321", "--clear-groups")


def test_nobody_else_can_reach_the_ray_of_a_run(tmp_path: Path) -> None:
    """Ten seconds: a Ray, and a process that knocks at it. What Ray does in a fraction of a second it does again and
    again: a link in the place of a log is followed when the next process opens it."""
    victim = tmp_path / "victim"
    victim.write_text("precious")
    with local_ray(2):
        assert ray.get(ray.remote(lambda: 2 + 2).remote()) == 4
        me = psutil.Process()
        listening = {
            f"{process.name()} at {connection.laddr.ip}"
            for process in (me, *me.children(recursive=True))
            for connection in process.net_connections("tcp")
            if connection.status == psutil.CONN_LISTEN
        }
        assert {name.split()[0] for name in listening} >= {"gcs_server", "raylet"}
        assert not [name for name in listening if not name.endswith((" 127.0.0.1", ":127.0.0.1", " ::1"))]

        head = ray.get_runtime_context().gcs_address
        knock = (
            "from simgen.run import ray_session as r\n"
            f"for mode in 'disabled', 'token': r._set_token_mode(mode); print(r._refuses({head!r}))"
        )
        other = {**os.environ, "RAY_AUTH_TOKEN": "a" * 64}
        said = subprocess.check_output([sys.executable, "-c", knock], text=True, env=other, cwd=ROOT)
        assert said.split() == ["True", "True"]

        (place,) = Path("/tmp").glob(f"simgen-ray-{os.getpid()}-*")
        assert (place.stat().st_mode & 0o777, place.stat().st_uid) == (0o700, os.geteuid())
        logs = sorted(place.glob("node/session_*/logs/*.err"))
        assert logs
        if os.geteuid() == 0:
            attack = f"ls {place} || cd {place}; for log in {' '.join(map(str, logs))}; do ln -sf {victim} $log; done"
            ended = subprocess.run([*SOMEBODY, "sh", "-c", attack], capture_output=True, text=True)
            assert ended.stderr.count("Permission denied") >= len(logs)
            assert not [log for log in logs if log.is_symlink()]
    assert victim.read_text() == "precious"
    assert not place.exists()
    assert "RAY_AUTH_TOKEN" not in os.environ


def test_a_file_of_the_user_and_a_shared_memory_that_cannot_be_written_are_no_hindrance(tmp_path: Path) -> None:
    """Eight seconds, for a Ray."""
    here = tmp_path / "here"
    (here / "simgen").mkdir(parents=True)
    for stranger in ("numpy.py", "simgen/__init__.py"):
        (here / stranger).write_text("raise SystemExit('a stranger')")
    (tmp_path / "program.py").write_text(
        "import ray\n"
        "from simgen.run.ray_session import local_ray\n"
        "def found():\n"
        "    import numpy, simgen\n"
        "    return numpy.__version__, simgen.__file__\n"
        "with local_ray(1): print(*ray.get(ray.remote(found).remote()))\n"
    )
    command = [sys.executable, str(tmp_path / "program.py")]
    if os.geteuid() == 0:
        command = ["unshare", "--mount", "sh", "-c", 'mount -t tmpfs -o ro tmpfs /dev/shm; exec "$@"', "sh", *command]
    # What the worker finds by itself has to be that of the driver.
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    run = subprocess.run(
        command, capture_output=True, text=True, cwd=here, env={**environment, "PYTHONPATH": str(ROOT)}, timeout=200
    )
    assert run.returncode == 0, run.stderr
    assert run.stdout.split()[1] == str(ROOT / "simgen" / "__init__.py")


def test_without_a_loopback_a_run_ends_at_once_with_a_sentence() -> None:
    """Two seconds, to import Ray."""
    if subprocess.run(["unshare", "--net", "true"], capture_output=True).returncode:
        pytest.skip("only root can make a network of its own")
    code = "from simgen.run.ray_session import local_ray\nwith local_ray(1): pass"
    began = time.monotonic()
    run = subprocess.run(["unshare", "--net", sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT)
    assert time.monotonic() - began < 60
    assert "EnvironmentProblem: the loopback interface of this machine does not answer at 127.0.0.1" in run.stderr
    assert "ip link set lo up" in run.stderr


def test_a_ray_that_lets_others_in_is_refused(tmp_path: Path) -> None:
    (tmp_path / "ray").mkdir()
    (tmp_path / "ray" / "__init__.py").write_text("__version__ = '2.40.0'")
    path = os.pathsep.join((str(tmp_path), str(ROOT)))
    code = "import simgen.run.ray_session"
    run = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": path},
    )
    assert "Ray 2.40.0 is too old: before 2.54 it lets other users in" in run.stderr


def test_a_folder_whose_path_is_too_long_for_sockets_is_named(tmp_path: Path) -> None:
    with pytest.raises(ray_session.EnvironmentProblem, match=r"too long a path for the sockets of Ray.*TMPDIR"):
        ray_session._check_socket_path(tmp_path / ("x" * 80) / "place" / "node")
    ray_session._check_socket_path(Path(f"/tmp/simgen-ray-{1 << 22}-abcdefgh/node"))


RECIPE = Recipe(
    name="hand-made",
    scenes=(SceneChoice(name="nudge", weight=1.0, parameters={}),),
    render=Render(width=64, height=48),
)
HOG = """
import sys
from pathlib import Path
from simgen.core.errors import SimgenError
from simgen.plan.plan import make_plan
from simgen.plan.recipe import Recipe, Render, SceneChoice
from simgen.run.folder import open_folder
from simgen.run.limits import Limits
from simgen.run.run import run

class Hog:
    def make(self, sample_id, *, notice):
        eaten = []
        while True:
            eaten.append(b"x" * (64 << 20))

def maker(recipe, seed):
    return Hog()

scenes = (SceneChoice(name="nudge", weight=1.0, parameters={}),)
plan = make_plan(Recipe(name="hog", scenes=scenes, render=Render(width=64, height=48)), n=1, seed=7)
folder = Path(sys.argv[1])
with open_folder(folder, plan, sample_bytes=0):
    try:
        run(plan, folder, maker=maker, workers=2, limits=Limits(max_deaths=1))
    except SimgenError as error:
        print(error)
"""


@pytest.mark.slow
def test_a_worker_that_the_kernel_kills_for_memory_is_said_to_be(tmp_path: Path) -> None:
    """Fifteen seconds: a Ray in a control group of 1.2 GB."""
    group = Path(f"/sys/fs/cgroup/memory/simgen-test-{os.getpid()}")
    try:
        group.mkdir()
        (group / "memory.limit_in_bytes").write_text("1200000000")
    except OSError:
        pytest.skip("only root on a machine with version 1 of control groups can make one")
    try:
        command = ["sh", "-c", f'echo $$ > {group}/cgroup.procs; exec "$@"', "sh", sys.executable, "-c", HOG]
        run = subprocess.run([*command, str(tmp_path / "out")], capture_output=True, text=True, cwd=ROOT, timeout=200)
        end = time.monotonic() + 30
        while (group / "cgroup.procs").read_text() and time.monotonic() < end:
            time.sleep(0.1)
    finally:
        group.rmdir()
    assert "the system killed its worker because memory ran out: the container has 1.2 GB" in run.stdout, run
    assert "give --workers 1 in place of 2" in run.stdout


def test_a_death_by_memory_names_memory_and_workers(tmp_path: Path) -> None:
    plan = make_plan(RECIPE, n=4, seed=7)
    killed = ActorDied("Worker unexpectedly exits with a connection error code 2. End of file.")
    kills = [3]
    with open_folder(tmp_path, plan, sample_bytes=0):
        here = Session(num_workers=4, oom_kills=lambda: kills[0])
        driver = Driver(plan, tmp_path, lambda recipe, seed: None, Limits(), (), here)
        far = Driver(plan, tmp_path, lambda recipe, seed: None, Limits(), (), Session(num_workers=4))
    for failure, said in (
        driver._explain_death(OutOfMemoryError("node running low on memory"), ""),
        driver._explain_death(killed, "Traceback\nMemoryError"),
        far._explain_death(killed, "terminate called: std::bad_alloc"),
    ):
        assert failure == "oom" and "memory" in said and "--workers" in said
    # Before this one the kernel had killed three already.
    failure, said = driver._explain_death(killed, "")
    assert failure == "crash" and "killed by something else, as the system does where memory runs out" in said
    kills[0] = 4
    failure, said = driver._explain_death(killed, "")
    assert failure == "oom" and "give --workers " in said and "in place of 4" in said
    assert driver._explain_death(killed, "")[0] == "crash"
    assert driver._explain_death(killed, "Fatal Python error: Aborted") == ("crash", "")
    assert driver._explain_death(killed, "Timeout (0:10:00)!") == ("timeout", "")


class ActorDied(Exception):
    """What Ray says of an actor whose process is gone."""
