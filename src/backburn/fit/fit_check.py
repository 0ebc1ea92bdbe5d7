"""The fit of a model to its images, and the conditions under which a case may be called clean."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch
from scipy.stats import binom
from torch import Tensor, nn

from ..errors import InputError
from ..models.inference import predict
from ..types import LabeledImages, Labels
from .class_order import ClassOrder, describe_order, find_class_order


@dataclass(frozen=True, slots=True)
class FitResult:
    """How many of the images a model calls by their label, and what was changed to reach that.

    Args:
        accuracy: share of the sampled images that are called by their label, as finally read.
        images: number of sampled images.
        as_read: the share before anything was changed; equal to `accuracy` if nothing was.
        explanation: what was changed, in one line; empty if nothing was.
        reason: why the case must not be called clean; empty if it may be.
        low: whether the reason is an accuracy that fine-tuning could excuse.
    """

    accuracy: float
    images: int
    as_read: float
    explanation: str = ""
    reason: str = ""
    low: bool = False

    def summary(self) -> str:
        """The accuracy in words.

        >>> FitResult(accuracy=0.98, images=1000, as_read=0.98).summary()
        'accuracy on 1000 of these images: 98.0%'
        """
        line = f"accuracy on {self.images} of these images: {self.accuracy:.1%}"
        return f"{line} ({self.as_read:.1%} as read)" if self.explanation else line


@dataclass(frozen=True)
class FitCheck:
    """What a model must reach on its own training images before it can be called clean.

    Args:
        images: most images to classify, evenly spaced. 1,000 estimate an accuracy to within two
            points.
        accuracy: share of them that must be called by their label, in [0, 1]. Networks call 95 to
            100 % of their training images so; fewer if the images are read in another way.
        class_accuracy: the same for each class. Below it, the model takes the class for another
            one. It is half, so that a class that is merely hard passes.
        least: accuracy, in [0, 1], below which nothing excuses a model: it does not know the
            images. Another order of classes explains a model only if it reaches this accuracy with
            that order.
        reach: a model of a lower accuracy may be called clean if fine-tuning its last layer on half
            of the images gains no more than this, in [0, 1], on the other half. A model that was
            trained on the images, read this way, learns nothing new from them.
        chance: another way to read images is used if its gain has a smaller p-value (sign test).
    """

    images: int = 1000
    accuracy: float = 0.9
    class_accuracy: float = 0.5
    least: float = 0.7
    reach: float = 0.03
    chance: float = 0.001

    def __post_init__(self) -> None:
        shares = (self.accuracy, self.class_accuracy, self.least, self.reach, self.chance)
        if self.images < 1 or not all(0 <= share <= 1 for share in shares):
            raise InputError(f"{self}: give 1 image or more, and fractions in [0, 1]")

    def measure(self, model: nn.Module, images: LabeledImages) -> FitResult:
        """The fit of the model to the images as they are."""
        sample = images.sample(self.images)
        return self.evaluate(predict(model, sample.pixels).argmax(1), sample)

    def evaluate(
        self, predictions: Labels, sample: LabeledImages, options: Sequence[str] = ()
    ) -> FitResult:
        """The fit by a model's predictions for a sample of the images.

        Args:
            options: command-line options for reading images that were not given, for the message.
        """
        correct = predictions == sample.labels.cpu()
        share = float(correct.double().mean())
        fit = FitResult(share, len(sample), share)
        order = find_class_order(predictions, sample.labels.cpu(), len(sample.class_names))
        if order is not None and self._explains(order, predictions, sample):
            return replace(fit, reason=describe_order(order, sample.class_names))
        if share < self.accuracy:
            return replace(
                fit,
                reason=self._low_accuracy(share, options),
                low=share >= self.least,
            )
        return replace(fit, reason=self._mismatched_class(predictions, sample))

    def _explains(self, order: ClassOrder, predictions: Labels, sample: LabeledImages) -> bool:
        """Whether the model knows the images in this order; one at chance has some order, too."""
        correct = predictions == torch.tensor(order)[sample.labels.cpu()]
        return float(correct.double().mean()) >= self.least

    def _low_accuracy(self, share: float, options: Sequence[str]) -> str:
        hint = f" ({', '.join(options)})" if options else ""
        return (
            f"the model calls only {100 * share:.1f} % of the images by their label, and one that "
            f"was trained on them would call {100 * self.accuracy:.0f} % or more: are these "
            f"its training images, and read as in training{hint}? Or has it learnt too little?"
        )

    def _mismatched_class(self, predictions: Tensor, sample: LabeledImages) -> str:
        """Why a class seems to be another one to the model, by more than chance; or empty."""
        labels = sample.labels.cpu()
        classes = sorted(set(labels.tolist()))
        for label in classes:
            own = predictions[labels == label]
            correct = int((own == label).sum())
            if binom.cdf(correct, len(own), self.class_accuracy) < self.chance / len(classes):
                most = int(own.bincount().argmax())
                return (
                    f"the model calls {correct} of {len(own)} images of class "
                    f"{_name(sample.class_names, label)} so, and most of them "
                    f"{_name(sample.class_names, most)}: is its folder the one of that class?"
                )
        return ""

    def is_better(self, before: Tensor, after: Tensor, candidates: int) -> bool:
        """Whether more images are called by their label than before, by more than chance.

        Args:
            before, after: `(n,)` whether each image is called by its label.
            candidates: number of readings that are compared with the present one.
        """
        gained, lost = int((after & ~before).sum()), int((before & ~after).sum())
        return (
            gained > lost
            and float(binom.sf(gained - 1, gained + lost, 0.5)) < self.chance / candidates
        )


def _name(names: Sequence[str], label: int) -> str:
    return repr(names[label]) if names and label < len(names) else str(label)
