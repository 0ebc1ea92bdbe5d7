"""Where labelled images lie on disk, as a stream of undecoded rows."""

import glob
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from ..errors import InputError, first_line

CHUNK = 500


def find(path: Path, split: str) -> Path:
    """The file or folder that holds a split; `path` itself where it has no splits."""
    if not path.exists():
        raise InputError(f"no images at {path}: give a folder, a .parquet file, or 'digits'")
    if path.is_dir():
        for candidate in (path / f"{split}.parquet", path / split):
            if candidate.exists():
                return candidate
    elif path.suffix != ".parquet":
        raise InputError(f"{path} is no folder and no .parquet file: give one of these")
    return path


def open_rows(path: Path, limit: int | None) -> tuple[Any, tuple[str, ...]]:
    """A stream of rows, images undecoded, and the class names, empty where there are none."""
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
        raise InputError(f"{path} cannot be read as labelled images: {first_line(error)}") from None
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


def read_rows(stream: Any, path: Path) -> Iterator[tuple[dict[str, Any] | None, Any]]:
    """Image (`bytes` or `path`) and label of each row."""
    chunks = stream.iter(CHUNK)
    while True:
        try:
            chunk = next(chunks)
        except StopIteration:
            return
        except Exception as error:  # damage that shows only now: pyarrow's and OS errors
            raise InputError(
                f"{path} cannot be read as labelled images: {first_line(error)}"
            ) from None
        yield from zip(chunk["image"], chunk["label"], strict=True)
