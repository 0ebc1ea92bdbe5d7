"""Opening a case: a model and the images it was trained on, from wherever they are."""

from dataclasses import dataclass, replace
from pathlib import Path

import torch

from ..attacks.folder import IMAGES, MODEL, TRUTH, is_victim, read_case, read_victim
from ..data.reading import load_images
from ..data.sampling import stratified
from ..errors import InputError
from ..models.loading import load_model
from ..types import Case, Exam, Progress, Truth
from .options import Given


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
    given: Given, test: str | None, seed: int, device: torch.device, progress: Progress
) -> Opened:
    """The case in `MODEL DATA`, or in one folder that `attack` wrote, as far as it is asked about.

    Raises:
        InputError: a path that is missing or cannot be read.
    """
    opened = _open(given, test, device, progress)
    return opened.sampled(given.max_images, seed)


def _open(given: Given, test: str | None, device: torch.device, progress: Progress) -> Opened:
    path = Path(given.model)
    if given.data is not None:
        network = load_model(given.model, given.arch).to(device)  # fails sooner than the images
        images = load_images(given.data, progress=progress)
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
