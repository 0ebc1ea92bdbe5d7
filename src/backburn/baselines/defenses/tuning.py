"""Fine-tuning on clean images: what FT is, and what others do after or along with it."""

import torch
from torch import nn

from ...interfaces import Given
from ...training import Objective, Training, TrainingTask, fit
from ...training.adaptation import suited
from ...types import Case, LabeledImages, Progress

FEW_CLEAN = Given("none", 0.05)
"""What BackdoorBench hands to a defence after the training: 5 % of it, known to be clean."""


def fine_tuning(weight_decay: float = 5e-4) -> Training:
    """BackdoorBench's fine-tuning: 100 epochs from 0.01 along a cosine, batches of 256."""
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
    """Train `model` in place on the holdout; mirrored too, where the case's model allows it."""
    training = suited(training, Case(case.model, holdout))
    lesson = TrainingTask(
        holdout.pixels, holdout.labels, training, objective=objective, phase=phase
    )
    fit(model, lesson, generator, progress=progress)
