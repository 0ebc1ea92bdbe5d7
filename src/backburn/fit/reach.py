"""Is a low accuracy all that can be had of these images? A copy is fine-tuned on half of them."""

import copy
import math
from dataclasses import replace

import torch

from ..models.inference import accuracy
from ..training import Lesson, Training
from ..types import Case, Progress, Verdict, silent
from ..work.contract import HERE, Work
from .record import Fit, FitCheck

FINE_TUNING = Training(epochs=2, learning_rate=0.02, warmup=0.1)
STEPS = 300
"""Of the fine-tuning, at the least."""
SEED = 0
FEWEST = 100
"""Images that accuracies are told by."""


def earned(
    verdict: Verdict,
    fit: Fit,
    check: FitCheck,
    case: Case,
    progress: Progress = silent,
    work: Work = HERE,
) -> Verdict:
    """The verdict; clean where it was withheld for an accuracy that is all there is to be reached.

    Args:
        verdict: that of a detector that was told `fit.reason`.
        fit: of the model and the images.
    """
    withheld = verdict.state == "abstained" and verdict.reason == fit.reason
    if not (withheld and fit.low) or len(case.images) < FEWEST:
        return verdict
    before, after = reached(case, progress, work)
    if after - before > check.reach:
        line = (
            f"{fit.reason} Fine-tuned on half of them, it calls {100 * after:.1f} % of the others"
        )
        return replace(verdict, reason=f"{line} by their label ({100 * before:.1f} % before)")
    return replace(verdict, state="clean", reason="")


def reached(case: Case, progress: Progress = silent, work: Work = HERE) -> tuple[float, float]:
    """Accuracy on every second image, before and after a copy is fine-tuned on the others."""
    images, rows = case.images, torch.arange(len(case.images))
    shuffled = rows[torch.randperm(len(rows), generator=torch.Generator().manual_seed(SEED))]
    shown, asked = shuffled[::2].sort().values, images.take(shuffled[1::2].sort().values)
    steps = math.ceil(len(shown) / FINE_TUNING.batch_size)
    training = replace(FINE_TUNING, epochs=max(FINE_TUNING.epochs, math.ceil(STEPS / steps)))
    model = copy.deepcopy(case.model).requires_grad_(True)
    lesson = Lesson(images.pixels, images.labels, training, shown, phase="fit")
    work.fit(model, lesson, torch.Generator().manual_seed(SEED), progress=progress)
    return accuracy(case.model, asked), accuracy(model, asked)
