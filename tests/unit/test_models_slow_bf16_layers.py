"""Layers that bf16 does not make quicker: which they are, and that they are left as they were."""

import pytest
import torch
from torch import nn

from backburn.models import slow_bf16_layers
from backburn.models.slow_bf16_layers import avoid_slow_bf16


@pytest.fixture
def slow(monkeypatch) -> list[tuple]:
    """A machine with bf16 that takes long for depthwise convolutions with a stride."""
    asked: list[tuple] = []

    def is_slower(layer, shape):
        asked.append((layer, tuple(shape)))
        return layer.stride == (2, 2)

    monkeypatch.setattr(slow_bf16_layers, "has_native_bf16", lambda device: True)
    monkeypatch.setattr(slow_bf16_layers, "_is_slower", is_slower)
    return asked


def network() -> nn.Sequential:
    torch.manual_seed(0)
    return nn.Sequential(
        nn.Conv2d(3, 8, 3),
        nn.Conv2d(8, 8, 3, groups=8),
        nn.Conv2d(8, 8, 3, stride=2, groups=8),
        nn.BatchNorm2d(8),
    )


def test_only_depthwise_convolutions_are_timed_on_the_maps_that_they_are_given(slow):
    model, images = network(), torch.rand(2, 3, 16, 16)
    with avoid_slow_bf16(model, images):
        pass
    assert slow == [(model[1], (1, 8, 14, 14)), (model[2], (1, 8, 12, 12))]


def test_a_slow_layer_works_in_single_precision_while_it_lasts(slow):
    model, images = network().eval(), torch.rand(2, 3, 16, 16)
    types: dict[int, torch.dtype] = {}
    for place in (1, 2):
        model[place].register_forward_hook(
            lambda layer, given, out, place=place: types.update({place: out.dtype})
        )
    with avoid_slow_bf16(model, images), torch.autocast("cpu", torch.bfloat16):
        model(images)
    assert types == {1: torch.bfloat16, 2: torch.float32}
    with torch.autocast("cpu", torch.bfloat16):
        model(images)
    assert types[2] == torch.bfloat16
    assert all("forward" not in vars(layer) for layer in model)


def test_the_model_is_left_as_it_was_where_it_fails(slow):
    model = network().train()
    with (
        pytest.raises(RuntimeError, match="stop"),
        avoid_slow_bf16(model, torch.rand(1, 3, 16, 16)),
    ):
        raise RuntimeError("stop")
    assert "forward" not in vars(model[2])
    assert model.training
    assert float(model[3].running_mean.abs().sum()) == 0


def test_a_layer_is_timed_once_for_each_size_of_its_maps(monkeypatch):
    times = []
    monkeypatch.setattr(slow_bf16_layers, "_SLOWER", {})
    monkeypatch.setattr(
        slow_bf16_layers,
        "_seconds",
        lambda layer, maps, low: times.append(low) or (2.0 if low else 1.0),
    )
    layer = nn.Conv2d(8, 8, 3, groups=8)
    for _ in range(2):
        assert slow_bf16_layers._is_slower(layer, torch.Size((1, 8, 9, 9)))
    assert times == [True, False]
    monkeypatch.setattr(slow_bf16_layers, "_seconds", lambda layer, maps, low: 1.2 if low else 1.0)
    assert not slow_bf16_layers._is_slower(layer, torch.Size((1, 8, 5, 5)))


def test_a_layer_can_be_timed_either_way():
    layer = nn.Conv2d(8, 8, 3, groups=8)
    assert all(
        slow_bf16_layers._seconds(layer, torch.ones(2, 8, 6, 6), low) > 0 for low in (True, False)
    )
