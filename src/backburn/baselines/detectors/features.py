"""Features of the penultimate layer, and linear algebra on those of a class."""

from collections.abc import Iterator

import numpy as np
import torch
from sklearn.decomposition import PCA
from torch import nn

from ...errors import InputError
from ...models.inference import penultimate_features
from ...types import Features, Index, Labels, Pixels

EIGENVALUE_TOLERANCE = 1e-6
"""Eigenvalues below this share of the largest are taken for rounding errors."""


def extract_features(model: nn.Module, pixels: Pixels, method: str) -> Features:
    """Penultimate features `(n, d)` of every image, on the CPU.

    Args:
        method: name of the method, for the message.
    Raises:
        InputError: the model has no method `features`, or its shape is wrong.
    """
    if not callable(getattr(model, "features", None)):
        raise InputError(f"{method} needs features(images): {type(model).__name__} has none")
    features = penultimate_features(model, pixels)
    if features.ndim != 2:
        raise InputError(
            f"features(images) of {type(model).__name__} has shape {tuple(features.shape)}: "
            f"{method} needs `(n, d)`"
        )
    return features


def rows_by_label(labels: Labels) -> Iterator[tuple[int, Index]]:
    """Yield every label that occurs, and its rows in order.

    >>> [(label, rows.tolist()) for label, rows in rows_by_label(torch.tensor([2, 0, 2]))]
    [(0, [1]), (2, [0, 2])]
    """
    for label in sorted(set(labels.tolist())):
        yield label, (labels == label).nonzero().flatten()


def draw_seed(generator: torch.Generator) -> int:
    """Draw a seed for scikit-learn."""
    return int(torch.randint(2**31 - 1, (), generator=generator))


def inverse_square_root(covariance: np.ndarray) -> np.ndarray:
    """The symmetric inverse square root of a covariance; 0 along directions without variance."""
    values, axes = np.linalg.eigh(np.atleast_2d(covariance))
    kept = values > EIGENVALUE_TOLERANCE * values[-1]
    return np.asarray((axes[:, kept] / np.sqrt(values[kept])) @ axes[:, kept].T)


def principal_components(values: np.ndarray, count: int) -> np.ndarray:
    """The first principal components of rows of values.

    Returns:
        At most `count` columns; fewer if the values span fewer dimensions, none if all rows are
        equal.
    """
    center = values.mean(0)
    count = min(count, *values.shape)
    if count < 1 or not np.abs(values - center).max() > EIGENVALUE_TOLERANCE * max(
        1.0, np.abs(center).max()
    ):
        return values[:, :0]
    pca = PCA(count, svd_solver="full").fit(values)
    variances = pca.explained_variance_
    return np.asarray(pca.transform(values)[:, variances > EIGENVALUE_TOLERANCE * variances[0]])
