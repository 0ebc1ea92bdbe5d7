"""Where each search stands: one row a track, several tracks an image where classes rival."""

from dataclasses import dataclass, fields, replace

import torch
from jaxtyping import Bool, Float, Int64
from torch import Tensor

PULL, PUSH = 0.4, 1.0


@dataclass(slots=True)
class Tracks:
    """All searches that are under way.

    `point` is the displacement to look at next, `before` the one looked at last. `way` is the
    direction of the best boundary point so far, as a displacement of length 1, `radius` its
    distance (inf before there is one) and `slope` the margin's rate along it; `ceiling` is a
    distance at which that way has been seen to be across. `pull` is the share of the tangential
    part that a step takes back, `push` by how much it overshoots while it fails to cross, `reach`
    how far one step may go, `gap` the last margin in absolute value, `first_gap` that at the image,
    `seen` counts looks, `settled` those in a row near a boundary, `idle` those without a gain.
    """

    image: Int64[Tensor, " t"]
    point: Float[Tensor, "t d"]
    before: Float[Tensor, "t d"]
    way: Float[Tensor, "t d"]
    radius: Float[Tensor, " t"]
    slope: Float[Tensor, " t"]
    ceiling: Float[Tensor, " t"]
    pull: Float[Tensor, " t"]
    push: Float[Tensor, " t"]
    reach: Float[Tensor, " t"]
    gap: Float[Tensor, " t"]
    first_gap: Float[Tensor, " t"]
    last_slope: Float[Tensor, " t"]
    seen: Int64[Tensor, " t"]
    settled: Int64[Tensor, " t"]
    idle: Int64[Tensor, " t"]

    def __len__(self) -> int:
        return len(self.image)

    def take(self, rows: Int64[Tensor, " m"] | Bool[Tensor, " t"]) -> "Tracks":
        """These tracks alone."""
        return Tracks(*(getattr(self, column.name)[rows] for column in fields(self)))

    def put(self, rows: Int64[Tensor, " m"], part: "Tracks") -> None:
        """Write a part back into its rows."""
        for column in fields(self):
            getattr(self, column.name)[rows] = getattr(part, column.name)

    def best(self, count: int) -> "Tracks":
        """The `count` tracks of each image with the least radius, in the order of the images."""
        return self.take(least(self.image, self.radius, count))

    def forgetful(self) -> "Tracks":
        """The same tracks without the least radius, so that the next look decides."""
        return replace(self, radius=torch.full_like(self.radius, torch.inf))


def least(
    image: Int64[Tensor, " t"], value: Float[Tensor, " t"], count: int
) -> Int64[Tensor, " m"]:
    """The rows with each image's `count` least values, in the order of the images."""
    by_value = value.argsort(stable=True)
    order = by_value[image[by_value].argsort(stable=True)]
    first = torch.searchsorted(image[order], image[order])
    rank = torch.arange(len(order), device=order.device) - first
    return order[rank < count]


def start_tracks(
    image: Int64[Tensor, " t"],
    step: Float[Tensor, "t d"],
    unit: Float[Tensor, "t d"],
    reach: Float[Tensor, " t"],
    gap: Float[Tensor, " t"],
) -> Tracks:
    """Tracks that have not looked at anything yet; `step` is where they look first."""

    def filled(value: float) -> Tensor:
        return torch.full_like(gap, value)

    none = torch.zeros_like(image)
    return Tracks(
        image=image,
        point=step,
        before=torch.zeros_like(step),
        way=unit,
        radius=filled(torch.inf),
        slope=filled(0),
        ceiling=filled(torch.inf),
        pull=filled(PULL),
        push=filled(PUSH),
        reach=reach,
        gap=gap.clone(),
        first_gap=gap.clone(),
        last_slope=filled(0),
        seen=none,
        settled=none.clone(),
        idle=none.clone(),
    )
