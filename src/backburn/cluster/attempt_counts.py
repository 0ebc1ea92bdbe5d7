"""Counting how often each piece of work was started, to report what was repeated."""

from collections import Counter
from dataclasses import dataclass, field
from typing import Any

import ray
from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

MAX_RETRIES = 3
"""Times that a task is started again after its process or its node was lost."""


@dataclass(slots=True)
class AttemptCounter:
    """Counts the attempts of each piece of work.

    >>> counter = AttemptCounter()
    >>> for name in ("shard 1", "shard 2", "shard 1"):
    ...     counter.add(name)
    >>> counter.retries()
    1
    """

    attempts: Counter[str] = field(default_factory=Counter)

    def add(self, name: str) -> None:
        """Count one attempt of the named piece of work."""
        self.attempts[name] += 1

    def retries(self) -> int:
        """Attempts of all pieces beyond the first of each."""
        return self.attempts.total() - len(self.attempts)


def start_on_driver_node(actor_class: type, *arguments: Any) -> Any:
    """Start an actor on this node, so that it is lost only together with the driver."""
    this_node = ray.get_runtime_context().get_node_id()
    strategy = NodeAffinitySchedulingStrategy(this_node, soft=False)
    return (
        ray.remote(actor_class).options(num_cpus=0, scheduling_strategy=strategy).remote(*arguments)
    )


def start_attempt_counter() -> Any:
    """An `AttemptCounter` as an actor."""
    return start_on_driver_node(AttemptCounter)


def record_attempt(counter: Any, name: str) -> None:
    """Tell the counter's actor that this process starts the named piece of work."""
    # waited for: if the node is lost before the attempt is recorded, one retry would be missed
    ray.get(counter.add.remote(name))


def count_lost_nodes() -> int:
    """Number of nodes that the cluster has lost since it was started."""
    return len([node for node in ray.nodes() if not node["Alive"]])


def retry_notes(counter: Any, what: str, lost_before: int) -> list[str]:
    """A line about retries and lost nodes; an empty list if there were none.

    Args:
        what: the work, as the line should call it.
        lost_before: `count_lost_nodes` when the counter was started.
    """
    retries, lost = ray.get(counter.retries.remote()), count_lost_nodes() - lost_before
    parts = [f"{retries} begun again after a failure"] if retries else []
    parts += [f"{lost} of the cluster's nodes lost"] if lost else []
    return [f"{what}: {', '.join(parts)}"] if parts else []
