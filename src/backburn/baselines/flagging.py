"""Flagging images by the outliers among classes, or by rank."""

from collections.abc import Mapping

import torch

from ..detection.activation_statistics import anomaly_index
from ..types import Flags, Labels, PerImage


def in_outlier_classes(labels: Labels, values: Mapping[int, float], threshold: float) -> Flags:
    """Flag the images of classes whose value has an anomaly index above the threshold.

    Args:
        labels: label `(n,)` of each image.
        values: a value of each class; higher is more suspicious.
    """
    index = anomaly_index(torch.tensor(list(values.values()), dtype=torch.double))
    return torch.isin(labels, torch.tensor(list(values))[index > threshold])


def flag_highest(statistic: PerImage, share: float, least: int = 0) -> Flags:
    """Flag the share of images with the highest statistic, and at least `least` images.

    >>> flag_highest(torch.tensor([0.1, 0.9, 0.4]), 0.34).tolist()
    [False, True, False]
    """
    flagged = torch.zeros(len(statistic), dtype=torch.bool)
    order = statistic.argsort(descending=True, stable=True)
    flagged[order[: max(least, round(share * len(statistic)))]] = True
    return flagged


def rank_flagged_first(statistic: PerImage, flagged: Flags) -> PerImage:
    """Raise the statistic of flagged images, so that all of them rank before the others.

    This is for methods whose statistic means poison only within suspect classes.
    """
    return statistic + flagged * (statistic.max() - statistic.min() + 1)
