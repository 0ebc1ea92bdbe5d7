"""ANP: neurons that are sensitive to small changes of their weights are pruned."""

import copy
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import ClassVar, TypeAlias

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.func import functional_call

from ...data.augmentation import Augmentation
from ...errors import InputError
from ...interfaces import Defense, Inputs
from ...models.channel_lipschitz import Norm
from ...models.inference import as_images, device_of, has_native_bf16
from ...results import Repaired
from ...training import Training
from ...training.adapt_settings import adapt_augmentation
from ...types import Case, Flags, PerImage, Progress, no_progress
from ..input_checks import require_holdout, trainable_copy
from .clean_fine_tuning import FIVE_PERCENT_CLEAN
from .prunable_channels import batch_norms, prune

MaskedLoss: TypeAlias = Callable[[Tensor, Tensor], Tensor]
"""The mean loss of a batch as a function of factors of the neurons' scales and shifts."""


@dataclass(frozen=True)
class ANP(Defense):
    """Adversarial Neuron Pruning: learn a mask of neurons under their worst perturbation.

    Neurons with a small mask are pruned. The mask solves

        min over m in [0, 1]  alpha L(m w, b) + (1 - alpha) max over |d|, |x| <= epsilon of
                              L((m + d) w, (1 + x) b)

    with `w` and `b` the scales and shifts of all batch norms; each neuron has one of both.

    Args:
        epsilon: bound of the perturbations, relative to the weights.
        alpha: weight of the loss without perturbation.
        iterations: number of batches that the mask is learned from.
        learning_rate: learning rate of the mask.
        momentum: momentum of the mask.
        batch_size: number of images drawn for each iteration, with replacement.
        threshold: neurons with a smaller mask are pruned: their scale becomes 0.
        augmentation: augmentation of the holdout's images.
    Source: Wu and Wang, Adversarial Neuron Pruning, NeurIPS 2021, arXiv 2110.14430. The
    perturbation takes one step from a random start. Departures: it is clipped to its bound after
    that step. Images are mirrored as for `ft`.
    """

    inputs: ClassVar[Inputs] = FIVE_PERCENT_CLEAN

    epsilon: float = 0.4
    alpha: float = 0.2
    iterations: int = 2000
    learning_rate: float = 0.2
    momentum: float = 0.9
    batch_size: int = 128
    threshold: float = 0.2
    augmentation: Augmentation = field(default_factory=Augmentation)

    def __post_init__(self) -> None:
        if not 0 <= self.epsilon < torch.inf or not 0 <= self.alpha <= 1:
            raise InputError(f"epsilon={self.epsilon}, alpha={self.alpha}: give >= 0 and [0, 1]")
        if self.iterations < 1 or self.batch_size < 2:
            raise InputError(
                f"iterations={self.iterations}, batch_size={self.batch_size}: give at least 1 and 2"
            )
        if not 0 < self.learning_rate < torch.inf or not 0 <= self.momentum < 1:
            raise InputError(
                f"learning_rate={self.learning_rate}, momentum={self.momentum}: give > 0 and [0, 1)"
            )
        if not 0 <= self.threshold <= 1:
            raise InputError(f"threshold is {self.threshold}: give a mask's value in [0, 1]")

    def repair(
        self, case: Case, generator: torch.Generator, progress: Progress = no_progress
    ) -> Repaired:
        mask = self.learn_mask(case, generator, progress)
        return Repaired(model=prune_neurons(case.model, mask < self.threshold))

    def learn_mask(self, case: Case, generator: torch.Generator, progress: Progress) -> PerImage:
        """The mask of each neuron, in [0, 1], over all batch norms in order.

        Raises:
            InputError: there is no holdout, or the model has no batch norm.
        """
        holdout = require_holdout(case, "ANP")
        network = copy.deepcopy(case.model).eval().requires_grad_(False)
        norms = batch_norms(network, "ANP")
        augmentation = adapt_augmentation(
            Training(augmentation=self.augmentation), Case(case.model, holdout)
        ).augmentation
        for norm in norms.values():
            norm.train()  # as in the paper's code: statistics of the batch
        count = sum(norm.num_features for norm in norms.values())
        mask = torch.ones(count, device=device_of(network), requires_grad=True)
        optimizer = torch.optim.SGD([mask], lr=self.learning_rate, momentum=self.momentum)
        for done in range(self.iterations):
            rows = torch.randint(len(holdout), (self.batch_size,), generator=generator)
            pixels = augmentation(holdout.pixels[rows.to(holdout.pixels.device)], generator)
            loss_at = _masked_loss(network, norms, pixels, holdout.labels[rows])
            noise = self._worst_perturbation(loss_at, mask.detach(), generator)
            plain = loss_at(mask, torch.ones_like(mask))
            robust = loss_at(mask + noise[0], 1 + noise[1])
            loss = self.alpha * plain + (1 - self.alpha) * robust
            (mask.grad,) = torch.autograd.grad(loss, mask)
            optimizer.step()
            mask.data.clamp_(0, 1)
            progress("mask", done + 1, self.iterations)
        return mask.detach().cpu()

    def _worst_perturbation(
        self, loss_at: MaskedLoss, mask: Tensor, generator: torch.Generator
    ) -> Tensor:
        """Perturbations `(2, neurons)` of scales and shifts that raise the loss: one sign step."""
        start = (torch.rand((2, len(mask)), generator=generator) * 2 - 1) * self.epsilon
        noise = start.to(mask.device).requires_grad_(True)
        (gradient,) = torch.autograd.grad(loss_at(mask + noise[0], 1 + noise[1]), noise)
        moved = noise.detach() + self.epsilon * gradient.sign()
        return moved.clamp(-self.epsilon, self.epsilon)


def prune_neurons(model: nn.Module, pruned: Flags) -> nn.Module:
    """Return a copy of the model without some neurons: their scales are 0.

    Args:
        pruned: flags of the neurons of all batch norms in order.
    """
    copied = trainable_copy(model)
    norms = batch_norms(copied, "ANP").values()
    parts = torch.split(pruned, [norm.num_features for norm in norms])
    for norm, part in zip(norms, parts, strict=True):
        prune(norm, part, shift=False)
    return copied


def _masked_loss(
    network: nn.Module, norms: dict[str, Norm], pixels: Tensor, labels: Tensor
) -> MaskedLoss:
    """The loss of a batch as a function of factors `(neurons,)` of scales and shifts."""
    device, sizes = device_of(network), [norm.num_features for norm in norms.values()]
    images, labels = as_images(pixels, device), labels.to(device)

    def loss(scale: Tensor, shift: Tensor) -> Tensor:
        parts = zip(
            norms.items(), torch.split(scale, sizes), torch.split(shift, sizes), strict=True
        )
        changed: dict[str, Tensor] = {}
        for (name, norm), scales, shifts in parts:
            changed |= {f"{name}.weight": norm.weight * scales, f"{name}.bias": norm.bias * shifts}
        with torch.autocast(device.type, torch.bfloat16, enabled=has_native_bf16(device)):
            logits = functional_call(network, changed, (images,))
        return F.cross_entropy(logits.float(), labels)

    return loss
