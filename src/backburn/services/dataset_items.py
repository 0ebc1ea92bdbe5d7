"""Items of other people's data sets as pairs of image and label."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from ..errors import InputError
from .normalized_datasets import Normalization, ask_for_normalization, is_normalized, undone

IMAGES = ("image", "img", "pixel_values", "images", "x")
LABELS = ("label", "labels", "fine_label", "target", "y")
"""What columns are called, where several could be meant."""
ASKED = 16
"""Items that are looked at before all are."""


class Items:
    """A data set as pairs of an image in [0, 1] or uint8 and a label; nothing is copied.

    Args:
        dataset: items are pairs, or mappings with one image and one label.
        known: what its images are normalized with, if they are.
    """

    def __init__(self, dataset: Any, known: Normalization | None):
        self._dataset, self._known = dataset, known
        self._where = type(dataset).__name__

    def __len__(self) -> int:
        return len(self._dataset)

    def __getitem__(self, place: int) -> tuple[Any, Any]:
        image, label = self.pair_of(self._dataset[place], place, self._where)
        if self._known is not None and isinstance(image, Tensor) and image.is_floating_point():
            image = undone(image, self._known) if self.undoes else image
        return image, label

    @property
    def undoes(self) -> bool:
        """Whether its images are normalized, so that this has to be undone."""
        return self._known is not None and any(map(is_normalized, self._some()))

    def check(self) -> None:
        """See that images are what they are the next time, and that their normalization is known.

        Raises:
            InputError: random transforms, or images normalized in an unknown way.
        """
        first, again = self._some(), self._some()
        if any(_differ(one, other) for one, other in zip(first, again, strict=True)):
            raise InputError(
                f"{self._where} gives other images each time it is asked: give it without random "
                "transforms (crops, flips, jitter)"
            )
        if self._known is None and any(map(is_normalized, first)):
            raise ask_for_normalization(self._where, np.stack([np.asarray(i) for i in first]))

    def _some(self) -> list[Any]:
        count = min(ASKED, len(self))
        places = sorted({round(k * (len(self) - 1) / max(1, count - 1)) for k in range(count)})
        pairs = (self.pair_of(self._dataset[place], place, self._where) for place in places)
        return [image for image, _ in pairs if isinstance(image, (Tensor, np.ndarray))]

    @staticmethod
    def pair_of(item: Any, place: int, where: str) -> tuple[Any, Any]:
        """The image and the label of an item.

        Raises:
            InputError: an item without these.
        """
        if isinstance(item, Mapping):
            image = next((item[name] for name in IMAGES if name in item), None)
            label = next((item[name] for name in LABELS if name in item), None)
            if image is not None and label is not None:
                return image, label
            raise InputError(
                f"item {place} of {where} has {', '.join(map(str, item))}: give items with image "
                "and label"
            )
        if isinstance(item, (tuple, list)) and len(item) >= 2:
            return item[0], item[1]
        raise InputError(
            f"item {place} of {where} is a {type(item).__name__}: give pairs of image and label"
        )


def _differ(one: Any, other: Any) -> bool:
    return not np.array_equal(np.asarray(one), np.asarray(other))


class _Columns:
    """Two columns of a Hugging Face data set, without any transform that is set on it."""

    def __init__(self, data: Any, image: str, label: str):
        self._data, self._image, self._label = data, image, label

    def __len__(self) -> int:
        return len(self._data)

    def __getitem__(self, place: int) -> tuple[Any, Any]:
        row = self._data[place]
        image, label = row[self._image], row[self._label]
        if isinstance(image, Image.Image) and image.mode not in ("L", "RGB"):
            image = image.convert("RGB")
        return image if not isinstance(image, list) else np.asarray(image, np.uint8), label


def hugging_face_items(data: Any) -> tuple[Any, tuple[str, ...]]:
    """A Hugging Face data set as pairs, with the names of its classes.

    Columns are found by type: the one of images, and the one of class labels or whole numbers.

    Raises:
        InputError: no such columns, or more than one, and none is called image or label.
    """
    features = data.features or {}
    kinds = {name: type(feature).__name__ for name, feature in features.items()}
    image = _one(kinds, ("Image", "Array3D", "Array2D"), IMAGES, "images")
    label = _one(kinds, ("ClassLabel",), LABELS, "labels", whole_numbers(features))
    names = tuple(getattr(features[label], "names", None) or ())
    return _Columns(data.with_format(None), image, label), names


def label_column(data: Any) -> str:
    """The column of a Hugging Face data set that holds the labels."""
    kinds = {name: type(feature).__name__ for name, feature in data.features.items()}
    return _one(kinds, ("ClassLabel",), LABELS, "labels", whole_numbers(data.features))


def whole_numbers(features: Mapping[str, Any]) -> list[str]:
    """The columns of whole numbers."""
    types = {name: str(getattr(feature, "dtype", "")) for name, feature in features.items()}
    return [name for name, kind in types.items() if kind.startswith(("int", "uint"))]


def _one(
    kinds: Mapping[str, str],
    wanted: tuple[str, ...],
    usual: tuple[str, ...],
    what: str,
    otherwise: list[str] | None = None,
) -> str:
    """The column of a wanted type; of several, the one with a usual name."""
    found = [name for name, kind in kinds.items() if kind in wanted] or (otherwise or [])
    if len(found) > 1:
        found = [name for name in usual if name in found][:1]
    if not found:
        listed = ", ".join(f"{name} ({kind})" for name, kind in kinds.items()) or "nothing"
        raise InputError(f"the data set has no single column of {what}: it has {listed}")
    return found[0]


class CleanItems(torch.utils.data.Dataset):  # type: ignore[type-arg]
    """Items of another data set without the poison; labels may be restored ones."""

    def __init__(self, dataset: Any, rows: list[int], labels: list[int]):
        self.dataset, self.rows, self.labels = dataset, rows, labels

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, place: int) -> Any:
        item, label = self.dataset[self.rows[place]], self.labels[place]
        if isinstance(item, Mapping):
            name = next(name for name in LABELS if name in item)
            return {**item, name: label}
        return (item[0], label, *item[2:])
