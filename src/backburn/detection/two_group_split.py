"""Does a class hold one population or two, and who belongs to the second?"""

from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float
from sklearn.mixture import GaussianMixture
from torch import Tensor

from .sampling import drawn, parts

SMALLEST = 20


@dataclass(frozen=True, slots=True)
class TwoPopulations:
    """A class split in two.

    `member` is the probability that an image belongs to the population farther along the first
    statistic; `gain` by how many nats an image two normal populations explain the statistics better
    than one, less the price of their parameters (BIC).
    """

    member: Float[Tensor, " n"]
    gain: float


def split(statistics: Float[Tensor, "n q"], seed: int = 0) -> TwoPopulations:
    """Fit one and two normal populations to the statistics of a class.

    Args:
        statistics: one row an image; the first column tells which population is the second one.
        seed: of the mixture's starts.
    Returns:
        Membership of every image, from mixtures that are fitted to 8,192 of them at the most. A
        split without gain where the class has fewer than 20 images, or all are the same.
    Source: BIC of a normal mixture (Fraley and Raftery 2002).
    """
    values = statistics.double().numpy()
    if len(values) < SMALLEST or not values.std(0).any():
        return TwoPopulations(torch.zeros(len(values)), 0.0)
    scaled = (values - values.mean(0)) / values.std(0).clip(1e-9)
    some = scaled[drawn(len(scaled), seed).numpy()]
    one, two = (
        GaussianMixture(k, n_init=1, random_state=seed, reg_covar=1e-4).fit(some) for k in (1, 2)
    )
    gain = (one.bic(some) - two.bic(some)) / (2 * len(some))
    second = int(two.means_[:, 0].argmax())
    member = np.concatenate(
        [two.predict_proba(scaled[part])[:, second] for part in parts(len(scaled))]
    )
    return TwoPopulations(torch.from_numpy(member).float(), float(gain))
