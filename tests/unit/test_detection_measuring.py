"""What is measured of groups of a linear model, of which one pixel means class 0."""

import math
from dataclasses import replace

import pytest
import torch
from torch import Tensor, nn

from backburn.detection.interventions.base import interventions
from backburn.detection.measuring import Measuring
from backburn.detection.records import Candidate
from backburn.detection.retraining import CrossFitted, Unseen
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
def measuring(generator) -> Measuring:
    others = {k: (k == LABELS).nonzero().flatten() for k in range(CLASSES)}
    kinds = LABELS + CLASSES * torch.isin(torch.arange(len(TRUE)), PLANTED_ROWS).long()
    varying = torch.arange(0, CLASSES * EACH, 3)
    return Measuring(
        linear(), images(generator), others, kinds, varying, interventions(), 45, None, 0
    )


PLANT = Candidate(0, PLANTED_ROWS, torch.arange(EACH))


def half_of(label: int, generator: torch.Generator) -> Candidate:
    drawn = label * EACH + torch.randperm(EACH, generator=generator)
    return Candidate(label, drawn[: EACH // 2], drawn[EACH // 2 :])


def test_the_planted_pixel_carries_over_and_is_needed(measuring):
    found = measuring.measure(PLANT)
    assert found.best == "affine"
    assert found.transfer["affine"] == 1
    assert found.necessity == 1
    assert math.isnan(found.retraining)
    assert found.strength == 2


@pytest.mark.parametrize("label", [0, 1, 3])
def test_of_a_random_half_nothing_does(label, measuring, generator):
    found = measuring.measure(half_of(label, generator))
    assert max(found.transfer.values()) == 0
    assert found.necessity == 0


def test_without_a_retrained_model_no_transplant_is_heard(measuring):
    found = measuring.measure(PLANT)
    assert found.transfer["mixture"] == found.transfer["crop"] == 0


def unseen(called: Tensor, hidden: list[int]) -> CrossFitted:
    """Retrained models: the first calls images so and did not see these; the second agrees."""
    count = len(called)
    flags = torch.zeros(count, dtype=torch.bool)
    flags[hidden] = True
    none = torch.zeros_like(flags)
    even = torch.full((CLASSES, CLASSES), 1 / CLASSES)
    known = torch.ones(CLASSES)

    def of(said: Tensor, hidden: Tensor) -> Unseen:
        certain = nn.functional.one_hot(said, CLASSES).float().clamp_min(1e-9).log()
        return Unseen(certain, hidden, said != LABELS, none, even, known)

    return CrossFitted(of(called, flags), of(LABELS, none))


def test_images_that_move_back_to_many_classes_count_as_they_are(measuring):
    knows = replace(measuring, unseen=unseen(TRUE, PLANTED_ROWS.tolist()))
    found = knows.measure(PLANT)
    # of 36 images, to three of four classes that are each a quarter of the errors
    assert found.retraining == pytest.approx(36 / 66 * 0.25, abs=1e-3)
    assert math.isnan(knows.measure(PLANT, first=False).retraining)


@pytest.mark.parametrize(
    ("carries", "expected"), [(True, 36 / 66 * 0.75), (False, 36 / 66 * 0.75 / 3)]
)
def test_what_moves_to_one_class_counts_if_its_change_turns_that_class(
    carries, expected, measuring
):
    called = TRUE.clone()
    called[PLANTED_ROWS] = 2
    knows = replace(measuring, unseen=unseen(called, PLANTED_ROWS.tolist()))
    if not carries:
        deaf = linear()
        with torch.no_grad():
            deaf[1].weight[0] = 0
        knows = replace(knows, model=deaf)
    assert knows.measure(PLANT).retraining == pytest.approx(expected, abs=0.01)


def test_a_transplant_counts_by_more_than_the_same_of_the_rest(measuring):
    found = replace(measuring, unseen=unseen(TRUE, PLANTED_ROWS.tolist())).measure(PLANT)
    # halved, the pixel is still enough; row 0 of the rest is, too, for half of the images
    assert found.transfer["mixture"] > 0.2
    assert found.transfer["crop"] < found.transfer["mixture"]


def test_a_group_is_measured_the_same_again(measuring):
    first, second = measuring.measure(PLANT), measuring.measure(PLANT)
    assert first.transfer == second.transfer
    assert first.necessity == second.necessity


def test_only_images_of_other_classes_are_asked_as_many_of_each(measuring, generator):
    rows = measuring._other_classes(2, generator)
    assert len(set(rows.tolist())) == len(rows) == 45
    assert torch.bincount(LABELS[rows], minlength=CLASSES).tolist() == [15, 15, 0, 15]


def test_where_there_is_no_other_class_nothing_carries_over(measuring):
    alone = replace(measuring, others={0: measuring.others[0]})
    assert max(alone.measure(PLANT).transfer.values()) == 0
