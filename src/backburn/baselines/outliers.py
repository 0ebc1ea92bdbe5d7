"""Which classes and images stand out: by robust statistics, or by rank."""

from collections.abc import Mapping

import torch

from ..detection.activation_statistics import anomaly_index
from ..types import Flags, Labels, PerImage


def standing_out(labels: Labels, values: Mapping[int, float], threshold: float) -> Flags:
    """The images of classes whose value has an anomaly index above the threshold."""
    index = anomaly_index(torch.tensor(list(values.values()), dtype=torch.double))
    return torch.isin(labels, torch.tensor(list(values))[index > threshold])


def highest(statistic: PerImage, share: float, least: int = 0) -> Flags:
    """The images of this share of all, and `least` of them, whose statistic is highest."""
    chosen = torch.zeros(len(statistic), dtype=torch.bool)
    order = statistic.argsort(descending=True, stable=True)
    chosen[order[: max(least, round(share * len(statistic)))]] = True
    return chosen


def flagged_first(statistic: PerImage, flagged: Flags) -> PerImage:
    """The statistic, lifted where flagged so that no image that is not flagged ranks higher.

    For methods whose statistic of an image means poison only in classes that they suspect.
    """
    return statistic + flagged * (statistic.max() - statistic.min() + 1)
