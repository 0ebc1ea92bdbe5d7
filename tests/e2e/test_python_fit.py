"""Does the model belong to the images? Asked in Python as on the command line."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import nn

import backburn
from backburn.data.sources.digits import digits

NAMES = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine")


@pytest.fixture(scope="module")
def known() -> nn.Module:
    """A network that knows clean digits, on pixels in [0, 1]."""
    images = digits("train")
    with torch.random.fork_rng():
        torch.manual_seed(0)
        net = nn.Sequential(
            nn.Conv2d(1, 16, 3, padding=1), nn.ReLU(), nn.Conv2d(16, 32, 3, 2, 1), nn.ReLU(),
            nn.Flatten(), nn.Linear(512, 10),
        )  # fmt: skip
        optimizer = torch.optim.Adam(net.parameters(), 3e-3)
        for _ in range(12):
            for batch in torch.randperm(len(images)).split(64):
                optimizer.zero_grad()
                out = net(images.pixels[batch].float() / 255)
                nn.functional.cross_entropy(out, images.labels[batch]).backward()
                optimizer.step()
    return net.eval()


def test_a_model_of_other_labels_is_not_called_clean(known):
    images = digits("train")
    result = backburn.audit(known, images.pixels, (images.labels + 1) % 10, progress=False)
    assert result.verdict.state == "abstained"
    assert "another order" in result.verdict.reason
    assert result.fit.accuracy < 0.1


def test_one_that_knows_its_images_is_clean_and_says_of_what(known):
    images = digits("train")
    result = backburn.audit(known, images.pixels, images.labels, progress=False)
    assert result.verdict.state == "clean"
    assert result.fit.accuracy > 0.95
    assert "no poison found in these images" in str(result)


def test_classes_are_matched_by_name_and_labels_come_back_as_they_were_given(known):
    images = digits("train")
    ours = sorted(NAMES)  # as folders would be numbered
    place = torch.tensor([ours.index(name) for name in NAMES])
    labels = place[images.labels]
    given = (images.pixels.numpy(), labels.numpy())
    plain = backburn.audit(known, *given, class_names=tuple(ours), progress=False)
    assert plain.verdict.state == "abstained"
    result = backburn.audit(known, *given, class_names=tuple(ours), classes=NAMES, progress=False)
    assert (result.verdict.state, result.fit.accuracy > 0.95) == ("clean", True)
    _, kept = result.clean_dataset()
    assert np.array_equal(kept, given[1])


def test_classes_that_nobody_knows_are_refused(known):
    images = replace(digits("train"), class_names=NAMES)
    with pytest.raises(backburn.InputError, match="not among the 10 known ones"):
        backburn.audit(known, images, classes=[f"class {k}" for k in range(10)], progress=False)


def test_a_program_is_opened_with_trust_only(known, tmp_path):
    images, path = digits("train"), tmp_path / "m.pt"
    with pytest.warns(DeprecationWarning, match="torch.jit"):
        torch.jit.save(torch.jit.script(known), path)
    with pytest.raises(backburn.InputError, match="--trust"):
        backburn.audit(path, images, progress=False)
    given = {"mean": (0.0,), "std": (1.0,), "size": 8, "trust": True, "progress": False}
    with (
        pytest.warns(UserWarning, match="is trusted"),
        pytest.warns(DeprecationWarning, match="torch.jit"),
    ):
        result = backburn.audit(path, images, **given)
    assert result.verdict.state == "clean"
