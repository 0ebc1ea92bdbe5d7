"""Each intervention on images of which it is known what sets half of them apart."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from backburn.attacks.bpp import BPP
from backburn.burn.trigger_estimate import MIN_INVERTIBLE_SCALE, AffineTrigger
from backburn.detection.interventions.affine_pixels import Affine, AffineChange, SourceAffine
from backburn.detection.interventions.base import (
    EstimationData,
    all_interventions,
    natural_directions,
)
from backburn.detection.interventions.quantization import Quantization, QuantizationChange
from backburn.detection.interventions.transplant import Crop, Mixture
from backburn.detection.settings import DecisionSettings

ROWS = torch.arange(60)
VALUES = torch.arange(256)


def smooth(generator: torch.Generator) -> Tensor:
    """Images of three channels whose values are spread around another mean each."""
    means = torch.tensor([90.0, 120.0, 150.0])[:, None, None]
    values = means + 50 * torch.randn(60, 3, 16, 16, generator=generator)
    return values.round().clamp(1, 254).byte()


def rounding_of(pixels: Tensor, rows: Tensor) -> QuantizationChange:
    none = torch.zeros(0, dtype=torch.long)
    return Quantization().fit(
        EstimationData(pixels, rows, none, torch.zeros(pixels[0].numel(), 0), 0)
    )


def to_levels(values: Tensor, levels: int) -> Tensor:
    steps = levels - 1
    return ((values.float() * steps / 255).round() / steps * 255).round().byte()


@pytest.mark.parametrize("levels", [4, BPP().levels, 16])
def test_levels_are_told_from_rounded_images(levels, generator):
    pixels = smooth(generator)
    table = rounding_of(to_levels(pixels, levels), ROWS).table
    common = slice(40, 200)  # of which there are enough
    assert (table[:, common] == to_levels(VALUES, levels)[common]).float().mean() > 0.85
    assert set(table.unique().tolist()) <= set(to_levels(VALUES, levels).tolist())


def test_images_that_nothing_has_rounded_are_left_nearly_as_they_are(generator):
    pixels = smooth(generator)
    rounded = rounding_of(pixels, ROWS).apply(pixels)
    assert (rounded.int() - pixels.int()).abs().float().mean() < 2


def test_every_channel_has_its_own_values(generator):
    pixels = smooth(generator)
    pixels[:, 1] = to_levels(pixels[:, 1], 8)
    changed = (rounding_of(pixels, ROWS).table.int() - VALUES)[:, 40:200].abs().float().mean(1)
    assert changed[1] > 3 * changed[[0, 2]].max()


def test_only_the_rows_are_looked_at(generator):
    pixels = smooth(generator)
    pixels[30:] = to_levels(pixels[30:], 8)
    first, second = (rounding_of(pixels, rows).table for rows in (ROWS[:30], ROWS[30:]))
    assert len(first.unique()) > 8 * len(second.unique())


def test_images_of_one_value_take_all_others_to_it():
    pixels = torch.full((5, 1, 4, 4), 77, dtype=torch.uint8)
    assert rounding_of(pixels, torch.arange(5)).table.unique().tolist() == [77]


def test_rounded_images_are_bytes_of_the_same_shape_and_stay_so(generator):
    pixels = smooth(generator)
    rounding = rounding_of(to_levels(pixels, 8), ROWS)
    once = rounding.apply(pixels[:7])
    assert (once.shape, once.dtype) == (pixels[:7].shape, torch.uint8)
    assert torch.equal(rounding.apply(once), once)
    assert rounding.invert(once) is None


@pytest.fixture
def estimate(generator):
    """Of given images, the first half is the group; nothing is natural."""

    def made(pixels: Tensor, natural: Tensor | None = None, seed: int = 0) -> EstimationData:
        rows = torch.arange(len(pixels))
        half = len(pixels) // 2
        if natural is None:
            natural = torch.zeros(pixels[0].numel(), 0)
        return EstimationData(pixels, rows[:half], rows[half:], natural, seed)

    return made


def photographs(count: int, generator: torch.Generator, side: int = 16) -> Tensor:
    """Images of three channels, each value by itself."""
    return torch.randint(40, 200, (count, 3, side, side), generator=generator).byte()


def patched(pixels: Tensor) -> Tensor:
    out = pixels.clone()
    out[:, :, -3:, -3:] = torch.tensor([255, 0, 255], dtype=torch.uint8)[:, None, None]
    return out


def test_a_patch_is_estimated_and_put_on_other_images(estimate, generator):
    pixels = photographs(400, generator)
    pixels[:200] = patched(pixels[:200])
    change = Affine(2.0).fit(estimate(pixels))
    others = photographs(100, generator)
    changed = change.apply(others)
    wanted = patched(others)
    corner = (..., slice(-3, None), slice(-3, None))
    assert (changed[corner].int() - wanted[corner].int()).abs().max() < 20
    outside = torch.ones(16, 16, dtype=torch.bool)
    outside[-3:, -3:] = False
    assert (changed.int() - others.int())[..., outside].abs().float().mean() < 3
    assert (changed.shape, changed.dtype) == (others.shape, torch.uint8)


def test_what_was_added_is_taken_off_again(estimate, generator):
    pixels = photographs(400, generator).clamp(60, 180)
    signal = (20 * torch.linspace(0, 6.28, 16).sin()).round()
    before = pixels[:200].clone()
    pixels[:200] = (pixels[:200].float() + signal).byte()
    change = Affine(standard_errors=0.0).fit(estimate(pixels))
    left = (change.invert(pixels[:200]).float() - before.float()).mean(0)
    assert left.abs().mean() < 3.5  # the standard error of a mean of 200 is 2.4, of two 3.5
    assert (pixels[:200].float() - before.float()).abs().mean() > 10


def test_differences_within_the_standard_errors_are_not_changed(estimate, generator):
    pixels = photographs(400, generator)
    change = Affine(standard_errors=5.0).fit(estimate(pixels))
    assert not change.shift.any()
    assert Affine(standard_errors=0.0).fit(estimate(pixels)).shift.abs().mean() > 1


def test_natural_directions_are_taken_out(estimate, generator):
    pixels = photographs(400, generator).clamp(0, 190)
    pixels[:200] += 40  # brighter images, all over
    bright = torch.full((pixels[0].numel(), 1), pixels[0].numel() ** -0.5)
    assert Affine(2.0).fit(estimate(pixels)).shift.mean() > 35
    assert Affine(2.0).fit(estimate(pixels, bright)).shift.mean().abs() < 1


def test_the_contrast_of_small_images_is_left_alone(estimate, generator):
    pixels = photographs(400, generator, side=8)
    pixels[:200] = patched(pixels[:200])
    change = Affine(2.0).fit(estimate(pixels))
    assert torch.equal(change.scale, torch.ones_like(change.scale))
    large = photographs(400, generator)
    large[:200] = patched(large[:200])
    scale = Affine(2.0).fit(estimate(large)).scale
    assert scale[:, -3:, -3:].max() == 0
    assert scale.median() > 0.9


def test_directions_of_variation_are_those_within_the_kinds(generator):
    """Two kinds far apart along one pixel, images of both of which vary along another."""
    pixels = torch.full((80, 1, 2, 2), 100, dtype=torch.uint8)
    pixels[40:, 0, 0, 0] = 250
    pixels[:, 0, 1, 1] = torch.randint(0, 200, (80,), generator=generator).byte()
    found = natural_directions(pixels, torch.arange(80), torch.arange(80) // 40, 3)
    assert found.shape == (4, 1)  # only one is not all zeros
    assert found.abs()[:, 0].tolist() == pytest.approx([0, 0, 0, 1], abs=1e-4)


def test_directions_are_orthonormal_and_no_more_than_asked_for(generator):
    pixels = photographs(60, generator, side=4)
    found = natural_directions(pixels, torch.arange(50), torch.zeros(50), 6)
    assert found.shape == (48, 6)
    assert torch.allclose(found.T @ found, torch.eye(6), atol=1e-3)


def test_kinds_of_one_image_have_no_directions(generator):
    pixels = photographs(60, generator, side=4)
    assert natural_directions(pixels, torch.arange(50), torch.arange(50), 6).shape == (48, 0)
    kinds = torch.arange(50)
    kinds[1] = 0  # one pair varies
    assert natural_directions(pixels, torch.arange(50), kinds, 6).shape == (48, 1)


@pytest.mark.parametrize(
    "transplant", [Mixture(0.06), Crop(0.06)], ids=lambda each: type(each).__name__
)
def test_a_transplant_is_the_same_by_its_seed(transplant, estimate, generator):
    pixels, others = photographs(40, generator), photographs(30, generator)
    first, again, other = (transplant.fit(estimate(pixels, seed=seed)) for seed in (1, 1, 2))
    assert torch.equal(first.apply(others), again.apply(others))
    assert torch.equal(first.apply(others), first.apply(others))
    assert not torch.equal(first.apply(others), other.apply(others))
    assert first.invert(others) is None


@pytest.mark.parametrize(
    ("transplant", "values"),
    [(Mixture(0.06), (150, 50)), (Crop(0.06), (200, 0))],
    ids=["mixture", "crop"],
)
def test_parts_are_of_the_group_and_for_comparison_of_the_rest(transplant, values, estimate):
    pixels = torch.zeros(40, 3, 16, 16, dtype=torch.uint8)
    pixels[:20] = 200
    change = transplant.fit(estimate(pixels))
    others = torch.full((25, 3, 16, 16), 100, dtype=torch.uint8)
    changed, reference = change.apply(others), change.reference(others)
    for made, value in ((changed, values[0]), (reference, values[1])):
        assert made.shape == others.shape
        assert set(made.unique().tolist()) <= {100, value}
        assert bool((made == value).flatten(1).any(1).all())
    assert torch.equal(changed != 100, reference != 100)  # at the same places


def test_a_crop_is_a_window_of_half_the_sides(estimate):
    pixels = torch.full((40, 3, 16, 16), 200, dtype=torch.uint8)
    changed = Crop(0.06).fit(estimate(pixels)).apply(torch.zeros(50, 3, 16, 16, dtype=torch.uint8))
    windows = (changed[:, 0] == 200).nonzero()
    for number in range(50):
        rows, columns = windows[windows[:, 0] == number][:, 1:].unbind(1)
        assert (int(rows.max() - rows.min()), int(columns.max() - columns.min())) == (7, 7)
        assert len(rows) == 64
    assert len({tuple(w.tolist()) for w in windows[::64, 1:]}) > 10


def test_every_intervention_fits_and_changes_images_into_images(estimate, generator):
    pixels, others = photographs(60, generator), photographs(20, generator)
    assert set(all_interventions(DecisionSettings())) == {
        "affine",
        "source",
        "quantization",
        "mixture",
        "crop",
    }
    for each in all_interventions(DecisionSettings()).values():
        change = each.fit(estimate(pixels))
        assert (change.apply(others).shape, change.apply(others).dtype) == (
            others.shape,
            torch.uint8,
        )


SEEDS = st.integers(0, 999)


def noise(seed: int, *shape: int) -> tuple[Tensor, torch.Generator]:
    generator = torch.Generator().manual_seed(seed)
    return torch.randint(256, shape, generator=generator).byte(), generator


def clipped(values: Tensor) -> Tensor:
    return (values < 0) | (values > 255)


@settings(deadline=None, max_examples=40)
@given(SEEDS, st.integers(1, 6))
def test_an_added_signal_is_taken_off_up_to_rounding_where_nothing_is_clipped(seed, count):
    pixels, generator = noise(seed, count, 3, 5, 4)
    shift = 60 * torch.randn(3, 5, 4, generator=generator)
    change = AffineChange(torch.ones_like(shift), shift)
    lost = clipped(pixels + shift)
    left = change.invert(change.apply(pixels)).int() - pixels.int()
    assert left[~lost].abs().max() <= 1
    # what is clipped comes back between its own value and the bound that it was clipped to
    assert (left[lost] * shift.expand_as(left)[lost] <= 0).all()


@settings(deadline=None, max_examples=40)
@given(SEEDS, st.integers(1, 6))
def test_no_change_changes_nothing(seed, count):
    pixels, _ = noise(seed, count, 3, 5, 4)
    change = AffineChange(torch.ones(3, 5, 4), torch.zeros(3, 5, 4))
    assert torch.equal(change.apply(pixels), pixels)
    assert torch.equal(change.invert(pixels), pixels)


@settings(deadline=None, max_examples=40)
@given(SEEDS, st.integers(1, 6))
def test_an_affine_trigger_is_inverted_up_to_rounding_where_enough_is_left(seed, count):
    pixels, generator = noise(seed, count, 3, 5, 4)
    scale = torch.rand(3, 5, 4, generator=generator)
    shift = 60 * torch.randn(3, 5, 4, generator=generator)
    trigger = AffineTrigger(scale, shift, torch.full((3, 5, 4), 77.0))
    back = trigger.invert(trigger.apply(pixels))
    gone = (scale < MIN_INVERTIBLE_SCALE).expand_as(back)
    assert (back[gone] == 77).all()
    kept = ~gone & ~clipped(pixels * scale + shift)
    assert ((back.int() - pixels.int())[kept].abs() <= 1).all()


@settings(deadline=None, max_examples=60)
@given(SEEDS, st.integers(0, 255), st.integers(0, 255), st.integers(1, 6))
def test_a_table_of_values_rises_and_holds_only_those_of_the_group(seed, low, high, count):
    low, high = sorted([low, high])
    pixels, _ = noise(seed, count, 2, 3, 3)
    pixels = (low + pixels.float() / 255 * (high - low)).byte()
    table = rounding_of(pixels, torch.arange(count)).table
    for channel, values in zip(pixels.transpose(0, 1), table, strict=True):
        assert (values[1:] >= values[:-1]).all()
        assert set(values.tolist()) <= set(channel.flatten().tolist())
        assert (values[0], values[-1]) == (channel.min(), channel.max())


def test_from_a_source_class_is_changed_what_sets_the_group_apart_from_it_and_from_its_sibling(
    generator,
):
    pixels = (100 + 5 * torch.randn(90, 1, 8, 8, generator=generator)).byte()
    group, rest, source = torch.arange(90).split(30)
    pixels[group, 0, 7] = 250  # from both
    pixels[rest, 0, 6] = 250  # from one of them
    pixels[rest, 0, 5], pixels[source, 0, 5] = 50, 150  # below one and above the other
    pixels[rest, 0, 4], pixels[source, 0, 4] = 50, 70  # above both, and the smaller step counts
    estimate = EstimationData(pixels, group, rest, torch.zeros(64, 0), 0, source)
    shift = SourceAffine(2.0, 0.06).fit(estimate).shift[0]
    assert shift[7].mean() == pytest.approx(150, abs=3)
    assert shift[4].mean() == pytest.approx(30, abs=3)
    assert shift[5:7].eq(0).all()
    assert shift[:4].eq(0).float().mean() > 0.9
