"""Bad input: exit code 2, one line on stderr that says what to do, and nothing is written."""

import io
import os
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch
from PIL import Image

from backburn.models.loading import dump_model
from backburn.models.zoo import build

MODEL, PHOTOS = "model.safetensors", "photos"
pytestmark = pytest.mark.usefixtures("here")


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


@pytest.mark.parametrize("verb", ["audit", "repair"])
@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["none.safetensors", PHOTOS], ["none.safetensors", "give a .safetensors or .pt"]),
        ([MODEL, "nowhere"], ["nowhere", "give a folder"]),
        (["nowhere"], ["nowhere", "give MODEL and DATA"]),
        ([PHOTOS], [PHOTOS, "no victim's folder", "give MODEL and DATA"]),
        ([PHOTOS, MODEL], [MODEL, "give"]),
        ([MODEL, PHOTOS, "--arch", "smal_cnn"], ["smal_cnn", "did you mean 'small_cnn'"]),
        ([MODEL, PHOTOS, "--arch", "preact_resnet18"], [MODEL, "does not fit preact_resnet18"]),
        ([MODEL, PHOTOS, "--device", "tpu"], ["tpu", "give auto, cpu"]),
        ([MODEL, PHOTOS, "--out", PHOTOS], [PHOTOS, "not empty", "give another --out"]),
        ([MODEL, PHOTOS, "--out", MODEL], [MODEL, "give another --out"]),
        ([MODEL, PHOTOS, "--out", f"{MODEL}/run"], [MODEL, "not a writable folder"]),
        ([MODEL, PHOTOS, "--config", "none.toml"], ["none.toml", "give a .toml"]),
        ([MODEL, PHOTOS, "--set", "detector.step=3"], ["detector.step", "detector.steps"]),
        ([MODEL, PHOTOS, "--set", "detector.steps"], ["detector.steps", "name=value"]),
        ([MODEL, PHOTOS, "--set", "detector.steps=many"], ["detector.steps", "many"]),
        ([MODEL, PHOTOS, "--set", "detector.steps=0"], ["steps", "give 1 or more"]),
        ([MODEL, PHOTOS, "--seed", "-1"], ["--seed", "-1"]),
        ([MODEL, PHOTOS, "--sede", "1"], ["--sede", "--seed"]),
        ([], ["MODEL"]),
    ],
    ids=lambda value: " ".join(value) if value else "nothing",
)
def test_a_case_that_cannot_be_opened(refused, verb, arguments, told):
    line = refused(verb, *arguments)
    assert all(word in line for word in told), line


@pytest.mark.parametrize("verb", ["audit", "repair", "demo", "attack"])
def test_an_unknown_key_in_a_config_file(refused, here, verb):
    key, near = ("recipe", "architectur") if verb == "attack" else ("detector", "stps")
    (here / "my.toml").write_text(f"[{key}]\n{near} = 3\n")
    case = {"demo": [], "attack": ["badnets", PHOTOS]}.get(verb, [MODEL, PHOTOS])
    line = refused(verb, *case, "--config", "my.toml")
    nearest = {"architectur": "recipe.architecture", "stps": "detector.steps"}[near]
    assert all(word in line for word in ("my.toml", f"{key}.{near}", f"did you mean '{nearest}'"))


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["badnet", "digits"], ["attack 'badnet'", "did you mean 'badnets'"]),
        (["badnets", "nowhere"], ["nowhere", "give a folder"]),
        (["badnets", "digits", "--rate", "0"], ["0.0", "fraction between 0 and 1"]),
        (["badnets", "digits", "--rate", "1"], ["1.0", "fraction between 0 and 1"]),
        (["badnets", "digits", "--rate", "1.5"], ["1.5", "fraction between 0 and 1"]),
        (["badnets", "digits", "--rate", "-0.1"], ["-0.1", "fraction between 0 and 1"]),
        (["badnets", "digits", "--rate", "nan"], ["nan", "fraction between 0 and 1"]),
        (["badnets", "digits", "--rate", "many"], ["--rate", "many"]),
        (["sig", "digits", "--rate", "0.5"], ["0.5", "give another rate"]),
        (["badnets", "digits", "--target", "10"], ["10", "give 0 to 9"]),
        (["badnets", "digits", "--arch", "smal_cnn"], ["did you mean 'small_cnn'"]),
        (["badnets", "digits", "--limit", "0"], ["--limit", "0"]),
        (["badnets", "digits", "--device", "tpu"], ["tpu", "give auto, cpu"]),
        (["badnets", "digits", "--out", PHOTOS], [PHOTOS, "give another --out"]),
        (["badnets", "digits", "--set", "recipe.training.epoch=1"], ["recipe.training.epochs"]),
        (["badnets", "digits", "--set", "attack.size=99"], ["99", "8x8"]),
        (["badnets", "digits", "--test", "nowhere"], ["nowhere"]),
        (["badnets"], ["DATA"]),
    ],
    ids=" ".join,
)
def test_an_attack_that_cannot_be_made(refused, arguments, told):
    line = refused("attack", *arguments)
    assert all(word in line for word in told), line


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["repiar"], ["repiar", "did you mean 'repair'"]),
        (["--jsn"], ["--jsn"]),
        (["ls", "nowhere"], ["nowhere"]),
        (["demo", "--set", "training.epoch=1"], ["training.epochs"]),
        (["bench", "none.toml", "--out", "results"], ["none.toml"]),
    ],
    ids=" ".join,
)
def test_a_command_that_is_mistyped(refused, arguments, told):
    line = refused(*arguments)
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
    assert all(word in line for word in ("rows.parquet", "row ", "out of range", "from 0"))


@pytest.mark.parametrize(
    ("classes", "channels", "told"),
    [(3, 3, "3 outputs, but the images have 2 classes"), (2, 1, "cannot take images of shape (3")],
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
    assert all(word in line for word in ("model.pt", "never run", "safetensors"))


def test_a_folder_too_small_to_hold_images_out(refused):
    # eight images of two classes: a fifth of them is one
    line = refused("attack", "badnets", PHOTOS, "--rate", "0.3", "--limit", "5")
    assert all(word in line for word in (PHOTOS, "--test"))


def test_a_corrupt_image_among_good_ones_is_named_and_skipped(cli, here):
    (here / PHOTOS / "cat" / "bad.png").write_bytes(b"junk")
    done = cli("audit", MODEL, PHOTOS, "--out", "run")
    assert done.code == 0, done.err
    assert "of 8 images" in done.out
    assert "1 could not be decoded" in done.out
    assert "cat/bad.png" in done.out
