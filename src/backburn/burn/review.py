"""Applying a person's review of suspects, which overrules what any phase finds.

Each function returns its input if nothing was reviewed.
"""

from dataclasses import replace

import torch

from ..data.review import Review
from ..detection.records import DetectionResult
from ..results import Evidence, Suspects
from ..types import Flags, LabeledImages


def apply_review_to_detection(detection: DetectionResult, review: Review | None) -> DetectionResult:
    """The detection as the phases after it should see it.

    A rejected image counts as clean. An accepted one counts as certain poison, but is not flagged
    if the detector did not flag it. The trigger must not be estimated from it: it may be of another
    class, or of another attack.
    """
    if not review:
        return detection
    score, flagged = detection.evidence.score.clone(), detection.evidence.flagged.clone()
    score[review.accepted], score[review.rejected] = 1.0, 0.0
    flagged[review.rejected] = False
    return replace(detection, evidence=Evidence(score, flagged))


def exclude_unreviewed(excluded: Flags, review: Review | None) -> Flags:
    """The excluded images without those that a person has decided on."""
    return excluded & ~review.decided(len(excluded)) if review else excluded


def apply_review(suspects: Suspects, images: LabeledImages, review: Review | None) -> Suspects:
    """The suspects after the review, in the order of their rows.

    Rejected images are removed. Accepted and relabeled ones are added, with their label at
    confidence 1. Undecided ones stay as they were.
    """
    if not review:
        return suspects
    undecided = ~torch.isin(suspects.index, review.index)
    label = torch.zeros(len(images), dtype=torch.long).index_copy(0, review.index, review.label)
    index = torch.cat([suspects.index[undecided], review.accepted])
    restored = torch.cat([suspects.restored_label[undecided], label[review.accepted]])
    certain = torch.ones(len(review.accepted), dtype=suspects.confidence.dtype)
    confidence = torch.cat([suspects.confidence[undecided], certain])
    order = index.argsort()
    index = index[order]
    return replace(
        suspects,
        index=index,
        given_label=images.labels[index],
        restored_label=restored[order],
        confidence=confidence[order],
    )
