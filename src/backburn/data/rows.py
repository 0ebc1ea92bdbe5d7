"""Labelled images as they lie somewhere, not yet decoded."""

from collections.abc import Callable, Container, Iterator
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path
from typing import NamedTuple, TypeAlias

import numpy as np
from PIL import Image

Picture: TypeAlias = bytes | Path | np.ndarray | Image.Image
"""Encoded bytes, a file of them, uint8 or float in [0, 1] of `(c, h, w)`, or an open image."""


class Row(NamedTuple):
    """One labeled image. A string in place of a picture says why there is none."""

    name: str
    picture: Picture | str
    label: object


@dataclass(frozen=True, slots=True)
class Rows:
    """Labelled images that can be gone through more than once, in the same order.

    `where` is what messages call the source; `class_names` is empty where it names no classes.
    `aside` says of files that are no rows what they are, `asked` that rows are a data set's items.
    """

    where: str
    read: Callable[[], Iterator[Row]]
    class_names: tuple[str, ...] = ()
    aside: tuple[str, ...] = ()
    asked: bool = False

    def only(self, names: Container[str] | None) -> "Rows":
        """The rows of these names; all where None."""
        if names is None:
            return self
        return replace(self, read=lambda: (row for row in self.read() if row.name in names))

    def first(self, limit: int | None) -> "Rows":
        """So many rows from the beginning; all where None."""
        return self if limit is None else replace(self, read=lambda: islice(self.read(), limit))
