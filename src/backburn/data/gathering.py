"""From rows to `LabeledImages`: two passes, bounded memory, decode workers."""

from collections import deque
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from itertools import islice
from pathlib import Path

import numpy as np
import torch

from ..errors import InputError
from ..types import LabeledImages, Progress
from .cache import Cache
from .canvas import paint
from .decoding import decode, quiet_pillow
from .rows import Picture, Rows, printable
from .survey import Survey, known, nothing_left, survey, why

PIECE = 32
"""Images that a decode worker takes at once: enough to make handing over cheap for small ones."""
MAX_SIDE = 2**13


def gather(
    rows: Rows,
    size: int | tuple[int, int] | None,
    cache: str | Path | None,
    fewest_classes: int,
    progress: Progress,
) -> LabeledImages:
    """Decode rows once, into memory or a mapped file.

    One pass over the headers finds labels, the commonest size and whether all is gray; the second
    decodes. Rows without a whole image are left out and named in `skipped`.
    Raises:
        InputError: no image, a label out of range, too few classes, a size out of range.
    """
    wanted = _side(size)
    with quiet_pillow():
        seen = survey(rows, progress, content=cache is not None)
        shape = (*seen.shape[:2], *(wanted or seen.size))
        bad = dict(seen.bad)
        decoded = _decoded(rows, shape, bad, progress)
        if cache is None:
            pixels = paint(decoded, shape)
        else:
            kept = Cache(Path(cache), seen, rows.class_names, shape)
            there = kept.load(bad)
            pixels = kept.paint(decoded, bad) if there is None else there
    if not len(pixels):
        raise nothing_left(rows.where, bad)
    return _labeled(pixels, seen, bad, rows, fewest_classes)


def _side(size: int | tuple[int, int] | None) -> tuple[int, int] | None:
    if size is None:
        return None
    height, width = (size, size) if isinstance(size, int) else size
    if not (1 <= height <= MAX_SIDE and 1 <= width <= MAX_SIDE):
        raise InputError(f"size is {size}: give sides from 1 to {MAX_SIDE} pixels")
    return height, width


def _decoded(
    rows: Rows, shape: tuple[int, int, int, int], bad: dict[int, str], progress: Progress
) -> Iterator[np.ndarray]:
    """Decoded images in order; rows that fail are put into `bad`."""
    good = ((n, row.picture) for n, row in enumerate(rows.read()) if n not in bad)
    pictures = ((n, known(picture)) for n, picture in good)
    each = max(1, min(PIECE, 2**24 // int(np.prod(shape[1:]))))
    done = 0
    for numbers, results in _in_order(pictures, each, shape[1:]):
        for number, result in zip(numbers, results, strict=True):
            if isinstance(result, np.ndarray):
                yield result
            else:
                bad[number] = result
            done += 1
            progress("read images", done, shape[0])


def _in_order(
    pictures: Iterator[tuple[int, Picture]], each: int, shape: tuple[int, ...]
) -> Iterator[tuple[tuple[int, ...], list[np.ndarray | str]]]:
    """What the workers make of pieces of `each` pictures; few pieces are under way at a time."""
    workers = torch.get_num_threads()
    waiting: deque[tuple[tuple[int, ...], Future[list[np.ndarray | str]]]] = deque()
    with ThreadPoolExecutor(workers) as pool:
        while piece := list(islice(pictures, each)):
            numbers, images = zip(*piece, strict=True)
            waiting.append((numbers, pool.submit(_decode_piece, images, shape)))
            if len(waiting) > 2 * workers:
                first, future = waiting.popleft()
                yield first, future.result()
        for last, future in waiting:
            yield last, future.result()


def _decode_piece(pictures: tuple[Picture, ...], shape: tuple[int, ...]) -> list[np.ndarray | str]:
    return [_decode_one(picture, shape) for picture in pictures]


def _decode_one(picture: Picture, shape: tuple[int, ...]) -> np.ndarray | str:
    try:
        array = decode(picture, (shape[1], shape[2]))
    except Exception as error:  # Pillow raises whatever a broken file leads it to
        return why(error)
    return array if array.shape[0] <= shape[0] else "in color, though its header says gray"


def _labeled(
    pixels: torch.Tensor, seen: Survey, bad: dict[int, str], rows: Rows, fewest_classes: int
) -> LabeledImages:
    if len(pixels) != len(seen.names) - len(bad):
        raise InputError(f"{rows.where} was changed while it was read: read it again")
    kept = [number for number in range(len(seen.names)) if number not in bad]
    labels = torch.tensor([seen.labels[number] for number in kept])
    if len(set(labels.tolist())) < fewest_classes:
        raise InputError(
            f"{rows.where} holds images of one class only: a classifier needs two or more"
        )
    names = tuple(seen.names[number] for number in kept)
    skipped = tuple(f"{printable(seen.names[n])}: {reason}" for n, reason in sorted(bad.items()))
    return LabeledImages(pixels, labels, rows.class_names, names, skipped)
