"""Where labeled images are, and which reader they need, by what their path is."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

from ...errors import InputError
from ..rows import Rows
from .csv_list import listed, metadata_of
from .digits import digit_rows
from .folder import tree
from .huggingface import PREFIX, hub, hub_has_split, is_saved, saved, saved_folder
from .huggingface import SPLITS as SAVED_SPLITS
from .numpy_files import has_arrays, npy, npz, npz_has_split
from .parquet import parquet
from .webdataset import archived

SPLITS = ("train", "test", "val", "valid", "validation", "dev")
FILES = (".parquet", ".csv", ".tsv", ".jsonl", ".npz", ".tar")
HINT = (
    "give a folder, a .parquet, .csv, .tsv, .jsonl, .npz or .tar file, hf:owner/name, or 'digits'"
)


@dataclass(frozen=True, slots=True)
class Place:
    """How the images of a split are read, and whether they are of that split's own."""

    rows: Callable[[], Rows]
    own: bool


def open_rows(source: str | Path, split: str, limit: int | None) -> Rows:
    """Undecoded rows of a split, or of all there is where the source has no splits.

    Raises:
        InputError: nothing that can be read.
    """
    return _place(source, split, limit).rows().first(limit)


def has_split(source: str | Path, split: str) -> bool:
    """Whether `load_images(source, split=split)` reads images of that split's own."""
    if str(source).startswith(PREFIX):
        return hub_has_split(str(source), split)
    try:
        return _place(source, split, None).own
    except InputError:
        return False


def _place(source: str | Path, split: str, limit: int | None) -> Place:
    if str(source) == "digits":
        return Place(partial(digit_rows, split), True)
    if str(source).startswith(PREFIX):
        return Place(partial(hub, str(source), split), True)
    path = Path(source)
    if path.is_dir():
        return _folder(path, split, limit)
    if not path.exists():
        raise InputError(f"no images at {path}: {HINT}")
    return _file(path, split)


def _file(path: Path, split: str) -> Place:
    suffix = path.suffix.lower()
    if suffix == ".parquet":
        return Place(partial(parquet, [path], str(path)), False)
    if suffix in (".csv", ".tsv", ".jsonl"):
        return Place(partial(listed, path, split), False)
    if suffix == ".npz":
        return Place(partial(npz, path, split), npz_has_split(path, split))
    if suffix == ".tar":
        return Place(partial(archived, [path], str(path)), False)
    raise InputError(f"{path} is of no kind that can be read: {HINT}")


def _folder(path: Path, split: str, limit: int | None) -> Place:
    """A split by its own file, folder or shards; else all that is there."""
    if is_saved(path):
        return Place(partial(saved, saved_folder(path, split)), (path / SAVED_SPLITS).is_file())
    for suffix in FILES:
        if (path / f"{split}{suffix}").is_file():
            return replace(_file(path / f"{split}{suffix}", split), own=True)
    if (path / split).is_dir():
        return replace(_whole(path / split, split, limit), own=True)
    for folder in (path, path / "data"):
        if place := _shards(folder, f"{split}-*"):
            return replace(place, own=True)
    if has_arrays(path, split):
        return Place(partial(npy, path, split), True)
    return _whole(path, split, limit)


def _whole(path: Path, split: str, limit: int | None) -> Place:
    if is_saved(path):
        return Place(partial(saved, path), False)
    if (path / "images.npy").is_file():
        return Place(partial(npy, path, split), False)
    if table := metadata_of(path):
        return Place(partial(listed, table, split), False)
    classes = any(p.is_dir() and not p.name.startswith(".") for p in path.iterdir())
    if not classes and (place := _shards(path, "*")):
        others = [name for name in SPLITS if any(path.glob(f"{name}[-.]*"))]
        if others:
            raise InputError(f"{path} has no split {split!r}: found {', '.join(others)}")
        return place
    return Place(partial(tree, path, limit), False)


def _shards(folder: Path, pattern: str) -> Place | None:
    for suffix, reader in ((".parquet", parquet), (".tar", archived)):
        if files := sorted(folder.glob(f"{pattern}{suffix}")):
            return Place(partial(reader, files, str(folder)), False)
    return None
