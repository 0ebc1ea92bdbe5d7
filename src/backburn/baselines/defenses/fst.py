"""FST: fine-tuning that drives the weights of the head away from the given ones."""

from dataclasses import dataclass, field
from typing import ClassVar

import torch
from torch import Tensor, nn

from ...errors import InputError
from ...interfaces import Defense, Inputs
from ...results import Repaired
from ...training import Objective, Training
from ...training.adapt_settings import reset_last_layers
from ...types import Case, Images, Labels, Progress, no_progress
from ..input_checks import require_holdout, require_linear_head, trainable_copy
from .clean_fine_tuning import FIVE_PERCENT_CLEAN, fine_tune
from .unlearning import cross_entropy


def _training() -> Training:
    return Training(10, 128, 0.01, weight_decay=0.0, warmup=0.0)


@dataclass(frozen=True)
class FST(Defense):
    """Feature shift tuning: fine-tune with a new head that is kept unlike the given one.

    At low poisoning rates the features of clean and of triggered images are entangled, and plain
    fine-tuning hardly moves them. The head is reinitialized, and all weights solve

        min  CE(f(x), y) + alpha <w, w_0>   subject to  |w| = |w_0|

    with `w` the weights of the head and `w_0` the given ones. The features then have to shift.

    Args:
        alpha: weight of the inner product of the two heads; 0 or more.
        training: the training on the holdout.
    Source: Min et al., Towards stable backdoor purification through feature shift tuning, NeurIPS
    2023, arXiv 2310.01875. `alpha` and the rate are those of the authors' code, epochs those of
    the paper. Departures: the norm of the head is restored before each batch and at the end; their
    code restores it after each batch. So the first batch differs. Momentum is Nesterov's, the rate
    falls within epochs, too, and images are mirrored as for `ft`.

    >>> FST(alpha=0.1).training.epochs
    10
    """

    inputs: ClassVar[Inputs] = FIVE_PERCENT_CLEAN

    alpha: float = 0.2
    training: Training = field(default_factory=_training)

    def __post_init__(self) -> None:
        if not 0 <= self.alpha < torch.inf:
            raise InputError(f"alpha is {self.alpha}: give 0 or more")

    def repair(
        self, case: Case, generator: torch.Generator, progress: Progress = no_progress
    ) -> Repaired:
        """Reinitialize the head and fine-tune on the holdout.

        Raises:
            InputError: there is no holdout, or the model has no linear head.
        """
        holdout = require_holdout(case, "FST")
        model = trainable_copy(case.model)
        head = require_linear_head(model, "FST")
        given = head.weight.detach().clone()
        reset_last_layers(head, 1.0, generator)
        fine_tune(
            model,
            case,
            holdout,
            self.training,
            generator,
            objective=feature_shift_loss(head, given, self.alpha),
            progress=progress,
        )
        restore_norm(head, given)
        return Repaired(model=model)


def feature_shift_loss(head: nn.Linear, given: Tensor, alpha: float) -> Objective:
    """Cross entropy plus `alpha` times the inner product of the head's weights and the given ones.

    Each call first scales the weights to the norm of the given ones, which undoes what the last
    optimizer step did to it.

    Args:
        head: the head of the model in training.
        given: the weights `(k, d)` that it had.
    """

    def loss(model: nn.Module, images: Images, labels: Labels) -> Tensor:
        restore_norm(head, given)
        return cross_entropy(model, images, labels) + alpha * (head.weight * given).sum()

    return loss


@torch.no_grad()
def restore_norm(head: nn.Linear, given: Tensor) -> None:
    """Scale the weights of a head to the Frobenius norm of the given ones."""
    head.weight.mul_(given.norm() / head.weight.norm().clamp_min(1e-12))
