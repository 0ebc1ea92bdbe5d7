"""Gram matrices of the powers of feature maps, and how far they are from those of a class."""

from collections.abc import Iterable
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

SMALL = 1e-6


def gram(maps: Float[Tensor, "n c h w"], order: int) -> Float[Tensor, "n pairs"]:
    """The upper triangle of `(F^p F^pT)^(1/p)`, with F the map `(c, h w)` and signed roots."""
    values = maps.flatten(2)
    # powers of large values overflow: the matrix is of degree 2 in the map
    scale = values.abs().amax((1, 2), keepdim=True).clamp_min(1e-12)
    powers = (values / scale) ** order
    products = powers @ powers.transpose(1, 2)
    first, second = torch.triu_indices(*products.shape[1:], device=maps.device)
    upper = products[:, first, second]
    return upper.sign() * upper.abs() ** (1 / order) * scale[:, 0] ** 2


@dataclass(frozen=True, slots=True)
class Band:
    """Where every entry of the Gram matrix of one order lies for clean images of one class."""

    order: int
    low: Float[Tensor, " pairs"]
    high: Float[Tensor, " pairs"]

    def deviation(self, maps: Float[Tensor, "n c h w"]) -> Float[Tensor, " n"]:
        """How far the entries lie outside, relative to the bound, on average."""
        entries = gram(maps, self.order)
        below = (self.low - entries).relu() / (self.low + SMALL).abs()
        above = (entries - self.high).relu() / (self.high + SMALL).abs()
        return (below + above).mean(1)


def bands(
    maps: Float[Tensor, "n c h w"], orders: Iterable[int], deviations: float
) -> tuple[Band, ...]:
    """Medians of clean images of one class, so many median absolute deviations to each side."""

    def band(order: int) -> Band:
        entries = gram(maps, order)
        center = entries.median(0).values
        reach = deviations * (entries - center).abs().median(0).values
        return Band(order, center - reach, center + reach)

    return tuple(band(order) for order in orders)


def deviation(maps: Float[Tensor, "n c h w"], known: tuple[Band, ...]) -> Float[Tensor, " n"]:
    """The mean deviation over all orders."""
    return torch.stack([band.deviation(maps) for band in known]).mean(0)
