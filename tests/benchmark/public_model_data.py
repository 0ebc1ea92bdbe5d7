"""CIFAR-10, GTSRB and MNIST as uint8 tensors, for models that other people published."""

import gzip
from pathlib import Path

import torch
from torch import Tensor

from backburn.data.load_images import load_images
from backburn.types import LabeledImages

IMAGES, TEST_IMAGES = 20_000, 2_000
MNIST_HEADERS = {"images-idx3": 16, "labels-idx1": 8}
"""Bytes before the values."""


def read_images(name: str, data: Path, mnist: Path) -> tuple[LabeledImages, LabeledImages]:
    """The images to audit, and those on which accuracy is measured."""
    if name == "mnist":
        digits = LabeledImages(
            _values(mnist, "images-idx3").view(-1, 1, 28, 28),
            _values(mnist, "labels-idx1").long(),
            tuple(map(str, range(10))),
        )
        rows = torch.arange(len(digits))
        return digits.take(rows[TEST_IMAGES:]), digits.take(rows[:TEST_IMAGES])
    parts = []
    for split, count in (("train", IMAGES), ("test", TEST_IMAGES)):
        images = load_images(data / name / f"{split}.parquet", size=32)
        # in the order of their file GTSRB's first images are those of a few classes
        order = torch.randperm(len(images), generator=torch.Generator().manual_seed(0))
        parts.append(images.take(order[:count].sort().values))
    return parts[0], parts[1]


def _values(folder: Path, part: str) -> Tensor:
    raw = gzip.decompress((folder / f"t10k-{part}-ubyte.gz").read_bytes())
    return torch.frombuffer(bytearray(raw[MNIST_HEADERS[part] :]), dtype=torch.uint8)
