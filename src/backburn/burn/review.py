"""The review: what a person decided about suspects goes above what any phase finds.

Each function gives back what it was given where nothing was decided.
"""

from dataclasses import replace

import torch

from ..data.review import Review
from ..detection.records import Findings
from ..types import Evidence, Flags, LabeledImages, Suspects


def heard(found: Findings, review: Review | None) -> Findings:
    """What the phases after the detector go by: a rejected image is an ordinary one.

    An accepted one is no doubt to them, but what was not flagged does not tell of the trigger: it
    may be of another class, or of another attack.
    """
    if not review:
        return found
    score, flagged = found.evidence.score.clone(), found.evidence.flagged.clone()
    score[review.accepted], score[review.rejected] = 1.0, 0.0
    flagged[review.rejected] = False
    return replace(found, evidence=Evidence(score, flagged))


def trusted(left_out: Flags, review: Review | None) -> Flags:
    """Images that are never trained on: none that somebody has decided on."""
    return left_out & ~review.decided(len(left_out)) if review else left_out


def judged(suspects: Suspects, images: LabeledImages, review: Review | None) -> Suspects:
    """The suspects as decided, in the order of their rows.

    Rejected ones are none; accepted and relabeled ones are, with their label at confidence 1;
    undecided ones are as they were.
    """
    if not review:
        return suspects
    open_ = ~torch.isin(suspects.index, review.index)
    label = torch.zeros(len(images), dtype=torch.long).index_copy(0, review.index, review.label)
    index = torch.cat([suspects.index[open_], review.accepted])
    restored = torch.cat([suspects.restored_label[open_], label[review.accepted]])
    sure = torch.ones(len(review.accepted), dtype=suspects.confidence.dtype)
    order = index.argsort()
    index = index[order]
    return replace(
        suspects,
        index=index,
        given_label=images.labels[index],
        restored_label=restored[order],
        confidence=torch.cat([suspects.confidence[open_], sure])[order],
    )
