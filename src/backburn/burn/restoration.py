"""Phase 1a, label restoration: the label that each suspect had before it was poisoned."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from ..detection.interventions.affine_pixels import AffineChange
from ..detection.interventions.quantization import QuantizationChange
from ..detection.records import DetectedBackdoor, DetectionResult
from ..errors import InputError
from ..results import Suspects
from ..types import Case, Index, LabeledImages, Logits
from .apply_trigger import TriggerEstimate
from .clean_label import estimate_by_origin
from .fine_tuning import FineTuner
from .trigger_estimate import AffineTrigger


@dataclass(frozen=True)
class Restoration:
    """Restored labels of the suspects, backdoor by backdoor.

    Two predictions are averaged if both are available. One is the model's for the image with the
    estimated trigger inverted, the other is that of a retrained model that never saw the image. If
    the first is the given label, only the second counts. The restored label may equal the given
    one: for clean-label poison, and for triggered images of the target class.

    Args:
        transferred: smallest transfer of a trigger that is estimated, inverted, and applied to
            other images.
        clean_label: share of the suspects. A backdoor is clean-label poison if the model calls more
            of them by the given label once the trigger is inverted. They must also differ less from
            their own class than from the classes that the retrained model assigns them to, and
            these must not be several. The trigger is then estimated against the rest of the class.
        max_class_share: the suspects show several classes if no class has a larger share of them.
            With more than half, one class is the rule and the others may be mistakes.
        sample_size: most suspects of a backdoor whose trigger is inverted to decide whether it is
            clean-label poison. A share of 500 is known to about .02.
    Source: label restoration of BURN (Su et al., arXiv 2507.10491), observation 2. Departure: the
    label behind the boundary is right for less than half of the poison, so it is not used
    (docs/method.md).
    """

    transferred: float = 0.25
    clean_label: float = 0.25
    max_class_share: float = 0.5
    sample_size: int = 500

    def __post_init__(self) -> None:
        if not 0 <= self.transferred <= 1 or not 0 < self.clean_label < 1:
            raise InputError(
                f"restoration: transferred={self.transferred}, clean_label={self.clean_label}: "
                "give [0, 1] and (0, 1)"
            )
        if not 0 < self.max_class_share <= 1 or self.sample_size < 1:
            raise InputError(
                f"restoration: max_class_share={self.max_class_share}, "
                f"sample_size={self.sample_size}: give (0, 1] and 1 or more"
            )


@dataclass(frozen=True, slots=True)
class RestoredSuspects:
    """Suspects with restored labels.

    Args:
        triggers: the estimated trigger of each backdoor; None if it could not be estimated.
        clean_label: for each backdoor, whether it is clean-label poison, which keeps its labels.
        discrepancy: share of the target classes' images for which the sanitized model contradicts
            the label; NaN before the first refinement.
    """

    suspects: Suspects
    triggers: tuple[TriggerEstimate | None, ...] = ()
    clean_label: tuple[bool, ...] = ()
    discrepancy: float = math.nan


def restore(
    settings: Restoration, case: Case, detection: DetectionResult, tuner: FineTuner
) -> RestoredSuspects:
    """Restore the labels of the flagged images."""
    flagged = detection.evidence.flagged.nonzero().flatten()
    backdoor_index = detection.backdoor_index(len(case.images))[flagged]
    triggers, clean_label = list[TriggerEstimate | None](), list[bool]()
    probabilities = torch.zeros(len(flagged), _class_count(case, detection))
    for number, backdoor in enumerate(detection.backdoors):
        mask = backdoor_index == number
        rows = flagged[mask]
        trigger, is_clean_label = _estimate(settings, case, detection, backdoor, rows, tuner)
        triggers.append(trigger)
        clean_label.append(is_clean_label)
        if len(rows):
            probabilities[mask] = _class_probabilities(case, detection, rows, trigger, tuner)
    rest = backdoor_index < 0  # flagged, but of no backdoor
    if bool(rest.any()):
        probabilities[rest] = _class_probabilities(case, detection, flagged[rest], None, tuner)
    keeps_label = keeps_given_label(backdoor_index, clean_label)
    suspects = relabel(case.images, flagged, probabilities, keeps_label)
    return RestoredSuspects(suspects, tuple(triggers), tuple(clean_label))


def keeps_given_label(backdoor_index: Tensor, clean_label: Sequence[bool]) -> Tensor:
    """Which images belong to a backdoor that is clean-label poison.

    >>> keeps_given_label(torch.tensor([0, 1, -1]), [False, True]).tolist()
    [False, True, False]
    """
    numbers = [number for number, keeps in enumerate(clean_label) if keeps]
    return torch.isin(backdoor_index, torch.tensor(numbers, dtype=torch.long))


def _class_count(case: Case, detection: DetectionResult) -> int:
    if detection.held_out_log_probs is not None:
        return detection.held_out_log_probs.shape[1]
    return case.images.class_count


def _class_probabilities(
    case: Case,
    detection: DetectionResult,
    rows: Index,
    trigger: TriggerEstimate | None,
    tuner: FineTuner,
) -> Logits:
    """Class probabilities of suspects, averaged over the predictions that are available.

    If an image gets its given label without the trigger, it may show that class, or some of the
    trigger is left. Then the model tells nothing, and the retrained model decides.
    """
    pixels, held_out = case.images.pixels[rows], None
    if detection.held_out_log_probs is not None:
        held_out = detection.held_out_log_probs[rows].exp()
        held_out = _fill_missing(case, held_out, rows, tuner)
    if not isinstance(trigger, AffineTrigger):
        return tuner.predict_probabilities(case.model, pixels) if held_out is None else held_out
    inverted = tuner.predict_probabilities(case.model, trigger.invert(pixels))
    if held_out is None:
        return inverted
    gets_given_label = inverted.argmax(1) == case.images.labels[rows].cpu()
    return torch.where(gets_given_label[:, None], held_out, (inverted + held_out) / 2)


def _fill_missing(case: Case, held_out: Logits, rows: Index, tuner: FineTuner) -> Logits:
    """Replace missing predictions of the retrained model by those of the case's model."""
    missing = held_out.isnan().any(1)  # it was trained on these images
    if bool(missing.any()):
        pixels = case.images.pixels[rows[missing]]
        held_out[missing] = tuner.predict_probabilities(case.model, pixels)
    return held_out


def _estimate(
    settings: Restoration,
    case: Case,
    detection: DetectionResult,
    backdoor: DetectedBackdoor,
    rows: Index,
    tuner: FineTuner,
) -> tuple[TriggerEstimate | None, bool]:
    """The trigger of a backdoor, None if it can't be estimated, and whether it is clean-label."""
    if backdoor.transfer < settings.transferred or not len(rows):
        return None, False
    if isinstance(backdoor.change, QuantizationChange):
        return backdoor.change, False
    if not isinstance(backdoor.change, AffineChange):
        return None, False
    return estimate_by_origin(
        case,
        detection,
        backdoor,
        rows,
        tuner,
        clean_label=settings.clean_label,
        max_class_share=settings.max_class_share,
        sample_size=settings.sample_size,
    )


def relabel(
    images: LabeledImages, index: Index, probabilities: Logits, keeps_label: Tensor
) -> Suspects:
    """Suspects with their likeliest label and its probability.

    Args:
        index: `(m,)`, rows of the suspects.
        probabilities: `(m, k)`, of each class.
        keeps_label: `(m,)`, suspects that keep the given label, whatever its probability.
    """
    given = images.labels[index]
    confidence, label = probabilities.max(1) if len(index) else (torch.zeros(0), index)
    given_confidence = probabilities.gather(1, given[:, None])[:, 0]
    return Suspects(
        index,
        given,
        torch.where(keeps_label, given, label),
        torch.where(keeps_label, given_confidence, confidence),
    )
