"""Statistics within one predicted class: one value an image, each a pure function."""

import numpy as np
import torch
from jaxtyping import Float
from scipy.sparse.linalg import svds
from sklearn.cluster import KMeans
from sklearn.decomposition import PCA
from torch import Tensor

SUBSPACE, ACTIVE, ALONE = 6, 10, 4


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
    return torch.from_numpy(_line_between_clusters(reduced, seed))


def activation_projections(
    activations: Float[Tensor, "n d"], seed: int = 0
) -> list[Float[Tensor, " n"]]:
    """Where the images of a class lie along the lines that could divide it by its activations.

    A trigger that a network has learnt shows in some of its layers, whatever it is made of.

    Args:
        activations: channel statistics of every layer, see `models.activations`; at least three.
        seed: of the clusters' starts.
    Returns:
        Of the standardised activations: the line between two clusters in the space of the first
        ten principal components, then the first four of these, unless there are fewer.
    Source: that poison lies apart in the latent space is Tran et al., Spectral signatures, NeurIPS
    2018; to take all layers together, FLARE (Hou et al., arXiv 2411.19479).
    """
    values = activations.float().numpy()
    scaled = (values - values.mean(0)) / values.std(0).clip(1e-3)
    if not scaled.any():
        return [torch.zeros(len(values))]
    count = min(ACTIVE, *(size - 1 for size in scaled.shape))
    pca = PCA(count, svd_solver="randomized", random_state=seed)
    reduced = pca.fit_transform(scaled)
    lines = [_line_between_clusters(reduced, seed), *reduced.T[:ALONE]]
    return [torch.from_numpy(line).float() for line in lines]


def _line_between_clusters(points: np.ndarray, seed: int) -> np.ndarray:
    """Projections on the line through two cluster centres, towards the one farther from 0."""
    centers = KMeans(2, n_init=10, random_state=seed).fit(points).cluster_centers_
    weaker, stronger = sorted(centers, key=np.linalg.norm)
    axis = stronger - weaker
    return np.asarray(points @ (axis / max(float(np.linalg.norm(axis)), 1e-12)))


def _singular_vectors(matrix: np.ndarray, count: int) -> np.ndarray:
    """The first right singular vectors, in no particular order; the same on every call."""
    _, _, axes = svds(matrix, k=count, v0=np.ones(min(matrix.shape)))
    return np.asarray(axes)


def log_distance(distance: Float[Tensor, " n"]) -> Float[Tensor, " n"]:
    """Natural logarithm of the boundary distance; poison lies farther, or nearer, than its class.

    Source: the first observation of BURN (Su et al., arXiv 2507.10491), read within the class.
    """
    return distance.clamp_min(1e-6).log()


def agreement(directions: Float[Tensor, "n d"]) -> float:
    """How much ways agree: the length of their mean unit direction, in [0, 1].

    Ways to the boundary may be taken in pixels or in features (what the perturbation does to the
    penultimate layer). Poison samples leave by one door, clean images by many.

    Source: what BURN's third observation (Su et al., arXiv 2507.10491) says of each image, read
    over a group of images.
    """
    if not len(directions):
        return 0.0
    ways = directions.float()
    unit = ways / ways.norm(dim=1, keepdim=True).clamp_min(1e-12)
    return float(unit.mean(0).norm())


def evenness(shares: Float[Tensor, " k"]) -> float:
    """Entropy of shares relative to that of an even spread, in [0, 1]; 0 of less than two classes.

    Source: the second observation of BURN (Su et al., arXiv 2507.10491): labels of poison go back
    to all the classes that it was made of. Entropy as in Shannon 1948.
    """
    if len(shares) < 2 or float(shares.sum()) <= 0:
        return 0.0
    part = (shares / shares.sum()).clamp_min(1e-12).double()
    return float(-(part * part.log()).sum() / np.log(len(part)))
