"""What a network returns: logits, or probabilities, of which logits are made once and for all."""

from collections.abc import Callable
from typing import Literal, TypeAlias

import torch
from torch import Tensor, nn

from ..types import Logits

Link: TypeAlias = Literal["logits", "softmax", "sigmoid", "logit", "probability"]
"""What the outputs are: the last two are of a network with one output, for two classes."""
SAID: dict[Link, str] = {
    "softmax": "its outputs are probabilities: their logarithms are taken in place of logits",
    "sigmoid": "its outputs are probabilities of each class: their log-odds are taken for logits",
    "logit": "one output, taken for the log-odds of the second of two classes",
    "probability": "one output, taken for the probability of the second of two classes",
}
FINE: tuple[Link, ...] = ("softmax", "sigmoid", "probability")
"""Outputs that take single precision."""
ENDS = (nn.Softmax, nn.Sigmoid, nn.LogSoftmax)
"""Layers that turn logits into probabilities; without the last one, a network returns logits."""
ADDS_UP = 1e-3
SMALLEST = {"softmax": torch.finfo(torch.float32).tiny, "sigmoid": 1e-7}
"""Probabilities are taken for no less: the logarithm of zero is no number to train on."""
LOUDER = (1.0, 5.0, -5.0, 25.0, -25.0)
"""Images are asked about as they are and magnified so much, so that logits leave [0, 1]."""


def link_of(ask: Callable[[Tensor], Tensor], probe: Tensor) -> Link:
    """What the outputs of a network are, by what it says of noise.

    Args:
        ask: the network, from images to `(n, k)` or `(n,)` outputs.
    """
    said = torch.cat([ask(probe * factor - (factor - 1) / 2) for factor in LOUDER])
    inside = bool(((said >= 0) & (said <= 1)).all())
    if said.dim() == 1 or said.shape[1] == 1:
        return "probability" if inside else "logit"
    if not inside:
        return "logits"
    adds_up = bool(((said.sum(1) - 1).abs() < ADDS_UP).all())
    return "softmax" if adds_up else "sigmoid"


def as_logits(said: Tensor, link: Link) -> Logits:
    """Logits `(n, k)` of outputs: differences of log-probabilities are those of the logits."""
    if link == "logits":
        return said
    if link == "softmax":
        return said.clamp_min(SMALLEST["softmax"]).log()
    odds = said
    if link != "logit":
        odds = said.clamp(SMALLEST["sigmoid"], 1 - SMALLEST["sigmoid"]).logit()
    if link == "sigmoid":
        return odds
    column = odds.reshape(-1, 1) / 2
    return torch.cat([-column, column], 1)


def open_end(net: nn.Module, probe: Tensor) -> str:
    """Take the layer off that turns a network's logits into probabilities, if it is its last one.

    Args:
        probe: images that it takes.
    Returns:
        A line for people; empty where there is no such layer.
    """
    calls: list[tuple[str, nn.Module, Tensor]] = []
    ends = [(name, layer) for name, layer in net.named_modules() if isinstance(layer, ENDS)]
    handles = [layer.register_forward_hook(_noting(name, calls)) for name, layer in ends if name]
    try:
        with torch.inference_mode():
            out = net(probe)
    finally:
        for handle in handles:
            handle.remove()
    logits = out if isinstance(out, Tensor) else getattr(out, "logits", None)
    if not calls or not isinstance(logits, Tensor):
        return ""
    name, layer, said = calls[-1]
    once = sum(call[1] is layer for call in calls) == 1
    same = said.numel() == logits.numel() and torch.equal(said.flatten(), logits.flatten())
    if not once or not same or (isinstance(layer, nn.Softmax) and layer.dim not in (None, 1, -1)):
        return ""
    net.set_submodule(name, nn.Identity())
    return f"its last layer {name} ({type(layer).__name__}) is left out: logits are looked at"


def _noting(
    name: str, calls: list[tuple[str, nn.Module, Tensor]]
) -> Callable[[nn.Module, object, Tensor], None]:
    def note(layer: nn.Module, _given: object, out: Tensor) -> None:
        calls.append((name, layer, out))

    return note
