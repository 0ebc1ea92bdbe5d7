"""Anti-Backdoor Learning: what is learned too quickly is isolated, and unlearned."""

import math
from dataclasses import dataclass, field
from functools import partial

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ...errors import InputError
from ...interfaces import Defense
from ...models.inference import predict
from ...training import Objective, Training, TrainingTask, fit
from ...training.adaptation import suited
from ...types import Case, Images, Labels, Progress, Repaired, silent
from ..inputs import training_set_of, untrained_copy
from ..outliers import highest
from ..scores import evidence_by_rank
from .unlearning import PLAIN, ascent, cross_entropy, suspected


def _isolation() -> Training:
    return Training(20, 64, weight_decay=1e-4, warmup=0, augmentation=PLAIN)


def _recovery() -> Training:
    return Training(60, 64, weight_decay=1e-4, warmup=0)


def _unlearning() -> Training:
    return Training(20, 64, 5e-4, weight_decay=1e-4, warmup=0, augmentation=PLAIN)


@dataclass(frozen=True)
class ABL(Defense):
    """A model trained from scratch, whose most quickly learned images are unlearned.

    A loss that is not let fall below `gamma` keeps poison, which is learned faster, apart from
    clean images. Those of lowest loss are isolated, the others trained on, and the isolated ones
    unlearned by gradient ascent.

    Args:
        gamma: a batch whose mean loss is below it is ascended.
        isolation_rate: share of the training set that is isolated.
        isolation: the training from scratch, before images are isolated.
        recovery: the training on the images that were not isolated.
        unlearning: the gradient ascent on those that were.
    Source: Li et al., Anti-backdoor learning, NeurIPS 2021, arXiv 2110.11571; the sign of a
    batch's mean loss, the epochs of recovery and the rate of unlearning as in the authors' code
    and BackdoorBench. Departures: each phase's learning rate falls along a cosine, not at set
    epochs; weight decay leaves out biases and batch norm; mirror images only where the case's
    model takes them for the same; no Cutout. Of the case's model only the architecture is used.
    """

    gamma: float = 0.5
    isolation_rate: float = 0.01
    isolation: Training = field(default_factory=_isolation)
    recovery: Training = field(default_factory=_recovery)
    unlearning: Training = field(default_factory=_unlearning)

    def __post_init__(self) -> None:
        if not 0 < self.isolation_rate < 1 or not 0 <= self.gamma < math.inf:
            raise InputError(
                f"isolation_rate={self.isolation_rate}, gamma={self.gamma}: give (0, 1) and >= 0"
            )

    def repair(
        self, case: Case, generator: torch.Generator, progress: Progress = silent
    ) -> Repaired:
        """Isolate, recover, unlearn; what was isolated are the suspects.

        Raises:
            InputError: no training set, or fewer than two images.
        """
        images = training_set_of(case, "ABL")
        if len(images) < 2:
            raise InputError("ABL isolates images from others: give two or more")
        model = untrained_copy(case.model, generator)
        train = partial(fit, model, generator=generator, progress=progress)
        lesson = partial(TrainingTask, images.pixels, images.labels)
        train(lesson(self.isolation, objective=held_at(self.gamma), phase="isolation"))
        said = predict(model, images.pixels, phase="isolation", progress=progress)
        loss = F.cross_entropy(said, images.labels, reduction="none")
        isolated = highest(-loss, self.isolation_rate, least=1)
        others, suspects = (flags.nonzero().flatten() for flags in (~isolated, isolated))
        train(lesson(suited(self.recovery, case), rows=others, phase="recovery"))
        train(lesson(self.unlearning, rows=suspects, objective=ascent, phase="unlearning"))
        return Repaired(
            model=model,
            suspects=suspected(model, images, isolated),
            evidence=evidence_by_rank(-loss, isolated),
        )


def held_at(gamma: float) -> Objective:
    """Local gradient ascent: the loss, turned around while its mean is below `gamma`."""

    def objective(model: nn.Module, images: Images, labels: Labels) -> Tensor:
        loss = cross_entropy(model, images, labels)
        return (loss.mean().detach() - gamma).sign() * loss

    return objective
