"""The nearest point of a hyperplane inside the pixel box, in L2 or L-infinity."""

from typing import Literal, TypeAlias

import torch
from jaxtyping import Float
from torch import Tensor

from ..errors import InputError

Norm: TypeAlias = Literal["2", "inf"]
"""How a perturbation is measured: Euclidean, or by its largest change of a pixel."""


def norm_named(norm: Norm | float) -> Norm:
    """The norm that 2, inf, "2" or "inf" stands for.

    Raises:
        InputError: another one.
    """
    known: dict[str, Norm] = {"2": "2", "2.0": "2", "inf": "inf"}
    if str(norm) not in known:
        raise InputError(f"norm is {norm}: give 2 or inf")
    return known[str(norm)]


PASSES = 60
"""Newton steps at the most; nearly all problems need two to five."""
CLOSE = 1e-6


def step_to_hyperplane(
    points: Float[Tensor, "n d"],
    normal: Float[Tensor, "n d"],
    margin: Float[Tensor, " n"],
    norm: Norm = "2",
) -> Float[Tensor, "n d"]:
    """The least step `s` with `normal @ s == -margin` that keeps `points + s` in [0, 1].

    Every coordinate moves against the normal, at speed |normal_i| (L2) or 1 (L-infinity), until it
    meets the box. What they gain together grows with the time of travel, piecewise linearly and
    ever more slowly, so Newton's method from zero never overshoots and ends at the exact time.

    Args:
        points: in [0, 1].
        margin: at least 0.
    Returns:
        The step; where even the corner of the box stays short of the hyperplane, the step to it.
    """
    scale = normal.abs().amax(1, keepdim=True)
    scale = torch.where(scale > 0, scale, 1.0)
    normal, margin = normal / scale, margin[:, None] / scale
    weight = normal.abs()
    speed = weight if norm == "2" else (weight > 0).to(weight.dtype)
    room = torch.where(normal > 0, points, 1 - points)
    travel = margin / (weight * speed).sum(1, keepdim=True).clamp_min(1e-30)
    for _ in range(PASSES):
        path = speed * travel
        missing = margin - (weight * torch.minimum(path, room)).sum(1, keepdim=True)
        rate = (weight * speed * (path < room)).sum(1, keepdim=True)
        going = (missing > CLOSE * margin) & (rate > 0)
        if not bool(going.any()):
            break
        travel = torch.where(going, travel + missing / rate.clamp_min(1e-30), travel)
    return -normal.sign() * torch.minimum(speed * travel, room)


def length(steps: Float[Tensor, "n d"], norm: Norm = "2") -> Float[Tensor, " n"]:
    """The norm of each row."""
    return steps.norm(dim=1) if norm == "2" else steps.abs().amax(1)


def straight_step(
    normal: Float[Tensor, "n d"], margin: Float[Tensor, " n"], norm: Norm = "2"
) -> Float[Tensor, "n d"]:
    """The least step that takes the margin away where there is no box."""
    if norm == "2":
        return -(margin / normal.square().sum(1).clamp_min(1e-24))[:, None] * normal
    return -(margin / normal.abs().sum(1).clamp_min(1e-24))[:, None] * normal.sign()


def steepness(normal: Float[Tensor, "*n d"], norm: Norm = "2") -> Float[Tensor, "*n"]:
    """The dual norm of each row: by how much a step of length 1 can change the margin."""
    return (normal.norm(dim=-1) if norm == "2" else normal.abs().sum(-1)).clamp_min(1e-12)
