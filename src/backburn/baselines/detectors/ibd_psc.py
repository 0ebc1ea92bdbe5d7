"""IBD-PSC: poison keeps its confidence when batch-norm layers are amplified."""

import copy
import math
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor, nn

from ...errors import InputError
from ...interfaces import Detector, Inputs
from ...models.inference import predict
from ...results import Evidence
from ...types import Case, Images, LabeledImages, Progress, no_progress
from ..input_checks import require_holdout, require_training_set
from ..rank_evidence import evidence_by_rank
from .altered_images import measure_images


@dataclass(frozen=True)
class IBDPSC(Detector):
    """Parameter-oriented scaling consistency: amplified models still recognize poison.

    The last `k` batch-norm layers, in the order of the model's modules, have their weights and
    biases amplified. `k` is the first number at which most clean images are misclassified. The
    statistic is the mean confidence in the original prediction, over models with `k`, `k + 1`, ...
    amplified layers.

    Args:
        factor: `omega`, by which weights and biases are multiplied.
        models: `n`, the number of amplified models.
        error: `xi`, the share of misclassified clean images that `k` must exceed.
        threshold: images with a higher mean confidence are flagged.
    Source: Hou et al., IBD-PSC, ICML 2024, arXiv 2405.09786; omega 1.5, n 5, xi 0.6, threshold 0.9.
    Departures: if there are not enough layers for `n` models, there are fewer models. If the error
    is not exceeded with all layers amplified, only that model is used.
    """

    factor: float = 1.5
    models: int = 5
    error: float = 0.6
    threshold: float = 0.9
    inputs: ClassVar[Inputs] = Inputs(holdout=0.05)

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
        self, case: Case, generator: torch.Generator, progress: Progress = no_progress
    ) -> Evidence:
        clean, images = require_holdout(case, "IBD-PSC"), require_training_set(case, "IBD-PSC")
        last = len(batch_norm_layers(case.model))
        if not last:
            raise InputError("IBD-PSC amplifies batch norm: give a model that has it, with weights")
        first = self._first_count(case.model, clean, last)
        counts = range(first, min(first + self.models, last + 1))
        scaled_models = [amplify(case.model, count, self.factor) for count in counts]

        def measure(images: Images) -> Tensor:
            predictions = case.model(images).argmax(1, keepdim=True)
            confidences = [
                scaled(images).float().softmax(1).gather(1, predictions) for scaled in scaled_models
            ]
            return torch.cat(confidences, 1).mean(1)

        confidence = measure_images(
            case.model, images.pixels, measure, "amplified models", progress
        )
        return evidence_by_rank(confidence, confidence > self.threshold)

    def _first_count(self, model: nn.Module, clean: LabeledImages, last: int) -> int:
        """The smallest number of amplified layers whose error on clean images is large enough."""
        for count in range(1, last):
            predictions = predict(amplify(model, count, self.factor), clean.pixels).argmax(1)
            if float((predictions != clean.labels.cpu()).float().mean()) > self.error:
                return count
        return last


def batch_norm_layers(model: nn.Module) -> list[nn.Module]:
    """The batch-norm layers with weights, in the order of the model's modules."""
    norm = nn.modules.batchnorm._BatchNorm
    return [layer for layer in model.modules() if isinstance(layer, norm) and layer.affine]


def amplify(model: nn.Module, count: int, factor: float) -> nn.Module:
    """A frozen copy with weights and biases of its last `count` batch-norm layers scaled."""
    scaled = copy.deepcopy(model).eval().requires_grad_(False)
    for layer in batch_norm_layers(scaled)[-count:]:
        for parameter in layer.parameters(recurse=False):
            parameter.mul_(factor)
    return scaled
