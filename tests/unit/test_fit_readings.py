"""Readings that training scripts have and a person may not think of: zoom, gray, channels."""

from pathlib import Path

import pytest
import torch
from PIL import Image
from test_fit_find_reading import NAMES, opened
from torch import Tensor, nn

from backburn.errors import InputError
from backburn.fit.channel_count import to_gray
from templates import CLASSES, SIDE, nearest, templates, write


class Channels(nn.Module):
    """The nearest template, of images with so many channels."""

    def __init__(self, num_classes: int = CLASSES, channels: int = 1):
        super().__init__()
        self.stem = nn.Conv2d(channels, channels, 1, bias=False)
        self.fc = nn.Linear(channels * SIDE * SIDE, num_classes)
        with torch.no_grad():
            self.stem.weight.copy_(torch.eye(channels)[:, :, None, None])

    def forward(self, x: Tensor) -> Tensor:
        return self.fc(nn.functional.adaptive_avg_pool2d(self.stem(x), SIDE).flatten(1))


def two(num_classes: int = CLASSES) -> Channels:
    return Channels(num_classes, 2)


def four(num_classes: int = CLASSES) -> Channels:
    return Channels(num_classes, 4)


def of_channels(patterns: Tensor) -> dict[str, Tensor]:
    channels = patterns.shape[1]
    stem = torch.eye(channels)[:, :, None, None]
    return {"stem.weight": stem, **nearest(patterns)}


def framed(root: Path, side: int, frame: int) -> Path:
    """Faint templates in strong frames, each that of any class, which a crop of the middle cuts."""
    generator = torch.Generator().manual_seed(2)
    inner, strong = faint(side), templates(height=side, width=side)
    for pattern, name in zip(inner, NAMES, strict=True):
        (root / name).mkdir(parents=True)
        for k in range(20):
            picture = strong[int(torch.randint(CLASSES, (), generator=generator))].clone()
            middle = slice(frame, side - frame)
            picture[:, middle, middle] = pattern[:, middle, middle]
            Image.fromarray(picture.permute(1, 2, 0).numpy()).save(root / name / f"{k}.png")
    return root


def faint(side: int) -> Tensor:
    return (128 + (templates(height=side, width=side).float() - 128) / 10).byte()


def test_enlarged_and_cropped_images_are_found(tmp_path):
    side, cut = 256, 16  # 256 pixels, of which a network is shown the middle 224
    root = framed(tmp_path / "in", side, cut)
    middle = faint(side)[:, :, cut:-cut, cut:-cut].float()
    seen = nn.functional.adaptive_avg_pool2d(middle, SIDE)
    case = opened(nearest(seen), root, size=224, mean=(0.0,) * 3, std=(1.0,) * 3)
    assert case.reading.decoding.resize == "zoom"
    assert "when enlarged by 256/224 and cropped (--resize zoom)" in case.fit.explanation
    assert (case.fit.accuracy, case.fit.reason) == (1.0, "")
    assert case.fit.as_read < 0.5


def test_gray_images_stored_in_color_are_those_of_a_gray_model(tmp_path):
    gray = to_gray(templates())
    root = write(tmp_path / "in", gray.repeat(1, 3, 1, 1), NAMES)
    case = opened(of_channels(gray), root, f"{__name__}:Channels")
    assert case.case.images.pixels.shape[1] == 1
    assert (case.fit.accuracy, case.fit.reason) == (1.0, "")
    assert any("color is taken out" in note for note in case.notes)


def test_gray_images_are_shown_to_a_model_for_color(tmp_path):
    root = write(tmp_path / "in", templates(), NAMES)
    for file in root.rglob("*.png"):
        Image.open(file).convert("L").save(file)
    case = opened(nearest(to_gray(templates()).repeat(1, 3, 1, 1)), root)
    assert case.case.images.pixels.shape[1] == 3
    assert (case.fit.accuracy, case.fit.explanation) == (1.0, "")


def test_images_in_color_of_a_model_that_was_shown_gray_ones_are_found(tmp_path):
    """Classes that differ in brightness by a little, and in nothing else; color says otherwise."""
    root = write(tmp_path / "in", templates(), NAMES)
    gray = to_gray(templates()).repeat(1, 3, 1, 1).float() / 255
    weights = nearest(gray * 255)
    tilt = weights["fc.weight"].view(CLASSES, 3, -1)
    noise = 4 * torch.randn(CLASSES, tilt.shape[-1], generator=torch.Generator().manual_seed(3))
    tilt[:, 0] += noise  # of gray images the two cancel
    tilt[:, 2] -= noise
    case = opened(weights, root, mean=(0.0,) * 3, std=(1.0,) * 3)
    assert case.reading.gray
    assert "when made gray" in case.fit.explanation
    assert (case.fit.accuracy, case.fit.reason) == (1.0, "")
    assert case.fit.as_read < 0.9


@pytest.mark.parametrize("factory", ["two", "four"])
def test_models_of_other_channels_are_refused(tmp_path, factory):
    channels = {"two": 2, "four": 4}[factory]
    root = write(tmp_path / "in", templates(), NAMES)
    weights = Channels(CLASSES, channels).state_dict()
    with pytest.raises(InputError, match=f"takes images of {channels} channels"):
        opened(weights, root, f"{__name__}:{factory}")
