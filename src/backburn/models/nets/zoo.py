"""Build the built-in networks by name: `preact_resnet18`, or narrower, `preact_resnet18-w16`."""

import re
from typing import Any, TypeAlias, cast

import torch

from ...errors import InputError, unknown_name
from ...types import Pixels
from .airbench_cnn import AirbenchCNN
from .base import Classifier
from .mobilenet import MobileNetV2
from .preact_resnet import PreActResNet18
from .small_cnn import SmallCNN
from .vgg import VGG11

BuiltIn: TypeAlias = (
    type[AirbenchCNN] | type[MobileNetV2] | type[PreActResNet18] | type[SmallCNN] | type[VGG11]
)

ARCHITECTURES: dict[str, BuiltIn] = {
    "airbench_cnn": AirbenchCNN,
    "mobilenet_v2": MobileNetV2,
    "preact_resnet18": PreActResNet18,
    "small_cnn": SmallCNN,
    "vgg11": VGG11,
}


def parse_architecture(name: str) -> tuple[BuiltIn, int | None]:
    """Split an architecture's name into its class and width; a width of None is the default.

    Raises:
        InputError: no such network, or a width below 1.

    >>> parse_architecture("vgg11-w16")[1]
    16
    """
    match = re.fullmatch(r"(?P<base>.+?)(?:-w(?P<width>[0-9]{1,5}))?", name)
    base, width = (match["base"], match["width"]) if match else (name, None)
    if base not in ARCHITECTURES:
        raise unknown_name("architecture", base, ARCHITECTURES)
    if width is not None and not int(width):
        raise InputError(f"architecture {name!r} has no channels: give a width of 1 or more")
    return ARCHITECTURES[base], int(width) if width else None


def build(
    name: str,
    classes: int,
    channels: int,
    *,
    generator: torch.Generator | None = None,
    pixels: Pixels | None = None,
) -> Classifier:
    """Build a network with random weights.

    Args:
        name: see `parse_architecture`.
        classes: number of logits.
        channels: of the images, 1 or 3.
        generator: seeds the initial weights. Global generators are not touched.
        pixels: uint8 training images; their channel statistics are the network's normalization,
            and `Classifier.adapt_to` gets them.
    Raises:
        InputError: no such network, or the images are too small for it.

    >>> build("small_cnn-w4", classes=5, channels=1)(torch.rand(2, 1, 8, 8)).shape
    torch.Size([2, 5])
    """
    architecture, width = parse_architecture(name)
    side = architecture.min_side if pixels is None else min(pixels.shape[-2:])
    if side < architecture.min_side:
        raise InputError(
            f"{name} needs images of {architecture.min_side} pixels a side or more, but these have "
            f"{side}: give another architecture, such as small_cnn"
        )
    mean, std = channel_statistics(pixels) if pixels is not None else ((), ())
    options = {} if width is None else {"width": width}
    seed = int(torch.randint(2**31, (), generator=generator)) if generator else 0
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(seed)
        model = architecture(classes, channels, mean=mean, std=std, **options)
    if pixels is not None:
        model.adapt_to(pixels)
    model.architecture = name
    # the annotations of Module.to lack memory_format
    return cast(Any, model).to(memory_format=torch.channels_last)  # type: ignore[no-any-return]


def channel_statistics(pixels: Pixels) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Compute mean and standard deviation of each channel of uint8 images, in [0, 1] units."""
    channels = pixels.transpose(0, 1).flatten(1).float() / 255
    mean, std = channels.mean(1), channels.std(1).clamp_min(1e-3)
    return tuple(mean.tolist()), tuple(std.tolist())
