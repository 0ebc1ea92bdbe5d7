"""Fine-Pruning: channels that are idle on clean images are pruned, then the rest fine-tuned."""

from dataclasses import dataclass, field
from typing import ClassVar

import torch
from torch import nn

from ...errors import InputError
from ...interfaces import Defense, Inputs
from ...metrics import share_of_true
from ...models.inference import penultimate_features
from ...results import Repaired
from ...training import Training
from ...types import Case, Features, Index, Labels, Progress, no_progress
from ..input_checks import require_holdout, require_linear_head, trainable_copy
from .clean_fine_tuning import FIVE_PERCENT_CLEAN, fine_tune, fine_tuning_settings


@dataclass(frozen=True)
class FinePruning(Defense):
    """Prune the least active channels as long as clean accuracy allows, then fine-tune.

    Args:
        tolerance: how much of its accuracy on the holdout the model may lose to pruning, as a
            share of that accuracy.
        training: the training on the holdout after pruning.
    Source: Liu et al., Fine-Pruning, RAID 2018, arXiv 1805.12185. Tolerance and training are
    those of BackdoorBench. Departures: as there, the inputs of the head are pruned. These are the
    channels of the last convolution if the network pools them. The order is by mean absolute
    activation, since features may be negative. Images are mirrored as for `ft`.
    """

    inputs: ClassVar[Inputs] = FIVE_PERCENT_CLEAN

    tolerance: float = 0.1
    training: Training = field(default_factory=fine_tuning_settings)

    def __post_init__(self) -> None:
        if not 0 <= self.tolerance < 1:
            raise InputError(f"tolerance is {self.tolerance}: give a share in [0, 1)")

    def repair(
        self, case: Case, generator: torch.Generator, progress: Progress = no_progress
    ) -> Repaired:
        holdout = require_holdout(case, "Fine-Pruning")
        model = trainable_copy(case.model)
        head = require_linear_head(model, "Fine-Pruning")
        features = penultimate_features(model, holdout.pixels)
        kept = torch.ones(features.shape[1])
        kept[prunable_channels(features, head, holdout.labels, self.tolerance)] = 0
        kept = kept.to(head.weight.device)
        with torch.no_grad():
            head.weight *= kept
        # without a gradient, weight decay and momentum keep a zero at zero
        handle = head.weight.register_hook(  # type: ignore[no-untyped-call]
            lambda gradient: gradient * kept
        )
        fine_tune(model, case, holdout, self.training, generator, progress=progress)
        handle.remove()
        return Repaired(model=model)


def prunable_channels(
    features: Features, head: nn.Linear, labels: Labels, tolerance: float
) -> Index:
    """The least active features that can be pruned with `1 - tolerance` of the accuracy left.

    Returns:
        Their indices, least active first; never all of them.
    """
    weight, bias = head.weight.detach().float().cpu(), head.bias
    logits = features @ weight.T + (0 if bias is None else bias.detach().float().cpu())
    order = features.abs().mean(0).argsort(stable=True)
    min_accuracy = (1 - tolerance) * share_of_true(logits.argmax(1) == labels)
    for count, channel in enumerate(order[:-1].tolist()):
        logits -= features[:, channel, None] * weight[:, channel]
        if share_of_true(logits.argmax(1) == labels) < min_accuracy:
            return order[:count]
    return order[:-1]
