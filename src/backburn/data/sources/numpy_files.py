"""Arrays of images and labels in `.npz` or `.npy` files."""

import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch

from ...errors import InputError, first_line
from ..labels import from_values
from ..rows import Row, Rows
from .arrays import channels_first

IMAGES = ("images", "x", "data", "arr_0")
LABELS = ("labels", "y", "targets", "arr_1")
MAX_UNPACKED = 2**33
"""The most bytes of an array in an .npz file, which must be unpacked to memory."""
UNPACKED, TIMES = 2**28, 50
"""Bytes that any array may unpack to, and how many for each that it has in the file."""
HEADER = 2**16


def npz(path: Path, split: str) -> Rows:
    """Rows of an archive with arrays by one of `IMAGES` and `LABELS`, or `{split}_images` ...

    Raises:
        InputError: no archive, other arrays, pickled or too large ones.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            keys = {info.filename.removesuffix(".npy"): info for info in archive.infolist()}
            chosen = [_key(keys, known, split, path) for known in (IMAGES, LABELS)]
            images, labels = (_unpacked(archive, keys[key]) for key in chosen)
    except InputError:
        raise
    except Exception as error:  # damaged archives and headers raise many things
        raise _unreadable(path, error) from None
    return _rows(images, labels, str(path))


def npz_has_split(path: Path, split: str) -> bool:
    """Whether an archive has arrays `{split}_images` and `{split}_labels`."""
    try:
        with zipfile.ZipFile(path) as archive:
            held = archive.namelist()
    except (zipfile.BadZipFile, OSError, ValueError, NotImplementedError):
        return False
    return all(f"{split}_{name}.npy" in held for name in (IMAGES[0], LABELS[0]))


def has_arrays(path: Path, split: str) -> bool:
    """Whether a folder has `{split}_images.npy` and `{split}_labels.npy`."""
    return all((path / f"{split}_{name}.npy").is_file() for name in ("images", "labels"))


def npy(folder: Path, split: str) -> Rows:
    """Rows of `images.npy` and `labels.npy`, or `{split}_images.npy` ..., mapped, not loaded.

    Raises:
        InputError: no such files, pickled arrays, other shapes.
    """
    prefix = f"{split}_" if has_arrays(folder, split) else ""
    images, labels = (_mapped(folder / f"{prefix}{name}.npy") for name in ("images", "labels"))
    return _rows(images, labels, str(folder))


def _rows(images: np.ndarray, labels: np.ndarray, where: str) -> Rows:
    labels = labels.reshape(-1) if labels.ndim == 2 and labels.shape[1] == 1 else labels
    names: tuple[str, ...] = ()
    if labels.dtype.kind in "fUS" and labels.ndim == 1:
        texts = labels.astype(str) if labels.dtype.kind == "S" else labels
        numbers, names = from_values(texts.tolist(), where)
        labels = np.array(numbers, np.int64)
    if labels.dtype.kind not in "biu" or labels.ndim != 1 or len(labels) != len(images):
        raise InputError(
            f"{where}: labels are {labels.dtype} of shape {labels.shape} for {len(images)} images: "
            "give one whole number from 0 an image"
        )
    if images.dtype != np.uint8 and images.dtype.kind != "f":
        raise InputError(f"{where}: images are {images.dtype}: give uint8, or floats in [0, 1]")
    try:
        pixels = channels_first(torch.from_numpy(images))
    except InputError as error:
        raise InputError(f"{where}: {error}") from None

    def read() -> Iterator[Row]:
        for number, label in enumerate(labels.tolist()):
            yield Row(f"row {number}", pixels[number].numpy(), int(label))

    return Rows(where, read, names)


def _key(keys: dict[str, Any], known: tuple[str, ...], split: str, path: Path) -> str:
    for name in (f"{split}_{known[0]}", *known):
        if name in keys:
            return name
    raise InputError(
        f"{path} needs arrays {IMAGES[0]} and {LABELS[0]}, or {split}_{IMAGES[0]} and "
        f"{split}_{LABELS[0]}; found: {', '.join(map(repr, list(keys)[:9])) or 'none'}"
    )


def _unpacked(archive: zipfile.ZipFile, info: zipfile.ZipInfo) -> np.ndarray:
    """An array whose size is known to be bearable, from the zip's word and its own, first."""
    if info.file_size > MAX_UNPACKED:
        raise ValueError(
            f"{info.filename!r} unpacks to {info.file_size} bytes, more than {MAX_UNPACKED}: "
            "save images.npy and labels.npy"
        )
    if info.file_size > UNPACKED + TIMES * info.compress_size:
        raise ValueError(
            f"{info.filename!r} unpacks to {info.file_size} bytes from {info.compress_size}: "
            "images hardly shrink"
        )
    with archive.open(info) as file:
        version = np.lib.format.read_magic(file)
        header = {
            (1, 0): np.lib.format.read_array_header_1_0,
            (2, 0): np.lib.format.read_array_header_2_0,
        }
        shape, _, dtype = header[version](file)
        if int(np.prod([1, *shape], dtype=object)) * dtype.itemsize > info.file_size:
            raise ValueError(f"{info.filename!r} claims shape {shape}, more than it holds")
    with archive.open(info) as file:
        return np.lib.format.read_array(file, allow_pickle=False)


def _mapped(path: Path) -> np.ndarray:
    try:
        # copy on write: torch takes no array that cannot be written to
        array = np.load(path, mmap_mode="c", allow_pickle=False)
    except Exception as error:  # damaged headers raise many things
        raise _unreadable(path, error) from None
    if not isinstance(array, np.ndarray):
        raise InputError(f"{path} is no single array: save it with numpy.save")
    return array


def _unreadable(path: Path, error: Exception) -> InputError:
    return InputError(f"{path} cannot be read as arrays: {first_line(error)}")
