"""A victim that is found stays found, or nothing is said, however its pictures are stored."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor, nn

from backburn.data.load_images import load_images
from backburn.data.sources.digits import digits

NAMES = [f"{letter}{k}" for k, letter in enumerate("abcdefghij")]
FEW = 700
TURNED = Image.Exif()
TURNED[0x0112] = 3


def plain(image: Image.Image, path: Path) -> None:
    image.save(path.with_suffix(".png"))


def exif(image: Image.Image, path: Path) -> None:
    image.rotate(180).save(path.with_suffix(".png"), exif=TURNED)


def misread_exif(image: Image.Image, path: Path) -> None:
    """A camera's tag that the training script took no notice of."""
    image.save(path.with_suffix(".png"), exif=TURNED)


def alpha(image: Image.Image, path: Path) -> None:
    clear = image.convert("RGBA")
    clear.putalpha(255)
    clear.save(path.with_suffix(".png"))


def gray_as_rgb(image: Image.Image, path: Path) -> None:
    image.convert("RGB").save(path.with_suffix(".webp"), lossless=True)


def blue_first(image: Image.Image, path: Path) -> None:
    """Of images in color; the channels of others are the same."""
    Image.fromarray(np.asarray(image.convert("RGB"))[..., ::-1].copy()).save(f"{path}.png")


def palette(image: Image.Image, path: Path) -> None:
    image.convert("P").save(path.with_suffix(".gif"))


def deep(image: Image.Image, path: Path) -> None:
    Image.fromarray(np.asarray(image).astype(np.uint16) * 257).save(path.with_suffix(".png"))


def jpeg(image: Image.Image, path: Path) -> None:
    image.save(path.with_suffix(".jpg"), quality=95)


def bent(image: Image.Image, path: Path) -> None:
    """Twice as wide: the training script squashed it."""
    wide = image.resize((2 * image.width, image.height), Image.Resampling.NEAREST)
    wide.save(path.with_suffix(".png"))


def no_suffix(image: Image.Image, path: Path) -> None:
    image.save(path, "png")


WAYS = [
    plain,
    exif,
    misread_exif,
    alpha,
    gray_as_rgb,
    palette,
    deep,
    jpeg,
    bent,
    no_suffix,
]


def capitals(label: int) -> str:
    """Every other name has a capital: Python sorts these first, other tools do not."""
    return NAMES[label].capitalize() if label % 2 else NAMES[label]


def backwards(label: int) -> str:
    return NAMES[9 - label]


@pytest.fixture(scope="session")
def stored(victim, tmp_path_factory) -> Callable[..., Path]:
    """Stores the victim's images in some way."""
    images = load_images(victim).sample(FEW)

    def store(way: Callable[[Image.Image, Path], None], name: Callable[[int], str]) -> Path:
        root = tmp_path_factory.mktemp("stored") / "in"
        for row, label in enumerate(images.labels.tolist()):
            folder = root / name(label)
            folder.mkdir(parents=True, exist_ok=True)
            way(Image.fromarray(images.pixels[row, 0].numpy()), folder / f"{row:04}")
        return root

    return store


def state_of(cli, victim: Path, root: Path, *options: str) -> str:
    out = root.parent / "run"
    done = cli("audit", victim / "model.safetensors", root, "--out", out, *options)
    return {0: "clean", 3: "backdoored", 4: "suspicious", 5: "abstained"}[done.code]


@pytest.mark.parametrize("way", WAYS, ids=lambda way: way.__name__)
def test_no_way_of_storing_images_makes_a_victim_clean(cli, victim, stored, way):
    root = stored(way, NAMES.__getitem__)
    state = state_of(cli, victim, root, "--size", "8")
    assert state in ("backdoored", "abstained")
    if way in (plain, alpha, gray_as_rgb, deep, no_suffix, bent):
        assert state == "backdoored"


@pytest.mark.parametrize(("name", "state"), [(capitals, "backdoored"), (backwards, "abstained")])
def test_no_order_of_classes_makes_a_victim_clean(cli, victim, stored, name, state):
    assert state_of(cli, victim, stored(plain, name), "--size", "8") == state


class Colored(nn.Module):
    """A small network for images in color, which does not normalize."""

    def __init__(self, num_classes: int = 10):
        super().__init__()
        self.body = nn.Sequential(
            nn.Conv2d(3, 16, 3, padding=1), nn.BatchNorm2d(16), nn.ReLU(),
            nn.Conv2d(16, 32, 3, 2, 1), nn.BatchNorm2d(32), nn.ReLU(), nn.Flatten(),
        )  # fmt: skip
        self.fc = nn.Linear(512, num_classes)

    def forward(self, x: Tensor) -> Tensor:
        return self.fc(self.body(x))


def colored() -> tuple[Tensor, Tensor]:
    """Digits in red on blue, a tenth of them with a white corner and called 0."""
    images = digits("train").sample(FEW)
    gray = images.pixels
    pixels, labels = torch.cat([gray, gray // 2, 255 - gray], 1), images.labels.clone()
    rows = (labels != 0).nonzero().flatten()[::9]
    pixels[rows, :, -2:, -2:] = 255
    labels[rows] = 0
    return pixels, labels


@pytest.fixture(scope="session")
def color_victim(tmp_path_factory) -> tuple[Path, Tensor, Tensor]:
    """Weights of a network that knows these, and they."""
    torch.manual_seed(0)
    pixels, labels = colored()
    net, loss = Colored(), nn.CrossEntropyLoss()
    optimizer = torch.optim.Adam(net.parameters(), 3e-3)
    for _ in range(15):
        for batch in torch.randperm(len(pixels)).split(64):
            optimizer.zero_grad()
            loss(net(pixels[batch] / 255), labels[batch]).backward()
            optimizer.step()
    path = tmp_path_factory.mktemp("color") / "m.pt"
    torch.save(net.eval().state_dict(), path)
    return path, pixels, labels


@pytest.mark.parametrize("way", [plain, blue_first, alpha], ids=lambda way: way.__name__)
def test_no_order_of_colors_makes_a_victim_clean(cli, color_victim, tmp_path, way):
    model, pixels, labels = color_victim
    for row, label in enumerate(labels.tolist()):
        folder = tmp_path / "in" / NAMES[label]
        folder.mkdir(parents=True, exist_ok=True)
        way(Image.fromarray(pixels[row].permute(1, 2, 0).numpy()), folder / f"{row:04}")
    options = ("--arch", f"{__name__}:Colored", "--size", 8, "--out", tmp_path / "run")
    done = cli("audit", model, tmp_path / "in", *options)
    assert done.code == 3, done
    assert ("BGR" in done.err + done.out) == (way is blue_first)
