"""A case as the user gave it."""

from dataclasses import dataclass, field, replace
from typing import Any

import torch

from ..data.load_images import load_images
from ..data.sampling import stratified
from ..fit import Fit
from ..fit.channels import in_channels, made_gray
from ..fit.class_matching import like
from ..fit.readings import Reading
from ..models.open.opened_model import Origin
from ..types import Case, Exam, LabeledImages, Progress, Truth
from .case_options import Given


@dataclass(frozen=True, slots=True)
class Opened:
    """A case as the user gave it, and what the referee knows, if there is one.

    `in_all` is how many images there were before a subsample was drawn; `origin` how the model was
    stored, where others are to be stored alike; `arch` the network's name, where it was given or
    found out; `notes` what a person should know of it; `fit` how well the model knows the images,
    and `reading` how these were read.
    """

    case: Case
    in_all: int
    truth: Truth | None = None
    exam: Exam | None = None
    origin: Origin | None = None
    arch: str | None = None
    notes: tuple[str, ...] = ()
    fit: Fit | None = None
    reading: Reading = field(default_factory=Reading)

    def said(self, given: Given) -> dict[str, Any]:
        """What was given, with the network's name."""
        return {**given.said(), **({"arch": self.arch} if self.arch else {})}

    def noting(self, lines: tuple[str, ...]) -> "Opened":
        """The case with more that a person should know."""
        return replace(self, notes=(*self.notes, *lines))

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
        images, lines = self._like_case(holdout, "train", progress)
        return self._with_clean(images).noting(lines)

    def with_holdout(self, images: LabeledImages, holdout: str) -> "Opened":
        """The case with these clean images; `holdout` is what messages call them.

        Raises:
            InputError: other classes than the training images have.
        """
        other, lines = self._made_like(images, holdout)
        return self._with_clean(other).noting(lines)

    def _with_clean(self, images: LabeledImages) -> "Opened":
        device = self.case.images.pixels.device
        return replace(self, case=replace(self.case, holdout=images.on(device)))

    def tested(self, test: str | None, progress: Progress) -> "Opened":
        """The case with clean test images to judge it by, where these are named."""
        if test is None:
            return self
        clean, lines = self._like_case(test, "test", progress)
        nothing = clean.take(torch.arange(0))
        return replace(self, exam=Exam(clean, nothing, nothing.labels)).noting(lines)

    def _like_case(
        self, source: str, split: str, progress: Progress
    ) -> tuple[LabeledImages, tuple[str, ...]]:
        """Other images of the shape and the classes that the case's have, read as those were.

        Raises:
            InputError: classes that the case does not have.
        """
        height, width = self.case.images.pixels.shape[2:]
        other = load_images(
            source, split=split, size=(height, width), progress=progress, way=self.reading.way
        )
        return self._made_like(other, source)

    def _made_like(self, other: LabeledImages, where: str) -> tuple[LabeledImages, tuple[str, ...]]:
        """Images in the channels and with the class numbers of the case's."""
        images = self.case.images
        other, _ = in_channels(other, images.pixels.shape[1])
        other, line = like(made_gray(other) if self.reading.gray else other, images, where)
        return other, (line,) if line else ()
