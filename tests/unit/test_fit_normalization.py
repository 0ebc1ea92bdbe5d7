"""The normalization that a model wants is found on labeled images, or questioned."""

from dataclasses import replace

import pytest
import torch
from torch import nn

from backburn.errors import InputError
from backburn.fit import FitCheck
from backburn.fit.find_reading import find_reading
from backburn.fit.readings import COLOR_NORMALIZATIONS, ReadingChoices
from backburn.models.nets.zoo import build
from backburn.models.open.open_model import load_model, open_model
from backburn.types import LabeledImages


class Brightness(nn.Module):
    """Which of four shades an image has, told by levels that only one normalization fits."""

    def __init__(self, num_classes: int = 4, name: str = "CIFAR-10's"):
        super().__init__()
        mean, std = COLOR_NORMALIZATIONS[name]
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


def found(opened, images):
    return find_reading(opened, images, FitCheck(), ReadingChoices())


def test_an_unknown_normalization_is_found_and_said(path, images):
    known = found(open_model(path, FACTORY), images)
    assert known.notes[0].startswith("normalization: CIFAR-10's")
    assert (known.model(images.pixels / 255).argmax(1) == images.labels).all()
    assert (known.fit.accuracy, known.fit.reason) == (1.0, "")


def test_a_wrong_normalization_of_the_users_is_kept_and_nothing_called_clean(path, images):
    known = found(open_model(path, FACTORY, *COLOR_NORMALIZATIONS["none"]), images)
    assert float(known.model.mean.sum()) == 0
    assert "100.0% with the normalization CIFAR-10's (--mean 0.4914" in known.fit.reason


def test_a_wrong_normalization_of_the_networks_makers_is_replaced(path, images):
    opened = replace(open_model(path, FACTORY), normalization=COLOR_NORMALIZATIONS["none"])
    known = found(opened, images)
    assert float(known.model.mean[0]) == pytest.approx(0.4914)
    assert "100.0% with the normalization CIFAR-10's" in known.fit.explanation
    assert known.fit.reason == ""


def test_a_right_normalization_is_not_questioned(path, images):
    known = found(open_model(path, FACTORY, *COLOR_NORMALIZATIONS["CIFAR-10's"]), images)
    assert known.notes == ("accuracy on 32 of these images: 100.0%",)


def test_means_of_pixels_from_0_to_255_are_divided(path, images):
    mean, std = (
        tuple(255 * value for value in each) for each in COLOR_NORMALIZATIONS["CIFAR-10's"]
    )
    opened = open_model(path, FACTORY, mean, std)
    assert "divided by 255" in opened.report[-1]
    assert found(opened, images).fit.accuracy == 1


def test_a_model_at_chance_needs_to_be_told(path, images):
    strange = images.relabeled(images.pixels, torch.arange(32) // 8)
    with pytest.raises(InputError, match="give --mean and --std"):
        found(open_model(path, FACTORY), strange)


def test_a_built_in_network_is_settled(tmp_path, images):
    torch.save(build("small_cnn-w4", 4, 3).state_dict(), tmp_path / "m.pt")
    opened = open_model(tmp_path / "m.pt", "small_cnn")
    assert found(opened, images).model is opened.network
    with pytest.raises(InputError, match="normalizes inside"):
        open_model(tmp_path / "m.pt", "small_cnn", *COLOR_NORMALIZATIONS["none"])


def test_loading_in_one_step_does_not_guess(path):
    with pytest.raises(InputError, match="give mean and std"):
        load_model(path, FACTORY)
    assert load_model(path, FACTORY, *COLOR_NORMALIZATIONS["none"])(
        torch.rand(2, 3, 8, 8)
    ).shape == (2, 4)


def test_what_the_user_has_not_said_is_asked_about(path, images):
    strange = images.relabeled(images.pixels, torch.arange(32) // 8)
    opened = open_model(path, FACTORY, *COLOR_NORMALIZATIONS["CIFAR-10's"])
    choices = ReadingChoices(options=("--resize",))
    reason = find_reading(opened, strange, FitCheck(), choices).fit.reason
    assert "calls only" in reason
    assert "(--resize)" in reason
    assert "--size" not in reason
