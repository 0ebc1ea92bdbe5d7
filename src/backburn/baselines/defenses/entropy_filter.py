"""The victim of V&B: a network that splits images by the entropy of its predictions."""

from collections.abc import Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor, nn

from ...models.inference import predict
from ...training import Training, TrainingTask, fit
from ...types import Flags, Index, LabeledImages, Logits, PerImage, Progress

MIN_SIDE = 2
"""Images on each side of a split, at least: batch norm can't normalize a single image."""


@dataclass(slots=True)
class EntropyFilter:
    """A network trained on what it is certain of already, and the entropy it has for each image.

    Args:
        model: the network; it is trained in place.
        images: the images that are split.
        training: the training of one epoch.
        newest: weight of the newest entropy in the moving average, in (0, 1].
    Attributes:
        entropy: moving average `(n,)` of the entropy of each image, in nats; empty at first.
    """

    model: nn.Module
    images: LabeledImages
    training: Training
    newest: float
    entropy: PerImage = field(default_factory=lambda: torch.empty(0))

    def warm_up(
        self, thresholds: Sequence[float], generator: torch.Generator, progress: Progress
    ) -> Flags:
        """Train an epoch on all images, then one on each split; return the last split.

        Args:
            thresholds: of the split after each epoch.
        """
        self._train(None, generator, progress)
        suspects = self.split(thresholds[0])
        for threshold in thresholds[1:]:
            suspects = self.refresh(suspects, threshold, generator, progress)
        return suspects

    def refresh(
        self, suspects: Flags, threshold: float, generator: torch.Generator, progress: Progress
    ) -> Flags:
        """Train an epoch on the suspects, and split again."""
        self._train(suspects.nonzero().flatten(), generator, progress)
        return self.split(threshold)

    def split(self, threshold: float) -> Flags:
        """Flag the images whose entropy, scaled to [0, 1] over all images, is below `threshold`."""
        new = entropy_of(predict(self.model, self.images.pixels))
        old = self.entropy if len(self.entropy) else new
        self.entropy = self.newest * new + (1 - self.newest) * old
        return low_entropy(self.entropy, threshold)

    def _train(self, rows: Index | None, generator: torch.Generator, progress: Progress) -> None:
        pixels, labels = self.images.pixels, self.images.labels
        task = TrainingTask(pixels, labels, self.training, rows=rows, phase="victim")
        fit(self.model, task, generator, progress=progress)


def entropy_of(logits: Logits) -> PerImage:
    """The entropy `(n,)` of the predicted probabilities, in nats."""
    log: Tensor = logits.log_softmax(1)
    return -(log.exp() * log).sum(1)


def low_entropy(entropy: PerImage, threshold: float) -> Flags:
    """Flag a low entropy, scaled to [0, 1]; at least two images are flagged and two are not.

    >>> low_entropy(torch.tensor([0.0, 1.0, 4.0, 5.0, 3.0]), 0.5).tolist()
    [True, True, False, False, False]
    """
    low, high = entropy.min(), entropy.max()
    flagged = (entropy - low) / (high - low).clamp_min(1e-12) < threshold
    order = entropy.argsort(stable=True)
    flagged[order[:MIN_SIDE]], flagged[order[-MIN_SIDE:]] = True, False
    return flagged
