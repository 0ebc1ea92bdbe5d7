"""From rows to `LabeledImages`: two passes, bounded memory, decode workers."""

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import replace
from itertools import islice
from pathlib import Path
from typing import TypeAlias

import numpy as np
import torch

from ..errors import BackburnError, InputError, printable
from ..types import LabeledImages, Progress
from .cache import Cache
from .decoding import decode, quiet_pillow
from .decoding_options import AS_SEEN, Way
from .image_buffer import paint
from .rows import Picture, Rows
from .scan import Survey, mark_of, nothing_left, survey, why

PIECE = 32
"""Images that a decode worker takes at once: enough to make handing over cheap for small ones."""
MAX_SIDE = 2**13
Read: TypeAlias = tuple[int | None, np.ndarray | str]
"""The mark of a picture that was read, and its pixels, or why there are none."""
Check: TypeAlias = Callable[[Sequence[int], tuple[str, ...]], None]
"""Told every row's label, and the class names."""


def gather(
    rows: Rows,
    size: int | tuple[int, int] | None,
    cache: str | Path | None,
    fewest_classes: int,
    progress: Progress,
    way: Way = AS_SEEN,
    check: Check | None = None,
) -> LabeledImages:
    """Decode rows once, into memory or a mapped file.

    One pass over the headers finds labels, the commonest size and whether all is gray; the second
    decodes. Rows without a whole image are left out and named in `skipped`.

    Args:
        check: told the labels and class names before anything is decoded; it may raise.
    Raises:
        InputError: no image, a label out of range, too few classes, a size out of range.
    """
    wanted = _side(size)
    with quiet_pillow():
        seen = survey(rows, progress, content=cache is not None)
        if check is not None:
            check(seen.labels, rows.class_names)
        shape = (*seen.shape[:2], *(wanted or seen.size))
        bad = dict(seen.bad)
        decoded = _decoded(rows, seen, shape, bad, progress, way)
        if cache is None:
            pixels = paint(decoded, shape)
        else:
            kept = Cache(Path(cache), seen, rows.class_names, shape, way)
            there = kept.load(bad)
            pixels = kept.paint(decoded, bad) if there is None else there
    if not len(pixels):
        raise nothing_left(rows.where, bad)
    images = _labeled(pixels, seen, bad, rows, fewest_classes)
    return replace(images, choices=seen.choices((shape[2], shape[3])))


def _side(size: int | tuple[int, int] | None) -> tuple[int, int] | None:
    if size is None:
        return None
    height, width = (size, size) if isinstance(size, int) else size
    if not (1 <= height <= MAX_SIDE and 1 <= width <= MAX_SIDE):
        raise InputError(f"size is {size}: give sides from 1 to {MAX_SIDE} pixels")
    return height, width


def _decoded(
    rows: Rows,
    seen: Survey,
    shape: tuple[int, int, int, int],
    bad: dict[int, str],
    progress: Progress,
    way: Way,
) -> Iterator[np.ndarray]:
    """Decoded images in order; rows that fail are put into `bad`."""
    pictures = _again(rows, seen)
    each = max(1, min(PIECE, 2**24 // int(np.prod(shape[1:]))))
    done = 0
    for numbers, results in _in_order(pictures, each, shape[1:], way):
        for number, (mark, result) in zip(numbers, results, strict=True):
            if mark != seen.marks[number]:
                raise _changed(rows)
            if isinstance(result, np.ndarray):
                yield result
            else:
                bad[number] = result
            done += 1
            progress("read images", done, shape[0])


def _again(rows: Rows, seen: Survey) -> Iterator[tuple[int, Picture]]:
    """The pictures for the second time."""
    for number, (name, picture, _) in enumerate(rows.read()):
        if number >= len(seen.names) or name != seen.names[number]:
            raise _changed(rows)
        if number in seen.bad:
            continue
        if isinstance(picture, str):
            raise _changed(rows)
        yield number, picture


def _changed(rows: Rows) -> InputError:
    if rows.asked:
        return InputError(
            f"{rows.where} gives other items each time it is read: turn its random transforms off"
        )
    return InputError(f"{rows.where} was changed while it was read: give the same command again")


def _in_order(
    pictures: Iterator[tuple[int, Picture]], each: int, shape: tuple[int, ...], way: Way
) -> Iterator[tuple[tuple[int, ...], list[Read]]]:
    """What the workers make of pieces of `each` pictures; few pieces are under way at a time."""
    workers = torch.get_num_threads()
    waiting: deque[tuple[tuple[int, ...], Future[list[Read]]]] = deque()
    with ThreadPoolExecutor(workers) as pool:
        while piece := list(islice(pictures, each)):
            numbers, images = zip(*piece, strict=True)
            waiting.append((numbers, pool.submit(_decode_piece, images, shape, way)))
            if len(waiting) > 2 * workers:
                first, future = waiting.popleft()
                yield first, _done(future)
        for last, future in waiting:
            yield last, _done(future)


def _done(future: Future[list[Read]]) -> list[Read]:
    try:
        return future.result()
    except SystemExit as ended:  # a thread; whoever ends it must not end us without a word
        raise BackburnError(
            f"a decode worker ended ({ended}): give the same command again"
        ) from ended


def _decode_piece(pictures: tuple[Picture, ...], shape: tuple[int, ...], way: Way) -> list[Read]:
    return [_decode_one(picture, shape, way) for picture in pictures]


def _decode_one(picture: Picture, shape: tuple[int, ...], way: Way) -> Read:
    try:
        array = decode(picture, (shape[1], shape[2]), way)
    except Exception as error:  # Pillow raises whatever a broken file leads it to
        return _mark(picture), why(error)
    gray = "in color, though its header says gray"
    return _mark(picture), array if array.shape[0] <= shape[0] else gray


def _mark(picture: Picture) -> int | None:
    """Taken when the picture has been read; None where it is not there any more."""
    try:
        return mark_of(picture)
    except OSError:
        return None


def _labeled(
    pixels: torch.Tensor, seen: Survey, bad: dict[int, str], rows: Rows, fewest_classes: int
) -> LabeledImages:
    if len(pixels) != len(seen.names) - len(bad):
        raise _changed(rows)
    kept = [number for number in range(len(seen.names)) if number not in bad]
    labels = torch.tensor([seen.labels[number] for number in kept])
    if len(set(labels.tolist())) < fewest_classes:
        raise InputError(
            f"{rows.where} holds images of one class only: a classifier needs two or more"
        )
    _refuse_empty_classes(seen, bad, rows)
    names = tuple(seen.names[number] for number in kept)
    skipped = [f"{printable(seen.names[n])}: {reason}" for n, reason in sorted(bad.items())]
    lines = (*skipped, *map(printable, rows.aside))
    return LabeledImages(pixels, labels, rows.class_names, names, lines)


def _refuse_empty_classes(seen: Survey, bad: dict[int, str], rows: Rows) -> None:
    """A class of which no image can be read is no class that is looked at."""
    left = {label for number, label in enumerate(seen.labels) if number not in bad}
    for number, reason in sorted(bad.items()):
        label = seen.labels[number]
        if label not in left:
            count = seen.labels.count(label)
            name = printable(rows.class_names[label]) if rows.class_names else label
            raise InputError(
                f"{rows.where}: none of the {count} images of class {name} can be read; the "
                f"first, {printable(seen.names[number])}: {reason}"
            )
