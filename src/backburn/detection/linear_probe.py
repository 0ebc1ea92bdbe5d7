"""The probe test: does a linear classifier that never saw a group call it by its label?"""

import math
from collections.abc import Mapping
from dataclasses import dataclass

import torch
from jaxtyping import Float, Int64
from torch import Tensor

from ..memory_mapped import copy_rows
from ..types import Features, Index, Labels
from .records import CandidateGroup
from .sampling import sample_rows

MAX_COMPONENTS = 512
"""Most principal components that the activations of an image are reduced to."""
RIDGE_PENALTY = 0.03
"""Penalty, as a share of the mean eigenvalue of the features' covariance."""
LOGIT_SCALE = 8.0
"""Factor from ridge scores to logits: the scores of two classes are about an eighth apart."""
PCA_SAMPLE = 4096
"""Most images that the components are fitted to, and that are reduced at once."""


@dataclass(frozen=True, slots=True)
class ProbeResult:
    """Predictions of a probe for a group that it was not fitted to.

    Args:
        excess: share of the group that is called by another class, minus the same share of as many
            random images of the class, which the probe was not fitted to either; in [-1, 1].
        predicted: `(m,)` the class of each image of the group.
    """

    excess: float
    predicted: Labels


@dataclass(frozen=True, slots=True)
class LinearProbe:
    """A ridge classifier over features, refitted for each group without that group.

    Every class has the same weight, however many images it has. A refit sums over one class's
    images and solves one system of equations; no network is trained.

    Args:
        features: `(n, d)`, reduced and standardized.
        rows: the images of each class that the probe is fitted to.
        covariance: `(d, d)` sum over the classes of the mean of `x x'`.
        means: `(k, d)` mean of each class; zeros for classes that are not fitted.
        seed: for random groups.
    Source: linear probes, Alain and Bengio, arXiv 1610.01644. Leave-one-group-out: cross-fitting.
    """

    features: Float[Tensor, "n d"]
    rows: Mapping[int, Tensor]
    covariance: Float[Tensor, "d d"]
    means: Float[Tensor, "k d"]
    seed: int

    def held_out_scores(
        self, label: int, group: Index, rest: Int64[Tensor, " r"]
    ) -> Float[Tensor, "m k"]:
        """Scores of a group of a class by a probe that is fitted without it.

        Args:
            rest: the images of the class to fit to instead; empty to leave out the whole class.
        """
        covariance = self.covariance - _second_moment(self.features[self.rows[label]])
        means = self.means.clone()
        fitted = torch.tensor([k for k in sorted(self.rows) if k != label or len(rest)])
        if len(rest):
            kept = self.features[rest]
            covariance, means[label] = covariance + _second_moment(kept), kept.mean(0)
        targets = means[fitted] - means[fitted].mean(0)
        penalty = RIDGE_PENALTY * float(covariance.trace()) / min(len(covariance), self.image_count)
        weights = torch.linalg.solve(covariance + penalty * torch.eye(len(covariance)), targets.T)
        scores = torch.full((len(group), len(means)), -torch.inf)
        scores[:, fitted] = self.features[group] @ weights
        return scores

    def held_out_probabilities(
        self, label: int, group: Index, rest: Int64[Tensor, " r"]
    ) -> Float[Tensor, "m k"]:
        """The same as class probabilities."""
        return (LOGIT_SCALE * self.held_out_scores(label, group, rest)).softmax(1)

    def diversity(self, candidate: CandidateGroup) -> float:
        """How surely the images of a group are told apart as images of other classes, in [0, 1].

        Poisoned images from many classes each show their own class. To a probe that was never
        fitted to the class, the class's own images all show the same: whatever looks like it.

        Returns:
            Mutual information between the image and its prediction, as a share of its maximum.
        """
        others = len(self.rows) - 1
        if others < 2:
            return 0.0
        no_rows = torch.zeros(0, dtype=torch.long)
        shares = self.held_out_probabilities(candidate.label, candidate.group, no_rows)
        return max(
            0.0, float(_entropy(shares.mean(0)) - _entropy(shares).mean()) / math.log(others)
        )

    @property
    def image_count(self) -> int:
        """Number of images that the probe is fitted to."""
        return sum(map(len, self.rows.values()))

    def test_group(self, candidate: CandidateGroup, among: Int64[Tensor, " a"]) -> ProbeResult:
        """Compare the predictions for a candidate group with those for as many random images.

        Args:
            among: images of the class that are not set aside as poison.
        """
        label, group = candidate.label, candidate.group
        generator = torch.Generator().manual_seed(self.seed)
        drawn = sample_rows(among, len(group), generator)
        predicted, reference = (
            self.held_out_scores(label, rows, among[~torch.isin(among, rows)]).argmax(1)
            for rows in (group, drawn)
        )
        excess = (predicted != label).float().mean() - (reference != label).float().mean()
        return ProbeResult(float(excess), predicted)


def fit_probe(features: Features, rows: Mapping[int, Tensor], seed: int) -> LinearProbe:
    """Fit the probe of a case to activations or to an encoder's features `(n, d)`.

    Args:
        rows: the images of each class to fit to.
        seed: for the principal components and for random groups.
    """
    everything = torch.cat(list(rows.values()))
    generator = torch.Generator().manual_seed(seed)
    sample = copy_rows(features, sample_rows(everything, PCA_SAMPLE, generator)).float()
    mean, scale = sample.mean(0), sample.std(0).clamp_min(1e-3)
    sample = (sample - mean) / scale
    count = min(MAX_COMPONENTS, *(size - 1 for size in sample.shape))
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        axes = torch.pca_lowrank(sample, max(1, count), center=False, niter=2)[2]
    reduced = torch.cat(
        [((part.float() - mean) / scale) @ axes for part in torch.split(features, PCA_SAMPLE)]
    )
    reduced = reduced / reduced[everything].square().sum(1).mean().sqrt().clamp_min(1e-6)
    covariance = sum((_second_moment(reduced[index]) for index in rows.values()), torch.zeros(()))
    means = torch.zeros(max(rows) + 1, reduced.shape[1])
    for label, index in rows.items():
        means[label] = reduced[index].mean(0)
    return LinearProbe(reduced, rows, covariance, means, seed)


def _entropy(shares: Float[Tensor, "*m k"]) -> Float[Tensor, "*m"]:
    return -(shares * shares.clamp_min(1e-12).log()).sum(-1)


def _second_moment(values: Float[Tensor, "m d"]) -> Float[Tensor, "d d"]:
    return values.T @ values / max(1, len(values))
