"""Decoding of rows to `LabeledImages`: two passes, bounded memory, parallel workers."""

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
from .decoding_options import DEFAULT_DECODING, DecodingOptions
from .image_buffer import collect_images
from .scan_headers import Scan, describe_error, fingerprint, no_images_error, scan_rows
from .undecoded_rows import RawImage, Rows

IMAGES_PER_TASK = 32
"""Images that a worker decodes per task: enough to make the overhead small for small images."""
MAX_SIDE = 2**13
"""Largest height or width, in pixels."""
DecodeResult: TypeAlias = tuple[int | None, np.ndarray | str]
"""Fingerprint of an image after it was read, and its pixels or the reason why there are none."""
LabelCheck: TypeAlias = Callable[[Sequence[int], tuple[str, ...]], None]
"""Called with the labels of all rows and the class names; it may raise."""


def load_rows(
    rows: Rows,
    size: int | tuple[int, int] | None,
    cache: str | Path | None,
    fewest_classes: int,
    progress: Progress,
    options: DecodingOptions = DEFAULT_DECODING,
    check: LabelCheck | None = None,
) -> LabeledImages:
    """Decode rows into memory or a memory-mapped file.

    The first pass reads headers to find the labels, the most common size, and whether all images
    are gray. The second pass decodes. Rows without a whole image are left out and named in
    `skipped`.

    Args:
        size, cache, fewest_classes, options: see `load_images`.
        check: called with the labels and class names before anything is decoded; it may raise.
    Raises:
        InputError: no image, a label out of range, too few classes, or a size out of range.
    """
    target_size = _parse_size(size)
    with quiet_pillow():
        scan = scan_rows(rows, progress, content=cache is not None)
        if check is not None:
            check(scan.labels, rows.class_names)
        shape = (*scan.shape[:2], *(target_size or scan.size))
        unreadable = dict(scan.unreadable)
        decoded = _decode_rows(rows, scan, shape, unreadable, progress, options)
        if cache is None:
            pixels = collect_images(decoded, shape)
        else:
            entry = Cache(Path(cache), scan, rows.class_names, shape, options)
            cached = entry.load(unreadable)
            pixels = entry.store(decoded, unreadable) if cached is None else cached
    if not len(pixels):
        raise no_images_error(rows.source, unreadable)
    images = _labeled_images(pixels, scan, unreadable, rows, fewest_classes)
    return replace(images, choices=scan.choices((shape[2], shape[3])))


def _parse_size(size: int | tuple[int, int] | None) -> tuple[int, int] | None:
    if size is None:
        return None
    height, width = (size, size) if isinstance(size, int) else size
    if not (1 <= height <= MAX_SIDE and 1 <= width <= MAX_SIDE):
        raise InputError(f"size is {size}: give sides from 1 to {MAX_SIDE} pixels")
    return height, width


def _decode_rows(
    rows: Rows,
    scan: Scan,
    shape: tuple[int, int, int, int],
    unreadable: dict[int, str],
    progress: Progress,
    options: DecodingOptions,
) -> Iterator[np.ndarray]:
    """Yield decoded images in order; rows that fail are added to `unreadable`."""
    images = _second_pass(rows, scan)
    per_task = max(1, min(IMAGES_PER_TASK, 2**24 // int(np.prod(shape[1:]))))
    done = 0
    for numbers, results in _decode_in_order(images, per_task, shape[1:], options):
        for number, (mark, result) in zip(numbers, results, strict=True):
            if mark != scan.fingerprints[number]:
                raise _changed_error(rows)
            if isinstance(result, np.ndarray):
                yield result
            else:
                unreadable[number] = result
            done += 1
            progress("read images", done, shape[0])


def _second_pass(rows: Rows, scan: Scan) -> Iterator[tuple[int, RawImage]]:
    """Yield row number and image of all rows with a readable header."""
    for number, (name, image, _) in enumerate(rows.read()):
        if number >= len(scan.names) or name != scan.names[number]:
            raise _changed_error(rows)
        if number in scan.unreadable:
            continue
        if isinstance(image, str):
            raise _changed_error(rows)
        yield number, image


def _changed_error(rows: Rows) -> InputError:
    if rows.from_dataset:
        return InputError(
            f"{rows.source} gives other items each time it is read: turn its random transforms off"
        )
    return InputError(f"{rows.source} was changed while it was read: give the same command again")


def _decode_in_order(
    images: Iterator[tuple[int, RawImage]],
    per_task: int,
    shape: tuple[int, ...],
    options: DecodingOptions,
) -> Iterator[tuple[tuple[int, ...], list[DecodeResult]]]:
    """Decode images in a thread pool, `per_task` at a time, and yield the results in order.

    Only a few tasks are queued at a time, which bounds the memory.
    """
    workers = torch.get_num_threads()
    queue: deque[tuple[tuple[int, ...], Future[list[DecodeResult]]]] = deque()
    with ThreadPoolExecutor(workers) as pool:
        while batch := list(islice(images, per_task)):
            numbers, raw_images = zip(*batch, strict=True)
            queue.append((numbers, pool.submit(_decode_batch, raw_images, shape, options)))
            if len(queue) > 2 * workers:
                oldest, future = queue.popleft()
                yield oldest, _result(future)
        for numbers, future in queue:
            yield numbers, _result(future)


def _result(future: Future[list[DecodeResult]]) -> list[DecodeResult]:
    try:
        return future.result()
    except SystemExit as error:  # raised in a worker thread, it must not end us silently
        raise BackburnError(
            f"a decode worker ended ({error}): give the same command again"
        ) from error


def _decode_batch(
    images: tuple[RawImage, ...], shape: tuple[int, ...], options: DecodingOptions
) -> list[DecodeResult]:
    return [_decode_one(image, shape, options) for image in images]


def _decode_one(image: RawImage, shape: tuple[int, ...], options: DecodingOptions) -> DecodeResult:
    try:
        array = decode(image, (shape[1], shape[2]), options)
    except Exception as error:  # Pillow may raise anything on a broken file
        return _fingerprint_after_reading(image), describe_error(error)
    too_many_channels = "in color, though its header says gray"
    return (
        _fingerprint_after_reading(image),
        array if array.shape[0] <= shape[0] else too_many_channels,
    )


def _fingerprint_after_reading(image: RawImage) -> int | None:
    """Return the image's fingerprint, or None if its file no longer exists."""
    try:
        return fingerprint(image)
    except OSError:
        return None


def _labeled_images(
    pixels: torch.Tensor, scan: Scan, unreadable: dict[int, str], rows: Rows, fewest_classes: int
) -> LabeledImages:
    if len(pixels) != len(scan.names) - len(unreadable):
        raise _changed_error(rows)
    readable = [number for number in range(len(scan.names)) if number not in unreadable]
    labels = torch.tensor([scan.labels[number] for number in readable])
    if len(set(labels.tolist())) < fewest_classes:
        raise InputError(
            f"{rows.source} holds images of one class only: a classifier needs two or more"
        )
    _refuse_unreadable_classes(scan, unreadable, rows)
    names = tuple(scan.names[number] for number in readable)
    reasons = [f"{printable(scan.names[n])}: {reason}" for n, reason in sorted(unreadable.items())]
    skipped = (*reasons, *map(printable, rows.ignored))
    return LabeledImages(pixels, labels, rows.class_names, names, skipped)


def _refuse_unreadable_classes(scan: Scan, unreadable: dict[int, str], rows: Rows) -> None:
    """Raise if a class has rows but no readable image: it could not be audited."""
    readable = {label for number, label in enumerate(scan.labels) if number not in unreadable}
    for number, reason in sorted(unreadable.items()):
        label = scan.labels[number]
        if label not in readable:
            count = scan.labels.count(label)
            name = printable(rows.class_names[label]) if rows.class_names else label
            raise InputError(
                f"{rows.source}: none of the {count} images of class {name} can be read; the "
                f"first, {printable(scan.names[number])}: {reason}"
            )
