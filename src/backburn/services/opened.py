"""A case as the user gave it."""

from dataclasses import dataclass, replace
from typing import Any

import torch

from ..data.reading import load_images
from ..data.sampling import stratified
from ..errors import InputError
from ..models.records import Origin
from ..types import Case, Exam, LabeledImages, Progress, Truth
from .given import Given


@dataclass(frozen=True, slots=True)
class Opened:
    """A case as the user gave it, and what the referee knows, if there is one.

    `in_all` is how many images there were before a subsample was drawn; `origin` how the model was
    stored, where others are to be stored alike; `arch` the network's name, where it was given or
    found out; `notes` what a person should know of it.
    """

    case: Case
    in_all: int
    truth: Truth | None = None
    exam: Exam | None = None
    origin: Origin | None = None
    arch: str | None = None
    notes: tuple[str, ...] = ()

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
        height, width = self.case.images.pixels.shape[2:]
        images = load_images(holdout, size=(height, width), progress=progress)
        return self.with_holdout(images, holdout)

    def with_holdout(self, images: LabeledImages, holdout: str) -> "Opened":
        """The case with these clean images; `holdout` is what messages call them.

        Raises:
            InputError: other channels or classes than the training images have.
        """
        case, channels = self.case, self.case.images.pixels.shape[1]
        if images.pixels.shape[1] != channels:
            raise InputError(
                f"{holdout} has images of {images.pixels.shape[1]} channels, the training images "
                f"have {channels}: give a holdout like them"
            )
        if int(images.labels.max()) >= case.images.class_count:
            raise InputError(
                f"{holdout} has a label {int(images.labels.max())}, the training images have "
                f"{case.images.class_count} classes: give a holdout of the same classes"
            )
        device = case.images.pixels.device
        return replace(self, case=replace(case, holdout=images.on(device)))
