"""Phase 1a, label restoration: what was a suspect before somebody put a trigger on it?"""

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from ..detection.boundary_detector import Findings
from ..errors import InputError
from ..metrics import rate
from ..types import Case, Index, LabeledImages, Logits, Suspects
from .trigger import EstimatedTrigger, estimate_trigger
from .workbench import Workbench


@dataclass(frozen=True)
class Restoration:
    """Labels of the suspects: of the images with the trigger undone, where it can be.

    Args:
        carried: transfer (see `detection.trials`) from which on a trigger is taken to be one map
            of pixels, which can be estimated, undone, and put on other images.
        clean_label: where more than this share of a class's suspects is called by the given label
            without the trigger, they are held to be clean-label poison: they keep their label and
            are left out of training.
    Source: label restoration of BURN (Su et al., arXiv 2507.10491), observation 2. Departure: the
    label behind the boundary is right for less than half of the poison, so it is only the last
    resort (docs/method.md).
    """

    carried: float = 0.25
    clean_label: float = 0.5

    def __post_init__(self) -> None:
        if not 0 <= self.carried <= 1 or not 0 < self.clean_label < 1:
            raise InputError(
                f"restoration: carried={self.carried}, clean_label={self.clean_label}: give "
                "[0, 1] and (0, 1)"
            )


@dataclass(frozen=True, slots=True)
class Restored:
    """Suspects with the labels they should have had.

    `trigger` is what they carry, where that could be estimated; `clean_label` the target classes
    whose poison was of that class all along; `discrepancy` the share of the target classes' images
    that the sanitized model calls otherwise, once there is one.
    """

    suspects: Suspects
    trigger: EstimatedTrigger | None = None
    clean_label: tuple[int, ...] = ()
    discrepancy: float = math.nan


def restore(settings: Restoration, case: Case, findings: Findings, bench: Workbench) -> Restored:
    """The flagged images with restored labels, from the best that is at hand.

    The model's own word on the images with the trigger undone; or a student's that never saw them,
    where the detector has made one; or else the label behind the boundary.
    """
    flagged = findings.evidence.flagged.nonzero().flatten()
    if not len(flagged):
        return Restored(behind_boundary(case.images, findings))
    if findings.transfer >= settings.carried:
        return _undoing(settings, case, findings, bench)
    if findings.tried.student is not None:
        says = bench.ask(findings.tried.student, case.images.pixels[flagged])
        kept = keeping(case.images.labels[flagged], says, settings.clean_label)
        return Restored(relabel(case.images, flagged, says, kept), None, kept)
    return Restored(behind_boundary(case.images, findings))


def _undoing(settings: Restoration, case: Case, findings: Findings, bench: Workbench) -> Restored:
    """What the model says of the suspects without the trigger."""
    images, flagged = case.images, findings.evidence.flagged
    kept = tuple(
        label
        for label in findings.verdict.target_labels
        if _keeps(case, findings, label, bench) > settings.clean_label
    )
    marked = flagged.nonzero().flatten()
    compared = kept or _others(case, findings)
    plain = [((images.labels == label) & ~flagged).nonzero().flatten() for label in compared]
    trigger = estimate_trigger(images.pixels, marked, plain)
    says = bench.ask(case.model, trigger.undone(images.pixels[marked]))
    return Restored(relabel(images, marked, says, kept), trigger, kept)


def _keeps(case: Case, findings: Findings, label: int, bench: Workbench) -> float:
    """Share of a class's suspects that is called so without what sets them apart from the rest.

    That is nothing but the trigger where the poison is of that class.
    """
    pixels, of_class = case.images.pixels, (case.images.labels == label) & findings.agreed
    flagged = findings.evidence.flagged
    marked, rest = ((of_class & side).nonzero().flatten() for side in (flagged, ~flagged))
    if not len(rest):
        return 0.0
    says = bench.ask(case.model, estimate_trigger(pixels, marked, [rest]).undone(pixels[marked]))
    return rate(says.argmax(1) == label)


def _others(case: Case, findings: Findings) -> tuple[int, ...]:
    """The classes that are no targets, or all where all are."""
    classes = set(case.images.labels.tolist())
    return tuple(sorted(classes - set(findings.verdict.target_labels) or classes))


def behind_boundary(images: LabeledImages, findings: Findings) -> Suspects:
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


def keeping(given: Tensor, says: Logits, share: float) -> tuple[int, ...]:
    """The classes of whose images more than this share is called by the given label."""
    keeps = says.argmax(1) == given
    classes = sorted(set(given.tolist()))
    return tuple(label for label in classes if rate(keeps[given == label]) > share)


def relabel(
    images: LabeledImages, index: Index, says: Logits, clean_label: tuple[int, ...]
) -> Suspects:
    """The likeliest other label, with its probability; of clean-label poison the given one."""
    given = images.labels[index]
    others = says.scatter(1, given[:, None], 0)
    confidence, label = (others / others.sum(1, keepdim=True).clamp_min(1e-12)).max(1)
    kept = torch.isin(given, torch.tensor(clean_label, dtype=torch.long))
    own = says.gather(1, given[:, None])[:, 0]
    return Suspects(index, given, given.where(kept, label), own.where(kept, confidence))
