"""FCT: how far an image's features move when it is turned and shifted."""

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ...errors import InputError
from ...models.inference import penultimate
from ...types import Images, Labels, PerImage, Pixels, Progress

BATCH = 512


def check_features(model: nn.Module, method: str) -> None:
    """Raise where a model does not name its features.

    Raises:
        InputError: such a model.
    """
    if not callable(getattr(model, "features", None)):
        raise InputError(f"{method} looks at features: give a model with a `features` method")


def feature_movement(
    model: nn.Module,
    pixels: Pixels,
    degrees: float,
    shift: float,
    generator: torch.Generator,
    progress: Progress,
) -> PerImage:
    """Mean squared change of each image's penultimate features under a random turn and shift.

    Args:
        degrees, shift: the farthest; shifts are in fractions of the image's sides.
    """
    moved = []
    for start in range(0, len(pixels), BATCH):
        part = pixels[start : start + BATCH]
        other = turned(part, degrees, shift, generator)
        change = penultimate(model, part) - penultimate(model, other)
        moved.append(change.square().mean(1))
        progress("consistency", start + len(part), len(pixels))
    return torch.cat(moved)


def turned(pixels: Pixels, degrees: float, shift: float, generator: torch.Generator) -> Pixels:
    """Each image turned about its centre and shifted, by how much is drawn; black around it."""
    count, _, height, width = pixels.shape
    draws = torch.rand((3, count), generator=generator) * 2 - 1
    angle, (right, down) = draws[0] * math.radians(degrees), draws[1:] * 2 * shift
    cos, sin, ratio = angle.cos(), angle.sin(), height / width
    # what is turned first and shifted then is looked up the other way around
    rows = torch.stack([cos, -sin * ratio, -cos * right + sin * ratio * down], 1)
    columns = torch.stack([sin / ratio, cos, -sin / ratio * right - cos * down], 1)
    grid = F.affine_grid(
        torch.stack([rows, columns], 1), [count, 1, height, width], align_corners=False
    )
    out = F.grid_sample(pixels.float(), grid.to(pixels.device), "nearest", align_corners=False)
    return out.byte()


def class_closeness(model: nn.Module, images: Images, labels: Labels) -> Tensor:
    """How alike the mean features of the batch's classes are: the cosine over all pairs.

    One number, repeated for each image.
    """
    features: Tensor = model.features(images).float()  # type: ignore[operator]
    classes, member = torch.unique(labels, return_inverse=True)
    centers = torch.zeros(len(classes), features.shape[1], device=features.device)
    centers = F.normalize(centers.index_add(0, member, features), dim=1)
    alike = centers @ centers.T
    alike = alike - torch.diag(alike.diagonal())
    return alike.mean().expand(len(labels))
