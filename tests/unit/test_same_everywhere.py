"""What depends on threads and batches, and by how much (docs/reliability.md)."""

import pytest
import torch
from safetensors.torch import save_file

from backburn.detection.detector import PoisonDetector
from backburn.detection.records import DetectionResult
from backburn.models.nets.zoo import build
from backburn.models.open.open_model import open_model
from backburn.models.save_model import dump_like


def found(case, **settings) -> DetectionResult:
    return PoisonDetector(**settings).analyze(case, torch.Generator().manual_seed(0))


def close(first: DetectionResult, second: DetectionResult) -> None:
    assert torch.equal(first.evidence.flagged, second.evidence.flagged)
    assert torch.allclose(first.evidence.score, second.evidence.score, atol=1e-3)
    assert first.verdict.target_labels == second.verdict.target_labels
    assert second.verdict.p_value == pytest.approx(first.verdict.p_value, rel=1e-3)
    assert torch.equal(first.boundary.found, second.boundary.found)
    ours, theirs = (each.boundary.distance[each.boundary.found] for each in (first, second))
    assert torch.allclose(ours, theirs, rtol=1e-2)


def test_threads_and_batches_change_nothing_that_matters(backdoored):
    first, threads = found(backdoored.case), torch.get_num_threads()
    torch.set_num_threads(threads + 1)
    try:
        close(first, found(backdoored.case, batch_size=48))
    finally:
        torch.set_num_threads(threads)


def test_metadata_of_weights_are_written_in_one_order(tmp_path, generator):
    """safetensors would write them in any order, another one in every file."""
    net = build("small_cnn-w2", 3, 1, generator=generator)
    metadata = {name: f"{name} said" for name in "hgfedcba"}
    weights = {name: value.contiguous() for name, value in net.state_dict().items()}
    save_file(weights, tmp_path / "m.safetensors", metadata)
    opened = open_model(tmp_path / "m.safetensors", "small_cnn-w2")
    (first,) = dump_like(opened.origin, opened.network).values()
    for _ in range(5):
        assert list(dump_like(opened.origin, opened.network).values()) == [first]
    (tmp_path / "n.safetensors").write_bytes(first)
    again = open_model(tmp_path / "n.safetensors", "small_cnn-w2")
    assert dict(again.origin.metadata) == metadata
    ours, theirs = opened.network.state_dict(), again.network.state_dict()
    assert all(torch.equal(ours[name], theirs[name]) for name in ours)
