"""Convert the outputs of a network, logits or probabilities, to logits."""

from collections.abc import Callable
from typing import Any, Literal, TypeAlias

import torch
from torch import Tensor, nn

from ..types import Logits

Link: TypeAlias = Literal["logits", "softmax", "sigmoid", "logit", "probability"]
"""What the outputs are. The last two are for networks with one output and two classes."""
LINK_DESCRIPTIONS: dict[Link, str] = {
    "softmax": "its outputs are probabilities: their logarithms are taken in place of logits",
    "sigmoid": "its outputs are probabilities of each class: their log-odds are taken for logits",
    "logit": "one output, taken for the log-odds of the second of two classes",
    "probability": "one output, taken for the probability of the second of two classes",
}
PROBABILITY_LINKS: tuple[Link, ...] = ("softmax", "sigmoid", "probability")
"""Outputs that are probabilities, which need single precision."""
PROBABILITY_LAYERS = (nn.Softmax, nn.Sigmoid, nn.LogSoftmax)
"""Layers that turn logits into probabilities."""
SUM_TOLERANCE = 1e-3
"""Largest deviation of the sum of softmax outputs from 1."""
MIN_PROBABILITY = {"softmax": torch.finfo(torch.float32).tiny, "sigmoid": 1e-7}
"""Lower limits of probabilities: the logarithm of zero is infinite, which can't be trained on."""
PROBE_SCALES = (1.0, 5.0, -5.0, 25.0, -25.0)
"""Factors that the contrast of probe images is scaled by, so that logits leave [0, 1]."""

LayerCall: TypeAlias = tuple[str, nn.Module, Tensor]
"""A layer's name, the layer, and its output."""


def detect_link(network: Callable[[Tensor], Tensor], probe: Tensor) -> Link:
    """Detect what the outputs of a network are, by its outputs for noise.

    Args:
        network: from images to outputs `(n, k)` or `(n,)`.
        probe: images of noise in [0, 1].

    >>> detect_link(lambda images: images.flatten(1).softmax(1), torch.rand(4, 1, 2, 2))
    'softmax'
    """
    outputs = torch.cat([network(probe * scale - (scale - 1) / 2) for scale in PROBE_SCALES])
    inside = bool(((outputs >= 0) & (outputs <= 1)).all())
    if outputs.dim() == 1 or outputs.shape[1] == 1:
        return "probability" if inside else "logit"
    if not inside:
        return "logits"
    sums_to_one = bool(((outputs.sum(1) - 1).abs() < SUM_TOLERANCE).all())
    return "softmax" if sums_to_one else "sigmoid"


def locate_outputs(result: object, classes: int = 0) -> str | int:
    """Find where a network's return value holds its outputs.

    Args:
        classes: number of classes, if known. Of several tables in a tuple, it tells logits from
            features.
    Returns:
        The name of an attribute, or the place in a tuple or list. Empty if the value is a tensor,
        or holds no outputs or several.

    >>> locate_outputs((torch.zeros(2, 8, 4, 4), torch.zeros(2, 10)))
    1
    >>> locate_outputs((torch.zeros(2, 10), torch.zeros(2, 64)), classes=10)
    0
    """
    if isinstance(getattr(result, "logits", None), Tensor):
        return "logits"
    if not isinstance(result, (tuple, list)):
        return ""
    widths = {
        place: each.shape[1]
        for place, each in enumerate(result)
        if isinstance(each, Tensor) and each.dim() == 2
    }
    fitting = [place for place, width in widths.items() if width == classes] or list(widths)
    return fitting[0] if len(fitting) == 1 else ""


def take_outputs(result: Any, where: str | int) -> Any:
    """Take the outputs from where `locate_outputs` found them."""
    if isinstance(where, int):
        return result[where]
    return getattr(result, where) if where else result


def as_logits(outputs: Tensor, link: Link) -> Logits:
    """Convert outputs to logits `(n, k)`.

    Log-probabilities will do: their differences between classes are those of the logits.

    >>> as_logits(torch.tensor([2.0]), "logit")
    tensor([[-1.,  1.]])
    """
    if link == "logits":
        return outputs
    if link == "softmax":
        return outputs.clamp_min(MIN_PROBABILITY["softmax"]).log()
    odds = outputs
    if link != "logit":
        odds = outputs.clamp(MIN_PROBABILITY["sigmoid"], 1 - MIN_PROBABILITY["sigmoid"]).logit()
    if link == "sigmoid":
        return odds
    column = odds.reshape(-1, 1) / 2
    return torch.cat([-column, column], 1)


def remove_probability_layer(net: nn.Module, probe: Tensor) -> str:
    """Replace a last layer that turns logits into probabilities by the identity.

    Args:
        net: changed in place.
        probe: images that it takes.
    Returns:
        A line about the layer that was removed; empty if there is none.
    """
    calls: list[LayerCall] = []
    layers = [
        (name, layer)
        for name, layer in net.named_modules()
        if isinstance(layer, PROBABILITY_LAYERS)
    ]
    handles = [
        layer.register_forward_hook(_recorder(name, calls)) for name, layer in layers if name
    ]
    try:
        with torch.inference_mode():
            result = net(probe)
    finally:
        for handle in handles:
            handle.remove()
    outputs = take_outputs(result, locate_outputs(result))
    if not calls or not isinstance(outputs, Tensor):
        return ""
    name, layer, output = calls[-1]
    once = sum(call[1] is layer for call in calls) == 1
    same = output.numel() == outputs.numel() and torch.equal(output.flatten(), outputs.flatten())
    if not once or not same or (isinstance(layer, nn.Softmax) and layer.dim not in (None, 1, -1)):
        return ""
    net.set_submodule(name, nn.Identity())
    return f"its last layer {name} ({type(layer).__name__}) is left out: logits are looked at"


def _recorder(name: str, calls: list[LayerCall]) -> Callable[[nn.Module, object, Tensor], None]:
    def record(layer: nn.Module, _inputs: object, output: Tensor) -> None:
        calls.append((name, layer, output))

    return record
