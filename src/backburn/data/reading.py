"""Images and labels from disk, through the Hugging Face `datasets` library."""

import glob
import os
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image

from ..errors import InputError
from ..types import LabeledImages, Progress, silent
from .decoding import decode, stack

CHUNK = 500
BOMB = Image.DecompressionBombError


def load_images(
    source: str | Path,
    *,
    split: str = "train",
    limit: int | None = None,
    progress: Progress = silent,
) -> LabeledImages:
    """Read and decode labelled images once, into memory.

    Args:
        source: `digits` for the embedded set; a `.parquet` file with columns `image` and `label`;
            a folder with one folder a class; or a folder that holds `{split}.parquet` or
            `{split}/` of those kinds.
        limit: take the first so many rows; of a folder as many files, evenly over all classes.
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
    path = _find(Path(source), split)
    stream, names = _open(path, limit)
    images = _decode(_rows(stream, path), names, path, progress)
    if not bool((images.labels != images.labels[0]).any()):
        raise InputError(f"{path} holds images of one class only: a classifier needs two or more")
    return images


def has_split(source: str | Path, split: str) -> bool:
    """Whether `load_images(source, split=split)` reads images of that split's own."""
    folder = Path(source)
    named = (folder / f"{split}.parquet").is_file() or (folder / split).is_dir()
    return str(source) == "digits" or named


def _find(path: Path, split: str) -> Path:
    if not path.exists():
        raise InputError(f"no images at {path}: give a folder, a .parquet file, or 'digits'")
    if path.is_dir():
        for candidate in (path / f"{split}.parquet", path / split):
            if candidate.exists():
                return candidate
    elif path.suffix != ".parquet":
        raise InputError(f"{path} is no folder and no .parquet file: give one of these")
    return path


def _open(path: Path, limit: int | None) -> tuple[Any, tuple[str, ...]]:
    """An undecoded stream of rows, and the class names, empty where there are none."""
    import datasets

    try:
        if path.is_dir():
            stream = _tree(path, limit)
        else:
            stream = datasets.load_dataset(
                "parquet", data_files=glob.escape(str(path)), split="train", streaming=True
            )
            stream = stream if limit is None else stream.take(limit)
        features = stream.features or {}
    except InputError:
        raise
    except Exception as error:  # the library raises its own, pyarrow's and OS errors
        raise InputError(
            f"{path} cannot be read as labelled images: {_first_line(error)}"
        ) from None
    if not {"image", "label"} <= set(features):
        kind = "sub-folders of images, one a class" if path.is_dir() else "columns image and label"
        found = ", ".join(features) or "nothing of the kind"
        raise InputError(f"{path} needs {kind}; found: {found}")
    names = tuple(getattr(features["label"], "names", None) or ())
    return stream.cast_column("image", datasets.Image(decode=False)), names


def _tree(path: Path, limit: int | None) -> Any:
    """Rows of the images that lie in the sub-folders of a folder; links are followed."""
    import datasets

    classes = sorted(p for p in path.iterdir() if p.is_dir() and not p.name.startswith("."))
    files = {c.name: sorted(_images(c)) for c in classes}
    files = {name: found for name, found in files.items() if found}
    if not files:
        raise InputError(f"{path} needs sub-folders of images, one a class")
    columns = {
        "image": [str(file) for found in files.values() for file in found],
        "label": [label for label, found in enumerate(files.values()) for _ in found],
    }
    features = datasets.Features(
        {"image": datasets.Image(decode=False), "label": datasets.ClassLabel(names=list(files))}
    )
    rows = datasets.Dataset.from_dict(columns, features=features)
    if limit is not None and limit < len(rows):
        rows = rows.select(np.linspace(0, len(rows) - 1, limit).astype(int))
    return rows.to_iterable_dataset()


def _images(folder: Path) -> Iterator[Path]:
    for where, _, names in os.walk(folder, followlinks=True):
        for name in names:
            known = Path(name).suffix.lower() in Image.registered_extensions()
            if known and not name.startswith("."):
                yield Path(where) / name


def _rows(stream: Any, path: Path) -> Iterator[tuple[dict[str, Any] | None, Any]]:
    chunks = stream.iter(CHUNK)
    while True:
        try:
            chunk = next(chunks)
        except StopIteration:
            return
        except Exception as error:  # damage that shows only now: pyarrow's and OS errors
            raise InputError(
                f"{path} cannot be read as labelled images: {_first_line(error)}"
            ) from None
        yield from zip(chunk["image"], chunk["label"], strict=True)


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
            skipped.append(f"{name}: {_first_line(error)}")
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


def _first_line(error: Exception) -> str:
    return str(error).strip().splitlines()[0][:160] if str(error).strip() else type(error).__name__
