"""SAU: adversarial examples shared by the repaired and the backdoored model are unlearned."""

import math
from dataclasses import dataclass, field

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ...errors import InputError
from ...interfaces import Defense, Inputs
from ...models.inference import frozen
from ...results import Repaired
from ...training import Objective, Training, TrainingTask, fit
from ...types import Case, Images, Labels, Logits, PerImage, Progress, no_progress
from ..input_checks import require_holdout, trainable_copy
from .unlearning import FLIP_ONLY


def _unlearning() -> Training:
    return Training(
        100, 256, 1e-4, weight_decay=0, warmup=0, optimizer="adam", augmentation=FLIP_ONLY
    )


@dataclass(frozen=True)
class SAU(Defense):
    """Shared adversarial unlearning: fine-tune on adversarial examples shared by both models.

    Poisoned images are adversarial examples of the backdoored model. For each batch, PGD looks for
    examples that both models misclassify alike. Training then lowers the probability of the class
    that the backdoored model predicts for them.

    Args:
        bound: largest perturbation of a pixel.
        step: step size of PGD.
        steps: number of steps of PGD.
        adversarial: weight of fooling either model in PGD.
        shared: weight of the two models agreeing in PGD.
        clean: weight of the clean loss.
        unlearned: weight of the shared adversarial risk.
        training: the training of the repaired model.
    Source: Wei et al., Shared adversarial unlearning, NeurIPS 2023, arXiv 2307.10562. As in the
    authors' code in BackdoorBench, batch norm keeps its statistics; the optimizer is theirs, too.
    Departure: log(1 - p) is computed from the logits, where their code clamps probabilities.
    """

    inputs = Inputs(training="none", holdout=0.05)

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
        self, case: Case, generator: torch.Generator, progress: Progress = no_progress
    ) -> Repaired:
        """Fine-tune on the holdout and on shared adversarial examples of it.

        Raises:
            InputError: there is no holdout.
        """
        holdout = require_holdout(case, "SAU")
        model, reference = trainable_copy(case.model), trainable_copy(case.model)
        task = TrainingTask(
            holdout.pixels,
            holdout.labels,
            self.training,
            objective=self._objective(reference.requires_grad_(False)),
            phase="unlearning",
        )
        fit(model, task, generator, progress=progress)
        return Repaired(model=model)

    def _objective(self, reference: nn.Module) -> Objective:
        def objective(model: nn.Module, images: Images, labels: Labels) -> Tensor:
            model.eval()  # batch norm keeps its statistics
            adversarial = images + self.perturbation(model, reference, images, labels)
            both = torch.cat([images, adversarial])
            logits, adversarial_logits = model(both).float().chunk(2)
            with torch.no_grad():
                plain, wrong = reference(both).argmax(1).chunk(2)
            fooled = (wrong != labels) & (wrong != plain)
            loss = F.cross_entropy(logits, labels, reduction="none")
            risk: Tensor = fooled * negative_log_complement(adversarial_logits, wrong)
            return self.clean * loss + self.unlearned * risk

        return objective

    def perturbation(
        self, model: nn.Module, reference: nn.Module, images: Images, labels: Labels
    ) -> Images:
        """Find by PGD what makes both models err alike; perturbed images may leave [0, 1]."""
        shift = torch.full_like(images, self.bound)
        with frozen(model):
            models = model, reference
            with torch.no_grad():
                plain = torch.stack([network(images).argmax(1) for network in models])
            for _ in range(self.steps):
                shift.requires_grad_()
                logits = torch.stack([network(images + shift).float() for network in models])
                predictions = logits.detach().argmax(2)
                fooled = predictions != plain
                shared = fooled.all(0) & (predictions[0] == predictions[1])
                if bool(shared.all()):
                    break
                entropy = torch.stack(
                    [F.cross_entropy(part, labels, reduction="none") for part in logits]
                )
                loss = self.shared * (~shared * jensen_shannon(*logits)).mean()
                loss = loss - self.adversarial * (~fooled * entropy).mean()
                (gradient,) = torch.autograd.grad(loss, shift)
                shift = (shift.detach() - self.step * gradient.sign()).clamp(
                    -self.bound, self.bound
                )
        return shift.detach()


def jensen_shannon(first: Logits, second: Logits) -> PerImage:
    """Jensen-Shannon divergence of two models' probabilities, in nats."""
    p, q = first.log_softmax(1), second.log_softmax(1)
    middle = torch.logaddexp(p, q) - math.log(2)
    return (p.exp() * (p - middle) + q.exp() * (q - middle)).sum(1) / 2


def negative_log_complement(logits: Logits, label: Labels) -> PerImage:
    """-log(1 - p) for the probability p of each image's `label`."""
    others = logits.scatter(1, label[:, None], -torch.inf).logsumexp(1)
    return logits.logsumexp(1) - others
