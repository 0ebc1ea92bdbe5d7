"""UMAP: points in the plane, laid out such that neighbors stay neighbors."""

import numpy as np
from scipy.sparse import csr_array
from sklearn.neighbors import NearestNeighbors

from .features import principal_components

CURVE_SCALE, CURVE_POWER = 1.932, 0.7905
"""`a` and `b` of 1 / (1 + a d^2b), fitted to exp(-d): a least distance of 0, a spread of 1."""
NEGATIVES = 5
"""Random points that repel the start of an edge, each time the edge attracts it."""
LARGEST_STEP = 4.0
SMALL_SET, SMALL_EPOCHS, LARGE_EPOCHS = 10_000, 500, 200
"""Sets of up to so many points get the first number of epochs, larger ones the second."""


def umap_layout(points: np.ndarray, neighbors: int, seed: int) -> np.ndarray:
    """Lay points out in the plane, with the least distance 0.

    Args:
        points: `(n, d)`, n of at least 2.
        neighbors: neighborhood of a point, itself included; at most all points.
        seed: of the initial noise and of the stochastic gradient descent.
    Returns:
        The layout `(n, 2)`.
    Source: McInnes et al., UMAP, arXiv 1802.03426; its constants are those of umap-learn.
    Departures: the layout starts from principal components. Edges are drawn at random in each
    epoch, with their weight as probability, and move their start by twice the step instead of both
    ends.
    """
    random = np.random.default_rng(seed)
    graph = neighbor_graph(points, min(neighbors, len(points)))
    layout = _initial_layout(points, random)
    epochs = SMALL_EPOCHS if len(points) <= SMALL_SET else LARGE_EPOCHS
    starts = np.repeat(np.arange(len(points)), np.diff(graph.indptr))
    probability = graph.data / graph.data.max()
    for epoch in range(epochs):
        drawn = random.random(len(starts)) < probability
        for heads, tails in _once_each(starts[drawn], graph.indices[drawn]):
            _move(layout, heads, tails, 1 - epoch / epochs, random)
    return layout


def neighbor_graph(points: np.ndarray, neighbors: int) -> csr_array:
    """The fuzzy union of the neighborhoods of all points, as symmetric weights in (0, 1]."""
    distance, index = NearestNeighbors(n_neighbors=neighbors).fit(points).kneighbors(points)
    nearest = np.where(distance > 0, distance, np.inf).min(1, keepdims=True)
    beyond = np.maximum(0, distance - np.where(np.isfinite(nearest), nearest, 0))
    weights = np.exp(-beyond / _bandwidths(beyond, np.log2(neighbors)))
    rows = np.repeat(np.arange(len(points)), neighbors)
    weights[index == np.arange(len(points))[:, None]] = 0
    directed = csr_array((weights.ravel(), (rows, index.ravel())), shape=(len(points),) * 2)
    union = csr_array(directed + directed.T - directed * directed.T)
    union.eliminate_zeros()
    return union


def _bandwidths(beyond: np.ndarray, total: float) -> np.ndarray:
    """The bandwidth `(n, 1)` of each point at which its weights add up to `total`."""
    low = np.zeros((len(beyond), 1))
    high = np.full((len(beyond), 1), 1e3 * max(float(beyond.max()), 1e-12))
    for _ in range(64):
        middle = (low + high) / 2
        # the point itself comes first, and is none of its neighbors
        large = np.exp(-beyond[:, 1:] / middle).sum(1, keepdims=True) > total
        low, high = np.where(large, low, middle), np.where(large, middle, high)
    return np.asarray(np.maximum((low + high) / 2, 1e-3 * max(float(beyond.mean()), 1e-12)))


def _initial_layout(points: np.ndarray, random: np.random.Generator) -> np.ndarray:
    """Two principal components scaled to [0, 10], with a little noise."""
    layout, components = np.zeros((len(points), 2)), principal_components(points, 2)
    layout[:, : components.shape[1]] = components
    spread = np.ptp(layout, 0)
    layout = 10 * (layout - layout.min(0)) / np.where(spread > 0, spread, 1)
    # single precision takes half the time
    return np.asarray(layout + 1e-4 * random.standard_normal(layout.shape), np.float32)


def _once_each(starts: np.ndarray, ends: np.ndarray) -> list[tuple[np.ndarray, np.ndarray]]:
    """Split edges, sorted by start, into groups in which every start occurs once."""
    counts = np.bincount(starts)
    rank = np.arange(len(starts)) - (np.cumsum(counts) - counts)[starts]
    order = np.argsort(rank, kind="stable")
    borders = np.cumsum(np.bincount(rank))[:-1]
    return list(zip(np.split(starts[order], borders), np.split(ends[order], borders), strict=True))


def _move(
    layout: np.ndarray,
    heads: np.ndarray,
    tails: np.ndarray,
    rate: float,
    random: np.random.Generator,
) -> None:
    """Move the start of each edge towards its end, and away from random points."""
    moved = layout[heads]
    gap = moved - layout[tails]
    squared = np.maximum(np.einsum("ej,ej->e", gap, gap), 1e-12)
    powered = CURVE_SCALE * squared**CURVE_POWER
    pull = (-2 * CURVE_POWER * powered / (squared * (1 + powered)))[:, None] * gap
    moved += 2 * rate * pull.clip(-LARGEST_STEP, LARGEST_STEP)
    for others in random.integers(len(layout), size=(NEGATIVES, len(heads))):
        gap = moved - layout[others]
        squared = np.einsum("ej,ej->e", gap, gap)
        push = 2 * CURVE_POWER / ((1e-3 + squared) * (1 + CURVE_SCALE * squared**CURVE_POWER))
        moved += rate * (push[:, None] * gap).clip(-LARGEST_STEP, LARGEST_STEP)
    layout[heads] = moved
