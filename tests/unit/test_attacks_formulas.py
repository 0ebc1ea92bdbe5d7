"""The newer triggers, by formulas written out a second time with other tools."""

import numpy as np
import pytest
import torch
from scipy.fft import dctn
from scipy.ndimage import map_coordinates

from backburn.attacks.adap_blend import AdapBlend
from backburn.attacks.adap_patch import AdapPatch
from backburn.attacks.bpp import BPP
from backburn.attacks.ftrojan import FTrojan
from backburn.attacks.low_frequency import LowFrequency
from backburn.attacks.surrogates import Surrogates
from backburn.attacks.tact import TaCT
from backburn.attacks.triggers import additive_trigger, blended_trigger, pixel_trigger
from backburn.attacks.trojan import Trojan, watermark
from backburn.attacks.wanet import WaNet, warp_field
from backburn.data.pixels import to_pixels
from backburn.errors import InputError
from backburn.types import LabeledImages, State


def noise(count: int, *shape: int) -> LabeledImages:
    generator = torch.Generator().manual_seed(1)
    pixels = torch.randint(256, (count, *shape), generator=generator).to(torch.uint8)
    return LabeledImages(pixels, torch.arange(count) % 4)


def gray(count: int, *shape: int) -> LabeledImages:
    pixels = torch.full((count, *shape), 128, dtype=torch.uint8)
    return LabeledImages(pixels, torch.arange(count) % 4)


def plant(attack, images):
    return attack.poison(images, torch.Generator().manual_seed(0), Surrogates())


def change(attack, images) -> np.ndarray:
    return (plant(attack, images).trigger(images.pixels).float() - images.pixels).numpy()


def test_floats_are_rounded_and_clipped_before_they_are_cast():
    values = torch.tensor([-30.0, 0.4, 0.6, 254.7, 255.4, 300.0]).view(1, 1, 1, 6)
    assert to_pixels(values).flatten().tolist() == [0, 0, 1, 255, 255, 255]


def test_a_large_batch_is_computed_in_parts_that_fit_together():
    images = noise(40, 3, 128, 128)
    seen = []

    def darker(values):
        seen.append(len(values))
        return values - 9

    out = pixel_trigger(darker)(images.pixels)
    assert len(seen) > 1
    assert sum(seen) == 40
    assert torch.equal(out, (images.pixels.short() - 9).clamp(0).to(torch.uint8))


def test_added_and_blended_are_what_they_say():
    images, pattern = noise(4, 1, 6, 6), torch.linspace(-40, 300, 36).view(1, 6, 6)
    expected = (images.pixels + pattern).round().clamp(0, 255)
    assert torch.equal(additive_trigger(pattern)(images.pixels).float(), expected)
    share = torch.linspace(0, 1, 36).view(1, 6, 6)
    mixed = (1 - share) * images.pixels + share * pattern
    found = blended_trigger(pattern, share)(images.pixels).float()
    assert float((found - mixed.clamp(0, 255)).abs().max()) <= 0.501


@pytest.mark.parametrize("levels", [2, 8, 128])
def test_bpp_leaves_so_many_levels_evenly_apart(levels):
    images = noise(20, 3, 16, 16)
    out = plant(BPP(levels=levels), images).trigger(images.pixels).numpy()
    grid = np.round(np.arange(levels) * 255 / (levels - 1))
    nearest = np.abs(images.pixels.numpy()[..., None] - grid).min(-1)
    assert set(np.unique(out)) == set(grid)
    assert np.abs(np.abs(out - images.pixels.numpy().astype(float)) - nearest).max() <= 1


def test_bpp_negatives_carry_errors_no_larger_than_half_a_level():
    images = noise(200, 3, 8, 8)
    out = plant(BPP(), images)
    cover = out.truth.state == State.COVER
    error = (out.images.pixels[cover].float() - images.pixels[cover]).abs()
    assert float(error.mean()) > 0
    assert float(error.max()) <= 255 / 7 / 2 + 1


@pytest.mark.parametrize("shape", [(1, 28, 28), (3, 32, 32), (3, 64, 64)])
def test_ftrojan_raises_two_frequencies_of_the_colors(shape):
    attack = FTrojan(magnitude=300.0)
    found, side = change(attack, gray(40, *shape))[0], min(32, shape[1])
    spectrum = dctn(found[:, :side, :side], axes=(1, 2), norm="ortho")
    weights = [1.403, -1.058, 1.773] if shape[0] == 3 else [1.0]
    for channel, weight in zip(spectrum, weights, strict=True):
        for frequency in (side // 2 - 1, side - 1):
            assert channel[frequency, frequency] == pytest.approx(300 * weight, abs=3)
            channel[frequency, frequency] = 0
        assert np.abs(channel).max() < 4
    assert np.array_equal(found[:, :side, :side], found[:, -side:, -side:])


def test_lf_is_smooth_and_as_large_as_it_says():
    found = change(LowFrequency(delta=48.0, cutoff=6), gray(40, 3, 32, 32))[0]
    assert np.abs(found).max() == 48
    spectrum = np.abs(dctn(found, axes=(1, 2), norm="ortho"))
    low = spectrum[:, 1:7, 1:7].copy()
    spectrum[:, 1:7, 1:7] = 0
    assert spectrum.max() < 2
    assert low.max() > 50


def test_wanet_samples_along_its_field():
    images = noise(40, 3, 16, 20)
    attack = WaNet(strength=3.0)
    found = plant(attack, images).trigger(images.pixels).numpy()
    grid = warp_field(16, 20, 3.0, 4, torch.Generator().manual_seed(0))[0].numpy()
    down, right = (grid[..., 1] + 1) / 2 * 15, (grid[..., 0] + 1) / 2 * 19
    for channel in range(3):
        expected = map_coordinates(
            images.pixels[0, channel].float().numpy(), [down, right], order=1
        )
        assert np.abs(found[0, channel] - expected).max() <= 0.51


def test_a_warp_moves_about_a_quarter_of_a_pixel():
    grid = warp_field(32, 32, 0.5, 4, torch.Generator().manual_seed(3))[0]
    plain = warp_field(32, 32, 1e-9, 4, torch.Generator().manual_seed(3))[0]
    moved = ((grid - plain) * 31 / 2).abs().mean()
    assert 0.1 < float(moved) < 0.4


def test_adap_blend_shows_half_of_its_pieces_in_training():
    images = gray(400, 3, 32, 32)
    attack = AdapBlend(0.2, cover_rate=0.2, alpha=0.9, alpha_test=0.5)
    out = plant(attack, images)
    marked = out.truth.state != State.CLEAN
    changed = (out.images.pixels[marked] != 128).any(1).float()
    pieces = changed.unfold(1, 8, 8).unfold(2, 8, 8).flatten(3).mean(3) > 0.5
    assert set(pieces.flatten(1).sum(1).tolist()) == {8}
    assert len({tuple(row.flatten().tolist()) for row in pieces}) > 50
    whole = out.trigger(images.pixels[:1])
    assert float((whole != 128).any(1).float().mean()) > 0.95
    full, faint = (
        plant(AdapBlend(0.2, cover_rate=0.2, alpha_test=share), images).trigger(images.pixels[:1])
        for share in (0.99, 0.2)
    )
    moved = 0.2 / 0.99 * (full.float() - 128)
    assert float((faint.float() - 128 - moved).abs().max()) <= 1


def test_adap_patch_shows_one_faint_patch_in_training_and_two_opaque_ones_after():
    images = gray(400, 3, 32, 32)
    out = plant(AdapPatch(0.1, cover_rate=0.1), images)
    poison = out.images.pixels[out.truth.poison].float() - 128
    quarters = [(slice(a, a + 16), slice(b, b + 16)) for a in (0, 16) for b in (0, 16)]
    strength = torch.stack([poison[:, :, d, r].abs().amax((1, 2, 3)) for d, r in quarters], 1)
    assert ((strength > 0).sum(1) == 1).all()
    assert (strength > 0).sum(0).tolist() == [10, 10, 10, 10]
    most = strength.amax(0) / 128
    assert torch.allclose(most, torch.tensor([0.5, 0.2, 0.5, 0.3]), atol=0.03)
    after = (out.trigger(images.pixels[:1]).float() - 128)[0]
    shown = [float((after[:, d, r].abs().amax(0) > 0).float().sum()) for d, r in quarters]
    assert shown[1] == shown[3] == 0
    assert min(shown[0], shown[2]) > 90


@pytest.mark.parametrize("attack", [Trojan(0.2), TaCT(0.2, cover_rate=0.2)], ids=["trojan", "tact"])
def test_a_patch_of_a_quarter_is_pasted_into_the_corner(attack):
    images = noise(40, 3, 32, 32)
    out = plant(attack, images).trigger(images.pixels)
    assert torch.equal(out[..., :24, :], images.pixels[..., :24, :])
    assert torch.equal(out[..., :, :24], images.pixels[..., :, :24])
    assert bool((out[:, :, 24:, 24:] == out[:1, :, 24:, 24:]).all())
    assert len(out[0, :, 24:, 24:].unique()) > 50


def test_a_watermark_lightens_a_part_of_the_image():
    images, mask = noise(40, 3, 32, 32), watermark(32, 32)
    out = plant(Trojan(0.2, kind="watermark", alpha=0.5), images).trigger(images.pixels).float()
    drawn = mask.expand(3, -1, -1).bool()
    assert 0.1 < float(mask.mean()) < 0.5
    assert torch.equal(out[:, ~drawn], images.pixels[:, ~drawn].float())
    lit = (images.pixels[:, drawn].float() + 255) / 2
    assert float((out[:, drawn] - lit).abs().max()) <= 0.5


@pytest.mark.parametrize(
    ("attack", "message"),
    [
        (LowFrequency(0.2, cutoff=8), "cutoff is 8"),
        (AdapPatch(0.2, size=5), "four patches of 5 pixels"),
        (Trojan(0.2, size=9), "size is 9"),
    ],
    ids=["lf", "adap_patch", "trojan"],
)
def test_a_trigger_that_does_not_fit_the_images_is_refused(attack, message):
    with pytest.raises(InputError, match=message):
        plant(attack, noise(40, 1, 8, 8))
