"""Which layers gain nothing by bf16: measured where the model is, since no rule would hold."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from typing import TypeAlias

import torch
from torch import Tensor, nn

from ..types import Images
from .inference import frozen, gains_from_bf16

TRIED, TIMES = 8, 2
"""Images that a layer is timed on, and how often: the quickest counts."""
CLEARLY = 1.4
"""A layer is taken out of bf16 that takes so many times as long there. What was measured (3x3 and
5x5, strides 1 and 2) takes .5 to .85 or 1.9 to 10 times as long, so that noise does not decide."""

Kind: TypeAlias = tuple[object, ...]
_SLOWER: dict[Kind, bool] = {}
"""For each kind of layer and size of its maps, whether bf16 takes it longer on this CPU."""


@contextmanager
def quicker_layers(model: nn.Module, images: Images) -> Iterator[None]:
    """Have depthwise convolutions work in single precision where that is quicker, while it lasts.

    A CPU may take ten times as long for their gradients in bf16. Other layers gain by it.

    Args:
        images: a few, as the model will be given them.
    """
    layers = _slower_in_bf16(model, images) if gains_from_bf16(images.device) else []
    for layer in layers:
        layer.forward = partial(_in_single, layer)
    try:
        yield
    finally:
        for layer in layers:
            del layer.forward


def _slower_in_bf16(model: nn.Module, images: Images) -> list[nn.Module]:
    if images.device.type != "cpu":
        return []
    depthwise = [
        layer
        for layer in model.modules()
        if isinstance(layer, nn.Conv2d) and layer.groups > 1 and "forward" not in vars(layer)
    ]
    if not depthwise:
        return []
    shapes: dict[nn.Module, torch.Size] = {}
    handles = [
        layer.register_forward_pre_hook(lambda one, given: shapes.update({one: given[0].shape}))
        for layer in depthwise
    ]
    try:
        with frozen(model), torch.inference_mode():
            model(images[:1])
    finally:
        for handle in handles:
            handle.remove()
    return [layer for layer, shape in shapes.items() if _is_slower(layer, shape)]


def _is_slower(layer: nn.Module, shape: torch.Size) -> bool:
    kind: Kind = (repr(layer), tuple(shape[1:]), torch.get_num_threads())
    if kind not in _SLOWER:
        maps = torch.ones(TRIED, *shape[1:]).contiguous(memory_format=torch.channels_last)
        half, single = (_seconds(layer, maps, low) for low in (True, False))
        _SLOWER[kind] = half > CLEARLY * single
    return _SLOWER[kind]


def _seconds(layer: nn.Module, maps: Tensor, low: bool) -> float:
    """Forward and backward, to the maps and to the weights."""
    spent = []
    weights = [weight.detach().requires_grad_() for weight in layer.parameters()]
    names = [name for name, _ in layer.named_parameters()]
    for _ in range(TIMES + 1):
        given = maps.to(torch.bfloat16 if low else torch.float32).requires_grad_()
        began = time.perf_counter()
        with torch.autocast("cpu", torch.bfloat16, enabled=low):
            out = torch.func.functional_call(layer, dict(zip(names, weights, strict=True)), given)
        torch.autograd.grad(out.sum(), [given, *weights])
        spent.append(time.perf_counter() - began)
    return min(spent)


def _in_single(layer: nn.Module, maps: Tensor) -> Tensor:
    with torch.autocast(maps.device.type, enabled=False):
        said: Tensor = type(layer).forward(layer, maps.float())
        return said
