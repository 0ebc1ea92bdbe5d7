"""Poison needs what sets it apart for its label; clean images need no lack of it."""

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor, nn

from ..data.pixels import to_pixels
from ..mapping import evenly, rows_of
from ..metrics import rate
from ..models.inference import called
from ..types import Index, LabeledImages, Labels
from .groups import Division, turned
from .likening import sides
from .samples import some

EACH = 40
"""Images of either side, and of the class that it is led back to."""
NEEDED = 0.2
"""One side keeps its label so much less without what sets it apart than the other does with it; and
its values make so many more of the other classes look like it, if that is heard of."""
LOST = 0.5
"""Where less of either side keeps its label, the trigger leads on from this class as well."""


def needing(
    model: nn.Module,
    images: LabeledImages,
    label: int,
    division: Division,
    sources: Mapping[int, Index],
    generator: torch.Generator,
) -> Division | None:
    """The division with the side as planted that needs what sets it apart; None if neither does.

    Args:
        division: of the class of that label.
        sources: rows of every other class.
    """
    difference = apart(images, division)
    said = without(model, images, division, difference, generator)
    inside, outside = (rate(part == label) for part in said)
    if max(inside, outside) < LOST:
        return _by_origin(model, images, label, division, said, difference, sources)
    if abs(inside - outside) < NEEDED:
        return None
    return division if inside < outside else turned(division)


def _by_origin(
    model: nn.Module,
    images: LabeledImages,
    label: int,
    division: Division,
    said: Sequence[Labels],
    difference: Tensor,
    sources: Mapping[int, Index],
) -> Division | None:
    """The side as planted that comes from where its trigger leads from.

    With a trigger that takes every class to the next, clean images go on, and poison goes back.
    """
    planted, other = (
        led_back(model, images, label, part, led, sources)
        for part, led in zip(said, (difference, -difference), strict=True)
    )
    if max(planted, other) < NEEDED:
        return None
    return division if planted >= other else turned(division)


def apart(images: LabeledImages, division: Division) -> Tensor:
    """What sets the group apart: the difference of both mean images."""
    group, others = sides(images.pixels, division)
    return group.mean - others.mean


def without(
    model: nn.Module,
    images: LabeledImages,
    division: Division,
    difference: Tensor,
    generator: torch.Generator,
) -> tuple[Tensor, Tensor]:
    """What some of the group are called without what sets it apart, and some of the rest with it.

    Poison needs its trigger for its label; clean images need no lack of one.
    """
    return (
        _said(model, images, some(division.inside, EACH, generator), -difference),
        _said(model, images, some(division.outside, EACH, generator), difference),
    )


def led_back(
    model: nn.Module,
    images: LabeledImages,
    label: int,
    said: Labels,
    difference: Tensor,
    sources: Mapping[int, Index],
) -> float:
    """Share called `label`, with what sets a group apart, of the class that it is without that.

    Args:
        said: what the group is called without it.
        sources: rows of every other class.
    """
    elsewhere = said[torch.isin(said, torch.tensor(list(sources), dtype=torch.long))]
    if not len(elsewhere):
        return 0.0
    rows = evenly(sources[int(elsewhere.mode().values)], EACH)
    return rate(_said(model, images, rows, difference) == label)


def _said(model: nn.Module, images: LabeledImages, rows: Index, moved: Tensor) -> Labels:
    """What these images are called once they are moved."""
    pixels = to_pixels(rows_of(images.pixels, rows).float() + moved)
    return called(model, pixels)
