"""Data sets of the Hugging Face Hub, and those that `datasets` saved to disk."""

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pyarrow as pa

from ...errors import InputError, first_line, missing_extra
from ..rows import Rows
from .parquet import arrow_rows, unreadable

PREFIX = "hf:"
STATE, SPLITS = "state.json", "dataset_dict.json"


def hub(source: str, split: str) -> Rows:
    """Rows of `hf:owner/name` or `hf:owner/name@revision`, downloaded once by `datasets`.

    Raises:
        InputError: no such data set, split or revision, no network, other columns.
    """
    datasets = _library()
    name, revision = _parsed(source)
    try:
        with _no_bars():
            data = datasets.load_dataset(name, split=split, revision=revision)
    except Exception as error:  # the Hub's errors, network errors, the library's own
        raise InputError(
            f"{source} (split {split}) cannot be had from the Hugging Face Hub: {first_line(error)}"
        ) from None
    return _rows(data, source, Path(datasets.config.HF_CACHE_HOME).expanduser().resolve())


def hub_has_split(source: str, split: str) -> bool:
    """Whether a data set of the Hub has such a split."""
    datasets = _library()
    name, revision = _parsed(source)
    try:
        return split in datasets.get_dataset_split_names(name, revision=revision)
    except Exception as error:  # the Hub's errors, network errors, the library's own
        raise InputError(f"{source}: its splits cannot be asked for: {first_line(error)}") from None


def is_saved(path: Path) -> bool:
    """Whether `Dataset.save_to_disk` or `DatasetDict.save_to_disk` wrote the folder."""
    return (path / STATE).is_file() or (path / SPLITS).is_file()


def saved_folder(path: Path, split: str) -> Path:
    """The folder of a split: of several its own, else the one there is.

    Raises:
        InputError: several, but not this one.
    """
    if not (path / SPLITS).is_file():
        return path
    if not (path / split / STATE).is_file():
        raise InputError(f"{path} has no split {split!r}: give the folder of another one")
    return path / split


def saved(path: Path) -> Rows:
    """Rows of one split that `datasets` saved.

    Raises:
        InputError: damaged files, files outside of the folder, other columns.
    """
    datasets = _library()
    try:
        _refuse_files_elsewhere(path)
        data = datasets.Dataset.load_from_disk(str(path))
        data.data.validate()
    except InputError:
        raise
    except Exception as error:  # the library raises its own, pyarrow's and OS errors
        raise unreadable(str(path), error) from None
    return _rows(data, str(path), None)


def _library() -> Any:
    """The library `datasets`, which nothing else needs."""
    try:
        import datasets
    except ImportError as error:
        raise missing_extra("a saved data set, or one of the Hub,", "datasets", "hub") from error
    return datasets


def _rows(data: Any, where: str, root: Path | None) -> Rows:
    def batches(columns: list[str]) -> Iterator[pa.Table]:
        yield from data.select_columns(columns).with_format("arrow").iter(100)

    return arrow_rows(data.features.arrow_schema, batches, where, root)


def _refuse_files_elsewhere(path: Path) -> None:
    state = json.loads((path / STATE).read_text(encoding="utf-8"))
    for entry in state["_data_files"]:
        name = entry["filename"]
        if Path(name).name != name or (path / name).is_symlink():
            raise InputError(
                f"{path}: its {STATE} names files outside of the folder: save it again"
            )


def _parsed(source: str) -> tuple[str, str | None]:
    name, _, revision = source.removeprefix(PREFIX).partition("@")
    if not name or os.path.exists(name):
        raise InputError(
            f"{source} is no name on the Hub, or a folder here too, which would be read in its "
            "place: give hf:owner/name, or the folder's path"
        )
    return name, revision or None


@contextmanager
def _no_bars() -> Iterator[None]:
    datasets = _library()
    shown = datasets.is_progress_bar_enabled()
    datasets.disable_progress_bars()
    try:
        yield
    finally:
        if shown:
            datasets.enable_progress_bars()
