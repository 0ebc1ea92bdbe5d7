"""What a model is to learn, in one record that whoever trains it is handed."""

from dataclasses import dataclass

from ..types import Index, Labels, PerImage, Pixels
from .settings import BatchTransform, Objective, Remembering, Training


@dataclass(frozen=True, slots=True)
class TrainingTask:
    """What a model is to learn, and how.

    Args:
        pixels: uint8 images `(n, c, h, w)`, on any device; kept where they are, as are
        labels: their class numbers `(n,)`.
        training: the settings of the fit.
        rows: `(m,)`, the images that are trained on; all where None. They are not copied.
        weights: `(n,)`, how much each image counts in the loss; 1 for all where None.
        batch_transform: applied to each batch after augmentation (triggers, mixtures).
        objective: what is minimised; the cross entropy of the labels where None.
        phase: what it is called, in progress, warnings and errors.
    """

    pixels: Pixels
    labels: Labels
    training: Training
    rows: Index | None = None
    weights: PerImage | None = None
    batch_transform: BatchTransform | None = None
    objective: Objective | None = None
    phase: str = "train"

    @property
    def count(self) -> int:
        """Images of an epoch."""
        return len(self.pixels) if self.rows is None else len(self.rows)

    @property
    def can_be_kept(self) -> bool:
        """Whether a checkpoint can hold all that its next batch depends on."""
        return self.batch_transform is None or isinstance(self.batch_transform, Remembering)
