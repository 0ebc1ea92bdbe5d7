"""A Ray cluster of two nodes on this machine, each with one CPU."""

import os
import signal
import sys
from pathlib import Path

import pytest
import torch
from torch import nn

from backburn.cluster.session import connect  # before Ray: it says how that is to behave

QUIET = {"RAY_USAGE_STATS_ENABLED": "0", "RAY_BACKEND_LOG_LEVEL": "fatal"}
NODE = {"num_cpus": 1, "object_store_memory": 150_000_000}


@pytest.fixture(scope="session")
def nodes():
    """The cluster, which this process is not connected to."""
    source = str(Path(sys.modules["backburn"].__file__).parents[1])
    known = os.environ.get("PYTHONPATH")
    os.environ["PYTHONPATH"] = f"{source}{os.pathsep}{known}" if known else source
    os.environ.update(QUIET)
    from ray.cluster_utils import Cluster

    cluster = Cluster(initialize_head=True, head_node_args=NODE)
    cluster.add_node(**NODE)
    yield cluster
    cluster.shutdown()


@pytest.fixture
def cluster(nodes):
    """The cluster, which this process is connected to."""
    with connect(nodes.address):
        yield nodes


@pytest.fixture
def fatal(tmp_path):
    """Makes a model that kills another process than this one, once, at a forward pass.

    The file `passes` has a byte for each forward pass in other processes.
    """

    class Fatal(nn.Module):  # pickled by value: nobody else can import this file
        def __init__(self, net: nn.Module, kill_at: int = 1):
            super().__init__()
            self.net, self.kill_at, self.spared = net, kill_at, os.getpid()
            self.mark, self.passes = tmp_path / "killed", tmp_path / "passes"

        def forward(self, images: torch.Tensor) -> torch.Tensor:
            if os.getpid() != self.spared:
                with self.passes.open("ab") as file:
                    file.write(b".")
                if self.passes.stat().st_size >= self.kill_at and not self.mark.exists():
                    self.mark.touch()
                    os.kill(os.getpid(), signal.SIGKILL)
            return self.net(images)

    return Fatal
