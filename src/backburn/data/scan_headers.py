"""The first pass over labeled images: labels, shapes and fingerprints, from headers alone."""

import errno
import hashlib
from array import array
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

from ..errors import InputError, first_line, printable
from ..types import Progress
from .decoding import check_regular_file, read_header, read_shape
from .labels import check_label
from .undecoded_rows import RawImage, Rows

FIRST_CHECK, MAX_REPEATS = 10_000, 10
"""The number of different images is checked after `FIRST_CHECK` rows, then each time it doubles.

There must be at least one different image for every `MAX_REPEATS` rows.
"""
RESOURCE_ERRNOS = (errno.EMFILE, errno.ENFILE, errno.ENOMEM)
"""System errors that are not the image's fault."""


@dataclass(frozen=True, slots=True)
class Scan:
    """Result of the first pass.

    Args:
        names: of all rows.
        labels: class numbers of all rows.
        unreadable: row to the reason why it has no image.
        channels: 1 if all images are gray, else 3.
        size: the most common (height, width).
        fingerprints: `fingerprint` of each row, 0 where there is no image.
        content: SHA-256 of all encoded images; "" if it was not requested.
        sizes: all (height, width) that occur.
        rotated: whether EXIF rotates any image.
        transparent: whether any image may have transparent pixels.
    """

    names: tuple[str, ...]
    labels: tuple[int, ...]
    unreadable: dict[int, str]
    channels: int
    size: tuple[int, int]
    fingerprints: Sequence[int]
    content: str = ""
    sizes: tuple[tuple[int, int], ...] = ()
    rotated: bool = False
    transparent: bool = False

    def choices(self, size: tuple[int, int]) -> tuple[str, ...]:
        """Return which decoding options change the pixels; see `LabeledImages.choices`.

        The names are fields of `DecodingOptions`, and `scale` if any image is resized at all.

        Args:
            size: (height, width) to which the images are decoded.
        """
        distorted = any(abs(h * size[1] - w * size[0]) >= max(h, w) for h, w in self.sizes)
        scaled = any(original != size for original in self.sizes)
        matters = {
            "resize": distorted,
            "scale": scaled,
            "turned": self.rotated,
            "backdrop": self.transparent,
        }
        return tuple(name for name, changes in matters.items() if changes)

    @property
    def shape(self) -> tuple[int, int, int, int]:
        """Shape `(n, c, h, w)` of all rows that have a readable header."""
        return (len(self.names) - len(self.unreadable), self.channels, *self.size)


def scan_rows(rows: Rows, progress: Progress, *, content: bool = False) -> Scan:
    """Iterate over rows once; images are opened, not decoded.

    Args:
        content: whether to compute the SHA-256 of all encoded images.
    Raises:
        InputError: a label out of range, no image at all, or few different images in many rows.
    """
    names: list[str] = []
    labels: list[int] = []
    unreadable: dict[int, str] = {}
    shapes: Counter[tuple[int, int, int]] = Counter()
    fingerprints = array("q")
    rotated = transparent = False
    sha256, next_check = hashlib.sha256(), FIRST_CHECK
    for number, (name, image, label) in enumerate(rows.read()):
        names.append(name)
        labels.append(check_label(label, rows.class_names, name, rows.source))
        fingerprints.append(0)
        try:
            header = read_header(require_image(image))
            shapes[header.shape] += 1
            rotated, transparent = rotated or header.rotated, transparent or header.transparent
            fingerprints[number] = fingerprint(require_image(image))
            if content:
                _update_digest(require_image(image), sha256.update)
        except Exception as error:  # Pillow may raise anything on a broken file
            unreadable[number] = describe_error(error)
        progress("look at images", number + 1, 0)
        if number + 1 == next_check:
            _check_repeats(fingerprints, len(unreadable), rows.source)
            next_check *= 2
    if not shapes:
        raise no_images_error(rows.source, unreadable)
    sizes: Counter[tuple[int, int]] = Counter()
    for (_, height, width), count in shapes.items():
        sizes[height, width] += count
    return Scan(
        names=tuple(names),
        labels=tuple(labels),
        unreadable=unreadable,
        channels=max(channels for channels, _, _ in shapes),
        size=sizes.most_common(1)[0][0],
        fingerprints=fingerprints,
        content=sha256.hexdigest() if content else "",
        sizes=tuple(sizes),
        rotated=rotated,
        transparent=transparent,
    )


def _check_repeats(fingerprints: Sequence[int], unreadable: int, source: str) -> None:
    """Refuse a small file that names the same image, or no image, in millions of rows."""
    unmarked = fingerprints.count(0) - unreadable  # images that are open already have no mark
    different = len({*fingerprints} - {0}) + unmarked
    if different * MAX_REPEATS < len(fingerprints):
        raise InputError(
            f"{source}: of its first {len(fingerprints)} rows {unreadable} have no image, and the "
            f"others only {different} different ones: give every image once"
        )


def require_image(image: RawImage | str) -> RawImage:
    """Return the image of a row.

    Raises:
        ValueError: the row has none; the message is the reason.
    """
    if isinstance(image, str):
        raise ValueError(image)
    return image


def fingerprint(image: RawImage) -> int:
    """Return a number that changes with the image, valid in this process only.

    It is a hash of the content, or of a file's size, time and inode. Open images have 0: no other
    process can change them.

    Raises:
        OSError: the file no longer exists.
    """
    if isinstance(image, Path):
        status = image.stat()
        return hash((status.st_size, status.st_mtime_ns, status.st_ino))
    if isinstance(image, np.ndarray):
        return hash(image.tobytes())
    return hash(image) if isinstance(image, bytes) else 0


def describe_error(error: Exception) -> str:
    """Return what is wrong with an image, in one printable line.

    Raises:
        Exception: the error itself, if the machine ran out of a resource.
    """
    if is_resource_error(error):
        raise error
    return printable(first_line(error))


def is_resource_error(error: Exception) -> bool:
    """Whether the machine ran out of memory or open files, which is not the image's fault."""
    exhausted = isinstance(error, OSError) and error.errno in RESOURCE_ERRNOS
    return exhausted or isinstance(error, MemoryError)


def no_images_error(source: str, unreadable: dict[int, str]) -> InputError:
    """Return the error for a source without any readable image."""
    if not unreadable:
        return InputError(f"{source}: there are no images; give labeled images of two classes")
    first = next(iter(unreadable.values()))
    return InputError(
        f"{source}: none of {len(unreadable)} images can be decoded; the first: {first}"
    )


def _update_digest(image: RawImage, update: Callable[[bytes], None]) -> None:
    if isinstance(image, bytes):
        content = image
    elif isinstance(image, Path):
        content = check_regular_file(image).read_bytes()
    elif isinstance(image, Image.Image):
        content = image.mode.encode() + image.tobytes()
    else:
        content = image.dtype.str.encode() + np.ascontiguousarray(image).tobytes()
    # the length keeps bytes from moving between neighboring images without changing the digest
    update(f"{type(image).__name__} {len(content)} {read_shape(image)} ".encode())
    update(content)
