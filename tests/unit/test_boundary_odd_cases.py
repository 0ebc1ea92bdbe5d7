"""DeepFool where the boundary is very near, hidden, out of reach, or not there at all."""

import pytest
import torch
from torch import nn

from backburn.boundary.deepfool import deepfool


def linear(weight: list[list[float]], bias: list[float]) -> nn.Module:
    """A linear model on 1x2x2 images."""
    layer = nn.Linear(4, len(bias))
    with torch.no_grad():
        layer.weight.copy_(torch.tensor(weight))
        layer.bias.copy_(torch.tensor(bias))
    return nn.Sequential(nn.Flatten(), layer).eval().requires_grad_(False)


def distance(crossing, images: torch.Tensor) -> float:
    return (crossing.points - images).norm().item()


@pytest.fixture
def gray() -> torch.Tensor:
    return torch.full((1, 1, 2, 2), 0.5)


def test_an_image_on_the_boundary_is_next_to_it(gray):
    crossing = deepfool(linear([[1, 0, 0, 0], [0, 1, 0, 0]], [0, 0]), gray)
    assert crossing.found.tolist() == [True]
    assert distance(crossing, gray) < 1e-3


@pytest.mark.parametrize("margin", [1e-8, 1e-7, 1e-5])
def test_a_margin_smaller_than_a_rounding_error_is_crossed(margin, gray):
    crossing = deepfool(linear([[1, 0, 0, 0], [0, 1, 0, 0]], [margin, 0]), gray / 2)
    assert crossing.found.tolist() == [True]
    assert distance(crossing, gray / 2) < 1e-3


def test_only_as_many_classes_are_tried_as_asked_for(gray):
    # class 1 is next by its logit but 0.4 away, class 2 is only 0.1 away
    model = linear([[0, 0, 0, 0], [0.1, 0, 0, 0], [0, 2, 0, 0]], [0, -0.09, -1.2])
    one, two = (deepfool(model, gray, candidates=count) for count in (1, 2))
    assert (one.crossed_label.item(), two.crossed_label.item()) == (1, 2)
    assert distance(one, gray) == pytest.approx(0.4, rel=1e-3)
    assert distance(two, gray) == pytest.approx(0.1, rel=1e-3)


def test_a_class_that_is_met_on_the_way_back_is_the_one_that_is_crossed_into(gray):
    class Island(nn.Module):
        """Class 2 begins at 0.8; class 1 is an island from 0.6 to 0.7, which no slope tells."""

        def forward(self, images):
            lit = images[:, 0, 0, 0]
            island = (0.05 - (lit - 0.65).abs()).clamp_min(-0.08)
            return torch.stack([0 * lit, island, lit - 0.8], 1)

    crossing = deepfool(Island(), gray, candidates=2)
    assert crossing.crossed_label.tolist() == [1]
    assert Island()(crossing.points).argmax(1).tolist() == [1]
    assert distance(crossing, gray) == pytest.approx(0.1, rel=1e-2)


def test_where_nothing_is_found_the_image_is_returned(gray):
    crossing = deepfool(linear([[0] * 4] * 3, [0, 1, 0]), gray)
    assert crossing.found.tolist() == [False]
    assert crossing.crossed_label.tolist() == [-1]
    assert torch.equal(crossing.points, gray)


def test_a_boundary_outside_of_the_box_is_not_found(gray):
    crossing = deepfool(linear([[1] * 4, [0] * 4], [1, 0]), gray)
    assert crossing.found.tolist() == [False]
    assert torch.equal(crossing.points, gray)


def test_a_gradient_that_is_no_number_finds_nothing(gray):
    class Root(nn.Module):
        """The slope of a square root at zero is infinite, and zero times that is NaN."""

        def forward(self, images):
            zero = torch.sqrt((0 * images).flatten(1).sum(1))
            return torch.stack([zero, images.flatten(1).mean(1) - 0.25], 1)

    crossing = deepfool(Root(), gray)
    assert crossing.found.tolist() == [False]
    assert torch.equal(crossing.points, gray)
