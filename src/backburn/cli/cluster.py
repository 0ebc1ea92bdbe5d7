"""Work on a Ray cluster, where a command line names one."""

import os
from collections.abc import Iterator
from contextlib import contextmanager

from ..executor.interface import Work
from ..executor.resumable import Kept
from .options import Cluster

QUIET = {"RAY_USAGE_STATS_ENABLED": "0", "RAY_BACKEND_LOG_LEVEL": "fatal"}
"""Ray tells nobody of its use, and people only what concerns them."""


@contextmanager
def on_cluster(cluster: Cluster) -> Iterator[None]:
    """Connected to the cluster, where one is named.

    Raises:
        InputError: Ray is not installed, or there is no such cluster.
    """
    if cluster.address is None:
        yield
        return
    for name, value in QUIET.items():
        os.environ.setdefault(name, value)
    from ..cluster.session import connected

    with connected(cluster.address):
        yield


def work_on(cluster: Cluster, kept: Kept) -> Work:
    """The cluster's work, kept in the same folder; this process's where none is named."""
    if cluster.address is None:
        return kept
    from ..cluster.executor import OnCluster
    from ..cluster.session import processes_of

    return OnCluster(kept.folder, cluster.workers or processes_of(cluster.gpus), cluster.gpus)
