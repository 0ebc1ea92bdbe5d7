"""Images that are not flagged, but not trusted enough to train on."""

import torch

from ..detection.records import DetectionResult
from ..types import Case, Flags

MIN_POISON_PROBABILITY = 0.001
"""Images of a flagged class with a larger probability of being poison may be excluded."""


def excluded_images(case: Case, detection: DetectionResult) -> Flags:
    """Unflagged images of the target classes that no fine-tuning should see.

    There are two kinds. On some the model disagrees with the label: hard images, or poison that it
    did not learn. Others, in a class with flagged images, may be poison that was missed. Training
    on poison under its given label would teach the backdoor again, and a class can spare up to half
    of its clean images.
    """
    labels, unflagged = case.images.labels, ~detection.evidence.flagged
    targets = torch.tensor(detection.verdict.target_labels, dtype=torch.long)
    excluded = torch.isin(labels, targets) & unflagged & ~detection.agreed
    for label in detection.verdict.convicted:
        excluded |= _possible_poison(detection, (labels == label) & unflagged)
    return excluded


def _possible_poison(detection: DetectionResult, unflagged: Flags) -> Flags:
    """The likeliest poison among the unflagged images of a class, at most half of them."""
    score = detection.evidence.score
    median = float(score[unflagged].median()) if unflagged.any() else 0.0
    return unflagged & (score > max(MIN_POISON_PROBABILITY, median))
