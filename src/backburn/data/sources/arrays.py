"""Images and labels that are in memory already."""

from typing import Any

import numpy as np
import torch
from torch import Tensor

from ...errors import InputError
from ...types import LabeledImages


def from_arrays(images: Any, labels: Any, class_names: tuple[str, ...] = ()) -> LabeledImages:
    """Arrays or tensors as a `LabeledImages`.

    Args:
        images: `(n, c, h, w)` or `(n, h, w, c)` with c of 1 or 3, or `(n, h, w)`; uint8, or floats
            in [0, 1], which are rounded to 8 bits.
        labels: `(n,)` whole numbers from 0.
    Raises:
        InputError: another shape, another range, NaN, one class only, or lengths that differ.
    """
    pixels = channels_first(_tensor(images))
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
    bad = (numbers < 0) | (numbers > last if last is not None else False)
    if bool(bad.any()):
        row = int(bad.nonzero()[0])
        raise InputError(
            f"label {int(numbers[row])} of image {row} is out of range: labels are whole numbers "
            f"from 0{f' to {last}' if class_names else ''}"
        )
    if not bool((numbers != numbers[0]).any()):
        raise InputError("all images are of one class: a classifier needs two or more")
    return LabeledImages(_as_uint8(pixels), numbers.long(), class_names)


def _tensor(images: Any) -> Tensor:
    if isinstance(images, Tensor):
        return images.detach()
    return torch.from_numpy(np.require(images, requirements=["C", "W"]))


def channels_first(array: Tensor) -> Tensor:
    """A view `(n, c, h, w)` of images in one of the shapes that `from_arrays` takes."""
    if array.ndim == 3:
        return array[:, None]
    if array.ndim == 4 and array.shape[1] in (1, 3):
        return array
    if array.ndim == 4 and array.shape[3] in (1, 3):
        return array.movedim(3, 1)
    raise InputError(
        f"images have shape {tuple(array.shape)}: give (n, c, h, w) or (n, h, w, c) with 1 or 3 "
        "channels"
    )


def out_of_range(low: float, high: float) -> str:
    """What to say of float pixels that are not in [0, 1]."""
    told = f"float images must lie in [0, 1] without NaN, these go from {low:.3g} to {high:.3g}"
    if low < 0 and high < 20:
        return (
            f"{told}: they are normalized; give the pixels in [0, 1] before that, and a model that "
            "normalizes inside (with mean and std)"
        )
    return f"{told}: divide 0..255 pixels by 255"


def _as_uint8(array: Tensor) -> Tensor:
    if array.dtype == torch.uint8:
        return array.contiguous()
    if not array.is_floating_point():
        raise InputError(f"images are {array.dtype}: give uint8, or floats in [0, 1]")
    if not bool(((array >= 0) & (array <= 1)).all()):
        raise InputError(out_of_range(float(array.min()), float(array.max())))
    return (array * 255).round().to(torch.uint8).contiguous()
