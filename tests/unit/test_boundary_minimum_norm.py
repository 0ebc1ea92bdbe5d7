"""The fast engine: its points are verified, and as near as a slow search finds them."""

import pytest
import torch
from torch import nn

from backburn.boundary.budget import Budget
from backburn.boundary.deepfool import deepfool
from backburn.boundary.minimum_norm import find_nearest_points
from backburn.models.nets.zoo import build

PRECISIONS = pytest.mark.parametrize("low_precision", [False, True], ids=["fp32", "bf16"])


def distance(crossing, images: torch.Tensor) -> torch.Tensor:
    return (crossing.points - images).flatten(1).norm(dim=1)


def check_points(model, images, crossing) -> None:
    assert bool(crossing.found.all())
    assert crossing.points.min() >= 0
    assert crossing.points.max() <= 1
    assert torch.equal(model(crossing.points).argmax(1), crossing.crossed_label)
    assert bool((crossing.crossed_label != model(images).argmax(1)).all())


@pytest.mark.parametrize(("low_precision", "slack"), [(False, 1.02), (True, 1.1)])
@pytest.mark.parametrize("classes", [2, 6])
def test_on_a_linear_model_distances_are_those_of_geometry(
    classes, low_precision, slack, generator
):
    layer = nn.Linear(48, classes)
    nn.init.normal_(layer.weight, generator=generator)
    with torch.no_grad():
        layer.bias.copy_(0.5 * torch.randn(classes, generator=generator) - layer.weight.sum(1) / 2)
    model = nn.Sequential(nn.Flatten(), layer).eval().requires_grad_(False)
    images = 0.5 + 0.02 * torch.randn(20, 3, 4, 4, generator=generator)
    crossing = find_nearest_points(
        model, images, budget=Budget(candidates=5), low_precision=low_precision
    )
    check_points(model, images, crossing)
    logits = model(images)
    start = logits.argmax(1)
    apart = (layer.weight[start][:, None] - layer.weight[None]).norm(dim=2)
    margins = logits.gather(1, start[:, None]) - logits
    least = (margins / apart).nan_to_num(torch.inf).min(1).values
    assert bool((distance(crossing, images) >= least * (1 - 1e-3)).all())
    assert (distance(crossing, images) / least).median() < slack


@PRECISIONS
@pytest.mark.parametrize(("name", "size"), [("small_cnn-w4", 8), ("preact_resnet18-w4", 16)])
def test_on_a_network_every_point_found_is_called_otherwise(name, size, low_precision, generator):
    model = build(name, 5, 3, generator=generator).eval().requires_grad_(False)
    images = torch.rand(12, 3, size, size, generator=generator)
    check_points(model, images, find_nearest_points(model, images, low_precision=low_precision))


@PRECISIONS
def test_the_distances_are_about_as_short_as_those_of_deepfool(low_precision, generator):
    model = build("small_cnn-w4", 5, 3, generator=generator).eval().requires_grad_(False)
    images = torch.rand(12, 3, 8, 8, generator=generator)
    fast = distance(
        find_nearest_points(
            model, images, budget=Budget(candidates=4), low_precision=low_precision
        ),
        images,
    )
    slow = distance(deepfool(model, images, candidates=4), images)
    assert (fast / slow).median() < 1.05
