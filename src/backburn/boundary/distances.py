"""Boundary distances of a whole training set."""

import warnings
from collections.abc import Iterator

import torch
from torch import Tensor, nn

from ..errors import BackburnError, InputError
from ..models.folding import folded
from ..models.inference import batches, frozen, gains_from_bf16
from ..types import BoundaryResult, Images, Pixels, Progress, silent
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
    Returns:
        On the CPU. `distance` is inf and `crossed_label` -1 where no crossing was found.
    Raises:
        InputError: no such norm or budget, or features asked of a model without `features`.
    """
    parts = measure(model, pixels, norm, budget, batch_size, directions, features, phase, progress)
    return join(list(parts))


def measure(
    model: nn.Module,
    pixels: Pixels,
    norm: Norm | float,
    budget: str | Budget,
    batch_size: int,
    directions: bool,
    features: bool,
    phase: str = "boundary",
    progress: Progress = silent,
) -> Iterator[BoundaryResult]:
    """The same a batch at a time, so that memory does not grow with the number of images."""
    norm, budget = norm_named(norm), budget_named(budget)
    if features and not callable(getattr(model, "features", None)):
        raise InputError(
            f"{type(model).__name__} has no features(images): give a model that has, or do "
            "without features"
        )
    with frozen(model):
        searched: nn.Module | None = None
        for images in batches(model, pixels, batch_size, phase, progress):
            searched = searched or folded(model, images[:PROBE])
            for part in _within_memory(searched, images, budget, norm):
                yield _record(model, part, directions, features)


def _within_memory(
    model: nn.Module, images: Images, budget: Budget, norm: Norm
) -> Iterator[tuple[Images, Nearest]]:
    """The search of a batch; in halves where memory does not suffice."""
    try:
        # a generator runs under its consumer's gradient mode, not under ours
        with torch.enable_grad():
            low = gains_from_bf16(images.device)
            found = minimum_norm(model, images, budget=budget, norm=norm, low_precision=low)
    except (RuntimeError, MemoryError) as error:
        if not _is_out_of_memory(error):
            raise
        if len(images) == 1:
            raise BackburnError("not enough memory to search the boundary of one image") from error
    else:
        yield images, found
        return
    half = len(images) // 2
    warnings.warn(f"memory is short: searching {half} images at a time", stacklevel=2)
    for part in (images[:half], images[half:]):
        yield from _within_memory(model, part, budget, norm)


def _is_out_of_memory(error: Exception) -> bool:
    return (
        isinstance(error, MemoryError | torch.OutOfMemoryError)
        or "allocate memory" in str(error)
        or "not enough memory" in str(error)
    )


def _record(
    model: nn.Module,
    part: tuple[Images, Nearest],
    directions: bool,
    features: bool,
) -> BoundaryResult:
    images, found = part
    return BoundaryResult(
        found.found.cpu(),
        found.distance.cpu(),
        found.crossed_label.cpu(),
        _unit(found.points - images, found.distance) if directions else None,
        found.certified.cpu(),
        found.passes.cpu(),
        _features(model, found.points) if features else None,
    )


def _unit(steps: Tensor, distance: Tensor) -> Tensor:
    """Perturbations of length 1, in half precision, on the CPU; zero where not found."""
    return (steps.flatten(1) / distance.clamp_min(1e-12)[:, None]).half().cpu()


@torch.no_grad()
def _features(model: nn.Module, points: Images) -> Tensor:
    rows: Tensor = model.features(points)  # type: ignore[operator]
    return rows.float().cpu()
