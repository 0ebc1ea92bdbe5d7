"""SPECTRE: poison stands out once the clean images of a class are whitened."""

import warnings
from dataclasses import dataclass

import numpy as np
import torch
from sklearn.covariance import MinCovDet

from ...errors import InputError
from ...interfaces import Detector
from ...results import Evidence
from ...types import Case, Progress, no_progress
from ..flagging import flag_highest, rank_flagged_first
from ..input_checks import require_training_set
from ..rank_evidence import evidence_by_rank
from .features import (
    EIGENVALUE_TOLERANCE,
    draw_seed,
    extract_features,
    inverse_square_root,
    principal_components,
    rows_by_label,
)

REMOVAL_FACTOR = 1.5
"""The method flags this multiple of the expected poison."""
IMAGES_PER_DIMENSION = 5
"""Least number of images for each dimension; fewer determine no robust covariance."""


@dataclass(frozen=True)
class SPECTRE(Detector):
    """Whiten features by a robust covariance, and score them by quantum entropy (QUE).

    The class with the highest mean score is the target class. In it 1.5 times the expected poison
    is flagged.

    Args:
        expected: the expected poison of the target class, as a share of it.
        alpha: parameter of the QUE score. With 0 it is the distance from the center; with infinity
            it considers one direction only.
        dimensions: numbers of principal components to try; the one with the highest score counts.
    Source: Hayase et al., SPECTRE, ICML 2021, arXiv 2104.11315; alpha 4, and the squares up to 100
    as in the authors' program. The paper uses the true number of poisoned images, which no
    defender has. 0.1 is as in Spectral Signatures.
    Departures: the robust covariance is the minimum covariance determinant (Rousseeuw and Van
    Driessen 1999), not the filter of Diakonikolas et al. (2017).
    """

    expected: float = 0.1
    alpha: float = 4.0
    dimensions: tuple[int, ...] = (1, 4, 9, 16, 25, 36, 49, 64, 81, 100)

    def __post_init__(self) -> None:
        if not 0 < self.expected < 1 / (2 * REMOVAL_FACTOR):
            raise InputError(f"expected is {self.expected}: give a share of a class in (0, 1/3)")
        if not 0 <= self.alpha <= 100:
            raise InputError(f"alpha is {self.alpha}: give a number in [0, 100]")
        if not self.dimensions or min(self.dimensions) < 1:
            raise InputError(f"dimensions is {self.dimensions}: give numbers of at least 1")

    def examine(
        self, case: Case, generator: torch.Generator, progress: Progress = no_progress
    ) -> Evidence:
        images = require_training_set(case, "SPECTRE")
        features = extract_features(case.model, images.pixels, "SPECTRE")
        seed, statistic = draw_seed(generator), torch.zeros(len(images))
        flagged, levels = torch.zeros(len(images), dtype=torch.bool), {}
        for label, rows in rows_by_label(images.labels):
            scores, levels[label] = self._score_class(features[rows].double().numpy(), seed)
            statistic[rows] = torch.from_numpy(scores).float()
            progress("spectre", label + 1, images.class_count)
        target = (images.labels == max(levels, key=lambda label: levels[label])).nonzero().flatten()
        flagged[target] = flag_highest(statistic[target], REMOVAL_FACTOR * self.expected)
        return evidence_by_rank(rank_flagged_first(statistic, flagged), flagged)

    def _score_class(self, values: np.ndarray, seed: int) -> tuple[np.ndarray, float]:
        """QUE scores of a class in its best number of dimensions, and the level of that number.

        The level is the mean score of all images in all dimensions. Its covariance leaves out the
        images that would be flagged.
        """
        points = principal_components(
            values, min(max(self.dimensions), len(values) // IMAGES_PER_DIMENSION)
        )
        best = np.zeros(len(values)), 0.0
        for count in sorted(size for size in self.dimensions if size <= points.shape[1]):
            center, covariance = robust_moments(
                points[:, :count], REMOVAL_FACTOR * self.expected, seed
            )
            scores = que_scores(points[:, :count] - center, covariance, self.alpha)
            kept = points[
                ~flag_highest(torch.from_numpy(scores), REMOVAL_FACTOR * self.expected).numpy()
            ]
            level = que_scores(points - kept.mean(0), np.cov(kept.T), self.alpha).mean()
            best = max(best, (scores, float(level)), key=lambda result: result[1])
        return best


def robust_moments(points: np.ndarray, outliers: float, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Center and covariance of the most compact points, leaving out a share of outliers."""
    estimator = MinCovDet(support_fraction=1 - outliers, random_state=seed)
    with warnings.catch_warnings():
        # the search warns if its few first points do not span the space, and goes on with others
        warnings.simplefilter("ignore")
        estimator.fit(points)
    return np.asarray(estimator.location_), np.asarray(estimator.covariance_)


def que_scores(centered: np.ndarray, covariance: np.ndarray, alpha: float) -> np.ndarray:
    """QUE scores: squared lengths of whitened points, weighted by the remaining spread.

    With S the covariance of the whitened points x and Q = exp(alpha (S - I) / (|S| - 1)), the score
    is x' Q x / tr Q.
    """
    white = centered @ inverse_square_root(covariance)
    spreads, axes = np.linalg.eigh(np.atleast_2d(np.cov(white.T)))
    # minus the largest eigenvalue: a factor of Q that its trace cancels
    excess = (spreads - spreads[-1]) / max(float(spreads[-1]) - 1, EIGENVALUE_TOLERANCE)
    weights = np.exp(alpha * excess)
    return np.asarray((white @ axes) ** 2 @ (weights / weights.sum()))
