"""An on-disk cache of decoded images, keyed by the content they were decoded from."""

import hashlib
import os
import shutil
import tempfile
import time
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import msgspec
import numpy as np
import torch

from ..memory_mapped import byte_count, map_file, no_space_error
from ..types import Pixels
from .decoding import DECODER_VERSION
from .decoding_options import DEFAULT_DECODING, DecodingOptions
from .image_buffer import CONTENT, write_images
from .scan_headers import Scan

BLOCK_SIZE = 2**22
"""Bytes read at a time when a checksum is computed."""
TEMPORARY_PREFIX = ".making-"
STALE_SECONDS = 24 * 3600
"""Age after which the temporary folder of a killed process is deleted."""


class _Sidecar(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Shape and checksum of the pixel file, and the rows that could not be decoded."""

    shape: tuple[int, int, int, int]
    sha256: str
    bad: list[tuple[Annotated[int, msgspec.Meta(ge=0)], str]]


class Cache:
    """One entry of a cache folder: `KEY.u8` holds the pixels, `KEY.json` their description.

    The key is a SHA-256 of the encoded images, unreadable rows, labels, class names, shape,
    decoder version and decoding options. Image names and labels are never read from the cache. A
    damaged entry counts as missing and is written again.

    Args:
        folder: the cache folder, created when an entry is written.
        scan: the first pass over the rows, with the content digest.
        class_names: may be empty.
        shape: `(n, c, h, w)` of the decoded images, unreadable rows that only decoding reveals
            included.
        options: how the images are decoded.
    """

    def __init__(
        self,
        folder: Path,
        scan: Scan,
        class_names: tuple[str, ...],
        shape: tuple[int, int, int, int],
        options: DecodingOptions = DEFAULT_DECODING,
    ):
        self._folder, self._shape, self._row_count = folder, shape, len(scan.names)
        unreadable = sorted(scan.unreadable)
        key = repr((scan.content, unreadable, scan.labels, class_names, shape, DECODER_VERSION))
        if options != DEFAULT_DECODING:
            values = ", ".join(f"{name}={value!r}" for name, value in asdict(options).items())
            key = f"{key[:-1]}, Way({values}))"  # so that entries of earlier versions stay valid
        stem = hashlib.sha256(key.encode()).hexdigest()
        self._pixels, self._sidecar = folder / f"{stem}.u8", folder / f"{stem}.json"

    def load(self, unreadable: dict[int, str]) -> Pixels | None:
        """Return the cached images, or None if the entry is missing or damaged.

        `unreadable` (row to reason) is updated with the rows that could not be decoded.
        """
        try:
            sidecar = msgspec.json.decode(self._sidecar.read_bytes(), type=_Sidecar)
            valid = self._pixels.stat().st_size == byte_count(self._shape, torch.uint8)
            valid = valid and sidecar.sha256 == _checksum(self._pixels, sidecar.bad)
        except (OSError, ValueError, msgspec.MsgspecError):  # ValueError: bytes that are not UTF-8
            return None
        if not valid or sidecar.shape != self._shape:
            return None
        unreadable.update(sidecar.bad)
        return map_file(self._pixels, self._shape)[: self._row_count - len(unreadable)]

    def store(self, images: Iterable[np.ndarray], unreadable: dict[int, str]) -> Pixels:
        """Write the entry to a temporary folder, then rename it into place.

        Args:
            images: decoded images `(c, h, w)`; consuming them may add to `unreadable`.
            unreadable: row to reason, saved with the entry.
        Returns:
            The images as a memory-mapped batch.
        Raises:
            InputError: the folder cannot be written.
        """
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
            _delete_stale(self._folder)
            with tempfile.TemporaryDirectory(dir=self._folder, prefix=TEMPORARY_PREFIX) as folder:
                return self._store(Path(folder), images, unreadable)
        except OSError as error:
            size = byte_count(self._shape, torch.uint8)
            raise no_space_error(CONTENT, self._folder, size, error) from None

    def _store(
        self, temporary: Path, images: Iterable[np.ndarray], unreadable: dict[int, str]
    ) -> Pixels:
        pixels, sidecar = temporary / self._pixels.name, temporary / self._sidecar.name
        with pixels.open("xb") as file:
            batch = write_images(images, self._shape, file)
            os.fsync(file.fileno())
        rows = sorted(unreadable.items())
        description = _Sidecar(self._shape, _checksum(pixels, rows), rows)
        sidecar.write_bytes(msgspec.json.encode(description))
        # the sidecar last: without it an entry does not count
        pixels.rename(self._pixels)
        sidecar.rename(self._sidecar)
        return batch


def _delete_stale(folder: Path) -> None:
    """Delete temporary folders that killed processes left behind."""
    for leftover in folder.glob(f"{TEMPORARY_PREFIX}*"):
        with suppress(OSError):  # another process may delete it first
            if time.time() - leftover.stat().st_mtime > STALE_SECONDS:
                shutil.rmtree(leftover)


def _checksum(path: Path, unreadable: list[tuple[int, str]]) -> str:
    sha256 = hashlib.sha256(repr(unreadable).encode())
    with path.open("rb") as file:
        while block := file.read(BLOCK_SIZE):
            sha256.update(block)
    return sha256.hexdigest()
