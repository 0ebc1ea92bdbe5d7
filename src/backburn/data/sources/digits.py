"""The embedded data set: scikit-learn's handwritten digits."""

from collections.abc import Iterator

import torch
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split

from ...errors import InputError
from ...types import LabeledImages
from ..undecoded_rows import Row, Rows


def digits(split: str) -> LabeledImages:
    """Return 1,437 `train` or 360 `test` images of 8x8 pixels, one channel and ten classes.

    The 17 gray levels are scaled to 0..255. The split is stratified and fixed.

    Source: Alpaydin and Kaynak, Optical recognition of handwritten digits, UCI, as included in
    scikit-learn.

    >>> digits("test").pixels.shape
    torch.Size([360, 1, 8, 8])
    """
    if split not in ("train", "test"):
        raise InputError(f"digits has no split {split!r}: give train or test")
    data = load_digits()
    rows = train_test_split(
        range(len(data.target)), test_size=360, random_state=0, stratify=data.target
    )[split == "test"]
    index = torch.tensor(rows)
    pixels = (torch.from_numpy(data.images)[index] * (255 / 16)).round().to(torch.uint8)
    return LabeledImages(
        pixels[:, None],
        torch.from_numpy(data.target)[index].long(),
        tuple(str(digit) for digit in range(10)),
        tuple(f"digit {row}" for row in rows),
    )


def open_digits(split: str) -> Rows:
    """Return the rows of `digits`."""
    images = digits(split)

    def read() -> Iterator[Row]:
        for name, pixels, label in zip(
            images.names, images.pixels.numpy(), images.labels.tolist(), strict=True
        ):
            yield Row(name, pixels, label)

    return Rows("digits", read, images.class_names)
