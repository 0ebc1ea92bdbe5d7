"""What an engine spends: time in units of a plain pass, and passes counted by hooks."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from statistics import median
from typing import TypeVar

import torch
from torch import Tensor, nn

Found = TypeVar("Found")


@dataclass(slots=True)
class Passes:
    """Images that went forward through a model, and backward."""

    forward: int = 0
    backward: int = 0


@contextmanager
def counted(model: nn.Module) -> Iterator[Passes]:
    """Count the passes of every image through the model, whoever asks it."""
    passes = Passes()

    def back(gradient: Tensor) -> None:
        passes.backward += int(gradient.flatten(1).abs().sum(1).gt(0).sum())

    def ahead(_: nn.Module, __: object, logits: Tensor) -> None:
        passes.forward += len(logits)
        if logits.requires_grad:
            logits.register_hook(back)

    handle = model.register_forward_hook(ahead)
    try:
        yield passes
    finally:
        handle.remove()


def now(images: Tensor) -> float:
    """Seconds, once the device has done what it was given."""
    if images.is_cuda:
        torch.cuda.synchronize()
    return time.perf_counter()


def plain_pass(model: nn.Module, images: Tensor) -> float:
    """Seconds an image of one fp32 forward and backward pass: the unit."""
    began = now(images)
    points = images.detach().requires_grad_()
    torch.autograd.grad(model(points)[:, 0].sum(), points)
    return (now(images) - began) / len(images)


@dataclass(frozen=True, slots=True)
class Cost:
    """Of one engine on one set of images, an image."""

    milliseconds: float
    units: float
    forward: float
    backward: float


def measured(
    model: nn.Module, images: Tensor, run: Callable[[], Found], samples: int = 4
) -> tuple[Found, Cost]:
    """What `run` gives, and its cost; the unit is timed before and after, in the same minute."""
    count = len(images)
    unit = [plain_pass(model, images) for _ in range(samples + 1)][1:]
    with counted(model) as passes:
        began = now(images)
        found = run()
        seconds = (now(images) - began) / count
    unit += [plain_pass(model, images) for _ in range(samples)]
    cost = Cost(
        1e3 * seconds, seconds / median(unit), passes.forward / count, passes.backward / count
    )
    return found, cost
