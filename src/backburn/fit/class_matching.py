"""Matching of classes by name: images to a model, or a holdout to the training images."""

import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace

import torch

from ..errors import InputError, printable
from ..types import LabeledImages

MAX_SHOWN = 5
"""Most names in a message."""


def make_label_check(outputs: int, names: Sequence[str], where: str) -> Callable[..., None]:
    """Make a check of labels against a network's outputs, to run before images are decoded.

    Args:
        outputs: number of the network's outputs.
        names: the model's classes in its order; empty if not known.
        where: the source of the images, for messages.
    Returns:
        A function of labels and class names. It raises InputError if they do not fit the network.
    """

    def check(labels: Sequence[int], class_names: tuple[str, ...]) -> None:
        if names and len(names) != outputs:
            raise InputError(
                f"{len(names)} classes are listed for the model, which has {outputs} outputs: "
                "list as many, in the model's order"
            )
        if len(set(labels)) < 2:
            return  # the reader of the images refuses that
        if names and class_names and not _are_numbers(class_names, names):
            match_names(class_names, names, where)
        elif class_names:
            _check_names(class_names, labels, outputs, where)
        else:
            _check_numbers(labels, outputs, where)

    return check


def _check_names(names: Sequence[str], labels: Sequence[int], outputs: int, where: str) -> None:
    if len(names) == outputs:
        return
    empty = sorted(set(range(len(names))) - set(labels))
    problem = (
        f"the model has {outputs} outputs, but the images in {where} have {len(names)} classes"
    )
    if len(names) < outputs:
        raise InputError(
            f"{problem} ({_shorten(names)}): is a class's folder missing? List the model's classes "
            "in its order, one a line, and give the file with --classes FILE"
        )
    if empty:
        raise InputError(
            f"{problem}, of which {_shorten(names[k] for k in empty)} has no images: take the "
            "folder away"
        )
    raise InputError(
        f"{problem} ({_shorten(names)}): take the folders away that the model has no class for"
    )


def _check_numbers(labels: Sequence[int], outputs: int, where: str) -> None:
    low, high = min(labels), max(labels)
    if high < outputs:
        return
    problem = f"the labels in {where} go from {low} to {high}, but the model has {outputs} outputs"
    if low == 1 and high == outputs:
        raise InputError(f"{problem} (0 to {outputs - 1}): do labels start at 1? Give them from 0")
    too_large = sorted({label for label in labels if label >= outputs})
    raise InputError(f"{problem} (0 to {outputs - 1}): {_shorten(too_large)} is too many")


def _are_numbers(names: Sequence[str], other: Sequence[str]) -> bool:
    """Whether classes have only numbers for names, and the other names are not all numbers."""
    return all(name.isdigit() for name in names) and not all(name.isdigit() for name in other)


def match_names(names: Sequence[str], known: Sequence[str], where: str) -> list[int]:
    """The position of each name among the known ones.

    Names match exactly, or else up to case and punctuation, or with one of several names that are
    separated by commas.

    Raises:
        InputError: names that are not among the known ones.

    >>> match_names(["Cat", "traffic_light"], ["traffic light", "cat, kitty"], "images")
    [1, 0]
    """
    exact = {name: k for k, name in enumerate(known)}
    loose = _index(known, lambda name: [_normalize(name)])
    parts = _index(known, lambda name: [_normalize(part) for part in name.split(",")])
    places = [
        _first(exact.get(name), loose.get(_normalize(name)), parts.get(_normalize(name)))
        for name in names
    ]
    missing = [name for name, place in zip(names, places, strict=True) if place is None]
    if missing:
        raise InputError(
            f"{len(missing)} of {len(names)} classes in {where} are not among the "
            f"{len(known)} known ones: {_shorten(missing)}; known are {_shorten(known)}. If they "
            "are called otherwise, list the model's classes by the images' names with "
            "--classes FILE"
        )
    twice = [name for k, name in enumerate(names) if places.index(places[k]) != k]
    if twice:
        raise InputError(f"{where}: {_shorten(twice)} is the same class as another one: join them")
    return [place for place in places if place is not None]


def to_model_order(images: LabeledImages, names: Sequence[str], where: str) -> LabeledImages:
    """The images with the model's class numbers and names; unchanged if it has no names."""
    own = images.class_names
    if not names or (own and _are_numbers(own, names)):
        return images
    if not own:
        return replace(images, class_names=tuple(names))
    return _renumber(images, match_names(own, names, where), tuple(names))


def match_training_classes(
    other: LabeledImages, images: LabeledImages, where: str
) -> tuple[LabeledImages, str]:
    """A holdout or test set with the class numbers of the training images, matched by name.

    Returns:
        The images, and a note about classes without images; empty if there are none.
    Raises:
        InputError: classes or labels that the training images do not have.
    """
    own, known = other.class_names, images.class_names
    if own and known and own != known:
        other = _renumber(other, match_names(own, known, where), known)
    elif own and not known:
        other = _match_by_number(other, images.class_count, where)
    elif int(other.labels.max()) >= images.class_count:
        raise InputError(
            f"{where} has a label {int(other.labels.max())}, the training images have "
            f"{images.class_count} classes: give images of the same classes"
        )
    present, wanted = set(other.labels.tolist()), set(images.labels.tolist())
    missing = [known[k] if known else str(k) for k in sorted(wanted - present)]
    note = f"{where} has no images of {_shorten(missing)}; other classes are matched by name"
    return other, note if missing else ""


def _match_by_number(other: LabeledImages, classes: int, where: str) -> LabeledImages:
    """Images with class names, for training images that have only class numbers."""
    names = other.class_names
    if all(name.isdigit() and int(name) < classes for name in names):
        return replace(_renumber(other, [int(name) for name in names], ()), class_names=())
    if len(names) == classes:
        return replace(other, class_names=())
    raise InputError(
        f"{where} names {len(names)} classes ({_shorten(names)}), the training images number "
        f"{classes}: give both with names, or both with numbers"
    )


def _renumber(
    images: LabeledImages, numbers: Sequence[int], names: tuple[str, ...]
) -> LabeledImages:
    return replace(images, labels=torch.tensor(numbers)[images.labels], class_names=names)


def reorder_classes(images: LabeledImages, order: Sequence[int]) -> LabeledImages:
    """The images with their classes in another order.

    Args:
        order: the new number of each class.
    """
    by_number = sorted(range(len(order)), key=lambda k: order[k])
    return _renumber(images, order, tuple(images.class_names[k] for k in by_number))


def _index(names: Sequence[str], keys: Callable[[str], Iterable[str]]) -> dict[str, int | None]:
    """The position of the name of each key; None if two names have the same key."""
    places: dict[str, int | None] = {}
    for place, name in enumerate(names):
        for key in keys(name):
            places[key] = None if key in places and places[key] != place else place
    return places


def _first(*places: int | None) -> int | None:
    return next((place for place in places if place is not None), None)


def _normalize(name: str) -> str:
    return re.sub(r"[\W_]+", " ", name.casefold()).strip()


def _shorten(names: Iterable[object]) -> str:
    shown = [printable(repr(name) if isinstance(name, str) else str(name)) for name in names]
    more = len(shown) - MAX_SHOWN
    return ", ".join(shown[:MAX_SHOWN]) + (f" and {more} more" * (more > 0))
