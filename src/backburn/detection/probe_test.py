"""The probe test: does a linear classifier that never saw a group call it by its label?"""

import math
from collections.abc import Mapping
from dataclasses import dataclass

import torch
from jaxtyping import Float, Int64
from torch import Tensor

from ..memory_mapped import rows_of
from ..types import Features, Index
from .records import Candidate
from .sampling import some

COMPONENTS = 512
"""Numbers that the activations of an image are reduced to, at the most."""
RIDGE = 0.03
"""Penalty, as a share of the mean eigenvalue of the features' covariance."""
SHARPNESS = 8.0
"""What ridge scores are multiplied by before they are taken for logits: they are about an eighth
apart."""
FITTED = 4096
"""Images that the components are taken from, at the most."""


@dataclass(frozen=True, slots=True)
class Asked:
    """What a probe says of a group that it was not fitted to.

    Args:
        excess: share of the group that is called by another class, less the share of as many random
            images of the class by a probe that was not fitted to these; in [-1, 1].
        destinations: `(k,)` how those that are called otherwise are spread over the classes.
    """

    excess: float
    destinations: Float[Tensor, " k"]


@dataclass(frozen=True, slots=True)
class Probe:
    """A ridge classifier over features, refitted for each group without that group.

    Each class counts the same, however many images it has. A refit takes one class's images and
    one system of equations; no network is trained.

    Args:
        features: `(n, d)`, reduced and standardised.
        rows: the images of each class that it is fitted to.
        spread: `(d, d)` sum over the classes of the mean of `x x'`.
        means: `(k, d)` mean of each class; zeros of those that are not fitted.
        seed: of random groups.
    Source: linear probes, Alain and Bengio, arXiv 1610.01644. Leave-one-group-out: cross-fitting.
    """

    features: Float[Tensor, "n d"]
    rows: Mapping[int, Tensor]
    spread: Float[Tensor, "d d"]
    means: Float[Tensor, "k d"]
    seed: int

    def without(self, label: int, group: Index, rest: Int64[Tensor, " r"]) -> Float[Tensor, "m k"]:
        """What it says of a group of a class when it is fitted without it.

        Args:
            rest: the images of the class that it is fitted to in their place; none if the class is
                left out altogether.
        """
        spread = self.spread - _square(self.features[self.rows[label]])
        means = self.means.clone()
        known = torch.tensor([k for k in sorted(self.rows) if k != label or len(rest)])
        if len(rest):
            kept = self.features[rest]
            spread, means[label] = spread + _square(kept), kept.mean(0)
        targets = means[known] - means[known].mean(0)
        penalty = RIDGE * float(spread.trace()) / min(len(spread), self.count)
        weights = torch.linalg.solve(spread + penalty * torch.eye(len(spread)), targets.T)
        said = torch.full((len(group), len(means)), -torch.inf)
        said[:, known] = self.features[group] @ weights
        return said

    def probabilities(
        self, label: int, group: Index, rest: Int64[Tensor, " r"]
    ) -> Float[Tensor, "m k"]:
        """What it says of a group without it, as probabilities."""
        return (SHARPNESS * self.without(label, group, rest)).softmax(1)

    def diversity(self, candidate: Candidate) -> float:
        """How surely the images of a group are told apart as images of other classes, in [0, 1].

        Poisoned images of all sorts show other classes, each its own. A class's own images, to a
        probe that was never fitted to the class, show all the same: whatever looks like it.

        Returns:
            Mutual information between the image and what it is called, as a share of its maximum.
        """
        others = len(self.rows) - 1
        if others < 2:
            return 0.0
        none = torch.zeros(0, dtype=torch.long)
        shares = self.probabilities(candidate.label, candidate.group, none)
        return max(
            0.0, float(_entropy(shares.mean(0)) - _entropy(shares).mean()) / math.log(others)
        )

    @property
    def count(self) -> int:
        """Images that it is fitted to."""
        return sum(map(len, self.rows.values()))

    def ask(self, candidate: Candidate, among: Int64[Tensor, " a"]) -> Asked:
        """What it says of a candidate's group without it, beside as many random images.

        Args:
            among: images of the class that are not set aside as poison.
        """
        label, group = candidate.label, candidate.group
        generator = torch.Generator().manual_seed(self.seed)
        drawn = some(among, len(group), generator)
        called, usual = (
            self.without(label, rows, among[~torch.isin(among, rows)]).argmax(1)
            for rows in (group, drawn)
        )
        moved = called[called != label]
        counts = torch.bincount(moved, minlength=len(self.means)).float()
        excess = (called != label).float().mean() - (usual != label).float().mean()
        return Asked(float(excess), counts / max(1, len(moved)))


def fit_probe(features: Features, rows: Mapping[int, Tensor], seed: int) -> Probe:
    """The probe of a case, from activations or an encoder's features `(n, d)`."""
    everything = torch.cat(list(rows.values()))
    generator = torch.Generator().manual_seed(seed)
    sample = rows_of(features, some(everything, FITTED, generator)).float()
    mean, scale = sample.mean(0), sample.std(0).clamp_min(1e-3)
    sample = (sample - mean) / scale
    count = min(COMPONENTS, *(size - 1 for size in sample.shape))
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        axes = torch.pca_lowrank(sample, max(1, count), center=False, niter=2)[2]
    reduced = torch.cat(
        [((part.float() - mean) / scale) @ axes for part in torch.split(features, FITTED)]
    )
    reduced = reduced / reduced[everything].square().sum(1).mean().sqrt().clamp_min(1e-6)
    spread = sum((_square(reduced[of_class]) for of_class in rows.values()), torch.zeros(()))
    means = torch.zeros(max(rows) + 1, reduced.shape[1])
    for label, of_class in rows.items():
        means[label] = reduced[of_class].mean(0)
    return Probe(reduced, rows, spread, means, seed)


def _entropy(shares: Float[Tensor, "*m k"]) -> Float[Tensor, "*m"]:
    return -(shares * shares.clamp_min(1e-12).log()).sum(-1)


def _square(values: Float[Tensor, "m d"]) -> Float[Tensor, "d d"]:
    return values.T @ values / max(1, len(values))
