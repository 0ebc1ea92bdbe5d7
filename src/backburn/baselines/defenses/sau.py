"""SAU: adversarial examples that fool the repaired and the given model alike are unlearned."""

import math
from dataclasses import dataclass, field

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ...errors import InputError
from ...interfaces import Defense, Given
from ...models.inference import frozen
from ...training import Objective, Training, TrainingTask, fit
from ...types import Case, Images, Labels, Logits, PerImage, Progress, Repaired, silent
from ..inputs import holdout_of, trainable_copy
from .unlearning import PLAIN


def _unlearning() -> Training:
    return Training(100, 256, 1e-4, weight_decay=0, warmup=0, optimizer="adam", augmentation=PLAIN)


@dataclass(frozen=True)
class SAU(Defense):
    """Fine-tuning that takes back adversarial examples shared with the backdoored model.

    Poisoned images are adversarial examples of the backdoored model. In each batch, examples are
    sought that both models call by the same wrong class; then the probability of the class that
    the backdoored model gives them is driven down.

    Args:
        bound, step, steps: largest perturbation of a pixel, and step and number of steps of PGD.
        adversarial, shared: weights of fooling either model, and of the two agreeing, in PGD.
        clean, unlearned: weights of the clean loss and of the shared adversarial risk.
        training: of the repaired model.
    Source: Wei et al., Shared adversarial unlearning, NeurIPS 2023, arXiv 2307.10562; optimizer
    and that batch norm keeps its statistics as in the authors' code in BackdoorBench. Departure:
    log(1 - p) is computed from the logits, where their code clamps probabilities.
    """

    given = Given(training="none", holdout=0.05)

    bound: float = 0.2
    step: float = 0.2
    steps: int = 5
    adversarial: float = 0.01
    shared: float = 1.0
    clean: float = 1.0
    unlearned: float = 1.0
    training: Training = field(default_factory=_unlearning)

    def __post_init__(self) -> None:
        if not 0 < self.bound <= 1 or not 0 < self.step < math.inf or self.steps < 1:
            raise InputError(
                f"bound={self.bound}, step={self.step}, steps={self.steps}: "
                "give (0, 1], above 0, and 1 or more"
            )
        weights = self.adversarial, self.shared, self.clean, self.unlearned
        if not all(0 <= weight < math.inf for weight in weights):
            raise InputError(
                f"weights (adversarial, shared, clean, unlearned) {weights}: give >= 0"
            )

    def repair(
        self, case: Case, generator: torch.Generator, progress: Progress = silent
    ) -> Repaired:
        """Fine-tune on the holdout and on what both models are fooled by.

        Raises:
            InputError: no holdout.
        """
        holdout = holdout_of(case, "SAU")
        model, reference = trainable_copy(case.model), trainable_copy(case.model)
        lesson = TrainingTask(
            holdout.pixels,
            holdout.labels,
            self.training,
            objective=self._objective(reference.requires_grad_(False)),
            phase="unlearning",
        )
        fit(model, lesson, generator, progress=progress)
        return Repaired(model=model)

    def _objective(self, reference: nn.Module) -> Objective:
        def objective(model: nn.Module, images: Images, labels: Labels) -> Tensor:
            model.eval()  # batch norm keeps its statistics
            moved = images + self.perturbation(model, reference, images, labels)
            logits, said = model(torch.cat([images, moved])).float().chunk(2)
            with torch.no_grad():
                plain, wrong = reference(torch.cat([images, moved])).argmax(1).chunk(2)
            fooled = (wrong != labels) & (wrong != plain)
            loss = F.cross_entropy(logits, labels, reduction="none")
            risk: Tensor = fooled * belief(said, wrong)
            return self.clean * loss + self.unlearned * risk

        return objective

    def perturbation(
        self, model: nn.Module, reference: nn.Module, images: Images, labels: Labels
    ) -> Images:
        """By PGD, what makes both models err alike; it may leave [0, 1]."""
        shift = torch.full_like(images, self.bound)
        with frozen(model):
            both = model, reference
            with torch.no_grad():
                plain = torch.stack([one(images).argmax(1) for one in both])
            for _ in range(self.steps):
                shift.requires_grad_()
                said = torch.stack([one(images + shift).float() for one in both])
                called = said.detach().argmax(2)
                fooled = called != plain
                alike = fooled.all(0) & (called[0] == called[1])
                if bool(alike.all()):
                    break
                hold = torch.stack([F.cross_entropy(one, labels, reduction="none") for one in said])
                loss = self.shared * (~alike * divergence(*said)).mean()
                loss = loss - self.adversarial * (~fooled * hold).mean()
                (slope,) = torch.autograd.grad(loss, shift)
                shift = (shift.detach() - self.step * slope.sign()).clamp(-self.bound, self.bound)
        return shift.detach()


def divergence(first: Logits, second: Logits) -> PerImage:
    """Jensen-Shannon divergence of two models' probabilities, in nats."""
    p, q = first.log_softmax(1), second.log_softmax(1)
    middle = torch.logaddexp(p, q) - math.log(2)
    return (p.exp() * (p - middle) + q.exp() * (q - middle)).sum(1) / 2


def belief(logits: Logits, label: Labels) -> PerImage:
    """-log(1 - p) of the probability p of each image's `label`."""
    others = logits.scatter(1, label[:, None], -torch.inf).logsumexp(1)
    return logits.logsumexp(1) - others
