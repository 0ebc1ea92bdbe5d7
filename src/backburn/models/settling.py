"""Which normalization does this model want? Tried on labeled images, and said."""

from torch import nn

from ..errors import InputError
from ..types import LabeledImages
from .inference import accuracy
from .networks import Normalization
from .records import OpenedModel
from .zoo import channel_statistics

SAMPLE = 1000
"""Images that a normalization is tried on."""
FAR = 0.2
"""An accuracy that is so much lower speaks against a normalization."""
LOW = 0.7
"""Images that a model was trained on are called by their label more often than this."""
CHANCE = 1.2
"""No better than so many times the share of the commonest class is chance."""
COLOR: dict[str, Normalization] = {
    "none": ((0.0, 0.0, 0.0), (1.0, 1.0, 1.0)),
    "0.5/0.5": ((0.5, 0.5, 0.5), (0.5, 0.5, 0.5)),
    "ImageNet's": ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225)),
    "CIFAR-10's": ((0.4914, 0.4822, 0.4465), (0.247, 0.2435, 0.2616)),
}
GREY: dict[str, Normalization] = {
    "none": ((0.0,), (1.0,)),
    "0.5/0.5": ((0.5,), (0.5,)),
    "MNIST's": ((0.1307,), (0.3081,)),
}


def settle(opened: OpenedModel, images: LabeledImages) -> tuple[nn.Module, tuple[str, ...]]:
    """The model on pixels in [0, 1], normalized as it wants to be.

    A normalization that is known is kept, and questioned where another one does far better. One
    that is not known is that of a short list (none, 0.5/0.5, ImageNet's, CIFAR-10's or MNIST's,
    the images' own statistics) with the best accuracy on up to 1,000 of the images.
    Returns:
        The model, and lines for people.
    Raises:
        InputError: no normalization of the list is better than chance.
    """
    if opened.settled:
        return opened.network, ()
    known, sample = opened.normalization, images.sample(SAMPLE)
    if known is None:
        tried = _tried(opened, sample)
        best = _best(tried)
        _check_chance(tried[best][1], sample)
        line = f"normalization: {best}, the best of {_scores(tried)}"
        return opened.normalized(tried[best][0]), (line,)
    model = opened.normalized(known)
    right = accuracy(model, sample)
    line = f"accuracy on {len(sample)} of these images: {right:.1%}"
    if right + FAR < 1:  # else none can do so much better
        tried = _tried(opened, sample)
        best = _best(tried)
        if tried[best][1] > right + FAR:
            found = f"{tried[best][1]:.1%} with the normalization {best}"
            line += f", but {found}: check --mean and --std"
        elif right < LOW:
            height, width = images.pixels.shape[-2:]
            line += "; it has learnt little of them, so single suspects may be wrong"
            line += f"; if it was trained at another size than {height}x{width}, give --size"
    return model, (line,)


def _best(tried: dict[str, tuple[Normalization, float]]) -> str:
    return max(tried, key=lambda name: tried[name][1])


def _tried(opened: OpenedModel, sample: LabeledImages) -> dict[str, tuple[Normalization, float]]:
    """Every normalization of the list, and the accuracy with it."""
    known = COLOR if opened.channels == 3 else GREY
    own = channel_statistics(sample.pixels.cpu())
    listed = {**known, "the images' own": own}
    return {name: (n, accuracy(opened.normalized(n), sample)) for name, n in listed.items()}


def _check_chance(right: float, sample: LabeledImages) -> None:
    share = float(sample.labels.bincount().max()) / len(sample)
    if right <= min(CHANCE * share, (1 + share) / 2):
        raise InputError(
            f"the model's normalization is not known, and the best of those tried calls only "
            f"{right:.1%} of these images by their label: give --mean and --std"
        )


def _scores(tried: dict[str, tuple[Normalization, float]]) -> str:
    return ", ".join(f"{name} {right:.1%}" for name, (_, right) in tried.items())
