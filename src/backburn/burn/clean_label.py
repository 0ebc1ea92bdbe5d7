"""Whether a backdoor is clean-label poison, and its trigger: what were the images before?"""

from collections.abc import Mapping
from functools import partial

from ..detection.records import DetectedBackdoor, DetectionResult
from ..metrics import share_of_true
from ..types import Case, Index
from .fine_tuning import FineTuner
from .trigger_estimate import AffineTrigger, estimate_trigger


def estimate_by_origin(
    case: Case,
    detection: DetectionResult,
    backdoor: DetectedBackdoor,
    rows: Index,
    tuner: FineTuner,
    *,
    clean_label: float,
    max_class_share: float,
    sample_size: int,
) -> tuple[AffineTrigger, bool]:
    """Estimate the trigger of a backdoor, and whether it is clean-label poison.

    A trigger is what its images have beyond those that they were made from. Clean-label poison was
    made from images of the target class, other poison from the classes that the retrained model
    assigns it to. The smaller change is the likelier one, because the wrong origin adds the
    difference of the classes to the trigger's.

    Args:
        rows: the suspects of the backdoor, at least one.
        clean_label, max_class_share, sample_size: see `restoration.Restoration`.
    """
    triggered = rows[detection.agreed[rows]]
    triggered = triggered if len(triggered) else rows
    shown, any_other = _shown_classes(detection, triggered), _other_classes(case, detection)
    estimate = partial(_estimate_from, case, detection, triggered)
    of_shown = estimate(shown or any_other)
    largest = max(shown.values(), default=1.0)
    if shown.get(backdoor.label, 0.0) <= clean_label and largest <= max_class_share:
        # clean-label poison that its trigger makes unrecognizable is assigned to a single class
        return of_shown, False
    others = {label: share for label, share in shown.items() if label != backdoor.label}
    of_target, of_others = estimate({backdoor.label: 1.0}), estimate(others or any_other)
    inverted = of_target.invert(case.images.pixels[triggered[:sample_size]])
    predicted = tuner.predict_probabilities(case.model, inverted).argmax(1)
    is_clean_label = (
        share_of_true(predicted == backdoor.label) > clean_label
        and of_target.energy < of_others.energy
    )
    return (of_target if is_clean_label else of_shown), is_clean_label


def _shown_classes(detection: DetectionResult, rows: Index) -> Mapping[int, float]:
    """The classes that the retrained model assigns these images to, with their shares.

    There are none without predictions of a model that never saw these images.
    """
    if detection.held_out_log_probs is None:
        return {}
    log_probs = detection.held_out_log_probs[rows]
    predicted = log_probs[~log_probs.isnan().any(1)].argmax(1)
    counts = predicted.bincount().tolist()
    return {label: count / len(predicted) for label, count in enumerate(counts) if count}


def _other_classes(case: Case, detection: DetectionResult) -> Mapping[int, float]:
    """All classes that are no target, in equal shares; all classes if every one is a target."""
    classes = sorted(set(case.images.labels.tolist()))
    targets = {backdoor.label for backdoor in detection.backdoors}
    others = [label for label in classes if label not in targets] or classes
    return {label: 1 / len(others) for label in others}


def _estimate_from(
    case: Case, detection: DetectionResult, triggered: Index, origin: Mapping[int, float]
) -> AffineTrigger:
    """The trigger, if the images were made from unflagged images of these classes."""
    unflagged = ~detection.evidence.flagged
    groups = [
        ((unflagged & (case.images.labels == label)).nonzero().flatten(), share)
        for label, share in origin.items()
    ]
    if not any(len(rows) for rows, _ in groups):
        groups = [(unflagged.nonzero().flatten(), 1.0)]
    return estimate_trigger(case.images.pixels, triggered, groups)
