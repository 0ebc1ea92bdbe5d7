"""Choose the sizes and the head of a network so that the weights in a file fit it."""

import math
import re
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

import torch
from torch import Tensor, nn

from ...errors import InputError
from ..nets.base import Classifier
from .checkpoint import Checkpoint
from .find_network import NetworkSizes, NetworkSpec, build_skeleton
from .match_weights import WeightMatch, match_weights, strip_prefix
from .mlp_heads import with_mlp_head

PROBE_CLASSES = (7, 11)
"""Numbers of classes that a network is built for, to see which weights depend on them."""
POSITIONS = re.compile(r"(^|\.)(pos_embed|pos_embedding|position_embeddings?)$")
COMMON_SIDES = (32, 64, 96, 112, 128, 160, 192, 224, 240, 256, 288, 320, 336, 384, 448, 512)
"""Image sizes to try if the position embeddings do not tell the size."""


class NetworkFit(NamedTuple):
    """A network of certain sizes, and the weights of a file that match it.

    Args:
        skeleton: the network, on the meta device if possible.
    """

    spec: NetworkSpec
    checkpoint: Checkpoint
    sizes: NetworkSizes
    match: WeightMatch
    skeleton: nn.Module


def fit_network(
    spec: NetworkSpec, checkpoint: Checkpoint, path: Path, side: int | None
) -> NetworkFit:
    """Fit a network to the first state_dict of a file that matches it completely.

    If none does, the fit is that of the likeliest state_dict.

    Args:
        path: of the file.
        side: height and width of the images, if known.
    """
    first = _fit_state_dict(spec, checkpoint, side)
    if _is_complete(first):
        return first
    for other in checkpoint.others:
        try:
            fit = _fit_state_dict(spec, checkpoint.with_state_dict(other, path), side)
        except InputError:  # not the state_dict of a network, or broken
            continue
        if _is_complete(fit):
            return fit
    return first


def _fit_state_dict(spec: NetworkSpec, checkpoint: Checkpoint, side: int | None) -> NetworkFit:
    fit = _fit_default_size(spec, checkpoint)
    if not _is_complete(fit):
        heads = _head_weights(spec, fit.skeleton)
        other = with_mlp_head(spec, fit.skeleton, heads, checkpoint.weights)
        fit = _fit_default_size(other, checkpoint) if other else fit
    if fit.match.mismatched or (side and not _is_complete(fit)):
        return _fit_image_size(fit, side)
    return fit


def _fit_default_size(spec: NetworkSpec, checkpoint: Checkpoint) -> NetworkFit:
    """Fit a network at its default image size."""
    sizes = _read_sizes(spec, checkpoint.weights)
    skeleton = build_skeleton(spec, sizes)
    match = match_weights(skeleton, checkpoint.weights)
    return NetworkFit(spec, checkpoint, sizes, match, skeleton)


def _is_complete(fit: NetworkFit) -> bool:
    needed = {name for name, _ in fit.skeleton.named_parameters()}
    return bool(fit.match.weights) and needed <= fit.match.weights.keys()


def _read_sizes(spec: NetworkSpec, weights: Mapping[str, Tensor]) -> NetworkSizes:
    """Read the sizes of a network off its weights.

    The first convolution tells the channels and, unless the network names another one, the width.
    `_head_weights` tell the classes.
    """
    skeleton = build_skeleton(spec, NetworkSizes())
    file_names, _ = strip_prefix(weights, set(skeleton.state_dict()))

    def shape(name: str) -> torch.Size | None:
        weight = weights.get(file_names.get(name, ""))
        return weight.shape if weight is not None and weight.numel() and weight.dim() else None

    def conv_shape(layer: str) -> tuple[int | None, int | None]:
        """Outputs and inputs of a convolution."""
        found = shape(f"{layer}.weight")
        return (found[0], found[1]) if found is not None and len(found) == 4 else (None, None)

    heads = (shape(name) for name in _head_weights(spec, skeleton))
    counts = [head[0] for head in heads if head is not None]
    convs = [name for name, module in skeleton.named_modules() if isinstance(module, nn.Conv2d)]
    first = convs[0] if convs else ""
    width, _ = conv_shape(skeleton.stem if isinstance(skeleton, Classifier) else first)
    _, channels = conv_shape(first)
    return NetworkSizes(counts[0] if counts else None, channels, width)


def _head_weights(spec: NetworkSpec, skeleton: nn.Module) -> list[str]:
    """Names of the weights whose first dimension is the number of classes.

    They are found by building the network for two numbers of classes. If a factory does not allow
    this, its last linear layer is taken for the head.
    """
    try:
        small, large = (
            build_skeleton(spec, NetworkSizes(classes=count)).state_dict()
            for count in PROBE_CLASSES
        )
    except Exception:  # the user's own code may fail in any way
        linear = [name for name, m in skeleton.named_modules() if isinstance(m, nn.Linear)]
        return [f"{name}.weight" for name in linear[-1:]]
    return [name for name, weight in small.items() if weight.shape != large[name].shape]


def _fit_image_size(fit: NetworkFit, side: int | None) -> NetworkFit:
    """Fit the network at another image size, if one matches better.

    Some weights depend on the image size, such as the position embeddings of a ViT.

    Args:
        fit: at the default image size.
        side: height and width of the images, if known.
    """
    candidates = [_side_of_positions(fit), side, *COMMON_SIDES]
    for candidate in dict.fromkeys(side for side in candidates if side):
        classes, channels, width = fit.sizes.classes, fit.sizes.channels, fit.sizes.width
        sizes = NetworkSizes(classes, channels, width, candidate)
        try:
            skeleton = build_skeleton(fit.spec, sizes)
        except (TypeError, AssertionError, ValueError, RuntimeError):
            continue  # the network has one size only, or does not allow this one
        match = match_weights(skeleton, fit.checkpoint.weights)
        if not match.mismatched and len(match.missing) <= len(fit.match.missing):
            return fit._replace(sizes=sizes, match=match, skeleton=skeleton)
    return fit


def _side_of_positions(fit: NetworkFit) -> int | None:
    """The image size that the number of position embeddings in the file tells."""
    own = fit.skeleton.state_dict()
    names = [name for name in own if POSITIONS.search(name)]
    patch = next((m for m in fit.skeleton.modules() if isinstance(m, nn.Conv2d)), None)
    for name in names:
        matches = [key for key in fit.checkpoint.weights if key.endswith(name)]
        if matches and patch is not None:
            tokens = fit.checkpoint.weights[matches[0]].shape[-2]
            for extra in (1, 2, 0):  # a class token, and a distillation token
                root = math.isqrt(max(0, tokens - extra))
                if root and root * root == tokens - extra:
                    return root * int(patch.kernel_size[0])
    return None
