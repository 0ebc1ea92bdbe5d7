"""Images and labels from disk, through the Hugging Face `datasets` library."""

import os
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image

from ..errors import InputError, first_line
from ..types import LabeledImages, Progress, silent
from .decoding import decode, stack
from .sources import find, open_rows, read_rows

BOMB = Image.DecompressionBombError


def load_images(
    source: str | Path,
    *,
    split: str = "train",
    limit: int | None = None,
    fewest_classes: int = 2,
    progress: Progress = silent,
) -> LabeledImages:
    """Read and decode labelled images once, into memory.

    Args:
        source: `digits` for the embedded set; a `.parquet` file with columns `image` and `label`;
            a folder with one folder a class; or a folder that holds `{split}.parquet` or
            `{split}/` of those kinds.
        limit: take the first so many rows; of a folder as many files, evenly over all classes.
        fewest_classes: 1 for images that are only asked about.
    Returns:
        The images; `skipped` names the files that could not be decoded.
    Raises:
        InputError: no such path, nothing readable in it, a label out of range, fewer than two
            classes.
    """
    if str(source) == "digits":
        from .digits import digits

        images = digits(split)
        return images if limit is None else images.take(torch.arange(min(limit, len(images))))
    path = find(Path(source), split)
    stream, names = open_rows(path, limit)
    images = _decode(read_rows(stream, path), names, path, progress)
    if len(set(images.labels.tolist())) < fewest_classes:
        raise InputError(f"{path} holds images of one class only: a classifier needs two or more")
    return images


def has_split(source: str | Path, split: str) -> bool:
    """Whether `load_images(source, split=split)` reads images of that split's own."""
    folder = Path(source)
    named = (folder / f"{split}.parquet").is_file() or (folder / split).is_dir()
    return str(source) == "digits" or named


def _decode(
    rows: Iterator[tuple[dict[str, Any] | None, Any]],
    class_names: tuple[str, ...],
    path: Path,
    progress: Progress,
) -> LabeledImages:
    arrays: list[np.ndarray] = []
    labels: list[int] = []
    names: list[str] = []
    skipped: list[str] = []
    for number, (image, label) in enumerate(rows):
        name = _name(image, path, number)
        if not isinstance(label, int) or not 0 <= label < (len(class_names) or label + 1):
            raise InputError(
                f"label {label!r} of {name} in {path} is out of range: labels are whole numbers "
                f"from 0{f' to {len(class_names) - 1}' if class_names else ''}"
            )
        try:
            arrays.append(decode(_encoded(image)))
        except (OSError, ValueError, SyntaxError, TypeError, struct.error, BOMB) as error:
            skipped.append(f"{name}: {first_line(error)}")
            continue
        labels.append(label)
        names.append(name)
        progress("read images", number + 1, 0)
    if not arrays:
        what = f"none of {len(skipped)} images can be decoded" if skipped else "there are no images"
        raise InputError(f"{path}: {what}; give a folder with one folder of images a class")
    return LabeledImages(
        stack(arrays),
        torch.tensor(labels, dtype=torch.int64),
        class_names,
        tuple(names),
        tuple(skipped),
    )


def _encoded(image: dict[str, Any] | None) -> bytes:
    if image is None or not (image["bytes"] or image["path"]):
        raise ValueError("no image bytes")
    return image["bytes"] or Path(image["path"]).read_bytes()


def _name(image: dict[str, Any] | None, path: Path, number: int) -> str:
    if image and path.is_dir() and image["path"]:
        return os.path.relpath(image["path"], path)
    return f"row {number}"
