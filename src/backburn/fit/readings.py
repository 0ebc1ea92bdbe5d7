"""Readings: the ways in which images may be decoded and normalized, in order of likelihood."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import NamedTuple

from ..data.decoding_options import DEFAULT_DECODING, RESIZES, DecodingOptions
from ..models.open.find_network import Normalization
from ..models.open.opened_model import OpenedModel
from .class_order import ClassOrder, common_orders

BYTE_SCALE = 1 / 255
COLOR_NORMALIZATIONS: dict[str, Normalization] = {
    "none": ((0.0, 0.0, 0.0), (1.0, 1.0, 1.0)),
    "0.5/0.5": ((0.5, 0.5, 0.5), (0.5, 0.5, 0.5)),
    "ImageNet's": ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225)),
    "CIFAR-10's": ((0.4914, 0.4822, 0.4465), (0.247, 0.2435, 0.2616)),
}
GRAY_NORMALIZATIONS: dict[str, Normalization] = {
    "none": ((0.0,), (1.0,)),
    "0.5/0.5": ((0.5,), (0.5,)),
    "MNIST's": ((0.1307,), (0.3081,)),
}
CAFFE_MEAN = tuple(value / 255 for value in (103.939, 116.779, 123.68))
"""Mean of blue, green and red that Caffe's networks subtract."""
RAW_NORMALIZATIONS: dict[str, tuple[int, Normalization, bool]] = {
    "pixels from 0 to 255": (3, ((0.0,) * 3, (BYTE_SCALE,) * 3), False),
    "pixels from 0 to 255 ": (1, ((0.0,), (BYTE_SCALE,)), False),
    "Caffe's: blue first, 0 to 255": (3, (CAFFE_MEAN, (BYTE_SCALE,) * 3), True),
}
"""Normalizations of pixels beyond [0, 1], with their channels and whether blue is first."""


@dataclass(frozen=True, slots=True)
class Reading:
    """How images are read for a model, from the files to the network's input.

    Args:
        decoding: from a file to pixels.
        gray: whether color is removed; all three channels of the network are then the same.
        normalization: None for a network that normalizes inside.
        bgr: whether blue comes first.
        order: the model's number of each class, if it is not the label.
    """

    decoding: DecodingOptions = DEFAULT_DECODING
    gray: bool = False
    normalization: Normalization | None = None
    bgr: bool = False
    order: ClassOrder | None = None


class CandidateReading(NamedTuple):
    """Another reading to compare with the present one.

    Args:
        words: description for messages.
        option: command-line option that selects it; empty if there is none.
        always: compare it even if the model's accuracy is high enough.
    """

    reading: Reading
    words: str
    option: str
    always: bool


@dataclass(frozen=True, slots=True)
class ReadingChoices:
    """The choices in reading images that are open, because the user has not made them.

    Args:
        decoding: what the decoded pixels depend on, see `LabeledImages.choices`.
        names: classes, if their order is not known; else empty.
        resize, normalization: whether these are open.
        in_color: whether images are in color.
        own_normalization: mean and standard deviation of the images themselves.
        can_reread: whether files can be read again.
        options: command-line options that were not given and could help.
    """

    decoding: tuple[str, ...] = ()
    names: tuple[str, ...] = ()
    resize: bool = True
    normalization: bool = True
    in_color: bool = True
    own_normalization: Normalization | None = None
    can_reread: bool = True
    options: tuple[str, ...] = ()


def candidate_readings(
    current: Reading, model: OpenedModel, choices: ReadingChoices
) -> Iterator[CandidateReading]:
    """Readings that differ from the current one in one choice, the likeliest first."""
    if current.order is None:
        for kind, order in common_orders(choices.names):
            words = f"when classes are numbered {kind}"
            yield CandidateReading(replace(current, order=order), words, "", True)
    if choices.can_reread:
        yield from _decodings(current, choices)
    in_color = model.channels == 3 and choices.in_color
    if in_color and not current.bgr and not model.normalizes_inside:
        yield CandidateReading(replace(current, bgr=True), "with blue first (BGR)", "", False)
    if in_color and not current.gray:
        yield CandidateReading(replace(current, gray=True), "when made gray", "", False)
    if not model.normalizes_inside and choices.normalization:
        yield from _normalizations(current, model, choices)


def _decodings(current: Reading, choices: ReadingChoices) -> Iterator[CandidateReading]:
    """Other ways to decode the same files, as far as their pixels depend on the way."""
    decoding, differ = current.decoding, choices.decoding
    words = {
        "squash": "when squashed to size",
        "crop": "when scaled and cropped",
        "letterbox": "in a letterbox",
        "zoom": "when enlarged by 256/224 and cropped",
    }
    for resize in ("squash", "crop", "letterbox", "zoom"):
        kind = "scale" if resize == "zoom" else "resize"
        if choices.resize and kind in differ and resize in RESIZES and resize != decoding.resize:
            other = replace(current, decoding=replace(decoding, resize=resize))
            yield CandidateReading(other, words[resize], f"--resize {resize}", resize != "zoom")
    if "turned" in differ:
        other = replace(current, decoding=replace(decoding, turned=not decoding.turned))
        turn = "without turning by EXIF" if decoding.turned else "turned by EXIF"
        yield CandidateReading(other, turn, "", True)
    if "backdrop" in differ:
        for backdrop in ("black", "dropped", "white"):
            if backdrop != decoding.backdrop:
                other = replace(current, decoding=replace(decoding, backdrop=backdrop))
                ground = "with alpha dropped" if backdrop == "dropped" else f"on {backdrop}"
                yield CandidateReading(other, ground, "", True)


def _normalizations(
    current: Reading, model: OpenedModel, choices: ReadingChoices
) -> Iterator[CandidateReading]:
    for name, values in common_normalizations(model, choices.own_normalization).items():
        if values != current.normalization:
            other = replace(current, normalization=values)
            words = f"with the normalization {name}"
            yield CandidateReading(other, words, _as_options(values), False)
    for name, other in raw_readings(model, current).items():
        words = f"with the normalization {name}"
        yield CandidateReading(other, words, "", False)


def raw_readings(model: OpenedModel, current: Reading) -> dict[str, Reading]:
    """Readings with pixels beyond [0, 1], by name."""
    return {
        name.strip(): replace(current, normalization=values, bgr=bgr)
        for name, (channels, values, bgr) in RAW_NORMALIZATIONS.items()
        if channels == model.channels
    }


def with_blue_first(model: OpenedModel, readings: dict[str, Reading]) -> dict[str, Reading]:
    """The same readings with blue first (BGR); empty for a model that takes gray images."""
    if model.channels != 3:
        return {}
    return {
        f"{name}, blue first (BGR)": replace(reading, bgr=True)
        for name, reading in readings.items()
    }


def common_normalizations(
    model: OpenedModel, own: Normalization | None
) -> dict[str, Normalization]:
    """Common normalizations for the model's channels, by name.

    Args:
        own: that of the images themselves.
    """
    common = COLOR_NORMALIZATIONS if model.channels == 3 else GRAY_NORMALIZATIONS
    return {**common, **({"the images' own": own} if own else {})}


def _as_options(values: Normalization) -> str:
    mean, std = (",".join(f"{value:.4g}" for value in each) for each in values)
    return f"--mean {mean} --std {std}"
