"""From a method's own statistic to evidence in [0, 1]."""

import torch
from scipy.stats import rankdata

from ..types import Evidence, Flags, PerImage


def evidence_by_rank(statistic: PerImage, flagged: Flags) -> Evidence:
    """The rank of every image's statistic among all, ties alike, in [0, 1]; poison has the higher.

    Ranks keep what AUROC measures, whatever the statistic's unit.
    """
    ranks = torch.from_numpy(rankdata(statistic.double().numpy()))
    return Evidence((ranks / max(1, len(statistic))).float(), flagged)
