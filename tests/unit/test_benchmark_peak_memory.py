"""The peak of one cell does not carry over to the next."""

import sys

import pytest
import torch

from backburn.benchmark.peak_memory import peak_mebibytes, reset_peak


def test_a_peak_is_counted():
    before = peak_mebibytes()
    held = torch.ones(256, 1 << 20, dtype=torch.uint8)
    assert peak_mebibytes() >= before
    assert peak_mebibytes() > 256
    del held


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux can forget a peak")
def test_a_peak_is_forgotten():
    held = torch.ones(512, 1 << 20, dtype=torch.uint8)
    high = peak_mebibytes()
    del held
    reset_peak()
    assert peak_mebibytes() <= high
