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
from .open.network_names import Normalization
from .outputs import FINE, Link, as_logits, link_of

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
        link: what its outputs are, see `outputs`.
        bgr: its channels are blue, green and red.
    """

    mean: Tensor
    std: Tensor
    order: Tensor | None

    def __init__(
        self,
        net: nn.Module,
        normalization: Normalization,
        unwrap: str = "",
        link: Link = "logits",
        bgr: bool = False,
    ):
        super().__init__()
        self.net = net
        self.unwrap, self.link = unwrap, link
        order = torch.tensor([2, 1, 0]) if bgr else None
        self.register_buffer("order", order)  # a buffer, so that it is a part of what is looked at
        for name, values in zip(("mean", "std"), normalization, strict=True):
            self.register_buffer(name, torch.tensor(values).view(-1, 1, 1))

    def forward(self, images: Images) -> Logits:
        if self.order is not None:
            images = images[:, self.order]
        normalized = (images - self.mean) / self.std
        if self.link in FINE:  # in half precision a probability of nearly 1 is 1
            with torch.autocast(images.device.type, enabled=False):
                return as_logits(self._said(normalized.float()), self.link)
        return as_logits(self._said(normalized), self.link)

    def _said(self, normalized: Tensor) -> Tensor:
        out = self.net(normalized)
        said: Tensor = getattr(out, self.unwrap) if self.unwrap else out
        return said


class Headed(Wrapped):
    """A wrapped network whose last linear layer is known by name."""

    def __init__(
        self,
        net: nn.Module,
        normalization: Normalization,
        unwrap: str,
        head: str,
        link: Link = "logits",
        bgr: bool = False,
    ):
        super().__init__(net, normalization, unwrap, link, bgr)
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
    that holds the logits, `head` the name of the last linear layer, both empty where there is none;
    `link` what the outputs are.
    """

    channels: int
    classes: int
    size: tuple[int, int]
    unwrap: str
    head: str
    link: Link = "logits"


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
        unwrap = "" if isinstance(out, Tensor) else "logits"
        said = _said(out)
        if said is None or len(said) != len(probe):
            raise InputError(
                f"the network returns {_kind(out)} for {len(probe)} images: give one that "
                "returns one row of logits an image"
            )
        link = link_of(lambda images: _said(net(images)), probe)  # type: ignore[arg-type,return-value]
        _, taken, height, width = probe.shape
        head = _head(calls, as_logits(said, link), link)
        classes = 2 if link in ("logit", "probability") else said.shape[1]
        return Nature(taken, classes, (height, width), unwrap, head, link)


def _said(out: object) -> Tensor | None:
    """The outputs in what a network returned: a row an image, or a number."""
    said = out if isinstance(out, Tensor) else getattr(out, "logits", None)
    return said if isinstance(said, Tensor) and said.dim() in (1, 2) else None


def wrap(
    net: nn.Module, nature: Nature, normalization: Normalization, bgr: bool = False
) -> Wrapped:
    """The network on pixels in [0, 1]; with features where their head is known."""
    if nature.head:
        return Headed(net, normalization, nature.unwrap, nature.head, nature.link, bgr)
    return Wrapped(net, normalization, nature.unwrap, nature.link, bgr)


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
    if len(sizes) == 1:
        height, width = sizes[0]
        raise InputError(f"the network takes no images of {height}x{width}: {reason}")
    tried = ", ".join(f"{height}x{width}" for height, width in sizes)
    raise InputError(
        f"the network takes no images of the usual sizes ({tried}): {reason}; if it is made for "
        "another one, give it with --size"
    )


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


def _head(calls: list[Call], logits: Tensor, link: Link) -> str:
    """The last linear layer that was given one row an image and returned the logits."""
    logits = logits[:, 1:] - logits[:, :1] if link in ("logit", "probability") else logits
    allowed = TOLERANCE * max(1.0, float(logits.abs().max()))
    for name, given, out in reversed(calls):
        once = sum(call[0] == name for call in calls) == 1
        if once and given.dim() == 2 and out.shape == logits.shape:
            said = out.log_softmax(1) if link == "softmax" else out
            return name if bool((said - logits).abs().max() <= allowed) else ""
    return ""


def _kind(out: object) -> str:
    return f"shape {tuple(out.shape)}" if isinstance(out, Tensor) else f"a {type(out).__name__}"
