"""Statistics of the activations within one class: one value per image, by pure functions."""

import numpy as np
import torch
from jaxtyping import Bool, Float
from sklearn.cluster import KMeans
from sklearn.decomposition import PCA
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
from torch import Tensor

from ..memory_mapped import copy_rows
from ..types import Index
from .moments import moments
from .sampling import chunks, fitted_positions

CLUSTER_COMPONENTS, COMPONENT_LINES = 10, 4
"""Principal components that are clustered, and those that are lines of their own."""
LDA_COMPONENTS, MAX_ITERATIONS = 32, 100
"""Principal components for the discriminant, and its refits on its own predictions."""
MAD_TO_STD = 1.4826
"""Standard deviation of a normal distribution over its median absolute deviation."""


def anomaly_index(values: Float[Tensor, " m"]) -> Float[Tensor, " m"]:
    """Robust standard deviations (1.4826 MAD) by which each value exceeds the median.

    >>> anomaly_index(torch.tensor([0.0, 1.0, 2.0, 3.0, 16.826]))[-1].round()
    tensor(10.)
    """
    center = values.median()
    spread = MAD_TO_STD * (values - center).abs().median()
    return (values - center) / spread.clamp_min(1e-12)


def activation_projections(
    activations: Float[Tensor, "all d"], rows: Index, seed: int = 0
) -> list[Float[Tensor, " m"]]:
    """Project the images of a class on the lines that may separate two groups of it.

    A trigger that a network has learned shows in some of its layers, whatever it is made of.

    Args:
        activations: statistics of every layer for all images, see `models.channel_statistics`.
        rows: the images of the class, at least three.
        seed: for the initialization of the clusters.
    Returns:
        One projection per line, computed on standardized activations. The first line joins the
        centers of two clusters in the first ten principal components. The others are the first
        four components, or fewer if there are fewer.
    Source: that poison lies apart in the latent space is Tran et al., Spectral signatures, NeurIPS
    2018; to take all layers together, FLARE (Hou et al., arXiv 2411.19479).
    """
    reduced = _principal_components(activations, rows, rows, CLUSTER_COMPONENTS, seed)
    if not reduced.any():
        return [torch.zeros(len(rows))]
    lines = [_project_between_clusters(reduced, seed), *reduced.T[:COMPONENT_LINES]]
    return [torch.from_numpy(line).float() for line in lines]


def refine_membership(
    activations: Float[Tensor, "all d"],
    rows: Index,
    member: Float[Tensor, " m"],
    fitted: Bool[Tensor, " m"],
    seed: int = 0,
) -> Float[Tensor, " m"]:
    """Refine the membership in a group by a linear discriminant over all layers.

    The line that reveals two groups need not separate them best. Once the groups are known, the
    discriminant can be fitted. It also places images that it was not fitted to.

    Args:
        activations, rows: see `activation_projections`; all images of the class.
        member: current membership of each image; used only where `fitted`.
        fitted: the images to fit the discriminant to.
        seed: for the principal components.
    Returns:
        Probabilities under equal priors; `member` if one group becomes empty.
    Source: linear discriminant analysis (Fisher 1936; covariance shrunk as by Ledoit and Wolf
    2004), refitted to its own predictions until they are stable (self-training; at most a hundred
    times).
    """
    reduced = _principal_components(activations, rows, rows[fitted], LDA_COMPONENTS, seed)
    chosen = fitted.numpy()
    in_group = member.numpy() > 0.5
    for _ in range(MAX_ITERATIONS):
        if min(in_group[chosen].sum(), (~in_group[chosen]).sum()) < 2:
            return member
        model = LinearDiscriminantAnalysis(solver="lsqr", shrinkage="auto", priors=[0.5, 0.5])
        probability = model.fit(reduced[chosen], in_group[chosen]).predict_proba(reduced)[:, 1]
        before, in_group = in_group, probability > 0.5
        if (in_group == before).all():
            break
    return torch.from_numpy(probability).float() if 0 < in_group.sum() < len(in_group) else member


def _principal_components(
    activations: Float[Tensor, "all d"], rows: Index, fitted: Tensor, count: int, seed: int
) -> np.ndarray:
    """The first principal components of the rows, standardized and fitted on `fitted` alone."""
    statistics = moments(activations, fitted)

    def standardized(part: Tensor) -> np.ndarray:
        values = copy_rows(activations, part).float()
        return np.asarray((values - statistics.mean) / statistics.spread.clamp_min(1e-3))

    sample = standardized(fitted[fitted_positions(len(fitted), seed)])
    if not sample.any():
        return np.zeros((len(rows), 1))
    count = min(count, *(size - 1 for size in sample.shape))
    pca = PCA(count, svd_solver="randomized", random_state=seed).fit(sample)
    reduced = np.empty((len(rows), count), np.float32)
    for part in chunks(len(rows)):
        reduced[part] = pca.transform(standardized(rows[part]))
    return reduced


def _project_between_clusters(points: np.ndarray, seed: int) -> np.ndarray:
    """Projections on the line through two cluster centers, towards the one farther from 0."""
    sample = points[fitted_positions(len(points), seed).numpy()]
    centers = KMeans(2, n_init=10, random_state=seed).fit(sample).cluster_centers_
    near, far = sorted(centers, key=np.linalg.norm)
    axis = far - near
    return np.asarray(points @ (axis / max(float(np.linalg.norm(axis)), 1e-12)))
