import numpy as np
import pytest
import torch

from backburn.data.sources.arrays import from_arrays
from backburn.errors import InputError


def noise(*shape: int) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8)


CHANNELS_FIRST = noise(4, 3, 6, 5)
LABELS = [0, 1, 2, 1]


@pytest.mark.parametrize("convert", [np.asarray, torch.from_numpy, np.ndarray.tolist])
def test_arrays_tensors_and_lists_of_pixels_are_taken(convert):
    array = CHANNELS_FIRST / 255 if convert is np.ndarray.tolist else CHANNELS_FIRST
    images = from_arrays(convert(array), LABELS)
    assert np.array_equal(images.pixels.numpy(), CHANNELS_FIRST)
    assert images.labels.tolist() == LABELS


def test_channels_last_is_turned_to_channels_first():
    last = noise(4, 6, 5, 3)
    pixels = from_arrays(last, LABELS).pixels.numpy()
    assert pixels.shape == (4, 3, 6, 5)
    assert pixels[2, 1, 4, 3] == last[2, 4, 3, 1]


@pytest.mark.parametrize("shape", [(4, 6, 5), (4, 1, 6, 5), (4, 6, 5, 1)])
def test_greyscale_gets_one_channel(shape):
    pixels = noise(*shape)
    assert np.array_equal(from_arrays(pixels, LABELS).pixels, pixels.reshape(4, 1, 6, 5))


@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.float16])
def test_every_byte_survives_the_way_through_floats(dtype):
    every = np.arange(256, dtype=np.uint8).reshape(4, 8, 8)
    assert np.array_equal(from_arrays((every / 255).astype(dtype), LABELS).pixels[:, 0], every)


def test_floats_are_rounded_not_cut_off():
    levels = np.array([0.0, 0.6, 1.4, 254.6]) / 255
    pixels = from_arrays(np.tile(levels[:, None, None], (1, 2, 2)), LABELS).pixels
    assert pixels[:, 0, 0, 0].tolist() == [0, 1, 1, 255]


def test_colors_may_be_reversed_by_a_view():
    array = noise(4, 6, 5, 3)
    pixels = from_arrays(array[..., ::-1], LABELS).pixels.numpy()
    assert np.array_equal(pixels[:, 0], array[..., 2])


def test_an_array_that_cannot_be_written_to_is_taken_without_a_warning():
    array = CHANNELS_FIRST.copy()
    array.flags.writeable = False
    assert np.array_equal(from_arrays(array, LABELS).pixels, array)


@pytest.mark.parametrize("dtype", [np.int8, np.int32, np.uint8, np.uint16, np.uint32, np.uint64])
def test_labels_of_any_whole_type_are_taken(dtype):
    labels = from_arrays(CHANNELS_FIRST, np.array(LABELS, dtype)).labels
    assert (labels.tolist(), labels.dtype) == (LABELS, torch.int64)


def test_class_names_are_kept():
    assert from_arrays(CHANNELS_FIRST, LABELS, ("a", "b", "c")).class_names == ("a", "b", "c")


@pytest.mark.parametrize("value", [np.nan, np.inf, -0.01, 1.01, 255.0])
def test_float_pixels_outside_of_0_to_1_are_refused(value):
    images = np.full((4, 6, 5), 0.5)
    images[2, 3, 4] = value
    with pytest.raises(InputError, match=r"must lie in \[0, 1\]"):
        from_arrays(images, LABELS)


@pytest.mark.parametrize("shape", [(4,), (4, 6), (4, 2, 6, 5), (4, 6, 5, 4), (4, 1, 3, 6, 5)])
def test_shapes_that_are_no_images_are_refused(shape):
    with pytest.raises(InputError, match="images have shape"):
        from_arrays(noise(*shape), LABELS)


def test_wide_integers_are_refused_as_pixels():
    with pytest.raises(InputError, match="give uint8"):
        from_arrays(CHANNELS_FIRST.astype(np.int64), LABELS)


@pytest.mark.parametrize("labels", [[0, 1, 2], [0, 1, 2, 1, 0], [[0], [1], [2], [1]], 1])
def test_labels_must_be_one_an_image(labels):
    with pytest.raises(InputError, match="give one an image"):
        from_arrays(CHANNELS_FIRST, labels)


@pytest.mark.parametrize("labels", [[0.0, 1.0, 2.0, 1.0], ["a", "b", "c", "b"]])
def test_labels_must_be_whole_numbers(labels):
    with pytest.raises(InputError, match="whole numbers"):
        from_arrays(CHANNELS_FIRST, labels)


def test_a_negative_label_is_refused_with_its_row():
    with pytest.raises(InputError, match="label -1 of image 2 is out of range"):
        from_arrays(CHANNELS_FIRST, [0, 1, -1, 1])


def test_a_label_beyond_the_class_names_is_refused():
    with pytest.raises(InputError, match=r"label 2 of image 3 is out of range.*from 0 to 1"):
        from_arrays(CHANNELS_FIRST, [0, 1, 1, 2], ("a", "b"))


def test_images_of_one_class_are_refused():
    with pytest.raises(InputError, match="one class"):
        from_arrays(CHANNELS_FIRST, [1, 1, 1, 1])


def test_no_images_at_all_are_refused():
    with pytest.raises(InputError):
        from_arrays(CHANNELS_FIRST[:0], np.zeros(0, np.int64))
