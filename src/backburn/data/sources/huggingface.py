"""Readers for data sets of the Hugging Face Hub and for those that `datasets` saved to disk."""

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pyarrow as pa

from ...errors import InputError, first_line, missing_extra
from ..undecoded_rows import Rows
from .parquet import rows_from_arrow, unreadable_error

PREFIX = "hf:"
STATE_FILE, SPLITS_FILE = "state.json", "dataset_dict.json"


def open_hub(source: str, split: str) -> Rows:
    """Return the rows of a data set on the Hub; `datasets` downloads it once.

    Args:
        source: `hf:owner/name` or `hf:owner/name@revision`.
    Raises:
        InputError: the data set, split or revision does not exist, there is no network, or a
            column is missing.
    """
    datasets = _import_datasets()
    name, revision = _parse_source(source)
    try:
        with _no_progress_bars():
            data = datasets.load_dataset(name, split=split, revision=revision)
    except Exception as error:  # the Hub's errors, network errors, the library's own
        raise InputError(
            f"{source} (split {split}) cannot be had from the Hugging Face Hub: {first_line(error)}"
        ) from None
    return _rows(data, source, Path(datasets.config.HF_CACHE_HOME).expanduser().resolve())


def hub_has_split(source: str, split: str) -> bool:
    """Whether a data set on the Hub has this split."""
    datasets = _import_datasets()
    name, revision = _parse_source(source)
    try:
        return split in datasets.get_dataset_split_names(name, revision=revision)
    except Exception as error:  # the Hub's errors, network errors, the library's own
        raise InputError(f"{source}: its splits cannot be asked for: {first_line(error)}") from None


def is_saved(path: Path) -> bool:
    """Whether `Dataset.save_to_disk` or `DatasetDict.save_to_disk` wrote the folder."""
    return (path / STATE_FILE).is_file() or (path / SPLITS_FILE).is_file()


def split_folder(path: Path, split: str) -> Path:
    """Return the folder of a split; a saved data set without splits has only one folder.

    Raises:
        InputError: there are splits, but not this one.
    """
    if not (path / SPLITS_FILE).is_file():
        return path
    if not (path / split / STATE_FILE).is_file():
        raise InputError(f"{path} has no split {split!r}: give the folder of another one")
    return path / split


def open_saved(path: Path) -> Rows:
    """Return the rows of one split that `datasets` saved.

    Raises:
        InputError: a file is damaged or outside the folder, or a column is missing.
    """
    datasets = _import_datasets()
    try:
        _refuse_outside_files(path)
        data = datasets.Dataset.load_from_disk(str(path))
        data.data.validate()
    except InputError:
        raise
    except Exception as error:  # the library raises its own, pyarrow's and OS errors
        raise unreadable_error(str(path), error) from None
    return _rows(data, str(path), None)


def _import_datasets() -> Any:
    """Import the optional library `datasets`."""
    try:
        import datasets
    except ImportError as error:
        raise missing_extra("a saved data set, or one of the Hub,", "datasets", "hub") from error
    return datasets


def _rows(data: Any, source: str, root: Path | None) -> Rows:
    def batches(columns: list[str]) -> Iterator[pa.Table]:
        yield from data.select_columns(columns).with_format("arrow").iter(100)

    return rows_from_arrow(data.features.arrow_schema, batches, source, root)


def _refuse_outside_files(path: Path) -> None:
    """Raise if the saved state names a data file outside the folder."""
    state = json.loads((path / STATE_FILE).read_text(encoding="utf-8"))
    for entry in state["_data_files"]:
        name = entry["filename"]
        if Path(name).name != name or (path / name).is_symlink():
            raise InputError(
                f"{path}: its {STATE_FILE} names files outside of the folder: save it again"
            )


def _parse_source(source: str) -> tuple[str, str | None]:
    """Split `hf:owner/name@revision` into name and revision.

    `datasets` would read a local folder of that name instead, so this is refused.
    """
    name, _, revision = source.removeprefix(PREFIX).partition("@")
    if not name or os.path.exists(name):
        raise InputError(
            f"{source} is no name on the Hub, or a folder here too, which would be read in its "
            "place: give hf:owner/name, or the folder's path"
        )
    return name, revision or None


@contextmanager
def _no_progress_bars() -> Iterator[None]:
    datasets = _import_datasets()
    enabled = datasets.is_progress_bar_enabled()
    datasets.disable_progress_bars()
    try:
        yield
    finally:
        if enabled:
            datasets.enable_progress_bars()
