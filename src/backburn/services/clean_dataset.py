"""The training data without their poison, as the kind of data that was given."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ..types import LabeledImages
from .dataset_items import CleanItems, label_column


@dataclass(frozen=True, slots=True)
class Cleansed:
    """What stays of a data set.

    Args:
        images: as they were audited.
        given: the data set that they are of.
        rows: of `images`, in order.
        labels: of these rows.
    """

    images: LabeledImages
    given: Any
    rows: Tensor
    labels: Tensor

    @property
    def places(self) -> list[int]:
        """The same rows in the data set, which may hold items that are no images."""
        names = self.images.names
        if not names or not all(name.startswith("row ") for name in names):
            return self.rows.tolist()
        return [int(names[row].removeprefix("row ")) for row in self.rows.tolist()]


def cleansed_like(clean: Cleansed) -> Any:
    """The data that stay: arrays, a data set, or `LabeledImages`."""
    given = clean.given
    if isinstance(given, (str, Path, LabeledImages)):
        return clean.images.take(clean.rows).relabeled(
            clean.images.take(clean.rows).pixels, clean.labels
        )
    if isinstance(given, tuple):
        return _arrays(given, clean)
    if hasattr(given, "column_names"):
        return _hugging_face(given, clean)
    return CleanItems(given, clean.places, clean.labels.tolist())


def _arrays(given: tuple[Any, Any], clean: Cleansed) -> tuple[Any, Any]:
    """Images and labels, each of the kind that it was."""
    images, labels = given
    if isinstance(images, Tensor):
        kept: Any = images[clean.rows.to(images.device)]
    else:
        kept = np.asarray(images)[clean.rows.numpy()]
    if isinstance(labels, Tensor):
        return kept, clean.labels.to(labels.device, labels.dtype)
    return kept, clean.labels.numpy().astype(np.asarray(labels).dtype)


def _hugging_face(given: Any, clean: Cleansed) -> Any:
    """The rows that stay; the column of labels is replaced where one has changed."""
    name = label_column(given)
    kept = given.select(clean.places)
    before = [int(label) for label in kept.with_format(None)[name]]
    if before == clean.labels.tolist():
        return kept
    kind, order = given.features[name], kept.column_names
    changed = kept.remove_columns(name).add_column(name, clean.labels.tolist())
    return changed.cast_column(name, kind).select_columns(order)


def rows_of(images: LabeledImages) -> tuple[str, ...]:
    """Names by which images are found again when only some of them are looked at."""
    return images.names or tuple(str(row) for row in torch.arange(len(images)).tolist())
