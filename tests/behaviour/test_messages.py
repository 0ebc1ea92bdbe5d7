"""Messages name the cause and the remedy: what new users ran into, one by one."""

import importlib
import io
from pathlib import Path

import numpy as np
import pytest
import torch

import backburn
from backburn.errors import InputError

MODEL, PHOTOS = "model.safetensors", "photos"


def saved() -> bytes:
    buffer = io.BytesIO()
    torch.save({"a": torch.ones(1000)}, buffer)
    return buffer.getvalue()


FILES = {
    "m.onnx": (
        b"\x08\x08\x12\x07pytorch\x1a\x032.6",
        "is an ONNX file: save the PyTorch state_dict",
    ),
    "m.pth": (b"\x08\x08\x12\x07pytorch\x1a\x032.6", "is an ONNX file"),
    "m.h5": (b"\x89HDF\r\n\x1a\n" + bytes(50), "is a Keras file"),
    "m.tflite": (bytes(4) + b"TFL3" + bytes(50), "is a TensorFlow Lite file"),
    "empty.pt": (b"", "is empty (0 bytes)"),
    "cut.pt": (saved()[:900], "is cut off after 900 bytes"),
    "text.pt": (
        b"version https://git-lfs.github.com/spec/v1\n",
        "it is a text file, no checkpoint",
    ),
    "noise.pt": (bytes(range(0, 256)), "it is no checkpoint"),
    "photo.pt": (b"\x89PNG\r\n\x1a\n" + bytes(50), "is a picture, no model"),
}


@pytest.mark.parametrize("name", FILES)
def test_a_file_that_is_no_checkpoint_is_called_what_it_is(refused, here, name):
    content, told = FILES[name]
    (here / name).write_bytes(content)
    assert told in refused("audit", name, PHOTOS, "--arch", "small_cnn")


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        ((MODEL,), "DATA is missing, the images that model.safetensors was trained on"),
        ((PHOTOS, MODEL), "look swapped"),
        ((MODEL, PHOTOS, "--arch", "nets.py"), "did you mean 'nets:build'"),
        ((MODEL, PHOTOS, "--arch", "nets.make"), "did you mean 'nets:make'"),
        (("nowhere",), "no folder at nowhere"),
        ((MODEL, PHOTOS, "--set", "foo=1"), "--set list shows all"),
        ((MODEL, PHOTOS, "--set", "trainings.epochs=1"), "did you mean 'training' or"),
        ((MODEL, PHOTOS, "--classes", "no.txt"), "no.txt cannot be read as a list of classes"),
    ],
)
def test_a_command_line_that_is_not_quite_right(refused, arguments, told):
    assert told in refused("audit", *arguments)


def test_a_network_is_proposed_where_none_is_named(refused, here):
    from backburn.models.nets.zoo import build

    torch.save(build("small_cnn-w4", 2, 3).state_dict(), here / "m.pt")
    assert "--arch, such as small_cnn" in refused("audit", "m.pt", PHOTOS)


def test_the_library_of_a_network_is_proposed(refused):
    importlib.import_module("torchvision_schemas")  # before timm
    told = refused("audit", MODEL, PHOTOS, "--arch", "resnet18")
    assert "'timm:resnet18'" in told
    assert "cifar_resnet18" not in told


def test_all_settings_are_listed(cli, here):
    done = cli("audit", MODEL, PHOTOS, "--set", "list")
    assert (done.code, done.err) == (0, "")
    assert "[detector]" in done.out.splitlines()


def test_help_is_a_word_too(cli):
    assert "Commands:" in cli("help").out
    assert "MODEL|VICTIM" in cli("help", "audit").out


def test_a_place_that_cannot_be_written_is_said_first(refused):
    assert "cannot be written" in refused("audit", "nothing.pt", PHOTOS, "--out", "/proc/run")


class Items(list):
    """A data set as Hugging Face has them: tables, and the names of classes in its features."""


def pictures() -> list[np.ndarray]:
    return [np.full((8, 8, 3), 30 * k, np.uint8) for k in range(4)]


def test_items_may_be_tables():
    items = Items({"img": each, "label": k % 2} for k, each in enumerate(pictures()))
    assert backburn.from_dataset(items).labels.tolist() == [0, 1, 0, 1]


def test_items_of_other_columns_are_told():
    with pytest.raises(InputError, match="has x, y: it needs image"):
        backburn.from_dataset(Items({"x": each, "y": 1} for each in pictures()))


def test_normalized_pixels_are_told_from_others():
    pixels = torch.randn(4, 3, 8, 8)
    with pytest.raises(InputError, match="are normalized already"):
        backburn.audit(torch.nn.Flatten(), pixels, [0, 1, 0, 1])


def test_a_data_set_that_changes_is_told_to_stop():
    class Random(list):
        def __getitem__(self, place):
            return np.random.default_rng().integers(0, 255, (8, 8, 3), np.uint8), place % 2

    with pytest.raises(InputError, match="turn its random transforms off"):
        backburn.from_dataset(Random(range(4)))


def test_classes_files_are_read_in_any_layout(tmp_path: Path):
    from backburn.models.open.class_lists import read_classes

    layouts = {
        "a.txt": "cat\ndog\n",
        "b.txt": "0: cat\n1: dog\n",
        "c.json": '["cat", "dog"]',
        "d.json": '{"1": "dog", "0": "cat"}',
        "e.json": '{"dog": 1, "cat": 0}',
    }
    for name, text in layouts.items():
        (tmp_path / name).write_text(text)
        assert read_classes(tmp_path / name) == ("cat", "dog")


def test_a_network_for_images_of_one_size_needs_it_said(refused, here):
    weights = {"1.weight": torch.zeros(2, 192), "1.bias": torch.zeros(2)}
    torch.save(weights, here / "flat.pt")
    arch = ("--arch", f"{__name__}:flat")
    assert "give it with --size" in refused("audit", "flat.pt", PHOTOS, *arch)
    told = refused("audit", "flat.pt", PHOTOS, *arch, "--size", "9")
    assert "takes no images of 9x9" in told


def flat(num_classes: int = 2) -> torch.nn.Module:
    return torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(192, num_classes))
