"""The normalization that a model wants is found on labeled images, or questioned."""

import pytest
import torch
from torch import nn

from backburn.errors import InputError
from backburn.models.loading import load_model
from backburn.models.opening import open_model
from backburn.models.settling import COLOR, settle
from backburn.models.zoo import build
from backburn.types import LabeledImages


class Brightness(nn.Module):
    """Which of four shades an image has, told by levels that only one normalization fits."""

    def __init__(self, num_classes: int = 4, name: str = "CIFAR-10's"):
        super().__init__()
        mean, std = COLOR[name]
        shades = (torch.tensor(SHADES) / 255 - mean[0]) / std[0]
        self.conv = nn.Conv2d(3, 1, 1, bias=False)
        self.head = nn.Linear(1, num_classes)
        with torch.no_grad():
            self.conv.weight.copy_(torch.tensor([1.0, 0.0, 0.0]).view(1, 3, 1, 1))
            self.head.weight.copy_(2 * shades[:, None])
            self.head.bias.copy_(-shades.square())

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.head(self.conv(x).mean((2, 3)))


SHADES = (10.0, 20.0, 30.0, 40.0)


@pytest.fixture
def images() -> LabeledImages:
    labels = torch.arange(4).repeat(8)
    shades = torch.tensor(SHADES)[labels].to(torch.uint8)
    return LabeledImages(shades.view(-1, 1, 1, 1).expand(-1, 3, 8, 8).contiguous(), labels)


@pytest.fixture
def path(tmp_path):
    torch.save(Brightness().state_dict(), tmp_path / "m.pt")
    return tmp_path / "m.pt"


FACTORY = f"{__name__}:Brightness"


def test_an_unknown_normalization_is_found_and_said(path, images):
    model, report = settle(open_model(path, FACTORY), images)
    assert report[0].startswith("normalization: CIFAR-10's")
    assert (model(images.pixels / 255).argmax(1) == images.labels).all()


def test_a_wrong_normalization_is_kept_but_questioned(path, images):
    model, (line,) = settle(open_model(path, FACTORY, *COLOR["none"]), images)
    assert float(model.mean.sum()) == 0
    assert "but 100.0% with the normalization CIFAR-10's" in line


def test_a_right_normalization_is_not_questioned(path, images):
    _, (line,) = settle(open_model(path, FACTORY, *COLOR["CIFAR-10's"]), images)
    assert line == "accuracy on 32 of these images: 100.0%"


def test_a_model_at_chance_needs_to_be_told(path, images):
    strange = images.relabeled(images.pixels, torch.arange(32) // 8)
    with pytest.raises(InputError, match="give --mean and --std"):
        settle(open_model(path, FACTORY), strange)


def test_a_built_in_network_is_settled(tmp_path, images):
    torch.save(build("small_cnn-w4", 4, 3).state_dict(), tmp_path / "m.pt")
    opened = open_model(tmp_path / "m.pt", "small_cnn")
    assert settle(opened, images) == (opened.network, ())
    with pytest.raises(InputError, match="normalizes inside"):
        open_model(tmp_path / "m.pt", "small_cnn", *COLOR["none"])


def test_loading_in_one_step_does_not_guess(path):
    with pytest.raises(InputError, match="give mean and std"):
        load_model(path, FACTORY)
    assert load_model(path, FACTORY, *COLOR["none"])(torch.rand(2, 3, 8, 8)).shape == (2, 4)


def test_where_no_normalization_helps_the_size_is_asked_about(path, images):
    strange = images.relabeled(images.pixels, torch.arange(32) // 8)
    _, (line,) = settle(open_model(path, FACTORY, *COLOR["CIFAR-10's"]), strange)
    assert "it has learnt little of them, so single suspects may be wrong" in line
    assert line.endswith("; if it was trained at another size than 8x8, give --size")
