"""Candidate groups: each class is split in two groups by the activations of all layers."""

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import chain
from typing import TypeAlias

import numpy as np
import torch
from jaxtyping import Float, Int64
from scipy.stats import multivariate_normal
from sklearn.mixture import GaussianMixture
from torch import Tensor

from ..types import Features, Flags, Index, Labels
from .activation_statistics import activation_projections, refine_membership
from .records import CandidateGroup
from .sampling import chunks, fitted_positions

MIN_FITTED = 10
"""Fewest values that two normal distributions are fitted to."""
MIN_VARIANCE = 1e-4
"""Added to the variance of each, so that equal values don't have none. The statistics have a
variance of 1, so it decides nothing."""

Split: TypeAlias = tuple[CandidateGroup, CandidateGroup]
"""Both groups of a split."""


@dataclass(frozen=True, slots=True)
class ClassSplitter:
    """Splits rows of a class in two groups.

    Args:
        features: channel statistics of every layer of all images, see `models.channel_statistics`.
        smallest: fewest images of either group.
        smallest_class: fewest images of a class that is split.
        seed: for the initialization of clusters and mixtures.
    """

    features: Features
    smallest: int
    smallest_class: int
    seed: int

    def split(self, label: int, rows: Index, level: int = 1, count: int = 1) -> list[Split]:
        """The clearest splits of these rows, each along another line of their activations.

        Args:
            level: see `CandidateGroup`.
            count: most splits to return.
        Returns:
            Both groups of each split, clearest first. Splits are ordered by how much better two
            normal distributions explain a line than one does. A linear discriminant over all layers
            refines each of them.
        """
        if len(rows) < max(self.smallest_class, 2 * self.smallest):
            return []
        lines = activation_projections(self.features, rows, self.seed)
        mixtures = [fit_two_groups(line[:, None], self.seed) for line in lines]
        mixtures.sort(key=lambda mixture: -mixture.gain)
        splits: list[Split] = []
        for mixture in mixtures:
            if len(splits) == count:
                break
            in_group = self._refine(rows, mixture.member)
            if in_group is None or not all(_differ(rows, in_group, other) for other in splits):
                continue
            first, second = rows[in_group], rows[~in_group]
            splits.append(
                (
                    CandidateGroup(label, first, second, level),
                    CandidateGroup(label, second, first, level),
                )
            )
        return splits

    def _refine(self, rows: Index, member: Tensor) -> Tensor | None:
        """Flags of the refined split, of the plain one if a group becomes too small, or None."""
        everything = torch.ones(len(rows), dtype=torch.bool)
        refined = refine_membership(self.features, rows, member, everything, self.seed)
        for membership in (refined, member):
            in_group = membership > 0.5
            if min(int(in_group.sum()), int((~in_group).sum())) >= self.smallest:
                return in_group
        return None

    def membership(
        self,
        candidate: CandidateGroup,
        foreign: Int64[Tensor, " f"],
        rows: Index,
        agreed: Flags,
    ) -> Tensor:
        """Membership in the candidate group of all images of its class, in [0, 1].

        The discriminant that separates the foreign images of the group from the rest of its class
        places all other images. These are images of the group that are not foreign to the class,
        images that the model does not call by their label, and poison in the other group.

        Args:
            foreign: rows of the group that are foreign to its class.
            agreed: flags of the images that the model calls by their label, among all images.
        """
        in_group = torch.isin(rows, candidate.group)
        member = torch.isin(rows, foreign)
        fitted = agreed[rows] & (member | ~in_group)
        refined = refine_membership(self.features, rows, member.float(), fitted, self.seed)
        kept = float((refined[member] > 0.5).float().mean())
        return refined if kept > 0.5 else in_group.float()


@dataclass(frozen=True, slots=True)
class TwoGroupSplit:
    """A class split in two groups by a normal mixture.

    Args:
        member: probability that an image belongs to the group with the larger first statistic.
        gain: nats per image by which two normal distributions explain the statistics better than
            one, minus the penalty for their parameters (BIC).
    """

    member: Float[Tensor, " n"]
    gain: float


def fit_two_groups(statistics: Float[Tensor, "n q"], seed: int = 0) -> TwoGroupSplit:
    """Fit one and two normal distributions to the statistics of a class.

    Args:
        statistics: one row per image; the first column decides which group is the second one.
        seed: for the initialization of the mixture.
    Returns:
        Membership of every image, from mixtures fitted to at most 8,192 of them. The gain is 0 if
        there are fewer than ten images, or all are the same.
    Source: BIC of a normal mixture (Fraley and Raftery 2002).
    """
    values = statistics.double().numpy()
    if len(values) < MIN_FITTED or not values.std(0).any():
        return TwoGroupSplit(torch.zeros(len(values)), 0.0)
    scaled = (values - values.mean(0)) / values.std(0).clip(1e-9)
    sample = scaled[fitted_positions(len(scaled), seed).numpy()]
    two = GaussianMixture(2, n_init=1, random_state=seed, reg_covar=MIN_VARIANCE).fit(sample)
    gain = (_bic_of_one(sample) - two.bic(sample)) / (2 * len(sample))
    second = int(two.means_[:, 0].argmax())
    member = np.concatenate(
        [two.predict_proba(scaled[part])[:, second] for part in chunks(len(scaled))]
    )
    return TwoGroupSplit(torch.from_numpy(member).float(), float(gain))


def _bic_of_one(sample: Float[np.ndarray, "n q"]) -> float:
    """The BIC of one normal distribution, whose fit needs no iterations."""
    count, size = sample.shape
    covariance = np.cov(sample.T, bias=True).reshape(size, size) + MIN_VARIANCE * np.eye(size)
    likelihood = multivariate_normal(sample.mean(0), covariance).logpdf(sample).sum()
    return float((size + size * (size + 1) / 2) * np.log(count) - 2 * likelihood)


def rows_by_class(labels: Labels, usable: Flags, least: int) -> dict[int, Tensor]:
    """Usable rows of each class that has at least `least` of them."""
    rows = {
        label: ((labels == label) & usable).nonzero().flatten()
        for label in sorted(set(labels.tolist()))
    }
    return {label: index for label, index in rows.items() if len(index) >= least}


def number_subgroups(count: int, splits: Mapping[int, Split]) -> Tensor:
    """A number for each image by its class and its group of the class's split; -1 for no group.

    Args:
        count: number of images.
        splits: the split of each class.
    """
    out = torch.full((count,), -1)
    for number, candidate in enumerate(chain.from_iterable(splits.values())):
        out[candidate.group] = number
    return out


def _differ(rows: Index, in_group: Tensor, other: Split) -> bool:
    """Whether two splits of the same rows agree on less than 80 % of them, up to order."""
    same = (in_group == torch.isin(rows, other[0].group)).float().mean()
    return 0.2 < float(same) < 0.8
