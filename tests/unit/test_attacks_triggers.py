"""What the triggers do to pixels, by formulas written out a second time."""

import math

import numpy as np
import pytest
import torch

from backburn.attacks.badnets import BadNets
from backburn.attacks.base import Attack
from backburn.attacks.blended import Blended
from backburn.attacks.none import NoAttack
from backburn.attacks.sig import SIG
from backburn.attacks.surrogates import Surrogates
from backburn.errors import InputError
from backburn.types import LabeledImages, Trigger

SHAPES = [(1, 8, 8), (3, 16, 16), (3, 32, 32), (3, 64, 64), (3, 10, 14)]
ATTACKS = [BadNets(0.2), BadNets(0.2, pattern="white"), Blended(0.2), SIG(0.2), NoAttack()]


def batch(shape: tuple[int, int, int]) -> LabeledImages:
    """A black, a white and eight noisy images of two classes."""
    generator = torch.Generator().manual_seed(1)
    pixels = torch.randint(256, (10, *shape), generator=generator).to(torch.uint8)
    pixels[0], pixels[1] = 0, 255
    return LabeledImages(pixels, torch.arange(10) % 2)


def trigger_of(attack: Attack, images: LabeledImages, seed: int = 0) -> Trigger:
    return attack.poison(images, torch.Generator().manual_seed(seed), Surrogates()).trigger


@pytest.mark.parametrize(("shape", "side"), list(zip(SHAPES, (2, 2, 3, 6, 2), strict=True)))
@pytest.mark.parametrize("pattern", ["checkerboard", "white"])
def test_badnets_stamps_a_square_into_the_bottom_right_corner(shape, side, pattern):
    images = batch(shape)
    expected = images.pixels.numpy().copy()
    for i in range(side):
        for j in range(side):
            dark = pattern == "checkerboard" and (i + j) % 2 == 1
            expected[:, :, shape[1] - side + i, shape[2] - side + j] = 0 if dark else 255
    stamped = trigger_of(BadNets(0.2, pattern=pattern), images)(images.pixels)
    assert np.array_equal(stamped.numpy(), expected)


def test_badnets_takes_any_size_that_fits():
    images = batch((3, 8, 9))
    stamped = trigger_of(BadNets(0.2, size=8, pattern="white"), images)(images.pixels)
    assert bool((stamped[..., 1:] == 255).all())
    assert torch.equal(stamped[..., 0], images.pixels[..., 0])


@pytest.mark.parametrize("size", [-1, 9])
def test_a_patch_that_does_not_fit_is_refused(size):
    with pytest.raises(InputError, match=f"size is {size}: give a patch that fits 8x9"):
        trigger_of(BadNets(0.2, size=size), batch((3, 8, 9)))


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize(("delta", "frequency"), [(40.0, 6.0), (255.0, 1.0), (20.0, 3.0)])
def test_sig_adds_a_wave_over_the_columns_and_stops_at_black_and_white(shape, delta, frequency):
    images = batch(shape)
    expected = images.pixels.numpy().astype(float)
    for j in range(shape[2]):
        expected[..., j] += delta * math.sin(2 * math.pi * j * frequency / shape[2])
    expected = np.clip(expected, 0, 255)
    lit = trigger_of(SIG(0.2, delta=delta, frequency=frequency), images)(images.pixels).numpy()
    assert np.abs(lit - expected).max() <= 0.5 + 1e-3


@pytest.mark.parametrize("shape", SHAPES)
def test_blended_mixes_one_fixed_pattern_into_every_image(shape):
    images = batch(shape)
    # a mixture with 99.9 % of the pattern, rounded, is the pattern itself
    pattern = trigger_of(Blended(0.2, alpha=0.999), images)(images.pixels[:1]).long()
    mixed = trigger_of(Blended(0.2, alpha=0.2), images)(images.pixels)
    fifths = 4 * images.pixels.long() + pattern
    assert torch.equal(mixed.long(), (2 * fifths + 5).div(10, rounding_mode="floor"))
    assert pattern.min() < 30
    assert pattern.max() > 225


def test_the_blended_pattern_is_drawn_from_the_generator():
    images = batch((1, 8, 8))
    drawn = [trigger_of(Blended(0.2), images, seed)(images.pixels) for seed in (1, 1, 2)]
    assert torch.equal(drawn[0], drawn[1])
    assert not torch.equal(drawn[0], drawn[2])


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("attack", ATTACKS, ids=str)
def test_a_trigger_is_a_pure_function_of_each_image(attack, shape):
    images = batch(shape)
    before = images.pixels.clone()
    trigger = trigger_of(attack, images)
    out = trigger(images.pixels)
    assert torch.equal(images.pixels, before)
    assert torch.equal(trigger(images.pixels), out)
    assert torch.equal(trigger(images.pixels[3:4]), out[3:4])
    assert (out.shape, out.dtype) == (before.shape, torch.uint8)
    assert trigger(images.pixels[:0]).shape == (0, *shape)


@pytest.mark.parametrize("attack", ATTACKS[:-1], ids=str)
def test_every_trigger_can_be_seen_on_noise(attack):
    images = batch((3, 16, 16))
    out = trigger_of(attack, images)(images.pixels)
    assert bool((out != images.pixels)[2:].flatten(1).any(1).all())


@pytest.mark.parametrize(("frequency", "width"), [(0.0, 8), (6.0, 12), (4.0, 8)])
def test_a_wave_that_is_zero_in_every_column_is_refused(frequency, width):
    with pytest.raises(InputError, match="frequency"):
        trigger_of(SIG(0.2, frequency=frequency), batch((3, 8, width)))
