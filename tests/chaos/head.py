"""A Ray of its own for chaos to kill, on one or two simulated machines: says its address, then does what it reads."""

import contextlib
import ctypes
import importlib
import json
import os
import runpy
import signal
import socket
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

ROOM = 100 << 20
# What every worker has from its birth. Not Ray: its own code reads the environment when it is loaded.
EARLY = (
    *("google.protobuf.descriptor_pb2", "jsonschema", "msgpack", "packaging.version", "requests", "urllib3", "yaml"),
    *("asyncio", "concurrent.futures", "filelock", "logging.handlers", "psutil", "rich.live"),
    *("fake_maker", "simgen.dataset.shards", "simgen.make.maker", "simgen.dataset.verify"),
)


def main() -> None:
    cpus, nodes = map(int, sys.argv[1:3])
    with tempfile.TemporaryDirectory() as folder:
        place = str(Path(folder) / "fork-server")
        os.environ["CHAOS_FORK_SERVER"] = place
        with socket.socket(socket.AF_UNIX) as line:
            line.bind(place)
            line.listen(64)
            # Before Ray is here, and has any thread.
            if not os.fork():
                serve_forks(line)
        from ray._private import services
        from ray.cluster_utils import Cluster

        services.get_node = patient(services.get_node)
        # On a machine with much else to do, a part of Ray that is slow to start is not given up.
        os.environ |= {"RAY_agent_register_timeout_ms": "600000", "RAY_worker_register_timeout_seconds": "600"}
        os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
        options = {
            "include_dashboard": False,
            "include_log_monitor": False,
            "no_monitor": True,
            "num_cpus": cpus,
            "object_store_memory": ROOM,
            "setup_worker_path": str(Path(__file__).with_name("worker_entry.py")),
        }
        cluster = Cluster(initialize_head=True, head_node_args=options)
        others = [cluster.add_node(**options) for _ in range(nodes - 1)]
        print(cluster.address, flush=True)
        for word in sys.stdin:
            if word.strip() == "lose" and others:
                cluster.remove_node(others.pop(), allow_graceful=False)
                print("lost", flush=True)
        cluster.shutdown()


def patient(ask: Callable[..., Any], seconds: float = 120.0) -> Callable[..., Any]:
    """Asking until there is an answer, where Ray leaves off after half a minute."""

    def wait(*arguments: Any) -> Any:
        end = time.monotonic() + seconds
        while True:
            try:
                return ask(*arguments)
            except RuntimeError:
                if time.monotonic() > end:
                    raise
                time.sleep(0.2)

    return wait


def serve_forks(line: socket.socket) -> None:
    """Fork a worker for everyone who asks; ends with the process that began it."""
    ctypes.CDLL(None).prctl(1, signal.SIGKILL)
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    for module in EARLY:
        with contextlib.suppress(ImportError):
            importlib.import_module(module)
    while True:
        caller, _ = line.accept()
        with caller:
            asked = json.loads(b"".join(iter(lambda caller=caller: caller.recv(1 << 16), b"")))
            if os.fork():
                continue
        line.close()
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        os.setsid()
        nowhere = os.open(os.devnull, os.O_RDWR)
        for descriptor in range(3):
            os.dup2(nowhere, descriptor)
        os.environ.clear()
        os.environ.update(asked["environment"])
        sys.argv = asked["arguments"]
        with contextlib.suppress(SystemExit):
            runpy.run_path(sys.argv[0], run_name="__main__")
        os._exit(0)


if __name__ == "__main__":
    main()
