"""The public face, on a network that is not ours."""

import copy
from dataclasses import fields

import numpy as np
import pytest
import torch
from torch import nn

import backburn
from backburn.attacks.badnets import BadNets
from backburn.attacks.surrogates import Surrogates
from backburn.data.sources.digits import digits
from backburn.training import Training, TrainingTask, fit

CLASSES = 5
"""Groups of every class are tested: with fewer classes an audit takes less time."""


def few_digits(split: str) -> backburn.types.LabeledImages:
    """The images of the first classes."""
    images = digits(split)
    return images.take((images.labels < CLASSES).nonzero().flatten())


@pytest.fixture(scope="module")
def planted():
    generator = torch.Generator().manual_seed(0)
    return BadNets(poisoning_rate=0.1).poison(few_digits("train"), generator, Surrogates())


@pytest.fixture(scope="module")
def model(planted) -> nn.Module:
    """A plain network, trained on poisoned digits."""
    with torch.random.fork_rng():
        torch.manual_seed(0)
        net = nn.Sequential(
            nn.Conv2d(1, 32, 3, padding=1),
            nn.BatchNorm2d(32),
            nn.ReLU(),
            nn.Conv2d(32, 64, 3, 2, 1),
            nn.BatchNorm2d(64),
            nn.ReLU(),
            nn.Conv2d(64, 64, 3, 1, 1),
            nn.BatchNorm2d(64),
            nn.ReLU(),
            nn.AdaptiveAvgPool2d(2),
            nn.Flatten(),
            nn.Linear(256, 128),
            nn.ReLU(),
            nn.Linear(128, CLASSES),
        )
    recipe = Training(epochs=20, batch_size=64, learning_rate=0.05)
    images = planted.images
    fit(net, TrainingTask(images.pixels, images.labels, recipe), torch.Generator().manual_seed(0))
    return net


@pytest.fixture
def arrays(planted) -> tuple[np.ndarray, np.ndarray]:
    """uint8 images `(n, 1, 8, 8)` and their labels."""
    return planted.images.pixels.numpy(), planted.images.labels.numpy()


def called(model: nn.Module, pixels: torch.Tensor) -> torch.Tensor:
    with torch.no_grad():
        return model(pixels.float() / 255).argmax(1)


def test_a_network_of_ones_own_is_repaired_and_left_as_it_was(model, arrays, planted):
    weights, training = copy.deepcopy(model.state_dict()), model.training
    result = backburn.repair(model, *arrays)
    assert (result.verdict.state, result.verdict.target_labels) == ("backdoored", (0,))
    assert type(result.model) is nn.Sequential
    test = few_digits("test")
    others = test.labels != 0
    triggered = planted.trigger(test.pixels[others])
    before, after = (called(net, triggered) == 0 for net in (model, result.model))
    assert before.float().mean() > 0.95
    assert after.float().mean() < 0.02
    assert (called(result.model, test.pixels) == test.labels).float().mean() > 0.95
    assert model.training == training
    assert all(torch.equal(model.state_dict()[key], value) for key, value in weights.items())


def test_a_review_is_honoured_whether_it_is_read_or_made(model, arrays, planted, tmp_path):
    first, second = planted.truth.poison.nonzero().flatten().tolist()[:2]
    path = tmp_path / "review.csv"
    head = "image,given_label,restored_label,decision,label\n"
    path.write_text(f"{head}{first},0,3,reject,0\n{second},0,3,relabel,4\n")
    read = backburn.repair(model, *arrays, review=path)
    made = backburn.Review(
        torch.tensor([first, second]), torch.tensor([0, 2]), torch.tensor([0, 4])
    )
    again = backburn.repair(model, *arrays, review=made)
    suspects = read.suspects
    labels = dict(zip(suspects.index.tolist(), suspects.restored_label.tolist(), strict=True))
    assert first not in labels
    assert labels[second] == 4
    weights = again.model.state_dict()
    assert all(torch.equal(weights[key], each) for key, each in read.model.state_dict().items())


def test_floats_with_channels_last_are_the_same_images(model, arrays, planted):
    pixels, labels = arrays
    floats = np.ascontiguousarray(pixels.transpose(0, 2, 3, 1)) / 255
    first, second = backburn.audit(model, pixels, labels), backburn.audit(model, floats, labels)
    assert torch.equal(first.evidence.score, second.evidence.score)
    assert (first.evidence.flagged == planted.truth.poison).float().mean() > 0.99
    assert first.suspects.index.tolist() == second.suspects.index.tolist()
    assert first.boundary.distance.shape == (len(labels),)


def test_the_arrays_are_left_as_they_were(model, arrays):
    pixels, labels = (array.copy() for array in arrays)
    backburn.audit(model, pixels, labels, method=backburn.BURN())
    assert np.array_equal(pixels, arrays[0])
    assert np.array_equal(labels, arrays[1])


@pytest.mark.parametrize("verb", ["audit", "repair"])
@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda x, y: (x[:, 0, 0], y), "images have shape"),
        (lambda x, y: (x.astype(float), y), "divide 0..255 pixels by 255"),
        (lambda x, y: (x.astype(np.int32), y), "int32"),
        (lambda x, y: (x, y[:-1]), "721 images but labels of shape"),
        (lambda x, y: (x, y.astype(float)), "whole numbers from 0"),
        (lambda x, y: (x, y - 1), "out of range"),
        (lambda x, y: (x, y * 0), "one class"),
        (lambda x, y: (x[:0], y[:0]), "no images"),
        (lambda x, y: (np.repeat(x, 3, 1), y), r"cannot take images of shape \(3"),
        (lambda x, y: (x, np.where(y == 4, 12, y)), "5 outputs, but the images have 13"),
    ],
)
def test_what_does_not_fit_is_refused_in_one_line(model, arrays, verb, change, message):
    with pytest.raises(backburn.InputError, match=message) as caught:
        getattr(backburn, verb)(model, *change(*arrays))
    assert "\n" not in str(caught.value)


def test_class_names_are_counted_against_the_outputs(model, arrays):
    with pytest.raises(backburn.InputError, match="5 outputs, but the images have 11"):
        backburn.audit(model, *arrays, class_names=tuple("abcdefghijk"))


def test_progress_is_told(model, arrays):
    phases: list[str] = []
    backburn.audit(model, *arrays, progress=lambda phase, done, total: phases.append(phase))
    assert "boundary" in phases


def test_every_public_name_is_there():
    for name in backburn.__all__:
        assert getattr(backburn, name) is not None
    assert issubclass(backburn.InputError, backburn.BackburnError)
    assert {field.name for field in fields(backburn.Verdict)} >= {"state", "p_value"}


def test_a_name_that_is_not_there_is_an_attribute_error():
    with pytest.raises(AttributeError, match="'backburn' has no attribute 'adit'"):
        _ = backburn.adit
