"""Trials: would a second population of a class be there if nobody had planted it?"""

from collections.abc import Mapping
from dataclasses import dataclass, field

import torch
from jaxtyping import Float
from torch import Tensor, nn

from ..mapping import rows_of
from ..metrics import rate
from ..models.inference import predict
from ..types import Index, LabeledImages, Logits, Pixels
from .boundary_statistics import evenness
from .groups import Division
from .moments import moments

EACH, FEWEST = 40, 10
EVEN = 0.8
NATURAL, REST = 8, 300
"""Principal components of a class's own variation, and the images that they are taken from."""
NUMBERS = 64
"""Of an image, at the least, for each component: in small images any trigger lies among a few."""
KNOWN = 0.5
"""Share of a class's held-out images that a student calls by their label, if it is to be heard."""
TRANSFER, REVERSION = 0.04, 0.08
"""Means, at the most, of both in classes where nothing is planted (docs/method.md)."""


@dataclass(frozen=True, slots=True)
class Trial:
    """What came of trying a class's division.

    Args:
        carried: for each other class, by how much more of it is called by the label once it has
            what sets the group apart.
        reversion: how far a student that never saw the group takes it for something else, in
            [0, 1].
    """

    carried: Mapping[int, float] = field(default_factory=dict)
    reversion: float = 0.0

    @property
    def transfer(self) -> float:
        """What is carried over, in [0, 1]: the mean over the other classes."""
        return max(0.0, sum(self.carried.values()) / max(1, len(self.carried)))

    @property
    def strength(self) -> float:
        """The stronger of both, in multiples of what a clean class has of it at the most."""
        return max(self.transfer / TRANSFER, self.reversion / REVERSION)


def carry_over(
    model: nn.Module,
    images: LabeledImages,
    label: int,
    division: Division,
    sources: Mapping[int, Index],
    generator: torch.Generator,
) -> dict[int, float]:
    """Share of each other class that is called `label` with what sets the group apart.

    The mean difference between the group and the rest of its class, as far as it is foreign to that
    rest, is added to images of the other classes (and, because a network may take its reverse for
    the same, subtracted). A natural likeness does not carry over; most triggers do, but for warps
    and those that differ from image to image.

    Args:
        division: of the class of that label.
        sources: rows of every other class.
    Returns:
        By class, less what was called so before; classes with less than ten images are left out.
    """
    chosen = {
        source: _some(rows, generator) for source, rows in sources.items() if len(rows) >= FEWEST
    }
    if not chosen:
        return {}
    difference = foreign(
        mean_difference(images.pixels, division), rows_of(images.pixels, _few(division))
    )
    pixels = rows_of(images.pixels, torch.cat(list(chosen.values())))
    sizes = [len(rows) for rows in chosen.values()]
    before = _called(model, pixels, label, sizes)
    risen = [
        _called(model, _moved(pixels, sign * difference), label, sizes) - before for sign in (1, -1)
    ]
    most = max(risen, key=lambda shares: float(shares.mean()))
    return dict(zip(chosen, most.tolist(), strict=True))


def kept_without(
    model: nn.Module,
    images: LabeledImages,
    label: int,
    division: Division,
    generator: torch.Generator,
) -> tuple[float, float]:
    """Share of the group still called `label` without what sets it apart, and of the rest with it.

    Poison needs its trigger for its label; clean images need no lack of one.
    """
    difference = mean_difference(images.pixels, division)

    def kept(rows: Index, moved: Tensor) -> float:
        pixels = _moved(rows_of(images.pixels, _some(rows, generator)), moved)
        return rate(predict(model, pixels).argmax(1) == label)

    return kept(division.inside, -difference), kept(division.outside, difference)


def mean_difference(pixels: Pixels, division: Division) -> Tensor:
    """The mean image of the group less that of the rest of its class, in 0..255 units."""
    group, rest = (moments(pixels, rows).mean for rows in (division.inside, division.outside))
    return group - rest


def foreign(difference: Tensor, rest: Pixels) -> Tensor:
    """The part of a difference of mean images that the rest of the class does not vary by itself.

    Where a class is a pattern of any phase or sign, its halves differ by the pattern, which makes
    other images look like the class; but so do its images among each other.

    Args:
        difference: `(c, h, w)`.
        rest: images of the class outside of the group.
    Returns:
        The difference without its projection on the first principal components of `rest`: eight,
        less for images of less than 512 numbers.
    """
    flat = rest.float().flatten(1)
    flat -= flat.mean(0)
    scale, axes = torch.linalg.eigh(flat @ flat.T)
    count = min(NATURAL, flat.shape[1] // NUMBERS, int((scale > scale[-1:] * 1e-6).sum()))
    axes = (axes[:, len(axes) - count :].T @ flat).T  # the last are the largest
    axes = axes / axes.norm(dim=0)
    line = difference.flatten()
    natural: Tensor = axes @ (axes.T @ line)
    return (line - natural).reshape(difference.shape)


def _few(division: Division) -> Tensor:
    """Evenly spaced rows outside of the group."""
    rows = division.outside
    return rows[torch.linspace(0, len(rows) - 1, min(REST, len(rows))).long()]


def _some(rows: Index, generator: torch.Generator) -> Tensor:
    return rows[torch.randperm(len(rows), generator=generator)[:EACH]]


def _moved(pixels: Pixels, difference: Tensor) -> Pixels:
    return (pixels.float() + difference).round().clamp(0, 255).to(torch.uint8)


def _called(model: nn.Module, pixels: Pixels, label: int, sizes: list[int]) -> Tensor:
    """The share of each class that is called `label`."""
    hits = (predict(model, pixels).argmax(1) == label).float()
    return torch.stack([part.mean() for part in torch.split(hits, sizes)])


def reversion(
    said: Logits, held_out: Float[Tensor, "m k"], label: int, carried: Mapping[int, float]
) -> float:
    """How far a student that never saw a group takes it for something else, of every kind.

    A natural group is still called by its label by many, or goes to its look-alikes. Poison that
    came from everywhere goes back to everywhere; poison of one source goes back to that one, from
    which the trigger can be seen to carry over.

    Args:
        said: the student's logits of the group.
        held_out: its logits of other images of the class that it never saw.
        carried: see `carry_over`.
    Returns:
        `1 - kept / held`, the shares of both called by the label; times how evenly the other labels
        are spread (0 up to an evenness of 0.8, 1 where even), or times what carries over from the
        likeliest of them, whichever is more. Nothing where the student knows the class too little:
        what it does not know, it takes for anything.
    """
    if not len(said) or not len(held_out):
        return 0.0
    kept = float((said.argmax(1) == label).float().mean())
    held = float((held_out.argmax(1) == label).float().mean())
    if held < KNOWN:
        return 0.0
    likely = said.softmax(1).mean(0)
    likely[label] = 0
    spread = (evenness(torch.cat([likely[:label], likely[label + 1 :]])) - EVEN) / (1 - EVEN)
    back = max(0.0, spread, carried.get(int(likely.argmax()), 0.0))
    return max(0.0, 1 - kept / held) * back
