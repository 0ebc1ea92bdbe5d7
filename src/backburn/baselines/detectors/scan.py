"""SCAn: a class that two populations explain far better than one."""

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
from ...interfaces import Detector, Given
from ...types import Case, Evidence, LabeledImages, PerImage, Progress, silent
from ..inputs import holdout_of, training_set_of
from ..outliers import flagged_first, standing_out
from ..scores import evidence_by_rank
from .features import features_of, inverse_root, rows_by_label, seed_of

FEWEST = 3


@dataclass(frozen=True)
class SCAn(Detector):
    """Two normal distributions against one in each class, all with one covariance.

    The covariance within classes is that of the clean images. A class is suspect if its likelihood
    ratio stands out among those of all classes; its poison is the group with fewer clean images.

    Args:
        threshold: a class is suspect above this anomaly index.
    Source: Tang et al., Demon in the variant, USENIX Security 2021, arXiv 1908.00686; e^2.
    Departures: the covariance is that of the residuals of class means, shrunk as by Ledoit and
    Wolf, not from an EM for between and within; classes below the median are never suspect. The
    likelihood ratio is per image, as in the authors' program. The paper has no score of an image;
    here the gain in log likelihood by being in the poison's group, with flagged images first.
    """

    threshold: float = math.exp(2)

    given: ClassVar[Given] = Given(holdout=0.05)

    def __post_init__(self) -> None:
        if not 0 <= self.threshold < math.inf:
            raise InputError(f"threshold is {self.threshold}: give a number of at least 0")

    def examine(
        self, case: Case, generator: torch.Generator, progress: Progress = silent
    ) -> Evidence:
        images, trusted = training_set_of(case, "SCAn"), holdout_of(case, "SCAn")
        known, points = (
            features_of(case.model, part.pixels, "SCAn").double() for part in (trusted, images)
        )
        root = whitening(known, trusted)
        known, points = known @ root, points @ root
        seed, statistic, ratios = seed_of(generator), torch.zeros(len(images)), {}
        for label, rows in rows_by_label(images.labels):
            clean = known[trusted.labels == label]
            statistic[rows], ratios[label] = divided(points[rows], clean, seed)
            progress("scan", label + 1, images.class_count)
        flagged = (statistic > 0) & standing_out(images.labels, ratios, self.threshold)
        return evidence_by_rank(flagged_first(statistic, flagged), flagged)


def whitening(features: Float[Tensor, "n d"], trusted: LabeledImages) -> Float[Tensor, "d d"]:
    """What makes the covariance within the classes of clean images the identity."""
    residuals = features.clone()
    for _, rows in rows_by_label(trusted.labels):
        residuals[rows] -= features[rows].mean(0)
    covariance = LedoitWolf(assume_centered=True).fit(residuals.numpy()).covariance_
    return torch.from_numpy(inverse_root(covariance))


def divided(
    points: Float[Tensor, "n d"], known: Float[Tensor, "m d"], seed: int
) -> tuple[PerImage, float]:
    """A class in two, where its covariance is the identity.

    With that, the most likely two groups are those of two-means.

    Returns:
        How much nearer (squared distances, halved: nats) each image is to the center of the group
        with fewer clean images, or fewer images if that is equal; and twice the logarithm of the
        likelihood ratio of two groups against one, an image. All 0 where it cannot be divided.
    """
    values = points.numpy()
    total = float(((values - values.mean(0)) ** 2).sum())
    if len(values) < FEWEST or total < 1e-12:
        return torch.zeros(len(values)), 0.0
    groups = KMeans(2, n_init=10, random_state=seed).fit(values)
    counts = [np.bincount(groups.labels_, minlength=2), np.zeros(2, int)]
    if len(known):
        counts[1] = np.bincount(groups.predict(known.numpy()), minlength=2)
    poison = min((0, 1), key=lambda group: (counts[1][group], counts[0][group]))
    squared = groups.transform(values) ** 2
    gain = (squared[:, 1 - poison] - squared[:, poison]) / 2
    return torch.from_numpy(gain).float(), (total - float(groups.inertia_)) / len(values)
