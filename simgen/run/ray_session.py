"""Ray, started on this machine or joined where it runs; imported before Ray itself is, whose settings it makes."""

import contextlib
import logging
import os
import secrets
import signal
import socket
import subprocess
import sys
import sysconfig
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

from simgen.core.errors import EnvironmentProblem

try:
    # Before, not every server asked for a token, and not every one could be kept to one address.
    if tuple(map(int, ray.__version__.split(".")[:2])) < (2, 54):
        raise ImportError(ray.__version__)
    from ray._raylet import AuthenticationTokenLoader, Config, GcsClient  # type: ignore[attr-defined]
    from ray.exceptions import AuthenticationError, RpcError
    from ray.job_config import JobConfig
except ImportError as error:
    raise EnvironmentProblem(
        f"Ray {ray.__version__} is too old: before 2.54 it lets other users in; get a newer one with: "
        "pip install --upgrade 'ray>=2.54'"
    ) from error

from simgen.plan.recipe import Recipe
from simgen.run import shipping
from simgen.run.machine import default_workers, oom_kills, shared_memory_is_writable, worker_bytes
from simgen.storage import resources
from simgen.storage.temporary import private_folder, remove_abandoned

ONE_THREAD = {
    **dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "OPENCV_FOR_THREADS_NUM"), "1"),
    # Ray's two dozen threads would each keep freed memory to themselves.
    "MALLOC_ARENA_MAX": "1",
}


_PREFIX = "simgen-ray-"
"""Of the names of temporary folders."""
_NODE = "node"
"""The folder of Ray in one of these, which Ray itself opens to everybody."""
_OBJECT_STORE_BYTES = 100 << 20
"""Nothing of size travels through it."""
_LONGEST_SOCKET = 107
"""Bytes of the path of a socket."""


@contextlib.contextmanager
def local_ray(num_cpus: int) -> Iterator[None]:
    """Ray on this machine alone: small, quiet, heard by nobody else, and gone afterwards."""
    _check_loopback()
    with private_folder(_PREFIX, clear_temporary()) as place, _own_token(), _on_loopback():
        node = place / _NODE
        node.mkdir()
        _check_socket_path(node)
        try:
            with _connected(
                address="local",
                num_cpus=num_cpus,
                num_gpus=0,
                include_dashboard=False,
                object_store_memory=_OBJECT_STORE_BYTES,
                _plasma_directory=None if shared_memory_is_writable() else str(node),
                _temp_dir=str(node),
                _node_ip_address=_LOOPBACK,
            ):
                # It looks at all logs for a driver that would print them: a hundredth of a core, and 80 MB.
                ray._private.worker._global_node.kill_log_monitor(check_alive=False)
                yield
        finally:
            _end_processes(place)


@dataclass(frozen=True, slots=True, kw_only=True)
class Session:
    """A Ray that workers can be started in."""

    num_workers: int
    shipped_paths: Mapping[str, str] = field(default_factory=dict)
    """What was sent to the nodes, see `shipping.ShippedPackage`."""
    is_alive: Callable[[], bool] = lambda: True
    oom_kills: Callable[[], int] | None = None
    """How many processes the kernel has killed because memory ran out, where all workers are on this machine."""


@contextlib.contextmanager
def open_session(address: str | None, workers: int | None, recipe: Recipe) -> Iterator[Session]:
    """Ray, started on this machine or joined where it runs; `workers` where not as many as cores and memory allow."""
    if address is None:
        workers = workers or default_workers(worker_bytes(recipe.render.width, recipe.render.height))
        with local_ray(workers):
            yield Session(num_workers=workers, is_alive=_local_ray_is_alive, oom_kills=oom_kills)
        return
    address = _resolve_address(address)
    with private_folder(_PREFIX, clear_temporary()) as place:
        shipped = shipping.build_package(recipe, place)
        with _with_token_for(address), _connected(address=address, modules=[str(shipped.package)]):
            cores_there = max(int(ray.cluster_resources().get("CPU", 1)), 1)
            yield Session(num_workers=workers or cores_there, shipped_paths=shipped.paths)


class _OwnCode(JobConfig):  # type: ignore[misc]
    """Ray puts the folders that the driver's own code and shell are in before all others on the workers' path, where a
    `numpy.py` or another checkout of simgen would be imported in place of what is meant. Not where it believes that a
    job brings a folder of its own."""

    def _runtime_env_has_working_dir(self) -> bool:
        return True


def _local_ray_is_alive() -> bool:
    """Whether the processes of the Ray that was started here all live; one that is lost is not started again."""
    node = ray._private.worker._global_node
    return node is None or not any(name in ("raylet", "gcs_server") for name, _ in node.dead_processes())


@contextlib.contextmanager
def _connected(address: str, modules: Sequence[str] = (), **options: Any) -> Iterator[None]:
    # Ray puts handlers of its own in their place.
    handlers = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)}
    # Already while it starts, which takes seconds: told to end by then, it would take its time, and exit with a 1.
    utils = ray._private.utils
    theirs, utils.set_sigterm_handler = utils.set_sigterm_handler, lambda handler: None
    # It would keep the command line, in which addresses may hold tokens.
    entrypoint, utils.get_entrypoint_name = utils.get_entrypoint_name, lambda: "simgen"
    environment = {"env_vars": ONE_THREAD, **({"py_modules": list(modules)} if modules else {})}
    options |= {"log_to_driver": False, "logging_level": logging.CRITICAL, "runtime_env": environment}
    if not address.startswith("ray://"):
        options["job_config"] = _OwnCode(_py_driver_sys_path=[] if modules else _path_of_simgen())
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


def _path_of_simgen() -> list[str]:
    """The folder that simgen lies in, where a worker would not find it by itself."""
    parent = resources.PACKAGE.parent
    installed = {Path(sysconfig.get_path(name)).resolve() for name in ("purelib", "platlib")}
    return [] if parent in installed else [str(parent)]


_LOOPBACK = "127.0.0.1"


def _check_loopback() -> None:
    """Ray would try for minutes where its own parts cannot reach each other."""
    try:
        with socket.create_server((_LOOPBACK, 0)) as server:
            socket.create_connection(server.getsockname(), timeout=5).close()
    except OSError as error:
        raise EnvironmentProblem(
            f"the loopback interface of this machine does not answer at {_LOOPBACK} ({error.strerror or error}), and "
            "the parts of Ray talk to each other over it; switch it on, as with `ip link set lo up`"
        ) from error


@contextlib.contextmanager
def _on_loopback() -> Iterator[None]:
    """Let the servers of a Ray that is started in the block listen on the loopback interface alone. Ray takes any other
    address in its place where it believes that other machines may join."""
    constants = ray._private.ray_constants
    before, constants.ENABLE_RAY_CLUSTER = constants.ENABLE_RAY_CLUSTER, False
    try:
        yield
    finally:
        constants.ENABLE_RAY_CLUSTER = before


@contextlib.contextmanager
def _own_token() -> Iterator[None]:
    """A token that this run alone knows; that in a home folder, others may be able to read."""
    names = ("RAY_AUTH_MODE", "RAY_AUTH_TOKEN")
    before = {name: os.environ.get(name) for name in names}
    os.environ["RAY_AUTH_TOKEN"] = secrets.token_hex(32)
    _set_token_mode("token")
    try:
        yield
    finally:
        os.environ.pop("RAY_AUTH_TOKEN")
        if before["RAY_AUTH_TOKEN"] is not None:
            os.environ["RAY_AUTH_TOKEN"] = before["RAY_AUTH_TOKEN"]
        _set_token_mode(before["RAY_AUTH_MODE"])


def _check_socket_path(node: Path) -> None:
    """Refuse a folder whose name is too long for the sockets that Ray makes in it."""
    longest = node / f"session_2000-01-01_00-00-00_000000_{os.getpid()}" / "sockets" / "plasma_store"
    if len(os.fsencode(longest)) > _LONGEST_SOCKET:
        raise EnvironmentProblem(
            f"{node.parent.parent}: has too long a path for the sockets of Ray, which have {_LONGEST_SOCKET} bytes at "
            "the most; name a shorter one in TMPDIR, or let /tmp be written"
        )


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


def clear_temporary() -> Path:
    """Where the folders of runs lie, without those of runs that were killed."""
    # For sockets, whose paths may not be long.
    parent = Path("/tmp") if os.access("/tmp", os.W_OK) else Path(tempfile.gettempdir())
    remove_abandoned(_PREFIX, parent, end=_end_processes)
    return parent


def _end_processes(place: Path) -> None:
    """End what Ray has left running of itself: each of its processes names its folder on its command line."""
    for line in Path("/proc").glob("[0-9]*/cmdline"):
        with contextlib.suppress(OSError):
            if f"{place}/".encode() in (words := line.read_bytes()) and b"/ray/" in words:
                os.kill(int(line.parent.name), signal.SIGKILL)
