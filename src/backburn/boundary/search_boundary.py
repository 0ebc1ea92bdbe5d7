"""Boundary distances of a whole training set: the entry point of the boundary search."""

from dataclasses import dataclass

import torch
from torch import nn

from ..errors import InputError
from ..models.inference import frozen, iter_batches
from ..types import BoundaryResult, Labels, Pixels, Progress, no_progress
from .batches import BatchSearch, empty_result
from .budget import Budget, get_budget
from .concatenation import concatenate
from .projection import Norm, parse_norm


@dataclass(frozen=True, slots=True)
class BoundarySearch:
    """Settings of a boundary search, whatever the model and the images; see `search_boundary`.

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
        parse_norm(self.norm)
        get_budget(self.budget)

    def run(
        self,
        model: nn.Module,
        pixels: Pixels,
        *,
        predictions: Labels | None = None,
        progress: Progress = no_progress,
    ) -> BoundaryResult:
        """Run the search; see `search_boundary`."""
        if self.features and not callable(getattr(model, "features", None)):
            raise InputError(
                f"{type(model).__name__} has no features(images): give a model that has, or do "
                "without features"
            )
        if not len(pixels):
            return empty_result(pixels, self.directions)
        norm, budget = parse_norm(self.norm), get_budget(self.budget)
        search = BatchSearch(model, norm, budget, self.directions, self.features)
        with frozen(model), torch.enable_grad():
            images = iter_batches(model, pixels, self.batch_size, self.phase, progress)
            return concatenate(search.run(images, predictions), len(pixels))


def search_boundary(
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
    progress: Progress = no_progress,
) -> BoundaryResult:
    """Distance of each image to the nearest change of the model's PREDICTION, over [0, 1] pixels.

    The search has no random part: the same images give the same distances.

    Args:
        model: any module on pixels in [0, 1]; left unchanged, also when interrupted.
        pixels: uint8 images, on any device.
        norm: 2, or inf for the largest change of a pixel.
        budget: `screen`, `fast`, `default`, `exact`, or a `Budget`. docs/boundary.md has what each
            reaches and costs.
        batch_size: images per batch; halved, with a warning, if memory does not suffice.
        directions: also return the perturbations, scaled to length 1.
        features: also return the penultimate features of the perturbed images.
        predictions: the model's fp32 predictions, if known; saves a forward pass.
    Returns:
        On the CPU. `distance` is inf and `crossed_label` -1 where no crossing was found.
    Raises:
        InputError: no such norm or budget, a model with one class, or features of a model without
            `features`.

    >>> from torch import nn
    >>> model = nn.Sequential(nn.Flatten(), nn.Linear(2, 2))
    >>> model[1].weight.data, model[1].bias.data = torch.eye(2), torch.zeros(2)
    >>> pixels = torch.tensor([[[[255, 204]]]], dtype=torch.uint8)
    >>> search_boundary(model, pixels).distance  # just above 0.2 / sqrt(2)
    tensor([0.1415])
    """
    search = BoundarySearch(norm, budget, batch_size, directions, features, phase)
    return search.run(model, pixels, predictions=predictions, progress=progress)
