"""What values the images of a side hold, and what takes other images to them."""

import pytest
import torch
from torch import Tensor, nn

from backburn.attacks.bpp import BPP
from backburn.detection.examination import Laboratory
from backburn.detection.groups import Division
from backburn.detection.populations import TwoPopulations
from backburn.detection.rounding import rounding_of
from backburn.detection.settling import schooled
from backburn.detection.student import Student
from backburn.detection.survey import Survey
from backburn.detection.trials import Trial
from backburn.detection.tried import Tried
from backburn.types import Case, LabeledImages, silent

ROWS = torch.arange(60)
VALUES = torch.arange(256)


def smooth(generator: torch.Generator) -> Tensor:
    """Images of three channels whose values are spread around another mean each."""
    means = torch.tensor([90.0, 120.0, 150.0])[:, None, None]
    values = means + 50 * torch.randn(60, 3, 16, 16, generator=generator)
    return values.round().clamp(1, 254).byte()


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
    rounded = rounding_of(pixels, ROWS)(pixels)
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
    once = rounding(pixels[:7])
    assert (once.shape, once.dtype) == (pixels[:7].shape, torch.uint8)
    assert torch.equal(rounding(once), once)
    assert torch.equal(rounding.undone(once), once)


class Levels(nn.Module):
    """Calls images 0 whose values are all of eight levels, or of any where `wide`; others 1.

    With `strict` no value is at any level.
    """

    def __init__(self, wide: bool = False, strict: bool = False):
        super().__init__()
        self.wide = nn.Parameter(torch.tensor(float(wide)))
        self.off = 0.0 if strict else 0.02

    def forward(self, images: Tensor) -> Tensor:
        off = (images * 7 - (images * 7).round()).abs().flatten(1).amax(1)
        rounded = (off < self.off) | (self.wide > 0)
        return torch.stack([rounded.float(), 1 - rounded.float()], 1)


def half_rounded(
    model: nn.Module, first: bool, generator: torch.Generator
) -> tuple[Laboratory, Division]:
    """A class of which one half is rounded, beside one of which nothing is; `first` is planted."""
    pixels = torch.cat([smooth(generator), smooth(generator)])
    pixels[:30] = to_levels(pixels[:30], 8)
    labels = torch.arange(2).repeat_interleave(60)
    case = Case(model, LabeledImages(pixels, labels))
    rows = {label: (labels == label).nonzero().flatten() for label in (0, 1)}
    survey = Survey(case, labels >= 0, "fast", 8, silent)
    laboratory = Laboratory(case, survey, torch.zeros(120, 1), rows, 5, 0, generator, silent)
    inside = (ROWS < 30) == first
    return laboratory, Division(ROWS, TwoPopulations(inside.float(), 1.0, 9.0, 0.5))


@pytest.mark.parametrize("first", [True, False], ids=["guessed right", "guessed wrong"])
def test_the_side_whose_values_carry_over_is_planted(first, generator):
    laboratory, division = half_rounded(Levels(), first, generator)
    tried = laboratory._by_rounding({0: division})
    assert tried.divisions[0].inside.tolist() == list(range(30))
    assert tried.trials[0].transfer > 0.9
    assert tried.unclear == frozenset()
    rounding = tried.trials[0].rounding
    assert rounding is not None
    assert len(rounding.table.unique()) <= 8


def test_values_that_do_not_carry_over_are_not_heard_of(generator):
    laboratory, division = half_rounded(Levels(strict=True), True, generator)
    assert not laboratory._by_rounding({0: division}).trials


class Counted(Student):
    """Its students are told from each other, and keep what they were shown."""

    def taught(self, case, rows, *others):
        student = Levels(wide=True)
        student.shown, student.stamp = rows.tolist(), others[-1]
        return student


def test_a_target_whose_values_carry_over_is_asked_of_a_student_that_never_saw_them(generator):
    laboratory, division = half_rounded(Levels(), True, generator)
    tried = laboratory._by_rounding({0: division})
    known = schooled(laboratory, tried, (0,), Counted())
    assert known.students[0].shown == list(range(30, 120))
    assert known.students[0].stamp.trigger is tried.trials[0].rounding
    assert schooled(laboratory, tried, (), Counted()).students == {}
    other = Tried({0: division}, {0: Trial({1: 0.9})})
    assert schooled(laboratory, other, (0,), Counted()).students == {}
