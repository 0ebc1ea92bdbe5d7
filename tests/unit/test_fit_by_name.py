"""Classes by name from the file to the case: a Hugging Face model's, a holdout's, a test set's."""

import importlib
import json
from pathlib import Path

import pytest
import torch
from test_fit_find_reading import NAMES, nearest, opened

from backburn.errors import InputError
from backburn.services.case_options import CaseOptions
from backburn.services.open_case import open_case
from backburn.types import no_progress
from templates import templates, write

importlib.import_module("torchvision_schemas")  # before transformers


def hub_model(folder: Path, names: list[str]) -> Path:
    """A small ResNet that says what its classes are called."""
    transformers = pytest.importorskip("transformers")
    transformers.utils.logging.disable_progress_bar()
    torch.manual_seed(0)
    config = transformers.ResNetConfig(
        embedding_size=8, hidden_sizes=[8], depths=[1], layer_type="basic", num_labels=len(names),
        id2label=dict(enumerate(names)), label2id={name: k for k, name in enumerate(names)},
    )  # fmt: skip
    transformers.ResNetForImageClassification(config).save_pretrained(folder)
    told = {"image_mean": [0.5] * 3, "image_std": [0.5] * 3, "size": {"height": 8, "width": 8}}
    (folder / "preprocessor_config.json").write_text(json.dumps({**told, "do_normalize": True}))
    return folder


def test_the_order_of_a_hugging_face_model_is_that_of_its_configuration(tmp_path):
    names = ["bee", "ant", "dog", "cat"]
    model = hub_model(tmp_path / "model", names)
    root = write(tmp_path / "in", templates(), NAMES)
    case = open_case(CaseOptions(str(model), str(root)), None, 0, torch.device("cpu"), no_progress)
    assert case.case.images.class_names == tuple(names)
    for name, label in zip(case.case.images.names, case.case.images.labels.tolist(), strict=True):
        assert name.split("/")[0] == names[label]
    assert any("class order: that of config.json" in note for note in case.notes)


def test_folders_that_a_hugging_face_model_has_no_class_for_are_listed(tmp_path):
    model = hub_model(tmp_path / "model", ["ant", "bee", "cat", "emu"])
    root = write(tmp_path / "in", templates(), NAMES)
    with pytest.raises(InputError, match="'dog'; known are 'ant'"):
        open_case(CaseOptions(str(model), str(root)), None, 0, torch.device("cpu"), no_progress)


@pytest.mark.parametrize("use", ["load_holdout", "load_test_images"])
def test_other_images_without_a_class_keep_the_numbers_of_theirs(tmp_path, use):
    case = opened(nearest(templates()), write(tmp_path / "in", templates(), NAMES))
    lacking = write(tmp_path / "lacking", templates()[1:], NAMES[1:])
    found = getattr(case, use)(str(lacking), no_progress)
    other = found.case.holdout if use == "load_holdout" else found.evaluation_set.clean
    assert other.labels.unique().tolist() == [1, 2, 3]
    assert other.class_names == tuple(NAMES)
    for name, label in zip(other.names, other.labels.tolist(), strict=True):
        assert name.split("/")[0] == NAMES[label]
    assert any("has no images of 'ant'" in note for note in found.notes)
    assert (found.case.model(other.pixels / 255).argmax(1) == other.labels).all()


@pytest.mark.parametrize("use", ["load_holdout", "load_test_images"])
def test_other_images_with_a_class_of_their_own_are_refused(tmp_path, use):
    case = opened(nearest(templates()), write(tmp_path / "in", templates(), NAMES))
    more = write(tmp_path / "more", templates(), ["ant", "bee", "cat", "emu"])
    with pytest.raises(InputError, match="'emu'"):
        getattr(case, use)(str(more), no_progress)
