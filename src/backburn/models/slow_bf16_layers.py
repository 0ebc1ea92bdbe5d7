"""Find layers that bf16 slows down, by timing them on this machine, and run them in fp32."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from typing import TypeAlias

import torch
from torch import Tensor, nn

from ..types import Images
from .inference import frozen, has_native_bf16

TIMED_IMAGES = 8
"""Images that a layer is timed on."""
REPETITIONS = 2
"""Timings of a layer after one to warm up; the fastest counts."""
MIN_SLOWDOWN = 1.4
"""Ratio of bf16 to fp32 time from which on a layer runs in fp32.

Measured layers (3x3 and 5x5, strides 1 and 2) take 0.5 to 0.85 or 1.9 to 10 times as long. Timing
noise does not decide between these.
"""

LayerKey: TypeAlias = tuple[object, ...]
_SLOWER: dict[LayerKey, bool] = {}
"""Whether bf16 is slower on this CPU, for each kind of layer and size of its feature maps."""


@contextmanager
def avoid_slow_bf16(model: nn.Module, images: Images) -> Iterator[None]:
    """Run depthwise convolutions in fp32 where that is faster than bf16.

    A CPU may need ten times as long for their gradients in bf16. Other layers gain from bf16.

    Args:
        images: a few images of the size that the model will be run on.
    """
    layers = _slower_in_bf16(model, images) if has_native_bf16(images.device) else []
    for layer in layers:
        layer.forward = partial(_forward_fp32, layer)
    try:
        yield
    finally:
        for layer in layers:
            del layer.forward


def _slower_in_bf16(model: nn.Module, images: Images) -> list[nn.Module]:
    """The depthwise convolutions of a model that are slower in bf16; on the CPU only."""
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
        layer.register_forward_pre_hook(
            lambda hooked, inputs: shapes.update({hooked: inputs[0].shape})
        )
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
    key: LayerKey = (repr(layer), tuple(shape[1:]), torch.get_num_threads())
    if key not in _SLOWER:
        maps = torch.ones(TIMED_IMAGES, *shape[1:]).contiguous(memory_format=torch.channels_last)
        bf16_seconds, fp32_seconds = (_seconds(layer, maps, bf16) for bf16 in (True, False))
        _SLOWER[key] = bf16_seconds > MIN_SLOWDOWN * fp32_seconds
    return _SLOWER[key]


def _seconds(layer: nn.Module, maps: Tensor, bf16: bool) -> float:
    """Fastest time of a forward and backward pass, with gradients of inputs and weights."""
    seconds = []
    weights = [weight.detach().requires_grad_() for weight in layer.parameters()]
    names = [name for name, _ in layer.named_parameters()]
    for _ in range(REPETITIONS + 1):
        inputs = maps.to(torch.bfloat16 if bf16 else torch.float32).requires_grad_()
        start = time.perf_counter()
        with torch.autocast("cpu", torch.bfloat16, enabled=bf16):
            parameters = dict(zip(names, weights, strict=True))
            output = torch.func.functional_call(layer, parameters, inputs)
        torch.autograd.grad(output.sum(), [inputs, *weights])
        seconds.append(time.perf_counter() - start)
    return min(seconds)


def _forward_fp32(layer: nn.Module, maps: Tensor) -> Tensor:
    with torch.autocast(maps.device.type, enabled=False):
        output: Tensor = type(layer).forward(layer, maps.float())
        return output
