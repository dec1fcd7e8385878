"""Ray, started on this machine or joined where it runs; imported before Ray itself is, whose settings it makes."""

import contextlib
import logging
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

# Ray reads these while it is imported. Under `uv run` it would start every worker through uv again.
os.environ["RAY_ENABLE_UV_RUN_RUNTIME_ENV"] = "0"
os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
os.environ["RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO"] = "0"
# Every word that Ray would print about a dead worker; what happened to it is told here.
os.environ["RAY_DEDUP_LOGS_SKIP_REGEX"] = "."
# Half a minute for services that Ray could be serving, whenever it is told to end.
os.environ["RAY_GRACEFUL_SHUTDOWN_DRAIN_TIMEOUT_S"] = "0"

import ray
from ray._raylet import AuthenticationTokenLoader, Config, GcsClient  # type: ignore[attr-defined]
from ray.exceptions import AuthenticationError, RpcError
from ray.job_config import JobConfig

from simgen.core.errors import EnvironmentProblem
from simgen.plan.recipe import Recipe
from simgen.run import shipping
from simgen.run.machine import cores

ONE_THREAD = {
    **dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "OPENCV_FOR_THREADS_NUM"), "1"),
    # Ray's two dozen threads would each keep freed memory to themselves.
    "MALLOC_ARENA_MAX": "1",
}


@contextlib.contextmanager
def local_ray(num_cpus: int) -> Iterator[None]:
    """Ray on this machine alone: small, quiet, and gone afterwards."""
    place = _temporary_folder()
    try:
        with _connected(
            address="local",
            num_cpus=num_cpus,
            num_gpus=0,
            include_dashboard=False,
            # Nothing of size travels through it.
            object_store_memory=100 << 20,
            _temp_dir=str(place),
        ):
            # It looks at all logs for a driver that would print them: a hundredth of a core, and 80 MB.
            ray._private.worker._global_node.kill_log_monitor(check_alive=False)
            yield
    finally:
        _end_processes(place)
        shutil.rmtree(place, ignore_errors=True)


@dataclass(frozen=True, slots=True, kw_only=True)
class Session:
    """A Ray that workers can be started in."""

    num_workers: int
    shipped_paths: Mapping[str, str] = field(default_factory=dict)
    """What was sent to the nodes, see `shipping.ShippedPackage`."""
    is_alive: Callable[[], bool] = lambda: True


@contextlib.contextmanager
def open_session(address: str | None, workers: int | None, recipe: Recipe) -> Iterator[Session]:
    """Ray, started on this machine or joined where it runs; `workers` where not as many as there are cores."""
    if address is None:
        workers = workers or cores()
        with local_ray(workers):
            yield Session(num_workers=workers, is_alive=_local_ray_is_alive)
        return
    address = _resolve_address(address)
    # Under a name by which the next run finds what a kill leaves.
    with tempfile.TemporaryDirectory(prefix=f"simgen-ray-{os.getpid()}-", dir=clear_temporary()) as place:
        shipped = shipping.build_package(recipe, Path(place))
        with _with_token_for(address), _connected(address=address, modules=[str(shipped.package)]):
            cores_there = max(int(ray.cluster_resources().get("CPU", 1)), 1)
            yield Session(num_workers=workers or cores_there, shipped_paths=shipped.paths)


class _OwnPath(JobConfig):  # type: ignore[misc]
    """Ray puts the folders that the driver's own code and shell are in before all others on the workers' path: a file
    numpy.py in the current folder, which may be a stranger's data set, would be run, and a checkout on a node be
    imported in place of what is shipped. Not where Ray believes that a job brings a folder of its own."""

    def _runtime_env_has_working_dir(self) -> bool:
        return True


def _local_ray_is_alive() -> bool:
    """Whether the processes of the Ray that was started here all live; one that is lost is not started again."""
    node = ray._private.worker._global_node
    return node is None or not any(name in ("raylet", "gcs_server") for name, _ in node.dead_processes())


@contextlib.contextmanager
def _connected(address: str, modules: Sequence[str] = (), **options: Any) -> Iterator[None]:
    # Ray puts handlers of its own in their place.
    handlers = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    # Already while it starts, which takes seconds: told to end by then, it would take its time, and exit with a 1.
    utils = ray._private.utils
    theirs, utils.set_sigterm_handler = utils.set_sigterm_handler, lambda handler: None
    # It would keep the command line, in which addresses may hold tokens.
    entrypoint, utils.get_entrypoint_name = utils.get_entrypoint_name, lambda: "simgen"
    environment = {"env_vars": ONE_THREAD, **({"py_modules": list(modules)} if modules else {})}
    options |= {"log_to_driver": False, "logging_level": logging.CRITICAL, "runtime_env": environment}
    if not address.startswith("ray://"):
        # On this machine workers import what the driver imports; '' is the current folder.
        here = [] if modules else [folder for folder in sys.path if folder]
        options["job_config"] = _OwnPath(_py_driver_sys_path=here)
    where = "on this machine" if address == "local" else f"at {address}"
    with _message_if_killed(where):
        try:
            with _muted():
                _init_ray(address, options)
        except Exception as error:  # that its own parts took too long to start, Ray says with a bare one
            first = (str(error).strip().splitlines() or [type(error).__name__])[0]
            raise EnvironmentProblem(f"Ray did not start {where}: {first}; run `simgen doctor`") from error
        except KeyboardInterrupt:
            ray.shutdown()
            raise
        finally:
            utils.set_sigterm_handler = theirs
            utils.get_entrypoint_name = entrypoint
        try:
            for number, handler in handlers.items():
                signal.signal(number, handler)
            yield
        finally:
            ray.shutdown()


@contextlib.contextmanager
def _message_if_killed(where: str) -> Iterator[None]:
    """Ray's library ends the process that does not find its head again within a minute, by `_exit` and without a
    message: another process, which sees it go, prints one."""
    message = f"simgen: error: Ray {where} went away and ended this run, or it was killed; the same command goes on"
    command = ["/bin/sh", "-c", 'trap "" HUP INT TERM; read -r ended || echo "$0" >&2', message]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL) as witness:
        try:
            yield
        finally:
            with contextlib.suppress(OSError):
                witness.communicate(b"well\n")


@contextlib.contextmanager
def _with_token_for(address: str) -> Iterator[None]:
    """Send the token of this machine to a head that asks for one, and none to a head that does not: that head could
    not ask this driver anything, and would take its workers for abandoned. Ray by itself takes no token to an address,
    and any run on one machine leaves one."""
    before = os.environ.get("RAY_AUTH_MODE")
    if address.startswith("ray://") or before not in (None, "disabled", "token"):
        yield
        return
    try:
        _set_token_mode("disabled")
        if _refuses(address):
            here = AuthenticationTokenLoader.instance().has_token(ignore_auth_mode=True)
            if here:
                _set_token_mode("token")
            if not here or _refuses(address):
                raise EnvironmentProblem(
                    f"Ray at {address} asks for a token, and there is none here, or another; copy ~/.ray/auth_token "
                    "from the machine of its head to ~/.ray here, or set RAY_AUTH_TOKEN to what stands in it"
                )
        yield
    finally:
        _set_token_mode(before)


def _refuses(head: str) -> bool:
    """Whether a head lets nobody in who comes with what this process would come with now."""
    with _muted():
        try:
            GcsClient(address=head).internal_kv_get(b"any", timeout=5)
        except AuthenticationError:
            return True
        except RpcError:
            pass  # joining says it better
    return False


def _set_token_mode(mode: str | None) -> None:
    os.environ.pop("RAY_AUTH_MODE", None)
    if mode is not None:
        os.environ["RAY_AUTH_MODE"] = mode
    Config.initialize("")  # what Ray read while it was imported
    AuthenticationTokenLoader.instance().reset_cache()


@contextlib.contextmanager
def _muted() -> Iterator[None]:
    """Drop what this process and its libraries write to stdout and stderr, below Python, too: while Ray's own library
    tries to connect, it prints a line each second."""
    streams = {1: sys.stdout, 2: sys.stderr}
    for stream in streams.values():
        stream.flush()
    ours = {number: os.dup(number) for number in streams}
    with Path(os.devnull).open("wb") as nowhere:
        for number in streams:
            os.dup2(nowhere.fileno(), number)
    try:
        yield
    finally:
        for number, stream in streams.items():
            stream.flush()
            os.dup2(ours[number], number)
            os.close(ours[number])


def _init_ray(address: str, options: Mapping[str, Any], tries: int = 3) -> None:
    """Ray gives its own parts half a minute to start, which a machine with much else to do may not keep."""
    for left in reversed(range(tries if address == "local" else 1)):
        try:
            ray.init(address=address, **options)
            return
        except Exception:
            ray.shutdown()
            if not left:
                raise


def _resolve_address(address: str) -> str:
    """The address of the head, where one answers; Ray itself would try for long."""
    if address == "auto":
        try:
            address = str(ray._private.services.canonicalize_bootstrap_address(address))
        except ConnectionError:
            raise EnvironmentProblem(
                "--address auto joins the Ray that runs on this machine, and none does; start one with "
                "`ray start --head`, or leave --address away"
            ) from None
    host, _, port = address.removeprefix("ray://").rpartition(":")
    if not host or not port.isdigit():
        raise EnvironmentProblem(f"--address must be HOST:PORT of a Ray head, or auto; got {address!r}")
    try:
        socket.create_connection((host, int(port)), timeout=5).close()
    except OSError as error:
        raise EnvironmentProblem(
            f"no Ray answers at {address} ({error}); start one with `ray start --head`, or leave --address away"
        ) from error
    return address


def _temporary_folder() -> Path:
    """A folder for Ray's sockets, whose paths may not be longer than about 100 characters."""
    return Path(tempfile.mkdtemp(prefix=f"simgen-ray-{os.getpid()}-", dir=clear_temporary()))


def clear_temporary() -> Path:
    """Where such folders lie, without those of runs that were killed."""
    parent = Path("/tmp") if os.access("/tmp", os.W_OK) else Path(tempfile.gettempdir())
    for left in parent.glob("simgen-ray-*-*"):
        try:
            os.kill(int(left.name.split("-")[2]), 0)
        except ProcessLookupError:
            _end_processes(left)
            shutil.rmtree(left, ignore_errors=True)
        except (PermissionError, ValueError):
            continue
    return parent


def _end_processes(place: Path) -> None:
    """End what Ray has left running of itself: each of its processes names its folder on its command line."""
    for line in Path("/proc").glob("[0-9]*/cmdline"):
        with contextlib.suppress(OSError):
            if f"{place}/".encode() in (words := line.read_bytes()) and b"/ray/" in words:
                os.kill(int(line.parent.name), signal.SIGKILL)
