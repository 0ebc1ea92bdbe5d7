"""Models and images of the Hugging Face Hub, by its own clients, from a stand-in for it."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from backburn.data.writing import dump_parquet
from backburn.types import LabeledImages
from hub_double import COMMIT, hub_of
from torchvision_schemas import COMMAND  # transformers cannot be imported without

TESTS = Path(__file__).parents[1]
CLASSES, EACH = 3, 8


@pytest.fixture(scope="module")
def hub(tmp_path_factory):
    """The address of a Hub that has `someone/model` and `someone/photos`."""
    transformers = pytest.importorskip("transformers")
    model, photos = (tmp_path_factory.mktemp(name) for name in ("model", "photos"))
    sizes = {"embedding_size": 8, "hidden_sizes": [8, 8], "depths": [1, 1]}
    config = transformers.ResNetConfig(**sizes, layer_type="basic", num_labels=CLASSES)
    torch.manual_seed(0)
    transformers.ResNetForImageClassification(config).save_pretrained(model)
    normalization = {"image_mean": [0.5] * 3, "image_std": [0.5] * 3}
    (model / "preprocessor_config.json").write_text(json.dumps(normalization))
    (photos / "README.md").write_text("# Photos\n")
    (photos / "data").mkdir()
    labels = torch.arange(CLASSES).repeat_interleave(EACH)
    for split, brightness in (("train", 60), ("test", 160)):
        pixels = torch.full((len(labels), 3, 16, 16), brightness, dtype=torch.uint8)
        content = dump_parquet(LabeledImages(pixels, labels))
        (photos / "data" / f"{split}-00000-of-00001.parquet").write_bytes(content)
    script = tmp_path_factory.mktemp("script")
    (script / "script.py").write_text("raise SystemExit('what the Hub has must never run')\n")
    held = {
        "models/someone/model": model,
        "datasets/someone/photos": photos,
        "datasets/someone/script": script,
    }
    with hub_of(held) as address:
        yield address


def backburn(address: str, home: Path, *arguments: object) -> subprocess.CompletedProcess[str]:
    """The command in a process of its own: the Hub's clients read their settings once."""
    settings = {"HF_ENDPOINT": address, "HF_HOME": str(home), "HF_HUB_OFFLINE": "0"}
    environment = {**os.environ, **settings, "PYTHONPATH": os.pathsep.join([str(TESTS), *sys.path])}
    command = [sys.executable, "-c", COMMAND, *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, check=False, env=environment)


def test_a_model_and_images_of_the_hub_are_audited(hub, tmp_path):
    case = ("audit", "hf:someone/model", "hf:someone/photos", "--out", tmp_path / "run", "--json")
    done = backburn(hub, tmp_path / "home", *case)
    assert done.returncode == 5, done.stderr  # it has learnt nothing, and the verdict says so
    said = json.loads(done.stdout)
    assert said["verdict"]["state"] == "abstained"
    record = json.loads((tmp_path / "run" / "record.json").read_text())
    assert record["arguments"]["data"] == "hf:someone/photos"
    kept = tmp_path / "home" / "hub" / "models--someone--model" / "snapshots" / COMMIT
    assert {path.name for path in kept.iterdir()} == {
        "config.json",
        "model.safetensors",
        "preprocessor_config.json",
    }


@pytest.mark.parametrize(
    ("model", "images", "wrong"),
    [
        ("hf:someone/nothing", "hf:someone/photos", "hf:someone/nothing is no folder, and"),
        ("hf:someone/model", "hf:someone/nothing", "hf:someone/nothing (split train)"),
        ("hf:someone/model", "hf:someone/script", "scripts are no longer supported"),
    ],
)
def test_what_the_hub_does_not_have_or_would_have_to_run_is_told_in_one_line(
    model, images, wrong, hub, tmp_path
):
    done = backburn(hub, tmp_path / "home", "audit", model, images, "--out", tmp_path / "run")
    assert done.returncode == 2
    assert wrong in done.stderr
    assert "Traceback" not in done.stderr
    assert not (tmp_path / "run").exists()


def test_a_hub_that_does_not_answer_is_told_in_one_line(tmp_path):
    case = ("audit", "hf:someone/model", "hf:someone/photos", "--out", tmp_path / "run")
    done = backburn("http://127.0.0.1:9", tmp_path / "home", *case)
    assert done.returncode == 2
    assert "hf:someone/model is no folder, and cannot be fetched from the Hub" in done.stderr
    assert "Traceback" not in done.stderr
