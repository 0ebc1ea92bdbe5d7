"""How well a model fits the images, and what has to hold before a case is called clean."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch
from scipy.stats import binom
from torch import Tensor, nn

from ..errors import InputError
from ..models.inference import predict
from ..types import LabeledImages, Labels
from .class_order import Order, order_of, order_sentence


@dataclass(frozen=True, slots=True)
class Fit:
    """How many of the images a model calls by their label, and what that takes.

    Args:
        accuracy: share of the images that were asked about, read as they are in the end.
        images: how many these are.
        as_read: the share before anything was changed; that of `accuracy` where nothing was.
        explanation: what was changed, in one line; empty where nothing was.
        reason: why the case must not be called clean; empty where it may be.
        low: whether that is for an accuracy that fine-tuning could excuse.
    """

    accuracy: float
    images: int
    as_read: float
    explanation: str = ""
    reason: str = ""
    low: bool = False

    def line(self) -> str:
        """The accuracy in words."""
        said = f"accuracy on {self.images} of these images: {self.accuracy:.1%}"
        return f"{said} ({self.as_read:.1%} as read)" if self.explanation else said


@dataclass(frozen=True)
class FitCheck:
    """What a model has to do on its own training images before it can be called clean.

    Args:
        images: so many are asked about at the most, evenly spaced. 1,000 tell an accuracy to within
            two points.
        accuracy: share of them that must be called by their label, in [0, 1]. Networks know 95 to
            100 % of the images that they were trained on; those misread know less.
        class_accuracy: the same of each class; below it, a class is another one to the model. It is
            half, so that a class that is merely hard is none.
        least: below this accuracy, in [0, 1], nothing excuses a model: it does not know the images.
            Another order of classes explains an accuracy only if the model reaches this one by it.
        reach: a model of a lower accuracy may be called clean if it lies within so much, in [0, 1],
            of what it reaches when its last layer is fine-tuned on half of the images, measured on
            the others: who knew the images, read this way, learns nothing new of them.
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

    def measure(self, model: nn.Module, images: LabeledImages) -> Fit:
        """How well the model fits the images as they are."""
        sample = images.sample(self.images)
        return self.judged(predict(model, sample.pixels).argmax(1), sample)

    def judged(self, said: Labels, sample: LabeledImages, options: Sequence[str] = ()) -> Fit:
        """The same of what a model calls these images.

        Args:
            options: of the command line, that say how images are read and were not given.
        """
        right = said == sample.labels.cpu()
        share = float(right.double().mean())
        fit = Fit(share, len(sample), share)
        order = order_of(said, sample.labels.cpu(), len(sample.class_names))
        if order is not None and self._explains(order, said, sample):
            return replace(fit, reason=order_sentence(order, sample.class_names))
        if share < self.accuracy:
            return replace(fit, reason=self._low(share, options), low=share >= self.least)
        return replace(fit, reason=self._other_class(said, sample))

    def _explains(self, order: Order, said: Labels, sample: LabeledImages) -> bool:
        """Whether the model knows the images by it; one at chance has some order or other."""
        right = said == torch.tensor(order)[sample.labels.cpu()]
        return float(right.double().mean()) >= self.least

    def _low(self, share: float, options: Sequence[str]) -> str:
        hint = f" ({', '.join(options)})" if options else ""
        return (
            f"the model calls only {100 * share:.1f} % of the images by their label, and one that "
            f"was trained on them would call {100 * self.accuracy:.0f} % or more: are these "
            f"its training images, and read as in training{hint}?"
        )

    def _other_class(self, said: Tensor, sample: LabeledImages) -> str:
        """A class that is called otherwise, by more than chance."""
        labels = sample.labels.cpu()
        classes = sorted(set(labels.tolist()))
        for label in classes:
            own = said[labels == label]
            right = int((own == label).sum())
            if binom.cdf(right, len(own), self.class_accuracy) < self.chance / len(classes):
                most = int(own.bincount().argmax())
                return (
                    f"the model calls {right} of {len(own)} images of class "
                    f"{_name(sample.class_names, label)} so, and most of them "
                    f"{_name(sample.class_names, most)}: is its folder the one of that class?"
                )
        return ""

    def better(self, before: Tensor, after: Tensor, tried: int) -> bool:
        """Whether more images are called by their label than before, by more than chance.

        Args:
            before, after: whether each image is.
            tried: how many ways are tried.
        """
        gained, lost = int((after & ~before).sum()), int((before & ~after).sum())
        return (
            gained > lost and float(binom.sf(gained - 1, gained + lost, 0.5)) < self.chance / tried
        )


def _name(names: Sequence[str], label: int) -> str:
    return repr(names[label]) if names and label < len(names) else str(label)
