"""Images and labels from whatever Python code has them in."""

from collections.abc import Container, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import DataLoader, IterableDataset

from ..data.decoding_options import AS_SEEN, Way
from ..data.load_images import load_images
from ..data.sources.arrays import from_arrays
from ..data.sources.python_dataset import from_dataset
from ..errors import InputError
from ..fit.find_reading import Read
from ..types import LabeledImages, Labels, Progress
from .dataset_items import Items, hugging_face_items
from .normalized_datasets import (
    Normalization,
    ask_for_normalization,
    is_normalized,
    normalization_of,
    undone,
)


@dataclass(frozen=True, slots=True)
class GivenImages:
    """Images as a caller in Python has them.

    Args:
        images: pixels as they were before any normalization.
        given: what the caller has, for a clean data set of the same kind.
        normalization: what was undone, or what the caller says; the model wants it.
        path: where they lie, if they were named by a path.
        order: the model's number of each class, where that is another than the caller's.
    """

    images: LabeledImages
    given: Any
    normalization: Normalization | None = None
    path: str | None = None
    order: tuple[int, ...] = ()

    def of_model(self, images: LabeledImages) -> "GivenImages":
        """The same with the images as a model was shown them; labels stay the caller's own.

        Of a path they become the model's, as nobody has any others.
        """
        before, after = self.images.labels.cpu(), images.labels.cpu()
        if self.path is not None or torch.equal(before, after):
            return replace(self, images=images)
        places = [(before == label).nonzero().flatten() for label in range(int(before.max()) + 1)]
        return replace(
            self, order=tuple(int(after[rows[0]]) if len(rows) else -1 for rows in places)
        )

    def model_labels(self, labels: Labels) -> Labels:
        """The model's numbers of the caller's classes."""
        return torch.tensor(self.order)[labels.cpu()] if self.order else labels

    def own_labels(self, labels: Labels) -> Labels:
        """The caller's numbers of the model's classes; -1 where the caller has none."""
        if not self.order:
            return labels
        number = {theirs: own for own, theirs in enumerate(self.order) if theirs >= 0}
        return torch.tensor([number.get(label, -1) for label in labels.tolist()], dtype=torch.int64)

    def reader(self, side: int | tuple[int, int], progress: Progress) -> Read | None:
        """Reads the images again in another way; None where they lie in no file."""
        if self.path is None:
            return None
        path = self.path

        def read(way: Way, only: Container[str] | None) -> LabeledImages:
            fewest = 2 if only is None else 1
            return load_images(
                path, size=side, fewest_classes=fewest, progress=progress, way=way, only=only
            )

        return read


def given_images(
    data: Any,
    labels: Any = None,
    *,
    class_names: tuple[str, ...] = (),
    normalization: Normalization | None = None,
    size: int | tuple[int, int] | None = None,
    way: Way = AS_SEEN,
    progress: Progress,
) -> GivenImages:
    """Images and labels of a path, arrays, a data set, a loader or what `load_images` returned.

    Args:
        data: see `backburn.audit`.
        normalization: what the images were normalized with, if they were; it is undone.
        size: of images that are not decoded yet.
        way: how files are read.
    Raises:
        InputError: no labeled images, or some that are normalized in an unknown way.
    """
    if isinstance(data, (tuple, list)) and labels is None and len(data) == 2:
        data, labels = data
    if labels is not None:
        images, known = _from_arrays(data, labels, class_names, normalization)
        return GivenImages(images, (data, labels), known or normalization)
    if isinstance(data, LabeledImages):
        return GivenImages(data, data, normalization)
    if isinstance(data, (str, Path)):
        found = load_images(data, size=size, progress=progress, way=way)
        return GivenImages(found, data, normalization, str(data))
    return _from_set(data, class_names, normalization, size, progress)


def _from_arrays(
    images: Any, labels: Any, class_names: tuple[str, ...], known: Normalization | None
) -> tuple[LabeledImages, Normalization | None]:
    """Arrays, un-normalized where they are normalized."""
    values = images.detach().cpu() if isinstance(images, Tensor) else images
    if not is_normalized(values):
        return from_arrays(images, labels, class_names), known
    if known is None:
        raise ask_for_normalization(type(images).__name__, values)
    pixels = torch.as_tensor(np.asarray(values))
    first = pixels.ndim == 4 and pixels.shape[1] in (1, 3)
    pixels = pixels if first or pixels.ndim != 4 else pixels.movedim(3, 1)
    pixels = pixels[:, None] if pixels.ndim == 3 else pixels
    return from_arrays(undone(pixels, known), labels, class_names), known


def _from_set(
    data: Any,
    class_names: tuple[str, ...],
    known: Normalization | None,
    size: int | tuple[int, int] | None,
    progress: Progress,
) -> GivenImages:
    if isinstance(data, DataLoader):
        return _from_loader(data, class_names, known, size, progress)
    if hasattr(data, "column_names") and hasattr(data, "with_format"):
        items, names = hugging_face_items(data)
        images = from_dataset(items, class_names=class_names or names, size=size, progress=progress)
        return GivenImages(images, data, known)
    if isinstance(data, Mapping):
        splits = ", ".join(map(repr, data)) or "nothing"
        raise InputError(f"the data hold {splits}: give one split, such as data['train']")
    if not (hasattr(data, "__len__") and hasattr(data, "__getitem__")):
        raise InputError(
            f"{type(data).__name__} holds no labeled images: give a path, images and labels, a "
            "data set with a length, or a DataLoader of one"
        )
    found = normalization_of(data)
    items = Items(data, found or known)
    items.check()
    names = class_names or tuple(str(name) for name in getattr(data, "classes", ()))
    images = from_dataset(items, class_names=names, size=size, progress=progress)
    return GivenImages(images, data, known or (found if items.undoes else None))


def _from_loader(
    loader: Any,
    class_names: tuple[str, ...],
    known: Normalization | None,
    size: int | tuple[int, int] | None,
    progress: Progress,
) -> GivenImages:
    """The loader's data set in its own order; of one without an order, its batches as they come."""
    if not isinstance(loader.dataset, IterableDataset):
        found = _from_set(loader.dataset, class_names, known, size, progress)
        return replace(found, given=loader.dataset)
    pairs = [Items.pair_of(batch, place, "the loader") for place, batch in enumerate(loader)]
    if not pairs:
        raise InputError("the loader is empty: give one with images of two or more classes")
    images = torch.cat([torch.as_tensor(each) for each, _ in pairs])
    labels = torch.cat([torch.as_tensor(each) for _, each in pairs])
    taken, known = _from_arrays(images, labels, class_names, known)
    return GivenImages(taken, (images, labels), known)
