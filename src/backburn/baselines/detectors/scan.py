"""SCAn: a target class is explained far better by two groups than by one."""

import math
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import torch
from jaxtyping import Float
from sklearn.cluster import KMeans
from sklearn.covariance import LedoitWolf
from torch import Tensor

from ...errors import InputError
from ...interfaces import Detector, Inputs
from ...results import Evidence
from ...types import Case, Labels, PerImage, Progress, no_progress
from ..flagging import in_outlier_classes, rank_flagged_first
from ..input_checks import require_holdout, require_training_set
from ..rank_evidence import evidence_by_rank
from .features import draw_seed, extract_features, inverse_square_root, rows_by_label

MIN_IMAGES = 3
"""Classes with fewer images are not split."""


@dataclass(frozen=True)
class SCAn(Detector):
    """Test two normal distributions against one in each class, all with the same covariance.

    The covariance is that within the classes of clean images. A class is suspect if its likelihood
    ratio is an outlier among classes. Its poison is the group with fewer clean images.

    Args:
        threshold: a class is suspect above this anomaly index.
    Source: Tang et al., Demon in the variant, USENIX Security 2021, arXiv 1908.00686; e^2.
    Departures: the covariance is that of residuals from class means with Ledoit-Wolf shrinkage,
    not from an EM for variation between and within classes. Classes below the median are never
    suspect. The likelihood ratio is per image, as in the authors' program. The paper has no score
    of an image. Here it is the gain in log likelihood by the poison's group, flagged images first.
    """

    threshold: float = math.exp(2)

    inputs: ClassVar[Inputs] = Inputs(holdout=0.05)

    def __post_init__(self) -> None:
        if not 0 <= self.threshold < math.inf:
            raise InputError(f"threshold is {self.threshold}: give a number of at least 0")

    def examine(
        self, case: Case, generator: torch.Generator, progress: Progress = no_progress
    ) -> Evidence:
        images, holdout = require_training_set(case, "SCAn"), require_holdout(case, "SCAn")
        clean_points, points = (
            extract_features(case.model, part.pixels, "SCAn").double() for part in (holdout, images)
        )
        root = whitening_matrix(clean_points, holdout.labels)
        clean_points, points = clean_points @ root, points @ root
        seed, statistic, ratios = draw_seed(generator), torch.zeros(len(images)), {}
        for label, rows in rows_by_label(images.labels):
            clean = clean_points[holdout.labels == label]
            statistic[rows], ratios[label] = split_class(points[rows], clean, seed)
            progress("scan", label + 1, images.class_count)
        flagged = (statistic > 0) & in_outlier_classes(images.labels, ratios, self.threshold)
        return evidence_by_rank(rank_flagged_first(statistic, flagged), flagged)


def whitening_matrix(features: Float[Tensor, "n d"], labels: Labels) -> Float[Tensor, "d d"]:
    """The matrix that makes the covariance within classes the identity."""
    residuals = features.clone()
    for _, rows in rows_by_label(labels):
        residuals[rows] -= features[rows].mean(0)
    covariance = LedoitWolf(assume_centered=True).fit(residuals.numpy()).covariance_
    return torch.from_numpy(inverse_square_root(covariance))


def split_class(
    points: Float[Tensor, "n d"], clean: Float[Tensor, "m d"], seed: int
) -> tuple[PerImage, float]:
    """Split a class whose covariance is the identity into two groups.

    The most likely groups are then those of two-means. The poison is the group with fewer clean
    images or, if these are equal, fewer images.

    Args:
        points: whitened features of the class.
        clean: whitened features of clean images of the class.
        seed: seed of two-means.
    Returns:
        For each image, the gain in log likelihood (nats) by the poison's group. And twice the log
        likelihood ratio of two groups against one, per image. All are 0 if the class can't be
        split.
    """
    values = points.numpy()
    total = float(((values - values.mean(0)) ** 2).sum())
    if len(values) < MIN_IMAGES or total < 1e-12:
        return torch.zeros(len(values)), 0.0
    groups = KMeans(2, n_init=10, random_state=seed).fit(values)
    counts = [np.bincount(groups.labels_, minlength=2), np.zeros(2, int)]
    if len(clean):
        counts[1] = np.bincount(groups.predict(clean.numpy()), minlength=2)
    poison = min((0, 1), key=lambda group: (counts[1][group], counts[0][group]))
    squared = groups.transform(values) ** 2
    gain = (squared[:, 1 - poison] - squared[:, poison]) / 2
    return torch.from_numpy(gain).float(), (total - float(groups.inertia_)) / len(values)
