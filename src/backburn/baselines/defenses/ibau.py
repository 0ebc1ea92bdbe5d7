"""I-BAU: one perturbation of all images is unlearned, by implicit hypergradients."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeAlias

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ...errors import InputError
from ...interfaces import Defense, Given
from ...models.inference import as_images, device_of
from ...types import Case, LabeledImages, Progress, Repaired, silent
from ..inputs import holdout_of, trainable_copy

Batch: TypeAlias = tuple[Tensor, Tensor]
"""Images in [0, 1] and labels, on the model's device."""
STEP = 0.1
"""Of the gradient descent whose fixed point the perturbation is held to be."""


@dataclass(frozen=True)
class IBAU(Defense):
    """Minimax: one perturbation of all images raises the loss, the weights bring it down.

    The weights' gradient takes into account that another perturbation would be found for other
    weights, by the implicit function theorem.

    Args:
        rounds: of finding a perturbation and unlearning it.
        bound: largest L2 norm of the perturbation.
        ascent_rate: of the gradient ascent on the perturbation, one step a batch.
        shrinkage: weight of the perturbation's squared norm.
        portion: share of a batch that carries the perturbation while it is unlearned.
        iterations: of the fixed point that solves for the implicit gradient.
        learning_rate: of Adam on the weights.
        batch_size: of both.
    Source: Zeng et al., Adversarial unlearning of backdoors via implicit hypergradient, ICLR 2022,
    arXiv 2110.03735; constants as in the authors' code, in which 1 % of a batch is perturbed (the
    paper's objective: all) and nothing is bounded (in the paper it is). Departures: batches are
    shuffled in each round; true labels in the ascent, too, where the code has the model's.
    """

    given = Given(training="none", holdout=0.05)

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
        self, case: Case, generator: torch.Generator, progress: Progress = silent
    ) -> Repaired:
        """Unlearn one perturbation a round.

        Raises:
            InputError: no holdout.
        """
        holdout = holdout_of(case, "I-BAU")
        model = trainable_copy(case.model)
        optimizer = torch.optim.Adam(model.parameters(), self.learning_rate)
        for done in range(self.rounds):
            batches = self._batches(holdout, device_of(model), generator)
            found = self._ascended(model, batches)
            for batch in batches:
                slopes = self._slopes(model, found, batch, batches[0], generator)
                for weight, slope in zip(model.parameters(), slopes, strict=True):
                    weight.grad = slope
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

    def _ascended(self, model: nn.Module, batches: Sequence[Batch]) -> Tensor:
        """The perturbation `(1, c, h, w)` that raises the loss of all images."""
        shift = torch.zeros_like(batches[0][0][:1], requires_grad=True)
        for batch in batches:
            (slope,) = torch.autograd.grad(self._inner(model, batch, shift), shift)
            shift = (shift - self.ascent_rate * slope).detach().requires_grad_()
        shrunk: Tensor = shift * (self.bound / shift.square().sum().sqrt()).clamp(max=1)
        return shrunk.detach()

    def _inner(self, model: nn.Module, batch: Batch, shift: Tensor) -> Tensor:
        images, labels = batch
        loss = F.cross_entropy(model(images + shift), labels)
        return self.shrinkage * shift.square().sum() - loss

    def _slopes(
        self,
        model: nn.Module,
        found: Tensor,
        batch: Batch,
        first: Batch,
        generator: torch.Generator,
    ) -> list[Tensor]:
        """The hypergradient of the weights, on a batch part of which carries the perturbation."""
        images, labels = batch
        order = torch.randperm(len(images), generator=generator)
        carrier = (order < max(1, round(self.portion * len(images)))).to(images)

        def outer(shift: Tensor) -> Tensor:
            return F.cross_entropy(model(images + carrier.view(-1, 1, 1, 1) * shift), labels)

        def descent(shift: Tensor) -> Tensor:
            inner = self._inner(model, first, shift)
            return shift - STEP * torch.autograd.grad(inner, shift, create_graph=True)[0]

        return hypergradient(outer, descent, found, list(model.parameters()), self.iterations)


def hypergradient(
    outer: Callable[[Tensor], Tensor],
    descent: Callable[[Tensor], Tensor],
    point: Tensor,
    weights: list[Tensor],
    iterations: int,
) -> list[Tensor]:
    """The gradient by `weights` of `outer` at the fixed point of `descent`, which they move.

    With J the Jacobian of `descent` by the point, (I - J)^-1 is taken for the first terms of its
    series, as many as there are iterations.
    """
    point = point.detach().requires_grad_()
    by_point, *direct = torch.autograd.grad(outer(point), [point, *weights], materialize_grads=True)
    mapped, vector = descent(point), torch.zeros_like(point)
    for _ in range(iterations):
        (pulled,) = torch.autograd.grad(mapped, point, vector, retain_graph=True)
        vector = pulled + by_point
    moved = torch.autograd.grad(mapped, weights, vector, materialize_grads=True)
    return [straight + around for straight, around in zip(direct, moved, strict=True)]
