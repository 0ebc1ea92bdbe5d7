"""The penultimate layer as detectors read it, class by class."""

from collections.abc import Iterator

import numpy as np
import torch
from sklearn.decomposition import PCA
from torch import nn

from ...errors import InputError
from ...models.inference import penultimate
from ...types import Features, Index, Labels, Pixels

SMALLEST = 1e-6
"""Eigenvalues below this share of the largest are held to be noise of the arithmetic."""


def features_of(model: nn.Module, pixels: Pixels, method: str) -> Features:
    """Penultimate features of every image, on the CPU.

    Raises:
        InputError: a model that does not name them.
    """
    if not callable(getattr(model, "features", None)):
        raise InputError(f"{method} needs features(images): {type(model).__name__} has none")
    features = penultimate(model, pixels)
    if features.ndim != 2:
        raise InputError(
            f"features(images) of {type(model).__name__} has shape {tuple(features.shape)}: "
            f"{method} needs `(n, d)`"
        )
    return features


def rows_by_label(labels: Labels) -> Iterator[tuple[int, Index]]:
    """Every label that is there, and its rows in order."""
    for label in sorted(set(labels.tolist())):
        yield label, (labels == label).nonzero().flatten()


def seed_of(generator: torch.Generator) -> int:
    """A seed for scikit-learn."""
    return int(torch.randint(2**31 - 1, (), generator=generator))


def inverse_root(covariance: np.ndarray) -> np.ndarray:
    """The symmetric matrix that whitens what has this covariance; 0 along what has no spread."""
    values, axes = np.linalg.eigh(np.atleast_2d(covariance))
    kept = values > SMALLEST * values[-1]
    return np.asarray((axes[:, kept] / np.sqrt(values[kept])) @ axes[:, kept].T)


def principal(values: np.ndarray, most: int) -> np.ndarray:
    """The first principal components, no more than the values span; none of equal rows."""
    center = values.mean(0)
    most = min(most, *values.shape)
    if most < 1 or not np.abs(values - center).max() > SMALLEST * max(1.0, np.abs(center).max()):
        return values[:, :0]
    pca = PCA(most, svd_solver="full").fit(values)
    variances = pca.explained_variance_
    return np.asarray(pca.transform(values)[:, variances > SMALLEST * variances[0]])
