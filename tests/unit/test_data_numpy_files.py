"""Reading .npz and .npy files."""

import numpy as np
import pytest

from backburn.data.load_images import has_split, load_images
from backburn.errors import InputError

PIXELS = np.random.default_rng(0).integers(0, 256, (4, 3, 6, 5), dtype=np.uint8)
LABELS = np.array([0, 1, 2, 1])


@pytest.mark.parametrize("keys", [("images", "labels"), ("x", "y"), ("data", "targets")])
def test_arrays_are_found_by_their_names(tmp_path, keys):
    np.savez(tmp_path / "a.npz", **dict(zip(keys, (PIXELS, LABELS), strict=True)))
    read = load_images(tmp_path / "a.npz")
    assert np.array_equal(read.pixels, PIXELS)
    assert read.labels.tolist() == LABELS.tolist()
    assert read.names[3] == "row 3"


def test_arrays_without_names_are_images_and_labels(tmp_path):
    np.savez(tmp_path / "a.npz", PIXELS, LABELS)
    assert np.array_equal(load_images(tmp_path / "a.npz").pixels, PIXELS)


def test_splits_and_columns_of_labels_are_read_as_medmnist_has_them(tmp_path):
    parts = {"train_images": PIXELS[:, 0], "train_labels": LABELS[:, None].astype(np.uint8)}
    parts |= {"test_images": PIXELS[:2, 0], "test_labels": LABELS[:2, None].astype(np.uint8)}
    np.savez(tmp_path / "a.npz", **parts)
    assert load_images(tmp_path / "a.npz").pixels.shape == (4, 1, 6, 5)
    assert load_images(tmp_path / "a.npz", split="test").pixels.shape == (2, 1, 6, 5)
    assert has_split(tmp_path / "a.npz", "test")
    assert not has_split(tmp_path / "a.npz", "val")


@pytest.mark.parametrize("prefix", ["", "train_"])
def test_a_folder_of_two_arrays_is_read(tmp_path, prefix):
    np.save(tmp_path / f"{prefix}images.npy", PIXELS.transpose(0, 2, 3, 1))
    np.save(tmp_path / f"{prefix}labels.npy", LABELS)
    read = load_images(tmp_path)
    assert np.array_equal(read.pixels, PIXELS)
    assert has_split(tmp_path, "train") == bool(prefix)


def test_floats_in_0_to_1_become_bytes(tmp_path):
    np.savez(tmp_path / "a.npz", images=(PIXELS / 255).astype(np.float32), labels=LABELS)
    assert np.array_equal(load_images(tmp_path / "a.npz").pixels, PIXELS)


def test_an_image_that_is_no_numbers_is_skipped_and_named(tmp_path):
    pixels = PIXELS / 255
    pixels[1, 0, 0, 0] = np.nan
    np.savez(tmp_path / "a.npz", images=pixels, labels=LABELS)
    read = load_images(tmp_path / "a.npz")
    assert read.names == ("row 0", "row 2", "row 3")
    assert read.skipped == ("row 1: float pixels must lie in [0, 1] without NaN",)


@pytest.mark.parametrize(
    ("arrays", "told"),
    [
        ({"images": PIXELS}, "needs arrays images and labels"),
        ({"images": PIXELS, "labels": LABELS[:3]}, "give one whole number from 0 an image"),
        ({"images": PIXELS, "labels": LABELS / 2}, "is no whole number"),
        ({"images": PIXELS, "labels": np.eye(4, dtype=int)}, r"of shape \(4, 4\)"),
        ({"images": PIXELS, "labels": LABELS - 1}, "label -1 of row 0 in .* out of range"),
        ({"images": PIXELS.astype(int), "labels": LABELS}, "images are int64: give uint8"),
        ({"images": PIXELS[:, 0, 0], "labels": LABELS}, "images have shape"),
        ({"images": PIXELS * 1.0, "labels": LABELS}, r"none of 4 images .* lie in \[0, 1\]"),
        ({"images": PIXELS[:0], "labels": LABELS[:0]}, "there are no images"),
        ({"images": PIXELS, "labels": LABELS * 0}, "one class only"),
    ],
)
def test_arrays_that_are_no_labeled_images_are_refused(tmp_path, arrays, told):
    np.savez(tmp_path / "a.npz", **arrays)
    with pytest.raises(InputError, match=told):
        load_images(tmp_path / "a.npz")


def test_labels_that_are_missing_are_refused(tmp_path):
    np.save(tmp_path / "images.npy", PIXELS)
    with pytest.raises(InputError, match=r"labels\.npy cannot be read"):
        load_images(tmp_path)
