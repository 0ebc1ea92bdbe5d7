"""Statistics within one predicted class: one value an image, each a pure function."""

import numpy as np
import torch
from jaxtyping import Bool, Float
from sklearn.cluster import KMeans
from sklearn.decomposition import PCA
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
from torch import Tensor

from ..memory_mapped import rows_of
from ..types import Index
from .moments import moments
from .sampling import drawn, parts

ACTIVE, ALONE = 10, 4
DISCRIMINATING, PASSES = 32, 100
MAD_OF_NORMAL = 1.4826


def anomaly_index(values: Float[Tensor, " m"]) -> Float[Tensor, " m"]:
    """How many robust standard deviations (1.4826 MAD) each value lies above the median."""
    center = values.median()
    spread = MAD_OF_NORMAL * (values - center).abs().median()
    return (values - center) / spread.clamp_min(1e-12)


def activation_projections(
    activations: Float[Tensor, "all d"], rows: Index, seed: int = 0
) -> list[Float[Tensor, " m"]]:
    """Where the images of a class lie along the lines that could divide it by its activations.

    A trigger that a network has learnt shows in some of its layers, whatever it is made of.

    Args:
        activations: channel statistics of every layer, see `models.activations`; of all images.
        rows: the images of the class, at least three.
        seed: of the clusters' starts.
    Returns:
        Of the standardised activations: the line between two clusters in the space of the first
        ten principal components, then the first four of these, unless there are fewer.
    Source: that poison lies apart in the latent space is Tran et al., Spectral signatures, NeurIPS
    2018; to take all layers together, FLARE (Hou et al., arXiv 2411.19479).
    """
    reduced = _principal(activations, rows, rows, ACTIVE, seed)
    if not reduced.any():
        return [torch.zeros(len(rows))]
    lines = [_line_between_clusters(reduced, seed), *reduced.T[:ALONE]]
    return [torch.from_numpy(line).float() for line in lines]


def discriminated(
    activations: Float[Tensor, "all d"],
    rows: Index,
    member: Float[Tensor, " m"],
    known: Bool[Tensor, " m"],
    seed: int = 0,
) -> Float[Tensor, " m"]:
    """Membership in a population by what tells it from the other, over all layers together.

    A line along which two populations show need not be the one that tells them apart best; once
    they are known, that one can be had, and it places images that took no part, too.

    Args:
        activations, rows: see `activation_projections`; all images of the class.
        member: membership of each so far, of which only that of the `known` counts.
    Returns:
        Probabilities, both populations being as likely; `member` where one of them is empty.
    Source: linear discriminant analysis (Fisher 1936; covariance shrunk as by Ledoit and Wolf
    2004), fitted to its own answers until they stand (self-training; a hundred times at the most).
    """
    reduced = _principal(activations, rows, rows[known], DISCRIMINATING, seed)
    chosen = known.numpy()
    told = member.numpy() > 0.5
    for _ in range(PASSES):
        if min(told[chosen].sum(), (~told[chosen]).sum()) < 2:
            return member
        rule = LinearDiscriminantAnalysis(solver="lsqr", shrinkage="auto", priors=[0.5, 0.5])
        probability = rule.fit(reduced[chosen], told[chosen]).predict_proba(reduced)[:, 1]
        before, told = told, probability > 0.5
        if (told == before).all():
            break
    return torch.from_numpy(probability).float() if 0 < told.sum() < len(told) else member


def _principal(
    activations: Float[Tensor, "all d"], rows: Index, fitted: Tensor, count: int, seed: int
) -> np.ndarray:
    """The first principal components of standardised activations, by the images to be fitted."""
    known = moments(activations, fitted)

    def scaled(part: Tensor) -> np.ndarray:
        values = rows_of(activations, part).float()
        return np.asarray((values - known.mean) / known.spread.clamp_min(1e-3))

    sample = scaled(fitted[drawn(len(fitted), seed)])
    if not sample.any():
        return np.zeros((len(rows), 1))
    count = min(count, *(size - 1 for size in sample.shape))
    pca = PCA(count, svd_solver="randomized", random_state=seed).fit(sample)
    reduced = np.empty((len(rows), count), np.float32)
    for part in parts(len(rows)):
        reduced[part] = pca.transform(scaled(rows[part]))
    return reduced


def _line_between_clusters(points: np.ndarray, seed: int) -> np.ndarray:
    """Projections on the line through two cluster centres, towards the one farther from 0."""
    some = points[drawn(len(points), seed).numpy()]
    centers = KMeans(2, n_init=10, random_state=seed).fit(some).cluster_centers_
    weaker, stronger = sorted(centers, key=np.linalg.norm)
    axis = stronger - weaker
    return np.asarray(points @ (axis / max(float(np.linalg.norm(axis)), 1e-12)))
