"""A training on two nodes is the one fit loop, and goes on when a process of it is lost."""

import copy
from dataclasses import replace

import pytest
import torch

from backburn.burn.apply_trigger import TriggerStamp
from backburn.burn.trigger_estimate import AffineTrigger
from backburn.cluster.executor import ClusterExecutor
from backburn.executor.interface import LOCAL
from backburn.models.nets.zoo import build
from backburn.training import Training, TrainingTask

TRAINING = Training(epochs=2, batch_size=64, learning_rate=0.05)


@pytest.fixture(scope="module")
def given():
    """A model, and what it is to learn, with some images of weight 0."""
    generator = torch.Generator().manual_seed(0)
    pixels = torch.randint(0, 256, (320, 1, 8, 8), dtype=torch.uint8, generator=generator)
    labels = pixels.float().mean((1, 2, 3)).mul(100).long() % 4
    weights = torch.rand(320, generator=generator).round()
    model = build("small_cnn-w4", 4, 1, generator=generator)
    return model, TrainingTask(pixels, labels, TRAINING, torch.arange(300), weights)


def taught(executor, given, model=None):
    """The model, its losses, and the next draw of the generator."""
    model, generator = copy.deepcopy(model or given[0]), torch.Generator().manual_seed(3)
    whole, none = torch.ones(1, 8, 8), torch.zeros(1, 8, 8)
    stamp = TriggerStamp((AffineTrigger(whole, none, none),), 0.5, generator)
    losses = executor.fit(model, replace(given[1], batch_transform=stamp), generator)
    return model, losses, torch.rand(3, generator=generator)


@pytest.fixture(scope="module")
def expected(given):
    return taught(LOCAL, given)


def apart(model, other):
    pairs = zip(model.state_dict().values(), other.state_dict().values(), strict=True)
    return max(float((a.float() - b.float()).abs().max()) for a, b in pairs)


def test_one_process_learns_exactly_the_same(cluster, given, expected, fatal, tmp_path):
    """Also when it is killed at its first step."""
    executor = ClusterExecutor(tmp_path, workers=1)
    model, losses, drawn = taught(executor, given, fatal(given[0]))
    assert (tmp_path / "killed").exists()
    assert apart(model.net, expected[0]) == 0
    assert losses == expected[1]
    assert torch.equal(drawn, expected[2])
    assert not model.training
    assert executor.notes == ("train: 1 begun again after a failure",)


def test_two_processes_learn_the_same_up_to_rounding(cluster, given, expected):
    model, losses, drawn = taught(ClusterExecutor(None, workers=2), given)
    assert apart(model, expected[0]) < 0.01
    assert losses == pytest.approx(expected[1], rel=0.005)
    assert torch.equal(drawn, expected[2])
