"""DeepFool on models whose boundary is known exactly, and on nets whose answer can be checked."""

import pytest
import torch
from torch import nn

from backburn.boundary.deepfool import deepfool
from backburn.boundary.projection import step_to_hyperplane
from backburn.models.nets.zoo import build


def linear(weight: torch.Tensor, bias: torch.Tensor) -> nn.Module:
    layer = nn.Linear(weight.shape[1], weight.shape[0])
    with torch.no_grad():
        layer.weight.copy_(weight)
        layer.bias.copy_(bias)
    return nn.Sequential(nn.Flatten(), layer).eval().requires_grad_(False)


def random_linear(classes: int, generator: torch.Generator) -> nn.Module:
    """A linear model on 3x4x4 images that is undecided, up to a little, on the grey image."""
    weight = torch.randn(classes, 48, generator=generator)
    bias = 0.3 * torch.randn(classes, generator=generator) - weight.sum(1) / 2
    return linear(weight, bias)


def near_gray(count: int, generator: torch.Generator) -> torch.Tensor:
    return 0.5 + 0.02 * torch.randn(count, 3, 4, 4, generator=generator)


def distance(crossing, images: torch.Tensor) -> torch.Tensor:
    return (crossing.points - images).flatten(1).norm(dim=1)


def check_points(model, images, crossing) -> None:
    """Each point lies in the box and is called what it is said to be called."""
    assert bool(crossing.found.all())
    assert crossing.points.min() >= 0
    assert crossing.points.max() <= 1
    assert torch.equal(model(crossing.points).argmax(1), crossing.crossed_label)
    assert bool((crossing.crossed_label != model(images).argmax(1)).all())


def test_two_classes_are_as_far_apart_as_geometry_says(generator):
    model, images = random_linear(2, generator), near_gray(20, generator)
    crossing = deepfool(model, images)
    check_points(model, images, crossing)
    logits, weight = model(images), model[1].weight
    expected = (logits[:, 0] - logits[:, 1]).abs() / (weight[0] - weight[1]).norm()
    assert torch.allclose(distance(crossing, images), expected, rtol=1e-3)


@pytest.mark.parametrize("classes", [3, 8])
def test_of_many_classes_the_nearest_is_crossed_into(classes, generator):
    model, images = random_linear(classes, generator), near_gray(20, generator)
    crossing = deepfool(model, images, candidates=classes - 1)
    check_points(model, images, crossing)
    logits, weight = model(images), model[1].weight
    start = logits.argmax(1)
    margins = logits.gather(1, start[:, None]) - logits
    apart = (weight[start][:, None] - weight[None]).norm(dim=2)
    apart[torch.arange(20), start] = 0
    expected, label = (margins / apart).nan_to_num(torch.inf).min(1)
    assert torch.allclose(distance(crossing, images), expected, rtol=1e-3)
    assert torch.equal(crossing.crossed_label, label)
    assert len(set(label.tolist())) > 1


def test_the_box_makes_the_way_longer_and_is_respected(generator):
    model = random_linear(2, generator)
    images = (torch.rand(20, 3, 4, 4, generator=generator) < 0.5).float()
    crossing = deepfool(model, images)
    check_points(model, images, crossing)
    logits, weight = model(images), model[1].weight
    start = logits.argmax(1)
    margin = (logits[:, 0] - logits[:, 1]).abs()
    normal = weight[start] - weight[1 - start]
    least = step_to_hyperplane(images.flatten(1), normal, margin).norm(dim=1)
    found = distance(crossing, images)
    assert bool((found >= least * (1 - 1e-3)).all())
    assert bool((found <= least * 1.02).all())
    assert bool((least > 1.1 * margin / normal.norm(dim=1)).all()), "the box is in the way"


@pytest.mark.parametrize(("name", "size"), [("small_cnn-w4", 8), ("preact_resnet18-w4", 16)])
def test_on_a_network_every_point_found_is_called_otherwise(name, size, generator):
    model = build(name, 5, 3, generator=generator).eval().requires_grad_(False)
    images = torch.rand(12, 3, size, size, generator=generator)
    check_points(model, images, deepfool(model, images, candidates=4))


def test_the_point_is_just_beyond_the_boundary(generator):
    model = build("small_cnn-w4", 5, 3, generator=generator).eval().requires_grad_(False)
    images = torch.rand(12, 3, 8, 8, generator=generator)
    crossing = deepfool(model, images, candidates=4)
    just_before = torch.lerp(images, crossing.points, 0.998)
    assert torch.equal(model(just_before).argmax(1), model(images).argmax(1))
