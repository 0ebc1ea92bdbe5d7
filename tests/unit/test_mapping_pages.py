"""Letting go of pages of mapped pixels."""

import sys
from pathlib import Path

import pytest
import torch
from torch import nn

from backburn.memory_mapped import release_pages
from backburn.models.inference import predict

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="pages are let go of on Linux only")
MIB = 2**20


@pytest.fixture
def mapped(tmp_path) -> torch.Tensor:
    """64 images of 1 MiB each, in a file."""
    (tmp_path / "pixels").touch()
    pixels = torch.from_file(
        str(tmp_path / "pixels"), shared=True, size=64 * MIB, dtype=torch.uint8
    )
    return pixels.view(64, 1, 1024, 1024)


def resident() -> int:
    """MiB of mapped files that are in this process's memory."""
    status = Path("/proc/self/status").read_text().splitlines()
    return int(next(line.split()[1] for line in status if line.startswith("RssFile"))) // 1024


def test_pages_that_were_read_are_let_go_of(mapped):
    before = resident()
    mapped.sum()
    assert resident() >= before + 60
    release_pages(mapped[:32])
    assert before + 28 <= resident() <= before + 40
    release_pages(mapped)
    assert resident() <= before + 4


@pytest.mark.parametrize("offset", [0, 1, 4095, 4097])
def test_nothing_that_was_written_is_lost(mapped, offset):
    flat = mapped.view(-1)
    flat[:20_000] = torch.arange(20_000) % 251
    release_pages(flat[offset : offset + 5000])
    assert torch.equal(flat[:20_000], (torch.arange(20_000) % 251).byte())


@pytest.mark.parametrize(
    "tensor",
    [torch.ones(100_000, dtype=torch.uint8), torch.ones(0), torch.ones(300, 300).T[:100]],
    ids=["in memory", "empty", "not contiguous"],
)
def test_what_has_no_file_is_left_alone(tensor):
    release_pages(tensor)
    assert bool((tensor == 1).all())


def test_a_model_is_asked_about_mapped_pixels_without_keeping_them(mapped):
    before = resident()
    predict(
        nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(1, 2)), mapped, batch_size=4
    )
    assert resident() <= before + 8
