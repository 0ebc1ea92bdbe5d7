from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file
from torch import nn

from backburn.errors import InputError
from backburn.models.inference import predict
from backburn.models.nets.zoo import build
from backburn.models.open.open_model import load_model
from backburn.models.save_model import dump_model


@pytest.fixture
def pixels(generator) -> torch.Tensor:
    return torch.randint(256, (6, 3, 8, 8), generator=generator).to(torch.uint8)


@pytest.fixture
def model(generator, pixels):
    """A network that has seen images, so that its batch-norm statistics are its own."""
    net = build("small_cnn-w4", 5, 3, generator=generator, pixels=pixels)
    net.train()(pixels.float() / 255)
    return net.eval()


def save_safely(model: nn.Module, path: Path, metadata: dict[str, str]) -> None:
    weights = {name: tensor.contiguous() for name, tensor in model.state_dict().items()}
    save_file(weights, path, metadata=metadata)


@pytest.mark.parametrize(
    "name", ["airbench_cnn-w4", "preact_resnet18-w2", "small_cnn-w4", "vgg11-w4"]
)
@pytest.mark.parametrize("channels", [1, 3])
def test_a_saved_network_says_itself_what_it_is(tmp_path, name, channels, generator):
    pixels = torch.randint(256, (6, channels, 16, 16), generator=generator).to(torch.uint8)
    made = build(name, 5, channels, generator=generator, pixels=pixels)
    path = tmp_path / "model.safetensors"
    path.write_bytes(dump_model(made))
    loaded = load_model(path)
    assert not any(module.training for module in loaded.modules())
    expected, found = made.state_dict(), loaded.state_dict()
    assert expected.keys() == found.keys()
    assert all(torch.equal(expected[key], found[key]) for key in expected)


def test_a_loaded_network_says_the_same(tmp_path, model, pixels):
    path = tmp_path / "model.safetensors"
    path.write_bytes(dump_model(model))
    assert torch.equal(predict(load_model(path), pixels), predict(model, pixels))


def test_a_loaded_network_can_be_saved_again(tmp_path, model):
    first, second = tmp_path / "first.safetensors", tmp_path / "second.safetensors"
    first.write_bytes(dump_model(model))
    second.write_bytes(dump_model(load_model(first)))
    assert load_model(second).architecture == "small_cnn-w4"


@pytest.mark.parametrize("suffix", ["pt", "pth"])
def test_a_bare_state_dict_is_loaded_by_architecture(tmp_path, model, pixels, suffix):
    path = tmp_path / f"model.{suffix}"
    torch.save(model.state_dict(), path)
    assert torch.equal(predict(load_model(path, "small_cnn"), pixels), predict(model, pixels))


@pytest.mark.parametrize("file", ["model.pt", "model.safetensors"])
def test_weights_that_do_not_say_what_they_are_need_an_architecture(tmp_path, model, file):
    path = tmp_path / file
    if path.suffix == ".pt":
        torch.save(model.state_dict(), path)
    else:
        save_safely(model, path, {"format": "pt"})
    with pytest.raises(InputError, match="--arch"):
        load_model(path)


@pytest.mark.parametrize("metadata", ["{", "[]", '{"architecture": 3}'])
def test_metadata_that_cannot_be_read_is_as_good_as_none(tmp_path, model, metadata):
    path = tmp_path / "model.safetensors"
    save_safely(model, path, {"backburn": metadata})
    assert load_model(path, "small_cnn").head.weight.shape[0] == 5
    with pytest.raises(InputError, match="--arch"):
        load_model(path)


def test_an_unknown_architecture_is_answered_with_the_nearest(tmp_path, model):
    torch.save(model.state_dict(), tmp_path / "model.pt")
    with pytest.raises(InputError, match="did you mean 'small_cnn'"):
        load_model(tmp_path / "model.pt", "smal_cnn")


def test_a_bare_vgg_tells_its_width_and_channels(tmp_path, generator):
    made = build("vgg11-w4", 6, 1, generator=generator)
    torch.save(made.state_dict(), tmp_path / "vgg.pth")
    loaded = load_model(tmp_path / "vgg.pth", "vgg11")
    assert (loaded.architecture, loaded.head.weight.shape[0]) == ("vgg11-w4", 6)
    assert loaded(torch.rand(1, 1, 28, 28)).shape == (1, 6)
