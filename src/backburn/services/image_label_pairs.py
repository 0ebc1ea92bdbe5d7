"""Items of PyTorch and Hugging Face data sets as pairs of image and label."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from ..errors import InputError
from .undo_normalization import (
    Normalization,
    is_normalized,
    undo_normalization,
    unknown_normalization,
)

IMAGES = ("image", "img", "pixel_values", "images", "x")
LABELS = ("label", "labels", "fine_label", "target", "y")
"""Usual column names, most common first; they decide between several candidates."""
SAMPLE_SIZE = 16
"""Number of items that are checked before the whole data set is read."""


class LabeledItems:
    """A view of a data set as pairs of an image, in [0, 1] or uint8, and a label.

    Args:
        dataset: its items are pairs, or mappings with one image and one label.
        normalization: of its images, if they are normalized.
    """

    def __init__(self, dataset: Any, normalization: Normalization | None):
        self._dataset, self._normalization = dataset, normalization
        self._name = type(dataset).__name__

    def __len__(self) -> int:
        return len(self._dataset)

    def __getitem__(self, index: int) -> tuple[Any, Any]:
        image, label = self.pair_of(self._dataset[index], index, self._name)
        if (
            self._normalization is not None
            and isinstance(image, Tensor)
            and image.is_floating_point()
            and self.needs_undoing
        ):
            image = undo_normalization(image, self._normalization)
        return image, label

    @property
    def needs_undoing(self) -> bool:
        """Whether the images are normalized in a known way, which has to be undone."""
        return self._normalization is not None and any(map(is_normalized, self._sample()))

    def check(self) -> None:
        """Check that items are the same at each access, and their normalization known.

        Raises:
            InputError: random transforms, or images normalized in an unknown way.
        """
        first, second = self._sample(), self._sample()
        if any(_differ(one, other) for one, other in zip(first, second, strict=True)):
            raise InputError(
                f"{self._name} gives other images each time it is asked: give it without random "
                "transforms (crops, flips, jitter)"
            )
        if self._normalization is None and any(map(is_normalized, first)):
            raise unknown_normalization(self._name, np.stack([np.asarray(i) for i in first]))

    def _sample(self) -> list[Any]:
        """Images of evenly spaced items."""
        count = min(SAMPLE_SIZE, len(self))
        indices = sorted({round(k * (len(self) - 1) / max(1, count - 1)) for k in range(count)})
        pairs = (self.pair_of(self._dataset[index], index, self._name) for index in indices)
        return [image for image, _ in pairs if isinstance(image, (Tensor, np.ndarray))]

    @staticmethod
    def pair_of(item: Any, index: int, name: str) -> tuple[Any, Any]:
        """Image and label of an item; `index` and `name` are for messages.

        Raises:
            InputError: the item has no image or no label.
        """
        if isinstance(item, Mapping):
            image = next((item[key] for key in IMAGES if key in item), None)
            label = next((item[key] for key in LABELS if key in item), None)
            if image is not None and label is not None:
                return image, label
            raise InputError(
                f"item {index} of {name} has {', '.join(map(str, item))}: give items with image "
                "and label"
            )
        if isinstance(item, (tuple, list)) and len(item) >= 2:
            return item[0], item[1]
        raise InputError(
            f"item {index} of {name} is a {type(item).__name__}: give pairs of image and label"
        )


def _differ(one: Any, other: Any) -> bool:
    return not np.array_equal(np.asarray(one), np.asarray(other))


class _Columns:
    """Two columns of a Hugging Face data set as pairs, without the transform set on it."""

    def __init__(self, data: Any, image: str, label: str):
        self._data, self._image, self._label = data, image, label

    def __len__(self) -> int:
        return len(self._data)

    def __getitem__(self, index: int) -> tuple[Any, Any]:
        row = self._data[index]
        image, label = row[self._image], row[self._label]
        if isinstance(image, Image.Image) and image.mode not in ("L", "RGB"):
            image = image.convert("RGB")
        return image if not isinstance(image, list) else np.asarray(image, np.uint8), label


def hugging_face_items(data: Any) -> tuple[Any, tuple[str, ...]]:
    """A Hugging Face data set as pairs of image and label, and its class names.

    Columns are recognized by type: images, and class labels or else integers. Of several columns
    the one with a usual name is taken.

    Raises:
        InputError: no single column of images or labels.
    """
    features = data.features or {}
    kinds = {name: type(feature).__name__ for name, feature in features.items()}
    image = _single_column(kinds, ("Image", "Array3D", "Array2D"), IMAGES, "images")
    label = _single_column(kinds, ("ClassLabel",), LABELS, "labels", integer_columns(features))
    names = tuple(getattr(features[label], "names", None) or ())
    return _Columns(data.with_format(None), image, label), names


def label_column(data: Any) -> str:
    """The column of a Hugging Face data set that holds the labels."""
    kinds = {name: type(feature).__name__ for name, feature in data.features.items()}
    return _single_column(kinds, ("ClassLabel",), LABELS, "labels", integer_columns(data.features))


def integer_columns(features: Mapping[str, Any]) -> list[str]:
    """Names of the integer columns."""
    types = {name: str(getattr(feature, "dtype", "")) for name, feature in features.items()}
    return [name for name, kind in types.items() if kind.startswith(("int", "uint"))]


def _single_column(
    kinds: Mapping[str, str],
    wanted: tuple[str, ...],
    usual_names: tuple[str, ...],
    what: str,
    fallback: list[str] | None = None,
) -> str:
    """The column of a wanted type, or of the fallback; of several, one with a usual name."""
    columns = [name for name, kind in kinds.items() if kind in wanted] or (fallback or [])
    if len(columns) > 1:
        columns = [name for name in usual_names if name in columns][:1]
    if not columns:
        listed = ", ".join(f"{name} ({kind})" for name, kind in kinds.items()) or "nothing"
        raise InputError(f"the data set has no single column of {what}: it has {listed}")
    return columns[0]


class CleanItems(torch.utils.data.Dataset):  # type: ignore[type-arg]
    """A subset of another data set without the poison; its labels may be restored ones."""

    def __init__(self, dataset: Any, rows: list[int], labels: list[int]):
        self.dataset, self.rows, self.labels = dataset, rows, labels

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, index: int) -> Any:
        item, label = self.dataset[self.rows[index]], self.labels[index]
        if isinstance(item, Mapping):
            name = next(name for name in LABELS if name in item)
            return {**item, name: label}
        return (item[0], label, *item[2:])
