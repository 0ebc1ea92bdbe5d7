"""Guess the architecture that weights belong to, for error messages."""

from collections.abc import Mapping

from torch import Tensor, nn

from ...errors import BackburnError, InputError, unknown_name
from ..nets.zoo import ARCHITECTURES
from .find_network import (
    CIFAR_NETWORKS,
    KNOWN_NETWORKS,
    NetworkSizes,
    NetworkSpec,
    build_skeleton,
    network_spec,
)
from .match_weights import strip_prefix

LIBRARIES = ("torchvision", "timm")
COMMON_NETWORKS = (
    "resnet18", "resnet34", "resnet50", "resnet101", "vgg11", "vgg16", "vgg16_bn", "mobilenet_v2",
    "mobilenet_v3_small", "mobilenetv2_100", "densenet121", "efficientnet_b0", "squeezenet1_1",
    "convnext_tiny", "vit_b_16", "vit_tiny_patch16_224", "vit_small_patch16_224",
    "vit_base_patch16_224", "deit_tiny_patch16_224", "swin_tiny_patch4_window7_224",
)  # fmt: skip
"""Networks to compare weights with; the libraries have thousands."""
MIN_MATCHED_SHARE = 0.9
"""Share of a network's weights that must match by name and dimensions."""


def guess_architectures(weights: Mapping[str, Tensor]) -> list[str]:
    """Guess up to three names for `--arch`, by the names of the weights.

    Returns one common network as an example if none matches.
    """
    common = (f"{lib}:{name}" for lib in LIBRARIES for name in COMMON_NETWORKS)
    names = [*ARCHITECTURES, *CIFAR_NETWORKS, *common]
    shares = {
        name: share for name in names if (share := _share(name, weights)) >= MIN_MATCHED_SHARE
    }
    return sorted(shares, key=lambda name: -shares[name])[:3] or ["torchvision:resnet18"]


def network_spec_for(name: str, weights: Mapping[str, Tensor]) -> NetworkSpec:
    """Look up a network that the user named for these weights.

    Raises:
        InputError: no such network; the message suggests what may have been meant.
    """
    if ":" in name or name in CIFAR_NETWORKS or name.partition("-w")[0] in ARCHITECTURES:
        return network_spec(name)
    candidates = [f"{lib}:{name}" for lib in LIBRARIES if _exists(f"{lib}:{name}")]
    if candidates:
        first, *other = sorted(candidates, key=lambda candidate: -_share(candidate, weights))
        more = f" or {other[0]!r}" if other else ""
        raise InputError(f"unknown architecture {name!r}: did you mean {first!r}{more}?")
    if "." in name:
        module, _, function = name.rpartition(".")
        own = f"{module}:build" if function == "py" else f"{module}:{function}"
        raise InputError(
            f"unknown architecture {name!r}: did you mean {own!r}? A network of your own is "
            "MODULE:FUNCTION, with the folder of the module in PYTHONPATH"
        )
    raise unknown_name("architecture", name, KNOWN_NETWORKS)


def _exists(name: str) -> bool:
    try:
        network_spec(name)
    except BackburnError:  # no such network, or the library is not there
        return False
    return True


def _share(name: str, weights: Mapping[str, Tensor]) -> float:
    """Share of the network's weights that the file has under their name, with their dimensions.

    Half of it is for the number of dimensions, half for all sizes except the first.
    """
    try:
        skeleton: nn.Module = build_skeleton(network_spec(name), NetworkSizes())
    except (BackburnError, RuntimeError, ValueError, TypeError):
        return 0.0
    own = skeleton.state_dict()
    file_names, _ = strip_prefix(weights, set(own))
    shapes = {key: weights[file_names[key]].shape for key in own if key in file_names}
    same_dims = sum(len(shapes[key]) == len(own[key].shape) for key in shapes)
    same_inner = sum(shapes[key][1:] == own[key].shape[1:] for key in shapes)
    return float(same_dims + same_inner) / (2 * max(1, len(own)))
