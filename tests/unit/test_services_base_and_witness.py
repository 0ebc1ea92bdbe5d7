"""A base and a witness beside a case: what is taken, refused and said."""

import importlib
import json
from dataclasses import replace

import pytest
import torch
from torch import nn

import backburn
from backburn.burn.burn import BURN
from backburn.burn.paper import PaperBURN
from backburn.errors import InputError
from backburn.models.nets.zoo import build
from backburn.models.open.opened_model import Origin
from backburn.services.base_and_witness import check_takes_pretrained, likely_base, with_pretrained
from backburn.services.opened_case import OpenedCase
from backburn.types import Case, LabeledImages

importlib.import_module("torchvision_schemas")  # before timm


@pytest.fixture
def opened() -> OpenedCase:
    pixels = torch.randint(256, (6, 3, 8, 8)).byte()
    model = build("small_cnn-w4", 3, 3, generator=torch.Generator().manual_seed(0))
    return OpenedCase(Case(model, LabeledImages(pixels, torch.arange(6) % 3)), 6)


def test_a_base_is_taken_as_weights_or_as_a_network(opened):
    before = build("small_cnn-w4", 3, 3, generator=torch.Generator().manual_seed(1))
    for base in (before, before.state_dict()):
        found = with_pretrained(opened, base, None, None, 0)
        assert found.case.second is found.case.base
        held = found.case.base.state_dict()
        assert all(torch.equal(held[name], w) for name, w in before.state_dict().items())
        assert found.notes[-1].startswith(f"base: {type(base).__name__}; ")
        assert found.notes[-1].endswith("drawn anew: nothing")


def test_the_witness_speaks_where_there_are_both(opened):
    before = build("small_cnn-w4", 3, 3, generator=torch.Generator().manual_seed(1))
    found = with_pretrained(opened, before, nn.Flatten(), None, 0)
    assert found.case.second is found.case.witness
    assert found.notes[-1] == "witness: Flatten, 192 features"


@pytest.mark.parametrize("witness", [nn.Linear(3, 3), nn.Identity()])
def test_a_witness_that_does_not_take_the_images_is_refused(opened, witness):
    with pytest.raises(InputError, match="does not take these images"):
        with_pretrained(opened, None, witness, None, 0)


def test_the_method_as_published_takes_neither(cli, opened):
    check_takes_pretrained(BURN(), "base.pt", "witness.pt")
    check_takes_pretrained(PaperBURN(), None, None)
    done = cli("repair", "m.pt", "photos", "--method", "paper", "--base", "base.pt")
    assert done.code == 2
    assert "the method as published takes no base and no witness" in done.err
    case, given = opened.case, {"method": PaperBURN(), "witness": nn.Flatten()}
    with pytest.raises(InputError, match="takes no base"):
        backburn.repair(case.model, case.images, **given)


def test_an_architecture_without_a_witness_is_refused(opened):
    with pytest.raises(InputError, match="give --witness, too"):
        with_pretrained(opened, None, None, "timm:resnet18", 0)


@pytest.mark.parametrize(
    ("arch", "likely"),
    [
        ("timm:resnet18", "timm:resnet18"),
        ("small_cnn-w4", None),
        ("nets:build", None),
        (None, None),
    ],
)
def test_a_network_of_a_library_is_likely_to_come_from_its_weights(opened, arch, likely):
    assert likely_base(replace(opened, arch=arch)) == likely


@pytest.mark.parametrize(
    ("named", "likely"),
    [
        ("google/vit-base-patch16-224", "hf:google/vit-base-patch16-224"),
        ("/home/somebody/vit", None),
        ("a/b; rm -rf", None),
        (7, None),
    ],
)
def test_a_configuration_may_say_what_a_model_comes_from(opened, named, likely):
    beside = {"config.json": json.dumps({"_name_or_path": named}).encode()}
    origin = Origin("huggingface", "model.safetensors", extra_files=beside)
    assert likely_base(replace(opened, origin=origin)) == likely


def test_it_is_said_once_and_not_where_a_base_is_given(opened):
    named = replace(opened, arch="timm:resnet18")
    (line,) = with_pretrained(named, None, None, None, 0).notes
    assert "--base timm:resnet18 gives a second opinion of every image" in line
    assert len(with_pretrained(named, None, nn.Flatten(), None, 0).notes) == 1
