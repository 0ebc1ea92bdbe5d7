"""From one picture, however it is kept, to uint8 `(c, h, w)`."""

import io
import stat
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import NamedTuple

import numpy as np
from PIL import Image, ImageOps

from .decoding_options import AS_SEEN, ZOOM, Way
from .rows import Picture

MAX_PIXELS = 2**26
"""The most pixels of one image: 8192 x 8192."""
MAX_FILE = 2**28
"""The most bytes of one encoded image."""
FORMATS = ("AVIF", "BMP", "GIF", "JPEG", "JPEG2000", "MPO", "PNG", "PPM", "TIFF", "WEBP")
"""Pillow's other readers are left out: EPS would run Ghostscript on a stranger's program."""
DECODER = 1
"""To be raised when the same bytes decode to other pixels: it is a part of the cache's key."""

GRAY = ("1", "L", "LA", "La", "I", "F", "I;16", "I;16L", "I;16B", "I;16N")
ALPHA = ("LA", "La", "PA", "RGBA", "RGBa")
ORIENTATION = 0x0112


@cache
def formats() -> tuple[str, ...]:
    """Those of `FORMATS` that this Pillow can read."""
    Image.init()
    return tuple(name for name in FORMATS if name in Image.OPEN)


@cache
def suffixes() -> frozenset[str]:
    """Lower-case endings of files that may be images, with their dot."""
    known = Image.registered_extensions().items()
    return frozenset(suffix for suffix, kind in known if kind in formats())


@contextmanager
def quiet_pillow() -> Iterator[None]:
    """Without Pillow's warnings on odd metadata. Process-wide: not for worker threads."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", module=r"PIL\.")
        yield


def plain_file(path: Path) -> Path:
    """The path, if it is a file of bearable size: a pipe or a device is not opened.

    Raises:
        OSError, ValueError: it is not there, or no such file.
    """
    about = path.stat()
    if not stat.S_ISREG(about.st_mode):
        raise ValueError("no plain file")
    if about.st_size > MAX_FILE:
        raise ValueError(f"{about.st_size} bytes, more than {MAX_FILE}")
    return path


class Header(NamedTuple):
    """What the header of an image tells: `(c, h, w)` that `decode` will give as a person sees it.

    `turned`: EXIF says that it lies on a side or its head; `clear`: it may be transparent.
    """

    shape: tuple[int, int, int]
    turned: bool = False
    clear: bool = False


def shape_of(picture: Picture) -> tuple[int, int, int]:
    """See `header_of`."""
    return header_of(picture).shape


def header_of(picture: Picture) -> Header:
    """What is known of an image without decoding it.

    Raises:
        Exception: what Pillow raises on bytes that are no image, or one beyond `MAX_PIXELS`.
    """
    if isinstance(picture, np.ndarray):
        return Header(_checked(picture).shape)
    with _opened(picture) as image:
        width, height = image.size
        orientation = _orientation(image)
        if orientation in (5, 6, 7, 8):
            width, height = height, width
        clear = image.mode in ALPHA or "transparency" in image.info
        return Header((1 if image.mode in GRAY else 3, height, width), orientation > 1, clear)


def is_image(path: Path) -> bool:
    """Whether a file is an image that can be read, by its header."""
    try:
        header_of(path)
    except Exception:  # Pillow raises whatever a foreign file leads it to
        return False
    return True


def decode(picture: Picture, size: tuple[int, int] | None = None, way: Way = AS_SEEN) -> np.ndarray:
    """uint8 `(c, h, w)` as a person sees it, or in another way; c = 1 for grayscale, else 3.

    EXIF rotation is applied, what is transparent lies on white, 16-bit gray is scaled to 8 bits.
    An image of another size than `size` (height, width) is scaled to cover it and center-cropped.
    Raises:
        Exception: what Pillow raises on bytes that are no whole image, or one beyond `MAX_PIXELS`.
    """
    if isinstance(picture, np.ndarray):
        array = _as_uint8(_checked(picture))
        if size is None or (size == array.shape[1:] and way.resize != "zoom"):
            return array
        image = as_image(array)
    else:
        with _opened(picture) as opened:
            image = _as_seen(opened, way)
    if size and (size != (image.height, image.width) or way.resize == "zoom"):
        image = _resized(image, size[::-1], way)
    array = np.asarray(image)
    return array[None] if array.ndim == 2 else array.transpose(2, 0, 1)


@contextmanager
def _opened(picture: bytes | Path | Image.Image) -> Iterator[Image.Image]:
    if isinstance(picture, Image.Image):
        yield _bearable(picture)
        return
    file = plain_file(picture) if isinstance(picture, Path) else io.BytesIO(picture)
    with Image.open(file, formats=formats()) as image:
        yield _bearable(image)


def _bearable(image: Image.Image) -> Image.Image:
    if image.width * image.height > MAX_PIXELS:
        raise ValueError(f"{image.width} x {image.height} pixels, more than {MAX_PIXELS}")
    return image


def _orientation(image: Image.Image) -> int:
    # asking a PNG without EXIF would decode it; Pillow itself turns TIFFs
    if image.format == "TIFF" or (image.format == "PNG" and "exif" not in image.info):
        return 1
    return int(image.getexif().get(ORIENTATION, 1))


def _resized(image: Image.Image, size: tuple[int, int], way: Way) -> Image.Image:
    """The image in (width, height); margins are lost, bent or added."""
    smooth = Image.Resampling.BILINEAR
    if way.resize == "squash":
        return image.resize(size, smooth)
    if way.resize == "letterbox":
        return ImageOps.pad(image, size, smooth)
    if way.resize == "zoom":
        larger = (round(size[0] * ZOOM), round(size[1] * ZOOM))
        left, top = ((larger[k] - size[k]) // 2 for k in range(2))
        middle = (left, top, left + size[0], top + size[1])
        return ImageOps.fit(image, larger, smooth).crop(middle)
    return ImageOps.fit(image, size, smooth)


def _as_seen(image: Image.Image, way: Way) -> Image.Image:
    upright = ImageOps.exif_transpose(image) if way.turned else image
    if upright.mode == "F" or (upright.mode == "I" and _beyond_16_bits(upright)):
        raise ValueError("32-bit pixels have no agreed range: save it with 8 or 16 bits")
    if upright.mode.startswith("I"):
        return Image.fromarray((np.asarray(upright) // 257).astype(np.uint8))
    gray = upright.mode in GRAY
    if upright.mode in ALPHA or "transparency" in upright.info:
        clear = upright.convert("RGBA")
        if way.backdrop == "dropped":
            upright = clear.convert("RGB")
        else:
            backdrop = Image.new("RGBA", clear.size, way.backdrop)
            upright = Image.alpha_composite(backdrop, clear)
    return upright.convert("L" if gray else "RGB")


def _beyond_16_bits(image: Image.Image) -> bool:
    low, high = image.getextrema()
    return not 0 <= low <= high <= 65535  # type: ignore[operator]


def _checked(array: np.ndarray) -> np.ndarray:
    if array.ndim != 3 or array.shape[0] not in (1, 3) or not array.size:
        raise ValueError(f"shape {array.shape} is no image of 1 or 3 channels")
    if array[0].size > MAX_PIXELS:
        raise ValueError(f"{array[0].size} pixels, more than {MAX_PIXELS}")
    if array.dtype != np.uint8 and array.dtype.kind != "f":
        raise ValueError(f"pixels are {array.dtype}: give uint8, or floats in [0, 1]")
    return array


def _as_uint8(array: np.ndarray) -> np.ndarray:
    if array.dtype == np.uint8:
        return array
    if not ((array >= 0) & (array <= 1)).all():
        raise ValueError("float pixels must lie in [0, 1] without NaN")
    return (array.astype(np.float64) * 255).round().astype(np.uint8)


def as_image(array: np.ndarray) -> Image.Image:
    """A Pillow image of uint8 `(c, h, w)`."""
    flat = array[0] if array.shape[0] == 1 else array.transpose(1, 2, 0)
    return Image.fromarray(np.ascontiguousarray(flat))
