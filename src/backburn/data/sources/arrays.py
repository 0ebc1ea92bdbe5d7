"""Labeled images from arrays or tensors in memory."""

from typing import Any

import numpy as np
import torch
from torch import Tensor

from ...errors import InputError
from ...types import LabeledImages


def from_arrays(images: Any, labels: Any, class_names: tuple[str, ...] = ()) -> LabeledImages:
    """Convert arrays or tensors to `LabeledImages`.

    Args:
        images: `(n, c, h, w)` or `(n, h, w, c)` with c of 1 or 3, or `(n, h, w)`; uint8, or floats
            in [0, 1], which are rounded to 8 bits.
        labels: `(n,)` whole numbers from 0.
        class_names: one per class, or empty.
    Raises:
        InputError: another shape or range, NaN, only one class, or lengths that differ.

    >>> from_arrays(np.zeros((2, 8, 8, 3), np.uint8), [0, 1]).pixels.shape
    torch.Size([2, 3, 8, 8])
    """
    pixels = to_channels_first(_to_tensor(images))
    array = np.asarray(labels)
    if array.dtype.kind not in "biu":
        raise InputError(f"labels are {array.dtype}: give whole numbers from 0")
    numbers = torch.from_numpy(array.astype(np.int64))
    if not len(pixels):
        raise InputError("there are no images: give some of two or more classes")
    if numbers.ndim != 1 or len(numbers) != len(pixels):
        raise InputError(
            f"{len(pixels)} images but labels of shape {tuple(numbers.shape)}: give one an image"
        )
    last = len(class_names) - 1 if class_names else None
    invalid = (numbers < 0) | (numbers > last if last is not None else False)
    if bool(invalid.any()):
        row = int(invalid.nonzero()[0])
        raise InputError(
            f"label {int(numbers[row])} of image {row} is out of range: labels are whole numbers "
            f"from 0{f' to {last}' if class_names else ''}"
        )
    if not bool((numbers != numbers[0]).any()):
        raise InputError("all images are of one class: a classifier needs two or more")
    return LabeledImages(_to_uint8(pixels), numbers.long(), class_names)


def _to_tensor(images: Any) -> Tensor:
    if isinstance(images, Tensor):
        return images.detach()
    return torch.from_numpy(np.require(images, requirements=["C", "W"]))


def to_channels_first(images: Tensor) -> Tensor:
    """Return a view `(n, c, h, w)` of images in any shape that `from_arrays` accepts.

    >>> to_channels_first(torch.zeros(5, 8, 8)).shape
    torch.Size([5, 1, 8, 8])
    """
    if images.ndim == 3:
        return images[:, None]
    if images.ndim == 4 and images.shape[1] in (1, 3):
        return images
    if images.ndim == 4 and images.shape[3] in (1, 3):
        return images.movedim(3, 1)
    raise InputError(
        f"images have shape {tuple(images.shape)}: give (n, c, h, w) or (n, h, w, c) with 1 or 3 "
        "channels"
    )


def range_message(low: float, high: float) -> str:
    """Return the error message for float pixels outside [0, 1], with the likely remedy."""
    problem = f"float images must lie in [0, 1] without NaN, these go from {low:.3g} to {high:.3g}"
    if low < 0 and high < 20:
        return (
            f"{problem}: they are normalized; give the pixels in [0, 1] before that, and a model "
            "that normalizes inside (with mean and std)"
        )
    return f"{problem}: divide 0..255 pixels by 255"


def _to_uint8(images: Tensor) -> Tensor:
    if images.dtype == torch.uint8:
        return images.contiguous()
    if not images.is_floating_point():
        raise InputError(f"images are {images.dtype}: give uint8, or floats in [0, 1]")
    if not bool(((images >= 0) & (images <= 1)).all()):
        raise InputError(range_message(float(images.min()), float(images.max())))
    return (images * 255).round().to(torch.uint8).contiguous()
