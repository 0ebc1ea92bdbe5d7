"""Which classes and images stand out: by robust statistics, or by rank."""

from collections.abc import Mapping

import torch
from jaxtyping import Float
from torch import Tensor

from ...types import Flags, Labels, PerImage

MAD_OF_NORMAL = 1.4826


def anomaly_index(values: Float[Tensor, " m"]) -> Float[Tensor, " m"]:
    """How many robust standard deviations (1.4826 MAD) each value lies above the median."""
    center = values.median()
    spread = MAD_OF_NORMAL * (values - center).abs().median()
    return (values - center) / spread.clamp_min(1e-12)


def standing_out(labels: Labels, values: Mapping[int, float], threshold: float) -> Flags:
    """The images of classes whose value has an anomaly index above the threshold."""
    index = anomaly_index(torch.tensor(list(values.values()), dtype=torch.double))
    return torch.isin(labels, torch.tensor(list(values))[index > threshold])


def highest(statistic: PerImage, share: float) -> Flags:
    """The images with the highest statistic, as many as this share of them all."""
    flags = torch.zeros(len(statistic), dtype=torch.bool)
    flags[statistic.topk(min(len(statistic), round(share * len(statistic)))).indices] = True
    return flags


def flagged_first(statistic: PerImage, flagged: Flags) -> PerImage:
    """The statistic, lifted where flagged so that no image that is not flagged ranks higher.

    For methods whose statistic of an image means poison only in classes that they suspect.
    """
    return statistic + flagged * (statistic.max() - statistic.min() + 1)
