"""The nearest point of a hyperplane inside the pixel box, in closed form."""

import torch
from jaxtyping import Float
from torch import Tensor


def step_to_hyperplane(
    points: Float[Tensor, "n d"], normal: Float[Tensor, "n d"], margin: Float[Tensor, " n"]
) -> Float[Tensor, "n d"]:
    """The least L2 step `s` with `normal @ s == -margin` that keeps `points + s` in [0, 1].

    Solves the dual exactly: every coordinate moves at speed |normal_i| against the normal until it
    meets the box, and the common time of travel is found among the sorted times of arrival.

    Args:
        points: in [0, 1].
        margin: at least 0.
    Returns:
        The step; where even the corner of the box stays short of the hyperplane, the step to it.
    """
    scale = normal.abs().amax(1, keepdim=True)
    scale = torch.where(scale > 0, scale, 1.0)
    normal, margin = normal / scale, margin / scale[:, 0]
    speed = normal.abs()
    room = torch.where(normal > 0, points, 1 - points)
    arrival = torch.where(speed > 0, room / speed.clamp_min(1e-30), torch.inf)
    times, order = arrival.sort(1)
    power = speed.gather(1, order).square()
    halted = (power * times.nan_to_num(posinf=0.0)).cumsum(1)
    moving = power.flip(1).cumsum(1).flip(1) - power
    gained = halted + moving * times.nan_to_num(posinf=0.0)
    index = (gained < margin[:, None]).sum(1, keepdim=True).clamp_max(points.shape[1] - 1)
    before = halted.gather(1, index) - (power * times.nan_to_num(posinf=0.0)).gather(1, index)
    still = (moving + power).gather(1, index)
    travel = (margin[:, None] - before) / still.clamp_min(1e-30)
    return -normal.sign() * torch.minimum(speed * travel, room)
