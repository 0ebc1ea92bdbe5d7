"""The classes in which a confused model holds on to a part of the images, as CT tests them."""

import math

import numpy as np
import torch
from scipy.stats import multivariate_normal
from torch import nn

from ...types import Flags, LabeledImages, PerImage
from .features import extract_features, principal_components, rows_by_label

DIMENSIONS = 2
MEDIAN_SHARE = 0.1
"""Share of a class, around its median loss, that stands for its clean images."""
REGULARIZATION = 1e-3
"""Added to the variances."""
LARGEST_EXPONENT = 50.0


def suspect_images(
    confused: nn.Module,
    images: LabeledImages,
    loss: PerImage,
    kept_label: Flags,
    thresholds: tuple[float, float],
) -> Flags:
    """Flag the images of suspect classes that the confused model calls by their label.

    Args:
        loss: of each image's label, by the confused model.
        kept_label: the images that it calls by their label.
        thresholds: likelihood ratio of a suspect class: of the class with the highest ratio, and of
            any other.
    Raises:
        InputError: the model has no features.
    """
    features = extract_features(confused, images.pixels, "CT").double().numpy()
    ratios = {
        label: likelihood_ratio(features[rows], loss[rows].numpy(), kept_label[rows].numpy())
        for label, rows in rows_by_label(images.labels)
    }
    first, others = thresholds
    highest = max(ratios, key=lambda label: ratios[label])
    suspects = [
        label for label, ratio in ratios.items() if ratio > (first if label == highest else others)
    ]
    return kept_label & torch.isin(images.labels, torch.tensor(suspects, dtype=torch.long))


def likelihood_ratio(features: np.ndarray, loss: np.ndarray, held: np.ndarray) -> float:
    """How much better two normal distributions explain a class than one, per image.

    Args:
        features: features `(n, d)` of the class, of which two principal components are used.
        loss: the images around the median loss give the distribution of all images that are not
            held.
        held: images with a distribution of their own.
    Returns:
        The geometric mean over images; 1 if fewer than two are held, or all features are equal.
    """
    points = principal_components(features, DIMENSIONS)
    if held.sum() < 2 or len(points) < 3 or not points.shape[1]:
        return 1.0
    width = max(3, round(MEDIAN_SHARE * len(points)))
    start = (len(points) - width) // 2
    middle = np.argsort(loss, kind="stable")[start : start + width]
    clean, own = (_log_density(points, part) for part in (points[middle], points[held]))
    gain = np.where(held, own - clean, 0).mean()
    return math.exp(min(float(gain), LARGEST_EXPONENT))


def _log_density(points: np.ndarray, sample: np.ndarray) -> np.ndarray:
    """Log density of points under the normal distribution of a sample."""
    covariance = np.atleast_2d(np.cov(sample.T)) + REGULARIZATION * np.eye(points.shape[1])
    return np.asarray(multivariate_normal(sample.mean(0), covariance).logpdf(points))
