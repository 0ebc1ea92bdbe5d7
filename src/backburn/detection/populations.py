"""Does a class hold one population or two, and who belongs to the second?"""

from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float
from sklearn.mixture import GaussianMixture
from torch import Tensor

from .samples import drawn, parts

SMALLEST = 20


@dataclass(frozen=True, slots=True)
class TwoPopulations:
    """A class split in two.

    `member` is the probability that an image belongs to the planted population: the one farther
    along the first statistic, until `groups.oriented` has compared the ways. `gain` is by how many
    nats an image two normal populations explain the leading statistics better than one, less the
    price of their parameters (BIC); `separation` is Ashman's D between them over all statistics:
    above 2 they stand apart. `share` is the planted population's part of the class.
    """

    member: Float[Tensor, " n"]
    gain: float
    separation: float
    share: float


def split(
    statistics: Float[Tensor, "n q"], seed: int = 0, *, leading: int | None = None
) -> TwoPopulations:
    """Fit one and two normal populations to the statistics of a class.

    Args:
        statistics: one row an image; the first column tells which population is the planted one.
        seed: of the mixture's starts.
        leading: so many first columns (all where None) are asked whether there are two; the
            mixture over all columns starts from their answer, so that a class is not split by its
            other habits.
    Returns:
        Membership of every image, from mixtures that are fitted to 8,192 of them at the most. A
        split without gain where the class has fewer than 20 images, or all are the same.
    Source: BIC of a normal mixture (Fraley and Raftery 2002); D of Ashman, Bird and Zepf 1994.
    """
    values = statistics.double().numpy()
    if len(values) < SMALLEST or not values.std(0).any():
        return TwoPopulations(torch.zeros(len(values)), 0.0, 0.0, 0.0)
    scaled = (values - values.mean(0)) / values.std(0).clip(1e-9)
    some = scaled[drawn(len(scaled), seed).numpy()]
    first = some[:, :leading]
    one, two = (
        GaussianMixture(k, n_init=4, random_state=seed, reg_covar=1e-4).fit(first) for k in (1, 2)
    )
    gain = (one.bic(first) - two.bic(first)) / (2 * len(first))
    planted = int(two.means_[:, 0].argmax())
    mixture = _spread_out(some, two.predict_proba(first)[:, planted])
    member = np.concatenate(
        [mixture.predict_proba(scaled[part])[:, 1] for part in parts(len(scaled))]
    )
    return TwoPopulations(
        torch.from_numpy(member).float(), float(gain), _separation(mixture), float(member.mean())
    )


def _spread_out(scaled: np.ndarray, member: np.ndarray) -> GaussianMixture:
    """Two populations over all statistics, found from a given membership on."""
    weights = np.stack([1 - member, member]).clip(1e-6)
    means = np.stack([np.average(scaled, axis=0, weights=part) for part in weights])
    covariances = [np.atleast_2d(np.cov(scaled.T, aweights=part)) for part in weights]
    ridge = 1e-4 * np.eye(scaled.shape[1])
    return GaussianMixture(
        2,
        weights_init=weights.sum(1) / weights.sum(),
        means_init=means,
        precisions_init=[np.linalg.inv(covariance + ridge) for covariance in covariances],
        reg_covar=1e-4,
    ).fit(scaled)


def _separation(mixture: GaussianMixture) -> float:
    """Ashman's D along the line through both means, within the pooled covariance."""
    apart = mixture.means_[1] - mixture.means_[0]
    pooled = mixture.covariances_.mean(0)
    return float(np.sqrt(apart @ np.linalg.solve(pooled, apart)))
