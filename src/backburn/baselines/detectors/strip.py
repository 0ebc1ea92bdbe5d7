"""STRIP: what the model says of an image under others."""

import math
from dataclasses import dataclass
from typing import ClassVar

import torch
from scipy.stats import norm
from torch import Tensor, nn

from ...errors import InputError
from ...interfaces import Detector, Given
from ...models.inference import as_images
from ...types import Case, Evidence, Images, PerImage, Pixels, Progress, silent
from ..inputs import holdout_of, training_set_of
from ..scores import evidence_by_rank
from .asking import measured


@dataclass(frozen=True)
class STRIP(Detector):
    """Add clean images to an image: a trigger decides the prediction all the same.

    The statistic is the mean entropy of the predictions, low for poison. The threshold is the
    quantile of a normal distribution fitted to the entropies of the clean images.

    Args:
        superpositions: `N`, clean images added to each image, one at a time.
        false_rejection: the share of clean images that the threshold gives away.
    Source: Gao et al., STRIP, ACSAC 2019, arXiv 1902.06531; N 100 and 1 % as in the paper. Sums
    are clipped at white, as in the authors' code.
    Departure: none.
    """

    superpositions: int = 100
    false_rejection: float = 0.01
    given: ClassVar[Given] = Given(holdout=0.05)

    def __post_init__(self) -> None:
        if self.superpositions < 1:
            raise InputError(f"superpositions is {self.superpositions}: give 1 or more")
        if not 0 < self.false_rejection < 1:
            raise InputError(f"false_rejection is {self.false_rejection}: give a share in (0, 1)")

    def examine(
        self, case: Case, generator: torch.Generator, progress: Progress = silent
    ) -> Evidence:
        clean, images = holdout_of(case, "STRIP").pixels, training_set_of(case, "STRIP").pixels
        usual, found = (
            self._entropies(case.model, pixels, clean, generator, progress)
            for pixels in (clean, images)
        )
        spread = float(usual.std(correction=0))
        threshold = norm.ppf(self.false_rejection, float(usual.mean()), max(spread, 1e-12))
        return evidence_by_rank(-found, found < threshold)

    def _entropies(
        self,
        model: nn.Module,
        pixels: Pixels,
        clean: Tensor,
        generator: torch.Generator,
        progress: Progress,
    ) -> PerImage:
        """The mean entropy, in bits, of what is said of each image under others."""

        def measure(images: Images) -> Tensor:
            total = torch.zeros(len(images), device=images.device)
            for _ in range(self.superpositions):
                drawn = torch.randint(len(clean), (len(images),), generator=generator)
                added = as_images(clean[drawn.to(clean.device)], images.device)
                total += entropy(model((images + added).clamp(max=1)))
            return total / self.superpositions

        return measured(model, pixels, measure, "superpositions", progress)


def entropy(logits: Tensor) -> Tensor:
    """The entropy of each row's softmax, in bits."""
    nats: Tensor = torch.special.entr(logits.float().softmax(1)).sum(1)
    return nats / math.log(2)
