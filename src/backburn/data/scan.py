"""The first pass over labeled images: what there is, from headers alone."""

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
from .decoding import header_of, plain_file, shape_of
from .labels import class_number
from .rows import Picture, Rows

LOOKED_AT, TIMES = 10_000, 10
"""Rows after which their images are counted, and again after twice as many, and rows for each."""
MACHINE = (errno.EMFILE, errno.ENFILE, errno.ENOMEM)
"""What the system says when the fault is not the image's."""


@dataclass(frozen=True, slots=True)
class Survey:
    """Name and label of every row, and why a row has no image.

    `channels` is 1 where all images are gray, `size` the commonest (height, width). `marks` is
    `mark_of` every row, 0 where there is no image. `content` is a SHA-256 of all encoded images,
    "" where it was not asked for. `sizes` are all (height, width), `turned` and `clear` say whether
    EXIF turns any image, and whether any may be transparent.
    """

    names: tuple[str, ...]
    labels: tuple[int, ...]
    bad: dict[int, str]
    channels: int
    size: tuple[int, int]
    marks: Sequence[int]
    content: str = ""
    sizes: tuple[tuple[int, int], ...] = ()
    turned: bool = False
    clear: bool = False

    def choices(self, size: tuple[int, int]) -> tuple[str, ...]:
        """What pixels depend on beside the image: fields of a `Way`.

        Args:
            size: (height, width) that images are made.
        """
        bent = any(abs(h * size[1] - w * size[0]) >= max(h, w) for h, w in self.sizes)
        scaled = any(each != size for each in self.sizes)
        found = {"resize": bent, "scale": scaled, "turned": self.turned, "backdrop": self.clear}
        return tuple(name for name, there in found.items() if there)

    @property
    def shape(self) -> tuple[int, int, int, int]:
        """Of all rows that seem to have an image, `(n, c, h, w)`."""
        return (len(self.names) - len(self.bad), self.channels, *self.size)


def survey(rows: Rows, progress: Progress, *, content: bool = False) -> Survey:
    """Go through rows once; images are opened, not decoded.

    Raises:
        InputError: a label out of range, no image at all, or hardly any among many rows.
    """
    names: list[str] = []
    labels: list[int] = []
    bad: dict[int, str] = {}
    shapes: Counter[tuple[int, int, int]] = Counter()
    marks = array("q")
    turned = clear = False
    found, counted = hashlib.sha256(), LOOKED_AT
    for number, (name, picture, label) in enumerate(rows.read()):
        names.append(name)
        labels.append(class_number(label, rows.class_names, name, rows.where))
        marks.append(0)
        try:
            header = header_of(known(picture))
            shapes[header.shape] += 1
            turned, clear = turned or header.turned, clear or header.clear
            marks[number] = mark_of(known(picture))
            if content:
                _digest(known(picture), found.update)
        except Exception as error:  # Pillow raises whatever a broken file leads it to
            bad[number] = why(error)
        progress("look at images", number + 1, 0)
        if number + 1 == counted:
            _check_repeats(marks, len(bad), rows.where)
            counted *= 2
    if not shapes:
        raise nothing_left(rows.where, bad)
    sizes: Counter[tuple[int, int]] = Counter()
    for (_, height, width), count in shapes.items():
        sizes[height, width] += count
    channels = max(c for c, _, _ in shapes)
    digest = found.hexdigest() if content else ""
    size = sizes.most_common(1)[0][0]
    seen = (tuple(sizes), turned, clear)
    return Survey(tuple(names), tuple(labels), bad, channels, size, marks, digest, *seen)


def _check_repeats(marks: Sequence[int], bad: int, where: str) -> None:
    """A few bytes can say a million times that there is no image, or which one it is."""
    nameless = marks.count(0) - bad  # images that are open already have no mark
    different = len({*marks} - {0}) + nameless
    if different * TIMES < len(marks):
        raise InputError(
            f"{where}: of its first {len(marks)} rows {bad} have no image, and the others only "
            f"{different} different ones: give every image once"
        )


def known(picture: Picture | str) -> Picture:
    """The picture of a row that has one."""
    if isinstance(picture, str):
        raise ValueError(picture)
    return picture


def mark_of(picture: Picture) -> int:
    """What changes with the picture, in this process: its content, or what the system says of it.

    Raises:
        OSError: its file is not there any more.
    """
    if isinstance(picture, Path):
        about = picture.stat()
        return hash((about.st_size, about.st_mtime_ns, about.st_ino))
    if isinstance(picture, np.ndarray):
        return hash(picture.tobytes())
    return hash(picture) if isinstance(picture, bytes) else 0  # an open image is nobody else's


def why(error: Exception) -> str:
    """What is wrong with an image, in one printable line.

    Raises:
        Exception: the error itself, where it is the machine's that has run out of something.
    """
    if is_machines(error):
        raise error
    return printable(first_line(error))


def is_machines(error: Exception) -> bool:
    """Whether it is the machine that has run out of something: no fault of the image's."""
    short = isinstance(error, OSError) and error.errno in MACHINE
    return short or isinstance(error, MemoryError)


def nothing_left(where: str, bad: dict[int, str]) -> InputError:
    """The error for a source without any image."""
    if not bad:
        return InputError(f"{where}: there are no images; give labeled images of two classes")
    first = next(iter(bad.values()))
    return InputError(f"{where}: none of {len(bad)} images can be decoded; the first: {first}")


def _digest(picture: Picture, update: Callable[[bytes], None]) -> None:
    if isinstance(picture, bytes):
        content = picture
    elif isinstance(picture, Path):
        content = plain_file(picture).read_bytes()
    elif isinstance(picture, Image.Image):
        content = picture.mode.encode() + picture.tobytes()
    else:
        content = picture.dtype.str.encode() + np.ascontiguousarray(picture).tobytes()
    # lengths keep two neighbors from passing bytes to each other
    update(f"{type(picture).__name__} {len(content)} {shape_of(picture)} ".encode())
    update(content)
