"""What is left to be asked of students once classes are convicted: which side, and what labels."""

from collections.abc import Collection, Mapping
from dataclasses import replace

import torch
from torch import nn

from ..mapping import evenly
from ..models.inference import accuracy
from ..types import Index
from .examination import Laboratory
from .groups import Division, turned
from .stamping import StampTrigger
from .student import Student
from .trials import KNOWN, TRANSFER
from .tried import Tried

LESS, NOTHING = 0.5, 3 * TRANSFER
"""Of what carries over, one student knows so much less than the other, if that proves the ways
wrong; and what a student knows of a clean class (with p = .05)."""
OTHERS = 1000
"""Images of other classes that tell how much a student knows."""
STAMPED = 0.5
"""Of the images that a student is shown which is to take a rounding for nothing."""


def settled(
    laboratory: Laboratory, tried: Tried, targets: Collection[int], settings: Student
) -> Tried:
    """The planted side of targets by what carries over, where only the ways have told it.

    It is the planted side that taught it: where a student that never saw the other side does
    not know what one that never saw this side does, the ways were wrong. Undecided stays what
    neither knows better than it knows a clean class, and all where one of them knows too little of
    other classes: of few images, what it is shown again and again is learnt by heart.
    """
    asked = tried.unclear & set(targets)
    if not asked:
        return tried
    facing = {label: tried.divisions[label] for label in asked}
    averse = {label: turned(division) for label, division in facing.items()}
    students = [
        laboratory.taught(_without(laboratory, sides), settings) for sides in (facing, averse)
    ]
    known = {
        label: [laboratory.carried(label, facing[label], student).transfer for student in students]
        for label in sorted(asked)
    }
    heard = min(_known_of_others(laboratory, student, asked) for student in students) >= KNOWN
    lost = {label for label, both in known.items() if max(both) < NOTHING or not heard}
    wrong = {
        label
        for label, (without_it, without_other) in known.items()
        if without_it - without_other > LESS * tried.trials[label].transfer
    }
    divisions = {k: averse[k] if k in wrong else d for k, d in tried.divisions.items()}
    return replace(tried, divisions=divisions, undecided=frozenset(lost))


def _without(laboratory: Laboratory, hidden: Mapping[int, Division]) -> Index:
    """All rows but these sides; the others of their classes as often as both were together.

    A hundred images beside twenty thousand teach a student nothing in one epoch.
    """
    shown, labels = ~laboratory.inside(hidden), laboratory.case.images.labels
    again = [shown.nonzero().flatten()]
    for label in hidden:
        rest = ((labels == label) & shown).nonzero().flatten()
        missing = int((labels == label).sum()) - len(rest)
        again.append(rest.repeat(missing // max(1, len(rest)) + 1)[:missing])
    return torch.cat(again)


def _known_of_others(laboratory: Laboratory, student: nn.Module, asked: Collection[int]) -> float:
    """The share of images of the other classes that a student calls by their label."""
    images = laboratory.case.images
    others = ~torch.isin(images.labels, images.labels.new_tensor(sorted(asked)))
    rows = evenly((others if others.any() else ~others).nonzero().flatten(), OTHERS)
    return accuracy(student, images.take(rows))


def schooled(
    laboratory: Laboratory, tried: Tried, targets: Collection[int], settings: Student
) -> Tried:
    """With a student for each target whose rounding carries over: nothing else knows labels.

    It never saw the planted side either, but half of what it sees is rounded, under its own label.
    """
    known = {label: tried.trials[label].rounding for label in targets}
    roundings = {label: rounding for label, rounding in known.items() if rounding is not None}
    hidden = laboratory.inside({label: tried.divisions[label] for label in roundings})
    shown = (~hidden).nonzero().flatten()
    stamps = {
        label: StampTrigger(rounding, STAMPED, laboratory.generator)
        for label, rounding in roundings.items()
    }
    taught = {label: laboratory.taught(shown, settings, stamp) for label, stamp in stamps.items()}
    return replace(tried, students={**tried.students, **taught})
