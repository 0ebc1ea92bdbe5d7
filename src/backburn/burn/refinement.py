"""Phase 2a, progressive data refinement: what the sanitized model predicts for the suspects."""

from dataclasses import dataclass, replace

import torch
from torch import Tensor, nn

from ..detection.records import DetectionResult
from ..errors import InputError
from ..metrics import share_of_true
from ..models.inference import predict
from ..types import Case, Index, Labels
from .fine_tuning import FineTuner
from .restoration import RestoredSuspects, keeps_given_label, relabel
from .trigger_estimate import AffineTrigger

EVIDENCE_TRUST = 0.999
"""The detector's score counts as a probability in [1 - EVIDENCE_TRUST, EVIDENCE_TRUST]."""


@dataclass(frozen=True)
class Refinement:
    """Update the suspects where the sanitized model contradicts the labels.

    Feedback from the sanitized model alone drifts: each clean image that fine-tuning got wrong
    would become poison. Its log-odds are therefore added to those of the detector's score, which is
    trusted more. Only images of the target classes can be suspects. Suspects can return to the
    clean set, and new ones can join.

    Args:
        rounds: most refinements, with a purification between two.
        trust: the sanitized model's doubt in a label counts as a probability in [1 - trust, trust].
    Source: progressive data refinement of BURN (Su et al., arXiv 2507.10491). Departures: the
    detector's score, and the limit to target classes.
    """

    rounds: int = 1
    trust: float = 0.99

    def __post_init__(self) -> None:
        if self.rounds < 1 or not 0.5 < self.trust < 1:
            raise InputError(
                f"refinement: rounds={self.rounds}, trust={self.trust}: give 1 or more, (0.5, 1)"
            )


def refine(
    settings: Refinement,
    case: Case,
    detection: DetectionResult,
    sanitized: nn.Module,
    restored: RestoredSuspects,
    tuner: FineTuner,
) -> RestoredSuspects:
    """The suspects and their labels after one look at the sanitized model.

    Args:
        restored: the suspects so far, with their triggers.
    """
    targets = torch.tensor(detection.verdict.target_labels)
    rows = torch.isin(case.images.labels, targets).nonzero().flatten()
    pixels, given = case.images.pixels[rows], case.images.labels[rows]
    logits = predict(sanitized, pixels, phase="refinement", progress=tuner.progress)
    probabilities = logits.softmax(1)
    differs = probabilities.argmax(1) != given
    doubt = 1 - probabilities.gather(1, given[:, None])[:, 0]
    evidence_odds = _log_odds(detection.evidence.score[rows], EVIDENCE_TRUST)
    suspect = evidence_odds + _log_odds(doubt, settings.trust) > 0
    rows, pixels, given = rows[suspect], pixels[suspect], given[suspect]
    if not len(rows):
        nothing = torch.zeros(0, dtype=torch.bool)
        suspects = relabel(case.images, rows, probabilities[suspect], nothing)
        return replace(restored, suspects=suspects, discrepancy=share_of_true(differs))
    probabilities = tuner.predict_probabilities(sanitized, pixels)
    backdoor = _backdoor_index(detection, rows, given)
    for number, trigger in enumerate(restored.triggers):
        mask = backdoor == number
        if isinstance(trigger, AffineTrigger) and bool(mask.any()):
            inverted = tuner.predict_probabilities(sanitized, trigger.invert(pixels[mask]))
            probabilities[mask] = (probabilities[mask] + inverted) / 2
    keeps_label = keeps_given_label(backdoor, restored.clean_label)
    suspects = relabel(case.images, rows, probabilities, keeps_label)
    return replace(restored, suspects=suspects, discrepancy=share_of_true(differs))


def _backdoor_index(detection: DetectionResult, rows: Index, labels: Labels) -> Tensor:
    """Position of each image's backdoor; a new suspect gets the first of its class."""
    index = detection.backdoor_index(len(detection.agreed))[rows]
    for number, backdoor in enumerate(detection.backdoors):
        index[(index < 0) & (labels == backdoor.label)] = number
    return index


def _log_odds(probability: Tensor, bound: float) -> Tensor:
    return probability.clamp(1 - bound, bound).logit()
