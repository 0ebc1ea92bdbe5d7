"""Reversion and strength, on answers that are written by hand."""

import math

import pytest
import torch
from torch import Tensor

from backburn.detection.trials import MOST, REVERSION, TRANSFER, Trial, reversion, usual_transfer

CLASSES = 4


def logits(labels: list[int]) -> Tensor:
    return 20 * torch.nn.functional.one_hot(torch.tensor(labels), CLASSES).float()


def test_poison_from_everywhere_goes_back_to_everywhere():
    assert reversion(logits([1, 2, 3] * 5), logits([0] * 9), 0, {}) == pytest.approx(1, abs=1e-3)


def test_a_group_that_goes_to_one_look_alike_is_natural():
    assert reversion(logits([1] * 15), logits([0] * 9), 0, {}) == 0


def test_a_group_that_keeps_its_label_is_natural():
    assert reversion(logits([0] * 15), logits([0] * 9), 0, {}) == 0


def test_a_class_that_the_student_does_not_know_says_nothing():
    assert reversion(logits([1, 2, 3]), logits([1, 2, 3]), 0, {}) == 0
    assert reversion(logits([1, 2, 3]), torch.zeros(0, CLASSES), 0, {}) == 0


@pytest.mark.parametrize(("known", "expected"), [(4, 0), (5, 1)])
def test_a_student_that_knows_less_than_half_of_the_class_is_not_heard(known, expected):
    held_out = logits([0] * known + [1] * (10 - known))
    found = reversion(logits([1, 2, 3] * 5), held_out, 0, {})
    assert found == pytest.approx(expected, abs=1e-3)


def test_half_kept_is_half_reverted():
    said = logits([0] * 15 + [1, 2, 3] * 5)
    assert reversion(said, logits([0] * 9), 0, {}) == pytest.approx(0.5, abs=1e-3)


@pytest.mark.parametrize(("source", "expected"), [(2, 0.9), (3, 0.0)])
def test_poison_of_one_source_goes_back_to_where_the_trigger_carries_over_from(source, expected):
    carried_over = {1: 0.0, source: 0.9}
    assert reversion(logits([2] * 15), logits([0] * 9), 0, carried_over) == pytest.approx(expected)


def test_a_trial_is_as_strong_as_the_stronger_of_both():
    assert Trial({1: 0.1, 2: 0.3}, 0.9).strength(TRANSFER) == pytest.approx(0.9 / REVERSION)
    assert Trial({1: 0.1, 2: 0.3}, 0.1).strength(TRANSFER) == pytest.approx(0.2 / TRANSFER)
    assert Trial({1: 0.1, 2: 0.3}, 0.1).strength(0.05) == pytest.approx(0.2 / 0.05)
    assert Trial().strength(TRANSFER) == Trial({1: -0.2}).strength(TRANSFER) == 0


def test_what_carries_over_by_nature_is_told_by_three_quarters_of_the_classes():
    natural = [-0.08 * math.log(1 - (k + 0.5) / 43) for k in range(43)]
    assert usual_transfer(natural, 43) == pytest.approx(0.08, rel=0.06)
    assert usual_transfer([*natural[1:], 1.0], 43) == pytest.approx(0.08, abs=0.01)


@pytest.mark.parametrize(
    ("transfers", "classes", "expected"),
    [
        ([], 10, TRANSFER),
        ([0.9, 0.8], 10, TRANSFER),  # those that were not tried carry nothing over
        ([0.9], 2, TRANSFER),
        ([0.9] * 10, 10, MOST),
    ],
)
def test_targets_do_not_make_each_other_usual(transfers, classes, expected):
    assert usual_transfer(transfers, classes) == expected
