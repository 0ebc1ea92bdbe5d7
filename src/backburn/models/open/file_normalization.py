"""The normalization that a network's file has among its weights: that of a layer before it."""

from collections.abc import Mapping
from typing import NamedTuple

from torch import Tensor

from .match_weights import Match
from .network_names import Normalization

PAIRS = (("mean", "std"), ("mu", "sigma"))
"""What the two buffers of such a layer are called, at the end of their names."""
BYTES = 255.0


class Found(NamedTuple):
    """A normalization, and what its numbers are called in the file."""

    values: Normalization
    names: str


def normalization_in(weights: Mapping[str, Tensor], fitting: Match, channels: int) -> Found | None:
    """Mean and standard deviation that lie in a file beside the network's own weights.

    Those of more than 1 are taken to be of pixels from 0 to 255.

    Args:
        fitting: how the file's weights and the network's go together.
    """
    used = set(fitting.origin.values())
    free = {
        name: tensor
        for name, tensor in weights.items()
        if name not in used and tensor.numel() in (1, channels) and tensor.is_floating_point()
    }
    for first, second in PAIRS:
        for name, mean in free.items():
            other = name[: -len(first)] + second
            if name.endswith(first) and other in free:
                values = _values(mean, free[other], channels)
                if all(value > 0 for value in values[1]):
                    return Found(values, f"{name}, {other}")
    return None


def _values(mean: Tensor, std: Tensor, channels: int) -> Normalization:
    both = [tensor.flatten().double().expand(channels) for tensor in (mean, std)]
    unit = BYTES if float(both[0].abs().max()) > 1 or float(both[1].max()) > 3 else 1.0
    center, scale = (tuple((tensor / unit).tolist()) for tensor in both)
    return center, scale
