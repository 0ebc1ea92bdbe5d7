"""Beatrix: correlations between channels that clean images of the class do not have."""

import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import ClassVar

import torch
from jaxtyping import Float
from sklearn.model_selection import KFold
from torch import Tensor

from ...errors import InputError
from ...interfaces import Detector, Given
from ...models.inference import frozen
from ...types import Case, Evidence, Features, Flags, PerImage, Progress, silent
from ..inputs import holdout_of, training_set_of
from ..outliers import standing_out
from ..scores import evidence_by_rank
from .features import rows_by_label
from .gram import Band, bands, deviation
from .maps import last_large_map, maps

FOLDS, FEWEST = 5, 2


@dataclass(frozen=True)
class Beatrix(Detector):
    """Gram matrices of powers of a feature map, against those of clean images of the same class.

    Flagged is what deviates, in classes whose deviating images have other features than the rest,
    by an anomaly index of the discrepancy of both.

    Args:
        orders: powers 1 to this one.
        deviations: median absolute deviations to each side of the median that are normal.
        percentile: of the deviations of clean images (each from the others, in five folds) that
            an image of their class exceeds to be held to deviate.
        threshold: a class is suspect above this anomaly index.
        sample: images of a class whose features are compared, at the most.
    Source: Ma et al., The Beatrix resurrections, NDSS 2023, arXiv 2209.11715; e^2 is the paper's,
    8 orders, 10 deviations, 95 % and 1,000 images the authors' program's.
    Departures: the map is the last that a layer returns before the last downsampling (theirs goes
    into the last stage, which is that but for a batch norm); all clean images of a class, not 30;
    classes below the median are never suspect. The score of an image is its deviation over the
    limit of its class.
    """

    orders: int = 8
    deviations: float = 10.0
    percentile: float = 0.95
    threshold: float = math.exp(2)
    sample: int = 1000

    given: ClassVar[Given] = Given(holdout=0.05)

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
        self, case: Case, generator: torch.Generator, progress: Progress = silent
    ) -> Evidence:
        images, trusted = training_set_of(case, "Beatrix"), holdout_of(case, "Beatrix")
        ratio, gaps = torch.zeros(len(images)), {}
        with frozen(case.model) as model, torch.inference_mode():
            number = last_large_map(model, images.pixels[:1], "Beatrix")
            for label, rows in rows_by_label(images.labels):
                clean = trusted.pixels[trusted.labels == label]
                if len(clean) < FEWEST:
                    raise InputError(
                        f"Beatrix needs {FEWEST} clean images of every class, and has {len(clean)} "
                        f"of class {label}: give a larger holdout"
                    )
                known, limit = self._learnt(torch.cat(list(maps(model, clean, number))))
                found, features = _compared(maps(model, images.pixels[rows], number), known)
                ratio[rows] = found / max(limit, 1e-12)
                chosen = torch.randperm(len(rows), generator=generator)[: self.sample]
                gaps[label] = discrepancy(features[chosen], ratio[rows[chosen]] > 1)
                progress("beatrix", label + 1, images.class_count)
        suspect = standing_out(images.labels, gaps, self.threshold)
        return evidence_by_rank(ratio, (ratio > 1) & suspect)

    def _learnt(self, clean: Float[Tensor, "n c h w"]) -> tuple[tuple[Band, ...], float]:
        """Bands of clean images of a class, and the deviation from them that is still normal."""
        orders = range(1, self.orders + 1)
        held = []
        for seen, other in KFold(min(FOLDS, len(clean))).split(range(len(clean))):
            held.append(deviation(clean[other], bands(clean[seen], orders, self.deviations)))
        limit = float(torch.cat(held).quantile(self.percentile))
        return bands(clean, orders, self.deviations), limit


def _compared(parts: Iterable[Tensor], known: tuple[Band, ...]) -> tuple[PerImage, Features]:
    """The deviation of each image, and the mean of its map over all positions, on the CPU."""
    found, features = [], []
    for part in parts:
        found.append(deviation(part, known).cpu())
        features.append(part.mean((2, 3)).cpu())
    return torch.cat(found), torch.cat(features)


def discrepancy(features: Features, deviating: Flags) -> float:
    """The kernel discrepancy (MMD) of both groups, times `m n / (m + n)`; 0 where one is empty.

    Two Gaussian kernels, as wide as the median of the squared distances and as half of it.
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
