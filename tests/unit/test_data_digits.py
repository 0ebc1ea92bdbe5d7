import pytest
import torch

from backburn.data.load_images import has_split, load_images
from backburn.data.sources.digits import digits
from backburn.errors import InputError


@pytest.mark.parametrize(("split", "count"), [("train", 1437), ("test", 360)])
def test_sizes_are_as_documented(split, count):
    images = load_images("digits", split=split)
    assert images.pixels.shape == (count, 1, 8, 8)
    assert images.class_names == tuple("0123456789")
    assert images.labels.unique().tolist() == list(range(10))
    assert len(set(images.names)) == count


def test_splits_share_no_image():
    assert not set(digits("train").names) & set(digits("test").names)


def test_splits_are_the_same_at_every_call():
    first, second = digits("test"), digits("test")
    assert torch.equal(first.pixels, second.pixels)
    assert first.names == second.names


def test_a_split_that_does_not_exist_is_refused():
    with pytest.raises(InputError, match="val"):
        digits("val")


def test_grey_levels_fill_the_bytes():
    pixels = digits("train").pixels
    assert (pixels.min(), pixels.max()) == (0, 255)
    assert len(pixels.unique()) == 17


def test_names_are_rows_of_the_original_set():
    from sklearn.datasets import load_digits

    images = digits("test")
    row = int(images.names[5].removeprefix("digit "))
    assert int(images.labels[5]) == load_digits().target[row]
    assert torch.equal(images.pixels[5, 0] > 127, torch.from_numpy(load_digits().images[row] > 7.5))


def test_a_limit_takes_the_first_rows_and_may_exceed_them():
    assert load_images("digits", split="test", limit=3).names == digits("test").names[:3]
    assert len(load_images("digits", split="test", limit=1000)) == 360


def test_both_splits_are_there():
    assert has_split("digits", "train")
    assert has_split("digits", "test")
