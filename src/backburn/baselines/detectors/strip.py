"""STRIP: poison keeps its prediction when clean images are added."""

import math
from dataclasses import dataclass
from typing import ClassVar

import torch
from scipy.stats import norm
from torch import Tensor, nn

from ...errors import InputError
from ...interfaces import Detector, Inputs
from ...models.inference import as_images
from ...results import Evidence
from ...types import Case, Images, PerImage, Pixels, Progress, no_progress
from ..input_checks import require_holdout, require_training_set
from ..rank_evidence import evidence_by_rank
from .altered_images import measure_images


@dataclass(frozen=True)
class STRIP(Detector):
    """Superimpose clean images: a trigger still decides the prediction.

    The statistic is the mean entropy of the predictions, which is low for poison. The threshold is
    the quantile of a normal distribution fitted to the entropies of clean images.

    Args:
        superpositions: `N`, the number of clean images added to each image, one at a time.
        false_rejection: share of clean images below the threshold.
    Source: Gao et al., STRIP, ACSAC 2019, arXiv 1902.06531; N 100 and 1 % as in the paper. Sums
    are clipped at white, as in the authors' code.
    Departure: none.
    """

    superpositions: int = 100
    false_rejection: float = 0.01
    inputs: ClassVar[Inputs] = Inputs(holdout=0.05)

    def __post_init__(self) -> None:
        if self.superpositions < 1:
            raise InputError(f"superpositions is {self.superpositions}: give 1 or more")
        if not 0 < self.false_rejection < 1:
            raise InputError(f"false_rejection is {self.false_rejection}: give a share in (0, 1)")

    def examine(
        self, case: Case, generator: torch.Generator, progress: Progress = no_progress
    ) -> Evidence:
        clean, images = (
            require_holdout(case, "STRIP").pixels,
            require_training_set(case, "STRIP").pixels,
        )
        clean_entropies, entropies = (
            self._entropies(case.model, pixels, clean, generator, progress)
            for pixels in (clean, images)
        )
        mean, spread = float(clean_entropies.mean()), float(clean_entropies.std(correction=0))
        threshold = norm.ppf(self.false_rejection, mean, max(spread, 1e-12))
        return evidence_by_rank(-entropies, entropies < threshold)

    def _entropies(
        self,
        model: nn.Module,
        pixels: Pixels,
        clean: Tensor,
        generator: torch.Generator,
        progress: Progress,
    ) -> PerImage:
        """The mean entropy, in bits, of the predictions on each image plus clean images."""

        def measure(images: Images) -> Tensor:
            total = torch.zeros(len(images), device=images.device)
            for _ in range(self.superpositions):
                rows = torch.randint(len(clean), (len(images),), generator=generator)
                added = as_images(clean[rows.to(clean.device)], images.device)
                total += entropy(model((images + added).clamp(max=1)))
            return total / self.superpositions

        return measure_images(model, pixels, measure, "superpositions", progress)


def entropy(logits: Tensor) -> Tensor:
    """The entropy of each row's softmax, in bits.

    >>> entropy(torch.zeros(1, 4)).tolist()
    [2.0]
    """
    nats: Tensor = torch.special.entr(logits.float().softmax(1)).sum(1)
    return nats / math.log(2)
