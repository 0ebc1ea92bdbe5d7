"""A victim that is found stays found, or nothing is said, however its pictures are stored."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from backburn.data.reading import load_images

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
    blue_first,
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
