"""Boundary statistics within one predicted class: one value an image, each a pure function."""

import numpy as np
import torch
from jaxtyping import Float
from scipy.sparse.linalg import svds
from sklearn.cluster import KMeans
from torch import Tensor

SUBSPACE = 6


def dominant_projection(directions: Float[Tensor, "n d"]) -> Float[Tensor, " n"]:
    """How far each image's way to the boundary goes along the one that dominates its class.

    Poison samples of a class share a way out, because it points away from the trigger; clean ones
    have each their own.

    Args:
        directions: unit perturbations to the boundary, at least three.
    Returns:
        Projections on the first right singular vector, in [-1, 1], oriented so that their mean is
        not negative.
    """
    matrix = directions.float().numpy()
    axes = _singular_vectors(matrix, 1)
    projection = torch.from_numpy(matrix @ axes[0])
    return projection if projection.mean() >= 0 else -projection


def cluster_projection(directions: Float[Tensor, "n d"], seed: int = 0) -> Float[Tensor, " n"]:
    """How far each image's way goes along the line between two clusters of its class's ways.

    Where images of a class look alike, their ways do too, and the way that dominates need not be
    that of the poison. So two clusters are sought in the subspace of the first singular vectors.

    Args:
        directions: unit perturbations to the boundary, at least three.
        seed: of the clusters' starts.
    Returns:
        Projections on the line through both centres, in [-1, 1]. It points to the cluster whose
        ways agree more, that is, to the centre with the larger norm.
    """
    matrix = directions.float().numpy()
    reduced = matrix @ _singular_vectors(matrix, min(SUBSPACE, min(matrix.shape) - 1)).T
    centers = KMeans(2, n_init=10, random_state=seed).fit(reduced).cluster_centers_
    weaker, stronger = sorted(centers, key=np.linalg.norm)
    axis = stronger - weaker
    return torch.from_numpy(reduced @ (axis / max(float(np.linalg.norm(axis)), 1e-12)))


def _singular_vectors(matrix: np.ndarray, count: int) -> np.ndarray:
    """The first right singular vectors, in no particular order; the same on every call."""
    _, _, axes = svds(matrix, k=count, v0=np.ones(min(matrix.shape)))
    return np.asarray(axes)


def log_distance(distance: Float[Tensor, " n"]) -> Float[Tensor, " n"]:
    """Natural logarithm of the boundary distance; poison lies farther, or nearer, than its class.

    Source: the first observation of BURN (Su et al., arXiv 2507.10491), read within the class.
    """
    return distance.clamp_min(1e-6).log()
