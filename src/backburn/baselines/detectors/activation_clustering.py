"""Activation Clustering: poison is the smaller of two clusters of a class."""

from dataclasses import dataclass

import numpy as np
import torch
from sklearn.cluster import KMeans
from sklearn.metrics import silhouette_score

from ...errors import InputError
from ...interfaces import Detector
from ...results import Evidence
from ...types import Case, Features, PerImage, Progress, no_progress
from ..flagging import rank_flagged_first
from ..input_checks import require_training_set
from ..rank_evidence import evidence_by_rank
from .features import draw_seed, extract_features, principal_components, rows_by_label

MIN_IMAGES = 3
"""Classes with fewer images are not clustered."""


@dataclass(frozen=True)
class ActivationClustering(Detector):
    """Cluster each class into two; a small cluster far from the other is poison.

    Args:
        components: number of dimensions in which a class is clustered.
        silhouette: a class is suspect if its clusters have at least this silhouette score.
        smaller: the smaller cluster is poison if it has at most this share of the class.
    Source: Chen et al., Detecting backdoor attacks on deep neural networks by activation
    clustering, arXiv 1811.03728. Ten components and silhouettes of 0.10 to 0.15 are the paper's.
    That both rules must hold, and 0.35, are from the authors' Adversarial Robustness Toolbox.
    Departures: principal components, scaled to the same variance, replace independent components.
    These differ by a rotation only, to which k-means is invariant. The paper has no score of an
    image; see `two_clusters`.
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
        self, case: Case, generator: torch.Generator, progress: Progress = no_progress
    ) -> Evidence:
        images = require_training_set(case, "Activation Clustering")
        features = extract_features(case.model, images.pixels, "Activation Clustering")
        seed = draw_seed(generator)
        statistic = torch.zeros(len(images))
        flagged = torch.zeros(len(images), dtype=torch.bool)
        for label, rows in rows_by_label(images.labels):
            nearness, silhouette = two_clusters(features[rows], self.components, seed)
            small = nearness > 0
            statistic[rows] = nearness * silhouette
            if silhouette >= self.silhouette and small.double().mean() <= self.smaller:
                flagged[rows] = small
            progress("clustering", label + 1, images.class_count)
        return evidence_by_rank(rank_flagged_first(statistic, flagged), flagged)


def two_clusters(features: Features, components: int, seed: int) -> tuple[PerImage, float]:
    """Cluster the images of a class into two.

    Returns:
        The nearness `(n,)` to the smaller cluster, and the silhouette score. Nearness is the
        difference of the distances to both centers over their sum. It is in [-1, 1], and above 0
        in the smaller cluster. All are 0 if the class cannot be clustered.
    """
    points = whitened_components(features.double().numpy(), components)
    if len(points) < MIN_IMAGES or not points.shape[1]:
        return torch.zeros(len(points)), 0.0
    clusters = KMeans(2, n_init=10, random_state=seed).fit(points)
    small = int(np.bincount(clusters.labels_, minlength=2).argmin())
    distances = clusters.transform(points)
    nearness = (distances[:, 1 - small] - distances[:, small]) / distances.sum(1).clip(1e-12)
    return torch.from_numpy(nearness).float(), float(silhouette_score(points, clusters.labels_))


def whitened_components(values: np.ndarray, components: int) -> np.ndarray:
    """Principal components scaled to variance 1; fewer if the values span fewer dimensions."""
    points = principal_components(values, components)
    return np.asarray(points / points.std(0, ddof=1)) if points.shape[1] else points
