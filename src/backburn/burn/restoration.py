"""Phase 1a, label restoration: what lies behind the boundary of a suspect is what it was."""

import torch

from ..detection.boundary_detector import Findings
from ..types import LabeledImages, Suspects


def restore_labels(images: LabeledImages, findings: Findings) -> Suspects:
    """The flagged images, each with the label that its boundary crossing leads to.

    Source: BURN (Su et al., arXiv 2507.10491), observation 2: the adversarial labels of poison
    samples tend to revert to the correct ones.
    """
    index = findings.evidence.flagged.nonzero().flatten()
    return Suspects(
        index=index,
        given_label=images.labels[index],
        restored_label=findings.boundary.crossed_label[index],
        confidence=torch.full((len(index),), 0.5),
    )
