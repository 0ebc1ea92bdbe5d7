"""Phase 1a, label restoration: what was a suspect before somebody put a trigger on it?"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from ..detection.boundary_detector import Findings
from ..detection.stamping import Trigger
from ..errors import InputError
from ..metrics import rate
from ..types import Case, Flags, Index, LabeledImages, Logits, Suspects
from .trigger import EstimatedTrigger, estimate_trigger
from .workbench import Workbench

SAMPLE = 500
"""Suspects of a class that tell whether they are clean-label poison."""


@dataclass(frozen=True)
class Restoration:
    """Labels of the suspects: of the images with the trigger undone, where it can be.

    Args:
        carried: transfer (see `detection.trials`) from which on a trigger is taken to be one map
            of pixels, which can be estimated, undone, and put on other images.
        clean_label: suspects of a class are held to be clean-label poison (they keep their label
            and are left out of training) where more than this share of them is called by it
            without the trigger; and the model is surer of them with what sets them apart from
            their class undone than with what sets them apart from other classes.
    Source: label restoration of BURN (Su et al., arXiv 2507.10491), observation 2. Departure: the
    label behind the boundary is right for less than half of the poison, so it is only the last
    resort (docs/method.md).
    """

    carried: float = 0.25
    clean_label: float = 0.25

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
    trigger: Trigger | None = None
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
    students, given = findings.tried.students, case.images.labels[flagged]
    asked = students.keys() >= set(given.tolist())
    if findings.transfer >= settings.carried and not (asked and findings.rounding):
        return _undoing(settings, case, findings, bench)
    if asked:
        says = _students_say(students, case.images, flagged, bench)
        kept = keeping(given, says, settings.clean_label)
        return Restored(relabel(case.images, flagged, says, kept), findings.rounding, kept)
    return Restored(behind_boundary(case.images, findings))


def _students_say(
    students: Mapping[int, nn.Module], images: LabeledImages, flagged: Index, bench: Workbench
) -> Logits:
    """What the student that never saw a class's suspects says of them, in their order."""
    given = images.labels[flagged]
    says = [
        bench.ask(students[label], images.pixels[flagged[given == label]])
        for label in sorted(set(given.tolist()))
    ]
    return torch.cat(says)[given.argsort(stable=True).argsort()]


def _undoing(settings: Restoration, case: Case, findings: Findings, bench: Workbench) -> Restored:
    """What the model says of the suspects without the trigger."""
    images, targets = case.images, findings.verdict.target_labels
    flagged = findings.evidence.flagged
    others = [label for label in _classes(images) if label not in targets] or _classes(images)
    kept = []
    for label in targets:
        marked = flagged & findings.agreed & (images.labels == label)
        if not bool(marked.any()):
            continue
        as_own, as_other = (
            _undone(case, marked, _plain(case, findings, compared), bench, SAMPLE)[1]
            for compared in ([label], others)
        )
        stays = rate(as_own.argmax(1) == label) > settings.clean_label
        if stays and as_own.amax(1).mean() > as_other.amax(1).mean():
            kept.append(label)
    trigger, says = _undone(case, flagged, _plain(case, findings, kept or others), bench)
    suspects = relabel(images, flagged.nonzero().flatten(), says, tuple(kept))
    return Restored(suspects, trigger, tuple(kept))


def _undone(
    case: Case, marked: Flags, plain: list[Tensor], bench: Workbench, asked: int | None = None
) -> tuple[EstimatedTrigger, Tensor]:
    """The trigger, had the marked images been like the plain ones, and probabilities without it.

    Images without their trigger are ordinary ones, which a model is sure of; where the comparison
    is the wrong one, what is undone is more, or less, than the trigger.

    Args:
        asked: of so many marked images at the most; of all where None.
    """
    pixels, rows = case.images.pixels, marked.nonzero().flatten()
    trigger = estimate_trigger(pixels, rows, plain)
    return trigger, bench.ask(case.model, trigger.undone(pixels[rows[:asked]]))


def _plain(case: Case, findings: Findings, classes: Sequence[int]) -> list[Tensor]:
    """The rows of each of these classes that are no suspects; of all classes, if all are."""
    free = ~findings.evidence.flagged
    rows = [(free & (case.images.labels == label)).nonzero().flatten() for label in classes]
    return rows if any(map(len, rows)) else [free.nonzero().flatten()]


def _classes(images: LabeledImages) -> list[int]:
    return sorted(set(images.labels.tolist()))


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
