"""A model as Python code has it: a path, a module, a Hugging Face model, a pipeline."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from torch import nn

from ..errors import InputError
from ..models.inference import device_of, frozen
from ..models.opening import open_model
from ..models.records import OpenedModel, Origin
from ..models.settling import settle
from ..models.wrapping import Wrapped, examined
from ..types import LabeledImages
from .normalized import Normalization

IN_MEMORY = Origin("safetensors", "model.safetensors")


@dataclass(frozen=True, slots=True)
class GivenModel:
    """A model before it is known what images it meets.

    Args:
        network: a module, or what was opened from a file.
        normalization: of its images, where the model says it.
        size: height and width of its images, where it says them.
        path: where it lies, if it was named by a path.
    """

    network: nn.Module | OpenedModel
    normalization: Normalization | None = None
    size: tuple[int, int] | None = None
    path: str | None = None


@dataclass(frozen=True, slots=True)
class ReadyModel:
    """A model on pixels in [0, 1], the images as it takes them, and what to say of both.

    `own` gives back what the caller had in place of what we made of it.
    """

    model: nn.Module
    images: LabeledImages
    origin: Origin | None = None
    notes: tuple[str, ...] = ()
    own: Callable[[nn.Module], nn.Module] = lambda model: model


def given_model(
    model: Any, arch: str | None = None, normalization: Normalization | None = None
) -> GivenModel:
    """The model of a path, of a pipeline, or a module.

    Raises:
        InputError: none of these, or a file that cannot be opened.
    """
    if isinstance(model, (str, Path)):
        mean, std = normalization or (None, None)
        opened = open_model(model, arch, mean, std)
        return GivenModel(opened, opened.normalization, opened.input_size, str(model))
    if arch is not None:
        raise InputError("arch names the network of a file: leave it out for a model in memory")
    if isinstance(model, nn.Module):
        size = _sides(getattr(getattr(model, "config", None), "image_size", None))
        return GivenModel(model, normalization, size)
    network, processor = getattr(model, "model", None), getattr(model, "image_processor", None)
    if isinstance(network, nn.Module) and processor is not None:
        told = normalization or _of_processor(processor)
        return GivenModel(network, told, _size_of_processor(processor))
    raise InputError(
        f"{type(model).__name__} is no model: give a path, a torch module, or an image "
        "classification pipeline"
    )


def ready(given: GivenModel, images: LabeledImages, normalization: Normalization | None) -> Any:
    """The model on pixels in [0, 1] together with the images.

    A module that returns a tensor and of which no normalization is known takes pixels in [0, 1].

    Args:
        normalization: that of the images' data set.
    Raises:
        InputError: a network that takes no such images.
    """
    network, known = given.network, given.normalization or normalization
    if isinstance(network, OpenedModel):
        opened = replace(network, normalization=known) if known else network
        return _settled(opened, images, opened.origin, lambda model: model)
    unwrap = _logits_of(network, images)
    if not unwrap and known is None:
        return ReadyModel(network, images)
    shape = (int(images.pixels.shape[-2]), int(images.pixels.shape[-1]))
    if device_of(network).type != "cpu":  # what a network takes is found out on the CPU only
        if known is None:
            raise InputError("give mean=(...) and std=(...) of a model that is not on the CPU")
        return ReadyModel(Wrapped(network, known, unwrap).to(device_of(network)), images, own=_net)
    with frozen(network):
        nature = examined(network, _channels(images), given.size or shape)
    opened = OpenedModel(network, nature, shape, known, (), IN_MEMORY)
    return _settled(opened, images, None, _net)


def _settled(
    opened: OpenedModel,
    images: LabeledImages,
    origin: Origin | None,
    own: Callable[[nn.Module], nn.Module],
) -> ReadyModel:
    if opened.channels == 3 and images.pixels.shape[1] == 1:
        images = replace(images, pixels=images.pixels.repeat(1, 3, 1, 1))
    network, lines = settle(opened, images)
    return ReadyModel(network, images, origin, (*opened.report, *lines), own)


def _net(model: nn.Module) -> nn.Module:
    """What was wrapped."""
    return model.net if isinstance(model, Wrapped) else model


def _channels(images: LabeledImages) -> tuple[int, ...]:
    return (3,) if images.pixels.shape[1] == 3 else (1, 3)


def _logits_of(network: nn.Module, images: LabeledImages) -> str:
    """`logits` where the network returns a record that has them, else nothing."""
    kind = type(getattr(network, "config", None)).__name__
    if kind.endswith("Config") and hasattr(network, "save_pretrained"):
        return "logits"
    few = images.pixels[:2].to(device_of(network)).float() / 255
    try:
        with frozen(network), torch.inference_mode():
            out = network(few)
    except Exception:  # said in one line by what fits model and images together
        return ""
    return "logits" if isinstance(getattr(out, "logits", None), torch.Tensor) else ""


def _of_processor(processor: Any) -> Normalization | None:
    if not getattr(processor, "do_normalize", False):
        return ((0.0,) * 3, (1.0,) * 3)
    mean, std = getattr(processor, "image_mean", None), getattr(processor, "image_std", None)
    if mean is None or std is None:
        return None
    return tuple(map(float, mean)), tuple(map(float, std))


def _size_of_processor(processor: Any) -> tuple[int, int] | None:
    for name in ("crop_size", "size"):
        held = getattr(processor, name, None)
        sides = _sides(dict(held) if isinstance(held, Mapping) else held)
        if sides is not None:
            return sides
    return None


def _sides(said: Any) -> tuple[int, int] | None:
    """Height and width, as configurations spell them."""
    if isinstance(said, Mapping):
        short = said.get("shortest_edge")
        sides = (said.get("height", short), said.get("width", short))
        return (int(sides[0]), int(sides[1])) if all(sides) else None
    if isinstance(said, (tuple, list)) and len(said) == 2:
        return int(said[0]), int(said[1])
    return (int(said), int(said)) if isinstance(said, int) and said else None


@contextmanager
def without_trainer(model: nn.Module | OpenedModel) -> Iterator[None]:
    """A Lightning module parted from its trainer while copies of it are made; restored after."""
    trainer = vars(model).get("_trainer") if isinstance(model, nn.Module) else None
    if trainer is None:
        yield
        return
    vars(model)["_trainer"] = None
    try:
        yield
    finally:
        vars(model)["_trainer"] = trainer
