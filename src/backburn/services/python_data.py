"""Reading images and labels from the objects that Python callers pass."""

from collections.abc import Container, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import DataLoader, IterableDataset

from ..data.decoding_options import DEFAULT_DECODING, DecodingOptions
from ..data.load_images import load_images
from ..data.sources.arrays import from_arrays
from ..data.sources.python_dataset import from_dataset
from ..errors import InputError
from ..fit.find_reading import ReadImages
from ..types import LabeledImages, Labels, Progress
from .image_label_pairs import LabeledItems, hugging_face_items
from .undo_normalization import (
    Normalization,
    find_normalization,
    is_normalized,
    undo_normalization,
    unknown_normalization,
)


@dataclass(frozen=True, slots=True)
class UserImages:
    """Images as a Python caller passed them.

    Args:
        images: without normalization.
        source: the object that the caller passed; a clean data set is of the same kind.
        normalization: that was undone, or that the caller gave; the model expects it.
        path: of the images, if the caller passed one.
        class_order: the model's number of each of the caller's classes; empty if they agree.
    """

    images: LabeledImages
    source: Any
    normalization: Normalization | None = None
    path: str | None = None
    class_order: tuple[int, ...] = ()

    def matched_to(self, images: LabeledImages) -> "UserImages":
        """The same after the images were adapted to a model.

        The caller's labels are kept, and `class_order` maps them to the model's. Images of a path
        take the model's labels, as the caller never saw any others.

        Args:
            images: as adapted to the model.
        """
        own, adapted = self.images.labels.cpu(), images.labels.cpu()
        if self.path is not None or torch.equal(own, adapted):
            return replace(self, images=images)
        rows = [(own == label).nonzero().flatten() for label in range(int(own.max()) + 1)]
        order = tuple(int(adapted[of_class[0]]) if len(of_class) else -1 for of_class in rows)
        return replace(self, class_order=order)

    def model_labels(self, labels: Labels) -> Labels:
        """Convert the caller's labels to the model's."""
        return torch.tensor(self.class_order)[labels.cpu()] if self.class_order else labels

    def user_labels(self, labels: Labels) -> Labels:
        """Convert the model's labels to the caller's; -1 for classes that the caller lacks."""
        if not self.class_order:
            return labels
        own = {model: user for user, model in enumerate(self.class_order) if model >= 0}
        return torch.tensor([own.get(label, -1) for label in labels.tolist()], dtype=torch.int64)

    def reader(self, side: int | tuple[int, int], progress: Progress) -> ReadImages | None:
        """A function that decodes the images again; None if they are not in files."""
        if self.path is None:
            return None
        path = self.path

        def read(decoding: DecodingOptions, only: Container[str] | None) -> LabeledImages:
            fewest = 2 if only is None else 1
            return load_images(
                path,
                size=side,
                fewest_classes=fewest,
                progress=progress,
                options=decoding,
                only=only,
            )

        return read


def read_user_images(
    data: Any,
    labels: Any = None,
    *,
    class_names: tuple[str, ...] = (),
    normalization: Normalization | None = None,
    size: int | tuple[int, int] | None = None,
    decoding: DecodingOptions = DEFAULT_DECODING,
    progress: Progress,
) -> UserImages:
    """Read images and labels from a path, arrays, a data set, a loader or `LabeledImages`.

    Args:
        data, labels: see `backburn.audit`.
        normalization: of the images, if they are normalized; it is undone.
        size: of images that are not decoded yet.
        decoding: how files are decoded.
    Raises:
        InputError: no labeled images, or images normalized in an unknown way.
    """
    if isinstance(data, (tuple, list)) and labels is None and len(data) == 2:
        data, labels = data
    if labels is not None:
        images, normalization = _from_arrays(data, labels, class_names, normalization)
        return UserImages(images, (data, labels), normalization)
    if isinstance(data, LabeledImages):
        return UserImages(data, data, normalization)
    if isinstance(data, (str, Path)):
        images = load_images(data, size=size, progress=progress, options=decoding)
        return UserImages(images, data, normalization, str(data))
    return _from_dataset(data, class_names, normalization, size, progress)


def _from_arrays(
    images: Any, labels: Any, class_names: tuple[str, ...], normalization: Normalization | None
) -> tuple[LabeledImages, Normalization | None]:
    """Images of arrays, with their normalization undone, and that normalization."""
    values = images.detach().cpu() if isinstance(images, Tensor) else images
    if not is_normalized(values):
        return from_arrays(images, labels, class_names), normalization
    if normalization is None:
        raise unknown_normalization(type(images).__name__, values)
    pixels = torch.as_tensor(np.asarray(values))
    channels_first = pixels.ndim == 4 and pixels.shape[1] in (1, 3)
    pixels = pixels if channels_first or pixels.ndim != 4 else pixels.movedim(3, 1)
    pixels = pixels[:, None] if pixels.ndim == 3 else pixels
    pixels = undo_normalization(pixels, normalization)
    return from_arrays(pixels, labels, class_names), normalization


def _from_dataset(
    data: Any,
    class_names: tuple[str, ...],
    normalization: Normalization | None,
    size: int | tuple[int, int] | None,
    progress: Progress,
) -> UserImages:
    if isinstance(data, DataLoader):
        return _from_loader(data, class_names, normalization, size, progress)
    if hasattr(data, "column_names") and hasattr(data, "with_format"):
        items, names = hugging_face_items(data)
        images = from_dataset(items, class_names=class_names or names, size=size, progress=progress)
        return UserImages(images, data, normalization)
    if isinstance(data, Mapping):
        splits = ", ".join(map(repr, data)) or "nothing"
        raise InputError(f"the data hold {splits}: give one split, such as data['train']")
    if not (hasattr(data, "__len__") and hasattr(data, "__getitem__")):
        raise InputError(
            f"{type(data).__name__} holds no labeled images: give a path, images and labels, a "
            "data set with a length, or a DataLoader of one"
        )
    in_transforms = find_normalization(data)
    items = LabeledItems(data, in_transforms or normalization)
    items.check()
    names = class_names or tuple(str(name) for name in getattr(data, "classes", ()))
    images = from_dataset(items, class_names=names, size=size, progress=progress)
    if normalization is None and items.needs_undoing:
        normalization = in_transforms
    return UserImages(images, data, normalization)


def _from_loader(
    loader: Any,
    class_names: tuple[str, ...],
    normalization: Normalization | None,
    size: int | tuple[int, int] | None,
    progress: Progress,
) -> UserImages:
    """The loader's data set in its own order; an iterable data set batch by batch."""
    if not isinstance(loader.dataset, IterableDataset):
        read = _from_dataset(loader.dataset, class_names, normalization, size, progress)
        return replace(read, source=loader.dataset)
    pairs = [LabeledItems.pair_of(batch, index, "the loader") for index, batch in enumerate(loader)]
    if not pairs:
        raise InputError("the loader is empty: give one with images of two or more classes")
    pixels = torch.cat([torch.as_tensor(batch) for batch, _ in pairs])
    labels = torch.cat([torch.as_tensor(batch) for _, batch in pairs])
    images, normalization = _from_arrays(pixels, labels, class_names, normalization)
    return UserImages(images, (pixels, labels), normalization)
