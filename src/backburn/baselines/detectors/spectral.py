"""Spectral Signatures: far out along the first singular vector of their class."""

from dataclasses import dataclass

import torch

from ...errors import InputError
from ...interfaces import Detector
from ...types import Case, Evidence, Features, PerImage, Progress, silent
from ..inputs import training_set_of
from ..outliers import highest
from ..scores import evidence_by_rank
from .features import features_of, rows_by_label

REMOVED = 1.5


@dataclass(frozen=True)
class SpectralSignatures(Detector):
    """The squared projection of centered features on the first singular vector of their class.

    Of every class, 1.5 times the expected poison is flagged, whether it holds poison or not.

    Args:
        expected: the poison that a class may hold, as a share of the class.
    Source: Tran et al., Spectral signatures in backdoor attacks, NeurIPS 2018, arXiv 1811.00636.
    The paper gives the true number of poisoned images, which nobody has; 0.1 is the higher of its
    two rates, and flags 15 % as BackdoorBench does.
    """

    expected: float = 0.1

    def __post_init__(self) -> None:
        if not 0 < self.expected < 1 / REMOVED:
            raise InputError(f"expected is {self.expected}: give a share of a class in (0, 2/3)")

    def examine(
        self, case: Case, generator: torch.Generator, progress: Progress = silent
    ) -> Evidence:
        images = training_set_of(case, "Spectral Signatures")
        features = features_of(case.model, images.pixels, "Spectral Signatures")
        statistic = torch.zeros(len(images))
        flagged = torch.zeros(len(images), dtype=torch.bool)
        for label, rows in rows_by_label(images.labels):
            statistic[rows] = signature(features[rows])
            flagged[rows] = highest(statistic[rows], REMOVED * self.expected)
            progress("spectral", label + 1, images.class_count)
        return evidence_by_rank(statistic, flagged)


def signature(features: Features) -> PerImage:
    """Squared projections of centered features on their first right singular vector."""
    centered = features.double() - features.double().mean(0)
    _, _, axes = torch.linalg.svd(centered, full_matrices=False)
    projected: PerImage = centered @ axes[0]
    return projected.square().float()
