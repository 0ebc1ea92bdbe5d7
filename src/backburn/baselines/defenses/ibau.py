"""I-BAU: a universal perturbation is unlearned with implicit hypergradients."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeAlias

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ...errors import InputError
from ...interfaces import Defense, Inputs
from ...models.inference import as_images, device_of
from ...results import Repaired
from ...types import Case, LabeledImages, Progress, no_progress
from ..input_checks import require_holdout, trainable_copy

Batch: TypeAlias = tuple[Tensor, Tensor]
"""Images in [0, 1] and labels, on the model's device."""
STEP = 0.1
"""Step size of the gradient descent whose fixed point is the perturbation."""


@dataclass(frozen=True)
class IBAU(Defense):
    """Minimax: a universal perturbation raises the loss, and the weights lower it.

    The perturbation depends on the weights. Their gradient takes that into account, by the
    implicit function theorem.

    Args:
        rounds: how often a perturbation is found and unlearned.
        bound: largest L2 norm of the perturbation.
        ascent_rate: step size of the gradient ascent on the perturbation, one step for each batch.
        shrinkage: weight of the perturbation's squared norm.
        portion: share of a batch that is perturbed while the perturbation is unlearned.
        iterations: fixed-point iterations that solve for the implicit gradient.
        learning_rate: learning rate of Adam on the weights.
        batch_size: batch size of both steps.
    Source: Zeng et al., Adversarial unlearning of backdoors via implicit hypergradient, ICLR 2022,
    arXiv 2110.03735. Constants are those of the authors' code, which perturbs 1 % of a batch. (The
    paper's objective perturbs all of it.) The perturbation is bounded as in the paper; the code
    does not bound it. Departures: batches are shuffled in each round. The ascent uses true labels,
    where the code uses the model's predictions.
    """

    inputs = Inputs(training="none", holdout=0.05)

    rounds: int = 5
    bound: float = 10.0
    ascent_rate: float = 10.0
    shrinkage: float = 0.001
    portion: float = 0.01
    iterations: int = 5
    learning_rate: float = 0.001
    batch_size: int = 100

    def __post_init__(self) -> None:
        if min(self.rounds, self.iterations, self.batch_size) < 1:
            raise InputError(
                f"rounds={self.rounds}, iterations={self.iterations}, "
                f"batch_size={self.batch_size}: give 1 or more"
            )
        rates = self.bound, self.ascent_rate, self.learning_rate
        if not all(0 < rate < math.inf for rate in rates) or not 0 <= self.shrinkage < math.inf:
            raise InputError(
                f"bound, ascent_rate, learning_rate {rates}, shrinkage={self.shrinkage}: "
                "give above 0, and >= 0"
            )
        if not 0 < self.portion <= 1:
            raise InputError(f"portion is {self.portion}: give a share in (0, 1]")

    def repair(
        self, case: Case, generator: torch.Generator, progress: Progress = no_progress
    ) -> Repaired:
        """Find and unlearn one perturbation in each round.

        Raises:
            InputError: there is no holdout.
        """
        holdout = require_holdout(case, "I-BAU")
        model = trainable_copy(case.model)
        optimizer = torch.optim.Adam(model.parameters(), self.learning_rate)
        for done in range(self.rounds):
            batches = self._batches(holdout, device_of(model), generator)
            perturbation = self._find_perturbation(model, batches)
            for batch in batches:
                gradients = self._hypergradient(model, perturbation, batch, batches[0], generator)
                for weight, gradient in zip(model.parameters(), gradients, strict=True):
                    weight.grad = gradient
                optimizer.step()
            progress("unlearning", done + 1, self.rounds)
        model.zero_grad(set_to_none=True)
        return Repaired(model=model)

    def _batches(
        self, holdout: LabeledImages, device: torch.device, generator: torch.Generator
    ) -> list[Batch]:
        order = torch.randperm(len(holdout), generator=generator)
        return [
            (as_images(holdout.pixels[rows], device), holdout.labels[rows].to(device))
            for rows in torch.split(order, self.batch_size)
        ]

    def _find_perturbation(self, model: nn.Module, batches: Sequence[Batch]) -> Tensor:
        """The perturbation `(1, c, h, w)` that raises the loss of all images."""
        shift = torch.zeros_like(batches[0][0][:1], requires_grad=True)
        for batch in batches:
            (gradient,) = torch.autograd.grad(self._inner(model, batch, shift), shift)
            shift = (shift - self.ascent_rate * gradient).detach().requires_grad_()
        bounded: Tensor = shift * (self.bound / shift.square().sum().sqrt()).clamp(max=1)
        return bounded.detach()

    def _inner(self, model: nn.Module, batch: Batch, shift: Tensor) -> Tensor:
        images, labels = batch
        loss = F.cross_entropy(model(images + shift), labels)
        return self.shrinkage * shift.square().sum() - loss

    def _hypergradient(
        self,
        model: nn.Module,
        perturbation: Tensor,
        batch: Batch,
        first: Batch,
        generator: torch.Generator,
    ) -> list[Tensor]:
        """The hypergradient of the weights, on a batch part of which is perturbed."""
        images, labels = batch
        order = torch.randperm(len(images), generator=generator)
        perturbed = (order < max(1, round(self.portion * len(images)))).to(images)

        def outer(shift: Tensor) -> Tensor:
            return F.cross_entropy(model(images + perturbed.view(-1, 1, 1, 1) * shift), labels)

        def descent(shift: Tensor) -> Tensor:
            inner = self._inner(model, first, shift)
            return shift - STEP * torch.autograd.grad(inner, shift, create_graph=True)[0]

        return hypergradient(
            outer, descent, perturbation, list(model.parameters()), self.iterations
        )


def hypergradient(
    outer: Callable[[Tensor], Tensor],
    descent: Callable[[Tensor], Tensor],
    point: Tensor,
    weights: list[Tensor],
    iterations: int,
) -> list[Tensor]:
    """The gradient of `outer` with respect to the weights, at the fixed point of `descent`.

    The fixed point depends on the weights. With J the Jacobian of `descent` with respect to the
    point, (I - J)^-1 is approximated by the first `iterations` terms of its Neumann series.

    Args:
        outer: the outer loss as a function of the point.
        descent: one step of the inner gradient descent.
        point: the fixed point.
        weights: the parameters that both functions depend on.
        iterations: number of terms.
    """
    point = point.detach().requires_grad_()
    by_point, *direct = torch.autograd.grad(outer(point), [point, *weights], materialize_grads=True)
    mapped, vector = descent(point), torch.zeros_like(point)
    for _ in range(iterations):
        (pulled,) = torch.autograd.grad(mapped, point, vector, retain_graph=True)
        vector = pulled + by_point
    moved = torch.autograd.grad(mapped, weights, vector, materialize_grads=True)
    return [explicit + implicit for explicit, implicit in zip(direct, moved, strict=True)]
