"""Any Python data set of images and labels, as torchvision and others have them."""

from collections.abc import Iterator
from typing import Any

import numpy as np
import torch
from PIL import Image

from ...errors import InputError
from ...types import LabeledImages, Progress, silent
from ..class_names import LABELS
from ..loading import gather
from ..rows import Picture, Row, Rows
from .parquet import IMAGES


def from_dataset(
    dataset: Any,
    *,
    limit: int | None = None,
    size: int | tuple[int, int] | None = None,
    class_names: tuple[str, ...] = (),
    progress: Progress = silent,
) -> LabeledImages:
    """A data set whose items are (image, label): each is asked for twice.

    Args:
        dataset: has a length and items, pairs or tables with `image` (or `img`) and `label`, such
            as one of Hugging Face's; images are PIL images; arrays `(h, w)`, `(h, w, c)` or
            `(c, h, w)`; or tensors `(c, h, w)` or `(h, w)`; uint8, or floats in [0, 1]. Give it
            without random transforms and without normalization.
        limit: take the first so many items.
        size: as of `load_images`.
        class_names: the dataset's `classes` where not given.
    Returns:
        The images; `skipped` names items that are no images.
    Raises:
        InputError: no length, items that are no pairs, labels out of range, one class only.
    """
    where = type(dataset).__name__
    if not (hasattr(dataset, "__len__") and hasattr(dataset, "__getitem__")):
        raise InputError(f"{where} has no length or no items: give an indexable data set")
    names = class_names or _classes(dataset)
    count = len(dataset) if limit is None else min(limit, len(dataset))

    def read() -> Iterator[Row]:
        for place in range(count):
            image, label = _pair(dataset[place], place, where)
            yield Row(f"row {place}", _picture(image), _plain(label))

    return gather(Rows(where, read, names, asked=True), size, None, 2, progress)


def _classes(dataset: Any) -> tuple[str, ...]:
    """The names that a data set has for its classes, as torchvision's and Hugging Face's have."""
    features = getattr(dataset, "features", None)
    label = next((features[k] for k in LABELS if features and k in features), None)
    names = getattr(label, "names", None) or getattr(dataset, "classes", None) or ()
    return tuple(str(name) for name in names)


def _pair(item: Any, place: int, where: str) -> tuple[Any, Any]:
    if isinstance(item, dict):
        image, label = (next((k for k in known if k in item), None) for known in (IMAGES, LABELS))
        if image is not None and label is not None:
            return item[image], item[label]
        raise InputError(
            f"item {place} of {where} has {', '.join(map(str, list(item)[:5]))}: it needs image "
            "(or img) and label"
        )
    if not isinstance(item, tuple | list) or len(item) != 2:
        raise InputError(
            f"item {place} of {where} is a {type(item).__name__}: give pairs of image and label"
        )
    return item[0], item[1]


def _picture(image: Any) -> Picture | str:
    if isinstance(image, Image.Image):
        return image
    if isinstance(image, torch.Tensor):
        array = image.detach().cpu().numpy()
        return array[None] if array.ndim == 2 else array
    if isinstance(image, np.ndarray):
        if image.ndim == 2:
            return image[None]
        return image.transpose(2, 0, 1) if image.ndim == 3 and image.shape[2] in (1, 3) else image
    return f"{type(image).__name__} is no PIL image, array or tensor"


def _plain(label: Any) -> object:
    """A number that is in an array or a tensor of its own."""
    one = isinstance(label, torch.Tensor) and label.numel() == 1
    one = one or (isinstance(label, np.ndarray | np.generic) and label.size == 1)
    return label.item() if one else label
