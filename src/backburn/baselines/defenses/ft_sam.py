"""FT-SAM: fine-tuning with sharpness-aware minimization, which shrinks backdoor neurons."""

from dataclasses import dataclass, field, replace
from typing import ClassVar

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.func import functional_call

from ...errors import InputError
from ...interfaces import Defense, Inputs
from ...results import Repaired
from ...training import Objective, Training
from ...types import Case, Images, Labels, Progress, no_progress
from ..input_checks import require_holdout, trainable_copy
from .clean_fine_tuning import FIVE_PERCENT_CLEAN, fine_tune, fine_tuning_settings


def _training() -> Training:
    return replace(fine_tuning_settings(), label_smoothing=0.1)


@dataclass(frozen=True)
class FTSAM(Defense):
    """Fine-tune with the gradient at the worst weights near the current ones.

        w <- w - rate grad L(w + e),  e = rho T^2 g / |T g|,  T = |w|,  g = grad L(w)

    The perturbation is proportional to the weights, so large weights of backdoor neurons move most.

    Args:
        rho: size of the perturbation, relative to the weights.
        training: the training on the holdout.
    Source: Zhu et al., Enhancing fine-tuning based backdoor defense with sharpness-aware
    minimization, ICCV 2023, arXiv 2304.11823. Rho and training are those of BackdoorBench, by
    the same authors. Departure: images are mirrored as for `ft`.
    """

    inputs: ClassVar[Inputs] = FIVE_PERCENT_CLEAN

    rho: float = 2.0
    training: Training = field(default_factory=_training)

    def __post_init__(self) -> None:
        if not 0 <= self.rho < torch.inf:
            raise InputError(f"rho is {self.rho}: give 0 or more")

    def repair(
        self, case: Case, generator: torch.Generator, progress: Progress = no_progress
    ) -> Repaired:
        holdout = require_holdout(case, "FT-SAM")
        model = trainable_copy(case.model)
        objective = sharpness_aware_loss(self.rho, self.training.label_smoothing)
        fine_tune(
            model, case, holdout, self.training, generator, objective=objective, progress=progress
        )
        return Repaired(model=model)


def sharpness_aware_loss(rho: float, smoothing: float = 0.0) -> Objective:
    """Cross entropy at the worst weights. Its gradient is applied to the current weights."""

    def entropy(logits: Tensor, labels: Labels) -> Tensor:
        return F.cross_entropy(logits.float(), labels, reduction="none", label_smoothing=smoothing)

    def loss(model: nn.Module, images: Images, labels: Labels) -> Tensor:
        weights = {name: p for name, p in model.named_parameters() if p.requires_grad}
        current = entropy(model(images), labels).mean()
        gradients = torch.autograd.grad(current, list(weights.values()), materialize_grads=True)
        moves = perturbation(list(weights.values()), list(gradients), rho)
        worst = {
            name: weight + move for (name, weight), move in zip(weights.items(), moves, strict=True)
        }
        # the perturbed pass updates copies: running statistics stay those of the current weights
        buffers = {name: buffer.clone() for name, buffer in model.named_buffers()}
        return entropy(functional_call(model, {**worst, **buffers}, (images,)), labels)

    return loss


@torch.no_grad()
def perturbation(weights: list[Tensor], gradients: list[Tensor], rho: float) -> list[Tensor]:
    """The change of the weights that raises the loss most, of size `rho` relative to them."""
    scaled = [weight.abs() * gradient for weight, gradient in zip(weights, gradients, strict=True)]
    length = torch.stack([part.square().sum() for part in scaled]).sum().sqrt().clamp_min(1e-12)
    return [
        rho * weight.abs() * part / length for weight, part in zip(weights, scaled, strict=True)
    ]
