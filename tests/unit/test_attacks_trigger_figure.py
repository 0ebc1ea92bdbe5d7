"""The picture of a trigger."""

import io

import numpy as np
import pytest
import torch
from PIL import Image

from backburn.attacks.victim_folder import (
    STRIP_GAP,
    STRIP_IMAGES,
    draw_rows,
    draw_trigger_strip,
)
from backburn.types import LabeledImages, Truth, Victim


def picture(png: bytes) -> np.ndarray:
    return np.asarray(Image.open(io.BytesIO(png)))


@pytest.mark.parametrize(("channels", "side", "scale"), [(1, 28, 3), (3, 32, 3), (3, 224, 1)])
def test_images_are_enlarged_by_whole_numbers_and_set_apart(channels, side, scale, generator):
    row = torch.randint(256, (2, channels, side, side), generator=generator).to(torch.uint8)
    found = picture(draw_rows([row, ~row]))
    step = side * scale + STRIP_GAP
    assert found.shape == (2 * step - STRIP_GAP, 2 * step - STRIP_GAP, 3)
    tile = found[step : step + side * scale : scale, : side * scale : scale]
    expected = (~row[0]).expand(3, -1, -1).movedim(0, -1)
    assert np.array_equal(tile, expected.numpy())
    assert bool((found[side * scale : step] == 255).all())


def test_the_rows_are_before_after_and_eight_times_the_difference():
    pixels = torch.full((40, 3, 32, 32), 100, dtype=torch.uint8)
    test = LabeledImages(pixels, torch.arange(40) % 4)
    truth = Truth(torch.zeros(40, dtype=torch.int8), test.labels)

    def trigger(some):
        out = some.clone()
        out[..., 0, 0], out[..., 0, 1], out[..., 0, 2] = 105, 95, 255
        return out

    victim = Victim(torch.nn.Identity(), test, truth, trigger, (-1, 0, -1, -1))
    found = picture(draw_trigger_strip(victim, test))
    step = 96 + STRIP_GAP
    assert found.shape == (3 * step - STRIP_GAP, STRIP_IMAGES * step - STRIP_GAP, 3)
    assert found[0, 0].tolist() == [100] * 3
    assert found[step, 0].tolist() == [105] * 3
    levels = [found[2 * step, column].tolist()[0] for column in (0, 3, 6, 9)]
    assert levels == [128 + 40, 128 - 40, 255, 128]


def test_fewer_images_make_a_shorter_strip():
    pixels = torch.zeros((3, 1, 8, 8), dtype=torch.uint8)
    test = LabeledImages(pixels, torch.tensor([0, 1, 1]))
    truth = Truth(torch.zeros(3, dtype=torch.int8), test.labels)
    victim = Victim(torch.nn.Identity(), test, truth, torch.bitwise_not, (-1, 0))
    assert picture(draw_trigger_strip(victim, test)).shape[1] == 2 * (96 + STRIP_GAP) - STRIP_GAP
