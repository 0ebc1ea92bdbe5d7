"""AGPD: a backdoor spreads the directions of the activation gradients of its target class."""

import math
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor, nn

from ...errors import InputError
from ...interfaces import Detector, Inputs
from ...models.inference import device_of, forward_hooks, frozen, iter_batches, predict
from ...results import Evidence
from ...types import Case, LabeledImages, Labels, Pixels, Progress, no_progress
from ..input_checks import require_holdout, require_training_set
from ..rank_evidence import evidence_by_rank
from .gradient_circles import cosine, dispersion_of, joining_rounds, stopping_round, target_classes

BATCH = 128


@dataclass(frozen=True)
class AGPD(Detector):
    """Activation gradient based poisoned sample detection.

    It uses the gradients of each image's own logit with respect to the output of each convolution.
    In a class they spread around a circle, from the mean gradient of a few clean images to the
    gradient least like it.

    Target classes spread more than others, measured by the median absolute deviation in the layer
    where one class stands out most. If none does, they are the classes with a large spread in a
    late layer. In a target class, the images closest to the poison found so far join it, round by
    round. This ends when the distribution of the remaining images no longer changes.

    Args:
        clean_per_class: number of clean images whose gradients are averaged.
        threshold: a target class deviates from the median by this number of normal standard
            deviations.
        dispersion: spread of a target class in a late layer, used if no class stands out.
        step: `tau`, how close to the poison an image joins it, relative to the range of a round.
        window: number of rounds in which the change must be small and steady.
        steadiness: weight of the standard deviation of the change, beside its mean.
    Source: Yuan et al., arXiv 2312.06230. All defaults are those of the authors' code in
    BackdoorBench, where the target threshold is e^2.
    Departures: the first convolution and those of shortcuts are used, too. Misclassified clean
    images count if the model classifies none of their class correctly. If there are fewer rounds
    than the window, the window is shortened. Classes with fewer than three images are left out.
    The score is ours. In a target class it is the order of joining. In others it is lower: the
    distance from the clean gradient.
    """

    clean_per_class: int = 10
    threshold: float = math.exp(2)
    dispersion: float = 0.3
    step: float = 0.05
    window: int = 10
    steadiness: float = 5.0
    inputs: ClassVar[Inputs] = Inputs(holdout=0.05)

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
        self, case: Case, generator: torch.Generator, progress: Progress = no_progress
    ) -> Evidence:
        clean, images = require_holdout(case, "AGPD"), require_training_set(case, "AGPD")
        groups = _rows_by_class(images)
        bases = [self._clean_gradients(case.model, clean, label, generator) for label in groups]
        spread = torch.zeros(len(bases[0]), len(groups))
        cosines = torch.zeros(len(bases[0]), len(images))
        for number, (rows, basis) in enumerate(zip(groups.values(), bases, strict=True)):
            for layer, gradients in enumerate(_gradients(case.model, images, rows, progress)):
                cosines[layer, rows] = cosine(gradients, basis[layer])
                spread[layer, number] = dispersion_of(gradients, basis[layer])
        layer, targets = target_classes(spread, self.threshold, self.dispersion)
        statistic, flagged = -(1 + cosines[layer]) / 2, torch.zeros(len(images), dtype=torch.bool)
        for number in targets:
            rows = list(groups.values())[number]
            gradients = _gradients(case.model, images, rows, progress)[layer]
            statistic[rows], flagged[rows] = self._filter_class(gradients, bases[number][layer])
        return evidence_by_rank(statistic, flagged)

    def _filter_class(self, gradients: Tensor, basis: Tensor) -> tuple[Tensor, Tensor]:
        """How early each image of a target class joins the poison, and whether it is flagged."""
        joined, changes = joining_rounds(gradients, basis, self.step)
        end = stopping_round(changes, self.window, self.steadiness)
        return 1 - joined / (1 + joined.max()), joined < end

    def _clean_gradients(
        self, model: nn.Module, clean: LabeledImages, label: int, generator: torch.Generator
    ) -> list[Tensor]:
        """The mean gradient in each layer, over a few clean images of a class."""
        rows = (clean.labels.cpu() == label).nonzero().flatten()
        if not len(rows):
            raise InputError(f"AGPD has no clean image of class {label}: give one in the holdout")
        correct = predict(model, clean.take(rows).pixels).argmax(1) == label
        rows = rows[correct] if bool(correct.any()) else rows
        rows = rows[torch.randperm(len(rows), generator=generator)[: self.clean_per_class]]
        means = [gradients.mean(0) for gradients in _gradients(model, clean, rows, no_progress)]
        if not means:
            raise InputError("AGPD watches convolutions: give a model that has them")
        return means


def _rows_by_class(images: LabeledImages) -> dict[int, Tensor]:
    """The rows of each class that has at least three images."""
    labels = images.labels.cpu()
    groups = {label: (labels == label).nonzero().flatten() for label in range(images.class_count)}
    groups = {label: rows for label, rows in groups.items() if len(rows) > 2}
    if not groups:
        raise InputError("AGPD compares classes: give three images of one at the least")
    return groups


def _gradients(
    model: nn.Module, images: LabeledImages, rows: Tensor, progress: Progress
) -> list[Tensor]:
    subset = images.take(rows)
    return activation_gradients(model, subset.pixels, subset.labels, progress)


def activation_gradients(
    model: nn.Module, pixels: Pixels, labels: Labels, progress: Progress = no_progress
) -> list[Tensor]:
    """Gradients of each label's logit with respect to the output of each convolution.

    Returns:
        A tensor `(n, c)` for each convolution, averaged over positions. They are on the CPU, in
        the order in which the convolutions run. Empty if the model has no convolution.
    """
    gradients: dict[int, Tensor] = {}
    batches: list[list[Tensor]] = []
    start, device = 0, device_of(model)
    with frozen(model), _gradient_hooks(model, gradients):
        for images in iter_batches(model, pixels, BATCH, "gradients", progress):
            gradients.clear()
            batch_labels = labels[start : start + len(images)].to(device)
            # the gradient of the images is not used, but backward to them passes all layers
            logits = model(images.requires_grad_()).gather(1, batch_labels[:, None])
            torch.autograd.grad(logits.sum(), images)
            batches.append([gradients[number].cpu() for number in sorted(gradients)])
            start += len(images)
    return [torch.cat(layer) for layer in zip(*batches, strict=True)]


@contextmanager
def _gradient_hooks(model: nn.Module, gradients: dict[int, Tensor]) -> Iterator[None]:
    """Put the gradients of the convolutions' outputs into `gradients`, in the order they run."""

    def hook(_layer: nn.Module, _inputs: object, output: Tensor) -> None:
        number = len(gradients)
        gradients[number] = output

        def keep(gradient: Tensor) -> None:
            gradients[number] = gradient.mean((2, 3))

        # on the tensor, not on the module: the next layer may work in place
        output.register_hook(keep)  # type: ignore[no-untyped-call]

    layers = [layer for layer in model.modules() if isinstance(layer, nn.Conv2d)]
    with forward_hooks(layers, hook):
        yield
