"""Selection of the reader for a source of labeled images."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

from ...errors import InputError
from ..undecoded_rows import Rows
from .csv_list import find_metadata, open_table
from .digits import open_digits
from .folder import open_folder
from .huggingface import PREFIX, SPLITS_FILE, hub_has_split, is_saved, open_hub, open_saved
from .huggingface import split_folder as saved_split_folder
from .numpy_files import has_arrays, npz_has_split, open_npy, open_npz
from .parquet import open_parquet
from .webdataset import open_archives

SPLIT_NAMES = ("train", "test", "val", "valid", "validation", "dev")
SUFFIXES = (".parquet", ".csv", ".tsv", ".jsonl", ".npz", ".tar")
HINT = (
    "give a folder, a .parquet, .csv, .tsv, .jsonl, .npz or .tar file, hf:owner/name, or 'digits'"
)


@dataclass(frozen=True, slots=True)
class Location:
    """Where the images of a split are.

    Args:
        open_rows: opens the rows with the right reader.
        own_split: whether they belong to the requested split, not just to the whole source.
    """

    open_rows: Callable[[], Rows]
    own_split: bool


def open_rows(source: str | Path, split: str, limit: int | None) -> Rows:
    """Return the undecoded rows of a split, or all rows if the source has no splits.

    Args:
        limit: largest number of rows; None for all.
    Raises:
        InputError: the source does not exist or cannot be read.

    >>> rows = open_rows("digits", "train", limit=2)
    >>> len(list(rows.read()))
    2
    """
    return _locate(source, split, limit).open_rows().first(limit)


def has_split(source: str | Path, split: str) -> bool:
    """Whether the source has images of this split in particular.

    >>> has_split("digits", "test")
    True
    """
    if str(source).startswith(PREFIX):
        return hub_has_split(str(source), split)
    try:
        return _locate(source, split, None).own_split
    except InputError:
        return False


def _locate(source: str | Path, split: str, limit: int | None) -> Location:
    if str(source) == "digits":
        return Location(partial(open_digits, split), own_split=True)
    if str(source).startswith(PREFIX):
        return Location(partial(open_hub, str(source), split), own_split=True)
    path = Path(source)
    if path.is_dir():
        return _locate_in_folder(path, split, limit)
    if not path.exists():
        raise InputError(f"no images at {path}: {HINT}")
    return _locate_file(path, split)


def _locate_file(path: Path, split: str) -> Location:
    suffix = path.suffix.lower()
    if suffix == ".parquet":
        return Location(partial(open_parquet, [path], str(path)), own_split=False)
    if suffix in (".csv", ".tsv", ".jsonl"):
        return Location(partial(open_table, path, split), own_split=False)
    if suffix == ".npz":
        return Location(partial(open_npz, path, split), npz_has_split(path, split))
    if suffix == ".tar":
        return Location(partial(open_archives, [path], str(path)), own_split=False)
    raise InputError(f"{path} is of no kind that can be read: {HINT}")


def _locate_in_folder(path: Path, split: str, limit: int | None) -> Location:
    """Locate the split's own file, folder or shards; otherwise the whole folder."""
    if is_saved(path):
        own_split = (path / SPLITS_FILE).is_file()
        return Location(partial(open_saved, saved_split_folder(path, split)), own_split)
    for suffix in SUFFIXES:
        if (path / f"{split}{suffix}").is_file():
            return replace(_locate_file(path / f"{split}{suffix}", split), own_split=True)
    if (path / split).is_dir():
        return replace(_locate_whole_folder(path / split, split, limit), own_split=True)
    for folder in (path, path / "data"):
        if location := _locate_shards(folder, f"{split}-*"):
            return replace(location, own_split=True)
    if has_arrays(path, split):
        return Location(partial(open_npy, path, split), own_split=True)
    return _locate_whole_folder(path, split, limit)


def _locate_whole_folder(path: Path, split: str, limit: int | None) -> Location:
    if is_saved(path):
        return Location(partial(open_saved, path), own_split=False)
    if (path / "images.npy").is_file():
        return Location(partial(open_npy, path, split), own_split=False)
    if table := find_metadata(path):
        return Location(partial(open_table, table, split), own_split=False)
    has_folders = any(p.is_dir() and not p.name.startswith(".") for p in path.iterdir())
    if not has_folders and (location := _locate_shards(path, "*")):
        other_splits = [name for name in SPLIT_NAMES if any(path.glob(f"{name}[-.]*"))]
        if other_splits:
            raise InputError(f"{path} has no split {split!r}: found {', '.join(other_splits)}")
        return location
    return Location(partial(open_folder, path, limit), own_split=False)


def _locate_shards(folder: Path, pattern: str) -> Location | None:
    for suffix, open_files in ((".parquet", open_parquet), (".tar", open_archives)):
        if files := sorted(folder.glob(f"{pattern}{suffix}")):
            return Location(partial(open_files, files, str(folder)), own_split=False)
    return None
