"""AGPD: the directions of a class's activation gradients, which a backdoor spreads."""

import math
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor, nn

from ...errors import InputError
from ...interfaces import Detector, Given
from ...models.inference import predict
from ...types import Case, Evidence, LabeledImages, Progress, silent
from ..inputs import holdout_of, training_set_of
from ..scores import evidence_by_rank
from .activation_gradients import activation_gradients
from .gradient_circles import cosine, dispersed, joining, settled, standing_out


@dataclass(frozen=True)
class AGPD(Detector):
    """Activation gradient based poisoned sample detection.

    Of each convolution, the gradients of the images' own logits by its output; of each class, how
    far they spread around their circle, from the mean gradient of a few clean images to the one
    that is least like it. Classes that spread more than others by their median absolute deviation
    are targets, by the layer where one stands out most; failing that, those that spread far in a
    late layer. In a target class, images closest to the poison found so far join it, round by
    round, until the distribution of what is left no longer changes.

    Args:
        clean_per_class: images of the holdout that the clean gradient is the mean of.
        threshold: deviation from the median, in normal standard deviations, of a target class.
        dispersion: spread of a target class in a late layer, where no class stands out.
        step: `tau`, how close to the poison, in the range of a round, an image joins it.
        window: rounds in which the change must be small and steady; `steadiness`: how much its
            standard deviation counts beside its mean.
    Source: Yuan et al., arXiv 2312.06230; all defaults from the authors' code in BackdoorBench,
    where the target threshold is e^2.
    Departures: the first convolution and those of shortcuts are looked at as well; clean images
    that the model calls wrong count where it calls none of their class right; with fewer rounds
    than the window, the window is as short; a class of fewer than three images is left out. The
    score is ours: in a target class the order of joining, below it in the others the distance
    from the clean gradient.
    """

    clean_per_class: int = 10
    threshold: float = math.exp(2)
    dispersion: float = 0.3
    step: float = 0.05
    window: int = 10
    steadiness: float = 5.0
    given: ClassVar[Given] = Given(holdout=0.05)

    def __post_init__(self) -> None:
        if min(self.clean_per_class, self.window) < 1:
            raise InputError(
                f"clean_per_class={self.clean_per_class}, window={self.window}: give 1 or more"
            )
        if not 0 <= self.step < 1:
            raise InputError(f"step is {self.step}: give a number in [0, 1)")
        positive = (self.threshold, self.dispersion, self.steadiness)
        if not all(0 <= number < math.inf for number in positive):
            raise InputError(
                f"threshold={self.threshold}, dispersion={self.dispersion}, "
                f"steadiness={self.steadiness}: give 0 or more"
            )

    def examine(
        self, case: Case, generator: torch.Generator, progress: Progress = silent
    ) -> Evidence:
        clean, images = holdout_of(case, "AGPD"), training_set_of(case, "AGPD")
        groups = _classes(images)
        bases = [self._basis(case.model, clean, label, generator) for label in groups]
        spread = torch.zeros(len(bases[0]), len(groups))
        near = torch.zeros(len(bases[0]), len(images))
        for number, (rows, basis) in enumerate(zip(groups.values(), bases, strict=True)):
            for layer, found in enumerate(_gradients(case.model, images, rows, progress)):
                near[layer, rows] = cosine(found, basis[layer])
                spread[layer, number] = dispersed(found, basis[layer])
        layer, targets = standing_out(spread, self.threshold, self.dispersion)
        statistic, flagged = -(1 + near[layer]) / 2, torch.zeros(len(images), dtype=torch.bool)
        for number in targets:
            rows = list(groups.values())[number]
            found = _gradients(case.model, images, rows, progress)[layer]
            statistic[rows], flagged[rows] = self._filtered(found, bases[number][layer])
        return evidence_by_rank(statistic, flagged)

    def _filtered(self, found: Tensor, basis: Tensor) -> tuple[Tensor, Tensor]:
        """How early each image of a target class joins the poison, and whether it is flagged."""
        joined, changes = joining(found, basis, self.step)
        end = settled(changes, self.window, self.steadiness)
        return 1 - joined / (1 + joined.max()), joined < end

    def _basis(
        self, model: nn.Module, clean: LabeledImages, label: int, generator: torch.Generator
    ) -> list[Tensor]:
        """The mean gradient, in each layer, of a few clean images of a class."""
        rows = (clean.labels.cpu() == label).nonzero().flatten()
        if not len(rows):
            raise InputError(f"AGPD has no clean image of class {label}: give one in the holdout")
        right = predict(model, clean.take(rows).pixels).argmax(1) == label
        rows = rows[right] if bool(right.any()) else rows
        rows = rows[torch.randperm(len(rows), generator=generator)[: self.clean_per_class]]
        means = [found.mean(0) for found in _gradients(model, clean, rows, silent)]
        if not means:
            raise InputError("AGPD watches convolutions: give a model that has them")
        return means


def _classes(images: LabeledImages) -> dict[int, Tensor]:
    """The rows of each class that can be looked at."""
    labels = images.labels.cpu()
    groups = {label: (labels == label).nonzero().flatten() for label in range(images.class_count)}
    groups = {label: rows for label, rows in groups.items() if len(rows) > 2}
    if not groups:
        raise InputError("AGPD compares classes: give three images of one at the least")
    return groups


def _gradients(
    model: nn.Module, images: LabeledImages, rows: Tensor, progress: Progress
) -> list[Tensor]:
    part = images.take(rows)
    return activation_gradients(model, part.pixels, part.labels, progress)
