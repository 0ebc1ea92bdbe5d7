"""The interface of an intervention, and the interventions that the detector applies."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Protocol, runtime_checkable

import torch
from jaxtyping import Float, Int64
from torch import Tensor

from ...memory_mapped import copy_rows
from ...types import Index, Pixels
from ..moments import Moments, moments
from ..settings import DecisionSettings


@dataclass(frozen=True)  # without slots, so that moments are kept
class EstimationData:
    """The data that a change is estimated from.

    Args:
        pixels: all images of the case.
        group: rows of the candidate group that the estimate may use.
        rest: rows of the class outside of the group that it may use.
        natural: orthonormal directions `(c * h * w, q)` of natural variation: those in which images
            vary within their class. Brightness and pose are among them, a trigger is not.
        seed: for all random draws.
        source: rows of the class that the group looks like; empty if there is none.
    """

    pixels: Pixels
    group: Index
    rest: Int64[Tensor, " r"]
    natural: Float[Tensor, "d q"]
    seed: int
    source: Int64[Tensor, " s"] = field(default_factory=lambda: torch.zeros(0, dtype=torch.long))

    @cached_property
    def group_moments(self) -> Moments:
        """The moments of the group's images."""
        return moments(self.pixels, self.group)

    @cached_property
    def rest_moments(self) -> Moments:
        """The moments of the rest's images."""
        return moments(self.pixels, self.rest)


@runtime_checkable
class Change(Protocol):
    """A change of images that an intervention has estimated."""

    def apply(self, pixels: Pixels) -> Pixels:
        """Add what sets the group apart to these images; uint8."""
        ...

    def invert(self, pixels: Pixels) -> Pixels | None:
        """Remove it from images of the group; None if the change can't be inverted."""
        ...


@runtime_checkable
class Intervention(Protocol):
    """A kind of change. A new trigger family is a new intervention, not a new rule.

    `resolution` is the finest scale of the tail of its null distribution, as a share of images. It
    is what the intervention transfers naturally in clean models. `from_source` says whether its
    change is applied to images of one class only, the one that the group looks like.
    """

    @property
    def resolution(self) -> float:
        """See above."""
        ...

    @property
    def from_source(self) -> bool:
        """See above."""
        ...

    def fit(self, estimate: EstimationData) -> Change:
        """Estimate the change that sets a group apart from the rest of its class."""
        ...


def all_interventions(settings: DecisionSettings) -> Mapping[str, Intervention]:
    """The interventions that the detector applies, by name."""
    from .affine_pixels import Affine, SourceAffine
    from .quantization import Quantization
    from .transplant import Crop, Mixture

    return {
        "affine": Affine(settings.standard_errors),
        "source": SourceAffine(settings.standard_errors, settings.resolution_source),
        "quantization": Quantization(),
        "mixture": Mixture(settings.resolution_transplant),
        "crop": Crop(settings.resolution_transplant),
    }


def natural_directions(
    pixels: Pixels, rows: Index, kinds: Tensor, count: int
) -> Float[Tensor, "d q"]:
    """The directions in which images vary most around the mean of their kind.

    Args:
        rows: the images to use.
        kinds: `(m,)` the kind of each. It is the class together with the group of the class's first
            split, so that a trigger shared by several classes is not taken for natural variation.
        count: most directions to return.
    Returns:
        Unit vectors; fewer, or none, where the images of each kind are alike.
    """
    flat = copy_rows(pixels, rows).float().flatten(1)
    for kind in set(kinds.tolist()):
        flat[kinds == kind] -= flat[kinds == kind].mean(0)
    flat = flat[flat.any(1)]  # the only image of its kind does not vary
    if not len(flat):
        return torch.zeros(flat.shape[1], 0)
    # in single precision, LAPACK fails on some matrices with many equal eigenvalues
    scale, axes = torch.linalg.eigh((flat @ flat.T).double())
    count = min(count, int((scale > scale[-1:].clamp_min(1e-12) * 1e-6).sum()))
    axes = (axes[:, len(axes) - count :].T.float() @ flat).T  # eigenvalues are in ascending order
    unit: Tensor = axes / axes.norm(dim=0).clamp_min(1e-12)
    return unit
