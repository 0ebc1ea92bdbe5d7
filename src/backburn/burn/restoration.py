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
from ..metrics import share_of_true
from ..results import Suspects
from ..types import Case, Index, LabeledImages, Logits
from .apply_trigger import TriggerEstimate
from .fine_tuning import FineTuner
from .trigger_estimate import AffineTrigger, estimate_trigger

SAMPLE_SIZE = 500
"""Most suspects of a backdoor that decide whether it is clean-label poison."""
MAX_CLASS_SHARE = 0.5
"""Suspects show several classes if none of these has a larger share of them."""


@dataclass(frozen=True)
class Restoration:
    """Restored labels of the suspects, backdoor by backdoor.

    Two predictions are averaged if both are available. One is the model's for the image with the
    estimated trigger inverted, the other is that of a retrained model that never saw the image. The
    restored label may equal the given one: for clean-label poison, and for triggered images of the
    target class.

    Args:
        transferred: smallest transfer of a trigger that is estimated, inverted, and applied to
            other images.
        clean_label: share of the suspects. A backdoor is clean-label poison if the model calls more
            of them by the given label once the trigger is inverted. The model must also be surer of
            that than with a trigger estimated against other classes, and the retrained model must
            not assign them to several classes. They must also keep the label if the trigger of a
            larger backdoor of this class, which is no clean-label poison, is inverted. The trigger
            is then estimated against the rest of its class.
    Source: label restoration of BURN (Su et al., arXiv 2507.10491), observation 2. Departure: the
    label behind the boundary is right for less than half of the poison, so it is not used
    (docs/method.md).
    """

    transferred: float = 0.25
    clean_label: float = 0.25

    def __post_init__(self) -> None:
        if not 0 <= self.transferred <= 1 or not 0 < self.clean_label < 1:
            raise InputError(
                f"restoration: transferred={self.transferred}, clean_label={self.clean_label}: "
                "give [0, 1] and (0, 1)"
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
    masks = [backdoor_index == number for number in range(len(detection.backdoors))]
    triggers, clean_label = _estimate_all(
        settings, case, detection, [flagged[mask] for mask in masks], tuner
    )
    probabilities = torch.zeros(len(flagged), _class_count(case, detection))
    for trigger, mask in zip(triggers, masks, strict=True):
        if bool(mask.any()):
            rows = flagged[mask]
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
    """Class probabilities of suspects, averaged over the predictions that are available."""
    predictions = []
    if isinstance(trigger, AffineTrigger):
        inverted = trigger.invert(case.images.pixels[rows])
        predictions.append(tuner.predict_probabilities(case.model, inverted))
    if detection.held_out_log_probs is not None:
        held_out = detection.held_out_log_probs[rows].exp()
        predictions.append(_fill_missing(case, held_out, rows, tuner))
    if not predictions:
        pixels = case.images.pixels[rows]
        predictions.append(tuner.predict_probabilities(case.model, pixels))
    return torch.stack(predictions).mean(0)


def _fill_missing(case: Case, held_out: Logits, rows: Index, tuner: FineTuner) -> Logits:
    """Replace missing predictions of the retrained model by those of the case's model."""
    missing = held_out.isnan().any(1)  # it was trained on these images
    if bool(missing.any()):
        pixels = case.images.pixels[rows[missing]]
        held_out[missing] = tuner.predict_probabilities(case.model, pixels)
    return held_out


def _estimate_all(
    settings: Restoration,
    case: Case,
    detection: DetectionResult,
    rows: Sequence[Index],
    tuner: FineTuner,
) -> tuple[list[TriggerEstimate | None], list[bool]]:
    """The trigger of each backdoor, None if it can't be estimated, and whether it is clean-label.

    Args:
        rows: the suspects of each backdoor.
    """
    triggers: list[TriggerEstimate | None] = [None] * len(rows)
    clean_label = [False] * len(rows)
    larger = dict[int, list[AffineTrigger]]()  # of each class, of images with another label
    for number in sorted(range(len(rows)), key=lambda number: -len(rows[number])):
        backdoor = detection.backdoors[number]
        known = larger.setdefault(backdoor.label, [])
        trigger, keeps = _estimate(settings, case, detection, backdoor, rows[number], tuner)
        shared = None
        if keeps:
            shared = _shared_trigger(settings, case, backdoor, rows[number], known, tuner)
        if shared is not None:
            trigger, keeps = shared, False
        elif isinstance(trigger, AffineTrigger) and not keeps:
            known.append(trigger)
        triggers[number], clean_label[number] = trigger, keeps
    return triggers, clean_label


def _shared_trigger(
    settings: Restoration,
    case: Case,
    backdoor: DetectedBackdoor,
    rows: Index,
    larger: Sequence[AffineTrigger],
    tuner: FineTuner,
) -> AffineTrigger | None:
    """The trigger of a larger backdoor of this class, if inverting it takes their label.

    A small backdoor may hold the poison of a single source class. What its images have in common is
    the trigger and what they show, so that it looks like clean-label poison.
    """
    sample = case.images.pixels[rows[:SAMPLE_SIZE]]
    for trigger in larger if len(rows) else ():
        predicted = tuner.predict_probabilities(case.model, trigger.invert(sample)).argmax(1)
        if share_of_true(predicted == backdoor.label) <= settings.clean_label:
            return trigger
    return None


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
    pixels = case.images.pixels
    triggered = rows[detection.agreed[rows]]
    triggered = triggered if len(triggered) else rows
    target_rows = _unflagged_rows(case, detection, [backdoor.label])
    target_trigger = estimate_trigger(pixels, triggered, target_rows)
    classes, targets = _classes(case.images), {each.label for each in detection.backdoors}
    others = [label for label in classes if label not in targets] or classes
    other_trigger = estimate_trigger(pixels, triggered, _unflagged_rows(case, detection, others))
    sample = pixels[triggered[:SAMPLE_SIZE]]
    as_target, as_other = (
        tuner.predict_probabilities(case.model, trigger.invert(sample))
        for trigger in (target_trigger, other_trigger)
    )
    is_clean_label = share_of_true(as_target.argmax(1) == backdoor.label) > settings.clean_label
    # images without their trigger are ordinary ones, which a model is sure of
    is_clean_label &= bool(as_target.amax(1).mean() > as_other.amax(1).mean())
    is_clean_label &= not _shows_several_classes(settings, detection, backdoor, triggered)
    return (target_trigger if is_clean_label else other_trigger), is_clean_label


def _shows_several_classes(
    settings: Restoration, detection: DetectionResult, backdoor: DetectedBackdoor, rows: Index
) -> bool:
    """Whether a model that never saw these images assigns them to several other classes.

    Clean-label poison that its trigger makes unrecognizable is assigned to a single other class.
    """
    if detection.held_out_log_probs is None or not len(rows):
        return False
    log_probs = detection.held_out_log_probs[rows]
    predicted = log_probs[~log_probs.isnan().any(1)].argmax(1)
    counts = predicted.bincount(minlength=log_probs.shape[1])
    shares = counts.float() / max(1, len(predicted))
    in_target = float(shares[backdoor.label])
    return (
        len(predicted) > 0
        and in_target <= settings.clean_label
        and float(shares.amax()) <= MAX_CLASS_SHARE
    )


def _unflagged_rows(case: Case, detection: DetectionResult, classes: Sequence[int]) -> list[Tensor]:
    """Unflagged rows of each of these classes; of all classes together if there are none."""
    unflagged = ~detection.evidence.flagged
    rows = [(unflagged & (case.images.labels == label)).nonzero().flatten() for label in classes]
    return rows if any(map(len, rows)) else [unflagged.nonzero().flatten()]


def _classes(images: LabeledImages) -> list[int]:
    return sorted(set(images.labels.tolist()))


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
