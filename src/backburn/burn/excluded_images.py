"""Images that are no suspects, but not to be trusted either."""

import torch

from ..detection.records import Findings
from ..types import Case, Flags

POSSIBLE = 0.001
"""Probability of being planted from which on an image of a convicted class is not trained on."""


def doubtful(case: Case, found: Findings) -> Flags:
    """Images with a target's label that are no suspects, but that no fine-tuning should see.

    The model does not call them so (hard ones, or unlearnt poison), or the class is convicted and
    they could be planted all the same: poison that is trained on under its given label teaches the
    backdoor again, while a class has clean images to spare, up to half of them.
    """
    labels, free = case.images.labels, ~found.evidence.flagged
    targets = torch.tensor(found.verdict.target_labels, dtype=torch.long)
    out = torch.isin(labels, targets) & free & ~found.agreed
    for label in found.verdict.convicted:
        out |= _possible(found, (labels == label) & free)
    return out


def _possible(found: Findings, rest: Flags) -> Flags:
    """Which of the rest of a class could be planted: half of it at the most, the likeliest."""
    score = found.evidence.score
    usual = float(score[rest].median()) if rest.any() else 0.0
    return rest & (score > max(POSSIBLE, usual))
