"""Boundary search batch by batch, with batches that are halved if memory runs out."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from functools import partial

import torch
from torch import Tensor, nn

from ..errors import InputError
from ..models.fold_batch_norm import fold_batch_norm
from ..models.inference import has_native_bf16
from ..models.out_of_memory import AdaptiveBatchSize
from ..models.slow_bf16_layers import avoid_slow_bf16
from ..types import BoundaryResult, Images, Labels, Pixels
from .budget import Budget
from .minimum_norm import NearestPoints, find_nearest_points
from .projection import Norm

FOLD_CHECK_IMAGES = 8
"""Images that a model with folded normalization is checked on."""


@dataclass(slots=True)
class BatchSearch:
    """Searches the boundary of one batch after another.

    Args:
        model: frozen, in evaluation mode.
        norm, budget: see `distances.search_boundary`.
        directions, features: whether to return these columns.
        folded: the model with folded normalization, made with the first batch.
        memory: how many images fit into memory at once.
    """

    model: nn.Module
    norm: Norm
    budget: Budget
    directions: bool
    features: bool
    folded: nn.Module | None = None
    memory: AdaptiveBatchSize = field(default_factory=lambda: AdaptiveBatchSize("searching"))

    def run(
        self, batches: Iterable[Images], predictions: Labels | None
    ) -> Iterator[BoundaryResult]:
        """The results of all batches, each in as many parts as memory requires.

        Args:
            predictions: the model's fp32 predictions for the images of all batches, if known.
        """
        done = 0
        for images in batches:
            self.folded = self.folded or fold_batch_norm(self.model, images[:FOLD_CHECK_IMAGES])
            known = None if predictions is None else predictions[done : done + len(images)]
            yield from self.memory.run(len(images), partial(self._search, images, known))
            done += len(images)

    def _search(self, images: Images, predictions: Labels | None, rows: slice) -> BoundaryResult:
        model = self.folded or self.model
        with avoid_slow_bf16(model, images[:1]):
            nearest = find_nearest_points(
                model,
                images[rows],
                budget=self.budget,
                norm=self.norm,
                low_precision=has_native_bf16(images.device),
                reference=self.model,
                predictions=None if predictions is None else predictions[rows],
            )
        return self._to_result(images[rows], nearest)

    def _to_result(self, images: Images, nearest: NearestPoints) -> BoundaryResult:
        return BoundaryResult(
            nearest.found.cpu(),
            nearest.distance.cpu(),
            nearest.crossed_label.cpu(),
            _normalize(nearest.points - images, nearest.distance) if self.directions else None,
            nearest.certified.cpu(),
            nearest.passes.cpu(),
            _features(self.model, nearest.points) if self.features else None,
        )


def empty_result(pixels: Pixels, directions: bool) -> BoundaryResult:
    """The result of a search without images."""
    none = torch.zeros(0, dtype=torch.int64)
    return BoundaryResult(
        none.bool(),
        none.float(),
        none,
        torch.zeros(0, pixels[0:0].flatten(1).shape[1]).half() if directions else None,
        none.bool(),
        none.clone(),
    )


def _normalize(steps: Tensor, distance: Tensor) -> Tensor:
    """Perturbations of length 1, in half precision, on the CPU; zero where not found."""
    return (steps.flatten(1) / distance.clamp_min(1e-12)[:, None]).half().cpu()


@torch.no_grad()
def _features(model: nn.Module, points: Images) -> Tensor:
    rows: Tensor = model.features(points)  # type: ignore[operator]
    if rows.dim() != 2:
        raise InputError(
            f"features(images) of {type(model).__name__} has shape {tuple(rows.shape)}: give a "
            "model whose features are `(n, d)`"
        )
    return rows.float().cpu()
