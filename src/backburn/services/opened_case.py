"""An opened case: model and images as the user gave them, and all that is known about them."""

from dataclasses import dataclass, field, replace
from typing import Any

import torch

from ..data.load_images import load_images
from ..data.sampling import stratified_sample
from ..fit import FitResult
from ..fit.channel_count import match_channels, to_gray_images
from ..fit.class_matching import match_training_classes
from ..fit.readings import Reading
from ..models.open.opened_model import Origin
from ..types import Case, EvaluationSet, LabeledImages, Progress, Truth
from .case_options import CaseOptions


@dataclass(frozen=True, slots=True)
class OpenedCase:
    """A case and what is known about it.

    Args:
        case: model and images.
        total_images: number of images before a subsample was drawn.
        truth: which images are poisoned, if the case was made by an attack.
        evaluation_set: images that the model is evaluated on, if there are any.
        origin: format that the model was stored in; a repaired one is stored alike.
        arch: name of the architecture, if it was given or recognized.
        notes: lines that a person should read.
        fit: how well the model predicts the labels of its images.
        reading: how the images were decoded and normalized.
    """

    case: Case
    total_images: int
    truth: Truth | None = None
    evaluation_set: EvaluationSet | None = None
    origin: Origin | None = None
    arch: str | None = None
    notes: tuple[str, ...] = ()
    fit: FitResult | None = None
    reading: Reading = field(default_factory=Reading)

    def record_arguments(self, options: CaseOptions) -> dict[str, Any]:
        """The options that are set, and the architecture's name, for a record."""
        return {**options.set_options(), **({"arch": self.arch} if self.arch else {})}

    def with_notes(self, notes: tuple[str, ...]) -> "OpenedCase":
        """The case with further notes."""
        return replace(self, notes=(*self.notes, *notes))

    def subsampled(self, count: int | None, seed: int) -> "OpenedCase":
        """The case with about `count` images, stratified by class; with all of them if None."""
        if count is None:
            return self
        images = self.case.images
        rows = stratified_sample(images.labels, count, torch.Generator().manual_seed(seed))
        case = replace(self.case, images=images.take(rows))
        return replace(self, case=case, truth=self.truth and self.truth.take(rows))

    def load_holdout(self, source: str | None, progress: Progress) -> "OpenedCase":
        """The case with a holdout of clean images; without one if `source` is None.

        Raises:
            InputError: images that cannot be read, or of other classes.
        """
        if source is None:
            return self
        images, notes = self._load_matching(source, "train", progress)
        return self._add_holdout(images).with_notes(notes)

    def with_holdout(self, images: LabeledImages, name: str) -> "OpenedCase":
        """The case with a holdout of clean images; `name` is used in messages.

        Raises:
            InputError: the images have classes that the training images lack.
        """
        matching, notes = self._match(images, name)
        return self._add_holdout(matching).with_notes(notes)

    def _add_holdout(self, images: LabeledImages) -> "OpenedCase":
        device = self.case.images.pixels.device
        return replace(self, case=replace(self.case, holdout=images.on(device)))

    def load_test_images(self, source: str | None, progress: Progress) -> "OpenedCase":
        """The case with clean test images to evaluate it on; without them if `source` is None.

        Raises:
            InputError: images that cannot be read, or of other classes.
        """
        if source is None:
            return self
        clean, notes = self._load_matching(source, "test", progress)
        empty = clean.take(torch.arange(0))
        return replace(self, evaluation_set=EvaluationSet(clean, empty, empty.labels)).with_notes(
            notes
        )

    def _load_matching(
        self, source: str, split: str, progress: Progress
    ) -> tuple[LabeledImages, tuple[str, ...]]:
        """Load images with the shape and classes of the training images, and notes about them."""
        height, width = self.case.images.pixels.shape[2:]
        images = load_images(
            source,
            split=split,
            size=(height, width),
            progress=progress,
            options=self.reading.decoding,
        )
        return self._match(images, source)

    def _match(self, images: LabeledImages, name: str) -> tuple[LabeledImages, tuple[str, ...]]:
        """Convert images to the channels and class numbers of the training images."""
        images, _ = match_channels(images, self.case.images.pixels.shape[1])
        if self.reading.gray:
            images = to_gray_images(images)
        images, note = match_training_classes(images, self.case.images, name)
        return images, (note,) if note else ()
