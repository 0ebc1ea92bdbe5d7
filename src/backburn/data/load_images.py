"""Labeled images from wherever they are."""

from collections.abc import Container
from pathlib import Path

from ..types import LabeledImages, Progress, silent
from .decoding_options import AS_SEEN, Way
from .loading import Check, gather
from .sources.find_reader import has_split, open_rows

__all__ = ["has_split", "load_images"]


def load_images(
    source: str | Path,
    *,
    split: str = "train",
    limit: int | None = None,
    size: int | tuple[int, int] | None = None,
    cache: str | Path | None = None,
    fewest_classes: int = 2,
    progress: Progress = silent,
    way: Way = AS_SEEN,
    check: Check | None = None,
    only: Container[str] | None = None,
) -> LabeledImages:
    """Read and decode labeled images once.

    Args:
        source: `digits` for the embedded set; a folder with one folder a class; parquet with
            columns `image` and `label`, one file or shards; a .csv or .tsv of path and label; an
            .npz, or a folder with images.npy and labels.npy; WebDataset .tar archives; a folder
            that `datasets` saved; `hf:owner/name[@revision]`; or a folder that holds `{split}`
            of one of these kinds (docs/formats.md).
        limit: take the first so many rows; of a tree as many files, evenly over all classes.
        size: (height, width), or the side of a square, in pixels; None for the commonest size.
            Images of another size are scaled to cover it and center-cropped.
        cache: a folder that keeps decoded pixels, by the content they were decoded from. Its
            files may be as large as the decoded images, and nothing deletes them.
        fewest_classes: 1 for images that are only asked about.
        way: how images are resized, turned and laid on a ground (`ways`).
        check: told the labels and the class names before anything is decoded; it may raise.
        only: read the rows of these names.
    Returns:
        The images; `skipped` names those that could not be decoded. Beyond 256 MiB the pixels
        are a mapping of a file: of the cache, or of a nameless one in the temporary folder.
    Raises:
        InputError: no such path, nothing readable in it, a label out of range, too few classes,
            paths or links that leave the folder, no room for decoded images.
    """
    rows = open_rows(source, split, limit).only(only)
    return gather(rows, size, cache, fewest_classes, progress, way, check)
