"""What the tests of this folder share."""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager

import pytest

import simgen.run.ray_session  # noqa: F401

# isort: split
# After what makes its settings.
from ray.cluster_utils import Cluster


@contextmanager
def _open_head(num_cpus: int) -> Iterator[str]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("RAY_AUTH_MODE", "disabled")
        cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": num_cpus, "object_store_memory": 100 << 20})
    yield cluster.address
    cluster.shutdown()


@pytest.fixture(scope="session")
def open_head() -> Callable[[int], AbstractContextManager[str]]:
    """`with open_head(2) as address:` a Ray that was there before, which asks nobody for a token."""
    return _open_head
