"""Memory that does not suffice for a batch: it is halved, and that is said."""

import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TypeVar

from ..errors import BackburnError

T = TypeVar("T")
SIGNS = (
    "out of memory",
    "allocate memory",
    "not enough memory",
    "ALLOC_FAILED",
    "bad_alloc",
    "could not create a primitive",
    "could not create a memory",
    "can't start new thread",
    "annot allocate memory",
    "failed to map segment",
)
"""What torch, oneDNN, C++, Python and the system say; oneDNN has no other word for it."""


@dataclass(slots=True)
class Halving:
    """How many images fit into memory at a time, as far as it has turned out.

    Args:
        doing: what is done with them, for people.
        least: fewer cannot be done.
        at_once: None as long as memory has always sufficed.
    """

    doing: str
    least: int = 1
    at_once: int | None = None

    def each(self, count: int, attempt: Callable[[slice], T]) -> Iterator[T]:
        """What comes of `count` images, in as many parts as memory asks for.

        Raises:
            BackburnError: not even the least number of images fits.
        """
        done = 0
        while done < count:
            size = min(self.at_once or count, count - done)
            try:
                found = attempt(slice(done, done + size))
            except (RuntimeError, MemoryError) as error:
                self.halve(size, error)
                continue
            yield found
            done += size

    def halve(self, tried: int, error: Exception) -> None:
        """Fewer images from now on; an error that does not speak of memory is raised again.

        Raises:
            BackburnError: `tried` was the least number already.
        """
        if not is_out_of_memory(error):
            raise error
        if tried <= self.least:
            images = "one image" if self.least == 1 else f"{self.least} images"
            raise BackburnError(f"not enough memory for {self.doing} {images}") from error
        self.at_once = max(self.least, tried // 2)
        # whose line it is says nothing; the same warning must not be said once a batch
        warnings.warn(
            f"memory is short: {self.doing} {self.at_once} images at a time", stacklevel=2
        )


def is_out_of_memory(error: Exception) -> bool:
    """Whether an error of torch or Python says so."""
    return isinstance(error, MemoryError) or any(sign in str(error) for sign in SIGNS)
