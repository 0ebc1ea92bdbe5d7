"""The ways in which images may be read for a model: those tried, in order of likelihood."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import NamedTuple

from ..data.decoding_options import AS_SEEN, RESIZES, Way
from ..models.open.network_names import Normalization
from ..models.open.opened_model import OpenedModel
from .class_order import Order, usual_orders

BYTE = 1 / 255
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
CAFFE = tuple(value / 255 for value in (103.939, 116.779, 123.68))
"""What Caffe's networks subtract of blue, green and red."""
RAW: dict[str, tuple[int, Normalization, bool]] = {
    "pixels from 0 to 255": (3, ((0.0,) * 3, (BYTE,) * 3), False),
    "pixels from 0 to 255 ": (1, ((0.0,), (BYTE,)), False),
    "Caffe's: blue first, 0 to 255": (3, (CAFFE, (BYTE,) * 3), True),
}
"""Normalizations of pixels beyond [0, 1], with their channels and whether blue is first."""


@dataclass(frozen=True, slots=True)
class Reading:
    """How images are read for a model, from the files to the network's input.

    Args:
        way: from a file to pixels.
        gray: color is taken out; the network's three channels are the same.
        normalization: None of a network that normalizes inside.
        bgr: blue comes first.
        order: the model's number of each class, where it is not the label.
    """

    way: Way = AS_SEEN
    gray: bool = False
    normalization: Normalization | None = None
    bgr: bool = False
    order: Order | None = None


class Candidate(NamedTuple):
    """Another reading, what is said of it, what to paste, and whether it is always tried."""

    reading: Reading
    words: str
    option: str
    always: bool


@dataclass(frozen=True, slots=True)
class Choices:
    """What may be read otherwise: of the images, and of what a user has not said.

    Args:
        images: see `LabeledImages.choices`.
        names: classes, if their order is not known; else empty.
        resize, normalization: whether these are open.
        color: whether images are in color.
        own: mean and deviation of the images themselves.
        reread: whether files can be read again.
        options: of the command line, that were not given and could help.
    """

    images: tuple[str, ...] = ()
    names: tuple[str, ...] = ()
    resize: bool = True
    normalization: bool = True
    color: bool = True
    own: Normalization | None = None
    reread: bool = True
    options: tuple[str, ...] = ()


def candidates(now: Reading, model: OpenedModel, open_to: Choices) -> Iterator[Candidate]:
    """Readings that differ in one choice, the likeliest first."""
    if now.order is None:
        for kind, order in usual_orders(open_to.names):
            words = f"when classes are numbered {kind}"
            yield Candidate(replace(now, order=order), words, "", True)
    if open_to.reread:
        yield from _ways(now, open_to)
    three = model.channels == 3
    if three and open_to.color and not now.bgr and not model.settled:
        yield Candidate(replace(now, bgr=True), "with blue first (BGR)", "", False)
    if three and open_to.color and not now.gray:
        yield Candidate(replace(now, gray=True), "when made gray", "", False)
    if not model.settled and open_to.normalization:
        yield from _normalizations(now, model, open_to)


def _ways(now: Reading, open_to: Choices) -> Iterator[Candidate]:
    """Other pixels of the same files, where there are files of which they differ."""
    way, differ = now.way, open_to.images
    words = {
        "squash": "when squashed to size",
        "crop": "when scaled and cropped",
        "letterbox": "in a letterbox",
        "zoom": "when enlarged by 256/224 and cropped",
    }
    for resize in ("squash", "crop", "letterbox", "zoom"):
        kind = "scale" if resize == "zoom" else "resize"
        if open_to.resize and kind in differ and resize in RESIZES and resize != way.resize:
            other = replace(now, way=replace(way, resize=resize))
            yield Candidate(other, words[resize], f"--resize {resize}", resize != "zoom")
    if "turned" in differ:
        other = replace(now, way=replace(way, turned=not way.turned))
        yield Candidate(
            other, "without turning by EXIF" if way.turned else "turned by EXIF", "", True
        )
    if "backdrop" in differ:
        for ground in ("black", "dropped", "white"):
            if ground != way.backdrop:
                other = replace(now, way=replace(way, backdrop=ground))
                said = "with alpha dropped" if ground == "dropped" else f"on {ground}"
                yield Candidate(other, said, "", True)


def _normalizations(now: Reading, model: OpenedModel, open_to: Choices) -> Iterator[Candidate]:
    for name, values in listed(model, open_to.own).items():
        if values != now.normalization:
            other = replace(now, normalization=values)
            words = f"with the normalization {name}"
            yield Candidate(other, words, _pasted(values), False)
    for name, other in raw(model, now).items():
        words = f"with the normalization {name}"
        yield Candidate(other, words, "", False)


def raw(model: OpenedModel, now: Reading) -> dict[str, Reading]:
    """Readings in which pixels are not in [0, 1]."""
    return {
        name.strip(): replace(now, normalization=values, bgr=bgr)
        for name, (channels, values, bgr) in RAW.items()
        if channels == model.channels
    }


def blue_first(model: OpenedModel, tried: dict[str, Reading]) -> dict[str, Reading]:
    """The same readings with blue first (BGR), of a model for images in color."""
    if model.channels != 3:
        return {}
    return {f"{name}, blue first (BGR)": replace(each, bgr=True) for name, each in tried.items()}


def listed(model: OpenedModel, own: Normalization | None) -> dict[str, Normalization]:
    """Usual normalizations for the model's channels."""
    known = COLOR if model.channels == 3 else GREY
    return {**known, **({"the images' own": own} if own else {})}


def _pasted(values: Normalization) -> str:
    mean, std = (",".join(f"{value:.4g}" for value in each) for each in values)
    return f"--mean {mean} --std {std}"
