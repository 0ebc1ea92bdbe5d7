"""Does a class hold one population or two, and who belongs to the second?"""

from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float
from sklearn.mixture import GaussianMixture
from torch import Tensor

SMALLEST = 20


@dataclass(frozen=True, slots=True)
class TwoPopulations:
    """A class split in two.

    `member` is the probability that an image belongs to the planted population, the one farther
    along the first statistic. `gain` is by how many nats an image two normal populations explain
    the class better than one, less the price of their parameters (BIC); `separation` is Ashman's
    D between them: above 2 they stand apart.
    """

    member: Float[Tensor, " n"]
    gain: float
    separation: float
    share: float


def split(statistics: Float[Tensor, "n q"], seed: int = 0) -> TwoPopulations:
    """Fit one and two normal populations to the statistics of a class.

    Args:
        statistics: one row an image; the first column orients the split.
        seed: of the mixture's starts.
    Returns:
        A split without gain where the class has fewer than 20 images.
    Source: BIC of a normal mixture (Fraley and Raftery 2002); D of Ashman, Bird and Zepf 1994.
    """
    values = statistics.double().numpy()
    if len(values) < SMALLEST:
        return TwoPopulations(torch.zeros(len(values)), 0.0, 0.0, 0.0)
    scaled = (values - values.mean(0)) / values.std(0).clip(1e-9)
    one, two = (
        GaussianMixture(k, n_init=4, random_state=seed, reg_covar=1e-4).fit(scaled) for k in (1, 2)
    )
    gain = (one.bic(scaled) - two.bic(scaled)) / (2 * len(scaled))
    planted = int(two.means_[:, 0].argmax())
    member = torch.from_numpy(two.predict_proba(scaled)[:, planted]).float()
    return TwoPopulations(member, float(gain), _separation(two), float(two.weights_[planted]))


def _separation(mixture: GaussianMixture) -> float:
    """Ashman's D along the line through both means, within the pooled covariance."""
    apart = mixture.means_[1] - mixture.means_[0]
    pooled = mixture.covariances_.mean(0)
    return float(np.sqrt(apart @ np.linalg.solve(pooled, apart)))
