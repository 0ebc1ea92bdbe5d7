"""Boundary distances of a whole training set."""

import torch
from torch import Tensor, nn

from ..models.inference import batches, frozen, gains_from_bf16
from ..types import BoundaryResult, Pixels, Progress, silent
from .deepfool import Crossing
from .engine import minimum_norm


@torch.enable_grad()
def boundary(
    model: nn.Module,
    pixels: Pixels,
    *,
    batch_size: int = 256,
    candidates: int = 3,
    steps: int = 6,
    directions: bool = False,
    phase: str = "boundary",
    progress: Progress = silent,
) -> BoundaryResult:
    """How far each image is from changing the model's PREDICTION, in L2 over [0, 1] pixels.

    Args:
        model: any module on pixels in [0, 1]; left as it was, also when interrupted.
        pixels: uint8 images.
        candidates, steps: see `minimum_norm`.
        directions: also return the unit perturbations.
    Returns:
        On the CPU. `distance` is inf and `crossed_label` -1 where no crossing was found.
    """
    parts: list[BoundaryResult] = []
    with frozen(model):
        for images in batches(model, pixels, batch_size, phase, progress):
            crossing = minimum_norm(
                model,
                images,
                candidates=candidates,
                steps=steps,
                low_precision=gains_from_bf16(images.device),
            )
            parts.append(_measure(images, crossing, directions))
    return BoundaryResult(
        torch.cat([part.found for part in parts]),
        torch.cat([part.distance for part in parts]),
        torch.cat([part.crossed_label for part in parts]),
        torch.cat([_direction(part) for part in parts]) if directions else None,
    )


def _measure(images: Tensor, crossing: Crossing, directions: bool) -> BoundaryResult:
    delta = (crossing.points - images).flatten(1)
    distance = delta.norm(dim=1)
    unit = (delta / distance.clamp_min(1e-12)[:, None]).half().cpu() if directions else None
    distance = torch.where(crossing.found, distance, torch.inf)
    return BoundaryResult(crossing.found.cpu(), distance.cpu(), crossing.crossed_label.cpu(), unit)


def _direction(part: BoundaryResult) -> Tensor:
    if part.direction is None:
        raise ValueError("this result was measured without directions")
    return part.direction
