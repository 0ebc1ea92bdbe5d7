import math

import pytest
import torch
from boundary_cases import Gated
from torch import nn

from backburn.boundary.search_boundary import search_boundary
from backburn.models.nets.zoo import build


@pytest.fixture
def pixels(generator) -> torch.Tensor:
    return torch.randint(256, (13, 3, 8, 8), generator=generator).to(torch.uint8)


@pytest.fixture
def model(generator) -> nn.Module:
    return build("small_cnn-w4", 5, 3, generator=generator).eval()


def split_at(threshold: float) -> nn.Module:
    """Of four pixels only the first counts: class 1 where it exceeds the threshold."""
    layer = nn.Linear(4, 2)
    with torch.no_grad():
        layer.weight.zero_()[1, 0] = 1
        layer.bias.zero_()[1] = -threshold
    return nn.Sequential(nn.Flatten(), layer)


def assert_just_beyond(distance: torch.Tensor, expected: list[float]) -> None:
    """A verified distance is never too short, and at most two per cent too long."""
    assert (distance / torch.tensor(expected)).tolist() == pytest.approx(
        [1.01] * len(expected), abs=0.011
    )


def test_distances_are_in_units_of_0_to_1():
    pixels = torch.zeros(3, 1, 2, 2, dtype=torch.uint8)
    pixels[:, 0, 0, 0] = torch.tensor([51, 153, 255])
    result = search_boundary(split_at(0.5), pixels)
    assert result.found.tolist() == [True, True, True]
    assert_just_beyond(result.distance, [0.3, 0.1, 0.5])
    assert result.crossed_label.tolist() == [1, 0, 0]
    assert result.direction is None


def test_directions_are_unit_vectors_towards_the_boundary():
    pixels = torch.zeros(2, 1, 2, 2, dtype=torch.uint8)
    pixels[:, 0, 0, 0] = torch.tensor([51, 153])
    direction = search_boundary(split_at(0.5), pixels, directions=True).direction
    assert direction.dtype == torch.float16
    assert torch.allclose(direction.float(), torch.tensor([[1.0, 0, 0, 0], [-1, 0, 0, 0]]))


def test_a_constant_model_has_no_boundary():
    pixels = torch.full((2, 1, 2, 2), 9, dtype=torch.uint8)
    model = split_at(0.5)
    nn.init.zeros_(model[1].weight)
    result = search_boundary(model, pixels, directions=True)
    assert result.found.tolist() == [False, False]
    assert result.distance.tolist() == [math.inf, math.inf]
    assert result.crossed_label.tolist() == [-1, -1]
    assert result.direction.abs().max() == 0


def test_found_and_not_found_stand_side_by_side():
    pixels = torch.zeros(3, 1, 2, 2, dtype=torch.uint8)
    pixels[1, 0, 1, 1] = 255
    result = search_boundary(Gated(), pixels, directions=True)
    assert result.found.tolist() == [False, True, False]
    assert result.crossed_label.tolist() == [-1, 1, -1]
    assert_just_beyond(result.distance[1:2], [0.6])
    assert result.distance[[0, 2]].tolist() == [math.inf, math.inf]
    assert result.direction.abs().sum(1).tolist() == pytest.approx([0, 1, 0], abs=1e-2)


@pytest.mark.parametrize("batch_size", [1, 5, 13])
def test_the_batch_size_does_not_change_the_result(model, pixels, batch_size):
    whole = search_boundary(model, pixels, directions=True)
    parts = search_boundary(model, pixels, batch_size=batch_size, directions=True)
    assert bool(whole.found.all())
    assert torch.allclose(parts.distance, whole.distance, rtol=1e-2)
    assert torch.equal(parts.crossed_label, whole.crossed_label)
    assert torch.allclose(parts.direction, whole.direction, atol=1e-2)


def test_two_measurements_are_the_same_to_the_bit(model, pixels):
    assert torch.equal(
        search_boundary(model, pixels).distance, search_boundary(model, pixels).distance
    )


def stand(model: nn.Module) -> tuple:
    return (
        [module.training for module in model.modules()],
        [parameter.requires_grad for parameter in model.parameters()],
        [None if p.grad is None else p.grad.tolist() for p in model.parameters()],
        {name: tensor.tolist() for name, tensor in model.state_dict().items()},
    )


@pytest.fixture
def busy(model) -> nn.Module:
    """The model in the middle of a training: in training mode, partly frozen, with a gradient."""
    model.train()
    model.bn1.eval()
    model.head.bias.requires_grad_(False)
    model.head.weight.grad = torch.ones_like(model.head.weight)
    return model


def test_the_model_is_left_as_it_was(busy, pixels):
    before = stand(busy)
    search_boundary(busy, pixels)
    assert stand(busy) == before


def test_the_model_is_left_as_it_was_when_interrupted(busy, pixels):
    def stop(*_):
        raise KeyboardInterrupt

    before = stand(busy)
    with pytest.raises(KeyboardInterrupt):
        search_boundary(busy, pixels, batch_size=5, progress=stop)
    assert stand(busy) == before


def test_a_model_in_training_mode_is_measured_in_evaluation_mode(busy, pixels):
    in_training = search_boundary(busy, pixels).distance
    assert torch.equal(in_training, search_boundary(busy.eval(), pixels).distance)


def test_it_works_where_gradients_are_switched_off(model, pixels):
    expected = search_boundary(model, pixels).distance
    with torch.no_grad():
        assert torch.equal(search_boundary(model, pixels).distance, expected)


def test_the_images_are_not_changed(model, pixels):
    before = pixels.clone()
    search_boundary(model, pixels)
    assert torch.equal(pixels, before)


def test_progress_is_told_in_images(model, pixels):
    told = []
    search_boundary(model, pixels, batch_size=5, phase="look", progress=lambda *x: told.append(x))
    assert told == [("look", 5, 13), ("look", 10, 13), ("look", 13, 13)]
