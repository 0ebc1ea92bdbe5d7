"""Connecting to the Ray cluster that a command line names."""

import os
from collections.abc import Iterator
from contextlib import contextmanager

from ..executor.interface import Executor
from ..executor.resumable import ResumableExecutor
from .options import Cluster

QUIET_ENVIRONMENT = {"RAY_USAGE_STATS_ENABLED": "0", "RAY_BACKEND_LOG_LEVEL": "fatal"}
"""Environment that turns off Ray's usage statistics and most of its log."""


@contextmanager
def cluster_connection(cluster: Cluster) -> Iterator[None]:
    """Connect to the cluster within the block, if one is named.

    Raises:
        InputError: Ray is not installed, or the cluster does not exist.
    """
    if cluster.address is None:
        yield
        return
    for name, value in QUIET_ENVIRONMENT.items():
        os.environ.setdefault(name, value)
    from ..cluster.session import connect

    with connect(cluster.address):
        yield


def executor_on(cluster: Cluster, local: ResumableExecutor) -> Executor:
    """An executor on the cluster with the same folder; the local one if none is named."""
    if cluster.address is None:
        return local
    from ..cluster.executor import ClusterExecutor
    from ..cluster.session import max_processes

    return ClusterExecutor(
        local.folder, cluster.workers or max_processes(cluster.gpus), cluster.gpus
    )
