"""Reader for arrays of images and labels in `.npz` or `.npy` files."""

import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch

from ...errors import InputError, first_line
from ..labels import labels_from_values
from ..undecoded_rows import Row, Rows
from .arrays import to_channels_first

IMAGE_KEYS = ("images", "x", "data", "arr_0")
LABEL_KEYS = ("labels", "y", "targets", "arr_1")
MAX_UNPACKED_SIZE = 2**33
"""Largest size in bytes of an array in an .npz file, which is unpacked to memory."""
FREE_SIZE, MAX_RATIO = 2**28, 50
"""An array may unpack to `FREE_SIZE` bytes, plus `MAX_RATIO` times its compressed size."""


def open_npz(path: Path, split: str) -> Rows:
    """Return the rows of an archive with an array of images and one of labels.

    The arrays are named `{split}_images` and `{split}_labels`, or by one of `IMAGE_KEYS` and
    `LABEL_KEYS`.

    Raises:
        InputError: the file is not an archive, or an array is missing, pickled or too large.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            members = {info.filename.removesuffix(".npy"): info for info in archive.infolist()}
            keys = [_find_key(members, names, split, path) for names in (IMAGE_KEYS, LABEL_KEYS)]
            images, labels = (_read_array(archive, members[key]) for key in keys)
    except InputError:
        raise
    except Exception as error:  # damaged archives and headers raise many things
        raise _unreadable_error(path, error) from None
    return _rows(images, labels, str(path))


def npz_has_split(path: Path, split: str) -> bool:
    """Whether an archive has arrays `{split}_images` and `{split}_labels`."""
    try:
        with zipfile.ZipFile(path) as archive:
            members = archive.namelist()
    except (zipfile.BadZipFile, OSError, ValueError, NotImplementedError):
        return False
    return all(f"{split}_{name}.npy" in members for name in (IMAGE_KEYS[0], LABEL_KEYS[0]))


def has_arrays(path: Path, split: str) -> bool:
    """Whether a folder has `{split}_images.npy` and `{split}_labels.npy`."""
    return all((path / f"{split}_{name}.npy").is_file() for name in ("images", "labels"))


def open_npy(folder: Path, split: str) -> Rows:
    """Return the rows of `{split}_images.npy` and `{split}_labels.npy`, or without the prefix.

    The arrays are memory-mapped.

    Raises:
        InputError: a file is missing, or an array is pickled or has another shape.
    """
    prefix = f"{split}_" if has_arrays(folder, split) else ""
    images, labels = (_memory_map(folder / f"{prefix}{name}.npy") for name in ("images", "labels"))
    return _rows(images, labels, str(folder))


def _rows(images: np.ndarray, labels: np.ndarray, source: str) -> Rows:
    labels = labels.reshape(-1) if labels.ndim == 2 and labels.shape[1] == 1 else labels
    class_names: tuple[str, ...] = ()
    if labels.dtype.kind in "fUS" and labels.ndim == 1:
        texts = labels.astype(str) if labels.dtype.kind == "S" else labels
        numbers, class_names = labels_from_values(texts.tolist(), source)
        labels = np.array(numbers, np.int64)
    if labels.dtype.kind not in "biu" or labels.ndim != 1 or len(labels) != len(images):
        raise InputError(
            f"{source}: labels are {labels.dtype} of shape {labels.shape} for {len(images)} "
            "images: give one whole number from 0 an image"
        )
    if images.dtype != np.uint8 and images.dtype.kind != "f":
        raise InputError(f"{source}: images are {images.dtype}: give uint8, or floats in [0, 1]")
    try:
        pixels = to_channels_first(torch.from_numpy(images))
    except InputError as error:
        raise InputError(f"{source}: {error}") from None

    def read() -> Iterator[Row]:
        for number, label in enumerate(labels.tolist()):
            yield Row(f"row {number}", pixels[number].numpy(), int(label))

    return Rows(source, read, class_names)


def _find_key(members: dict[str, Any], names: tuple[str, ...], split: str, path: Path) -> str:
    """Return the key of the split's own array, or the first of `names` that exists."""
    for name in (f"{split}_{names[0]}", *names):
        if name in members:
            return name
    raise InputError(
        f"{path} needs arrays {IMAGE_KEYS[0]} and {LABEL_KEYS[0]}, or {split}_{IMAGE_KEYS[0]} and "
        f"{split}_{LABEL_KEYS[0]}; found: {', '.join(map(repr, list(members)[:9])) or 'none'}"
    )


def _read_array(archive: zipfile.ZipFile, info: zipfile.ZipInfo) -> np.ndarray:
    """Read an array after checking its size in the archive's directory and in its own header."""
    if info.file_size > MAX_UNPACKED_SIZE:
        raise ValueError(
            f"{info.filename!r} unpacks to {info.file_size} bytes, more than {MAX_UNPACKED_SIZE}: "
            "save images.npy and labels.npy"
        )
    if info.file_size > FREE_SIZE + MAX_RATIO * info.compress_size:
        raise ValueError(
            f"{info.filename!r} unpacks to {info.file_size} bytes from {info.compress_size}: "
            "images hardly shrink"
        )
    with archive.open(info) as file:
        version = np.lib.format.read_magic(file)
        read_header = {
            (1, 0): np.lib.format.read_array_header_1_0,
            (2, 0): np.lib.format.read_array_header_2_0,
        }
        shape, _, dtype = read_header[version](file)
        if int(np.prod([1, *shape], dtype=object)) * dtype.itemsize > info.file_size:
            raise ValueError(f"{info.filename!r} claims shape {shape}, more than it holds")
    with archive.open(info) as file:
        return np.lib.format.read_array(file, allow_pickle=False)


def _memory_map(path: Path) -> np.ndarray:
    try:
        # copy on write: torch accepts no read-only array
        array = np.load(path, mmap_mode="c", allow_pickle=False)
    except Exception as error:  # damaged headers raise many things
        raise _unreadable_error(path, error) from None
    if not isinstance(array, np.ndarray):
        raise InputError(f"{path} is no single array: save it with numpy.save")
    return array


def _unreadable_error(path: Path, error: Exception) -> InputError:
    return InputError(f"{path} cannot be read as arrays: {first_line(error)}")
