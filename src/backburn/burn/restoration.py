"""Phase 1a, label restoration: what was a suspect before somebody put a trigger on it?"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from ..detection.interventions.affine import AffineChange
from ..detection.interventions.quantization import QuantizationChange
from ..detection.records import Finding, Findings
from ..errors import InputError
from ..metrics import rate
from ..types import Case, Index, LabeledImages, Logits, Suspects
from .apply_trigger import Trigger
from .fine_tuning import Workbench
from .trigger_estimate import EstimatedTrigger, estimate_trigger

SAMPLE = 500
"""Suspects of a finding that tell which comparison its trigger is estimated by."""
SEVERAL = 0.5
"""Share of suspects of one label, at the most, for them to show several classes."""


@dataclass(frozen=True)
class Restoration:
    """Labels of the suspects, finding by finding and image by image.

    Two witnesses are averaged where both are at hand: the model itself, asked about the images with
    the estimated trigger inverted, and a retrained model that never saw them. Either may say that
    the given label stands: of clean-label poison, and of triggered images of the target class.

    Args:
        transferred: transfer from which on a trigger is taken to be one map of pixels, which can be
            estimated, inverted, and put on other images.
        clean_label: the trigger is estimated against the rest of its own class, and not against
            other classes, where more than this share of the suspects is called by the given label
            without it, the model is surer of them so, and they do not show several classes.
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
class Restored:
    """Suspects with the labels they should have had.

    `triggers` holds what the images of each finding carry, None where that could not be estimated;
    `kept` flags the findings that are clean-label poison, whose given labels all stand;
    `discrepancy` the share of the target classes' images that the sanitized model calls otherwise,
    once there is one.
    """

    suspects: Suspects
    triggers: tuple[Trigger | None, ...] = ()
    kept: tuple[bool, ...] = ()
    discrepancy: float = math.nan


def restore(settings: Restoration, case: Case, findings: Findings, bench: Workbench) -> Restored:
    """The flagged images with restored labels, each from the witnesses of its finding."""
    flagged = findings.evidence.flagged.nonzero().flatten()
    owner = findings.owner(len(case.images))[flagged]
    triggers, kept = list[Trigger | None](), list[bool]()
    says = torch.zeros(len(flagged), _outputs(case, findings))
    for number, finding in enumerate(findings.found):
        rows = flagged[owner == number]
        trigger, clean = _trigger(settings, case, findings, finding, rows, bench)
        triggers.append(trigger)
        kept.append(clean)
        if len(rows):
            says[owner == number] = _says(case, findings, rows, trigger, bench)
    without = owner < 0  # a person's, of no finding
    if bool(without.any()):
        says[without] = _says(case, findings, flagged[without], None, bench)
    suspects = relabel(case.images, flagged, says, standing(owner, kept))
    return Restored(suspects, tuple(triggers), tuple(kept))


def standing(owner: Tensor, kept: Sequence[bool]) -> Tensor:
    """Which images are of a finding whose given labels all stand."""
    numbers = [number for number, clean in enumerate(kept) if clean]
    return torch.isin(owner, torch.tensor(numbers, dtype=torch.long))


def _outputs(case: Case, findings: Findings) -> int:
    if findings.unseen is not None:
        return findings.unseen.shape[1]
    return case.images.class_count


def _says(
    case: Case, findings: Findings, rows: Index, trigger: Trigger | None, bench: Workbench
) -> Logits:
    """Class probabilities of suspects: the mean of what the witnesses say."""
    said = []
    if isinstance(trigger, EstimatedTrigger):
        said.append(bench.ask(case.model, trigger.invert(case.images.pixels[rows])))
    if findings.unseen is not None:
        said.append(_retrained(case, findings.unseen[rows].exp(), rows, bench))
    if not said:
        said.append(bench.ask(case.model, case.images.pixels[rows]))
    return torch.stack(said).mean(0)


def _retrained(case: Case, says: Logits, rows: Index, bench: Workbench) -> Logits:
    """What retrained models say; the model itself of images that these were trained on."""
    seen = says.isnan().any(1)
    if bool(seen.any()):
        says[seen] = bench.ask(case.model, case.images.pixels[rows[seen]])
    return says


def _trigger(
    settings: Restoration,
    case: Case,
    findings: Findings,
    finding: Finding,
    rows: Index,
    bench: Workbench,
) -> tuple[Trigger | None, bool]:
    """What these images carry, as far as it is one map of pixels; and whether all labels stand."""
    if finding.transfer < settings.transferred or not len(rows):
        return None, False
    if isinstance(finding.change, QuantizationChange):
        return finding.change, False
    if not isinstance(finding.change, AffineChange):
        return None, False
    pixels = case.images.pixels
    marked = rows[findings.agreed[rows]]
    marked = marked if len(marked) else rows
    own = estimate_trigger(pixels, marked, _plain(case, findings, [finding.label]))
    targets = {each.label for each in findings.found}
    others = [label for label in _classes(case.images) if label not in targets]
    other = estimate_trigger(
        pixels, marked, _plain(case, findings, others or _classes(case.images))
    )
    as_own, as_other = (
        bench.ask(case.model, trigger.invert(pixels[marked[:SAMPLE]])) for trigger in (own, other)
    )
    stays = rate(as_own.argmax(1) == finding.label) > settings.clean_label
    # images without their trigger are ordinary ones, which a model is sure of
    clean = stays and bool(as_own.amax(1).mean() > as_other.amax(1).mean())
    clean = clean and not _shows_others(settings, findings, finding, marked)
    return (own if clean else other), clean


def _shows_others(settings: Restoration, findings: Findings, finding: Finding, rows: Index) -> bool:
    """Whether who never saw these images calls them by several other labels.

    Clean-label poison whose trigger makes it strange is taken for one other class, if for any.
    """
    if findings.unseen is None or not len(rows):
        return False
    said = findings.unseen[rows]
    called = said[~said.isnan().any(1)].argmax(1)
    counts = called.bincount(minlength=said.shape[1]).float() / max(1, len(called))
    own = float(counts[finding.label])
    return len(called) > 0 and own <= settings.clean_label and float(counts.amax()) <= SEVERAL


def _plain(case: Case, findings: Findings, classes: Sequence[int]) -> list[Tensor]:
    """The rows of each of these classes that are no suspects; of all classes, if all are."""
    free = ~findings.evidence.flagged
    rows = [(free & (case.images.labels == label)).nonzero().flatten() for label in classes]
    return rows if any(map(len, rows)) else [free.nonzero().flatten()]


def _classes(images: LabeledImages) -> list[int]:
    return sorted(set(images.labels.tolist()))


def relabel(images: LabeledImages, index: Index, says: Logits, stands: Tensor) -> Suspects:
    """The likeliest label of each image with its probability; the given one may be it.

    Args:
        stands: images whose given label stands, whatever is said of them.
    """
    given = images.labels[index]
    confidence, label = says.max(1) if len(index) else (torch.zeros(0), index)
    own = says.gather(1, given[:, None])[:, 0]
    return Suspects(
        index, given, torch.where(stands, given, label), torch.where(stands, own, confidence)
    )
