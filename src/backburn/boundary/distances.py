"""Boundary distances of a whole training set."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from functools import partial

import torch
from torch import Tensor, nn

from ..errors import InputError
from ..models.folding import folded
from ..models.inference import batches, frozen, gains_from_bf16
from ..models.memory import Halving
from ..types import BoundaryResult, Images, Labels, Pixels, Progress, silent
from .budget import Budget, budget_named
from .engine import Nearest, minimum_norm
from .projection import Norm, norm_named
from .results import join

PROBE = 8
"""Images that a folded model is tried on."""


def boundary(
    model: nn.Module,
    pixels: Pixels,
    *,
    norm: Norm | float = "2",
    budget: str | Budget = "default",
    batch_size: int = 256,
    directions: bool = False,
    features: bool = False,
    predictions: Labels | None = None,
    phase: str = "boundary",
    progress: Progress = silent,
) -> BoundaryResult:
    """How far each image is from changing the model's PREDICTION, over [0, 1] pixels.

    The search has no random part: the same images give the same distances.

    Args:
        model: any module on pixels in [0, 1]; left as it was, also when interrupted.
        pixels: uint8 images, on any device.
        norm: 2, or inf for the largest change of a pixel.
        budget: `screen`, `fast`, `default`, `exact`, or a `Budget`; see docs/boundary.md for what
            each reaches and takes.
        batch_size: images at a time; halved, with a warning, where memory does not suffice.
        directions: also return the unit perturbations.
        features: also return the penultimate features of the perturbed images.
        predictions: the model's fp32 predictions, where they are known; saves a forward pass.
    Returns:
        On the CPU. `distance` is inf and `crossed_label` -1 where no crossing was found.
    Raises:
        InputError: no such norm or budget, a model with one class, or features asked of a model
            without `features`.
    """
    search = _Search(model, norm_named(norm), budget_named(budget), directions, features)
    if features and not callable(getattr(model, "features", None)):
        raise InputError(
            f"{type(model).__name__} has no features(images): give a model that has, or do "
            "without features"
        )
    if not len(pixels):
        return _nothing(pixels, directions)
    with frozen(model), torch.enable_grad():
        images = batches(model, pixels, batch_size, phase, progress)
        return join(search.parts(images, predictions), len(pixels))


@dataclass(slots=True)
class _Search:
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
        found = minimum_norm(
            self.faster or self.model,
            images[rows],
            budget=self.budget,
            norm=self.norm,
            low_precision=gains_from_bf16(images.device),
            judge=self.model,
            start=None if start is None else start[rows],
        )
        return _record(self, images[rows], found)


def _record(search: _Search, images: Images, found: Nearest) -> BoundaryResult:
    unit = _unit(found.points - images, found.distance) if search.directions else None
    return BoundaryResult(
        found.found.cpu(),
        found.distance.cpu(),
        found.crossed_label.cpu(),
        unit,
        found.certified.cpu(),
        found.passes.cpu(),
        _features(search.model, found.points) if search.features else None,
    )


def _nothing(pixels: Pixels, directions: bool) -> BoundaryResult:
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
