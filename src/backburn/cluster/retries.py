"""What was begun on the cluster, so that a run can say what it did again."""

from collections import Counter
from dataclasses import dataclass, field
from typing import Any

import ray
from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy


@dataclass(slots=True)
class Ledger:
    """How often each piece of work was begun."""

    begun: Counter[str] = field(default_factory=Counter)

    def begin(self, piece: str) -> None:
        """Somebody begins this piece of work."""
        self.begun[piece] += 1

    def again(self) -> int:
        """How often any piece was begun beyond its first time."""
        return self.begun.total() - len(self.begun)


def beside_driver(kind: type, *arguments: Any) -> Any:
    """An actor on this node, which is lost only with the driver."""
    here = NodeAffinitySchedulingStrategy(ray.get_runtime_context().get_node_id(), soft=False)
    return ray.remote(kind).options(num_cpus=0, scheduling_strategy=here).remote(*arguments)


def open_ledger() -> Any:
    """An empty `Ledger` as an actor."""
    return beside_driver(Ledger)


def note(ledger: Any, piece: str) -> None:
    """Write into the ledger that this process begins a piece of work."""
    # waited for: what is not in the ledger when a node goes would be counted once too few
    ray.get(ledger.begin.remote(piece))


def lost_nodes() -> int:
    """How many nodes the cluster has lost since it began."""
    return len([node for node in ray.nodes() if not node["Alive"]])


def retried(ledger: Any, what: str, lost: int) -> list[str]:
    """A line about what was begun again, and nodes that were lost; none where nothing was.

    Args:
        lost: `lost_nodes` when the ledger was opened.
    """
    again, lost = ray.get(ledger.again.remote()), lost_nodes() - lost
    said = [f"{again} begun again after a failure"] if again else []
    said += [f"{lost} of the cluster's nodes lost"] if lost else []
    return [f"{what}: {', '.join(said)}"] if said else []
