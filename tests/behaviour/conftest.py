"""A backdoored victim on digits, made once; a folder of photos, and a model that fits it."""

from pathlib import Path

import pytest
import torch
from PIL import Image

EPOCHS = "recipe.training.epochs=16"


@pytest.fixture(scope="session")
def victim(cli, tmp_path_factory) -> Path:
    """What `backburn attack` wrote; its ASR is looked at in test_commands."""
    folder = tmp_path_factory.mktemp("victims") / "badnets"
    done = cli("attack", "badnets", "digits", "--set", EPOCHS, "--out", folder, "--json")
    assert done.code == 0, done.err
    return folder


@pytest.fixture
def here(tmp_path, monkeypatch) -> Path:
    """A working folder with photos/ (two classes) and model.safetensors, which fits them."""
    from backburn.models.loading import dump_model
    from backburn.models.zoo import build

    for number, name in enumerate(("cat", "dog")):
        (tmp_path / "photos" / name).mkdir(parents=True)
        for k in range(4):
            image = Image.new("RGB", (8, 8), (60 * k, 120 * number, 30))
            image.save(tmp_path / "photos" / name / f"{k}.png")
    model = build("small_cnn-w4", 2, 3, generator=torch.Generator().manual_seed(0))
    (tmp_path / "model.safetensors").write_bytes(dump_model(model))
    monkeypatch.chdir(tmp_path)
    return tmp_path
