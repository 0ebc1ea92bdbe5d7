"""A boundary search batch by batch, in as many parts as memory asks for."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from functools import partial

import torch
from torch import Tensor, nn

from ..errors import InputError
from ..models.fold_batch_norm import folded
from ..models.inference import gains_from_bf16
from ..models.out_of_memory import Halving
from ..models.precision import quicker_layers
from ..types import BoundaryResult, Images, Labels, Pixels
from .budget import Budget
from .engine import Nearest, minimum_norm
from .projection import Norm

PROBE = 8
"""Images that a folded model is tried on."""


@dataclass(slots=True)
class Measuring:
    """What stays the same from batch to batch, and how many images fit into memory at a time."""

    model: nn.Module
    norm: Norm
    budget: Budget
    directions: bool
    features: bool
    faster: nn.Module | None = None
    memory: Halving = field(default_factory=lambda: Halving("searching"))

    def parts(
        self, given: Iterable[Images], predictions: Labels | None
    ) -> Iterator[BoundaryResult]:
        """The results of all batches, each in as many parts as memory asks for."""
        begun = 0
        for images in given:
            self.faster = self.faster or folded(self.model, images[:PROBE])
            start = None if predictions is None else predictions[begun : begun + len(images)]
            yield from self.memory.each(len(images), partial(self._measure, images, start))
            begun += len(images)

    def _measure(self, images: Images, start: Labels | None, rows: slice) -> BoundaryResult:
        model = self.faster or self.model
        with quicker_layers(model, images[:1]):
            found = minimum_norm(
                model,
                images[rows],
                budget=self.budget,
                norm=self.norm,
                low_precision=gains_from_bf16(images.device),
                judge=self.model,
                start=None if start is None else start[rows],
            )
        return self._record(images[rows], found)

    def _record(self, images: Images, found: Nearest) -> BoundaryResult:
        return BoundaryResult(
            found.found.cpu(),
            found.distance.cpu(),
            found.crossed_label.cpu(),
            _unit(found.points - images, found.distance) if self.directions else None,
            found.certified.cpu(),
            found.passes.cpu(),
            _features(self.model, found.points) if self.features else None,
        )


def nothing(pixels: Pixels, directions: bool) -> BoundaryResult:
    """The result of no images at all."""
    none = torch.zeros(0, dtype=torch.int64)
    return BoundaryResult(
        none.bool(),
        none.float(),
        none,
        torch.zeros(0, pixels[0:0].flatten(1).shape[1]).half() if directions else None,
        none.bool(),
        none.clone(),
    )


def _unit(steps: Tensor, distance: Tensor) -> Tensor:
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
