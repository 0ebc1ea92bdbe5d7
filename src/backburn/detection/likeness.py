"""What sets a group apart, given to images of other classes."""

from collections.abc import Callable, Mapping, Sequence

import torch
from torch import Tensor, nn

from ..mapping import evenly, rows_of
from ..models.inference import called
from ..types import Index, LabeledImages, Pixels
from .groups import Division
from .likening import likenings
from .rounding import Rounding
from .samples import of_each, some

EACH, FEWEST = 40, 10
"""Images of another class that are likened (see `of_each`), and those it has at the least."""


def carry_over(
    model: nn.Module,
    images: LabeledImages,
    label: int,
    division: Division,
    sources: Mapping[int, Index],
    generator: torch.Generator,
    *,
    agreed: bool = False,
) -> dict[int, float]:
    """Share of each other class that is called `label` with what sets the group apart.

    Images of the other classes are likened to the group, beside the rest of its class (and, because
    a network may take the reverse for the same, to the rest, beside the group; see `likenings`). A
    natural likeness does not carry over; most triggers do, but for warps and those that differ from
    image to image.

    Args:
        division: of the class of that label.
        sources: rows of every other class.
        agreed: the model calls them all by their classes, so that it need not be asked first.
    Returns:
        By class, less what was called so before; classes with less than ten images are left out.
    """
    each = of_each(EACH, len(sources))
    chosen = {
        source: some(rows, each, generator)
        for source, rows in sources.items()
        if len(rows) >= FEWEST
    }
    asked = (images, label, chosen, likenings(images.pixels, division))
    risen = _risen(model, *asked, agreed=agreed)
    most = max(risen, key=lambda shares: float(shares.mean()))
    return dict(zip(chosen, most.tolist(), strict=True))


def carry_over_rounded(
    model: nn.Module,
    images: LabeledImages,
    label: int,
    roundings: Sequence[Rounding],
    sources: Mapping[int, Index],
) -> list[dict[int, float]]:
    """The same of images of the other classes, evenly spaced, by each of these roundings.

    Args:
        sources: rows of every other class, all of which the model calls by it.
    """
    each = of_each(EACH, len(sources))
    chosen = {source: evenly(rows, each) for source, rows in sources.items() if len(rows) >= FEWEST}
    risen = _risen(model, images, label, chosen, roundings, agreed=True)
    return [dict(zip(chosen, shares.tolist(), strict=True)) for shares in risen]


def _risen(
    model: nn.Module,
    images: LabeledImages,
    label: int,
    chosen: Mapping[int, Index],
    changes: Sequence[Callable[[Pixels], Pixels]],
    *,
    agreed: bool,
) -> list[Tensor]:
    """For each change, how much more of the images of each class is called `label` by it."""
    if not chosen:
        return [torch.zeros(0)] * len(changes)
    pixels = rows_of(images.pixels, torch.cat(list(chosen.values())))
    sizes = [len(rows) for rows in chosen.values()]
    before = 0.0 if agreed else _share(model, pixels, label, sizes)
    return [_share(model, change(pixels), label, sizes) - before for change in changes]


def _share(model: nn.Module, pixels: Pixels, label: int, sizes: list[int]) -> Tensor:
    """The share of each class that is called `label`."""
    hits = (called(model, pixels) == label).float()
    return torch.stack([part.mean() for part in torch.split(hits, sizes)])
