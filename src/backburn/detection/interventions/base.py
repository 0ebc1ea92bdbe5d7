"""The interface of an intervention, and the registry of those that the detector tries."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import torch
from jaxtyping import Float, Int64
from torch import Tensor

from ...memory_mapped import rows_of
from ...types import Index, Pixels


@dataclass(frozen=True, slots=True)
class Estimate:
    """What a change is estimated from.

    Args:
        pixels: all images of the case.
        group: rows of the candidate group that the estimate may use.
        rest: rows of the class outside of the group that it may use.
        natural: orthonormal directions `(c * h * w, q)` in which the images of *other* classes vary
            within their class. A trigger is not among them, brightness and pose are.
        seed: of whatever is drawn.
    """

    pixels: Pixels
    group: Index
    rest: Int64[Tensor, " r"]
    natural: Float[Tensor, "d q"]
    seed: int


@runtime_checkable
class Change(Protocol):
    """What an intervention does to images."""

    def apply(self, pixels: Pixels) -> Pixels:
        """The images with what sets the group apart, as uint8."""
        ...

    def invert(self, pixels: Pixels) -> Pixels | None:
        """Images of the group without it; None where it can't be inverted."""
        ...


@runtime_checkable
class Intervention(Protocol):
    """A kind of change. A new trigger family is a new entry here, not a new rule.

    `resolution` is the finest scale, as a share of images, that its null distribution's tail may
    have: what it does by nature in clean models.
    """

    @property
    def resolution(self) -> float:
        """See above."""
        ...

    def fit(self, estimate: Estimate) -> Change:
        """The change that sets a group apart from the rest of its class."""
        ...


def interventions() -> Mapping[str, Intervention]:
    """The registry, by name."""
    from .affine import Affine
    from .quantization import Quantization
    from .transplant import Crop, Mixture

    return {
        "affine": Affine(),
        "quantization": Quantization(),
        "mixture": Mixture(),
        "crop": Crop(),
    }


def natural_directions(
    pixels: Pixels, rows: Index, kinds: Tensor, count: int
) -> Float[Tensor, "d q"]:
    """The directions in which images vary most around the mean of their kind.

    Args:
        rows: of the images that are looked at.
        kinds: `(m,)`, the kind of each: its class and its side of the class's first split, so that
            a trigger that several classes share is not taken for natural variation.
        count: directions at the most.
    """
    flat = rows_of(pixels, rows).float().flatten(1)
    for kind in set(kinds.tolist()):
        flat[kinds == kind] -= flat[kinds == kind].mean(0)
    scale, axes = torch.linalg.eigh(flat @ flat.T)
    count = min(count, int((scale > scale[-1:].clamp_min(1e-12) * 1e-6).sum()))
    axes = (axes[:, len(axes) - count :].T @ flat).T  # the last are the largest
    unit: Tensor = axes / axes.norm(dim=0).clamp_min(1e-12)
    return unit
