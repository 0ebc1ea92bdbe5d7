"""Tables that are much for the memory lie in a file that has no name."""

import tempfile

import pytest
import torch
from torch import nn

from backburn import memory_mapped
from backburn.detection.detector import PoisonDetector
from backburn.errors import InputError
from backburn.memory_mapped import copy_rows
from backburn.models.activations import activations
from backburn.models.inference import predict

PIXELS = torch.randint(256, (50, 3, 8, 8), generator=torch.Generator().manual_seed(0)).byte()


@pytest.fixture
def net() -> nn.Module:
    torch.manual_seed(0)
    layers = nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.ReLU(), nn.Flatten(), nn.Linear(144, 5)
    return nn.Sequential(*layers).eval()


@pytest.fixture
def spilling(monkeypatch, tmp_path):
    """Everything is too much for the memory; where it goes to."""
    monkeypatch.setattr(memory_mapped, "IN_MEMORY", 0)
    monkeypatch.setattr(memory_mapped, "SAID_IN_MEMORY", 0)
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    return tmp_path


def test_activations_in_a_file_are_those_in_memory(net, request):
    held = [*activations(net, PIXELS, batch_size=7), predict(net, PIXELS)]
    folder = request.getfixturevalue("spilling")
    spilled = [*activations(net, PIXELS, batch_size=7), predict(net, PIXELS)]
    for one, other in zip(held, spilled, strict=True):
        assert torch.equal(one, other)
        assert one.dtype == other.dtype
    assert held[0].untyped_storage().filename is None
    assert spilled[0].untyped_storage().filename is not None
    assert list(folder.iterdir()) == []


def test_what_is_found_out_does_not_depend_on_where_they_are(backdoored, request):
    def found():
        generator = torch.Generator().manual_seed(0)
        return PoisonDetector().analyze(backdoored.case, generator)

    held = found()
    request.getfixturevalue("spilling")
    spilled = found()
    assert torch.equal(held.evidence.score, spilled.evidence.score)
    assert held.verdict == spilled.verdict


def test_rows_of_a_mapped_table_are_copies(net, spilling):
    table, rows = predict(net, PIXELS), torch.tensor([3, 1, 3])
    found = copy_rows(table, rows)
    assert torch.equal(found, table[rows])
    assert found.untyped_storage().filename is None
    found.zero_()
    assert bool(table[1].any())


def test_a_disk_that_is_full_is_told(net, spilling, monkeypatch):
    def write(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(memory_mapped, "write_table", write)
    told = r"0\.0 GB of activations cannot be written to .*: No space left on device; free some"
    with pytest.raises(InputError, match=told):
        activations(net, PIXELS)
