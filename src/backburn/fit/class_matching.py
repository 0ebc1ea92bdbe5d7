"""Classes by their names: the images' and the model's, or a holdout's and the training set's."""

import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace

import torch

from ..errors import InputError, printable
from ..types import LabeledImages

SHOWN = 5


def check_counts(outputs: int, names: Sequence[str], where: str) -> Callable[..., None]:
    """A check of labels against a network's outputs, before anything is decoded.

    Args:
        names: the model's classes in its order, where they are known.
        where: what messages call the images.
    Returns:
        A function of labels and class names that raises InputError where they cannot go together.
    """

    def check(labels: Sequence[int], class_names: tuple[str, ...]) -> None:
        if names and len(names) != outputs:
            raise InputError(
                f"{len(names)} classes are listed for the model, which has {outputs} outputs: "
                "list as many, in the model's order"
            )
        if len(set(labels)) < 2:
            return  # whoever reads them says that
        if names and class_names and not _numerals(class_names, names):
            matched(class_names, names, where)
        elif class_names:
            _check_names(class_names, labels, outputs, where)
        else:
            _check_numbers(labels, outputs, where)

    return check


def _check_names(names: Sequence[str], labels: Sequence[int], outputs: int, where: str) -> None:
    if len(names) == outputs:
        return
    empty = sorted(set(range(len(names))) - set(labels))
    told = f"the model has {outputs} outputs, but the images in {where} have {len(names)} classes"
    if len(names) < outputs:
        raise InputError(
            f"{told} ({_few(names)}): is a class's folder missing? List the model's classes in its "
            "order, one a line, and give the file with --classes FILE"
        )
    if empty:
        raise InputError(
            f"{told}, of which {_few(names[k] for k in empty)} has no images: take the folder away"
        )
    raise InputError(
        f"{told} ({_few(names)}): take the folders away that the model has no class for"
    )


def _check_numbers(labels: Sequence[int], outputs: int, where: str) -> None:
    low, high = min(labels), max(labels)
    if high < outputs:
        return
    told = f"the labels in {where} go from {low} to {high}, but the model has {outputs} outputs"
    if low == 1 and high == outputs:
        raise InputError(f"{told} (0 to {outputs - 1}): do labels start at 1? Give them from 0")
    many = sorted({label for label in labels if label >= outputs})
    raise InputError(f"{told} (0 to {outputs - 1}): {_few(many)} is too many")


def _numerals(names: Sequence[str], other: Sequence[str]) -> bool:
    """Whether classes have only numbers for names, and other names are none."""
    return all(name.isdigit() for name in names) and not all(name.isdigit() for name in other)


def matched(names: Sequence[str], known: Sequence[str], where: str) -> list[int]:
    """The place of each name among known ones: letter by letter, else but for case and signs.

    Raises:
        InputError: names that are not among them.
    """
    exact = {name: k for k, name in enumerate(known)}
    loose = _index(known, lambda name: [_plain(name)])
    parts = _index(known, lambda name: [_plain(part) for part in name.split(",")])
    found = [_first(exact.get(n), loose.get(_plain(n)), parts.get(_plain(n))) for n in names]
    lacking = [name for name, place in zip(names, found, strict=True) if place is None]
    if lacking:
        raise InputError(
            f"{len(lacking)} of {len(names)} classes in {where} are not among the "
            f"{len(known)} known ones: {_few(lacking)}; known are {_few(known)}. If they are "
            "called otherwise, list the model's classes by the images' names with --classes FILE"
        )
    twice = [name for k, name in enumerate(names) if found.index(found[k]) != k]
    if twice:
        raise InputError(f"{where}: {_few(twice)} is the same class as another one: join them")
    return [place for place in found if place is not None]


def in_order(images: LabeledImages, names: Sequence[str], where: str) -> LabeledImages:
    """The images with the model's numbers and names of their classes; as they are without names."""
    own = images.class_names
    if not names or (own and _numerals(own, names)):
        return images
    if not own:
        return replace(images, class_names=tuple(names))
    return _numbered(images, matched(own, names, where), tuple(names))


def like(other: LabeledImages, images: LabeledImages, where: str) -> tuple[LabeledImages, str]:
    """A holdout or test set with the class numbers of the training images, by name.

    Returns:
        The images, and a line about classes of which there are none; empty if there are of all.
    Raises:
        InputError: classes or labels that the training images do not have.
    """
    own, known = other.class_names, images.class_names
    if own and known and own != known:
        other = _numbered(other, matched(own, known, where), known)
    elif own and not known:
        other = _by_number(other, images.class_count, where)
    elif int(other.labels.max()) >= images.class_count:
        raise InputError(
            f"{where} has a label {int(other.labels.max())}, the training images have "
            f"{images.class_count} classes: give images of the same classes"
        )
    there, wanted = set(other.labels.tolist()), set(images.labels.tolist())
    lacking = [known[k] if known else str(k) for k in sorted(wanted - there)]
    line = f"{where} has no images of {_few(lacking)}; other classes are matched by name"
    return other, line if lacking else ""


def _by_number(other: LabeledImages, classes: int, where: str) -> LabeledImages:
    """Named classes for training images that have numbers only."""
    names = other.class_names
    if all(name.isdigit() and int(name) < classes for name in names):
        return replace(_numbered(other, [int(name) for name in names], ()), class_names=())
    if len(names) == classes:
        return replace(other, class_names=())
    raise InputError(
        f"{where} names {len(names)} classes ({_few(names)}), the training images number "
        f"{classes}: give both with names, or both with numbers"
    )


def _numbered(
    images: LabeledImages, places: Sequence[int], names: tuple[str, ...]
) -> LabeledImages:
    return replace(images, labels=torch.tensor(places)[images.labels], class_names=names)


def renumbered(images: LabeledImages, order: Sequence[int]) -> LabeledImages:
    """The images with their classes in another order, given as the new number of each."""
    by_number = sorted(range(len(order)), key=lambda k: order[k])
    return _numbered(images, order, tuple(images.class_names[k] for k in by_number))


def _index(known: Sequence[str], keys: Callable[[str], Iterable[str]]) -> dict[str, int | None]:
    """Places by key; None for a key of two."""
    found: dict[str, int | None] = {}
    for place, name in enumerate(known):
        for key in keys(name):
            found[key] = None if key in found and found[key] != place else place
    return found


def _first(*places: int | None) -> int | None:
    return next((place for place in places if place is not None), None)


def _plain(name: str) -> str:
    return re.sub(r"[\W_]+", " ", name.casefold()).strip()


def _few(names: Iterable[object]) -> str:
    listed = [printable(repr(name) if isinstance(name, str) else str(name)) for name in names]
    return ", ".join(listed[:SHOWN]) + (f" and {len(listed) - SHOWN} more" * (len(listed) > SHOWN))
