"""The state of a boundary search: one row per track, one or more tracks per image."""

from dataclasses import dataclass, fields, replace

import torch
from jaxtyping import Bool, Float, Int64
from torch import Tensor

INITIAL_PULL, INITIAL_PUSH = 0.4, 1.0


@dataclass(slots=True)
class Tracks:
    """The state of all tracks. A track is one search from an image; points are displacements.

    Args:
        image: the image that the track belongs to.
        proposal: the displacement to evaluate next.
        previous: the displacement evaluated last.
        direction: direction of the best boundary point so far, of length 1.
        radius: its distance; inf before there is one.
        slope: rate of the margin along that direction.
        crossed_at: a distance at which that direction has been seen to be across; inf if unknown.
        pull: weight of the projection of the image, against that of the point.
        push: factor on the margin of a step while steps fail to cross.
        max_step: longest step.
        last_margin: absolute value of the last margin.
        first_margin: the margin at the image.
        last_slope: the last negative slope of a ray.
        evaluations: number of evaluated proposals.
        steps_near: steps in a row near the boundary.
        idle: steps in a row without a gain.
    """

    image: Int64[Tensor, " t"]
    proposal: Float[Tensor, "t d"]
    previous: Float[Tensor, "t d"]
    direction: Float[Tensor, "t d"]
    radius: Float[Tensor, " t"]
    slope: Float[Tensor, " t"]
    crossed_at: Float[Tensor, " t"]
    pull: Float[Tensor, " t"]
    push: Float[Tensor, " t"]
    max_step: Float[Tensor, " t"]
    last_margin: Float[Tensor, " t"]
    first_margin: Float[Tensor, " t"]
    last_slope: Float[Tensor, " t"]
    evaluations: Int64[Tensor, " t"]
    steps_near: Int64[Tensor, " t"]
    idle: Int64[Tensor, " t"]

    def __len__(self) -> int:
        return len(self.image)

    def take(self, rows: Int64[Tensor, " m"] | Bool[Tensor, " t"]) -> "Tracks":
        """The tracks of these rows."""
        return Tracks(*(getattr(self, column.name)[rows] for column in fields(self)))

    def put(self, rows: Int64[Tensor, " m"], part: "Tracks") -> None:
        """Write tracks back into their rows."""
        for column in fields(self):
            getattr(self, column.name)[rows] = getattr(part, column.name)

    def best(self, count: int) -> "Tracks":
        """The `count` tracks of each image with the smallest radius, in the order of the images."""
        return self.take(smallest_per_image(self.image, self.radius, count))

    def without_radius(self) -> "Tracks":
        """The same tracks with an infinite radius, so that the next step sets it."""
        return replace(self, radius=torch.full_like(self.radius, torch.inf))


def smallest_per_image(
    image: Int64[Tensor, " t"], value: Float[Tensor, " t"], count: int
) -> Int64[Tensor, " m"]:
    """The rows with the `count` smallest values of each image, in the order of the images.

    >>> smallest_per_image(torch.tensor([0, 0, 1]), torch.tensor([2.0, 1.0, 3.0]), 1)
    tensor([1, 2])
    """
    by_value = value.argsort(stable=True)
    order = by_value[image[by_value].argsort(stable=True)]
    first = torch.searchsorted(image[order], image[order])
    rank = torch.arange(len(order), device=order.device) - first
    return order[rank < count]


def start_tracks(
    image: Int64[Tensor, " t"],
    proposal: Float[Tensor, "t d"],
    direction: Float[Tensor, "t d"],
    max_step: Float[Tensor, " t"],
    margin: Float[Tensor, " t"],
) -> Tracks:
    """Tracks that have not been evaluated yet; see `Tracks` for the arguments."""

    def filled(value: float) -> Tensor:
        return torch.full_like(margin, value)

    zeros = torch.zeros_like(image)
    return Tracks(
        image=image,
        proposal=proposal,
        previous=torch.zeros_like(proposal),
        direction=direction,
        radius=filled(torch.inf),
        slope=filled(0),
        crossed_at=filled(torch.inf),
        pull=filled(INITIAL_PULL),
        push=filled(INITIAL_PUSH),
        max_step=max_step,
        last_margin=margin.clone(),
        first_margin=margin.clone(),
        last_slope=filled(0),
        evaluations=zeros,
        steps_near=zeros.clone(),
        idle=zeros.clone(),
    )
