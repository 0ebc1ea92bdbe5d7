"""Boundary distances of a whole training set."""

from dataclasses import dataclass

import torch
from torch import nn

from ..errors import InputError
from ..models.inference import batches, frozen
from ..types import BoundaryResult, Labels, Pixels, Progress, silent
from .batches import Measuring, nothing
from .budget import Budget, budget_named
from .concatenation import join
from .projection import Norm, norm_named


@dataclass(frozen=True, slots=True)
class Search:
    """What is wanted of a boundary search, whatever the model and the images; see `boundary`.

    Raises:
        InputError: no such norm or budget.
    """

    norm: Norm | float = "2"
    budget: str | Budget = "default"
    batch_size: int = 256
    directions: bool = False
    features: bool = False
    phase: str = "boundary"

    def __post_init__(self) -> None:
        norm_named(self.norm)
        budget_named(self.budget)

    def run(
        self,
        model: nn.Module,
        pixels: Pixels,
        *,
        predictions: Labels | None = None,
        progress: Progress = silent,
    ) -> BoundaryResult:
        """See `boundary`; the search is as the record says."""
        if self.features and not callable(getattr(model, "features", None)):
            raise InputError(
                f"{type(model).__name__} has no features(images): give a model that has, or do "
                "without features"
            )
        if not len(pixels):
            return nothing(pixels, self.directions)
        norm, budget = norm_named(self.norm), budget_named(self.budget)
        measuring = Measuring(model, norm, budget, self.directions, self.features)
        with frozen(model), torch.enable_grad():
            images = batches(model, pixels, self.batch_size, self.phase, progress)
            return join(measuring.parts(images, predictions), len(pixels))


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
    search = Search(norm, budget, batch_size, directions, features, phase)
    return search.run(model, pixels, predictions=predictions, progress=progress)
