"""The tree of a single-linkage clustering: where its clusters split."""

import math

import numpy as np


def stable_cut(tree: np.ndarray, smallest: int, stability: float, depth: int) -> float | None:
    """Find the distance at which the largest cluster is about to split, if it is stable.

    The set splits into clusters as the density, which is one over the distance, grows. The largest
    cluster is followed until the density grows by more than `stability` before its next split.

    Args:
        tree: records of `left_node`, `right_node`, `value` (a distance) and `cluster_size`, as
            scikit-learn's HDBSCAN has them. Node `i + n` joins the two of record `i`.
        smallest: smaller parts leave a cluster without splitting it.
        depth: splits at which the largest cluster is followed.
    Returns:
        The distance of a cut; None if the set does not split, or into no stable cluster.
    Source: Campello et al., Density-based clustering based on hierarchical density estimates, 2013
    (the condensed tree), and FLARE, arXiv 2411.19479, algorithm 1.
    """
    start, cluster = next_split(tree, 2 * len(tree), smallest)
    for _ in range(depth):
        if cluster is None:
            return None
        end, part = next_split(tree, cluster, smallest)
        if end - start > stability:
            # short of the split, so that the cluster is still whole
            return 1 / (end - min(1e-4, (end - start) / 2)) if end < math.inf else 0.5 / start
        start, cluster = end, part
    return None


def next_split(tree: np.ndarray, node: int, smallest: int) -> tuple[float, int | None]:
    """The density at which a cluster splits, and its larger part; None if it dissolves there."""
    count = len(tree) + 1
    while node >= count:
        row = tree[node - count]
        parts = [int(row["left_node"]), int(row["right_node"])]
        smaller, larger = sorted(parts, key=lambda part: _size(tree, part))
        density = 1 / row["value"] if row["value"] > 0 else math.inf
        if _size(tree, smaller) >= smallest:
            return density, larger
        if _size(tree, larger) < smallest:
            return density, None
        node = larger
    return math.inf, None


def _size(tree: np.ndarray, node: int) -> int:
    count = len(tree) + 1
    return 1 if node < count else int(tree["cluster_size"][node - count])
