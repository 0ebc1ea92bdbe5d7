"""The description of one training run, which any executor can carry out."""

from dataclasses import dataclass

from ..types import Index, Labels, PerImage, Pixels
from .settings import BatchTransform, Objective, StatefulTransform, Training, WeightChange


@dataclass(frozen=True, slots=True)
class TrainingTask:
    """What a model learns from, and how.

    Args:
        pixels: uint8 images `(n, c, h, w)`, on any device. They are not copied.
        labels: class numbers `(n,)`.
        training: optimizer settings.
        rows: `(m,)`, the images to train on; all images if None.
        weights: `(n,)`, weight of each image in the loss; 1 for all if None.
        batch_transform: applied to each batch after augmentation (triggers, mixtures).
        objective: the loss to minimize; the cross-entropy with the labels if None.
        after_epoch: changes the weights at the end of every epoch, the last included.
        phase: name of the training in progress, warnings and errors.
    """

    pixels: Pixels
    labels: Labels
    training: Training
    rows: Index | None = None
    weights: PerImage | None = None
    batch_transform: BatchTransform | None = None
    objective: Objective | None = None
    after_epoch: WeightChange | None = None
    phase: str = "train"

    @property
    def count(self) -> int:
        """Number of images in an epoch."""
        return len(self.pixels) if self.rows is None else len(self.rows)

    @property
    def is_resumable(self) -> bool:
        """Whether a checkpoint can hold everything that the next batch depends on."""
        return self.batch_transform is None or isinstance(self.batch_transform, StatefulTransform)
