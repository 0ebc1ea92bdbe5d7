"""Find a network by name: built in, of timm or torchvision, or the user's own factory."""

import importlib
import inspect
from collections.abc import Callable
from dataclasses import dataclass
from types import ModuleType
from typing import Any, TypeAlias

import torch
from torch import nn

from ...errors import InputError, first_line, unknown_name
from ..nets.base import Classifier
from ..nets.cifar_resnet import Block, CifarResNet18, NamedPreActBlock, PostActBlock
from ..nets.zoo import ARCHITECTURES, build, parse_architecture

Normalization: TypeAlias = tuple[tuple[float, ...], tuple[float, ...]]
"""Mean and standard deviation of each channel, in [0, 1] units."""


@dataclass(frozen=True, slots=True)
class NetworkSizes:
    """Sizes of a network, read off the shapes of its weights; None if these do not tell.

    Args:
        classes: number of classes.
        channels: of the images.
        width: channels of the first convolution.
        image: height and width of the images, if these differ from the network's default.
    """

    classes: int | None = None
    channels: int | None = None
    width: int | None = None
    image: int | None = None


@dataclass(frozen=True, slots=True)
class NetworkSpec:
    """How to build a network, and how its authors preprocess images.

    Args:
        name: what the user calls it.
        make: builds the network with random weights; downloads nothing.
        size: height and width of its images.
        normalization: of its images.
        meta: whether `make` may be called on the meta device, where tensors have no data.
        note: what was assumed about the network.
    """

    name: str
    make: Callable[[NetworkSizes], nn.Module]
    size: tuple[int, int] | None = None
    normalization: Normalization | None = None
    meta: bool = True
    note: str = ""


def build_skeleton(spec: NetworkSpec, sizes: NetworkSizes) -> nn.Module:
    """Build a network on the meta device if possible, else with random weights."""
    if spec.meta:
        try:
            with torch.device("meta"):
                return spec.make(sizes)
        except (RuntimeError, NotImplementedError):  # a network that reads its own weights
            return spec.make(sizes)
    return spec.make(sizes)


CIFAR_NETWORKS: dict[str, Block] = {
    "cifar_resnet18": PostActBlock,
    "cifar_preact_resnet18": NamedPreActBlock,
}
"""Networks for 32x32 images, as other toolkits save them; they do not normalize inside."""
KNOWN_NETWORKS = (
    *ARCHITECTURES,
    *CIFAR_NETWORKS,
    "timm:NAME",
    "torchvision:NAME",
    "package.module:factory",
)


def network_spec(name: str) -> NetworkSpec:
    """Look up a network that the user named.

    Raises:
        InputError: no such network, or a library that is not installed.

    >>> network_spec("cifar_resnet18").make(NetworkSizes(classes=7)).linear.out_features
    7
    """
    kind, colon, rest = name.partition(":")
    if name in CIFAR_NETWORKS:
        return NetworkSpec(
            name, lambda sizes: CifarResNet18(*_with_defaults(sizes), CIFAR_NETWORKS[name])
        )
    if not colon:
        return _built_in(name)
    if kind == "timm":
        return _timm(name, rest)
    if kind == "torchvision":
        return _torchvision(name, rest)
    if kind == "hf":
        raise InputError(f"{name} is a folder or an id with its own weights: give it as MODEL")
    return _factory(name, kind, rest)


def _built_in(name: str) -> NetworkSpec:
    base = next((key for key in ARCHITECTURES if name == key or name.startswith(f"{key}-w")), None)
    if base is None:
        raise unknown_name("architecture", name, KNOWN_NETWORKS)
    parse_architecture(name)

    def make(sizes: NetworkSizes) -> Classifier:
        classes, channels, width = _with_defaults(sizes)
        return build(f"{base}-w{width}", classes, channels)

    return NetworkSpec(name, make)


def _with_defaults(sizes: NetworkSizes) -> tuple[int, int, int]:
    """Classes, channels and width."""
    return sizes.classes or 10, sizes.channels or 3, sizes.width or 64


def _timm(name: str, model: str) -> NetworkSpec:
    timm = import_library("timm", "pip install timm torchvision")
    if not timm.is_model(model):  # refuses names that would load from the Hub or a folder
        raise unknown_name("architecture", model, timm.list_models(), "timm")
    settings = timm.get_pretrained_cfg(model, allow_unregistered=False)

    def make(sizes: NetworkSizes) -> nn.Module:
        options = {
            "num_classes": sizes.classes,
            "in_chans": sizes.channels,
            "img_size": sizes.image,
        }
        options = {key: value for key, value in options.items() if value is not None}
        network: nn.Module = timm.create_model(model, pretrained=False, **options)
        return network

    size = None if settings is None else tuple(settings.input_size[1:])
    means = None if settings is None else (tuple(settings.mean), tuple(settings.std))
    return NetworkSpec(name, make, size, means)


def _torchvision(name: str, model: str) -> NetworkSpec:
    models = import_library("torchvision.models", "pip install torchvision")
    names = models.list_models(module=models)
    if model not in names:
        raise unknown_name("architecture", model, names, "torchvision")
    weights = list(models.get_model_weights(model))

    def make(sizes: NetworkSizes) -> nn.Module:
        options = {"num_classes": sizes.classes, "image_size": sizes.image}
        options = {key: value for key, value in options.items() if value is not None}
        network: nn.Module = models.get_model(model, weights=None, **options)
        return network

    if not weights:
        return NetworkSpec(name, make)
    transforms = weights[0].transforms()
    (side,) = set(transforms.crop_size)
    normalization = (tuple(transforms.mean), tuple(transforms.std))
    return NetworkSpec(name, make, (side, side), normalization)


def _factory(name: str, module: str, attribute: str) -> NetworkSpec:
    """The user's own code, imported by a name that the user gave, never by one from a file."""
    try:
        factory = getattr(importlib.import_module(module), attribute)
    except (ImportError, AttributeError, ValueError) as error:
        module = module.removesuffix(".py")
        raise InputError(
            f"no network {name!r} ({first_line(error)}): give package.module:factory, such as "
            f"{module}:{attribute or 'build'}, with the folder of the package in PYTHONPATH"
        ) from error
    if not callable(factory):
        raise InputError(f"{name!r} is no function or class: give one that returns a network")
    parameter = inspect.signature(factory).parameters.get("num_classes")

    def make(sizes: NetworkSizes) -> nn.Module:
        # the number of classes is not known at first, but a factory may require one
        is_required = parameter and parameter.default is parameter.empty
        count = sizes.classes or (10 if is_required else None)
        network = factory(num_classes=count) if parameter and count else factory()
        if not isinstance(network, nn.Module):
            raise InputError(f"{name!r} returns a {type(network).__name__}: give a torch module")
        return network

    return NetworkSpec(name, make, meta=False)


def import_library(module: str, install: str) -> Any:
    """Import a library that only some models need.

    Args:
        install: the command to install it.
    Raises:
        InputError: it is not installed, or was built for another torch.
    """
    try:
        imported: ModuleType = importlib.import_module(module)
    except ImportError as error:
        raise InputError(f"this model needs {module} ({first_line(error)}): {install}") from error
    except RuntimeError as error:  # torchvision's operators of another build than torch's
        raise InputError(
            f"{module} cannot be loaded beside torch ({first_line(error)}): {install} from the "
            "index that torch came from, for example --index-url "
            "https://download.pytorch.org/whl/cpu"
        ) from error
    return imported
