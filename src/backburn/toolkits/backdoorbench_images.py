"""The poisoned rows of a BackdoorBench record: their labels and image files."""

import os
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np
import torch
from jaxtyping import Int64
from torch import Tensor

from ..data.decoding import decode, quiet_pillow
from ..errors import InputError, first_line, printable
from ..types import Flags, Index, Progress
from .value_checks import as_integers, as_numbers


@dataclass(frozen=True, slots=True)
class Item:
    """An image of a record: its file, and its poisoned and original label."""

    path: str
    other_info: tuple[int, int]


@dataclass(frozen=True, slots=True)
class Container:
    """The images of a record, by their row in the original set."""

    save_folder_path: str | None
    data_dict: dict[int, Item]


@dataclass(frozen=True, slots=True)
class PoisonedSet:
    """`bd_train` or `bd_test` of a record."""

    bd_data_container: Container
    original_index_array: Any
    poison_indicator: Any


@dataclass(frozen=True, slots=True)
class PoisonedRows:
    """The poisoned rows of a set.

    Attributes:
        count: number of images of the original set.
        order: the rows of the original set that make up this one.
        rows: the poisoned rows.
        files: image file of each poisoned row.
        labels: label that the attacker gave to each poisoned row.
        true_labels: original label of each poisoned row.
    """

    count: int
    order: Int64[Tensor, " all"]
    rows: Index
    files: tuple[Path, ...]
    labels: Index
    true_labels: Index


def read_poisoned_rows(
    poisoned_set: PoisonedSet, what: str, root: Path, classes: int
) -> PoisonedRows:
    """Read the poisoned rows of a set, and locate their files in this copy of the record.

    Args:
        poisoned_set: the set, as it is saved.
        what: name of the set, for messages.
        root: the folder of the record.
        classes: number of classes of the model.
    Raises:
        InputError: parts are inconsistent, labels are out of range, or files are missing or
            outside of the record.
    """
    marks = as_numbers(poisoned_set.poison_indicator, f"poison_indicator of {what}")
    order = as_integers(
        poisoned_set.original_index_array, f"original_index_array of {what}", len(marks)
    )
    rows = [row for row in sorted(set(order.tolist())) if marks[row] != 0]
    container = poisoned_set.bd_data_container
    missing = [row for row in rows if row not in container.data_dict]
    if missing:
        raise InputError(f"{what} marks image {missing[0]} as poisoned and does not hold it")
    items = [container.data_dict[row] for row in rows]
    for item in items:
        if not all(0 <= label < classes for label in item.other_info):
            raise InputError(f"{what} has labels {item.other_info}, the model {classes} classes")
    label_pairs = torch.tensor([item.other_info for item in items]).reshape(-1, 2)
    saved = container.save_folder_path or ""
    files = tuple(locate_file(item.path, saved, root) for item in items)
    labels, true_labels = label_pairs.long().unbind(1)
    return PoisonedRows(len(marks), order, torch.tensor(rows).long(), files, labels, true_labels)


def locate_file(path: str, saved: str, root: Path) -> Path:
    """Locate a file in this copy of a record.

    Args:
        path: the path that the attack wrote, below the folder `saved`.
        saved: the folder that the attack wrote to.
        root: the folder of the record. It contains `saved` under its last name.
    Raises:
        InputError: the file is missing, or its path leaves the folder, by its text or by a link.
    """
    folder, file = (PurePosixPath(text.replace("\\", "/")) for text in (saved, path))
    parts = file.relative_to(folder).parts if file.is_relative_to(folder) else ()
    if not parts or not folder.name or ".." in (*parts, folder.name) or "\0" in path + saved:
        raise InputError(f"{path!r} in a record of {root} lies outside of it: it is not opened")
    local = root.joinpath(folder.name, *parts)
    resolved = Path(os.path.realpath(local))
    if not resolved.is_relative_to(os.path.realpath(root)):
        raise InputError(f"{path!r} in {root} is a link out of it: it is not opened")
    if not resolved.is_file():
        raise InputError(f"{str(local)!r} is missing: copy the record whole")
    return resolved


def read_pixels(
    files: tuple[Path, ...], shape: tuple[int, int, int], progress: Progress
) -> tuple[torch.Tensor, Flags, tuple[str, ...]]:
    """Read image files.

    Args:
        files: paths of the images.
        shape: the shape `(c, h, w)` that they must have; gray images are repeated to `c`.
    Returns:
        Pixels of the readable files; a flag for each file, whether it is readable; and a message
        for each that is not.
    Raises:
        InputError: an image has another shape.
    """
    arrays: list[np.ndarray] = []
    readable, skipped = [True] * len(files), []
    for number, file in enumerate(files):
        try:
            with quiet_pillow():
                array = decode(file)
        except Exception as error:  # Pillow raises many kinds of errors on broken files
            readable[number] = False
            skipped.append(printable(f"{file.name}: {first_line(error)}"))
            continue
        if array.shape[1:] != shape[1:] or array.shape[0] not in (1, shape[0]):
            raise InputError(
                f"{str(file)!r} has shape {array.shape}, the clean images {shape}: read these at "
                "the size that the attack ran at"
            )
        arrays.append(np.broadcast_to(array, shape))
        progress("read poisoned images", number + 1, len(files))
    stacked = np.stack(arrays) if arrays else np.zeros((0, *shape), np.uint8)
    return torch.from_numpy(stacked), torch.tensor(readable, dtype=torch.bool), tuple(skipped)
