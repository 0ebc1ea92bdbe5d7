"""Activation Clustering: a class that falls into two clusters, one of them small."""

from dataclasses import dataclass

import numpy as np
import torch
from sklearn.cluster import KMeans
from sklearn.metrics import silhouette_score

from ...errors import InputError
from ...interfaces import Detector
from ...types import Case, Evidence, Features, PerImage, Progress, silent
from ..inputs import training_set_of
from ..outliers import flagged_first
from ..scores import evidence_by_rank
from .features import features_of, principal, rows_by_label, seed_of

FEWEST = 3


@dataclass(frozen=True)
class ActivationClustering(Detector):
    """Two clusters in ten dimensions of each class; a small one, well apart, is poison.

    Args:
        components: dimensions of a class that are clustered.
        silhouette: a class is suspect from this silhouette score of its clusters on.
        smaller: its smaller cluster is poison if it holds no more than this share of the class.
    Source: Chen et al., Detecting backdoor attacks on deep neural networks by activation
    clustering, arXiv 1811.03728; ten components and silhouettes of 0.10 to 0.15 are the paper's,
    that both rules must hold and 0.35 are the authors' in the Adversarial Robustness Toolbox.
    Departures: principal components of equal variance, which independent ones are a rotation of:
    k-means does not see it. The paper has no score of an image; see `two_clusters`.
    """

    components: int = 10
    silhouette: float = 0.1
    smaller: float = 0.35

    def __post_init__(self) -> None:
        if self.components < 1:
            raise InputError(f"components is {self.components}: give 1 or more")
        if not -1 <= self.silhouette <= 1 or not 0 < self.smaller <= 0.5:
            raise InputError(
                f"silhouette={self.silhouette}, smaller={self.smaller}: give [-1, 1] and (0, 0.5]"
            )

    def examine(
        self, case: Case, generator: torch.Generator, progress: Progress = silent
    ) -> Evidence:
        images = training_set_of(case, "Activation Clustering")
        features = features_of(case.model, images.pixels, "Activation Clustering")
        seed = seed_of(generator)
        statistic = torch.zeros(len(images))
        flagged = torch.zeros(len(images), dtype=torch.bool)
        for label, rows in rows_by_label(images.labels):
            nearer, silhouette = two_clusters(features[rows], self.components, seed)
            small = nearer > 0
            statistic[rows] = nearer * silhouette
            if silhouette >= self.silhouette and small.double().mean() <= self.smaller:
                flagged[rows] = small
            progress("clustering", label + 1, images.class_count)
        return evidence_by_rank(flagged_first(statistic, flagged), flagged)


def two_clusters(features: Features, components: int, seed: int) -> tuple[PerImage, float]:
    """How much nearer each image of a class is to the smaller cluster, and the silhouette score.

    Returns:
        The difference of the distances to both centers over their sum, in [-1, 1] and above 0 in
        the smaller cluster. All 0 for a class that cannot be divided.
    """
    points = whitened(features.double().numpy(), components)
    if len(points) < FEWEST or not points.shape[1]:
        return torch.zeros(len(points)), 0.0
    clusters = KMeans(2, n_init=10, random_state=seed).fit(points)
    small = int(np.bincount(clusters.labels_, minlength=2).argmin())
    away = clusters.transform(points)
    nearer = (away[:, 1 - small] - away[:, small]) / away.sum(1).clip(1e-12)
    return torch.from_numpy(nearer).float(), float(silhouette_score(points, clusters.labels_))


def whitened(values: np.ndarray, components: int) -> np.ndarray:
    """Principal components of variance 1; fewer where the values span less."""
    points = principal(values, components)
    return np.asarray(points / points.std(0, ddof=1)) if points.shape[1] else points
