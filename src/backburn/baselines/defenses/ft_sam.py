"""FT-SAM: fine-tuning that looks for flat minima, so that neurons of the backdoor shrink."""

from dataclasses import dataclass, field, replace
from typing import ClassVar

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.func import functional_call

from ...errors import InputError
from ...interfaces import Defense, Given
from ...training import Objective, Training
from ...types import Case, Images, Labels, Progress, Repaired, silent
from ..inputs import holdout_of, trainable_copy
from .tuning import FEW_CLEAN, fine_tune, fine_tuning


def _smoothed() -> Training:
    return replace(fine_tuning(), label_smoothing=0.1)


@dataclass(frozen=True)
class FTSAM(Defense):
    """Fine-tuning by the gradient at the worst of all weights around the present ones.

        w <- w - rate grad L(w + e),  e = rho T^2 g / |T g|,  T = |w|,  g = grad L(w)

    Large weights may move farther, so the large weights of a backdoor's neurons are moved most.

    Args:
        rho: size of the perturbation, relative to the weights.
        training: on the holdout.
    Source: Zhu et al., Enhancing fine-tuning based backdoor defense with sharpness-aware
    minimization, ICCV 2023, arXiv 2304.11823; rho and training as in BackdoorBench, by the same
    authors. Departure: mirror images as for `ft`.
    """

    given: ClassVar[Given] = FEW_CLEAN

    rho: float = 2.0
    training: Training = field(default_factory=_smoothed)

    def __post_init__(self) -> None:
        if not 0 <= self.rho < torch.inf:
            raise InputError(f"rho is {self.rho}: give 0 or more")

    def repair(
        self, case: Case, generator: torch.Generator, progress: Progress = silent
    ) -> Repaired:
        holdout = holdout_of(case, "FT-SAM")
        model = trainable_copy(case.model)
        sharpest = sharpness_aware(self.rho, self.training.label_smoothing)
        fine_tune(
            model, case, holdout, self.training, generator, objective=sharpest, progress=progress
        )
        return Repaired(model=model)


def sharpness_aware(rho: float, smoothing: float = 0.0) -> Objective:
    """The cross entropy at the worst weights, whose gradient is that of the weights themselves."""

    def entropy(logits: Tensor, labels: Labels) -> Tensor:
        return F.cross_entropy(logits.float(), labels, reduction="none", label_smoothing=smoothing)

    def loss(model: nn.Module, images: Images, labels: Labels) -> Tensor:
        weights = {name: p for name, p in model.named_parameters() if p.requires_grad}
        here = entropy(model(images), labels).mean()
        slopes = torch.autograd.grad(here, list(weights.values()), materialize_grads=True)
        moves = perturbation(list(weights.values()), list(slopes), rho)
        worst = {
            name: weight + move for (name, weight), move in zip(weights.items(), moves, strict=True)
        }
        # running statistics are those of the present weights: the perturbed pass updates copies
        spare = {name: buffer.clone() for name, buffer in model.named_buffers()}
        return entropy(functional_call(model, {**worst, **spare}, (images,)), labels)

    return loss


@torch.no_grad()
def perturbation(weights: list[Tensor], slopes: list[Tensor], rho: float) -> list[Tensor]:
    """Where the loss rises most, within `rho` of the weights, each in units of its own size."""
    scaled = [weight.abs() * slope for weight, slope in zip(weights, slopes, strict=True)]
    length = torch.stack([part.square().sum() for part in scaled]).sum().sqrt().clamp_min(1e-12)
    return [
        rho * weight.abs() * part / length for weight, part in zip(weights, scaled, strict=True)
    ]
