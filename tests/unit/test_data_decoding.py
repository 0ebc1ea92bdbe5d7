import io

import numpy as np
import pytest
import torch
from PIL import Image

from backburn.data.decoding import decode, read_shape
from backburn.data.writing import encode_png


def noise(*shape: int) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8)


def saved(image: Image.Image, kind: str = "PNG", **options) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


@pytest.mark.parametrize("shape", [(1, 8, 8), (3, 8, 8), (3, 5, 9), (1, 1, 1), (3, 64, 64)])
def test_encoded_images_decode_to_the_same_pixels(shape):
    pixels = torch.from_numpy(noise(3, *shape))
    decoded = [decode(png) for png in encode_png(pixels)]
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


@pytest.mark.parametrize("shape", [(3, 4, 6), (3, 20, 9), (1, 9, 9)])
def test_images_of_another_size_are_brought_to_the_size_that_is_asked_for(shape):
    assert np.array_equal(
        decode(np.full(shape, 90, np.uint8), (8, 8)), np.full((shape[0], 8, 8), 90)
    )


def test_an_image_of_the_size_that_is_asked_for_is_left_as_it_is():
    array = noise(3, 8, 8)
    assert np.array_equal(decode(array, (8, 8)), array)


def test_encoded_images_and_arrays_are_scaled_alike():
    array = noise(3, 9, 12)
    encoded = saved(Image.fromarray(array.transpose(1, 2, 0)))
    assert np.array_equal(decode(encoded, (6, 5)), decode(array, (6, 5)))


def test_a_wide_image_is_cropped_in_its_middle():
    wide = np.zeros((1, 8, 16), np.uint8)
    wide[:, :, 8:] = 255
    row = decode(wide, (8, 8))[0]
    assert np.array_equal(row[:, :4], np.zeros((8, 4)))
    assert np.array_equal(row[:, 4:], np.full((8, 4), 255))


@pytest.mark.parametrize("alpha", [0, 128, 255])
@pytest.mark.parametrize(("mode", "channels"), [("RGBA", 3), ("LA", 1)])
def test_what_is_transparent_lies_on_white(mode, channels, alpha):
    image = Image.new(mode, (2, 2), (100,) * (len(mode) - 1) + (alpha,))
    decoded = decode(saved(image)).astype(int)
    assert decoded.shape == (channels, 2, 2)
    assert np.abs(decoded - (255 + (100 - 255) * alpha / 255)).max() <= 1


def test_a_palette_and_a_color_that_are_transparent_lie_on_white():
    palette = Image.new("P", (1, 1), 0)
    palette.putpalette([10, 200, 30])
    keyed = Image.new("RGB", (1, 1), (10, 200, 30))
    assert decode(saved(palette, transparency=0)).ravel().tolist() == [255] * 3
    assert decode(saved(keyed, transparency=(10, 200, 30))).ravel().tolist() == [255] * 3


def test_a_cmyk_photograph_becomes_rgb():
    decoded = decode(saved(Image.new("CMYK", (8, 8), (0, 255, 255, 0)), "JPEG")).astype(int)
    assert np.abs(decoded[:, 4, 4] - [255, 0, 0]).max() <= 3


def test_sixteen_bit_gray_of_either_byte_order_is_scaled():
    image = Image.fromarray(np.full((2, 2), 128 * 257, np.uint16))
    for encoded in (saved(image), saved(image, "TIFF"), saved(image.convert("I"), "TIFF")):
        assert decode(encoded).ravel().tolist() == [128] * 4


@pytest.mark.parametrize("image", [Image.new("F", (2, 2), 0.5), Image.new("I", (2, 2), 70000)])
def test_pixels_without_an_agreed_range_are_refused(image):
    with pytest.raises(ValueError, match="32-bit pixels"):
        decode(saved(image, "TIFF"))


def test_only_the_first_frame_of_an_animation_is_seen():
    frames = [Image.new("RGB", (2, 2), color) for color in ("red", "blue")]
    encoded = saved(frames[0], "GIF", save_all=True, append_images=frames[1:])
    assert decode(encoded)[:, 0, 0].tolist() == [255, 0, 0]


@pytest.mark.parametrize(
    ("kind", "mode"),
    [
        (kind, mode)
        for kind, modes in {
            "PNG": "1 L LA P RGB RGBA I;16",
            "TIFF": "1 L LA P RGB RGBA CMYK I;16",
            "JPEG": "L RGB CMYK",
            "WEBP": "L LA P RGB RGBA",
            "GIF": "1 L P RGB RGBA",
            "BMP": "1 L P RGB",
        }.items()
        for mode in modes.split()
    ],
)
def test_a_header_tells_the_shape_that_decoding_gives(kind, mode):
    image = Image.new(mode, (5, 4)) if mode == "I;16" else Image.new("RGB", (5, 4)).convert(mode)
    encoded = saved(image, kind)
    assert read_shape(encoded) == decode(encoded).shape


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "TIFF"])
@pytest.mark.parametrize("orientation", [1, 3, 6, 8])
def test_a_header_tells_the_shape_of_a_turned_photograph(kind, orientation):
    exif = Image.Exif()
    exif[0x0112] = orientation
    encoded = saved(Image.fromarray(noise(4, 6, 3)), kind, exif=exif)
    assert (
        read_shape(encoded)
        == decode(encoded).shape
        == (3, *((4, 6) if orientation < 5 else (6, 4)))
    )


@pytest.mark.parametrize(
    "array",
    [np.zeros((2, 4, 4)), np.zeros((4, 4)), np.zeros((3, 0, 4)), np.zeros((3, 4, 4), np.int64)],
    ids=lambda a: f"{a.shape} {a.dtype}",
)
def test_arrays_that_are_no_images_are_refused(array):
    with pytest.raises(ValueError, match=r"is no image|pixels are int64"):
        decode(array)


@pytest.mark.parametrize("value", [np.nan, np.inf, -0.1, 200.0])
def test_float_arrays_out_of_range_are_refused(value):
    with pytest.raises(ValueError, match=r"must lie in \[0, 1\]"):
        decode(np.full((1, 2, 2), value))


def test_float_arrays_are_rounded():
    assert decode(np.array([[[0.0, 0.6, 254.6, 255.0]]]) / 255).ravel().tolist() == [0, 1, 255, 255]
