"""Where a base's weights and a witness come from; nothing is downloaded here."""

import importlib
from types import SimpleNamespace

import pytest
import torch
from safetensors.torch import save_file
from torch import nn

from backburn.errors import InputError
from backburn.models.embedding import embeddings
from backburn.models.nets.zoo import build
from backburn.models.open.open_encoder import Encoder, open_encoder
from backburn.models.open.pretrained_weights import pretrained_weights
from backburn.models.save_model import dump_model

importlib.import_module("torchvision_schemas")  # before timm


@pytest.fixture
def offline(monkeypatch):
    """A timm that knows its networks, and cannot download anything."""
    timm = importlib.import_module("timm")

    def refused(name, **_settings):
        raise OSError(f"no network for {name}\nand a long story")

    return monkeypatch.setattr(timm, "create_model", refused)


def test_weights_are_read_from_a_file(tmp_path):
    save_file({"a": torch.ones(2)}, tmp_path / "base.safetensors")
    assert pretrained_weights(str(tmp_path / "base.safetensors"))["a"].tolist() == [1, 1]


def test_weights_that_cannot_be_had_are_told_in_one_line(offline):
    message = r"the weights of timm:resnet18 cannot be had here \(.*\): give a file of them"
    with pytest.raises(InputError, match=message):
        pretrained_weights("timm:resnet18")
    with pytest.raises(InputError, match="resnet18"):
        pretrained_weights("timm:resnet1")


def test_torchvisions_are_asked_for_by_their_usual_weights(monkeypatch):
    asked = []
    models = SimpleNamespace(
        list_models=lambda module: ["resnet18"],
        get_model=lambda name, weights: asked.append((name, weights)) or nn.Linear(2, 2),
    )
    monkeypatch.setattr("backburn.models.open.pretrained_weights.import_library", lambda *_: models)
    assert set(pretrained_weights("torchvision:resnet18")) == {"weight", "bias"}
    assert asked == [("resnet18", "DEFAULT")]
    with pytest.raises(InputError, match="resnet19"):
        pretrained_weights("torchvision:resnet19")


def test_a_witness_of_a_file_is_asked_before_its_head(tmp_path):
    model = build("small_cnn-w4", 10, 3, generator=torch.Generator().manual_seed(0))
    (tmp_path / "w.safetensors").write_bytes(dump_model(model))
    encoder = open_encoder(str(tmp_path / "w.safetensors"))
    pixels = torch.randint(256, (5, 3, 16, 16)).byte()
    seen = embeddings(encoder, pixels)
    expected = model.eval().features(pixels.float() / 255)
    assert torch.allclose(seen, expected, atol=1e-4)


def test_a_witness_for_gray_images_is_refused(tmp_path):
    model = build("small_cnn-w4", 10, 1)
    (tmp_path / "w.safetensors").write_bytes(dump_model(model))
    with pytest.raises(InputError, match="takes 1 channels: give an encoder of three"):
        open_encoder(str(tmp_path / "w.safetensors"))


class Tokens(nn.Module):
    """Returns tokens in a record, as transformers do."""

    def forward(self, images):
        return SimpleNamespace(last_hidden_state=images.flatten(2).transpose(1, 2))


def test_tokens_are_the_first_one_and_the_mean_of_all():
    images = torch.rand(2, 3, 4, 4)
    said = Encoder(Tokens(), ((0.0,) * 3, (1.0,) * 3), None)(images)
    assert torch.allclose(said, torch.cat([images[:, :, 0, 0], images.mean((2, 3))], 1))


def test_what_is_no_outcome_of_a_linear_layer_is_taken_as_it_is():
    net = nn.Sequential(nn.Flatten(), nn.Linear(12, 5), nn.ReLU())
    pixels = torch.randint(256, (3, 3, 2, 2)).byte()
    with torch.no_grad():
        expected = net(pixels.float() / 255)
    assert torch.allclose(embeddings(net, pixels), expected)
