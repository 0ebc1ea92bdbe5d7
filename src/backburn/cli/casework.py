"""Opening a case, and writing down what was found: for `audit`, `repair`, `demo` and `bench`."""

import csv
import io
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch

from ..attacks.folder import IMAGES, MODEL, TRUTH, is_victim, read_case, read_victim
from ..data.reading import load_images
from ..errors import InputError
from ..metrics import Found, Scores, judge, match
from ..models.loading import load_model
from ..runs import to_json
from ..types import Audit, Case, Exam, LabeledImages, Progress, Repaired, Truth


@dataclass(frozen=True, slots=True)
class Opened:
    """A case as the user gave it, and what the referee knows, if there is one."""

    case: Case
    truth: Truth | None = None
    exam: Exam | None = None


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
        return Opened(case, exam=_plain_exam(test, progress) if test else None)
    if not is_victim(path):
        raise InputError(
            f"{path} is no victim's folder (it needs {MODEL} and {IMAGES}): give MODEL and "
            "DATA, or a folder that `backburn attack` wrote"
        )
    if not (path / TRUTH).is_file():
        return Opened(read_case(path, device, progress))
    return Opened(*read_victim(path, device, progress))


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
    out = io.StringIO()
    table = csv.writer(out, lineterminator="\n")
    table.writerow(["image", "given_label", "restored_label", "confidence", "score", "distance"])
    suspects = result.suspects
    for place, row in enumerate(suspects.index.tolist()):
        table.writerow(
            [
                images.name_of(row),
                class_name(images, int(suspects.given_label[place])),
                class_name(images, int(suspects.restored_label[place])),
                f"{suspects.confidence[place]:.4f}",
                f"{result.evidence.score[row]:.4f}",
                f"{result.boundary.distance[row]:.5f}",
            ]
        )
    return out.getvalue().encode("utf-8", "surrogateescape")


def class_name(images: LabeledImages, label: int) -> str:
    """The class's name, or its number where it has none."""
    return images.class_names[label] if images.class_names else str(label)


def verdict_json(images: LabeledImages, result: Audit | Repaired) -> bytes:
    """The verdict with the target classes' names."""
    return to_json(verdict_summary(images, result))


def verdict_summary(images: LabeledImages, result: Audit | Repaired) -> dict[str, Any]:
    """The verdict as plain values."""
    verdict = result.verdict
    return {
        "state": verdict.state,
        "target_labels": list(verdict.target_labels),
        "target_names": [class_name(images, label) for label in verdict.target_labels],
        "p_value": verdict.p_value,
        "classes": [
            {"name": class_name(images, tried.label), **asdict(tried)} for tried in verdict.classes
        ],
        "suspects": len(result.suspects),
        "images": len(images),
        "skipped": list(images.skipped),
    }
