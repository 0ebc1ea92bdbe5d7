"""A bad model or bad images: exit code 2, one line on stderr, and nothing is written."""

import io
import os

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch
from PIL import Image

from backburn.models.nets.zoo import build
from backburn.models.save_model import dump_model

MODEL, PHOTOS = "model.safetensors", "photos"
pytestmark = pytest.mark.usefixtures("here")


@pytest.mark.parametrize("verb", ["audit", "repair"])
@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["none.safetensors", PHOTOS], ["none.safetensors", "give a .safetensors or .pt"]),
        ([MODEL, "nowhere"], ["nowhere", "give a folder"]),
        (["nowhere"], ["nowhere", "give MODEL and DATA"]),
        ([PHOTOS], [PHOTOS, "no victim's folder", "give MODEL and DATA"]),
        ([PHOTOS, MODEL], ["give "]),
        ([MODEL, PHOTOS, "--arch", "smal_cnn"], ["smal_cnn", "did you mean 'small_cnn'"]),
        ([MODEL, PHOTOS, "--arch", "preact_resnet18"], [MODEL, "does not fit preact_resnet18"]),
        ([MODEL, PHOTOS, "--device", "tpu"], ["tpu", "give auto, cpu"]),
        ([MODEL, PHOTOS, "--out", PHOTOS], [PHOTOS, "not empty", "give another --out"]),
        ([MODEL, PHOTOS, "--out", MODEL], [MODEL, "give another --out"]),
        ([MODEL, PHOTOS, "--out", f"{MODEL}/run"], [MODEL, "not a writable folder"]),
        ([MODEL, PHOTOS, "--config", "none.toml"], ["none.toml", "give a .toml"]),
        ([MODEL, PHOTOS, "--set", "detector.budgt=fast"], ["detector.budgt", "detector.budget"]),
        ([MODEL, PHOTOS, "--set", "detector.budget"], ["detector.budget", "name=value"]),
        ([MODEL, PHOTOS, "--set", "detector.batch_size=many"], ["detector.batch_size", "many"]),
        ([MODEL, PHOTOS, "--set", "detector.budget=slow"], ["slow", "budget"]),
        ([MODEL, PHOTOS, "--seed", "-1"], ["--seed", "-1"]),
        ([MODEL, PHOTOS, "--sede", "1"], ["--sede", "--seed"]),
        ([], ["MODEL"]),
    ],
    ids=lambda value: " ".join(value) if value else "nothing",
)
def test_a_case_that_cannot_be_opened(refused, verb, arguments, told):
    line = refused(verb, *arguments)
    assert all(word in line for word in told), line


def test_an_empty_folder(refused, here):
    (here / "empty").mkdir()
    assert "empty needs sub-folders of images" in refused("audit", MODEL, "empty")


def test_images_of_one_class(refused, here):
    (here / PHOTOS / "dog").rename(here / "dog")
    assert "photos holds images of one class only" in refused("audit", MODEL, PHOTOS)


@pytest.mark.parametrize("label", [-1, 1.5, None])
def test_a_label_out_of_range(refused, here, label):
    buffer = io.BytesIO()
    Image.new("RGB", (8, 8)).save(buffer, "PNG")
    image = {"bytes": buffer.getvalue(), "path": None}
    table = pa.table({"image": [image] * 3, "label": [0, 1, label]})
    pq.write_table(table, here / "rows.parquet")
    line = refused("audit", MODEL, "rows.parquet")
    assert all(word in line for word in ("rows.parquet", "row ", "from 0"))


@pytest.mark.parametrize(
    ("classes", "channels", "told"),
    [(3, 3, "3 outputs, but the images in photos have 2 classes"), (2, 4, "images of 4 channels")],
)
def test_a_model_that_does_not_fit_the_images(refused, here, classes, channels, told):
    (here / "other.safetensors").write_bytes(dump_model(build("small_cnn-w4", classes, channels)))
    assert told in refused("repair", "other.safetensors", PHOTOS)


def test_weights_that_are_no_numbers(refused, here):
    model = build("small_cnn-w4", 2, 3)
    with torch.no_grad():
        model.head.bias[1] = float("nan")
    (here / "broken.safetensors").write_bytes(dump_model(model))
    line = refused("audit", "broken.safetensors", PHOTOS)
    assert all(word in line for word in ("broken.safetensors", "'head.bias'", "use a checkpoint"))


class Trap:
    """Unpickling it makes a folder."""

    def __reduce__(self):
        return os.mkdir, ("sprung",)


def test_code_in_a_model_file_is_never_run(refused, here):
    torch.save({"conv1.weight": Trap()}, here / "model.pt")
    line = refused("audit", "model.pt", PHOTOS, "--arch", "small_cnn")
    assert all(word in line for word in ("model.pt", "could run code", "--trust"))


def test_a_corrupt_image_among_good_ones_is_named_and_skipped(cli, here):
    (here / PHOTOS / "cat" / "bad.png").write_bytes(b"junk")
    done = cli("audit", MODEL, PHOTOS, "--out", "run")
    assert done.code == 5, done.err  # eight photos are too few to tell
    assert "of 8 images" in done.out
    assert "1 could not be read" in done.out
    assert "cat/bad.png" in done.out
