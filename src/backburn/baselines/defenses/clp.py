"""CLP: channels with a large Lipschitz constant are pruned, without any data."""

from dataclasses import dataclass
from typing import ClassVar

import torch

from ...errors import InputError
from ...interfaces import Defense, Inputs
from ...models.channel_lipschitz import above_mean, convolutions_before_norms, lipschitz_bounds
from ...results import Repaired
from ...types import Case, Progress, no_progress
from ..input_checks import trainable_copy
from .prunable_channels import batch_norms, prune


@dataclass(frozen=True)
class CLP(Defense):
    """Channel Lipschitz pruning: prune channels whose Lipschitz bound stands out in their layer.

        sigma_k = |largest singular value of gamma_k / sqrt(var_k + eps) W_k|,  W_k as (in, h w)
        prune k where sigma_k > mean + u std over the layer

    Args:
        u: channels more than this number of standard deviations above the mean are pruned.
    Source: Zheng et al., Data-free backdoor removal based on channel Lipschitzness, ECCV 2022,
    arXiv 2208.03111. Departure: a batch norm is paired with the last convolution that ran before
    it, if they have the same number of channels. A sum with a shortcut may lie between them. The
    authors' code pairs them by the order of definition.
    """

    inputs: ClassVar[Inputs] = Inputs("none")

    u: float = 3.0

    def __post_init__(self) -> None:
        if not 0 < self.u < torch.inf:
            raise InputError(f"u is {self.u}: give a number of standard deviations above 0")

    def repair(
        self,
        case: Case,
        generator: torch.Generator,
        progress: Progress = no_progress,
    ) -> Repaired:
        model = trainable_copy(case.model)
        batch_norms(model, "CLP")
        pairs = convolutions_before_norms(model, tuple(case.images.pixels.shape[1:]))
        if not pairs:
            raise InputError("CLP needs convolutions that a batch norm follows: the model has none")
        for done, (norm, conv) in enumerate(pairs.items(), 1):
            prune(norm, above_mean(lipschitz_bounds(conv, norm), self.u), shift=True)
            progress("channels", done, len(pairs))
        return Repaired(model=model)
