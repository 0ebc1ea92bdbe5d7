"""Decoding one image, in whatever form it is stored, to uint8 `(c, h, w)`."""

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

from .decoding_options import DEFAULT_DECODING, ZOOM_FACTOR, DecodingOptions
from .undecoded_rows import RawImage

MAX_PIXELS = 2**26
"""Largest number of pixels of one image: 8192 x 8192."""
MAX_FILE_SIZE = 2**28
"""Largest number of bytes of one encoded image."""
FORMATS = ("AVIF", "BMP", "GIF", "JPEG", "JPEG2000", "MPO", "PNG", "PPM", "TIFF", "WEBP")
"""Pillow's other readers are disabled: EPS, for one, would run Ghostscript on untrusted code."""
DECODER_VERSION = 1
"""Part of the cache key; increase it when the same bytes decode to other pixels."""

GRAY_MODES = ("1", "L", "LA", "La", "I", "F", "I;16", "I;16L", "I;16B", "I;16N")
ALPHA_MODES = ("LA", "La", "PA", "RGBA", "RGBa")
ORIENTATION_TAG = 0x0112


@cache
def supported_formats() -> tuple[str, ...]:
    """Return the `FORMATS` that the installed Pillow can read."""
    Image.init()
    return tuple(name for name in FORMATS if name in Image.OPEN)


@cache
def image_suffixes() -> frozenset[str]:
    """Return the file suffixes of supported formats, lower case, with their dot."""
    extensions = Image.registered_extensions().items()
    return frozenset(suffix for suffix, name in extensions if name in supported_formats())


@contextmanager
def quiet_pillow() -> Iterator[None]:
    """Suppress Pillow's warnings about odd metadata. Process-wide: not for worker threads."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", module=r"PIL\.")
        yield


def check_regular_file(path: Path) -> Path:
    """Return the path if it is a regular file of at most `MAX_FILE_SIZE` bytes.

    Pipes and devices must not be opened: reading them may block.

    Raises:
        OSError: the file does not exist.
        ValueError: it is not a regular file, or too large.
    """
    status = path.stat()
    if not stat.S_ISREG(status.st_mode):
        raise ValueError("no plain file")
    if status.st_size > MAX_FILE_SIZE:
        raise ValueError(f"{status.st_size} bytes, more than {MAX_FILE_SIZE}")
    return path


class ImageHeader(NamedTuple):
    """What the header of an image says.

    `shape` is the `(c, h, w)` that `decode` returns by default, EXIF orientation applied.
    `rotated`: EXIF rotates or flips the image. `transparent`: it may have transparent pixels.
    """

    shape: tuple[int, int, int]
    rotated: bool = False
    transparent: bool = False


def read_shape(image: RawImage) -> tuple[int, int, int]:
    """Return `(c, h, w)` of an image without decoding it; errors as those of `read_header`."""
    return read_header(image).shape


def read_header(image: RawImage) -> ImageHeader:
    """Read the header of an image without decoding its pixels.

    Raises:
        Exception: whatever Pillow raises on bytes that are not an image; ValueError for more than
            `MAX_PIXELS` pixels.
    """
    if isinstance(image, np.ndarray):
        return ImageHeader(_check_array(image).shape)
    with _open(image) as opened:
        width, height = opened.size
        orientation = _orientation(opened)
        if orientation in (5, 6, 7, 8):
            width, height = height, width
        transparent = opened.mode in ALPHA_MODES or "transparency" in opened.info
        channels = 1 if opened.mode in GRAY_MODES else 3
        return ImageHeader((channels, height, width), orientation > 1, transparent)


def is_image(path: Path) -> bool:
    """Whether a file has the header of a readable image."""
    try:
        read_header(path)
    except Exception:  # Pillow may raise anything on a foreign file
        return False
    return True


def decode(
    image: RawImage,
    size: tuple[int, int] | None = None,
    options: DecodingOptions = DEFAULT_DECODING,
) -> np.ndarray:
    """Decode an image to uint8 `(c, h, w)`, with c = 1 for grayscale and 3 otherwise.

    By default the EXIF orientation is applied, transparent pixels become white, and an image of
    another size is scaled to cover `size` and center-cropped. 16-bit grayscale is scaled to 8 bits.

    Args:
        image: encoded bytes, a file, a Pillow image, or an array.
        size: (height, width) of the result; None keeps the image's own size.
        options: other ways to resize, rotate and handle transparency.
    Raises:
        Exception: whatever Pillow raises on bytes that are not a whole image; ValueError for more
            than `MAX_PIXELS` pixels.

    >>> decode(np.zeros((3, 4, 4), np.uint8), size=(2, 2)).shape
    (3, 2, 2)
    """
    if isinstance(image, np.ndarray):
        array = _to_uint8(_check_array(image))
        if size is None or (size == array.shape[1:] and options.resize != "zoom"):
            return array
        decoded = to_pil(array)
    else:
        with _open(image) as opened:
            decoded = _convert(opened, options)
    if size and (size != (decoded.height, decoded.width) or options.resize == "zoom"):
        decoded = _resize(decoded, size[::-1], options)
    array = np.asarray(decoded)
    return array[None] if array.ndim == 2 else array.transpose(2, 0, 1)


@contextmanager
def _open(image: bytes | Path | Image.Image) -> Iterator[Image.Image]:
    if isinstance(image, Image.Image):
        yield _check_pixel_count(image)
        return
    file = check_regular_file(image) if isinstance(image, Path) else io.BytesIO(image)
    with Image.open(file, formats=supported_formats()) as opened:
        yield _check_pixel_count(opened)


def _check_pixel_count(image: Image.Image) -> Image.Image:
    if image.width * image.height > MAX_PIXELS:
        raise ValueError(f"{image.width} x {image.height} pixels, more than {MAX_PIXELS}")
    return image


def _orientation(image: Image.Image) -> int:
    # getexif would decode a PNG without EXIF; Pillow itself rotates TIFFs
    if image.format == "TIFF" or (image.format == "PNG" and "exif" not in image.info):
        return 1
    return int(image.getexif().get(ORIENTATION_TAG, 1))


def _resize(image: Image.Image, size: tuple[int, int], options: DecodingOptions) -> Image.Image:
    """Resize an image to (width, height)."""
    bilinear = Image.Resampling.BILINEAR
    if options.resize == "squash":
        return image.resize(size, bilinear)
    if options.resize == "letterbox":
        return ImageOps.pad(image, size, bilinear)
    if options.resize == "zoom":
        larger = (round(size[0] * ZOOM_FACTOR), round(size[1] * ZOOM_FACTOR))
        left, top = ((larger[k] - size[k]) // 2 for k in range(2))
        box = (left, top, left + size[0], top + size[1])
        return ImageOps.fit(image, larger, bilinear).crop(box)
    return ImageOps.fit(image, size, bilinear)


def _convert(image: Image.Image, options: DecodingOptions) -> Image.Image:
    """Apply orientation and transparency, and convert to 8-bit grayscale or RGB."""
    upright = ImageOps.exif_transpose(image) if options.turned else image
    if upright.mode == "F" or (upright.mode == "I" and _exceeds_16_bits(upright)):
        raise ValueError("32-bit pixels have no agreed range: save it with 8 or 16 bits")
    if upright.mode.startswith("I"):
        return Image.fromarray((np.asarray(upright) // 257).astype(np.uint8))
    gray = upright.mode in GRAY_MODES
    if upright.mode in ALPHA_MODES or "transparency" in upright.info:
        rgba = upright.convert("RGBA")
        if options.backdrop == "dropped":
            upright = rgba.convert("RGB")
        else:
            backdrop = Image.new("RGBA", rgba.size, options.backdrop)
            upright = Image.alpha_composite(backdrop, rgba)
    return upright.convert("L" if gray else "RGB")


def _exceeds_16_bits(image: Image.Image) -> bool:
    low, high = image.getextrema()
    return not 0 <= low <= high <= 65535  # type: ignore[operator]


def _check_array(array: np.ndarray) -> np.ndarray:
    if array.ndim != 3 or array.shape[0] not in (1, 3) or not array.size:
        raise ValueError(f"shape {array.shape} is no image of 1 or 3 channels")
    if array[0].size > MAX_PIXELS:
        raise ValueError(f"{array[0].size} pixels, more than {MAX_PIXELS}")
    if array.dtype != np.uint8 and array.dtype.kind != "f":
        raise ValueError(f"pixels are {array.dtype}: give uint8, or floats in [0, 1]")
    return array


def _to_uint8(array: np.ndarray) -> np.ndarray:
    if array.dtype == np.uint8:
        return array
    if not ((array >= 0) & (array <= 1)).all():
        raise ValueError("float pixels must lie in [0, 1] without NaN")
    return (array.astype(np.float64) * 255).round().astype(np.uint8)


def to_pil(array: np.ndarray) -> Image.Image:
    """Return a Pillow image of a uint8 array `(c, h, w)`."""
    flat = array[0] if array.shape[0] == 1 else array.transpose(1, 2, 0)
    return Image.fromarray(np.ascontiguousarray(flat))
