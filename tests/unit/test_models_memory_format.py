"""Networks that call `view` on their feature maps, which fails where these are channels last."""

import pytest
import torch
from torch import Tensor, nn

from backburn.boundary.search_boundary import BoundarySearch
from backburn.data.sources.digits import digits
from backburn.errors import InputError
from backburn.fit.fit_check import FitCheck
from backburn.models.inference import as_images, predict
from backburn.models.input_check import check_fit
from backburn.models.open.open_encoder import open_encoder
from backburn.models.open.open_model import open_model
from backburn.models.wrapping import WrappedModel, needs_contiguous, probe_network
from backburn.services.python_model import prepare_model, read_user_model
from backburn.types import LabeledImages

HALF = ((0.5,) * 3, (0.25,) * 3)
SOURCE = """
from torch import nn

class Net(nn.Module):
    def __init__(self, end=None, side=8, channels=3):
        super().__init__()
        self.conv, self.end = nn.Conv2d(channels, 4, 3, padding=1), end
        self.fc = nn.Linear(4 * side * side, 10)

    def forward(self, x):
        x = self.conv(x).relu()
        x = self.fc(x.view(len(x), -1))
        return x if self.end is None else self.end(x)

def build():
    return Net()

def larger():
    return Net(side=32)
"""


@pytest.fixture
def nets(tmp_path, monkeypatch):
    """The module of a network that flattens by `view`."""
    (tmp_path / "viewing_nets.py").write_text(SOURCE)
    monkeypatch.syspath_prepend(tmp_path)
    torch.manual_seed(0)
    return __import__("viewing_nets")


def colored(count: int) -> LabeledImages:
    images = digits("train").take(torch.arange(count))
    return images.relabeled(images.pixels.expand(-1, 3, -1, -1).contiguous(), images.labels)


def expected(net: nn.Module, pixels: Tensor) -> Tensor:
    with torch.inference_mode():
        return net((pixels / 255 - 0.5) / 0.25)


def test_such_a_network_is_told_from_others(nets):
    images = torch.rand(2, 3, 8, 8)
    assert needs_contiguous(nets.build(), images)
    assert probe_network(nets.build().eval(), (3,), (8, 8)).contiguous
    flat = nn.Sequential(nn.Conv2d(3, 4, 3, padding=1), nn.Flatten(), nn.Linear(256, 10))
    assert not needs_contiguous(flat, images)
    assert not needs_contiguous(nets.build(), torch.rand(2, 1, 8, 8))  # it takes neither


def test_a_single_channel_is_in_both_formats_at_once_and_fails_in_one(nets):
    net = nets.Net(channels=1)
    assert needs_contiguous(net, torch.rand(2, 1, 8, 8))
    model = WrappedModel(net, ((0.5,), (0.25,)), contiguous=True)
    found = BoundarySearch().run(model, digits("train").pixels[:10])
    assert found.distance.shape == (10,)


@pytest.mark.parametrize("end", [None, nn.Softmax(1)])
@pytest.mark.parametrize("scale", [None, HALF])
def test_it_is_prepared_in_memory_and_comes_back_as_it_is(nets, end, scale):
    images, net = colored(40), nets.Net(end)
    user_model = read_user_model(net, None, scale, None, False)
    prepared = prepare_model(user_model, images, None, FitCheck(accuracy=0, least=0))
    logits = predict(prepared.model, images.pixels)
    assert logits.shape == (40, 10)
    with torch.inference_mode():
        pixels = images.pixels / 255
        raw = net((pixels - 0.5) / 0.25 if scale else pixels)
    torch.testing.assert_close(logits.softmax(1), raw if end else raw.softmax(1))
    assert prepared.restore(prepared.model) is net


def test_it_is_opened_from_a_file(nets, tmp_path):
    net, pixels = nets.build().eval(), colored(20).pixels
    torch.save(net.state_dict(), tmp_path / "net.pt")
    opened = open_model(tmp_path / "net.pt", "viewing_nets:build", side=8)
    model = opened.normalized(HALF)
    torch.testing.assert_close(predict(model, pixels), expected(net, pixels))
    assert isinstance(model, WrappedModel)


@pytest.mark.parametrize("channels", [1, 3])
def test_as_a_case_of_ones_own_it_must_be_wrapped(nets, channels):
    net = nets.Net(channels=channels)
    images = colored(20)
    images = images.relabeled(images.pixels[:, :channels], images.labels)
    with pytest.raises(InputError, match="contiguous=True"):
        check_fit(net, images)
    check_fit(WrappedModel(net, ((0.5,) * channels,) * 2, contiguous=True), images)


def test_it_is_trained(nets):
    model = WrappedModel(nets.build(), HALF, contiguous=True)
    model(as_images(colored(20).pixels)).sum().backward()
    assert all(parameter.grad is not None for parameter in model.parameters())


def test_it_is_an_encoder(nets, tmp_path):
    torch.save(nets.larger().state_dict(), tmp_path / "encoder.pt")
    encoder = open_encoder(str(tmp_path / "encoder.pt"), "viewing_nets:larger")
    assert encoder.contiguous
    assert encoder(as_images(torch.zeros(4, 3, 32, 32, dtype=torch.uint8))).shape == (4, 10)
