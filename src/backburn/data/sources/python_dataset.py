"""Reader for Python data sets of images and labels, such as torchvision's."""

from collections.abc import Iterator
from typing import Any

import numpy as np
import torch
from PIL import Image

from ...errors import InputError
from ...types import LabeledImages, Progress, no_progress
from ..decode_rows import load_rows
from ..parquet_class_names import LABEL_COLUMNS
from ..undecoded_rows import RawImage, Row, Rows
from .parquet import IMAGE_COLUMNS


def from_dataset(
    dataset: Any,
    *,
    limit: int | None = None,
    size: int | tuple[int, int] | None = None,
    class_names: tuple[str, ...] = (),
    progress: Progress = no_progress,
) -> LabeledImages:
    """Read a data set whose items are (image, label); each item is read twice.

    Args:
        dataset: has a length and items. Items are pairs, or dictionaries with `image` (or `img`)
            and `label`, as those of Hugging Face. Images are PIL images; arrays `(h, w)`,
            `(h, w, c)` or `(c, h, w)`; or tensors `(c, h, w)` or `(h, w)`; of uint8, or floats in
            [0, 1]. Turn off random transforms and normalization.
        limit: read only the first `limit` items.
        size: as for `load_images`.
        class_names: by default those of the data set, if it has any.
        progress: called with the phase, the images done and their total.
    Returns:
        The images; `skipped` names items that are not images.
    Raises:
        InputError: the data set has no length, items are not pairs, a label is out of range, or
            there is only one class.

    >>> items = [(np.zeros((8, 8, 3), np.uint8), label) for label in (0, 1, 1)]
    >>> from_dataset(items).pixels.shape
    torch.Size([3, 3, 8, 8])
    """
    source = type(dataset).__name__
    if not (hasattr(dataset, "__len__") and hasattr(dataset, "__getitem__")):
        raise InputError(f"{source} has no length or no items: give an indexable data set")
    names = class_names or _class_names(dataset)
    count = len(dataset) if limit is None else min(limit, len(dataset))

    def read() -> Iterator[Row]:
        for number in range(count):
            image, label = _split_item(dataset[number], number, source)
            yield Row(f"row {number}", _raw_image(image), _to_scalar(label))

    rows = Rows(source, read, names, from_dataset=True)
    return load_rows(rows, size, cache=None, fewest_classes=2, progress=progress)


def _class_names(dataset: Any) -> tuple[str, ...]:
    """Return the class names in the attributes that Hugging Face and torchvision use."""
    features = getattr(dataset, "features", None)
    label = next((features[k] for k in LABEL_COLUMNS if features and k in features), None)
    names = getattr(label, "names", None) or getattr(dataset, "classes", None) or ()
    return tuple(str(name) for name in names)


def _split_item(item: Any, number: int, source: str) -> tuple[Any, Any]:
    """Return image and label of an item."""
    if isinstance(item, dict):
        image, label = (
            next((key for key in names if key in item), None)
            for names in (IMAGE_COLUMNS, LABEL_COLUMNS)
        )
        if image is not None and label is not None:
            return item[image], item[label]
        raise InputError(
            f"item {number} of {source} has {', '.join(map(str, list(item)[:5]))}: it needs image "
            "(or img) and label"
        )
    if not isinstance(item, tuple | list) or len(item) != 2:
        raise InputError(
            f"item {number} of {source} is a {type(item).__name__}: give pairs of image and label"
        )
    return item[0], item[1]


def _raw_image(image: Any) -> RawImage | str:
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


def _to_scalar(label: Any) -> object:
    """Return the number in an array or tensor with one element; other labels as they are."""
    is_single = isinstance(label, torch.Tensor) and label.numel() == 1
    is_single = is_single or (isinstance(label, np.ndarray | np.generic) and label.size == 1)
    return label.item() if is_single else label
