"""Networks by name: built in, of timm or torchvision, or the user's own factory."""

import importlib
import inspect
from collections.abc import Callable
from dataclasses import dataclass
from types import ModuleType
from typing import Any, TypeAlias

import torch
from torch import nn

from ...errors import InputError, first_line, unknown_name
from ..classifier import Classifier
from ..nets.cifar_resnet import Block, CifarResNet18, NamedPreActBlock, PostActBlock
from ..nets.zoo import ARCHITECTURES, build, parse_architecture

Normalization: TypeAlias = tuple[tuple[float, ...], tuple[float, ...]]
"""Mean and standard deviation of each channel, in [0, 1] units."""


@dataclass(frozen=True, slots=True)
class Sizes:
    """What is read off the weights; None where they do not say.

    `image` is the side of the images that a network is made for, where that is not the usual one.
    """

    classes: int | None = None
    channels: int | None = None
    width: int | None = None
    image: int | None = None


@dataclass(frozen=True, slots=True)
class Recipe:
    """How a network is made, and what its makers say about its images.

    `make` draws fresh weights and downloads nothing. `meta` says that it may be called on the
    meta device, where a network is a sketch without numbers; `note` what was assumed of it.
    """

    name: str
    make: Callable[[Sizes], nn.Module]
    size: tuple[int, int] | None = None
    normalization: Normalization | None = None
    meta: bool = True
    note: str = ""


def sketched(recipe: Recipe, sizes: Sizes) -> nn.Module:
    """The recipe's network, without numbers where it can be had without them."""
    if recipe.meta:
        try:
            with torch.device("meta"):
                return recipe.make(sizes)
        except (RuntimeError, NotImplementedError):  # a network that looks at its numbers
            return recipe.make(sizes)
    return recipe.make(sizes)


CIFAR: dict[str, Block] = {
    "cifar_resnet18": PostActBlock,
    "cifar_preact_resnet18": NamedPreActBlock,
}
"""Networks for 32x32 images that other toolkits write; they do not normalize."""
KNOWN = (*ARCHITECTURES, *CIFAR, "timm:NAME", "torchvision:NAME", "package.module:factory")


def recipe_named(name: str) -> Recipe:
    """The recipe of a network that the user named.

    Raises:
        InputError: no such network, or a library that is not installed.
    """
    kind, colon, rest = name.partition(":")
    if name in CIFAR:
        return Recipe(name, lambda sizes: CifarResNet18(*_plain(sizes), CIFAR[name]))
    if not colon:
        return _built_in(name)
    if kind == "timm":
        return _timm(name, rest)
    if kind == "torchvision":
        return _torchvision(name, rest)
    if kind == "hf":
        raise InputError(f"{name} is a folder or an id with its own weights: give it as MODEL")
    return _factory(name, kind, rest)


def _built_in(name: str) -> Recipe:
    base = next((key for key in ARCHITECTURES if name == key or name.startswith(f"{key}-w")), None)
    if base is None:
        raise unknown_name("architecture", name, KNOWN)
    parse_architecture(name)

    def make(sizes: Sizes) -> Classifier:
        classes, channels, width = _plain(sizes)
        return build(f"{base}-w{width}", classes, channels)

    return Recipe(name, make)


def _plain(sizes: Sizes) -> tuple[int, int, int]:
    return sizes.classes or 10, sizes.channels or 3, sizes.width or 64


def _timm(name: str, model: str) -> Recipe:
    timm = library("timm", "pip install timm torchvision")
    if not timm.is_model(model):  # nor a way to the Hub or to a folder
        raise unknown_name("architecture", model, timm.list_models(), "timm")
    settings = timm.get_pretrained_cfg(model, allow_unregistered=False)

    def make(sizes: Sizes) -> nn.Module:
        given = {"num_classes": sizes.classes, "in_chans": sizes.channels, "img_size": sizes.image}
        wanted = {key: value for key, value in given.items() if value is not None}
        network: nn.Module = timm.create_model(model, pretrained=False, **wanted)
        return network

    size = None if settings is None else tuple(settings.input_size[1:])
    means = None if settings is None else (tuple(settings.mean), tuple(settings.std))
    return Recipe(name, make, size, means)


def _torchvision(name: str, model: str) -> Recipe:
    models = library("torchvision.models", "pip install torchvision")
    known = models.list_models(module=models)
    if model not in known:
        raise unknown_name("architecture", model, known, "torchvision")
    weights = list(models.get_model_weights(model))

    def make(sizes: Sizes) -> nn.Module:
        given = {"num_classes": sizes.classes, "image_size": sizes.image}
        wanted = {key: value for key, value in given.items() if value is not None}
        network: nn.Module = models.get_model(model, weights=None, **wanted)
        return network

    if not weights:
        return Recipe(name, make)
    usual = weights[0].transforms()
    (side,) = set(usual.crop_size)
    return Recipe(name, make, (side, side), (tuple(usual.mean), tuple(usual.std)))


def _factory(name: str, module: str, attribute: str) -> Recipe:
    """The user's own code, by the name that the user gave: never by one out of a file."""
    try:
        found = getattr(importlib.import_module(module), attribute)
    except (ImportError, AttributeError, ValueError) as error:
        module = module.removesuffix(".py")
        raise InputError(
            f"no network {name!r} ({first_line(error)}): give package.module:factory, such as "
            f"{module}:{attribute or 'build'}, with the folder of the package in PYTHONPATH"
        ) from error
    if not callable(found):
        raise InputError(f"{name!r} is no function or class: give one that returns a network")
    asked = inspect.signature(found).parameters.get("num_classes")

    def make(sizes: Sizes) -> nn.Module:
        # at first nobody knows how many classes there are; a factory may insist on a number
        count = sizes.classes or (10 if asked and asked.default is asked.empty else None)
        network = found(num_classes=count) if asked and count else found()
        if not isinstance(network, nn.Module):
            raise InputError(f"{name!r} returns a {type(network).__name__}: give a torch module")
        return network

    return Recipe(name, make, meta=False)


def library(module: str, install: str) -> Any:
    """A library that only some models need.

    Raises:
        InputError: it is not installed, or cannot be loaded beside this torch.
    """
    try:
        found: ModuleType = importlib.import_module(module)
    except ImportError as error:
        raise InputError(f"this model needs {module} ({first_line(error)}): {install}") from error
    except RuntimeError as error:  # torchvision's operators of another build than torch's
        raise InputError(
            f"{module} cannot be loaded beside torch ({first_line(error)}): {install} from the "
            "index that torch came from, for example --index-url "
            "https://download.pytorch.org/whl/cpu"
        ) from error
    return found
