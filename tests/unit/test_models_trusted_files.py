"""Programs and pickled modules: opened with trust only, asked, changed and written back."""

import copy

import pytest
import torch
from torch import Tensor, nn

from backburn.boundary.search_boundary import search_boundary
from backburn.errors import InputError
from backburn.models.channel_statistics import activations
from backburn.models.nets.cifar_resnet import CifarResNet18, NamedPreActBlock
from backburn.models.open.checkpoint import read_checkpoint
from backburn.models.open.open_model import open_model
from backburn.models.save_model import dump_like
from backburn.training import Training, TrainingTask, fit

NONE = ((0.0,) * 3, (1.0,) * 3)
pytestmark = [
    pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning"),
    pytest.mark.filterwarnings("ignore:.*is trusted:UserWarning"),
]


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
    opened = open_model(path, trust=True)
    assert (opened.classes, opened.channels, opened.normalization) == (3, 3, None)
    assert "features are not known" in opened.report[-1]
    model = opened.normalized(NONE)
    assert not hasattr(model, "features")
    assert activations(model, pixels)[1].shape == (4,)
    assert search_boundary(model, pixels, budget="fast").found.all()


def test_a_script_is_copied_trained_and_written_back(path, pixels, generator, tmp_path):
    opened = open_model(path, trust=True)
    model = opened.normalized(NONE)
    before = model(pixels / 255)
    changed = copy.deepcopy(model).requires_grad_(True)
    fit(
        changed,
        TrainingTask(pixels, torch.arange(4) % 3, Training(epochs=1, batch_size=4)),
        generator,
    )
    assert torch.equal(model(pixels / 255), before)
    (tmp_path / "n.pt").write_bytes(dump_like(opened.origin, changed)["model.pt"])
    again = open_model(tmp_path / "n.pt", trust=True).normalized(NONE)
    assert torch.allclose(again(pixels / 255), changed(pixels / 255), atol=1e-6)
    assert not torch.allclose(again(pixels / 255), before, atol=1e-4)


def saved(kind: str, net: nn.Module, path) -> None:
    """A model as people save it who have not read what torch says about state_dicts."""
    if kind == "torch.export":
        shapes = ({0: torch.export.Dim("batch", min=1, max=4096)},)
        images = torch.rand(2, 3, 32, 32)
        torch.export.save(torch.export.export(net, (images,), dynamic_shapes=shapes), path)
    elif kind == "TorchScript":
        torch.jit.save(torch.jit.trace(net, torch.rand(1, 3, 32, 32)), path)
    else:
        held = {"module": net, "dict": {"model": nn.DataParallel(net), "epoch": 3}}
        torch.save(held[kind], path)


KINDS = ["TorchScript", "torch.export", "module", "dict"]


@pytest.fixture
def net() -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(
        nn.Conv2d(3, 4, 3),
        nn.BatchNorm2d(4),
        nn.AdaptiveAvgPool2d(1),
        nn.Flatten(),
        nn.Linear(4, 3),
    ).eval()


@pytest.mark.parametrize("kind", KINDS)
def test_what_runs_code_is_refused_and_told_how_to_be_saved(tmp_path, net, kind):
    path = tmp_path / "m.pt"
    saved(kind, net, path)
    for architecture in (None, "small_cnn"):
        with pytest.raises(InputError, match=r"opening it (would run it|could run code)") as caught:
            open_model(path, architecture)
        assert "torch.save(model.state_dict(), 'weights.pt')" in str(caught.value)
        assert "--trust" in str(caught.value)


@pytest.mark.parametrize("kind", KINDS)
def test_with_trust_it_is_opened_warned_of_each_time_and_written_as_weights(
    tmp_path, net, kind, pixels
):
    path = tmp_path / "m.pt"
    saved(kind, net, path)
    for _ in range(2):
        with pytest.warns(UserWarning, match=r"m\.pt is trusted: opening it may run code"):
            opened = open_model(path, trust=True)
    model = copy.deepcopy(opened.normalized(NONE)).requires_grad_(True).train()
    model.eval()
    assert torch.allclose(model(pixels / 255), net(pixels / 255), atol=1e-5)
    ((name, content),) = dump_like(opened.origin, model).items()
    (tmp_path / name).write_bytes(content)
    assert name == ("model.safetensors" if kind == "torch.export" else "model.pt")
    if kind != "TorchScript":
        assert read_checkpoint(tmp_path / name).weights.keys() == net.state_dict().keys()


def test_plain_weights_are_opened_with_trust_as_without(tmp_path, recwarn):
    weights = CifarResNet18(3, 3, 4).state_dict()
    torch.save(weights, tmp_path / "m.pt")
    assert open_model(tmp_path / "m.pt", "cifar_resnet18", trust=True).classes == 3
    assert not [each for each in recwarn if "trusted" in str(each.message)]


@pytest.mark.parametrize("kind", KINDS)
def test_with_trust_and_a_network_only_the_weights_are_taken(tmp_path, kind):
    net = CifarResNet18(3, 3, 4, NamedPreActBlock).eval()
    saved(kind, net, tmp_path / "m.pt")
    opened = open_model(tmp_path / "m.pt", "cifar_preact_resnet18", trust=True)
    assert isinstance(opened.network, CifarResNet18)
    assert opened.origin.container == "torch"
