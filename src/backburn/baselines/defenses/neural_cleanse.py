"""Neural Cleanse: a class that a small patch leads to is backdoored; the patch is unlearned."""

from dataclasses import dataclass, field

import numpy as np
import torch
from scipy.stats import median_abs_deviation
from torch import Tensor

from ...errors import InputError
from ...interfaces import Defense, Given
from ...models.inference import predict
from ...training import BatchTransform, Training, TrainingTask, fit
from ...types import Case, PerImage, Progress, Repaired, silent
from ..inputs import holdout_of, trainable_copy
from .inversion import Inversion
from .patches import Patches


def _unlearning() -> Training:
    return Training(100, 256, 0.01, warmup=0)


@dataclass(frozen=True)
class NeuralCleanse(Defense):
    """Trigger inversion for every class; what is abnormally small is a trigger, and unlearned.

    Where no class is abnormal, the model is returned as it was.

    Args:
        abnormal: the anomaly index from which on a class is taken to be backdoored.
        stamped: share of each batch that carries the inverted trigger, with its true label.
        inversion: of the triggers.
        training: the fine-tuning on the holdout that unlearns them.
    Source: Wang et al., Neural Cleanse, S&P 2019, with unlearning; the fine-tuning as in
    BackdoorBench, longer on half as many images than the paper's one epoch on 10 % of the training
    set. Departures: where several classes are abnormal, each stamped image gets the trigger of one
    of them; a class whose trigger never reaches the success wanted is not abnormal.
    """

    given = Given(training="none", holdout=0.05)

    abnormal: float = 2.0
    stamped: float = 0.2
    inversion: Inversion = field(default_factory=Inversion)
    training: Training = field(default_factory=_unlearning)

    def __post_init__(self) -> None:
        if not self.abnormal > 0 or not 0 < self.stamped <= 1:
            raise InputError(
                f"abnormal={self.abnormal}, stamped={self.stamped}: give above 0, and (0, 1]"
            )

    def repair(
        self, case: Case, generator: torch.Generator, progress: Progress = silent
    ) -> Repaired:
        """Invert a trigger for each class, and unlearn those that are abnormal.

        Raises:
            InputError: no holdout.
        """
        holdout = holdout_of(case, "Neural Cleanse")
        model = trainable_copy(case.model)
        classes = predict(model, holdout.pixels[:1]).shape[1]
        patches = self.inversion.patches(model, holdout.pixels, classes, generator, progress)
        abnormal = patches.found & (anomaly_index(patches.norm) > self.abnormal)
        targets = abnormal.nonzero().flatten()
        if len(targets):
            lesson = TrainingTask(
                holdout.pixels,
                holdout.labels,
                self.training,
                batch_transform=stamping(patches, targets, self.stamped, generator),
                phase="unlearning",
            )
            fit(model, lesson, generator, progress=progress)
        return Repaired(model=model)


def anomaly_index(norm: PerImage) -> PerImage:
    """How many robust standard deviations each norm lies below the median of them all."""
    values = norm.double().numpy()
    scale = max(float(median_abs_deviation(values, scale="normal")), 1e-12)
    return torch.from_numpy((np.median(values) - values) / scale)


def stamping(
    patches: Patches, targets: Tensor, share: float, generator: torch.Generator
) -> BatchTransform:
    """Puts an inverted trigger on a share of each batch, and leaves the labels as they are."""

    def stamp(pixels: Tensor, labels: Tensor, _rows: Tensor) -> tuple[Tensor, Tensor]:
        chosen = torch.randperm(len(pixels), generator=generator)[: round(share * len(pixels))]
        drawn = torch.randint(len(targets), (len(chosen),), generator=generator)
        chosen = chosen.to(pixels.device)
        pixels[chosen] = patches.stamped(pixels[chosen], targets[drawn].to(pixels.device))
        return pixels, labels

    return stamp
