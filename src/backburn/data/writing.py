"""Labelled images as parquet or as a tree of files, which `load_images` reads back."""

import io
import re

from ..errors import InputError
from ..types import LabeledImages, Pixels, Progress, silent
from .decoding import as_image

ROW_GROUP = 1000
"""Rows of a parquet file that a reader must hold at once."""


def encode(pixels: Pixels, progress: Progress = silent) -> list[bytes]:
    """PNG bytes of each image; `decode` gives the same pixels back."""
    out = []
    for number, array in enumerate(pixels.cpu().numpy()):
        buffer = io.BytesIO()
        as_image(array).save(buffer, format="PNG", compress_level=1)
        out.append(buffer.getvalue())
        progress("write images", number + 1, len(pixels))
    return out


def dump_parquet(images: LabeledImages, progress: Progress = silent) -> bytes:
    """Parquet bytes with columns `image` (PNG bytes) and `label`; the pixels are exact."""
    import datasets
    import pyarrow as pa
    import pyarrow.parquet as pq

    names = list(images.class_names) or [str(k) for k in range(images.class_count)]
    columns = {
        "image": [{"bytes": png, "path": None} for png in encode(images.pixels, progress)],
        "label": images.labels.tolist(),
    }
    features = datasets.Features(
        {"image": datasets.Image(), "label": datasets.ClassLabel(names=names)}
    )
    buffer = io.BytesIO()
    # Dataset.to_parquet draws a progress bar on stderr
    table = pa.table(columns, schema=features.arrow_schema)
    pq.write_table(table, buffer, row_group_size=ROW_GROUP)
    return buffer.getvalue()


def dump_tree(images: LabeledImages, root: str, progress: Progress = silent) -> dict[str, bytes]:
    """PNG files by path: one folder a class below `root`, one file an image, named by its row.

    Folders are numbered where the classes' own names are not in order, or are no file names.
    Raises:
        InputError: a class without images, which no tree can tell.
    """
    counts = images.labels.bincount(minlength=images.class_count)
    if not bool(counts.all()):
        empty = int((counts == 0).nonzero()[0])
        raise InputError(f"class {empty} has no images: a tree of folders cannot tell, use parquet")
    folders = _folder_names(images)
    digits = len(str(len(images) - 1))
    return {
        f"{root}/{folders[label]}/{row:0{digits}d}.png": png
        for row, (label, png) in enumerate(
            zip(images.labels.tolist(), encode(images.pixels, progress), strict=True)
        )
    }


def _folder_names(images: LabeledImages) -> list[str]:
    names = list(images.class_names)
    plain = all(re.fullmatch(r"\w[\w .-]*", name) and name == name.strip(" .") for name in names)
    if names and plain and sorted(set(names)) == names:
        return names
    digits = len(str(images.class_count - 1))
    return [f"{label:0{digits}d}" for label in range(images.class_count)]
