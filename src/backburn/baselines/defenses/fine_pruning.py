"""Fine-Pruning: channels that clean images leave idle are cut, then the rest is fine-tuned."""

from dataclasses import dataclass, field
from typing import ClassVar

import torch
from torch import nn

from ...errors import InputError
from ...interfaces import Defense, Given
from ...metrics import rate
from ...models.inference import penultimate
from ...training import Training
from ...types import Case, Features, Index, Labels, Progress, Repaired, silent
from ..inputs import holdout_of, trainable_copy
from .tuning import FEW_CLEAN, fine_tune, fine_tuning


@dataclass(frozen=True)
class FinePruning(Defense):
    """Least active channels first, until clean images suffer; then fine-tuning.

    Args:
        tolerance: how much of its accuracy on the holdout the model may lose to pruning, as a
            share of that accuracy.
        training: on the holdout, after pruning.
    Source: Liu et al., Fine-Pruning, RAID 2018, arXiv 1805.12185; tolerance and training as in
    BackdoorBench. Departures: as there, what is pruned are the features that the head reads, which
    are the channels of the last convolution where a network pools these; the order is that of the
    mean absolute activation, for features that may be negative; mirror images as for `ft`.
    """

    given: ClassVar[Given] = FEW_CLEAN

    tolerance: float = 0.1
    training: Training = field(default_factory=fine_tuning)

    def __post_init__(self) -> None:
        if not 0 <= self.tolerance < 1:
            raise InputError(f"tolerance is {self.tolerance}: give a share in [0, 1)")

    def repair(
        self, case: Case, generator: torch.Generator, progress: Progress = silent
    ) -> Repaired:
        holdout = holdout_of(case, "Fine-Pruning")
        model = trainable_copy(case.model)
        head = _head_of(model)
        features = penultimate(model, holdout.pixels)
        kept = torch.ones(features.shape[1])
        kept[dispensable(features, head, holdout.labels, self.tolerance)] = 0
        kept = kept.to(head.weight.device)
        with torch.no_grad():
            head.weight *= kept
        # weight decay and momentum keep a zero at zero, once it has no gradient
        handle = head.weight.register_hook(  # type: ignore[no-untyped-call]
            lambda gradient: gradient * kept
        )
        fine_tune(model, case, holdout, self.training, generator, progress=progress)
        handle.remove()
        return Repaired(model=model)


def dispensable(features: Features, head: nn.Linear, labels: Labels, tolerance: float) -> Index:
    """The least active features whose loss leaves at least `1 - tolerance` of the accuracy.

    Returns:
        Their numbers, least active first; never all of them.
    """
    weight, bias = head.weight.detach().float().cpu(), head.bias
    logits = features @ weight.T + (0 if bias is None else bias.detach().float().cpu())
    order = features.abs().mean(0).argsort(stable=True)
    least = (1 - tolerance) * rate(logits.argmax(1) == labels)
    for count, channel in enumerate(order[:-1].tolist()):
        logits -= features[:, channel, None] * weight[:, channel]
        if rate(logits.argmax(1) == labels) < least:
            return order[:count]
    return order[:-1]


def _head_of(model: nn.Module) -> nn.Linear:
    head = getattr(model, "head", None)
    if not isinstance(head, nn.Linear) or not callable(getattr(model, "features", None)):
        raise InputError(
            f"Fine-Pruning needs features(images) and a linear head, which {type(model).__name__} "
            "has not: give a model that has"
        )
    return head
