"""Neural Cleanse: an abnormally small inverted trigger is a backdoor, and is unlearned."""

from dataclasses import dataclass, field

import numpy as np
import torch
from scipy.stats import median_abs_deviation
from torch import Tensor

from ...errors import InputError
from ...interfaces import Defense, Inputs
from ...models.inference import predict
from ...results import Repaired
from ...training import BatchTransform, Training, TrainingTask, fit
from ...types import Case, PerImage, Progress, no_progress
from ..input_checks import require_holdout, trainable_copy
from .inversion import TriggerInversion
from .inverted_triggers import InvertedTriggers


def _unlearning() -> Training:
    return Training(100, 256, 0.01, warmup=0)


@dataclass(frozen=True)
class NeuralCleanse(Defense):
    """Invert a trigger for every class, and unlearn the abnormally small ones.

    If no class is abnormal, the model is returned unchanged.

    Args:
        abnormal: a class with an anomaly index above it is taken to be backdoored.
        stamped: share of each batch that gets an inverted trigger and keeps its true label.
        inversion: the trigger inversion.
        training: the fine-tuning on the holdout that unlearns the triggers.
    Source: Wang et al., Neural Cleanse, S&P 2019, with unlearning. The fine-tuning is that of
    BackdoorBench. It is longer, on half as many images, than the paper's one epoch on 10 % of the
    training set. Departures: if several classes are abnormal, each image gets the trigger of one
    of them. A class whose trigger never reaches the required success is not abnormal.
    """

    inputs = Inputs(training="none", holdout=0.05)

    abnormal: float = 2.0
    stamped: float = 0.2
    inversion: TriggerInversion = field(default_factory=TriggerInversion)
    training: Training = field(default_factory=_unlearning)

    def __post_init__(self) -> None:
        if not self.abnormal > 0 or not 0 < self.stamped <= 1:
            raise InputError(
                f"abnormal={self.abnormal}, stamped={self.stamped}: give above 0, and (0, 1]"
            )

    def repair(
        self, case: Case, generator: torch.Generator, progress: Progress = no_progress
    ) -> Repaired:
        """Invert a trigger for each class, and unlearn those that are abnormal.

        Raises:
            InputError: there is no holdout.
        """
        holdout = require_holdout(case, "Neural Cleanse")
        model = trainable_copy(case.model)
        classes = predict(model, holdout.pixels[:1]).shape[1]
        triggers = self.inversion.invert(model, holdout.pixels, classes, generator, progress)
        abnormal = triggers.works & (anomaly_index(triggers.norm) > self.abnormal)
        targets = abnormal.nonzero().flatten()
        if len(targets):
            task = TrainingTask(
                holdout.pixels,
                holdout.labels,
                self.training,
                batch_transform=trigger_transform(triggers, targets, self.stamped, generator),
                phase="unlearning",
            )
            fit(model, task, generator, progress=progress)
        return Repaired(model=model)


def anomaly_index(norm: PerImage) -> PerImage:
    """Number of robust standard deviations that each norm lies below their median."""
    values = norm.double().numpy()
    scale = max(float(median_abs_deviation(values, scale="normal")), 1e-12)
    return torch.from_numpy((np.median(values) - values) / scale)


def trigger_transform(
    triggers: InvertedTriggers, targets: Tensor, share: float, generator: torch.Generator
) -> BatchTransform:
    """A transform that puts a random target's trigger on a share of each batch; labels stay."""

    def transform(pixels: Tensor, labels: Tensor, _rows: Tensor) -> tuple[Tensor, Tensor]:
        chosen = torch.randperm(len(pixels), generator=generator)[: round(share * len(pixels))]
        drawn = torch.randint(len(targets), (len(chosen),), generator=generator)
        chosen = chosen.to(pixels.device)
        pixels[chosen] = triggers.apply(pixels[chosen], targets[drawn].to(pixels.device))
        return pixels, labels

    return transform
