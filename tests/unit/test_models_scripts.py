"""TorchScript archives: read through, opened, asked, changed and written back."""

import copy

import pytest
import torch
from torch import Tensor, nn

from backburn.boundary.distances import boundary
from backburn.models.activations import activations
from backburn.models.cifar_resnet import CifarResNet18, NamedPreActBlock
from backburn.models.opening import open_model
from backburn.models.writing import dump_like
from backburn.training import Lesson, Training, fit

NONE = ((0.0,) * 3, (1.0,) * 3)
pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")


class Plain(nn.Module):
    """What script() writes code with branches, loops and messages for."""

    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(3, 4, 3, 2)
        self.norm = nn.BatchNorm2d(4)
        self.layers = nn.ModuleList([nn.Linear(4, 4), nn.Linear(4, 3)])

    def forward(self, x: Tensor) -> Tensor:
        x = torch.relu(self.norm(self.conv(x))).mean((2, 3))
        for layer in self.layers:
            x = layer(x)
        return x


@pytest.fixture
def pixels(generator) -> Tensor:
    return torch.randint(256, (4, 3, 32, 32), generator=generator).to(torch.uint8)


@pytest.fixture(params=["script", "trace"])
def path(request, tmp_path):
    torch.manual_seed(0)
    net, images = Plain().eval(), torch.rand(1, 3, 32, 32)
    with torch.no_grad():
        net.layers[1].bias.sub_(net(images)[0])  # all classes are alike there
    made = torch.jit.script(net) if request.param == "script" else torch.jit.trace(net, images)
    torch.jit.save(made, tmp_path / "m.pt")
    return tmp_path / "m.pt"


def test_a_script_is_opened_asked_and_searched(path, pixels):
    opened = open_model(path)
    assert (opened.classes, opened.channels, opened.normalization) == (3, 3, None)
    assert "features are not known" in opened.report[-1]
    model = opened.normalized(NONE)
    assert not hasattr(model, "features")
    assert activations(model, pixels)[1].shape == (4,)
    assert boundary(model, pixels, budget="fast").found.all()


def test_a_script_is_copied_trained_and_written_back(path, pixels, generator, tmp_path):
    opened = open_model(path)
    model = opened.normalized(NONE)
    before = model(pixels / 255)
    changed = copy.deepcopy(model).requires_grad_(True)
    fit(changed, Lesson(pixels, torch.arange(4) % 3, Training(epochs=1, batch_size=4)), generator)
    assert torch.equal(model(pixels / 255), before)
    (tmp_path / "n.pt").write_bytes(dump_like(opened.origin, changed)["model.pt"])
    again = open_model(tmp_path / "n.pt").normalized(NONE)
    assert torch.allclose(again(pixels / 255), changed(pixels / 255), atol=1e-6)
    assert not torch.allclose(again(pixels / 255), before, atol=1e-4)


def test_a_traced_network_of_preactivation_blocks_passes(tmp_path):
    net = CifarResNet18(3, 3, 4, NamedPreActBlock).eval()
    torch.jit.save(torch.jit.trace(net, torch.rand(1, 3, 32, 32)), tmp_path / "m.pt")
    assert open_model(tmp_path / "m.pt").classes == 3
