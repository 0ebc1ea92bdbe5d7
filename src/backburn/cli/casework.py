"""Opening a case, and writing down what was found: for `audit`, `repair`, `demo` and `bench`."""

from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import torch
from scipy.stats import binomtest

from ..attacks.folder import IMAGES, MODEL, TRUTH, is_victim, read_case, read_victim
from ..data.cells import csv_bytes
from ..data.reading import load_images
from ..data.sampling import stratified
from ..errors import InputError
from ..metrics import Found, Scores, judge, match
from ..models.loading import load_model
from ..toolkits.suspects import COLUMNS
from ..types import Audit, Case, Exam, LabeledImages, Progress, Repaired, Truth


@dataclass(frozen=True, slots=True)
class Opened:
    """A case as the user gave it, and what the referee knows, if there is one.

    `in_all` is how many images there were before a subsample was drawn.
    """

    case: Case
    in_all: int
    truth: Truth | None = None
    exam: Exam | None = None

    def sampled(self, count: int | None, seed: int) -> "Opened":
        """The case with about `count` of its images, stratified by class; all where None."""
        if count is None:
            return self
        images = self.case.images
        rows = stratified(images.labels, count, torch.Generator().manual_seed(seed))
        case = replace(self.case, images=images.take(rows))
        return replace(self, case=case, truth=self.truth and self.truth.take(rows))

    def trusting(self, holdout: str | None, progress: Progress) -> "Opened":
        """The case with a holdout of clean images, where one is named."""
        if holdout is None:
            return self
        images, case = load_images(holdout, progress=progress), self.case
        if images.pixels.shape[1:] != case.images.pixels.shape[1:]:
            raise InputError(
                f"{holdout} has images of shape {tuple(images.pixels.shape[1:])}, the training "
                f"images have {tuple(case.images.pixels.shape[1:])}: give a holdout of that shape"
            )
        if int(images.labels.max()) >= case.images.class_count:
            raise InputError(
                f"{holdout} has a label {int(images.labels.max())}, the training images have "
                f"{case.images.class_count} classes: give a holdout of the same classes"
            )
        device = case.images.pixels.device
        return replace(self, case=replace(case, holdout=images.on(device)))


def open_case(
    model: str,
    data: str | None,
    arch: str | None,
    test: str | None,
    device: torch.device,
    progress: Progress,
) -> Opened:
    """The case in `MODEL DATA`, or in one folder that `attack` wrote.

    Raises:
        InputError: a path that is missing or cannot be read.
    """
    path = Path(model)
    if data is not None:
        network = load_model(model, arch).to(device)  # fails sooner than the images
        images = load_images(data, progress=progress)
        case = Case(network, images.on(device))
        exam = _plain_exam(test, progress) if test else None
        return Opened(case, len(images), exam=exam)
    if not is_victim(path):
        raise InputError(
            f"{path} is no victim's folder (it needs {MODEL} and {IMAGES}): give MODEL and "
            "DATA, or a folder that `backburn attack` wrote"
        )
    if not (path / TRUTH).is_file():
        case = read_case(path, device, progress)
        return Opened(case, len(case.images))
    case, truth, exam = read_victim(path, device, progress)
    return Opened(case, len(case.images), truth, exam)


def _plain_exam(test: str, progress: Progress) -> Exam:
    clean = load_images(test, split="test", progress=progress)
    nothing = clean.take(torch.arange(0))
    return Exam(clean, nothing, nothing.labels)


def judge_both(
    opened: Opened, repaired: Repaired, progress: Progress
) -> tuple[Scores | None, Scores | None]:
    """How the model did before and after, where there are images to judge it by."""
    if opened.exam is None:
        return None, None
    before = judge(opened.case.model, opened.exam, progress)
    after = judge(repaired.model, opened.exam, progress)
    return before, after


def match_truth(opened: Opened, result: Audit | Repaired) -> Found | None:
    """The suspects against the truth, where it is known."""
    if opened.truth is None:
        return None
    return match(result.evidence, result.suspects, opened.truth)


def suspects_csv(images: LabeledImages, result: Audit | Repaired) -> bytes:
    """One line a suspect: image, given and restored label, confidence, score, distance."""
    suspects = result.suspects
    rows = [
        {
            "image": images.name_of(row),
            "given_label": class_name(images, int(suspects.given_label[place])),
            "restored_label": class_name(images, int(suspects.restored_label[place])),
            "confidence": f"{suspects.confidence[place]:.4f}",
            "score": f"{result.evidence.score[row]:.4f}",
            "distance": f"{result.boundary.distance[row]:.5f}",
        }
        for place, row in enumerate(suspects.index.tolist())
    ]
    return csv_bytes(COLUMNS, rows)


def class_name(images: LabeledImages, label: int) -> str:
    """The class's name, or its number where it has none."""
    return images.class_names[label] if images.class_names else str(label)


def verdict_summary(opened: Opened, result: Audit | Repaired) -> dict[str, Any]:
    """The verdict as plain values, with the target classes' names.

    `suspect_share` is a 95 % confidence interval (Clopper and Pearson) for the share of suspects
    among all the images of which these are a sample.
    """
    verdict, images = result.verdict, opened.case.images
    interval = binomtest(len(result.suspects), len(images)).proportion_ci(0.95, "exact")
    return {
        "state": verdict.state,
        "target_labels": list(verdict.target_labels),
        "target_names": [class_name(images, label) for label in verdict.target_labels],
        "p_value": verdict.p_value,
        "reason": verdict.reason,
        "classes": [
            {"name": class_name(images, tried.label), **asdict(tried)} for tried in verdict.classes
        ],
        "suspects": len(result.suspects),
        "suspect_share": [float(interval.low), float(interval.high)],
        "images": len(images),
        "images_in_all": opened.in_all,
        "skipped": list(images.skipped),
    }
