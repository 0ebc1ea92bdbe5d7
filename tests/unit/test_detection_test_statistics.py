"""What is measured of groups of a linear model, of which one pixel means class 0."""

from dataclasses import replace

import pytest
import torch
from torch import nn

from backburn.detection.detector import PoisonDetector
from backburn.detection.interventions.base import all_interventions
from backburn.detection.linear_probe import ProbeResult, fit_probe
from backburn.detection.records import CandidateGroup, GroupStatistics
from backburn.detection.settings import DecisionSettings
from backburn.detection.test_statistics import StatisticsCalculator, relative_spread
from backburn.types import LabeledImages

CLASSES, EACH, PLANTED = 4, 60, 36
TRUE = torch.cat([torch.arange(CLASSES).repeat_interleave(EACH), 1 + torch.arange(PLANTED) % 3])
PLANTED_ROWS = torch.arange(CLASSES * EACH, len(TRUE))
LABELS = TRUE.clone()
LABELS[PLANTED_ROWS] = 0


def linear() -> nn.Module:
    """Class k is how bright row k is; the last pixel counts as class 0."""
    weight = torch.zeros(CLASSES, 8, 8)
    for k in range(CLASSES):
        weight[k, k] = 1
    weight[0, 7, 7] = 20
    layer = nn.Linear(64, CLASSES, bias=False)
    layer.weight = nn.Parameter(weight.flatten(1))
    return nn.Sequential(nn.Flatten(), layer).eval()


def images(generator: torch.Generator) -> LabeledImages:
    pixels = 50 + 12 * torch.randn(len(TRUE), 1, 8, 8, generator=generator)
    pixels[torch.arange(len(TRUE)), 0, TRUE] += 150
    pixels[:, 0, 7, 7] = 0
    pixels[PLANTED_ROWS, 0, 7, 7] = 255
    return LabeledImages(pixels.round().clamp(0, 255).byte(), LABELS)


@pytest.fixture
def measuring(generator) -> StatisticsCalculator:
    others = {k: (k == LABELS).nonzero().flatten() for k in range(CLASSES)}
    kinds = LABELS + CLASSES * torch.isin(torch.arange(len(TRUE)), PLANTED_ROWS).long()
    varying = torch.arange(0, CLASSES * EACH, 3)
    return StatisticsCalculator(
        linear(),
        images(generator),
        others,
        kinds,
        varying,
        all_interventions(DecisionSettings()),
        {},
        None,
        PoisonDetector(asked=45),
        0,
    )


AMONG = (LABELS == 0).nonzero().flatten()


PLANT = CandidateGroup(0, PLANTED_ROWS, torch.arange(EACH))


def measured(
    calculator: StatisticsCalculator, group: CandidateGroup, among: torch.Tensor
) -> GroupStatistics:
    """The statistics of a group whose sibling is the rest of its class."""
    sibling = CandidateGroup(group.label, group.rest, group.group)
    return calculator.measure_split((group, sibling), among)[0]


def half_of(label: int, generator: torch.Generator) -> CandidateGroup:
    drawn = label * EACH + torch.randperm(EACH, generator=generator)
    return CandidateGroup(label, drawn[: EACH // 2], drawn[EACH // 2 :])


def test_the_planted_pixel_carries_over_and_is_needed(measuring):
    found = measured(measuring, PLANT, AMONG)
    assert found.best_intervention == "affine"
    assert found.transfer["affine"] == 1
    assert found.necessity == 1
    assert found.strength == 2


def test_a_change_counts_if_the_group_needs_it_or_shows_its_own_class(measuring):
    found = measured(measuring, PLANT, AMONG)
    assert found.best_transfer == 1
    clean_label = replace(found, necessities=dict.fromkeys(found.transfer, 0.0))
    assert clean_label.best_transfer == 1
    assert replace(clean_label, excess=0.9).best_transfer == pytest.approx(0.1)
    assert replace(found, excess=0.9).best_transfer == 1


def test_what_sets_a_group_apart_from_images_of_other_classes_is_no_trigger(measuring):
    found = replace(measured(measuring, PLANT, AMONG), sibling_excess=0.9)
    assert found.best_transfer == pytest.approx(0.1)
    assert replace(found, excess=0.9).best_transfer == pytest.approx(0.9)  # it shows others, too


@pytest.mark.parametrize("label", [0, 1, 3])
def test_of_a_random_half_nothing_does(label, measuring, generator):
    found = measured(measuring, half_of(label, generator), (label == LABELS).nonzero().flatten())
    assert max(found.transfer.values()) == 0
    assert found.necessity == 0


def test_the_smaller_group_of_a_split_weighs_its_transfer(measuring):
    smaller = min(len(PLANT.group), len(PLANT.rest))
    assert measured(measuring, PLANT, AMONG).weight == smaller / (smaller + 30)


def test_without_a_probe_no_transplant_counts(measuring):
    found = measured(measuring, PLANT, AMONG)
    assert found.transfer["mixture"] == found.transfer["crop"] == 0
    assert found.probes == {}


def probed(measuring: StatisticsCalculator) -> StatisticsCalculator:
    """With a probe of the pixels themselves, of which the last is left out."""
    pixels = measuring.images.pixels.flatten(1)[:, :-1].half()
    probe = fit_probe(pixels, measuring.rows, 0)
    return replace(measuring, probes={"pixels": probe})


def test_a_group_that_its_class_does_not_support_counts_by_how_widely_it_spreads(measuring):
    found = measured(probed(measuring), PLANT, AMONG)
    # a third of random images of the class, which are as many, are planted ones
    assert found.probes["pixels"] == pytest.approx(36 / 66 * 2 / 3, abs=0.05)
    # its sibling, without which the class is planted images only, is foreign as well
    assert found.strength == pytest.approx(2 * 2 / 3 + found.probes["pixels"], rel=1e-6)


@pytest.mark.parametrize("label", [0, 1, 3])
def test_a_random_half_is_supported_by_the_other(label, measuring, generator):
    among = (label == LABELS).nonzero().flatten()
    assert measured(probed(measuring), half_of(label, generator), among).probes["pixels"] == 0


def test_what_goes_to_one_class_counts_if_its_change_turns_that_class(measuring):
    to_one_class = ProbeResult(1.0, torch.full((36,), 2))
    statistic = probed(measuring).probe_statistic
    assert statistic(to_one_class, PLANT, 1.0) == pytest.approx(36 / 66)
    assert statistic(to_one_class, PLANT, 0.0) == pytest.approx(36 / 66 / 3)
    assert statistic(ProbeResult(0.04, to_one_class.predicted), PLANT, 1.0) == 0


def test_a_trigger_that_other_classes_carry_transfers_from_its_source_class(measuring):
    """A fifth of the images of each class carry it, and only those of class 2 get its label."""
    pixels, rows = measuring.images.pixels.clone(), torch.arange(CLASSES * EACH)
    pixels[rows[(rows % 5 == 0) & (TRUE[rows] != 2)], 0, 7, 7] = 255
    images = replace(measuring.images, pixels=pixels)
    varying = rows[rows % 3 == 0]
    unknown = replace(measuring, images=images, subgroups=LABELS, variation_rows=varying)
    group = CandidateGroup(0, PLANTED_ROWS[TRUE[PLANTED_ROWS] == 2], torch.arange(EACH))
    found = measured(probed(unknown), group, AMONG)
    # half of the class, of 45 asked; three quarters of the group count as foreign to its class
    assert found.transfer["source"] == pytest.approx(30 / 45 * found.excess)
    assert found.excess == 0.75
    assert found.max_transfer == found.transfer["source"]
    assert found.necessities["source"] == 1
    assert found.transfer_from_all("source") == pytest.approx(found.transfer["source"] / 3)
    deaf = linear()
    with torch.no_grad():
        deaf[1].weight[0] = 0
    carries_nothing = measured(probed(replace(unknown, model=deaf)), group, AMONG)
    assert carries_nothing.transfer["source"] == 0
    # without a probe nothing says which class the group looks like
    assert measured(unknown, group, AMONG).transfer["source"] == 0


SIZES = torch.tensor([30.0, 30.0, 30.0, 0.0])


def test_images_are_spread_if_two_are_of_one_class_as_rarely_as_two_of_other_classes():
    assert relative_spread(torch.tensor([10, 10, 10, 0]), SIZES) == 1.0
    assert relative_spread(torch.tensor([30, 0, 0, 0]), SIZES) == pytest.approx(1 / 3)
    assert relative_spread(torch.tensor([15, 15, 0, 0]), SIZES) == pytest.approx(2 / 3, abs=0.03)
    assert relative_spread(torch.tensor([1, 0, 0, 0]), SIZES) == 0  # one image says nothing


def test_few_images_of_many_classes_can_be_spread(generator):
    """A distance between distributions would call them uneven: most classes have no image."""
    sizes = torch.ones(1000)
    counts = torch.bincount(torch.randint(1000, (60,), generator=generator), minlength=1000)
    assert relative_spread(counts, sizes) > 0.5


def test_others_are_alike_that_need_the_change_or_that_the_class_does_not_support(measuring):
    found = measured(measuring, PLANT, AMONG)
    clean = torch.arange(30)
    assert measuring.similarity(found, clean, AMONG) == 0
    half = replace(found, candidate=replace(PLANT, group=PLANTED_ROWS[:18]))
    assert measuring.similarity(half, PLANTED_ROWS[18:], AMONG) == 1
    unneeded = replace(half, necessities=dict.fromkeys(half.transfer, 0.0))
    assert measuring.similarity(unneeded, PLANTED_ROWS[18:], AMONG) == 0  # there is no probe
    assert probed(measuring).similarity(unneeded, PLANTED_ROWS[18:], AMONG) == pytest.approx(
        1, abs=0.1
    )
    assert probed(measuring).similarity(unneeded, clean, AMONG) < 0.1
    indifferent = replace(measuring, settings=replace(measuring.settings, min_necessity=0.0))
    assert indifferent.similarity(unneeded, clean, AMONG) == 0


def test_a_transplant_counts_by_more_than_the_same_of_the_rest(measuring):
    found = measured(probed(measuring), PLANT, AMONG)
    # halved, the pixel is still enough; row 0 of the rest is, too, for half of the images
    assert found.transfer["mixture"] > 0.2
    assert found.transfer["crop"] < found.transfer["mixture"]


def test_a_group_is_measured_the_same_again(measuring):
    first, second = measured(measuring, PLANT, AMONG), measured(measuring, PLANT, AMONG)
    assert first.transfer == second.transfer
    assert first.necessity == second.necessity


def test_only_images_of_other_classes_are_asked_as_many_of_each(measuring, generator):
    rows = measuring._draw_other_classes(2, generator)
    assert len(set(rows.tolist())) == len(rows) == 45
    assert torch.bincount(LABELS[rows], minlength=CLASSES).tolist() == [15, 15, 0, 15]


def test_where_there_is_no_other_class_nothing_carries_over(measuring):
    alone = replace(measuring, rows={0: measuring.rows[0]})
    assert max(measured(alone, PLANT, AMONG).transfer.values()) == 0
