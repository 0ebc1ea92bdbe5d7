"""Being connected to a cluster, for as long as a command lasts."""

import logging
import socket
from collections.abc import Iterator
from contextlib import contextmanager

import ray
from ray.data import DataContext

from ..errors import InputError, first_line

LOCAL, AUTO, CLIENT = "local", "auto", "ray://"
PATIENCE = 10.0
"""Seconds that a cluster may take to answer."""


@contextmanager
def connected(address: str) -> Iterator[None]:
    """Connect to a cluster; a `local` one is started on this machine, and ends with the block.

    Args:
        address: `local`, `auto` (the one that this machine belongs to), or `HOST:PORT`.
    Raises:
        InputError: there is no cluster, or the address is one of Ray Client.
    """
    if address.startswith(CLIENT):
        raise InputError(
            f"--ray {address} is Ray Client, which the driver's data would all pass through: run "
            "the command on a machine of the cluster (ray job submit) with --ray auto"
        )
    if address not in (LOCAL, AUTO):
        _knock(address)
    for name in ("ray", "ray.data", "ray.train"):
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


def _knock(address: str) -> None:
    """See that somebody listens there; Ray itself would go on trying for minutes."""
    host, _, port = address.rpartition(":")
    try:
        socket.create_connection((host, int(port)), PATIENCE).close()
    except (OSError, ValueError) as error:
        raise InputError(
            f"no Ray cluster at {address} ({first_line(error)}): give local, auto, or the "
            "HOST:PORT that ray start --head said"
        ) from error


def processes_of(gpus: float) -> int:
    """How many processes the cluster has room for, each with one CPU and so much of a GPU."""
    there = ray.cluster_resources()
    room = there.get("CPU", 0.0)
    return max(1, int(min(room, there.get("GPU", 0.0) / gpus) if gpus else room))


def store_bytes() -> int:
    """What the object store of this node holds."""
    here = ray.get_runtime_context().get_node_id()
    resources = next(node["Resources"] for node in ray.nodes() if node["NodeID"] == here)
    return int(resources.get("object_store_memory", 0))
