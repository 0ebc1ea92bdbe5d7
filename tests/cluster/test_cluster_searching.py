"""A boundary search on two nodes finds what one machine finds, whatever is lost on the way."""

from dataclasses import replace

import pytest
import ray
import torch
from torch import nn

from backburn.boundary.search_boundary import BoundarySearch
from backburn.cluster import run_shards
from backburn.cluster.executor import ClusterExecutor
from backburn.cluster.inference_tasks import ActivationsTask, InferenceJob
from backburn.cluster.session import connect
from backburn.errors import BackburnError
from backburn.models.channel_statistics import activations
from backburn.models.nets.zoo import build
from backburn.models.wrapping import WrappedModel
from conftest import NODE

SEARCH = BoundarySearch(budget="fast", batch_size=64, directions=True)


@pytest.fixture(scope="module")
def model():
    return build("small_cnn-w4", 4, 3, generator=torch.Generator().manual_seed(0)).eval()


@pytest.fixture(scope="module")
def pixels():
    generator = torch.Generator().manual_seed(1)
    return torch.randint(0, 256, (1100, 3, 16, 16), dtype=torch.uint8, generator=generator)


@pytest.fixture(scope="module")
def expected(model, pixels):
    return SEARCH.run(model, pixels)


def same(found, expected):
    for name in ("found", "distance", "crossed_label", "direction", "certified", "passes"):
        assert torch.equal(getattr(found, name), getattr(expected, name)), name


def shards(folder):
    return sorted((folder / "boundary").glob("*.safetensors"))


@pytest.mark.filterwarnings("ignore:`torch.jit:DeprecationWarning")
def test_a_killed_actor_is_replaced(cluster, pixels, fatal, tmp_path):
    """The model is a script, which is shipped in its own way."""
    net = nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU(), nn.Flatten(), nn.Linear(4 * 14 * 14, 4))
    script = WrappedModel(torch.jit.script(net.eval()), ((0.5,) * 3, (0.2,) * 3)).eval()
    executor = ClusterExecutor(tmp_path, workers=2, shard_size=64)
    same(executor.search_boundary(fatal(script), pixels, SEARCH), SEARCH.run(script, pixels))
    assert (tmp_path / "killed").exists()
    assert len(shards(tmp_path)) == 18
    (line,) = executor.notes
    assert line.startswith("boundary: ")
    assert line.endswith(" begun again after a failure")


def test_a_node_that_is_removed_is_done_without(cluster, model, pixels, expected, tmp_path):
    node, executor = cluster.add_node(**NODE), ClusterExecutor(tmp_path, workers=3, shard_size=64)
    removed = []

    def remove(phase: str, done: int, total: int, /) -> None:
        if done and not removed:
            removed.append(cluster.remove_node(node, allow_graceful=False))

    same(executor.search_boundary(model, pixels, SEARCH, progress=remove), expected)
    assert removed
    assert len(shards(tmp_path)) == 18
    assert all(line.startswith("boundary: ") for line in executor.notes)
    cluster.wait_for_nodes(60)  # a death that is noticed later would be told of the next test


def test_a_driver_that_was_stopped_goes_on(cluster, model, pixels, expected, tmp_path):
    executor = ClusterExecutor(tmp_path, workers=2, shard_size=150)  # two whole batches of 64
    heard = []

    def stop(phase: str, done: int, total: int, /) -> None:
        if done > 300:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        executor.search_boundary(model, pixels, SEARCH, progress=stop)
    kept = {path: path.stat().st_mtime_ns for path in shards(tmp_path)}
    assert len(kept) == 3
    found = executor.search_boundary(
        model, pixels, SEARCH, progress=lambda *told: heard.append(told)
    )
    same(found, expected)
    assert heard[0] == ("boundary", 0, 1100)
    assert heard[-1] == ("boundary", 1100, 1100)
    assert len(heard) == 1 + (9 - 3) + 1
    assert len(shards(tmp_path)) == 9
    assert all(path.stat().st_mtime_ns == made for path, made in kept.items())
    assert executor.notes == ()


def test_what_a_model_cannot_do_is_said_in_one_line(cluster, pixels):
    flat = nn.Sequential(nn.Flatten(), nn.Linear(3 * 16 * 16, 4)).eval()
    executor = ClusterExecutor(None, workers=2, shard_size=64)
    with pytest.raises(BackburnError, match="has no features"):
        executor.search_boundary(flat, pixels[:200], replace(SEARCH, features=True))


def test_activations_are_those_of_one_machine_though_an_actor_is_killed(
    cluster, model, pixels, fatal, tmp_path
):
    executor, told = ClusterExecutor(tmp_path, workers=2, shard_size=64), []
    rows, said = executor.activations(fatal(model), pixels, progress=lambda *x: told.append(x))
    expected = activations(model, pixels)
    assert torch.equal(rows, expected[0])
    assert torch.equal(said, expected[1])
    assert (tmp_path / "killed").exists()
    (line,) = executor.notes
    assert line.startswith("activations: ")
    assert told[0] == ("activations", 0, 1100)
    assert told[-1] == ("activations", 1100, 1100)


def test_what_outlives_a_connection_starts_no_cluster_of_its_own(nodes):
    with connect(nodes.address):
        pass
    with pytest.raises(ray.exceptions.RaySystemError):
        ray.put(1)
    assert not ray.is_initialized()


def test_answers_that_come_early_wait_for_those_before(pixels, monkeypatch):
    def answers(tables, *_):
        numbers = [table["shard"][0].as_py() for table in tables]
        for number in (1, 2, 0, *numbers[:2:-1]):
            yield number, {"number": torch.tensor(number)}

    monkeypatch.setattr(run_shards, "run_on_actors", answers)
    monkeypatch.setattr(run_shards, "object_store_bytes", lambda: 1e9)
    crew = run_shards.PoolSettings(2, 0.0, 200)
    found = run_shards.run_in_order(
        pixels, InferenceJob(None, None, ActivationsTask()), crew, lambda *_: None
    )
    assert [int(each["number"]) for each in found] == [0, 1, 2, 3, 4, 5]
