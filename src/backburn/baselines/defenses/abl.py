"""ABL: images that are learned too quickly are isolated and unlearned."""

import math
from dataclasses import dataclass, field
from functools import partial

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ...errors import InputError
from ...interfaces import Defense
from ...models.inference import predict
from ...results import Repaired
from ...training import Objective, Training, TrainingTask, fit
from ...training.adapt_settings import adapt_augmentation
from ...types import Case, Images, Labels, Progress, no_progress
from ..flagging import flag_highest
from ..input_checks import require_training_set, untrained_copy
from ..rank_evidence import evidence_by_rank
from .unlearning import FLIP_ONLY, cross_entropy, gradient_ascent, suspects_of


def _isolation() -> Training:
    return Training(20, 64, weight_decay=1e-4, warmup=0, augmentation=FLIP_ONLY)


def _recovery() -> Training:
    return Training(60, 64, weight_decay=1e-4, warmup=0)


def _unlearning() -> Training:
    return Training(20, 64, 5e-4, weight_decay=1e-4, warmup=0, augmentation=FLIP_ONLY)


@dataclass(frozen=True)
class ABL(Defense):
    """Anti-Backdoor Learning: train from scratch, and unlearn the images learned most quickly.

    Poison is learned faster than clean images. Training holds the loss above `gamma`, which keeps
    the two apart. The images with the lowest loss are isolated. The model is then trained on the
    other images, and unlearns the isolated ones by gradient ascent.

    Args:
        gamma: the gradient is ascended for batches with a mean loss below it.
        isolation_rate: share of the training set that is isolated.
        isolation: the training from scratch, before images are isolated.
        recovery: the training on the images that were not isolated.
        unlearning: the gradient ascent on the isolated images.
    Source: Li et al., Anti-backdoor learning, NeurIPS 2021, arXiv 2110.11571. The sign by a
    batch's mean loss, the epochs of recovery and the rate of unlearning are those of the authors'
    code and BackdoorBench. Departures: the learning rate of each phase follows a cosine, not
    steps. Weight decay leaves out biases and batch norm. Images are mirrored only if the case's
    model is invariant to it. There is no Cutout. Only the architecture of the case's model is
    used.
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
        self, case: Case, generator: torch.Generator, progress: Progress = no_progress
    ) -> Repaired:
        """Isolate, recover and unlearn. The isolated images are the suspects.

        Raises:
            InputError: there is no training set, or it has fewer than two images.
        """
        images = require_training_set(case, "ABL")
        if len(images) < 2:
            raise InputError("ABL isolates images from others: give two or more")
        model = untrained_copy(case.model, generator)
        train = partial(fit, model, generator=generator, progress=progress)
        make_task = partial(TrainingTask, images.pixels, images.labels)
        train(
            make_task(
                self.isolation, objective=local_gradient_ascent(self.gamma), phase="isolation"
            )
        )
        logits = predict(model, images.pixels, phase="isolation", progress=progress)
        loss = F.cross_entropy(logits, images.labels, reduction="none")
        isolated = flag_highest(-loss, self.isolation_rate, least=1)
        others, isolated_rows = (flags.nonzero().flatten() for flags in (~isolated, isolated))
        train(make_task(adapt_augmentation(self.recovery, case), rows=others, phase="recovery"))
        train(
            make_task(
                self.unlearning, rows=isolated_rows, objective=gradient_ascent, phase="unlearning"
            )
        )
        return Repaired(
            model=model,
            suspects=suspects_of(model, images, isolated),
            evidence=evidence_by_rank(-loss, isolated),
        )


def local_gradient_ascent(gamma: float) -> Objective:
    """The objective of local gradient ascent: the loss, negated while its mean is below `gamma`."""

    def objective(model: nn.Module, images: Images, labels: Labels) -> Tensor:
        loss = cross_entropy(model, images, labels)
        return (loss.mean().detach() - gamma).sign() * loss

    return objective
