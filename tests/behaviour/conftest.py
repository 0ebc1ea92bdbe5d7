"""A backdoored victim on digits and its runs, made once; photos, and a model that fits them."""

import json
from pathlib import Path

import pytest
import torch
from PIL import Image

EPOCHS = "recipe.training.epochs=16"


@pytest.fixture(scope="session")
def victim(cli, tmp_path_factory) -> Path:
    """What `backburn attack` wrote; its ASR is looked at in test_commands."""
    folder = tmp_path_factory.mktemp("victims") / "badnets"
    case = ("badnets", "digits", "--rate", "0.1", "--set", EPOCHS)
    done = cli("attack", *case, "--out", folder, "--json")
    assert done.code == 0, done.err
    return folder


@pytest.fixture(scope="session")
def audited(cli, victim, tmp_path_factory) -> Path:
    """A run of `audit` on the victim's folder."""
    run = tmp_path_factory.mktemp("runs") / "audit"
    done = cli("audit", victim, "--out", run)
    assert done.code == 3, done.err
    return run


@pytest.fixture(scope="session")
def repaired(cli, victim, tmp_path_factory) -> tuple[Path, dict]:
    """A run of `repair` on the victim's folder, and the JSON that it printed."""
    run = tmp_path_factory.mktemp("runs") / "repair"
    done = cli("repair", victim, "--out", run, "--json")
    assert (done.code, done.err) == (0, ""), done.err
    return run, json.loads(done.out)


@pytest.fixture
def here(tmp_path, monkeypatch) -> Path:
    """A working folder with photos/ (two classes) and model.safetensors, which fits them."""
    from backburn.models.nets.zoo import build
    from backburn.models.save_model import dump_model

    for number, name in enumerate(("cat", "dog")):
        (tmp_path / "photos" / name).mkdir(parents=True)
        for k in range(4):
            image = Image.new("RGB", (8, 8), (60 * k, 120 * number, 30))
            image.save(tmp_path / "photos" / name / f"{k}.png")
    model = build("small_cnn-w4", 2, 3, generator=torch.Generator().manual_seed(0))
    (tmp_path / "model.safetensors").write_bytes(dump_model(model))
    monkeypatch.chdir(tmp_path)
    return tmp_path


def everything(root: Path) -> dict[Path, bytes | None]:
    return {path: path.read_bytes() if path.is_file() else None for path in root.rglob("*")}


@pytest.fixture
def refused(cli, here):
    """Runs a command that must be refused, and gives back the line that it says."""

    def run(*arguments: object) -> str:
        before = everything(here)
        done = cli(*arguments)
        assert done.code == 2, done
        assert done.out == ""
        lines = done.err.splitlines()
        assert len(lines) == 1, done.err
        assert lines[0].startswith("backburn: ")
        assert everything(here) == before
        return lines[0]

    return run
