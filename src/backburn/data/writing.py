"""Labelled images as parquet or as a tree of files, which `load_images` reads back."""

import io
from collections.abc import Sequence
from typing import Any

from PIL import Image

from ..errors import InputError
from ..types import LabeledImages, Pixels, Progress, silent
from .decoding import as_image

ROW_GROUP = 1000
"""Rows of a parquet file that a reader must hold at once."""


def encode(pixels: Pixels, progress: Progress = silent) -> list[bytes]:
    """PNG bytes of each image; `decode` gives the same pixels back."""
    out = []
    for number, array in enumerate(pixels.cpu().numpy()):
        out.append(png_bytes(as_image(array)))
        progress("write images", number + 1, len(pixels))
    return out


def png_bytes(image: Image.Image) -> bytes:
    """A Pillow image as PNG."""
    buffer = io.BytesIO()
    image.save(buffer, format="PNG", compress_level=1)
    return buffer.getvalue()


def dump_parquet(images: LabeledImages, progress: Progress = silent) -> bytes:
    """Parquet bytes with columns `image` (PNG bytes) and `label`; the pixels are exact."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    names = list(images.class_names) or [str(k) for k in range(images.class_count)]
    columns = {
        "image": [{"bytes": png, "path": None} for png in encode(images.pixels, progress)],
        "label": images.labels.tolist(),
    }
    buffer = io.BytesIO()
    # Dataset.to_parquet draws a progress bar on stderr
    table = pa.table(columns, schema=parquet_schema(names))
    pq.write_table(table, buffer, row_group_size=ROW_GROUP)
    return buffer.getvalue()


def parquet_schema(class_names: Sequence[str]) -> Any:
    """The Hugging Face layout: `image` (bytes and path) and `label`, with the classes' names."""
    from .class_names import named_schema

    return named_schema(class_names)


def dump_tree(images: LabeledImages, root: str, progress: Progress = silent) -> dict[str, bytes]:
    """PNG files by path: one folder a class below `root`, one file an image, named by its row.

    Folders are numbered where the classes' own names are not in order, or are no file names.
    Raises:
        InputError: a class without images, which no tree can tell.
    """
    counts = images.labels.bincount(minlength=images.class_count)
    if not bool(counts.all()):
        raise no_images(int((counts == 0).nonzero()[0]))
    folders = folder_names(images.class_names, images.class_count)
    digits = len(str(len(images) - 1))
    return {
        f"{root}/{folders[label]}/{row:0{digits}d}.png": png
        for row, (label, png) in enumerate(
            zip(images.labels.tolist(), encode(images.pixels, progress), strict=True)
        )
    }


def no_images(label: int) -> InputError:
    """The error for a class that a tree of files would lose."""
    return InputError(f"class {label} has no images: a tree of folders cannot tell, use parquet")


def folder_names(class_names: Sequence[str], count: int) -> list[str]:
    """The classes' own names if they are file names in order, or else their numbers."""
    names = list(class_names)
    if names and all(map(_is_file_name, names)) and sorted(set(names)) == names:
        return names
    digits = len(str(count - 1))
    return [f"{label:0{digits}d}" for label in range(count)]


def _is_file_name(name: str) -> bool:
    plain = name.isprintable() and not set(name) & set('/\\:*?"<>|')
    return bool(name) and plain and name == name.strip(" .") and len(name.encode()) < 256
