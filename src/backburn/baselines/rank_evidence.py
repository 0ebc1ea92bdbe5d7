"""Converting a method's statistic to evidence in [0, 1]."""

import torch
from scipy.stats import rankdata

from ..results import Evidence
from ..types import Flags, PerImage


def evidence_by_rank(statistic: PerImage, flagged: Flags) -> Evidence:
    """Make evidence whose score is the rank of each image's statistic, divided by their number.

    Ties share their mean rank. Ranks keep the AUROC, whatever the unit of the statistic.

    Args:
        statistic: one number `(n,)` for each image, higher for poison.
        flagged: the images flagged as poison.

    >>> evidence_by_rank(torch.tensor([5.0, 7.0]), torch.tensor([False, True])).score.tolist()
    [0.5, 1.0]
    """
    ranks = torch.from_numpy(rankdata(statistic.double().numpy()))
    return Evidence((ranks / max(1, len(statistic))).float(), flagged)
