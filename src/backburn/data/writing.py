"""Writing decoded images as parquet or as class folders, which `load_images` reads back."""

import io
from collections.abc import Sequence
from typing import Any

from PIL import Image

from ..errors import InputError
from ..types import LabeledImages, Pixels, Progress, no_progress
from .decoding import to_pil

ROW_GROUP = 1000
"""Rows per row group of a parquet file, which a reader must hold in memory at once."""


def encode_png(pixels: Pixels, progress: Progress = no_progress) -> list[bytes]:
    """Encode each image as PNG; `decode` restores the same pixels."""
    encoded = []
    for number, array in enumerate(pixels.cpu().numpy()):
        encoded.append(to_png(to_pil(array)))
        progress("write images", number + 1, len(pixels))
    return encoded


def to_png(image: Image.Image) -> bytes:
    """Encode a Pillow image as PNG."""
    buffer = io.BytesIO()
    image.save(buffer, format="PNG", compress_level=1)
    return buffer.getvalue()


def dump_parquet(images: LabeledImages, progress: Progress = no_progress) -> bytes:
    """Return parquet bytes with columns `image` (PNG bytes) and `label`, without loss."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    names = list(images.class_names) or [str(k) for k in range(images.class_count)]
    columns = {
        "image": [{"bytes": png, "path": None} for png in encode_png(images.pixels, progress)],
        "label": images.labels.tolist(),
    }
    buffer = io.BytesIO()
    # not Dataset.to_parquet, which draws a progress bar on stderr
    table = pa.table(columns, schema=parquet_schema(names))
    pq.write_table(table, buffer, row_group_size=ROW_GROUP)
    return buffer.getvalue()


def parquet_schema(class_names: Sequence[str]) -> Any:
    """Return the schema of Hugging Face image data sets: see `class_names.image_schema`."""
    from .parquet_class_names import image_schema

    return image_schema(class_names)


def dump_folder(
    images: LabeledImages, root: str, progress: Progress = no_progress
) -> dict[str, bytes]:
    """Return PNG files by path, `root/CLASS/ROW.png`.

    Class folders have the class names if these are sorted and valid file names, else numbers.

    Raises:
        InputError: a class without images, which class folders cannot represent.
    """
    counts = images.labels.bincount(minlength=images.class_count)
    if not bool(counts.all()):
        raise empty_class_error(int((counts == 0).nonzero()[0]))
    folders = class_folder_names(images.class_names, images.class_count)
    digits = len(str(len(images) - 1))
    return {
        f"{root}/{folders[label]}/{row:0{digits}d}.png": png
        for row, (label, png) in enumerate(
            zip(images.labels.tolist(), encode_png(images.pixels, progress), strict=True)
        )
    }


def empty_class_error(label: int) -> InputError:
    """Return the error for a class without images, which class folders would lose."""
    return InputError(f"class {label} has no images: a tree of folders cannot tell, use parquet")


def class_folder_names(class_names: Sequence[str], count: int) -> list[str]:
    """Return the class names if they are sorted and valid file names, else padded numbers.

    >>> class_folder_names(("cat", "dog"), 2), class_folder_names(("dog", "cat"), 2)
    (['cat', 'dog'], ['0', '1'])
    """
    names = list(class_names)
    if names and all(map(_is_file_name, names)) and sorted(set(names)) == names:
        return names
    digits = len(str(count - 1))
    return [f"{label:0{digits}d}" for label in range(count)]


def _is_file_name(name: str) -> bool:
    valid = name.isprintable() and not set(name) & set('/\\:*?"<>|')
    return bool(name) and valid and name == name.strip(" .") and len(name.encode()) < 256
