"""A training on a node is the one fit loop, and continues when its process is killed."""

import copy
from dataclasses import replace

import pytest
import torch

from backburn.burn.apply_trigger import TriggerStamp
from backburn.burn.trigger_estimate import AffineTrigger
from backburn.cluster.executor import ClusterExecutor
from backburn.errors import BackburnError
from backburn.executor.interface import LOCAL
from backburn.executor.resumable import ResumableExecutor
from backburn.models.nets.zoo import build
from backburn.training import Training, TrainingTask

TRAINING = Training(epochs=2, batch_size=64, learning_rate=0.05)
STEPS = 10


@pytest.fixture(scope="module")
def model():
    return build("small_cnn-w4", 4, 1, generator=torch.Generator().manual_seed(0))


@pytest.fixture(scope="module")
def task():
    """300 of 320 images, some with a weight of 0."""
    generator = torch.Generator().manual_seed(0)
    pixels = torch.randint(0, 256, (320, 1, 8, 8), dtype=torch.uint8, generator=generator)
    labels = pixels.float().mean((1, 2, 3)).mul(100).long() % 4
    weights = torch.rand(320, generator=generator).round()
    return TrainingTask(pixels, labels, TRAINING, torch.arange(300), weights)


def train(executor, model, task):
    """The model, its losses, and the next draw of the generator."""
    model, generator = copy.deepcopy(model), torch.Generator().manual_seed(3)
    whole, none = torch.ones(1, 8, 8), torch.zeros(1, 8, 8)
    stamp = TriggerStamp((AffineTrigger(whole, none, none),), 0.5, generator)
    losses = executor.fit(model, replace(task, batch_transform=stamp), generator)
    return model, losses, torch.rand(3, generator=generator)


def require_same(result, expected):
    (model, losses, drawn), (expected_model, expected_losses, expected_draw) = result, expected
    weights, expected_weights = model.state_dict(), expected_model.state_dict()
    assert all(torch.equal(weights[name], expected_weights[name]) for name in expected_weights)
    assert losses == expected_losses
    assert torch.equal(drawn, expected_draw)
    assert not model.training


def test_a_killed_training_continues_from_the_last_state_it_sent(
    cluster, model, task, fatal, tmp_path
):
    """It ends with the weights of one machine, also where the rest is trained without a cluster."""
    expected = train(LOCAL, fatal(model), task)
    executor = ClusterExecutor(tmp_path, workers=2, send_interval=0)
    require_same(train(executor, fatal(model, kill_at=7), task), expected)
    assert (tmp_path / "killed").exists()
    assert (tmp_path / "passes").stat().st_size == STEPS + 1  # the step that was cut off, twice
    assert executor.notes == ("train: 1 begun again after a failure",)
    (checkpoint,) = tmp_path.glob("training/*")
    written = checkpoint.stat().st_mtime_ns
    require_same(train(ResumableExecutor(tmp_path, min_interval=0), fatal(model), task), expected)
    assert [path.stat().st_mtime_ns for path in tmp_path.glob("training/*")] == [written]


def test_a_training_that_sent_no_state_begins_again(cluster, model, task, fatal, tmp_path):
    executor = ClusterExecutor(None, workers=1)
    require_same(train(executor, fatal(model), task), train(LOCAL, fatal(model), task))
    assert (tmp_path / "passes").stat().st_size == STEPS + 1
    assert executor.notes == ("train: 1 begun again after a failure",)


def test_a_training_that_diverges_is_one_line(cluster, model, task):
    task = replace(task, training=replace(TRAINING, learning_rate=1e30))
    with pytest.raises(BackburnError, match="lower learning_rate") as error:
        train(ClusterExecutor(None, workers=1), model, task)
    assert len(str(error.value).splitlines()) == 1
