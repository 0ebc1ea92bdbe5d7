"""Loss: what is learnt best, as ABL isolates it."""

from dataclasses import dataclass

import torch

from ...errors import InputError
from ...interfaces import Detector
from ...models.inference import predict
from ...types import Case, Evidence, Progress, silent
from ..inputs import training_set_of
from ..outliers import highest
from ..scores import evidence_by_rank
from .logits import rivals


@dataclass(frozen=True)
class Loss(Detector):
    """The cross entropy of the given label; a low loss is suspect.

    Args:
        isolated: the share of images that is flagged, those with the lowest loss.
    Source: the isolation of ABL (Li et al., Anti-backdoor learning, NeurIPS 2021, arXiv
    2110.11571), which flags 1 %. Departure: the loss is that of the model as it was found; ABL's
    is that of a model of its own, after 20 epochs in which losses are held up at 0.5.
    """

    isolated: float = 0.01

    def __post_init__(self) -> None:
        if not 0 < self.isolated < 1:
            raise InputError(f"isolated is {self.isolated}: give a share in (0, 1)")

    def examine(
        self, case: Case, generator: torch.Generator, progress: Progress = silent
    ) -> Evidence:
        images = training_set_of(case, "loss")
        logits = predict(case.model, images.pixels, phase="loss", progress=progress)
        # cross entropy is softplus of this, and rounds to 0 where this does not
        ease = -rivals(logits, images.labels).logsumexp(1)
        return evidence_by_rank(ease, highest(ease, self.isolated))
