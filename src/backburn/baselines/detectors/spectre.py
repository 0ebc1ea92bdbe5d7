"""SPECTRE: what stands out once the clean images of a class are made round."""

import warnings
from dataclasses import dataclass

import numpy as np
import torch
from sklearn.covariance import MinCovDet

from ...errors import InputError
from ...interfaces import Detector
from ...types import Case, Evidence, Progress, silent
from ..inputs import training_set_of
from ..outliers import flagged_first, highest
from ..scores import evidence_by_rank
from .features import (
    SMALLEST,
    features_of,
    inverse_root,
    principal,
    rows_by_label,
    seed_of,
)

REMOVED = 1.5
PER_DIMENSION = 5
"""Images of a class for each dimension, at the least; fewer determine no robust covariance."""


@dataclass(frozen=True)
class SPECTRE(Detector):
    """Features whitened by a robust covariance, then scored by quantum entropy (QUE).

    The class with the highest mean score is the target; of it, 1.5 times the expected poison is
    flagged.

    Args:
        expected: the poison that the target class may hold, as a share of it.
        alpha: of the QUE score; 0 is the distance from the center, infinity one direction only.
        dimensions: how many principal components are tried; those count that score highest.
    Source: Hayase et al., SPECTRE, ICML 2021, arXiv 2104.11315; alpha 4, and the squares up to 100
    as in the authors' program. The paper gives the true number of poisoned images, which nobody
    has; 0.1 as in Spectral Signatures.
    Departures: the robust covariance is the minimum covariance determinant (Rousseeuw and Van
    Driessen 1999), not the filter of Diakonikolas et al. (2017).
    """

    expected: float = 0.1
    alpha: float = 4.0
    dimensions: tuple[int, ...] = (1, 4, 9, 16, 25, 36, 49, 64, 81, 100)

    def __post_init__(self) -> None:
        if not 0 < self.expected < 1 / (2 * REMOVED):
            raise InputError(f"expected is {self.expected}: give a share of a class in (0, 1/3)")
        if not 0 <= self.alpha <= 100:
            raise InputError(f"alpha is {self.alpha}: give a number in [0, 100]")
        if not self.dimensions or min(self.dimensions) < 1:
            raise InputError(f"dimensions is {self.dimensions}: give numbers of at least 1")

    def examine(
        self, case: Case, generator: torch.Generator, progress: Progress = silent
    ) -> Evidence:
        images = training_set_of(case, "SPECTRE")
        features = features_of(case.model, images.pixels, "SPECTRE")
        seed, statistic = seed_of(generator), torch.zeros(len(images))
        flagged, levels = torch.zeros(len(images), dtype=torch.bool), {}
        for label, rows in rows_by_label(images.labels):
            scores, levels[label] = self._scored(features[rows].double().numpy(), seed)
            statistic[rows] = torch.from_numpy(scores).float()
            progress("spectre", label + 1, images.class_count)
        target = (images.labels == max(levels, key=lambda label: levels[label])).nonzero().flatten()
        flagged[target] = highest(statistic[target], REMOVED * self.expected)
        return evidence_by_rank(flagged_first(statistic, flagged), flagged)

    def _scored(self, values: np.ndarray, seed: int) -> tuple[np.ndarray, float]:
        """QUE scores of a class in the dimension that serves best, and their level.

        The level is the mean score of all images in all dimensions, once those that would be
        removed have no part in the covariance.
        """
        points = principal(values, min(max(self.dimensions), len(values) // PER_DIMENSION))
        best = np.zeros(len(values)), 0.0
        for count in sorted(size for size in self.dimensions if size <= points.shape[1]):
            center, covariance = robust(points[:, :count], REMOVED * self.expected, seed)
            scores = quantum_entropy(points[:, :count] - center, covariance, self.alpha)
            kept = points[~highest(torch.from_numpy(scores), REMOVED * self.expected).numpy()]
            level = quantum_entropy(points - kept.mean(0), np.cov(kept.T), self.alpha).mean()
            best = max(best, (scores, float(level)), key=lambda found: found[1])
        return best


def robust(points: np.ndarray, left_out: float, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Center and covariance of the points that lie closest together, but for a share of them."""
    estimator = MinCovDet(support_fraction=1 - left_out, random_state=seed)
    with warnings.catch_warnings():
        # its search starts from few points, which need not span the space; it goes on with others
        warnings.simplefilter("ignore")
        estimator.fit(points)
    return np.asarray(estimator.location_), np.asarray(estimator.covariance_)


def quantum_entropy(centered: np.ndarray, covariance: np.ndarray, alpha: float) -> np.ndarray:
    """QUE scores: squared lengths after whitening, weighted to where the spread is still large.

    With S the covariance of whitened points x, x' Q x / tr Q of Q = exp(alpha (S - I) / (|S| - 1)).
    """
    white = centered @ inverse_root(covariance)
    spreads, axes = np.linalg.eigh(np.atleast_2d(np.cov(white.T)))
    # less the largest: a factor of Q, which its trace takes out
    excess = (spreads - spreads[-1]) / max(float(spreads[-1]) - 1, SMALLEST)
    weights = np.exp(alpha * excess)
    return np.asarray((white @ axes) ** 2 @ (weights / weights.sum()))
