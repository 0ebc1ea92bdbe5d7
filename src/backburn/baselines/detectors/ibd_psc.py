"""IBD-PSC: whether a confidence outlives amplified layers."""

import copy
import math
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor, nn

from ...errors import InputError
from ...interfaces import Detector, Given
from ...models.inference import predict
from ...types import Case, Evidence, Images, LabeledImages, Progress, silent
from ..inputs import holdout_of, training_set_of
from ..scores import evidence_by_rank
from .asking import measured


@dataclass(frozen=True)
class IBDPSC(Detector):
    """Parameter-oriented scaling consistency: models with amplified batch norm still know poison.

    The last `k` batch-norm layers, in the order in which the model names them, have their weights
    and biases amplified; `k` is the first number at which clean images are mostly called wrong.
    The statistic is the mean confidence, over models of `k`, `k + 1`, ... amplified layers, in what
    the original model calls the image.

    Args:
        factor: `omega`, of weights and biases.
        models: `n`, amplified models.
        error: `xi`, the share of clean images called wrong that `k` must exceed.
        threshold: images of a mean confidence above it are flagged.
    Source: Hou et al., IBD-PSC, ICML 2024, arXiv 2405.09786; omega 1.5, n 5, xi 0.6, threshold 0.9.
    Departures: where the layers run out before `n` models are made, there are fewer; where the
    error is not exceeded with all layers amplified, that one model is asked.
    """

    factor: float = 1.5
    models: int = 5
    error: float = 0.6
    threshold: float = 0.9
    given: ClassVar[Given] = Given(holdout=0.05)

    def __post_init__(self) -> None:
        if not 0 < self.factor < math.inf:
            raise InputError(f"factor is {self.factor}: give a number above 0")
        if self.models < 1:
            raise InputError(f"models is {self.models}: give 1 or more")
        if not 0 <= self.error < 1 or not 0 <= self.threshold <= 1:
            raise InputError(
                f"error={self.error}, threshold={self.threshold}: give [0, 1) and [0, 1]"
            )

    def examine(
        self, case: Case, generator: torch.Generator, progress: Progress = silent
    ) -> Evidence:
        clean, images = holdout_of(case, "IBD-PSC"), training_set_of(case, "IBD-PSC")
        last = len(norms(case.model))
        if not last:
            raise InputError("IBD-PSC amplifies batch norm: give a model that has it, with weights")
        first = self._first(case.model, clean, last)
        counts = range(first, min(first + self.models, last + 1))
        others = [amplified(case.model, count, self.factor) for count in counts]

        def measure(images: Images) -> Tensor:
            said = case.model(images).argmax(1, keepdim=True)
            trust = [other(images).float().softmax(1).gather(1, said) for other in others]
            return torch.cat(trust, 1).mean(1)

        found = measured(case.model, images.pixels, measure, "amplified models", progress)
        return evidence_by_rank(found, found > self.threshold)

    def _first(self, model: nn.Module, clean: LabeledImages, last: int) -> int:
        """The fewest amplified layers at which clean images are called wrong often enough."""
        for count in range(1, last):
            said = predict(amplified(model, count, self.factor), clean.pixels).argmax(1)
            if float((said != clean.labels.cpu()).float().mean()) > self.error:
                return count
        return last


def norms(model: nn.Module) -> list[nn.Module]:
    """The batch-norm layers that have weights, in the order in which the model names them."""
    kind = nn.modules.batchnorm._BatchNorm
    return [part for part in model.modules() if isinstance(part, kind) and part.affine]


def amplified(model: nn.Module, count: int, factor: float) -> nn.Module:
    """A frozen copy whose last `count` batch-norm layers have weights and biases times `factor`."""
    louder = copy.deepcopy(model).eval().requires_grad_(False)
    for layer in norms(louder)[-count:]:
        for parameter in layer.parameters(recurse=False):
            parameter.mul_(factor)
    return louder
