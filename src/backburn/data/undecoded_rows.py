"""Labeled images of a source, not yet decoded."""

from collections.abc import Callable, Container, Iterator
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path
from typing import NamedTuple, TypeAlias

import numpy as np
from PIL import Image

RawImage: TypeAlias = bytes | Path | np.ndarray | Image.Image
"""Encoded bytes, a file, a `(c, h, w)` array of uint8 or floats in [0, 1], or a PIL image."""


class Row(NamedTuple):
    """One labeled image. A string in place of the image says why there is none."""

    name: str
    image: RawImage | str
    label: object


@dataclass(frozen=True, slots=True)
class Rows:
    """Labeled images that can be iterated over more than once, in the same order.

    Args:
        source: name of the source in messages.
        read: starts an iteration over the rows.
        class_names: empty if the source does not name its classes.
        ignored: one line for each file that is not a row, saying why.
        from_dataset: whether the rows are items of a Python data set.
    """

    source: str
    read: Callable[[], Iterator[Row]]
    class_names: tuple[str, ...] = ()
    ignored: tuple[str, ...] = ()
    from_dataset: bool = False

    def only(self, names: Container[str] | None) -> "Rows":
        """Return the rows with these names; all rows if None."""
        if names is None:
            return self
        return replace(self, read=lambda: (row for row in self.read() if row.name in names))

    def first(self, limit: int | None) -> "Rows":
        """Return the first `limit` rows; all rows if None."""
        return self if limit is None else replace(self, read=lambda: islice(self.read(), limit))
