"""The training data without the poison, as the same kind of object that the user passed."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ..types import LabeledImages
from .image_label_pairs import CleanItems, label_column


@dataclass(frozen=True, slots=True)
class CleanRows:
    """The rows of a data set that stay, and their labels.

    Args:
        images: all images, as they were audited.
        source: the object that the user passed, which holds them.
        rows: indices into `images` that stay, ascending.
        labels: of these rows.
    """

    images: LabeledImages
    source: Any
    rows: Tensor
    labels: Tensor

    @property
    def source_rows(self) -> list[int]:
        """Indices of the rows in `source`, which may hold items that are no images."""
        names = self.images.names
        if not names or not all(name.startswith("row ") for name in names):
            return self.rows.tolist()
        return [int(names[row].removeprefix("row ")) for row in self.rows.tolist()]


def clean_dataset_like(clean: CleanRows) -> Any:
    """The rows that stay, as the kind of object that `clean.source` is.

    Arrays give a pair of arrays; a data set gives a data set; a path or `LabeledImages` gives
    `LabeledImages`.
    """
    source = clean.source
    if isinstance(source, (str, Path, LabeledImages)):
        images = clean.images.take(clean.rows)
        return images.relabeled(images.pixels, clean.labels)
    if isinstance(source, tuple):
        return _arrays(source, clean)
    if hasattr(source, "column_names"):
        return _hugging_face(source, clean)
    return CleanItems(source, clean.source_rows, clean.labels.tolist())


def _arrays(source: tuple[Any, Any], clean: CleanRows) -> tuple[Any, Any]:
    """Images and labels, each an array or a tensor as in `source`."""
    images, labels = source
    if isinstance(images, Tensor):
        kept: Any = images[clean.rows.to(images.device)]
    else:
        kept = np.asarray(images)[clean.rows.numpy()]
    if isinstance(labels, Tensor):
        return kept, clean.labels.to(labels.device, labels.dtype)
    return kept, clean.labels.numpy().astype(np.asarray(labels).dtype)


def _hugging_face(source: Any, clean: CleanRows) -> Any:
    """The rows that stay; the label column is replaced if a label changed."""
    name = label_column(source)
    kept = source.select(clean.source_rows)
    given_labels = [int(label) for label in kept.with_format(None)[name]]
    if given_labels == clean.labels.tolist():
        return kept
    feature, columns = source.features[name], kept.column_names
    relabeled = kept.remove_columns(name).add_column(name, clean.labels.tolist())
    return relabeled.cast_column(name, feature).select_columns(columns)


def row_names(images: LabeledImages) -> tuple[str, ...]:
    """Names of the images, or their row numbers; they identify images in a subsample."""
    return images.names or tuple(str(row) for row in torch.arange(len(images)).tolist())
