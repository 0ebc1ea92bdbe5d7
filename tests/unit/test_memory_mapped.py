"""Tables that are much for the memory lie in a file that has no name."""

import tempfile
from itertools import pairwise

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from backburn import memory_mapped
from backburn.detection.detector import PoisonDetector
from backburn.errors import InputError
from backburn.memory_mapped import ROWS_PER_READ, copy_rows, evenly_spaced, map_file
from backburn.models.channel_statistics import activations
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
    monkeypatch.setattr(memory_mapped, "MAX_IN_MEMORY", 0)
    monkeypatch.setattr(memory_mapped, "MAX_OUTPUTS_IN_MEMORY", 0)
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


@pytest.fixture(scope="module")
def mapped(tmp_path_factory) -> torch.Tensor:
    """Twice as many rows as are read at a time, in a file."""
    path = tmp_path_factory.mktemp("mapped") / "table"
    table = torch.arange(2 * ROWS_PER_READ * 6).to(torch.uint8)
    path.write_bytes(table.numpy().tobytes())
    return map_file(path, (2 * ROWS_PER_READ, 2, 3))


@settings(deadline=None, max_examples=30)
@given(count=st.integers(0, 3 * ROWS_PER_READ), seed=st.integers(0, 99))
def test_copied_rows_are_those_of_the_table_in_any_order_and_again(mapped, count, seed):
    rows = torch.randint(len(mapped), (count,), generator=torch.Generator().manual_seed(seed))
    expected = mapped.numpy()[rows.numpy()].copy()
    for table in (mapped, mapped.clone()):
        before, copied = table.clone(), copy_rows(table, rows)
        assert (copied.numpy() == expected).all()
        assert copied.shape == (count, 2, 3)
        copied.fill_(7)
        assert torch.equal(table, before)


@settings(deadline=None)
@given(st.integers(1, 5000), st.integers(1, 5000))
def test_evenly_spaced_rows_reach_from_the_first_to_the_last(count, most):
    rows = torch.arange(7, 7 + count)
    chosen = evenly_spaced(rows, most).tolist()
    assert len(chosen) == min(count, most)
    assert chosen[0] == 7
    assert most == 1 or chosen[-1] == 6 + count
    gaps = {after - before for before, after in pairwise(chosen)}
    assert not gaps or (min(gaps) > 0 and max(gaps) - min(gaps) <= 1)
