"""Channel statistics of every layer: which layers, which channels, and nothing changed."""

import copy

import pytest
import torch
from torch import Tensor, nn

from backburn.models.channel_statistics import activations
from backburn.models.inference import predict
from backburn.models.nets.zoo import build


@pytest.fixture
def pixels(generator) -> Tensor:
    return torch.randint(256, (7, 1, 8, 8), generator=generator, dtype=torch.uint8)


def test_mean_and_maximum_of_every_channel_after_every_batch_norm(pixels):
    torch.manual_seed(0)
    net = nn.Sequential(
        nn.Conv2d(1, 3, 3), nn.BatchNorm2d(3), nn.ReLU(), nn.Flatten(), nn.Linear(108, 4)
    )
    net.eval()
    rows, said = activations(net, pixels)
    maps = net[1](net[0](pixels.float() / 255)).flatten(2)
    assert rows.shape == (7, 6)
    assert rows.dtype == torch.float16
    assert torch.allclose(rows.float(), torch.cat([maps.mean(2), maps.amax(2)], 1), atol=1e-2)
    assert torch.equal(said, predict(net, pixels).argmax(1))


def test_channels_of_tokens_are_last(pixels):
    class Tokens(nn.Module):
        def __init__(self):
            super().__init__()
            self.norm = nn.LayerNorm(8)
            self.head = nn.Linear(8, 2)

        def forward(self, images: Tensor) -> Tensor:
            return self.head(self.norm(images[:, 0]).mean(1))

    assert activations(Tokens(), pixels)[0].shape == (7, 16)


def test_without_normalization_the_weighing_layers_are_watched(pixels):
    net = nn.Sequential(nn.Flatten(), nn.Linear(64, 5), nn.ReLU(), nn.Linear(5, 3))
    rows, _ = activations(net, pixels)
    assert rows.shape == (7, 8)
    assert torch.allclose(rows[:, 5:].float(), predict(net, pixels), atol=1e-2)


@pytest.mark.filterwarnings("ignore:`torch.jit.trace:DeprecationWarning")
def test_a_script_is_read_by_its_logits(pixels):
    net = torch.jit.trace(nn.Sequential(nn.Flatten(), nn.Linear(64, 3)).eval(), pixels.float())
    rows, said = activations(net, pixels)
    assert torch.allclose(rows.float(), predict(net, pixels), atol=1e-2)
    assert torch.equal(said, predict(net, pixels).argmax(1))


def test_the_batch_size_does_not_matter_and_the_model_stays(pixels):
    net = build("small_cnn-w4", 3, 1).train()
    weights = copy.deepcopy(net.state_dict())
    whole, _ = activations(net, pixels)
    parts, _ = activations(net, pixels, batch_size=2)
    assert torch.allclose(whole, parts, atol=1e-2)
    assert net.training
    assert all(torch.equal(net.state_dict()[key], value) for key, value in weights.items())
    assert not any(module._forward_hooks for module in net.modules())


def test_a_model_that_fails_is_not_watched_any_longer(pixels):
    net = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4))
    with pytest.raises(RuntimeError):
        activations(net, pixels)
    assert not any(module._forward_hooks for module in net.modules())
