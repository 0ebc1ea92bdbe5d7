"""`load_images`, which reads labeled images from any supported source."""

from collections.abc import Container
from pathlib import Path

from ..types import LabeledImages, Progress, no_progress
from .decode_rows import LabelCheck, load_rows
from .decoding_options import DEFAULT_DECODING, DecodingOptions
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
    progress: Progress = no_progress,
    options: DecodingOptions = DEFAULT_DECODING,
    check: LabelCheck | None = None,
    only: Container[str] | None = None,
) -> LabeledImages:
    """Read and decode labeled images.

    Args:
        source: one of the following, or a folder that holds `{split}` of one of these kinds:
            `digits` for the embedded data set; a folder with one subfolder per class; parquet with
            columns `image` and `label`, as one file or as shards; a .csv, .tsv or .jsonl with paths
            and labels; an .npz, or a folder with images.npy and labels.npy; WebDataset .tar
            archives; a folder that `datasets` saved; `hf:owner/name[@revision]`. See
            docs/formats.md.
        split: name of the split; ignored if the source has no splits.
        limit: read only the first `limit` rows. In a folder of class folders the limit is spread
            evenly over all classes.
        size: (height, width), or the side of a square, in pixels; None for the most common size.
            Images of another size are scaled to cover it and center-cropped.
        cache: a folder for decoded pixels, keyed by the content of the images. It may grow as
            large as the decoded images, and nothing deletes them.
        fewest_classes: smallest number of classes; 1 for images that are only classified.
        progress: called with the phase, the images done and their total.
        options: how images are resized, rotated, and put on a background.
        check: called with the labels and the class names before anything is decoded; it may raise.
        only: read only the rows with these names.
    Returns:
        The images; `skipped` names those that could not be decoded. Above 256 MiB the pixels are
        memory-mapped: from the cache, or from an unnamed temporary file.
    Raises:
        InputError: the path does not exist, holds nothing readable, or has a path or link that
            leaves the folder. Also if a label is out of range, there are too few classes, or the
            decoded images do not fit on the disk.

    >>> images = load_images("digits")
    >>> images.pixels.shape, images.class_count
    (torch.Size([1437, 1, 8, 8]), 10)
    """
    rows = open_rows(source, split, limit).only(only)
    return load_rows(rows, size, cache, fewest_classes, progress, options, check)
