import io

import numpy as np
import pytest
import torch
from PIL import Image

from backburn.data.decoding import decode
from backburn.data.writing import encode


def noise(*shape: int) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8)


def saved(image: Image.Image, kind: str = "PNG", **options) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


@pytest.mark.parametrize("shape", [(1, 8, 8), (3, 8, 8), (3, 5, 9), (1, 1, 1), (3, 64, 64)])
def test_encoded_images_decode_to_the_same_pixels(shape):
    pixels = torch.from_numpy(noise(3, *shape))
    decoded = [decode(png) for png in encode(pixels)]
    assert np.array_equal(np.stack(decoded), pixels.numpy())


@pytest.mark.parametrize(
    ("orientation", "upright"),
    [
        (1, lambda a: a),
        (2, np.fliplr),
        (3, lambda a: a[::-1, ::-1]),
        (6, lambda a: np.rot90(a, -1)),
        (8, lambda a: np.rot90(a, 1)),
    ],
)
def test_a_photograph_is_turned_as_its_exif_says(orientation, upright):
    array = noise(4, 6, 3)
    exif = Image.Exif()
    exif[0x0112] = orientation
    decoded = decode(saved(Image.fromarray(array), exif=exif))
    assert np.array_equal(decoded, upright(array).transpose(2, 0, 1))


@pytest.mark.parametrize("mode", ["1", "L", "LA", "I;16"])
def test_greyscale_images_have_one_channel(mode):
    image = Image.new(mode, (5, 4)) if mode == "I;16" else Image.new("L", (5, 4)).convert(mode)
    assert decode(saved(image)).shape == (1, 4, 5)


@pytest.mark.parametrize("mode", ["RGB", "RGBA", "P"])
def test_color_images_have_three_channels_with_their_colors(mode):
    array = np.zeros((4, 4, 3), np.uint8)
    array[:2], array[2:] = (255, 0, 0), (10, 200, 30)
    image = Image.fromarray(array)
    image = image.quantize(2) if mode == "P" else image.convert(mode)
    assert np.array_equal(decode(saved(image)), array.transpose(2, 0, 1))


def test_a_palette_with_transparency_is_read_without_a_warning():
    image = Image.new("P", (2, 2), 1)
    image.putpalette([0, 0, 0, 10, 200, 30])
    decoded = decode(saved(image, transparency=b"\x80\xff"))
    assert decoded[:, 0, 0].tolist() == [10, 200, 30]


def test_cmyk_becomes_rgb():
    decoded = decode(saved(Image.new("CMYK", (2, 2), (255, 0, 0, 0)), "TIFF"))
    assert decoded[:, 0, 0].tolist() == [0, 255, 255]


def test_sixteen_bit_grey_is_scaled_to_eight_bits():
    levels = np.array([[0, 64 * 257, 128 * 257, 65535]], dtype=np.uint16)
    decoded = decode(saved(Image.fromarray(levels))).astype(int)
    assert np.abs(decoded - np.array([0, 64, 128, 255])).max() <= 1


@pytest.mark.parametrize(
    "content",
    [b"", b"no image", saved(Image.fromarray(noise(9, 9)))[:90]],
    ids=["empty", "text", "truncated"],
)
def test_bytes_that_are_no_whole_image_are_refused(content):
    with pytest.raises((OSError, ValueError, SyntaxError)):
        decode(content)


def test_images_of_another_size_are_brought_to_the_commonest_one():
    arrays = [np.full((3, 8, 8), 7), np.full((3, 4, 6), 90), noise(3, 8, 8), np.full((3, 20, 9), 1)]
    batch = stack([a.astype(np.uint8) for a in arrays])
    assert batch.shape == (4, 3, 8, 8)
    assert torch.equal(batch[2], torch.from_numpy(arrays[2]))
    assert [row.unique().tolist() for row in (batch[0], batch[1], batch[3])] == [[7], [90], [1]]


def test_a_wide_image_is_cropped_in_its_middle():
    wide = np.zeros((1, 8, 16), np.uint8)
    wide[:, :, 8:] = 255
    row = stack([wide], (8, 8))[0, 0]
    assert torch.equal(row[:, :4], torch.zeros(8, 4, dtype=torch.uint8))
    assert torch.equal(row[:, 4:], torch.full((8, 4), 255, dtype=torch.uint8))


def test_greyscale_images_become_rgb_among_color_images():
    gray, color = noise(1, 4, 4), noise(3, 4, 4)
    batch = stack([gray, color])
    assert batch.shape == (2, 3, 4, 4)
    assert all(np.array_equal(channel, gray[0]) for channel in batch[0].numpy())
    assert np.array_equal(batch[1].numpy(), color)


def test_greyscale_images_stay_so_among_themselves():
    assert stack([noise(1, 4, 4), noise(1, 6, 6), noise(1, 6, 6)]).shape == (3, 1, 6, 6)
