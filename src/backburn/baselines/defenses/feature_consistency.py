"""Feature consistency towards transformations (FCT), which D-BR separates poison by."""

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ...errors import InputError
from ...models.inference import penultimate_features
from ...types import Images, Labels, PerImage, Pixels, Progress

BATCH = 512


def require_features(model: nn.Module, method: str) -> None:
    """Check that a model has a method `features`.

    Raises:
        InputError: it has none.
    """
    if not callable(getattr(model, "features", None)):
        raise InputError(f"{method} looks at features: give a model with a `features` method")


def fct(
    model: nn.Module,
    pixels: Pixels,
    degrees: float,
    shift: float,
    generator: torch.Generator,
    progress: Progress,
) -> PerImage:
    """Mean squared change of each image's features under a random rotation and shift.

    Args:
        degrees: largest rotation to either side.
        shift: largest shift, as a fraction of the image's sides.
    Returns:
        One number `(n,)` for each image, higher if the penultimate features change more.
    """
    changes = []
    for start in range(0, len(pixels), BATCH):
        batch = pixels[start : start + BATCH]
        transformed = rotate_and_shift(batch, degrees, shift, generator)
        change = penultimate_features(model, batch) - penultimate_features(model, transformed)
        changes.append(change.square().mean(1))
        progress("consistency", start + len(batch), len(pixels))
    return torch.cat(changes)


def rotate_and_shift(
    pixels: Pixels, degrees: float, shift: float, generator: torch.Generator
) -> Pixels:
    """Rotate each image about its center and shift it by random amounts; the border is black."""
    count, _, height, width = pixels.shape
    draws = torch.rand((3, count), generator=generator) * 2 - 1
    angle, (right, down) = draws[0] * math.radians(degrees), draws[1:] * 2 * shift
    cos, sin, ratio = angle.cos(), angle.sin(), height / width
    # the grid maps output to input positions, so it has the inverse of rotation, then shift
    rows = torch.stack([cos, -sin * ratio, -cos * right + sin * ratio * down], 1)
    columns = torch.stack([sin / ratio, cos, -sin / ratio * right - cos * down], 1)
    grid = F.affine_grid(
        torch.stack([rows, columns], 1), [count, 1, height, width], align_corners=False
    )
    out = F.grid_sample(pixels.float(), grid.to(pixels.device), "nearest", align_corners=False)
    return out.byte()


def class_similarity(model: nn.Module, images: Images, labels: Labels) -> Tensor:
    """Mean cosine similarity between the mean features of the batch's classes, over all pairs.

    Returns:
        The number, repeated for each image.
    """
    features: Tensor = model.features(images).float()  # type: ignore[operator]
    classes, member = torch.unique(labels, return_inverse=True)
    centers = torch.zeros(len(classes), features.shape[1], device=features.device)
    centers = F.normalize(centers.index_add(0, member, features), dim=1)
    cosines = centers @ centers.T
    cosines = cosines - torch.diag(cosines.diagonal())
    return cosines.mean().expand(len(labels))
