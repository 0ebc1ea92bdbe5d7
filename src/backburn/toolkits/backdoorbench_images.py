"""One poisoned set of a BackdoorBench record: which rows, their labels, and their files."""

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
from .format_checks import numbers_of, whole_numbers


@dataclass(frozen=True, slots=True)
class Item:
    """An image of a record: its file, and the attacker's and the original label."""

    path: str
    other_info: tuple[int, int]


@dataclass(frozen=True, slots=True)
class Container:
    """Images by their row in the original set."""

    save_folder_path: str | None
    data_dict: dict[int, Item]


@dataclass(frozen=True, slots=True)
class PoisonedSet:
    """`bd_train` or `bd_test` as it is saved."""

    bd_data_container: Container
    original_index_array: Any
    poison_indicator: Any


@dataclass(frozen=True, slots=True)
class Planted:
    """The poisoned rows of a set.

    `count`: the images of the original set; `order`: which of them make up this one. Of each
    poisoned one among them its number in `rows`, its `files`, its label `given` by the attacker
    and its `true` one.
    """

    count: int
    order: Int64[Tensor, " all"]
    rows: Index
    files: tuple[Path, ...]
    given: Index
    true: Index


def planted_of(held: PoisonedSet, what: str, root: Path, classes: int) -> Planted:
    """The poisoned rows of a set, their files found in this copy of the record.

    Raises:
        InputError: parts that do not fit together, labels out of range, files that are missing or
            lie outside of the record.
    """
    marks = numbers_of(held.poison_indicator, f"poison_indicator of {what}")
    order = whole_numbers(held.original_index_array, f"original_index_array of {what}", len(marks))
    rows = [row for row in sorted(set(order.tolist())) if marks[row] != 0]
    container = held.bd_data_container
    missing = [row for row in rows if row not in container.data_dict]
    if missing:
        raise InputError(f"{what} marks image {missing[0]} as poisoned and does not hold it")
    items = [container.data_dict[row] for row in rows]
    for item in items:
        if not all(0 <= label < classes for label in item.other_info):
            raise InputError(f"{what} has labels {item.other_info}, the model {classes} classes")
    labels = torch.tensor([item.other_info for item in items]).reshape(-1, 2)
    saved = container.save_folder_path or ""
    files = tuple(rebased(item.path, saved, root) for item in items)
    given, true = labels.long().unbind(1)
    return Planted(len(marks), order, torch.tensor(rows).long(), files, given, true)


def rebased(path: str, saved: str, root: Path) -> Path:
    """Where a file lies in this copy of a record, wherever the attack ran.

    Args:
        path: as the attack wrote it, below the folder `saved`.
        root: the folder of the record, which holds that folder under its last name.
    Raises:
        InputError: a path that leaves the folder, by its text or by a link, or a missing file.
    """
    folder, file = (PurePosixPath(text.replace("\\", "/")) for text in (saved, path))
    inside = file.relative_to(folder).parts if file.is_relative_to(folder) else ()
    if not inside or not folder.name or ".." in (*inside, folder.name) or "\0" in path + saved:
        raise InputError(f"{path!r} in a record of {root} lies outside of it: it is not opened")
    place = root.joinpath(folder.name, *inside)
    found = Path(os.path.realpath(place))
    if not found.is_relative_to(os.path.realpath(root)):
        raise InputError(f"{path!r} in {root} is a link out of it: it is not opened")
    if not found.is_file():
        raise InputError(f"{str(place)!r} is missing: copy the record whole")
    return found


def read_pixels(
    files: tuple[Path, ...], shape: tuple[int, int, int], progress: Progress
) -> tuple[torch.Tensor, Flags, tuple[str, ...]]:
    """uint8 `(n, c, h, w)` of the files that can be decoded, which these are, and the others.

    Raises:
        InputError: an image of another shape.
    """
    arrays: list[np.ndarray] = []
    good, skipped = [True] * len(files), []
    for place, file in enumerate(files):
        try:
            with quiet_pillow():
                array = decode(file)
        except Exception as error:  # Pillow raises whatever a broken file leads it to
            good[place] = False
            skipped.append(printable(f"{file.name}: {first_line(error)}"))
            continue
        if array.shape[1:] != shape[1:] or array.shape[0] not in (1, shape[0]):
            raise InputError(
                f"{str(file)!r} has shape {array.shape}, the clean images {shape}: read these at "
                "the size that the attack ran at"
            )
        arrays.append(np.broadcast_to(array, shape))
        progress("read poisoned images", place + 1, len(files))
    stacked = np.stack(arrays) if arrays else np.zeros((0, *shape), np.uint8)
    return torch.from_numpy(stacked), torch.tensor(good, dtype=torch.bool), tuple(skipped)
