"""Spectral Signatures: poison lies far out along the first singular vector of its class."""

from dataclasses import dataclass

import torch

from ...errors import InputError
from ...interfaces import Detector
from ...results import Evidence
from ...types import Case, Features, PerImage, Progress, no_progress
from ..flagging import flag_highest
from ..input_checks import require_training_set
from ..rank_evidence import evidence_by_rank
from .features import extract_features, rows_by_label

REMOVAL_FACTOR = 1.5

"""The method flags this multiple of the expected poison."""


@dataclass(frozen=True)
class SpectralSignatures(Detector):
    """Flag images with the largest squared projection on the first singular vector of a class.

    In every class 1.5 times the expected poison is flagged, whether there is poison or not.

    Args:
        expected: the expected poison of a class, as a share of the class.
    Source: Tran et al., Spectral signatures in backdoor attacks, NeurIPS 2018, arXiv 1811.00636.
    The paper uses the true number of poisoned images, which no defender has. 0.1 is the higher of
    its two rates, and flags 15 % as BackdoorBench does.
    """

    expected: float = 0.1

    def __post_init__(self) -> None:
        if not 0 < self.expected < 1 / REMOVAL_FACTOR:
            raise InputError(f"expected is {self.expected}: give a share of a class in (0, 2/3)")

    def examine(
        self, case: Case, generator: torch.Generator, progress: Progress = no_progress
    ) -> Evidence:
        images = require_training_set(case, "Spectral Signatures")
        features = extract_features(case.model, images.pixels, "Spectral Signatures")
        statistic = torch.zeros(len(images))
        flagged = torch.zeros(len(images), dtype=torch.bool)
        for label, rows in rows_by_label(images.labels):
            statistic[rows] = spectral_signature(features[rows])
            flagged[rows] = flag_highest(statistic[rows], REMOVAL_FACTOR * self.expected)
            progress("spectral", label + 1, images.class_count)
        return evidence_by_rank(statistic, flagged)


def spectral_signature(features: Features) -> PerImage:
    """Squared projections of centered features on their first right singular vector."""
    centered = features.double() - features.double().mean(0)
    _, _, axes = torch.linalg.svd(centered, full_matrices=False)
    projected: PerImage = centered @ axes[0]
    return projected.square().float()
