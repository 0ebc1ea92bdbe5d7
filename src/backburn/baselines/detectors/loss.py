"""Loss: images with the lowest loss, as ABL isolates them."""

from dataclasses import dataclass

import torch

from ...errors import InputError
from ...interfaces import Detector
from ...models.inference import predict
from ...results import Evidence
from ...types import Case, Progress, no_progress
from ..flagging import flag_highest
from ..input_checks import require_training_set
from ..rank_evidence import evidence_by_rank
from .relative_logits import logit_gaps


@dataclass(frozen=True)
class Loss(Detector):
    """Flag the images with the lowest cross entropy of their label.

    Args:
        isolated: share of images that is flagged.
    Source: the isolation of ABL (Li et al., Anti-backdoor learning, NeurIPS 2021, arXiv
    2110.11571), which flags 1 %. Departure: the loss is that of the case's model. ABL trains a
    model of its own, for 20 epochs in which losses are held at 0.5.
    """

    isolated: float = 0.01

    def __post_init__(self) -> None:
        if not 0 < self.isolated < 1:
            raise InputError(f"isolated is {self.isolated}: give a share in (0, 1)")

    def examine(
        self, case: Case, generator: torch.Generator, progress: Progress = no_progress
    ) -> Evidence:
        images = require_training_set(case, "loss")
        logits = predict(case.model, images.pixels, phase="loss", progress=progress)
        # the cross entropy is softplus of this, which rounds to 0 sooner
        easiness = -logit_gaps(logits, images.labels).logsumexp(1)
        return evidence_by_rank(easiness, flag_highest(easiness, self.isolated))
