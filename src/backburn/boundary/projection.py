"""Projection on a hyperplane inside the pixel box, and the L2 and L-infinity norms."""

from typing import Literal, TypeAlias

import torch
from jaxtyping import Float
from torch import Tensor

from ..errors import InputError

Norm: TypeAlias = Literal["2", "inf"]
"""How a perturbation is measured: Euclidean, or by its largest change of a pixel."""


def parse_norm(norm: Norm | float) -> Norm:
    """The norm that 2, inf, "2" or "inf" stands for.

    Raises:
        InputError: another value.

    >>> parse_norm(2), parse_norm(float("inf"))
    ('2', 'inf')
    """
    norms: dict[str, Norm] = {"2": "2", "2.0": "2", "inf": "inf"}
    if str(norm) not in norms:
        raise InputError(f"norm is {norm}: give 2 or inf")
    return norms[str(norm)]


MAX_NEWTON_STEPS = 60
"""Nearly all problems need two to five."""
TOLERANCE = 1e-6
"""Relative error of the margin at which Newton's method ends."""


def step_to_hyperplane(
    points: Float[Tensor, "n d"],
    normal: Float[Tensor, "n d"],
    margin: Float[Tensor, " n"],
    norm: Norm = "2",
) -> Float[Tensor, "n d"]:
    """The shortest step `s` with `normal @ s == -margin` that keeps `points + s` in [0, 1].

    Every coordinate moves against the normal, at speed |normal_i| (L2) or 1 (L-infinity), until it
    meets the box. The decrease of the margin is a piecewise linear and concave function of the
    travel time. Newton's method from zero therefore never overshoots, and ends at the exact time.

    Args:
        points: in [0, 1].
        margin: at least 0.
    Returns:
        The step. If even the corner of the box does not reach the hyperplane, the step to it.

    >>> point, normal = torch.tensor([[0.5, 0.9]]), torch.tensor([[-1.0, -1.0]])
    >>> step_to_hyperplane(point, normal, torch.tensor([0.3]))  # the second number meets the box
    tensor([[0.2000, 0.1000]])
    """
    scale = normal.abs().amax(1, keepdim=True)
    scale = torch.where(scale > 0, scale, 1.0)
    normal, margin = normal / scale, margin[:, None] / scale
    weight = normal.abs()
    speed = weight if norm == "2" else (weight > 0).to(weight.dtype)
    room = torch.where(normal > 0, points, 1 - points)
    time = margin / (weight * speed).sum(1, keepdim=True).clamp_min(1e-30)
    for _ in range(MAX_NEWTON_STEPS):
        path = speed * time
        missing = margin - (weight * torch.minimum(path, room)).sum(1, keepdim=True)
        rate = (weight * speed * (path < room)).sum(1, keepdim=True)
        unfinished = (missing > TOLERANCE * margin) & (rate > 0)
        if not bool(unfinished.any()):
            break
        time = torch.where(unfinished, time + missing / rate.clamp_min(1e-30), time)
    return -normal.sign() * torch.minimum(speed * time, room)


def step_norm(steps: Float[Tensor, "n d"], norm: Norm = "2") -> Float[Tensor, " n"]:
    """The norm of each row.

    >>> step_norm(torch.tensor([[3.0, -4.0]])), step_norm(torch.tensor([[3.0, -4.0]]), "inf")
    (tensor([5.]), tensor([4.]))
    """
    return steps.norm(dim=1) if norm == "2" else steps.abs().amax(1)


def unconstrained_step(
    normal: Float[Tensor, "n d"], margin: Float[Tensor, " n"], norm: Norm = "2"
) -> Float[Tensor, "n d"]:
    """The shortest step `s` with `normal @ s == -margin` without a box."""
    if norm == "2":
        return -(margin / normal.square().sum(1).clamp_min(1e-24))[:, None] * normal
    return -(margin / normal.abs().sum(1).clamp_min(1e-24))[:, None] * normal.sign()


def dual_norm(normal: Float[Tensor, "*n d"], norm: Norm = "2") -> Float[Tensor, "*n"]:
    """The dual norm of each row: the largest change of the margin by a step of length 1."""
    return (normal.norm(dim=-1) if norm == "2" else normal.abs().sum(-1)).clamp_min(1e-12)
