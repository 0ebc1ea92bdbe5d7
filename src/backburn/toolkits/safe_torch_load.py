"""Reading an untrusted torch file that contains numpy arrays, without calling numpy's unpicklers.

`torch.load(weights_only=True)` calls only functions on its list. Numpy's own unpickling functions
are not safe: the state in a file can make arrays and dtypes read foreign memory. So their names
lead to the stand-ins below, which turn plain bytes into plain numbers, or refuse.
"""

import math
import zipfile
from pathlib import Path
from pickle import UnpicklingError
from typing import Any

import numpy as np
import torch

from ..errors import InputError, first_line
from ..models.open.pickle_check import check_pickles

NUMBER_TYPES = frozenset({"b1", "i1", "i2", "i4", "i8", "u1", "u2", "u4", "u8", "f2", "f4", "f8"})


class InertDtype:
    """Stands in for `numpy.dtype`: a number's kind, size and byte order."""

    def __init__(self, name: Any, *flags: Any):  # noqa: ARG002  flags of copying
        if name not in NUMBER_TYPES:
            raise UnpicklingError(f"arrays of {name!r} are not numbers")
        self.name: str = name
        self.order = "<"

    def __setstate__(self, state: Any) -> None:
        order = state[1]
        if order not in ("<", ">", "|", "="):
            raise UnpicklingError(f"byte order {order!r}")
        self.order = "<" if order in ("|", "=") else order

    def read(self, content: Any, shape: tuple[int, ...]) -> np.ndarray:
        """Numbers of this type from bytes, which must be exactly enough for the shape."""
        dtype = np.dtype(self.order + self.name)
        if not isinstance(content, bytes) or len(content) != math.prod(shape) * dtype.itemsize:
            raise UnpicklingError(f"an array of shape {shape} without the bytes for it")
        return np.frombuffer(content, dtype).reshape(shape).astype(dtype.newbyteorder("="))


class InertArray:
    """Stands in for `numpy.ndarray`; `values` is None until the state is set."""

    values: np.ndarray | None = None

    def __setstate__(self, state: Any) -> None:
        _, shape, dtype, fortran, content = state
        whole = isinstance(shape, tuple) and all(type(n) is int and n >= 0 for n in shape)
        if not whole or not isinstance(dtype, InertDtype):
            raise UnpicklingError(f"an array of shape {shape!r} and type {dtype!r}")
        flat = dtype.read(content, shape[::-1] if fortran else shape)
        self.values = flat.T if fortran else flat


def inert_reconstruct(*arguments: Any) -> InertArray:  # noqa: ARG001
    """Stands in for numpy's `_reconstruct`: returns an array without values."""
    return InertArray()


def inert_scalar(dtype: Any, content: Any) -> Any:
    """Stands in for numpy's `scalar`: returns a Python number."""
    if not isinstance(dtype, InertDtype):
        raise UnpicklingError(f"a number of type {dtype!r}")
    return dtype.read(content, ()).item()


def inert_bytes(*arguments: Any) -> bytes:
    """Stands in for `bytes()`, which is the content of an empty array."""
    if arguments:
        raise UnpicklingError("bytes that are made by a call")
    return b""


SAFE_GLOBALS: list[Any] = [
    (inert_bytes, "builtins.bytes"),
    (InertArray, "numpy.ndarray"),
    (InertDtype, "numpy.dtype"),
    *(
        (stand_in, f"numpy.{core}.multiarray.{name}")
        for core in ("core", "_core")
        for stand_in, name in ((inert_reconstruct, "_reconstruct"), (inert_scalar, "scalar"))
    ),
]


def safe_load(path: Path) -> Any:
    """Read an untrusted torch file; no code in it is ever run.

    Returns:
        Containers, text, numbers, tensors and `InertArray`s. Tensors are memory-mapped if the file
        allows it.
    Raises:
        InputError: the file is missing, damaged or compressed, or contains anything else.
    """
    if not path.is_file():
        raise InputError(f"no file at {path}: is the folder whole?")
    try:
        zipped = zipfile.is_zipfile(path)
        if zipped:
            _refuse_compressed(path)
        check_pickles(path, zipped, [name for _, name in SAFE_GLOBALS])
        with torch.serialization.safe_globals(SAFE_GLOBALS):
            return torch.load(path, map_location="cpu", weights_only=True, mmap=zipped)
    except InputError:
        raise
    except Exception as error:  # torch.load fails in many ways on a foreign file
        if "PIL." in str(error):
            raise InputError(
                f"{path} holds its images in memory, as objects that are not opened: attack again "
                "with a save folder, so that they are files"
            ) from None
        raise InputError(
            f"{path} does not open as plain tensors and numbers (code in a file is never run): "
            f"{_reason(error)}"
        ) from None


def _refuse_compressed(path: Path) -> None:
    """Refuse a compressed file: torch stores its records uncompressed."""
    with zipfile.ZipFile(path) as file:
        unpacked_size = sum(member.file_size for member in file.infolist())
    if unpacked_size > path.stat().st_size:
        raise InputError(
            f"{path} would unpack to {unpacked_size} bytes, more than it has: torch.save makes "
            "no such file, so it is not opened"
        )


def _reason(error: BaseException) -> str:
    """The reason of an error, without torch's advice to trust the file."""
    if isinstance(error, UnpicklingError) and error.__context__ is not None:
        error = error.__context__
    return first_line(error).partition(" Please use ")[0]
