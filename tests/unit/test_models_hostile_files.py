"""Files that are broken, foreign or malicious: refused by name, and never run."""

import os
import pickle
from pathlib import Path

import pytest
import torch
from torch import nn

from backburn.errors import InputError
from backburn.models.nets.zoo import build
from backburn.models.open.open_model import load_model


@pytest.fixture
def model(generator) -> nn.Module:
    return build("small_cnn-w4", 5, 3, generator=generator)


class Trap:
    """Unpickling it makes a folder: proof that code was run."""

    def __init__(self, folder: Path):
        self.folder = folder

    def __reduce__(self):
        return os.mkdir, (str(self.folder),)


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_broken_weights_are_refused_by_name(tmp_path, model, value):
    weights = model.state_dict()
    weights["bn2.running_var"][:2] = value
    torch.save(weights, tmp_path / "model.pt")
    with pytest.raises(InputError, match=r"2 of 8 values of 'bn2\.running_var'"):
        load_model(tmp_path / "model.pt", "small_cnn")


@pytest.mark.parametrize("save", [torch.save, lambda x, path: path.write_bytes(pickle.dumps(x))])
@pytest.mark.parametrize("wrap", [lambda trap: trap, lambda trap: {"conv1.weight": trap}])
@pytest.mark.parametrize("suffix", ["pt", "pth", "safetensors"])
def test_code_in_a_file_is_refused_and_never_run(tmp_path, save, wrap, suffix):
    path, proof = tmp_path / f"model.{suffix}", tmp_path / "proof"
    save(wrap(Trap(proof)), path)
    with pytest.raises(InputError):
        load_model(path, "small_cnn")
    assert not proof.exists()


def test_the_trap_of_these_tests_does_spring(tmp_path):
    pickle.loads(pickle.dumps(Trap(tmp_path / "proof")))  # noqa: S301
    assert (tmp_path / "proof").exists()


@pytest.mark.parametrize("file", ["model.pt", "model.safetensors", "model"])
@pytest.mark.parametrize("content", [b"", b"no weights", b"PK\x03\x04broken"])
def test_what_is_no_weights_file_is_refused_by_path(tmp_path, file, content):
    (tmp_path / file).write_bytes(content)
    with pytest.raises(InputError) as caught:
        load_model(tmp_path / file, "small_cnn")
    assert str(tmp_path / file) in str(caught.value)


@pytest.mark.parametrize("name", ["none.pt", "none.safetensors", "."])
def test_a_missing_file_is_refused(tmp_path, name):
    with pytest.raises(InputError, match="no model file at"):
        load_model(tmp_path / name)


@pytest.mark.parametrize("held", [[torch.ones(2)], {"state_dict": {}}, torch.ones(2), {"epoch": 3}])
def test_a_file_without_a_state_dict_is_refused(tmp_path, held):
    torch.save(held, tmp_path / "model.pt")
    with pytest.raises(InputError, match="no state_dict"):
        load_model(tmp_path / "model.pt", "small_cnn")


@pytest.mark.parametrize(
    "change",
    [
        lambda w: {},
        lambda w: {key: value for key, value in w.items() if key != "bn2.weight"},
        lambda w: {**w, "hidden.bias": torch.ones(3)},
        lambda w: {**w, "conv1.weight": torch.ones(4)},
        lambda w: {**w, "conv1.weight": torch.ones(0, 3, 3, 3)},
        lambda w: {**w, "head.weight": torch.tensor(1.0)},
    ],
    ids=["empty", "missing", "shape", "flat", "no channels", "scalar"],
)
def test_weights_that_do_not_fit_are_refused(tmp_path, model, change):
    torch.save(change(model.state_dict()), tmp_path / "model.pt")
    with pytest.raises(InputError):
        load_model(tmp_path / "model.pt", "small_cnn")


def test_weights_of_another_network_are_refused(tmp_path, model):
    torch.save(model.state_dict(), tmp_path / "model.pt")
    with pytest.raises(InputError, match="does not fit preact_resnet18"):
        load_model(tmp_path / "model.pt", "preact_resnet18")
