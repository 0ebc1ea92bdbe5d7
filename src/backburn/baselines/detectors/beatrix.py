"""Beatrix: poison has correlations between channels that clean images of its class lack."""

import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import ClassVar

import torch
from jaxtyping import Float
from sklearn.model_selection import KFold
from torch import Tensor

from ...errors import InputError
from ...interfaces import Detector, Inputs
from ...models.inference import frozen
from ...results import Evidence
from ...types import Case, Features, Flags, PerImage, Progress, no_progress
from ..flagging import in_outlier_classes
from ..input_checks import require_holdout, require_training_set
from ..rank_evidence import evidence_by_rank
from .feature_maps import feature_maps, find_last_large_map
from .features import rows_by_label

FOLDS, MIN_CLEAN = 5, 2
EPSILON = 1e-6


@dataclass(frozen=True)
class Beatrix(Detector):
    """Compare Gram matrices of powers of a feature map with those of clean images of the class.

    Images that deviate are flagged in suspect classes. A class is suspect if its deviating images
    have other features than the rest, by the anomaly index of the discrepancy of both.

    Args:
        orders: the highest power; all from 1 are used.
        deviations: number of median absolute deviations around the median that are normal.
        percentile: an image deviates if it exceeds this quantile of the deviations of clean images
            of its class. Each clean image is compared with the others, in five folds.
        threshold: a class is suspect above this anomaly index.
        sample: largest number of images of a class whose features are compared.
    Source: Ma et al., The Beatrix resurrections, NDSS 2023, arXiv 2209.11715. e^2 is from the
    paper; 8 orders, 10 deviations, 95 % and 1,000 images are from the authors' program.
    Departures: the map is the last one before the last downsampling. Theirs is the input of the
    last stage, which differs by a batch norm only. All clean images of a class are used, not 30.
    Classes below the median are never suspect. The score of an image is its deviation divided by
    the limit of its class.
    """

    orders: int = 8
    deviations: float = 10.0
    percentile: float = 0.95
    threshold: float = math.exp(2)
    sample: int = 1000

    inputs: ClassVar[Inputs] = Inputs(holdout=0.05)

    def __post_init__(self) -> None:
        if self.orders < 1 or self.sample < 2:
            raise InputError(f"orders={self.orders}, sample={self.sample}: give at least 1 and 2")
        if not 0 < self.deviations < math.inf or not 0 <= self.threshold < math.inf:
            raise InputError(
                f"deviations={self.deviations}, threshold={self.threshold}: give > 0 and >= 0"
            )
        if not 0 < self.percentile < 1:
            raise InputError(f"percentile is {self.percentile}: give a fraction in (0, 1)")

    def examine(
        self, case: Case, generator: torch.Generator, progress: Progress = no_progress
    ) -> Evidence:
        images, holdout = require_training_set(case, "Beatrix"), require_holdout(case, "Beatrix")
        ratio, gaps = torch.zeros(len(images)), {}
        with frozen(case.model) as model, torch.inference_mode():
            number = find_last_large_map(model, images.pixels[:1], "Beatrix")
            for label, rows in rows_by_label(images.labels):
                clean = holdout.pixels[holdout.labels == label]
                if len(clean) < MIN_CLEAN:
                    raise InputError(
                        f"Beatrix needs {MIN_CLEAN} clean images of every class, and has "
                        f"{len(clean)} of class {label}: give a larger holdout"
                    )
                bands, limit = self._learn_bands(
                    torch.cat(list(feature_maps(model, clean, number)))
                )
                maps = feature_maps(model, images.pixels[rows], number)
                deviations, features = _compare(maps, bands)
                ratio[rows] = deviations / max(limit, 1e-12)
                sample = torch.randperm(len(rows), generator=generator)[: self.sample]
                gaps[label] = scaled_mmd(features[sample], ratio[rows[sample]] > 1)
                progress("beatrix", label + 1, images.class_count)
        suspect = in_outlier_classes(images.labels, gaps, self.threshold)
        return evidence_by_rank(ratio, (ratio > 1) & suspect)

    def _learn_bands(self, clean: Float[Tensor, "n c h w"]) -> tuple[tuple["Band", ...], float]:
        """Bands of clean images of a class, and the largest deviation that is normal."""
        orders = range(1, self.orders + 1)
        deviations = []
        for rest, fold in KFold(min(FOLDS, len(clean))).split(range(len(clean))):
            bands = normal_bands(clean[rest], orders, self.deviations)
            deviations.append(mean_deviation(clean[fold], bands))
        limit = float(torch.cat(deviations).quantile(self.percentile))
        return normal_bands(clean, orders, self.deviations), limit


@dataclass(frozen=True, slots=True)
class Band:
    """The range of every entry of the Gram matrix of one order, for clean images of one class."""

    order: int
    low: Float[Tensor, " pairs"]
    high: Float[Tensor, " pairs"]

    def deviation(self, maps: Float[Tensor, "n c h w"]) -> Float[Tensor, " n"]:
        """Mean distance of the entries from the band, relative to the bound."""
        entries = gram_entries(maps, self.order)
        below = (self.low - entries).relu() / (self.low + EPSILON).abs()
        above = (entries - self.high).relu() / (self.high + EPSILON).abs()
        return (below + above).mean(1)


def gram_entries(maps: Float[Tensor, "n c h w"], order: int) -> Float[Tensor, "n pairs"]:
    """The upper triangle of `(F^p F^pT)^(1/p)`, with F the map `(c, h w)` and signed roots."""
    values = maps.flatten(2)
    # powers of large values overflow, and the matrix is of degree 2 in the map
    scale = values.abs().amax((1, 2), keepdim=True).clamp_min(1e-12)
    powers = (values / scale) ** order
    products = powers @ powers.transpose(1, 2)
    first, second = torch.triu_indices(*products.shape[1:], device=maps.device)
    upper = products[:, first, second]
    return upper.sign() * upper.abs() ** (1 / order) * scale[:, 0] ** 2


def normal_bands(
    maps: Float[Tensor, "n c h w"], orders: Iterable[int], deviations: float
) -> tuple[Band, ...]:
    """Bands around the medians of clean images, of this number of median absolute deviations."""

    def band(order: int) -> Band:
        entries = gram_entries(maps, order)
        center = entries.median(0).values
        reach = deviations * (entries - center).abs().median(0).values
        return Band(order, center - reach, center + reach)

    return tuple(band(order) for order in orders)


def mean_deviation(maps: Float[Tensor, "n c h w"], bands: tuple[Band, ...]) -> Float[Tensor, " n"]:
    """The deviation of each image, averaged over orders."""
    return torch.stack([band.deviation(maps) for band in bands]).mean(0)


def _compare(batches: Iterable[Tensor], bands: tuple[Band, ...]) -> tuple[PerImage, Features]:
    """The deviation of each image, and the mean of its map over positions, on the CPU."""
    deviations, features = [], []
    for maps in batches:
        deviations.append(mean_deviation(maps, bands).cpu())
        features.append(maps.mean((2, 3)).cpu())
    return torch.cat(deviations), torch.cat(features)


def scaled_mmd(features: Features, deviating: Flags) -> float:
    """The maximum mean discrepancy (MMD) of both groups, times `m n / (m + n)`.

    The kernel is the sum of two Gaussians. Their widths are the median of the squared distances
    and half of it.

    Returns:
        0 if a group is empty.
    """
    count, total = int(deviating.sum()), len(deviating)
    if not 0 < count < total:
        return 0.0
    squared = torch.cdist(features.double(), features.double()) ** 2
    width = squared.median().clamp_min(1e-12)
    kernel = (-squared / width).exp() + (-2 * squared / width).exp()
    groups = (deviating, ~deviating)
    same = sum(float(kernel[group][:, group].mean()) for group in groups)
    gap = same - 2 * float(kernel[deviating][:, ~deviating].mean())
    return count * (total - count) / total * gap
