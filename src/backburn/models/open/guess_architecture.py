"""Which networks could these weights be of? For people who have not said it, or not quite."""

from collections.abc import Mapping

from torch import Tensor, nn

from ...errors import BackburnError, InputError, unknown_name
from ..nets.zoo import ARCHITECTURES
from .match_weights import unprefixed
from .network_names import CIFAR, KNOWN, Recipe, Sizes, recipe_named, sketched

LIBRARIES = ("torchvision", "timm")
COMMON = (
    "resnet18", "resnet34", "resnet50", "resnet101", "vgg11", "vgg16", "vgg16_bn", "mobilenet_v2",
    "mobilenet_v3_small", "mobilenetv2_100", "densenet121", "efficientnet_b0", "squeezenet1_1",
    "convnext_tiny", "vit_b_16", "vit_tiny_patch16_224", "vit_small_patch16_224",
    "vit_base_patch16_224", "deit_tiny_patch16_224", "swin_tiny_patch4_window7_224",
)  # fmt: skip
"""Networks that weights are held against; there are thousands."""
ENOUGH = 0.9
"""Share of a network's weights that have a weight of their name and dimensions."""


def likely(weights: Mapping[str, Tensor]) -> list[str]:
    """Up to three names for `--arch` whose weights have these names; an example where none has."""
    listed = [*ARCHITECTURES, *CIFAR, *(f"{lib}:{name}" for lib in LIBRARIES for name in COMMON)]
    scored = {name: share for name in listed if (share := _share(name, weights)) >= ENOUGH}
    return sorted(scored, key=lambda name: -scored[name])[:3] or ["torchvision:resnet18"]


def recipe_for(name: str, weights: Mapping[str, Tensor]) -> Recipe:
    """The recipe of a network that the user named for these weights.

    Raises:
        InputError: no such network; it says what may have been meant.
    """
    if ":" in name or name in CIFAR or name.partition("-w")[0] in ARCHITECTURES:
        return recipe_named(name)
    meant = [f"{lib}:{name}" for lib in LIBRARIES if _known(f"{lib}:{name}")]
    if meant:
        first, *other = sorted(meant, key=lambda each: -_share(each, weights))
        more = f" or {other[0]!r}" if other else ""
        raise InputError(f"unknown architecture {name!r}: did you mean {first!r}{more}?")
    if "." in name:
        module, _, function = name.rpartition(".")
        own = f"{module}:build" if function == "py" else f"{module}:{function}"
        raise InputError(
            f"unknown architecture {name!r}: did you mean {own!r}? A network of your own is "
            "MODULE:FUNCTION, with the folder of the module in PYTHONPATH"
        )
    raise unknown_name("architecture", name, KNOWN)


def _known(name: str) -> bool:
    try:
        recipe_named(name)
    except BackburnError:  # no such network, or the library is not there
        return False
    return True


def _share(name: str, weights: Mapping[str, Tensor]) -> float:
    """Of the network's weights, those that are in the file with as many numbers a weight."""
    try:
        sketch: nn.Module = sketched(recipe_named(name), Sizes())
    except (BackburnError, RuntimeError, ValueError, TypeError):
        return 0.0
    own = sketch.state_dict()
    origin, _ = unprefixed(weights, set(own))
    kept = {key: weights[origin[key]].shape for key in own if key in origin}
    alike = sum(len(kept[key]) == len(own[key].shape) for key in kept)
    inner = sum(kept[key][1:] == own[key].shape[1:] for key in kept)
    return float(alike + inner) / (2 * max(1, len(own)))
