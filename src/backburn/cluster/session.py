"""Connecting to a Ray cluster, and its resources."""

import logging
import socket
from collections.abc import Iterator
from contextlib import contextmanager

import ray
from ray.data import DataContext

from ..errors import InputError, first_line

LOCAL, AUTO, CLIENT = "local", "auto", "ray://"
CONNECT_TIMEOUT = 10.0
"""Seconds that a cluster may take to answer."""


@contextmanager
def connect(address: str) -> Iterator[None]:
    """Connect to a cluster for the length of a block.

    A `local` cluster is started on this machine, and shut down at the end.

    Args:
        address: `local`, `auto` (the cluster that this machine belongs to), or `HOST:PORT`.
    Raises:
        InputError: there is no cluster, or the address is one of Ray Client.
    """
    if address.startswith(CLIENT):
        raise InputError(
            f"--ray {address} is Ray Client, which the driver's data would all pass through: run "
            "the command on a machine of the cluster (ray job submit) with --ray auto"
        )
    if address not in (LOCAL, AUTO):
        _check_reachable(address)
    for name in ("ray", "ray.data"):
        logging.getLogger(name).setLevel(logging.ERROR)
    try:
        ray.init(
            address=address,
            include_dashboard=False if address == LOCAL else None,
            log_to_driver=False,
            logging_level=logging.ERROR,
        )
    except (ConnectionError, ValueError, RuntimeError) as error:
        raise InputError(
            f"no Ray cluster at {address} ({first_line(error)}): start one (ray start --head), "
            "or give --ray local"
        ) from error
    try:
        DataContext.get_current().enable_progress_bars = False
        yield
    finally:
        ray.shutdown()


def _check_reachable(address: str) -> None:
    """Fail at once if nothing listens at the address; Ray itself would retry for minutes."""
    host, _, port = address.rpartition(":")
    try:
        socket.create_connection((host, int(port)), CONNECT_TIMEOUT).close()
    except (OSError, ValueError) as error:
        raise InputError(
            f"no Ray cluster at {address} ({first_line(error)}): give local, auto, or the "
            "HOST:PORT that ray start --head said"
        ) from error


def max_processes(gpus: float) -> int:
    """Number of processes that the cluster has room for, each with one CPU and `gpus` of a GPU."""
    resources = ray.cluster_resources()
    cpus = resources.get("CPU", 0.0)
    return max(1, int(min(cpus, resources.get("GPU", 0.0) / gpus) if gpus else cpus))


def object_store_bytes() -> int:
    """Size of this node's object store."""
    this_node = ray.get_runtime_context().get_node_id()
    resources = next(node["Resources"] for node in ray.nodes() if node["NodeID"] == this_node)
    return int(resources.get("object_store_memory", 0))
