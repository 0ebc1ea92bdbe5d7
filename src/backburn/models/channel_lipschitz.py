"""Bounds of the Lipschitz constants of a network's channels: a convolution and its batch norm."""

from typing import TypeAlias

import torch
from torch import Tensor, nn

from ..errors import InputError
from ..types import Flags, PerImage
from .inference import device_of, forward_hooks, frozen

Norm: TypeAlias = nn.modules.batchnorm._BatchNorm


def convolutions_before_norms(model: nn.Module, shape: tuple[int, ...]) -> dict[Norm, nn.Conv2d]:
    """Map batch norms with statistics to the convolution before each, in the order they run.

    Args:
        shape: shape `(c, h, w)` of an image; the model is run on a black one.
    """
    ran: list[nn.Conv2d] = []
    pairs: dict[Norm, nn.Conv2d] = {}

    def note(layer: nn.Module, _inputs: object, _output: object) -> None:
        if isinstance(layer, nn.Conv2d):
            ran.append(layer)
        elif isinstance(layer, Norm) and layer.affine and layer.running_var is not None:
            fitting = [conv for conv in ran if conv.out_channels == layer.num_features]
            if fitting and ran[-1] is fitting[-1]:
                pairs.setdefault(layer, fitting[-1])

    layers = [layer for layer in model.modules() if isinstance(layer, nn.Conv2d | Norm)]
    with frozen(model), forward_hooks(layers, note), torch.inference_mode():
        model(torch.zeros(1, *shape, device=device_of(model)))
    return pairs


@torch.no_grad()
def lipschitz_bounds(conv: nn.Conv2d, norm: Norm) -> PerImage:
    """Upper bounds `(channels,)` of the channels' Lipschitz constants, batch norm included.

        sigma_k = |largest singular value of gamma_k / sqrt(var_k + eps) W_k|,  W_k as (in, h w)

    Raises:
        InputError: the batch norm has no running statistics.
    Source: Zheng et al., Data-free backdoor removal based on channel Lipschitzness, ECCV 2022,
    arXiv 2208.03111.

    >>> conv, norm = nn.Conv2d(1, 2, 1), nn.BatchNorm2d(2, eps=0.0)
    >>> _ = nn.init.constant_(conv.weight, -3.0)
    >>> lipschitz_bounds(conv, norm).tolist()
    [3.0, 3.0]
    """
    variance = norm.running_var
    if not isinstance(variance, Tensor):
        raise InputError("channel bounds need a batch norm with running statistics")
    scale = norm.weight.double() / (variance.double() + norm.eps).sqrt()
    kernels = conv.weight.double() * scale[:, None, None, None]
    bounds: Tensor = torch.linalg.matrix_norm(kernels.flatten(2), 2)
    return bounds.float().cpu()


def above_mean(values: PerImage, u: float) -> Flags:
    """Flag values more than `u` standard deviations above their mean.

    >>> above_mean(torch.tensor([1.0] * 11 + [9.0]), 3.0).nonzero().tolist()
    [[11]]
    """
    return values > values.mean() + u * values.std()
