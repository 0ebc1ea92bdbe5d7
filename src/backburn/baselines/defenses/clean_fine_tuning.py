"""Fine-tuning on clean images, which several defenses share."""

import torch
from torch import nn

from ...interfaces import Inputs
from ...training import Objective, Training, TrainingTask, fit
from ...training.adapt_settings import adapt_augmentation
from ...types import Case, LabeledImages, Progress

FIVE_PERCENT_CLEAN = Inputs("none", 0.05)
"""What BackdoorBench gives a defense: clean images, 5 % of the training set."""


def fine_tuning_settings(weight_decay: float = 5e-4) -> Training:
    """The fine-tuning of BackdoorBench: 100 epochs along a cosine from 0.01, batches of 256."""
    return Training(
        epochs=100, batch_size=256, learning_rate=0.01, weight_decay=weight_decay, warmup=0.0
    )


def fine_tune(
    model: nn.Module,
    case: Case,
    holdout: LabeledImages,
    training: Training,
    generator: torch.Generator,
    *,
    objective: Objective | None = None,
    phase: str = "fine-tuning",
    progress: Progress,
) -> None:
    """Train `model` in place on the holdout, mirrored if the case's model is invariant to it."""
    training = adapt_augmentation(training, Case(case.model, holdout))
    task = TrainingTask(holdout.pixels, holdout.labels, training, objective=objective, phase=phase)
    fit(model, task, generator, progress=progress)
