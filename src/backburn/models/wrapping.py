"""Wrap any network into a model on pixels in [0, 1] that returns logits."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import product
from typing import Any, TypeAlias

import torch
from torch import Tensor, nn

from ..errors import InputError, first_line
from ..types import Features, Images, Logits
from .open.find_network import Normalization
from .outputs import (
    PROBABILITY_LINKS,
    Link,
    as_logits,
    detect_link,
    locate_outputs,
    take_outputs,
)

PROBE_SIZES = ((32, 32), (224, 224), (64, 64), (28, 28), (299, 299), (384, 384))
"""Image sizes to try on a network whose image size is unknown."""
TOLERANCE = 1e-4
"""Largest difference between the head's outputs and the logits, relative to the largest logit."""


class WrappedModel(nn.Module):
    """A network that normalizes inside and returns logits as a tensor.

    Args:
        net: any network on normalized images.
        normalization: mean and standard deviation of each channel, in [0, 1] units.
        logits_attribute: the attribute of the network's output that holds the logits, or the place
            in a tuple. Empty if the output is a tensor.
        link: what the outputs are, see `outputs`.
        bgr: whether the network takes channels in the order blue, green, red.
        contiguous: whether the network takes images in the memory format NCHW only. One that calls
            `view` on its feature maps does. Channels last is faster.
    """

    mean: Tensor
    std: Tensor
    order: Tensor | None

    def __init__(
        self,
        net: nn.Module,
        normalization: Normalization,
        logits_attribute: str | int = "",
        link: Link = "logits",
        bgr: bool = False,
        contiguous: bool = False,
    ):
        super().__init__()
        self.net = net
        self.logits_attribute, self.link = logits_attribute, link
        self.contiguous = contiguous
        order = torch.tensor([2, 1, 0]) if bgr else None
        self.register_buffer("order", order)  # a buffer, so that it is in the state_dict
        for name, values in zip(("mean", "std"), normalization, strict=True):
            self.register_buffer(name, torch.tensor(values).view(-1, 1, 1))

    def forward(self, images: Images) -> Logits:
        if self.order is not None:
            images = images[:, self.order]
        normalized = (images - self.mean) / self.std
        if self.link in PROBABILITY_LINKS:  # half precision rounds probabilities near 1 to 1
            with torch.autocast(images.device.type, enabled=False):
                return as_logits(self._outputs(normalized.float()), self.link)
        return as_logits(self._outputs(normalized), self.link)

    def _outputs(self, normalized: Tensor) -> Tensor:
        if self.contiguous:  # `contiguous` keeps the strides of a single channel
            normalized = normalized.clone(memory_format=torch.contiguous_format)
        outputs: Tensor = take_outputs(self.net(normalized), self.logits_attribute)
        return outputs


class WrappedModelWithFeatures(WrappedModel):
    """A wrapped network with access to its penultimate features.

    Args:
        head: the name of the last linear layer.
    """

    def __init__(
        self,
        net: nn.Module,
        normalization: Normalization,
        logits_attribute: str | int,
        head: str,
        link: Link = "logits",
        bgr: bool = False,
        contiguous: bool = False,
    ):
        super().__init__(net, normalization, logits_attribute, link, bgr, contiguous)
        self.head_name = head

    @property
    def head(self) -> nn.Module:
        """The last linear layer, which turns features into logits."""
        return self.net.get_submodule(self.head_name)

    def features(self, images: Images) -> Features:
        """Compute the penultimate features `(n, d)`, the input of the head."""
        inputs: list[Tensor] = []
        handle = self.head.register_forward_pre_hook(lambda _, args: inputs.append(args[0]))
        try:
            self(images)
        finally:
            handle.remove()
        return inputs[0]


@dataclass(frozen=True, slots=True)
class NetworkSignature:
    """What a network takes and returns, found by running it.

    Args:
        channels, size: of images that it takes; `size` is height and width.
        classes: number of classes.
        logits_attribute: the attribute of the output that holds the logits, or the place in a
            tuple. Empty if the output is a tensor.
        head: the name of the last linear layer; empty if there is none.
        link: what the outputs are, see `outputs`.
        contiguous: whether it takes images in the memory format NCHW only.
    """

    channels: int
    classes: int
    size: tuple[int, int]
    logits_attribute: str | int
    head: str
    link: Link = "logits"
    contiguous: bool = False


def probe_network(
    net: nn.Module,
    channels: Sequence[int] = (3, 1),
    size: tuple[int, int] | None = None,
    classes: int = 0,
) -> NetworkSignature:
    """Run a network on noise to find out what it takes and returns.

    Args:
        net: in evaluation mode, on the CPU.
        channels: numbers of channels to try, in this order.
        size: height and width of its images; None tries `PROBE_SIZES`.
        classes: number of classes, if known; see `locate_outputs`.
    Raises:
        InputError: a network that takes no such images, or returns no logits `(n, k)`.

    >>> net = nn.Sequential(nn.Flatten(), nn.Linear(64, 5)).eval()
    >>> signature = probe_network(net, channels=(1,), size=(8, 8))
    >>> signature.classes, signature.head, signature.link
    (5, '1', 'logits')
    """
    with torch.inference_mode():
        probe, calls, result = _first_accepted(net, channels, (size,) if size else PROBE_SIZES)
        logits_attribute = locate_outputs(result, classes)
        outputs = _output_tensor(result, logits_attribute)
        if outputs is None or len(outputs) != len(probe):
            raise InputError(
                f"the network returns {_describe(result)} for {len(probe)} images: give one that "
                "returns one row of logits an image"
            )
        link = detect_link(lambda images: take_outputs(net(images), logits_attribute), probe)
        _, accepted, height, width = probe.shape
        head = _find_head(calls, as_logits(outputs, link), link)
        count = 2 if link in ("logit", "probability") else outputs.shape[1]
        return NetworkSignature(
            accepted,
            count,
            (height, width),
            logits_attribute,
            head,
            link,
            needs_contiguous(net, probe),
        )


def needs_contiguous(net: nn.Module, images: Images) -> bool:
    """Whether a network takes these images in the memory format NCHW, but not in channels last."""
    count, channels, height, width = images.shape
    # of a single channel, `contiguous` would keep the strides
    channels_last = images.new_empty(count, height, width, channels).permute(0, 3, 1, 2)
    return not _runs(net, channels_last.copy_(images)) and _runs(net, images.contiguous())


def _runs(net: nn.Module, images: Images) -> bool:
    try:
        with torch.inference_mode():
            net(images)
    except Exception:  # a foreign network may fail in any way
        return False
    return True


def _output_tensor(result: object, where: str | int) -> Tensor | None:
    """The outputs `(n, k)` or `(n,)` in a network's return value."""
    outputs = take_outputs(result, where)
    return outputs if isinstance(outputs, Tensor) and outputs.dim() in (1, 2) else None


def wrap(
    net: nn.Module, signature: NetworkSignature, normalization: Normalization, bgr: bool = False
) -> WrappedModel:
    """Wrap a network into a model on pixels in [0, 1], with features if its head is known."""
    attribute, link = signature.logits_attribute, signature.link
    contiguous = signature.contiguous
    if signature.head:
        return WrappedModelWithFeatures(
            net, normalization, attribute, signature.head, link, bgr, contiguous
        )
    return WrappedModel(net, normalization, attribute, link, bgr, contiguous)


LinearCall: TypeAlias = tuple[str, Tensor, Tensor]
"""A linear layer's name, input and output."""


def _first_accepted(
    net: nn.Module, channels: Sequence[int], sizes: Sequence[tuple[int, int]]
) -> tuple[Tensor, list[LinearCall], object]:
    """The first pair of images that a network takes, its linear layers' calls, and its result."""
    generator, reason = torch.Generator().manual_seed(0), ""
    for channel_count, size in product(channels, sizes):
        probe, calls = torch.rand(2, channel_count, *size, generator=generator), list[LinearCall]()
        try:
            with _recording(net, calls):
                return probe, calls, net(probe)
        except Exception as error:  # a foreign network may fail in any way
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
def _recording(net: nn.Module, calls: list[LinearCall]) -> Iterator[None]:
    """Record the inputs and outputs of linear layers."""
    linear = [(name, m) for name, m in net.named_modules() if isinstance(m, nn.Linear)]
    handles = [layer.register_forward_hook(_recorder(name, calls)) for name, layer in linear]
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()


def _recorder(name: str, calls: list[LinearCall]) -> Callable[[nn.Module, Any, Any], None]:
    def record(_layer: nn.Module, inputs: Any, output: Any) -> None:
        calls.append((name, inputs[0], output))

    return record


def _find_head(calls: list[LinearCall], logits: Tensor, link: Link) -> str:
    """The name of the last linear layer that takes one row per image and returns the logits."""
    logits = logits[:, 1:] - logits[:, :1] if link in ("logit", "probability") else logits
    allowed = TOLERANCE * max(1.0, float(logits.abs().max()))
    for name, taken, output in reversed(calls):
        once = sum(call[0] == name for call in calls) == 1
        if once and taken.dim() == 2 and output.shape == logits.shape:
            expected = output.log_softmax(1) if link == "softmax" else output
            return name if bool((expected - logits).abs().max() <= allowed) else ""
    return ""


def _describe(result: object) -> str:
    if isinstance(result, Tensor):
        return f"shape {tuple(result.shape)}"
    return f"a {type(result).__name__}"
