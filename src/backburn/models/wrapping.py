"""Any network as one on pixels in [0, 1] that returns logits and, where it can, features."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import product
from typing import Any, TypeAlias

import torch
from torch import Tensor, nn

from ..errors import InputError, first_line
from ..types import Features, Images, Logits
from .networks import Normalization

TRIED = ((32, 32), (224, 224), (64, 64), (28, 28), (299, 299), (384, 384))
"""Sizes of images that a network of unknown size is tried on."""
TOLERANCE = 1e-4
"""The head of the features may differ from the logits by this share of the largest logit."""


class Wrapped(nn.Module):
    """A network that normalizes inside, and returns nothing but logits.

    Args:
        net: any network on normalized images.
        normalization: mean and standard deviation of each channel, in [0, 1] units.
        unwrap: the attribute of what it returns that holds the logits; empty for a plain tensor.
    """

    mean: Tensor
    std: Tensor

    def __init__(self, net: nn.Module, normalization: Normalization, unwrap: str = ""):
        super().__init__()
        self.net = net
        self.unwrap = unwrap
        for name, values in zip(("mean", "std"), normalization, strict=True):
            self.register_buffer(name, torch.tensor(values).view(-1, 1, 1))

    def forward(self, images: Images) -> Logits:
        out = self.net((images - self.mean) / self.std)
        logits: Tensor = getattr(out, self.unwrap) if self.unwrap else out
        return logits


class Headed(Wrapped):
    """A wrapped network whose last linear layer is known by name."""

    def __init__(self, net: nn.Module, normalization: Normalization, unwrap: str, head: str):
        super().__init__(net, normalization, unwrap)
        self.head_name = head

    @property
    def head(self) -> nn.Module:
        """What turns features into logits."""
        return self.net.get_submodule(self.head_name)

    def features(self, images: Images) -> Features:
        """The penultimate layer `(n, d)`: what the head is given."""
        taken: list[Tensor] = []
        handle = self.head.register_forward_pre_hook(lambda _, given: taken.append(given[0]))
        try:
            self(images)
        finally:
            handle.remove()
        return taken[0]


@dataclass(frozen=True, slots=True)
class Nature:
    """What a network takes and returns, found by asking it.

    `size` is that of the images which it took, the first of those tried; `unwrap` the attribute
    that holds the logits, `head` the name of the last linear layer, both empty where there is none.
    """

    channels: int
    classes: int
    size: tuple[int, int]
    unwrap: str
    head: str


def examined(
    net: nn.Module, channels: Sequence[int] = (3, 1), size: tuple[int, int] | None = None
) -> Nature:
    """Ask a network what it takes and returns.

    Args:
        net: in evaluation mode, on the CPU.
        channels: numbers of channels to try, in this order.
        size: height and width of its images; some usual ones are tried where None.
    Raises:
        InputError: a network that takes no such images, or returns no `(n, k)` logits.
    """
    with torch.inference_mode():
        probe, calls, out = _asked(net, channels, (size,) if size else TRIED)
        logits = out if isinstance(out, Tensor) else getattr(out, "logits", None)
        if not isinstance(logits, Tensor) or logits.dim() != 2 or len(logits) != len(probe):
            raise InputError(
                f"the network returns {_kind(out)} for {len(probe)} images: give one that "
                "returns one row of logits an image"
            )
        unwrap = "" if isinstance(out, Tensor) else "logits"
        _, taken, height, width = probe.shape
        head = _head(calls, logits)
        return Nature(taken, logits.shape[1], (height, width), unwrap, head)


def wrap(net: nn.Module, nature: Nature, normalization: Normalization) -> Wrapped:
    """The network on pixels in [0, 1]; with features where their head is known."""
    if nature.head:
        return Headed(net, normalization, nature.unwrap, nature.head)
    return Wrapped(net, normalization, nature.unwrap)


Call: TypeAlias = tuple[str, Tensor, Tensor]
"""A linear layer's name, what it was given, and what it returned."""


def _asked(
    net: nn.Module, channels: Sequence[int], sizes: Sequence[tuple[int, int]]
) -> tuple[Tensor, list[Call], object]:
    """Two images, what every linear layer made of them, and what the network returned."""
    generator, reason = torch.Generator().manual_seed(0), ""
    for number, size in product(channels, sizes):
        probe, calls = torch.rand(2, number, *size, generator=generator), list[Call]()
        try:
            with _listening(net, calls):
                return probe, calls, net(probe)
        except Exception as error:  # a stranger's network may fail in any way
            reason = reason or first_line(error)
    raise InputError(f"the network takes none of the usual images: {reason}")


@contextmanager
def _listening(net: nn.Module, calls: list[Call]) -> Iterator[None]:
    """Note what linear layers are given and return, while it lasts."""
    linear = [(name, m) for name, m in net.named_modules() if isinstance(m, nn.Linear)]
    handles = [layer.register_forward_hook(_noting(name, calls)) for name, layer in linear]
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()


def _noting(name: str, calls: list[Call]) -> Callable[[nn.Module, Any, Any], None]:
    def note(_layer: nn.Module, given: Any, out: Any) -> None:
        calls.append((name, given[0], out))

    return note


def _head(calls: list[Call], logits: Tensor) -> str:
    """The last linear layer that was given one row an image and returned the logits."""
    allowed = TOLERANCE * max(1.0, float(logits.abs().max()))
    for name, given, out in reversed(calls):
        once = sum(call[0] == name for call in calls) == 1
        if once and given.dim() == 2 and out.shape == logits.shape:
            return name if bool((out - logits).abs().max() <= allowed) else ""
    return ""


def _kind(out: object) -> str:
    return f"shape {tuple(out.shape)}" if isinstance(out, Tensor) else f"a {type(out).__name__}"
