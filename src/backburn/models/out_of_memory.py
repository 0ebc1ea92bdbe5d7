"""Halve the batch size when memory runs out, and warn about it."""

import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TypeVar

from ..errors import BackburnError

T = TypeVar("T")
OUT_OF_MEMORY_MESSAGES = (
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
"""Parts of the messages of torch, oneDNN, C++, Python and the system.

oneDNN has no message of its own for a lack of memory: it could not create a primitive.
"""


@dataclass(slots=True)
class AdaptiveBatchSize:
    """A limit on the batch size that is halved whenever memory runs out.

    Args:
        action: what is done with the images, for messages.
        minimum: the smallest batch size that makes sense.
        limit: images that fit into memory at a time; None as long as memory never ran out.
    """

    action: str
    minimum: int = 1
    limit: int | None = None

    def run(self, count: int, function: Callable[[slice], T]) -> Iterator[T]:
        """Call a function on slices of `count` images, and yield its results.

        Args:
            function: takes the slice of images to work on.
        Raises:
            BackburnError: not even the minimum number of images fits.
        """
        done = 0
        while done < count:
            size = min(self.limit or count, count - done)
            try:
                result = function(slice(done, done + size))
            except (RuntimeError, MemoryError) as error:
                self.reduce(size, error)
                continue
            yield result
            done += size

    def reduce(self, size: int, error: Exception) -> None:
        """Halve the limit; raise any error again that is not about memory.

        Args:
            size: the batch size that failed.
        Raises:
            BackburnError: `size` was the minimum already.
        """
        if not is_out_of_memory(error):
            raise error
        if size <= self.minimum:
            images = "one image" if self.minimum == 1 else f"{self.minimum} images"
            raise BackburnError(f"not enough memory for {self.action} {images}") from error
        self.limit = max(self.minimum, size // 2)
        # from the caller's one line, so that Python shows the same warning only once
        warnings.warn(f"memory is short: {self.action} {self.limit} images at a time", stacklevel=2)


def is_out_of_memory(error: Exception) -> bool:
    """Return whether an error of torch or Python is about a lack of memory.

    >>> is_out_of_memory(RuntimeError("CUDA out of memory"))
    True
    """
    text = str(error)
    return isinstance(error, MemoryError) or any(part in text for part in OUT_OF_MEMORY_MESSAGES)
