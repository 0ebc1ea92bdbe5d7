"""Decoded images kept on disk, by what they were decoded from."""

import hashlib
import os
import shutil
import tempfile
import time
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path
from typing import Annotated

import msgspec
import numpy as np
import torch

from ..memory_mapped import mapped, no_room, size_of
from ..types import Pixels
from .decoding import DECODER
from .decoding_options import AS_SEEN, Way
from .image_buffer import WHAT, paint_file
from .scan import Survey

BLOCK = 2**22
MAKING = ".making-"
FORGOTTEN = 24 * 3600
"""Seconds after which what a killed process was making is swept away."""


class _Sidecar(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What must hold of the file beside it, and the rows that could not be decoded."""

    shape: tuple[int, int, int, int]
    sha256: str
    bad: list[tuple[Annotated[int, msgspec.Meta(ge=0)], str]]


class Cache:
    """One entry of a cache folder: `KEY.u8`, the pixels, and `KEY.json`.

    The key is a SHA-256 of encoded images, rows without one, labels, class names, shape, the
    decoder's version, and the way of reading. Names and labels are never taken from the cache. An
    entry that is damaged in any way is made again.
    """

    def __init__(
        self,
        folder: Path,
        seen: Survey,
        class_names: tuple[str, ...],
        shape: tuple[int, int, int, int],
        way: Way = AS_SEEN,
    ):
        self._folder, self._shape, self._rows = folder, shape, len(seen.names)
        known = (seen.content, sorted(seen.bad), seen.labels, class_names, shape, DECODER)
        parts = known if way == AS_SEEN else (*known, way)
        key = hashlib.sha256(repr(parts).encode()).hexdigest()
        self._pixels, self._sidecar = folder / f"{key}.u8", folder / f"{key}.json"

    def load(self, bad: dict[int, str]) -> Pixels | None:
        """The images, if they are there and whole; `bad` becomes that of their decoding."""
        try:
            sidecar = msgspec.json.decode(self._sidecar.read_bytes(), type=_Sidecar)
            whole = self._pixels.stat().st_size == size_of(self._shape, torch.uint8)
            whole = whole and sidecar.sha256 == _checksum(self._pixels, sidecar.bad)
        except (OSError, ValueError, msgspec.MsgspecError):  # ValueError: bytes that are no UTF-8
            return None
        if not whole or sidecar.shape != self._shape:
            return None
        bad.update(sidecar.bad)
        return mapped(self._pixels, self._shape)[: self._rows - len(bad)]

    def paint(self, rows: Iterable[np.ndarray], bad: dict[int, str]) -> Pixels:
        """Write the entry under hidden names, and rename it when it is whole.

        Raises:
            InputError: the folder cannot be written.
        """
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
            _sweep(self._folder)
            with tempfile.TemporaryDirectory(dir=self._folder, prefix=MAKING) as hidden:
                return self._paint(Path(hidden), rows, bad)
        except OSError as error:
            size = size_of(self._shape, torch.uint8)
            raise no_room(WHAT, self._folder, size, error) from None

    def _paint(self, hidden: Path, rows: Iterable[np.ndarray], bad: dict[int, str]) -> Pixels:
        pixels, sidecar = hidden / self._pixels.name, hidden / self._sidecar.name
        with pixels.open("xb") as file:
            batch = paint_file(rows, self._shape, file)
            os.fsync(file.fileno())
        told = sorted(bad.items())
        made = _Sidecar(self._shape, _checksum(pixels, told), told)
        sidecar.write_bytes(msgspec.json.encode(made))
        # the sidecar last: without it an entry does not count
        pixels.rename(self._pixels)
        sidecar.rename(self._sidecar)
        return batch


def _sweep(folder: Path) -> None:
    for left in folder.glob(f"{MAKING}*"):
        with suppress(OSError):  # whoever else sweeps was first
            if time.time() - left.stat().st_mtime > FORGOTTEN:
                shutil.rmtree(left)


def _checksum(path: Path, bad: list[tuple[int, str]]) -> str:
    found = hashlib.sha256(repr(bad).encode())
    with path.open("rb") as file:
        while block := file.read(BLOCK):
            found.update(block)
    return found.hexdigest()
